"""Exercises of chapter 14, the multigroup model: counts, ratios, tests, slopes of groups.

Within and Between are the covariance matrices of a group within and between clusters.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.latent import latent_regression
from mlteach.multigroup.result import MultigroupResult

# ------------------------------------------------------------------------------------ 14.1 counts


def _parameters(p: int, K: int, free: bool, means: bool = True) -> int:
    """Free parameters with both matrices equal or free across groups."""
    elements = p * (p + 1) // 2
    return 2 * elements * (K if free else 1) + (K * p if means else 0)


# ---------------------------------------------------------------- 14.2, 14.3 London's three groups


@cache
def _london(between: str = "free", within: str = "free") -> MultigroupResult:
    """Exam scores at 16 and 11 in schools for boys, for girls, and for both."""
    return fit_multigroup(
        ["score16", "score11"],
        load("london"),
        cluster="school",
        group="school_gender",
        within=within,
        between=between,
    )


def _spread(level: str = "within", variable: str = "score16") -> float:
    """Largest variance of the three groups over the smallest."""
    matrices = getattr(_london(), level).values()
    variances = [float(matrix.loc[variable, variable]) for matrix in matrices]
    return max(variances) / min(variances)


def _test(small: MultigroupResult) -> tuple[float, int]:
    """Likelihood-ratio statistic against both matrices free, and its degrees of freedom."""
    big = _london()
    return big.deviance * -1 + small.deviance, big.n_parameters - small.n_parameters


# ------------------------------------------------------------------------------------ 14.4 two ICCs


def _ratio(tau2: float = 6.0) -> float:
    first, second = (tau2 / icc - tau2 for icc in (0.20, 0.12))
    return first / second


# ---------------------------------------------------------------------------- 14.5 slopes of groups


@cache
def _slopes(effect: str) -> tuple[float, float, float]:
    """Slope in public schools minus Catholic; root of the sum of squared SEs; sum of SEs."""
    fit = fit_multigroup(["math", "ses"], load("hsb"), cluster="school", group="sector")
    table = latent_regression(fit, "math").xs(effect, level="effect").droplevel("predictor")
    difference = table.loc["Public", "estimate"] - table.loc["Catholic", "estimate"]
    se = table["se"].to_numpy()
    return float(difference), float(np.sqrt(se @ se)), float(se.sum())


def _slopes_ols() -> tuple[float, float]:
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    sectors = load("hsb").groupby("sector", observed=True)
    fits = {sector: smf.ols("math ~ ses", rows).fit() for sector, rows in sectors}
    difference = fits["Public"].params["ses"] - fits["Catholic"].params["ses"]
    return float(difference), float(np.hypot(*(fit.bse["ses"] for fit in fits.values())))


EXERCISES = (
    Exercise(
        key="14.1",
        question="Parameters with three variables and four groups, homogeneous and heterogeneous?",
        answer=lambda: (_parameters(3, 4, free=False), _parameters(3, 4, free=True)),
        mistakes=(
            (
                lambda: (_parameters(3, 4, False, means=False), _parameters(3, 4, True, False)),
                "You left out the means: three in each group.",
            ),
            (
                lambda: (12 + 9 + 9, 12 + 36 + 36),
                "A covariance matrix is symmetric: three variables have six elements, not nine.",
            ),
            (
                lambda: (3 + 12, 3 + 48),
                "The means are free: each of the four groups has three of its own.",
            ),
            (
                lambda: (_parameters(3, 4, free=True), _parameters(3, 4, free=False)),
                "These are the two numbers, in the other order.",
            ),
        ),
        ask="Which of the three kinds, means, Within and Between, are counted once, and "
        "which four times?",
        hint="A mean for each variable, six elements for each matrix; once if equal, once "
        "a group if free.",
        place="Which matrices are equal?",
    ),
    Exercise(
        key="14.2",
        question="Largest over smallest variance of score16 within schools of the three kinds?",
        answer=_spread,
        tolerance=0.003,
        mistakes=(
            (lambda: 1.0 / _spread(), "That is the smallest over the largest."),
            (
                lambda: _spread(level="between"),
                "That is the ratio of the variances between schools.",
            ),
            (
                lambda: _spread(variable="score11"),
                "That is the ratio for score11.",
            ),
            (
                lambda: float(np.sqrt(_spread())),
                "That is the ratio of standard deviations.",
            ),
        ),
        ask="On which level, and which variable?",
        hint="fit.within is a dict by group; take the variance of score16 from each.",
        place="Which matrices are equal?",
    ),
    Exercise(
        key="14.3",
        question="Test of one Between matrix for London's three kinds of schools: statistic, df?",
        answer=lambda: _test(_london(between="equal")),
        tolerance=0.02,
        mistakes=(
            (
                lambda: _test(_london(within="equal")),
                "That is the test of equal Within, with Between free.",
            ),
            (
                lambda: _test(_london("equal", "equal")),
                "That sets both matrices equal. Within stays free here.",
            ),
            (
                lambda: (_test(_london("equal"))[0] / 2, _test(_london("equal"))[1]),
                "The degrees of freedom are right. The statistic is twice the difference of the "
                "log-likelihoods.",
            ),
            (
                lambda: (_test(_london("equal"))[0], 3),
                "The statistic is right. Three groups have two matrices more than one group has, "
                "and each has three elements.",
            ),
        ),
        ask="Which matrix changes between the two fits, and which stays free in both?",
        hint="Two nested fits: twice the difference of the log-likelihoods, and the "
        "difference of the numbers of parameters.",
        place="Which matrices are equal?",
    ),
    Exercise(
        key="14.4",
        question="Ratio of variances within clusters when tau2 = 6 and the ICCs are .20 and .12?",
        answer=_ratio,
        mistakes=(
            (lambda: 1.0 / _ratio(), "That is the second over the first."),
            (lambda: 0.20 / 0.12, "That is the ratio of the ICCs."),
            (
                lambda: 0.12 / 0.20,
                "That is the ratio of the total variances. Take tau2 off each of them first.",
            ),
        ),
        ask="Is it the ratio of two ICCs, of two totals, or of two parts?",
        hint="Solve the ICC for the variance within, in each group.",
        place="How much, and where?",
    ),
    Exercise(
        key="14.5",
        question="Slope of math on ses within schools, public minus Catholic, and its SE?",
        answer=lambda: _slopes("within")[:2],
        tolerance=0.003,
        mistakes=(
            (lambda: _slopes("between")[:2], "These are the slopes between schools."),
            (lambda: _slopes("contextual")[:2], "These are the contextual effects."),
            (
                _slopes_ols,
                "That is from OLS in each sector, which mixes the slopes within and between "
                "schools.",
            ),
            (
                lambda: (-_slopes("within")[0], _slopes("within")[1]),
                "That is Catholic minus public.",
            ),
            (
                lambda: (_slopes("within")[0], _slopes("within")[2]),
                "The difference is right. Of independent estimates the variances add up, not the "
                "standard errors.",
            ),
        ),
        ask="Are the two estimates independent, and what then adds up?",
        hint="The rows within of the latent regression, one a sector. Variances of "
        "independent estimates add.",
        place="Which parameter is it?",
    ),
)
