"""Exercises of chapter 3, the empty model.

Notation: MSB and MSW are the mean squares between and within clusters of equal size n; with them
tau2 = (MSB - MSW) / n. All fits are REML unless a function says otherwise.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_empty

# Half-width of a 95% range in standard deviations; readers may round it to 2.
NORMAL_95 = 1.96


@cache
def _empty(data: str, outcome: str) -> MixedResult:
    return fit_empty(outcome, load(data), cluster="school")


def _components(data: str, outcome: str) -> tuple[float, float]:
    """tau2 and sigma2 of the empty model."""
    fit = _empty(data, outcome)
    return float(fit.tau.iloc[0, 0]), fit.sigma2


# ---------------------------------------------------------------------------------------------- 3.1


def _iq_share() -> float:
    tau2, sigma2 = _components("language", "iq_verbal")
    return tau2 / (tau2 + sigma2)


def _iq_ratio() -> float:
    tau2, sigma2 = _components("language", "iq_verbal")
    return tau2 / sigma2


def _iq_share_of_sds() -> float:
    tau, sigma = np.sqrt(_components("language", "iq_verbal"))
    return float(tau / (tau + sigma))


def _iq_within() -> float:
    return 1.0 - _iq_share()


# ---------------------------------------------------------------------------------------------- 3.2


@cache
def _five() -> tuple[float, float, float]:
    """Variance of the means, MSB and MSW of the first five students of London's schools."""
    london = load("london")
    schools = london.groupby("school")["score16"]
    five = london[(schools.transform("size") >= 5) & (schools.cumcount() < 5)]
    scores = five.groupby("school")["score16"]
    of_means = float(scores.mean().var())
    return of_means, 5.0 * of_means, float(scores.var().mean())


def _five_tau2() -> float:
    _, msb, msw = _five()
    return (msb - msw) / 5.0


def _five_variance_of_means() -> float:
    return _five()[0]


def _five_undivided() -> float:
    _, msb, msw = _five()
    return msb - msw


def _five_sigma2() -> float:
    return _five()[2]


# ---------------------------------------------------------------------------------------------- 3.3


def _range(half: float) -> tuple[float, float]:
    center = float(_empty("language", "language").params["Intercept"])
    return center - half, center + half


def _plausible_range() -> tuple[float, float]:
    return _range(NORMAL_95 * _components("language", "language")[0] ** 0.5)


def _interval_of_mean() -> tuple[float, float]:
    return _range(NORMAL_95 * float(_empty("language", "language").bse["Intercept"]))


def _range_of_pupils() -> tuple[float, float]:
    return _range(NORMAL_95 * sum(_components("language", "language")) ** 0.5)


def _range_from_variance() -> tuple[float, float]:
    return _range(NORMAL_95 * _components("language", "language")[0])


# ---------------------------------------------------------------------------------------------- 3.4


def _sixty() -> pd.DataFrame:
    """The first ten students of the first six schools of hsb."""
    hsb = load("hsb")
    ten = hsb[hsb.groupby("school").cumcount() < 10]
    return ten[ten["school"].isin(hsb["school"].unique()[:6])]


@cache
def _sixty_test(reml: bool = True):
    return fit_empty("math", _sixty(), cluster="school", reml=reml).lr_test_random


def _p_mixture() -> float:
    return _sixty_test().p_mixture


def _p_naive() -> float:
    return _sixty_test().p


def _p_mixture_ml() -> float:
    return _sixty_test(reml=False).p_mixture


def _p_of_all_schools() -> float:
    return _empty("hsb", "math").lr_test_random.p_mixture


# ---------------------------------------------------------------------------------------------- 3.5


def _size_for(odds: float, between: float, within: float) -> int:
    """Smallest n with between / (between + within / n) at or above odds / (1 + odds)."""
    return int(np.ceil(odds * within / between))


def _needed() -> int:
    tau2, sigma2 = _components("hsb", "math")
    return _size_for(4.0, tau2, sigma2)


def _needed_rounded_down() -> int:
    return _needed() - 1


def _needed_from_sds() -> int:
    tau, sigma = np.sqrt(_components("hsb", "math"))
    return _size_for(4.0, float(tau), float(sigma))


def _five_small_schools_too() -> float:
    """Schools with fewer than five students left in."""
    london = load("london")
    scores = london[london.groupby("school").cumcount() < 5].groupby("school")["score16"]
    return (5.0 * float(scores.mean().var()) - float(scores.var().mean())) / 5.0


