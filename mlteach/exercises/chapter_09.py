"""Exercises of chapter 9, testing: bias of ML, a mixture, a joint F-test, a BIC, an interval.

tau2 is the variance between clusters, sigma2 the variance within, J the number of clusters.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.centering.center import center
from mlteach.core.distributions import chi2_sf
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_mixed
from mlteach.questions.compare import compare

MAIN = "math ~ ses_within + mean_ses + catholic"


@cache
def _fit(data: str, formula: str, reml: bool = True) -> MixedResult:
    table = load(data)
    if data == "hsb":
        table = center(table, "ses", cluster="school")
    return fit_mixed(formula, table, reml=reml)


# --------------------------------------------------------------------------------- 9.1 bias of ML

CLINICS, PATIENTS, TAU2, SIGMA2 = 12, 10, 0.3, 0.7


def _expected(p2: int, chance: bool = True) -> float:
    """Expected ML estimate of tau2 with p2 level-2 coefficients."""
    spread = TAU2 + (SIGMA2 / PATIENTS if chance else 0.0)
    return TAU2 - p2 / CLINICS * spread


# ------------------------------------------------------------------------------------ 9.2 a mixture


def _slope_test(column: str, reml: bool = True) -> float:
    small, big = (
        _fit("language", f"language ~ iq_verbal + ({part} | school)", reml)
        for part in ("1", "1 + iq_verbal")
    )
    return float(compare(small, big)[column].iloc[1])


# ------------------------------------------------------------------------------- 9.3 a joint F-test

GENDER = "score16 ~ score11 + school_gender + (1 | school)"
DUMMIES = ["school_gender[T.girls]", "school_gender[T.mixed]"]


def _gender_lr() -> float:
    """Likelihood-ratio test by ML: its p."""
    small = _fit("london", "score16 ~ score11 + (1 | school)", False)
    drop = small.deviance - _fit("london", GENDER, False).deviance
    return chi2_sf(drop, 2)


# ---------------------------------------------------------------------------------------- 9.4 a BIC


def _drop(reml: bool = True) -> float:
    """Fall of the deviance when the slope of ses_within may vary."""
    one = _fit("hsb", f"{MAIN} + (1 | school)", reml)
    return one.deviance - _fit("hsb", f"{MAIN} + (1 + ses_within | school)", reml).deviance


def _bic_change(n: float, parameters: int = 2, reml: bool = True) -> float:
    return parameters * float(np.log(n)) - _drop(reml)


# -------------------------------------------------------------------------- 9.5 a lopsided interval


def _ratio(method: str = "profile", row: str = "ses_within") -> float:
    fit = _fit("hsb", f"{MAIN} + (1 + ses_within | school)")
    estimate, lower, upper = fit.confint(method, "random").loc[row]
    return float((upper - estimate) / (estimate - lower))


def _ratio_ml() -> float:
    fit = _fit("hsb", f"{MAIN} + (1 + ses_within | school)", False)
    estimate, lower, upper = fit.confint("profile", "random").loc["ses_within"]
    return float((upper - estimate) / (estimate - lower))


EXERCISES = (
    Exercise(
        key="9.1",
        question="Expected ML estimate of tau2: 12 clinics of 10, three level-2 predictors?",
        answer=lambda: _expected(4),
        tolerance=0.001,
        mistakes=(
            (
                lambda: _expected(3),
                "You counted three coefficients. The intercept describes clinics too.",
            ),
            (
                lambda: _expected(4, chance=False),
                "What each coefficient costs is a part of tau2 + sigma2/n, the variance of a "
                "clinic's mean, not of tau2 alone.",
            ),
            (
                lambda: _expected(4) - TAU2,
                "That is the bias. Asked is the estimate to be expected.",
            ),
            (
                lambda: TAU2,
                "That is what REML gives on average. ML is lower.",
            ),
        ),
        ask="How many of the coefficients describe clinics?",
        place="Why are there two likelihoods?",
        hint="tau2 - p2/J * (tau2 + sigma2/n), with p2 = 4 level-2 coefficients.",
    ),
    Exercise(
        key="9.2",
        question="What is p of the test that slopes of iq_verbal do not vary (REML)?",
        answer=lambda: _slope_test("p_mixture"),
        mistakes=(
            (
                lambda: _slope_test("p"),
                "That is the naive p, from chi-square with 2 degrees of freedom. A variance cannot "
                "be negative.",
            ),
            (
                lambda: _slope_test("p") / 2,
                "Half of the naive p belongs to a variance without a covariance. Here the mixture "
                "is half chi-square(1) and half chi-square(2).",
            ),
            (
                lambda: _slope_test("p_mixture", reml=False),
                "That is from ML fits. Both models have the same fixed effects: use REML.",
            ),
        ),
        ask="How many parameters are left out, and how many of them can be negative?",
        place="Is a variance zero?",
        hint="mt.compare(small, big) has it in the column p_mixture.",
    ),
    Exercise(
        key="9.3",
        question="What is p of both school_gender dummies, Kenward-Roger, given score11?",
        answer=lambda: _fit("london", GENDER).test(DUMMIES, ddf="kenward-roger").p,
        tolerance=0.00012,  # .024 is right; Satterthwaite's p is .0002 away
        mistakes=(
            (
                lambda: _fit("london", GENDER).test(DUMMIES, ddf="kenward-roger").p_chi2,
                "That is the p of Wald's chi-square, which takes the variances as known. Asked is "
                "the p of F.",
            ),
            (
                lambda: _fit("london", GENDER).test(DUMMIES).p,
                "That is with Satterthwaite's degrees of freedom: pass ddf='kenward-roger'.",
            ),
            (
                _gender_lr,
                "That is the likelihood-ratio test, or one with ML fits. Asked is the F-test of "
                "the larger model, by REML.",
            ),
            (
                lambda: float(_fit("london", GENDER).tests("kenward-roger").loc[DUMMIES[0], "p"]),
                "That is the dummy of girls' schools alone. Test both at once.",
            ),
            (
                lambda: float(_fit("london", GENDER).tests("kenward-roger").loc[DUMMIES[1], "p"]),
                "That is the dummy of mixed schools alone. Test both at once.",
            ),
        ),
        ask="Are both dummies in one test, and which degrees of freedom does it use?",
        place="Which t, with few clusters?",
        hint="fit.test([first dummy, second dummy], ddf='kenward-roger').p, with the names as in "
        "fit.params.index.",
    ),
    Exercise(
        key="9.4",
        question="Change of BIC (log J) when the slope of ses_within may vary, in the model main?",
        answer=lambda: _bic_change(160),
        tolerance=0.005,
        mistakes=(
            (
                lambda: -_bic_change(160),
                "The size is right. Take the BIC with slopes minus the BIC without.",
            ),
            (
                lambda: _bic_change(7185),
                "You counted students. Asked is the logarithm of the number of schools.",
            ),
            (
                lambda: _bic_change(160, parameters=1),
                "A slope that varies brings a variance and a covariance: two parameters.",
            ),
            (
                lambda: _bic_change(float(np.exp(2))),
                "That is the change of AIC. BIC has log J in place of 2.",
            ),
            (
                lambda: _bic_change(160, reml=False),
                "That is from ML fits. Use REML for both.",
            ),
        ),
        ask="How many parameters come in, and what is counted in the logarithm?",
        place="Which model is better if none contains the other?",
        hint="Deviance with slopes minus deviance without, plus 2 * log(160).",
    ),
    Exercise(
        key="9.5",
        question="Upper over lower part of the profile interval of the SD of slopes?",
        answer=_ratio,
        tolerance=0.005,
        mistakes=(
            (
                lambda: _ratio("wald"),
                "That interval is symmetric, by construction: it is Wald's. Ask for the profile.",
            ),
            (
                lambda: 1.0 / _ratio(),
                "The other way round: the part above the estimate divided by the part below.",
            ),
            (
                lambda: _ratio(row="Intercept"),
                "That is the SD of the intercepts. Take the row ses_within.",
            ),
            (_ratio_ml, "That is from an ML fit. reml_main is fitted by REML."),
        ),
        ask="Which kind of interval need not be symmetric? And whose standard deviation is it?",
        place="How large is the variance?",
        hint="(upper - estimate) / (estimate - lower), from confint('profile', 'random').",
    ),
)
