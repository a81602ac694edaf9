"""Exercises of chapter 10, location-scale models: averages, ranges, factors, shrinkage, ICCs.

alpha0 and alpha1 are coefficients of the log variance, s2v the variance of its random intercept.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.fit import fit_mixed


@cache
def _fit(data: str, mean: str, variance: str) -> LocationScaleResult:
    return fit_location_scale(mean, variance, load(data))


# ---------------------------------------------------------------------- 10.1 the average variance


HSB = ("hsb", "math ~ 1 + (1 | school)", "~ 1 + (1 | school)")


def _average() -> float:
    return float(_fit(*HSB).average_variance["average"])


def _alpha0_and_s2v() -> tuple[float, float]:
    fit = _fit(*HSB)
    s2v = fit.random.loc["scale:Intercept", "scale:Intercept"]
    return float(fit.log_variance.loc["Intercept", "estimate"]), float(s2v)


def _without_half() -> float:
    alpha0, s2v = _alpha0_and_s2v()
    return float(np.exp(alpha0 + s2v))


def _one_variance() -> float:
    return fit_mixed("math ~ 1 + (1 | school)", load("hsb"), reml=False).sigma2


# ---------------------------------------------------------------------- 10.2 a range of variances


ALPHA0, S2V = -0.2, 0.16


def _range(spread: float, half: float = 1.0) -> tuple[float, float]:
    """Variances at alpha0 minus and plus 1.96 of something; half=.5 gives SDs."""
    ends = half * (ALPHA0 + 1.96 * spread * np.array([-1.0, 1.0]))
    return float(np.exp(ends[0])), float(np.exp(ends[1]))


# ------------------------------------------------------------------------------ 10.3 a factor


def _alpha1() -> float:
    fit = _fit("language", "language ~ iq_verbal + (1 | school)", "~ iq_verbal")
    return float(fit.log_variance.loc["iq_verbal", "estimate"])


# ---------------------------------------------------------------------------- 10.4 shrinkage


S2, SIZE, S2V_SMALL = 2.0, 21, 0.1


def _shrunken(noise: float = 2.0 / (SIZE - 1)) -> float:
    return float(np.exp(S2V_SMALL / (S2V_SMALL + noise) * np.log(S2)))


# ------------------------------------------------------------------------- 10.5 ICCs of schools


RANDOM_INTERCEPT = "score16 ~ score11 + girl + (1 | school)"


def _iccs(mean: str = RANDOM_INTERCEPT) -> tuple[float, float]:
    icc = _fit("london", mean, "~ 1 + (1 | school)").cluster_variances()["icc"]
    return float(icc.min()), float(icc.max())


def _widest() -> tuple[float, float]:
    """Ends of the intervals in place of the predictions."""
    table = _fit("london", RANDOM_INTERCEPT, "~ 1 + (1 | school)").cluster_variances()
    return float(table["icc_lower"].min()), float(table["icc_upper"].max())


EXERCISES = (
    Exercise(
        key="10.1",
        question="Population-average variance of math within the schools of hsb?",
        answer=_average,
        tolerance=0.02,
        mistakes=(
            (
                lambda: float(np.exp(_alpha0_and_s2v()[0])),
                "That is the variance in the median school, exp(alpha0). The average of the "
                "schools' variances is larger.",
            ),
            (
                _without_half,
                "Half of the variance of v goes into the exponent, not all of it.",
            ),
            (
                _one_variance,
                "That is the variance of the model with one variance for all schools. Schools of "
                "different sizes count differently there; fit the location-scale model.",
            ),
            (
                lambda: float(np.sqrt(_average())),
                "That is its root, a standard deviation. Asked is the variance.",
            ),
        ),
        ask="The variance in which school: the median one, or all of them on average?",
        hint="The model has a median and an average variance; they differ by half the variance of "
        "the logs, in the exponent.",
        place="What does a model for both look like?",
    ),
    Exercise(
        key="10.2",
        question="Between which variances do 95% of schools lie, alpha0 = -.2 and var(v) = .16?",
        answer=lambda: _range(np.sqrt(S2V)),
        tolerance=0.01,
        mistakes=(
            (
                lambda: _range(S2V),
                "You went 1.96 variances to each side. Take the standard deviation of v.",
            ),
            (
                lambda: _range(np.sqrt(S2V), half=0.5),
                "These are standard deviations of students. Asked are variances.",
            ),
            (
                lambda: (ALPHA0 - 1.96 * float(np.sqrt(S2V)), ALPHA0 + 1.96 * float(np.sqrt(S2V))),
                "These are log variances. Take them back to variances.",
            ),
        ),
        ask="On which scale are the schools normal, and on which are the ends asked for?",
        hint="Find the two ends where schools are normal, with the standard deviation of v; then "
        "take both back.",
        place="What does a model for both look like?",
    ),
    Exercise(
        key="10.3",
        question="Factor by which the variance within schools changes for each point of iq_verbal?",
        answer=lambda: float(np.exp(_alpha1())),
        tolerance=0.003,
        mistakes=(
            (
                _alpha1,
                "That is the coefficient, a difference of log variances. As a factor?",
            ),
            (
                lambda: float(np.exp(_alpha1() / 2)),
                "That is the factor of the standard deviation.",
            ),
            (
                lambda: float(1 - np.exp(_alpha1())),
                "That is the part by which it falls. The factor is what is left.",
            ),
        ),
        ask="A coefficient of the log variance is a difference of what, and a factor of what?",
        hint="Fit a variance function with this one predictor, then go from the log to a factor.",
        place="Who spreads more?",
    ),
    Exercise(
        key="10.4",
        question="Predicted variance of 21 students with s² = 2, alpha0 = 0 and var(v) = .1?",
        answer=_shrunken,
        tolerance=0.005,
        mistakes=(
            (
                lambda: 0.5 * np.log(S2),
                "That is the predicted log variance. Take it back to a variance.",
            ),
            (
                lambda: 0.5 * S2 + 0.5,
                "You took the mean of the two variances, 1 and 2. The shrinkage is on the log "
                "scale.",
            ),
            (
                lambda: _shrunken(2.0 / SIZE),
                "Nearly: the sampling variance of a log variance is 2/(n - 1).",
            ),
            (
                lambda: _shrunken(1.0 / (SIZE - 1)),
                "The sampling variance of a log variance is 2/(n - 1), not 1/(n - 1).",
            ),
        ),
        ask="How much does a school of 21 students say about its variance, beside what the others"
        " say?",
        hint="Work on the log scale: weigh the variance of the schools against the variance of "
        "chance, shrink the log of the observed variance towards alpha0, and go back.",
        place="What are the variance and the ICC of each school?",
    ),
    Exercise(
        key="10.5",
        question="Smallest and largest ICC of a London school in Model 3?",
        answer=_iccs,
        tolerance=0.003,
        mistakes=(
            (
                lambda: _iccs("score16 ~ 1 + (1 | school)"),
                "These are the ICCs of Model 2. Model 3 has score11 and girl in the mean.",
            ),
            (
                lambda: _iccs()[::-1],
                "Smallest first.",
            ),
            (
                _widest,
                "These are the ends of intervals. Asked are the schools' own values, column icc.",
            ),
        ),
        ask="Of which model, and of which table of schools?",
        hint="Each school has a variance of its own, so each has an ICC of its own: there is one "
        "method that lists both.",
        place="What are the variance and the ICC of each school?",
    ),
)
