"""Exercises of chapter 11, High School and Beyond: sectors, factors, tests and what a prior says.

a0 and a1 are coefficients of the log variance, s2v the variance of its random intercept.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats

from mlteach.centering.fit import center
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.result import LocationScaleResult

LINES = "math ~ catholic * ses_within + mean_ses * ses_within + (1 + ses_within | school)"


@cache
def _fit(mean: str, variance: str, sector: int | None = None) -> LocationScaleResult:
    hsb = center(load("hsb"), ["ses"], cluster="school")
    rows = hsb if sector is None else hsb[hsb["catholic"] == sector]
    return fit_location_scale(mean, variance, rows)


# ------------------------------------------------------------------------- 11.1 published sectors


A0, A1, S2V = 3.676, -0.171, 0.016


def _sectors(share: float = 0.5, half: float = 1.0) -> tuple[float, float]:
    """Variances with a share of s2v in the exponent; half=.5 gives SDs."""
    public = half * (A0 + share * S2V)
    return float(np.exp(public)), float(np.exp(public + half * A1))


# ---------------------------------------------------------------------------- 11.2 interaction


def _coefficient(name: str) -> float:
    fit = _fit(LINES, "~ catholic * ses_within + (1 + ses_within | school)")
    return float(fit.log_variance.loc[name, "estimate"])


def _both() -> float:
    return _coefficient("catholic") + _coefficient("catholic:ses_within")


# ------------------------------------------------------------------------- 11.3 a mixture test


def _random_variance(model: int = 2):
    mean = {1: "math ~ catholic + (1 | school)", 2: LINES}[model]
    return _fit(mean, "~ catholic + (1 | school)").lr_test(_fit(mean, "~ catholic"))


# ---------------------------------------------------------------------------- 11.4 the prior


GUESS, D, BOUND = 0.23, 3, 0.10


def _below(size: float = D * GUESS / BOUND) -> float:
    return float(stats.chi2.sf(size, 1))


# ------------------------------------------------------------------------- 11.5 one sector


def _s2v(sector: int | None) -> float:
    fit = _fit("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", sector)
    return float(fit.random.loc["scale:Intercept", "scale:Intercept"])


EXERCISES = (
    Exercise(
        key="11.1",
        question="Average variance in public and Catholic schools by the published Model 3?",
        answer=_sectors,
        tolerance=0.05,
        mistakes=(
            (
                lambda: _sectors(share=0.0),
                "These are the variances of the median schools. Averages over schools are larger.",
            ),
            (
                lambda: _sectors(share=1.0),
                "Half of the variance of v goes into the exponent, not all of it.",
            ),
            (
                lambda: _sectors(half=0.5),
                "These are standard deviations of students. Asked are variances.",
            ),
            (
                lambda: _sectors()[::-1],
                "Public schools first.",
            ),
        ),
        ask="The variance of the median school of a sector, or the average over its schools?",
        hint="Half of the variance of the logs goes into the exponent, in both sectors.",
        place="By how much do the sectors differ, in level and in spread?",
    ),
    Exercise(
        key="11.2",
        question="Factor between the sectors' variances one unit of SES above the school's mean?",
        answer=lambda: float(np.exp(_both())),
        tolerance=0.005,
        mistakes=(
            (
                lambda: float(np.exp(_coefficient("catholic"))),
                "That is the factor at the mean of the school. The interaction is missing.",
            ),
            (
                lambda: float(np.exp(_coefficient("catholic:ses_within"))),
                "That is by how much the factor changes with a unit. Multiply with what it is at "
                "the mean.",
            ),
            (
                _both,
                "That is the difference of the log variances. As a factor?",
            ),
            (
                lambda: float(np.exp(_both() / 2)),
                "That is the factor of the standard deviations.",
            ),
            (
                lambda: float(np.exp(-_both())),
                "That is public over Catholic. Asked is Catholic over public.",
            ),
        ),
        ask="Which coefficients contain the sector, for a student who is one unit above the mean "
        "of the school?",
        hint="A sum on the log scale is a product of factors.",
        place="Is it intake?",
    ),
    Exercise(
        key="11.3",
        question="p of the test whether Model 2 needs a random effect in the variance function?",
        answer=lambda: float(_random_variance().p_mixture),
        tolerance=0.0003,
        mistakes=(
            (
                lambda: float(_random_variance().p),
                "That is the naive p. A variance of zero lies on the boundary: take the mixture.",
            ),
            (
                lambda: float(_random_variance().p) / 2.0,
                "Half of the naive p is right for one variance alone. Here a covariance is tested "
                "with it: the mixture is another one.",
            ),
            (
                lambda: float(_random_variance(1).p_mixture),
                "That is the test for Model 1. Model 2 has another mean function.",
            ),
            (
                lambda: float(_random_variance().statistic),
                "That is the statistic. Asked is the p-value.",
            ),
        ),
        ask="Is the value that is tested inside the parameter space, or at its edge?",
        hint="Two parameters differ, a variance and a covariance; under the null hypothesis half "
        "of the samples have the variance at zero.",
        place="By how much do the sectors differ, in level and in spread?",
    ),
    Exercise(
        key="11.4",
        question="Prior probability of a slope variance below .10, d = 3 and the guess .23?",
        answer=_below,
        tolerance=0.0005,
        mistakes=(
            (
                lambda: _below(GUESS / BOUND),
                "You left out d: the guess is multiplied by the number of random effects.",
            ),
            (
                lambda: 1.0 - _below(),
                "That is the probability of more than .10.",
            ),
            (
                lambda: float(stats.chi2.sf(D * GUESS / BOUND, D)),
                "That is with 3 degrees of freedom; one variance by itself has one.",
            ),
        ),
        ask="For which values of the chi-square does the ratio fall below .10?",
        hint="Turn the inequality of the ratio into one of the chi-square variable with one degree"
        " of freedom; small variances are its upper tail.",
        place="Common mistakes",
    ),
    Exercise(
        key="11.5",
        question="Variance of log variances among public schools, by a fit to them alone?",
        answer=lambda: _s2v(0),
        tolerance=0.0003,
        mistakes=(
            (
                lambda: _s2v(1),
                "That is the variance among Catholic schools.",
            ),
            (
                lambda: _s2v(None),
                "That is the variance among all schools, in which the difference between the "
                "sectors counts as well.",
            ),
            (
                lambda: float(np.sqrt(_s2v(0))),
                "That is its root, a standard deviation. Asked is the variance.",
            ),
        ),
        ask="Which rows, and which of the two random effects?",
        hint="Fit the empty model with a random effect in both functions to the rows of one "
        "sector; the answer is an element of the matrix of the random effects.",
        place="Are the schools of one sector alike?",
    ),
)
