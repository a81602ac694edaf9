"""Exercises of chapter 13, the wide format: averages of a covariance matrix, counts, FIML by hand.

tau2 and sigma2 are the variances between and within clusters, S the covariance matrix of wide
columns around a common mean.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_empty
from mlteach.multigroup.wide import to_wide

# ------------------------------------------------------------------- 13.1 two averages of a matrix

MEMBERS = 5


@cache
def _S(common_mean: bool = True) -> np.ndarray:
    """Covariance matrix of five students of each of London's larger schools."""
    london = load("london")
    large = london.groupby("school").filter(lambda school: len(school) >= 10)
    five = large.groupby("school").sample(MEMBERS, random_state=1)
    y = to_wide(five, "score16", cluster="school").to_numpy()
    deviation = y - (y.mean() if common_mean else y.mean(axis=0))
    return deviation.T @ deviation / len(y)


def _averages(S: np.ndarray) -> tuple[float, float]:
    """Averages beside the diagonal and on it: tau2, and tau2 + sigma2."""
    beside = (S.sum() - np.trace(S)) / (MEMBERS * (MEMBERS - 1))
    return float(beside), float(np.trace(S) / MEMBERS)


def _tau2_and_icc(common_mean: bool = True) -> tuple[float, float]:
    tau2, total = _averages(_S(common_mean))
    return tau2, tau2 / total


def _sigma2() -> float:
    tau2, total = _averages(_S())
    return total - tau2


# -------------------------------------------------------------------------------- 13.2, 13.3 counts


def _counts(p: int, n: int) -> tuple[int, int]:
    """Different entries of a wide covariance matrix, and of Within and Between together."""
    m = p * n
    return m * (m + 1) // 2, p * (p + 1)


# ------------------------------------------------------------------------------ 13.4 FIML by hand


@cache
def _empty() -> MixedResult:
    return fit_empty("math", load("hsb"), cluster="school", reml=False)


def _contribution(independent: bool = False) -> float:
    """Log density of the rows of school 1224 at the estimates of all schools."""
    hsb, fit = load("hsb"), _empty()
    y = hsb.loc[hsb["school"] == 1224, "math"].to_numpy() - float(fit.params.iloc[0])
    tau2, sigma2 = float(fit.tau.iloc[0, 0]), fit.sigma2
    n = len(y)
    shared = np.eye(n) if independent else np.ones((n, n))
    V = sigma2 * np.eye(n) + tau2 * shared
    logdet = float(np.linalg.slogdet(V)[1])
    return float(-0.5 * (n * np.log(2 * np.pi) + logdet + y @ np.linalg.solve(V, y)))


# -------------------------------------------------------------------------- 13.5 before and after


def _stable(share_of: str = "arith_post", ddof: int = 0) -> tuple[float, float]:
    """Covariance of the two arithmetic tests, and its share of a variance."""
    C = load("language")[["arith_pre", "arith_post"]].cov(ddof=ddof)
    tau2 = float(C.loc["arith_pre", "arith_post"])
    return tau2, tau2 / float(C.loc[share_of, share_of])


def _correlation() -> tuple[float, float]:
    tests = load("language")[["arith_pre", "arith_post"]]
    return _stable()[0], float(tests.corr().iloc[0, 1])


def _stable_in_percent() -> tuple[float, float]:
    return _stable()[0], 100 * _stable()[1]


EXERCISES = (
    Exercise(
        key="13.1",
        question="tau2 and ICC of score16, five students of each larger school of london?",
        answer=_tau2_and_icc,
        tolerance=0.002,
        mistakes=(
            (
                lambda: (_tau2_and_icc()[0], _averages(_S())[0] / _sigma2()),
                "The variance is right. The ICC divides by the total variance, the average of the "
                "diagonal, not by the residual variance.",
            ),
            (
                lambda: _tau2_and_icc(common_mean=False),
                "You took a mean for each column. The students of a school have no names: they "
                "have one mean.",
            ),
            (
                lambda: _tau2_and_icc()[::-1],
                "These are the two numbers, in the other order: (tau2, ICC).",
            ),
            (
                lambda: (_averages(_S())[1], _tau2_and_icc()[1]),
                "The first number is the average of the diagonal: the total variance.",
            ),
        ),
        ask="Around which mean do you take deviations, one or five?",
        hint="Two averages of one matrix: its diagonal, and everything beside it.",
        place="Which model makes such a matrix?",
    ),
    Exercise(
        key="13.2",
        question="Entries of the wide covariance matrix and (co)variances of the model, p=3, n=10?",
        answer=lambda: _counts(3, 10),
        mistakes=(
            (
                lambda: (30 * 30, 12),
                "The matrix is symmetric: an entry and its mirror image are the same covariance.",
            ),
            (
                lambda: (30 * 31 // 2, 6),
                "The first number is right. The model has two matrices of three variables.",
            ),
            (
                lambda: (30 * 31 // 2, 18),
                "The first number is right. Within and Between are symmetric as well.",
            ),
            (
                lambda: (30 * 31 // 2, 15),
                "You counted the means. Asked are variances and covariances.",
            ),
        ),
        ask="How many columns has the wide table, and how many matrices the model?",
        hint="A symmetric matrix of m columns has m (m + 1) / 2 different entries.",
        place="What do two variables add?",
    ),
    Exercise(
        key="13.3",
        question="Fewest clusters for a chi-square with two variables and 45 members?",
        answer=lambda: 2 * 45 + 1,
        mistakes=(
            (
                lambda: 2 * 45,
                "That is the published rule. With 90 rows the 90 columns have a matrix of rank 89.",
            ),
            (lambda: 45 + 1, "Each member brings two columns."),
        ),
        ask="What does one lose to the means?",
        hint="The rank is at most J - 1, and it has to reach the number of columns.",
        place="How many schools does it take?",
    ),
    Exercise(
        key="13.4",
        question="Contribution of school 1224 to the log-likelihood of hsb?",
        answer=_contribution,
        tolerance=0.01,
        mistakes=(
            (
                lambda: _contribution(independent=True),
                "Your covariance matrix has zeros beside the diagonal: its students do not share "
                "a school. tau2 belongs in every entry.",
            ),
            (lambda: 2 * -_contribution(), "That is the deviance, minus twice what is asked."),
        ),
        ask="What do two students of one school have in common, by the model?",
        hint="One density of 47 dimensions. Its matrix has tau2 everywhere, and sigma2 "
        "more on the diagonal.",
        place="What about schools of different size?",
    ),
    Exercise(
        key="13.5",
        question="Stable variance of arithmetic, and its share of the variance of the posttest?",
        answer=_stable,
        tolerance=0.003,
        mistakes=(
            (
                lambda: _stable(share_of="arith_pre"),
                "The variance is right. Its share is that of the pretest.",
            ),
            (
                _correlation,
                "The variance is right. The second number is the correlation, which divides by "
                "both standard deviations.",
            ),
            (
                lambda: _stable(ddof=1),
                "Very close: maximum likelihood divides by the number of pupils, not by one less.",
            ),
            (_stable_in_percent, "Both are right; give the share as a number between 0 and 1."),
        ),
        ask="Which part of two tests of one pupil can covary?",
        hint="With two occasions the stable variance is an entry of the covariance "
        "matrix; a share divides by a variance.",
        place="What if members have names?",
    ),
)
