"""Exercises of chapter 7, random slopes: spread of slopes, variance functions, moderated slopes.

tau00, tau01 and tau11 are the elements of the covariance matrix of intercepts and slopes. All fits
are REML; ses_within is the deviation of ses from the mean of the school.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.centering.center import center
from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_mixed
from mlteach.questions.simple_slopes import johnson_neyman, simple_slopes


@cache
def _fit(data: str, formula: str, reml: bool = True) -> MixedResult:
    table = load(data)
    if data == "hsb":
        table = center(table, ["ses"], cluster="school")
    return fit_mixed(formula, table, reml=reml, smushed_note=False)


# --------------------------------------------------------------------------- 7.1 a spread of slopes


LONDON = "score16 ~ score11 + (1 + score11 | school)"


def _slopes_of_schools(spread: str = "sd") -> tuple[float, float]:
    """Mean slope, plus and minus 1.96 of something."""
    fit = _fit("london", LONDON)
    variance = float(fit.tau.loc["score11", "score11"])
    half = 1.96 * {"sd": np.sqrt(variance), "variance": variance, "se": fit.bse["score11"]}[spread]
    slope = float(fit.params["score11"])
    return slope - float(half), slope + float(half)


# --------------------------------------------------------------------------- 7.2 a variance by hand


T00, T01, T11, SIGMA2 = 9.0, -2.0, 1.0, 20.0


def _lowest(twice: float = 2.0) -> tuple[float, float]:
    """Where the variance is lowest, and the intraclass correlation there."""
    x = -T01 / T11
    between = T00 + twice * x * T01 + x**2 * T11
    return x, between / (between + SIGMA2)


def _wrong_side() -> tuple[float, float]:
    between = T00 + 2 * (T01 / T11) * T01 + T11 * (T01 / T11) ** 2
    return T01 / T11, between / (between + SIGMA2)


# ------------------------------------------------------------------------------- 7.3 a simple slope


HSB = "math ~ ses_within * (mean_ses + catholic)"
SLOPES = " + (1 + ses_within | school)"


def _public(
    mean_ses: float = -0.5, catholic: int = 0, random: str = "1 + ses_within"
) -> tuple[float, float]:
    """Slope of ses_within in a kind of school, and its standard error."""
    fit = _fit("hsb", f"{HSB} + ({random} | school)")
    row = simple_slopes(fit, "ses_within", "mean_ses", at=[mean_ses], hold={"catholic": catholic})
    return float(row["estimate"].iloc[0]), float(row["se"].iloc[0])


def _without_covariance() -> tuple[float, float]:
    V = _fit("hsb", HSB + SLOPES).cov_params()
    main, product = "ses_within", "ses_within:mean_ses"
    return _public()[0], float(np.sqrt(V.loc[main, main] + 0.25 * V.loc[product, product]))


# --------------------------------------------------------------------- 7.4 explained slope variance


def _explained(component: str = "ses_within", reml: bool = True) -> float:
    before = _fit("hsb", f"math ~ ses_within{SLOPES}", reml)
    after = _fit("hsb", f"math ~ ses_within * catholic{SLOPES}", reml)
    names = (component, component)
    return 1.0 - float(after.tau.loc[names]) / float(before.tau.loc[names])


# -------------------------------------------------------------------------------------- 7.5 a bound


def _bounds(reml: bool = True) -> tuple[float, ...]:
    fit = _fit("language", "gpa ~ ses_z * clubs + (1 + ses_z | school)", reml)
    return johnson_neyman(fit, "ses_z", "clubs").bounds


def _crosses_zero() -> float:
    b = _fit("language", "gpa ~ ses_z * clubs + (1 + ses_z | school)").params
    return float(-b["ses_z"] / b["ses_z:clubs"])


def _icc_in_percent() -> tuple[float, float]:
    return _lowest()[0], 100 * _lowest()[1]


def _public_ols() -> tuple[float, float]:
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    fit = smf.ols(HSB, center(load("hsb"), ["ses"], cluster="school")).fit()
    x, names = np.array([1.0, -0.5]), ["ses_within", "ses_within:mean_ses"]
    return float(x @ fit.params[names]), float(np.sqrt(x @ fit.cov_params().loc[names, names] @ x))


EXERCISES = (
    Exercise(
        key="7.1",
        question="Between which slopes of score11 do 95% of London's schools lie?",
        answer=_slopes_of_schools,
        tolerance=0.005,
        mistakes=(
            (
                lambda: _slopes_of_schools("se"),
                "That is the confidence interval of the average slope. Asked is how much the "
                "schools' slopes differ: their standard deviation, not a standard error.",
            ),
            (
                lambda: _slopes_of_schools("variance"),
                "You went 1.96 variances to each side. Take the square root first.",
            ),
        ),
        ask="Is this about the average slope, or about the schools?",
        place="Does family background matter equally in every school?",
        hint="The slopes have the mean fit.params['score11'] and the standard deviation in the "
        "column sd of fit.variances; 95% of a normal distribution lie within 1.96 of those.",
    ),
    Exercise(
        key="7.2",
        question="Where is the variance lowest, and what is the ICC there?",
        answer=_lowest,
        tolerance=0.005,
        mistakes=(
            (
                lambda: _lowest(twice=1.0),
                "The place is right. At that place the covariance counts twice: 2 x tau01.",
            ),
            (
                _wrong_side,
                "Mind the sign: the lowest point is at minus tau01 / tau11.",
            ),
            (
                lambda: (_lowest()[0], T00 - T01**2 / T11),
                "The place is right. The second number is the variance between schools there; "
                "the ICC divides it by itself plus sigma2.",
            ),
            (
                lambda: (_lowest()[0], T00 - T01**2 / T11 + SIGMA2),
                "The place is right. The second number is the total variance there; which share of "
                "it lies between schools?",
            ),
            (_icc_in_percent, "Both are right; give the ICC as a number between 0 and 1."),
        ),
        ask="What kind of curve is the variance in x, and where is its lowest point?",
        place="Where is zero?",
        hint="tau00 + 2 x tau01 + x² tau11 is a parabola in x; find its lowest point first.",
    ),
    Exercise(
        key="7.3",
        question="Slope of ses_within in a public school with mean_ses = -.5, and its SE?",
        answer=_public,
        tolerance=0.003,
        mistakes=(
            (
                _without_covariance,
                "The slope is right. For its standard error you added variances only: the "
                "covariance of the two coefficients belongs to it, times 2w.",
            ),
            (
                lambda: _public(catholic=1),
                "These are the numbers of a Catholic school.",
            ),
            (
                lambda: _public(mean_ses=0.5),
                "These are the numbers at a mean_ses of plus .5.",
            ),
            (
                lambda: (_public()[0], _public()[1] ** 2),
                "The slope is right. The second number is its variance; take the root.",
            ),
            (
                lambda: _public(random="1"),
                "That is from a model without the random slope: its standard error counts "
                "students.",
            ),
            (_public_ols, "That is from OLS. Use the multilevel fit with the random slope."),
        ),
        ask="Which coefficients add up to this slope? Do their errors go together?",
        place="Why are some slopes steeper?",
        hint="mt.simple_slopes(fit, 'ses_within', by='mean_ses', at=[...], hold={...}).",
    ),
    Exercise(
        key="7.4",
        question="What share of the variance of the slopes does catholic explain?",
        answer=_explained,
        tolerance=0.005,
        mistakes=(
            (
                lambda: 1.0 - _explained(),
                "That is the share left over.",
            ),
            (
                lambda: _explained("Intercept"),
                "That is the share of the variance of the intercepts. Look at the row ses_within.",
            ),
            (lambda: _explained(reml=False), "That is from ML fits. Use REML."),
        ),
        ask="Which variance do you compare with which, before and after?",
        place="Why are some slopes steeper?",
        hint="Fit math ~ ses_within and math ~ ses_within * catholic, both with the random slope, "
        "and compare the rows ses_within of fit.variances.",
    ),
    Exercise(
        key="7.5",
        question="From which value of clubs upwards does the interval of the slope contain 0?",
        answer=lambda: _bounds()[0],
        tolerance=0.01,
        mistakes=(
            (
                _crosses_zero,
                "There the slope itself is zero. Its interval reaches zero before that.",
            ),
            (
                lambda: _bounds()[1],
                "That is the other bound, from which on the slope would be negative.",
            ),
            (
                lambda: _bounds(reml=False)[0],
                "That is from the ML fit. Use REML.",
            ),
        ),
        ask="Where is the slope zero, and does its interval reach zero earlier or later?",
        place="Where does the slope differ from zero?",
        hint="mt.johnson_neyman(fit, 'ses_z', by='clubs').bounds, from the REML fit.",
    ),
)