def _five_tau2_ml() -> float:
    london = load("london")
    J = int((london.groupby("school").size() >= 5).sum())
    _, msb, msw = _five()
    return ((J - 1) / J * msb - msw) / 5.0


def _range_of_observed_means() -> tuple[float, float]:
    means = load("language").groupby("school")["language"].mean()
    return _range(NORMAL_95 * float(means.std()))


EXERCISES = (
    Exercise(
        key="3.1",
        question="Share of the variance of iq_verbal between the schools of language",
        answer=_iq_share,
        tolerance=0.002,
        mistakes=(
            (_iq_ratio, "That is tau2 over sigma2. A share has the total in its denominator."),
            (_iq_share_of_sds, "That is a ratio of standard deviations. Square them first."),
            (_iq_within, "That is the share within schools."),
        ),
        ask="A share of what? Which variance is on top, and what is the whole?",
        place="What share lies between schools?",
        hint="Fit mt.fit_empty('iq_verbal', ...) and divide the variance of Intercept by the sum "
        "of both variances.",
    ),
    Exercise(
        key="3.2",
        question="tau2 of score16 from the mean squares, five students of each London school",
        answer=_five_tau2,
        mistakes=(
            (
                _five_variance_of_means,
                "That is the variance of the observed means. It still contains chance: sigma2 / n.",
            ),
            (_five_undivided, "That is MSB - MSW. Its expectation is n times tau2."),
            (_five_sigma2, "That is MSW, the estimate of sigma2."),
            (
                _five_small_schools_too,
                "Some schools have fewer than five students. They belong out, as n is not 5 there.",
            ),
            (
                _five_tau2_ml,
                "That is what ML gives: MSB counts J - 1 there and should not. Use the plain "
                "formula.",
            ),
        ),
        ask="How many schools and how many rows are left? And which part of the variance "
        "of means is chance?",
        place="How much of the difference is chance?",
        hint="Keep the schools with at least five students, and of each the rows whose cumcount is "
        "below 5. MSB is 5 times the variance of the means, MSW the average of the variances.",
    ),
    Exercise(
        key="3.3",
        question="Plausible range (95%) of the school means of the language score",
        answer=_plausible_range,
        tolerance=0.25,  # 2 in place of 1.96 moves a limit by 0.18
        mistakes=(
            (
                _interval_of_mean,
                "That is the confidence interval of the overall mean: it says where the mean of "
                "all schools lies, not where the schools lie.",
            ),
            (
                _range_of_pupils,
                "That is where 95% of the pupils lie: it uses the total variance. The means of "
                "schools vary by tau2 only.",
            ),
            (_range_from_variance, "You used the variance. The range needs its square root."),
            (
                _range_of_observed_means,
                "You used the standard deviation of the observed means. They contain chance: "
                "which standard deviation is that of the true ones?",
            ),
        ),
        ask="Is this about how well a mean is known, or about how far schools lie apart?",
        place="How far apart are the schools?",
        hint="The estimated mean, minus and plus 1.96 times the standard deviation between "
        "schools, as a pair (lower, upper).",
    ),
    Exercise(
        key="3.4",
        question="Mixture p for ten students in each of the first six schools of hsb",
        answer=_p_mixture,
        tolerance=0.0005,
        mistakes=(
            (
                _p_naive,
                "That is the naive p, which takes the variance for a parameter that could be "
                "negative. It is twice too large.",
            ),
            (_p_mixture_ml, "That is from an ML fit. The exercise asks for REML."),
            (_p_of_all_schools, "That is the test with all schools. Take the 60 rows only."),
        ),
        ask="On which side of zero can a variance not lie?",
        place="Do schools differ at all?",
        hint="Are there 60 rows, ten in each of six schools? Then look into fit.lr_test_random.",
    ),
    Exercise(
        key="3.5",
        question="Students a school of hsb needs for a reliability of .80 of its mean",
        answer=_needed,
        mistakes=(
            (_needed_rounded_down, "With that many the reliability stays just below .80."),
            (
                _needed_from_sds,
                "You used standard deviations. The reliability is a ratio of variances.",
            ),
        ),
        ask="Does the reliability rise or fall with the number of students? What is it "
        "for your answer?",
        place="Which schools are high, which are low?",
        hint="tau2 / (tau2 + sigma2 / n) = .80 gives n = 4 sigma2 / tau2. Round up.",
    ),
)
