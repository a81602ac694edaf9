"""Exercises of chapter 16, a simulation study: Monte Carlo errors, negative estimates, planning.

The relative error of a variance between clusters is in percent of its true value; r is the variance
within clusters over that between.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.exercises.check import Exercise
from mlteach.published.wf_simulation import stored_run


def _bracket(icc: float, n: float) -> float:
    """What multiplies 2/g in the relative variance of a variance between clusters."""
    r = (1.0 - icc) / icc
    return 1.0 + 2.0 * r / n + r**2 / (n * (n - 1.0))


# ------------------------------------------------------------------------------- 16.1 replications


RMSE, WANTED = 20.0, 0.25


def _replications(wanted: float = WANTED) -> float:
    return RMSE**2 / (2.0 * wanted**2)


# -------------------------------------------------------------------------------- 16.2 bias or not


PUBLISHED_RMSE, PUBLISHED_BIAS = 95.41, 7.85


def _share_of_bias() -> float:
    return (PUBLISHED_BIAS / PUBLISHED_RMSE) ** 2


# ------------------------------------------------------------------------ 16.3 negative covariances


@cache
def _negative(parameter: str) -> float:
    """Share of negative estimates in condition 1."""
    rows = stored_run().estimates.loc[1].xs(parameter, level="parameter")
    return float((rows["estimate"] < 0).mean())


# ---------------------------------------------------------------------------------- 16.4 how many


ERROR, ICC, MEMBERS = 0.2, 0.05, 10


def _clusters(icc: float = ICC, error: float = ERROR) -> float:
    return 2.0 / error**2 * _bracket(icc, MEMBERS)


# ----------------------------------------------------------------------------------- 16.5 how large


PERSONS, ICC_5 = 2000, 0.1


def _plan(n: float) -> tuple[float, float]:
    return n, float(100.0 * np.sqrt(2.0 * n / PERSONS * _bracket(ICC_5, n)))


EXERCISES = (
    Exercise(
        key="16.1",
        question="How many replications know a relative RMSE of 20% to a quarter of a point?",
        answer=_replications,
        tolerance=1.0,
        mistakes=(
            (
                lambda: 2.0 * _replications(),
                "That would be right for a bias. The squared error of an RMSE is RMSE²/(2R).",
            ),
            (
                lambda: _replications(0.0025),
                "Both numbers are in percentage points: a quarter of one is 0.25.",
            ),
            (
                lambda: RMSE / (2.0 * WANTED),
                "The formula has a square root, so both sides must be squared.",
            ),
        ),
        ask="Which Monte Carlo error belongs to an RMSE?",
        hint="That of an RMSE of normal errors is RMSE / sqrt(2 R). Keep both numbers in "
        "percentage points.",
        place="When is an estimate good?",
    ),
    Exercise(
        key="16.2",
        question="Which share of the mean squared error in condition 1 is due to bias?",
        answer=_share_of_bias,
        tolerance=0.0005,
        mistakes=(
            (
                lambda: PUBLISHED_BIAS / PUBLISHED_RMSE,
                "That compares bias and RMSE. The parts that add up are their squares.",
            ),
            (
                lambda: 100.0 * _share_of_bias(),
                "Right, but in percent; a share lies between 0 and 1.",
            ),
        ),
        ask="Which two parts add up to the squared RMSE?",
        hint="RMSE² is Bias² plus SD². Divide the first part by the whole.",
        place="When is an estimate good?",
    ),
    Exercise(
        key="16.3",
        question="How often is the estimated covariance between clusters negative in condition 1?",
        answer=lambda: _negative("between.x1~~x2"),
        tolerance=0.001,
        mistakes=(
            (
                lambda: _negative("between.x1~~x1"),
                "That is the variance of x1. The covariance is between.x1~~x2.",
            ),
            (
                lambda: 100.0 * _negative("between.x1~~x2"),
                "Right, but in percent; a share lies between 0 and 1.",
            ),
        ),
        ask="Which parameter is the covariance?",
        hint="Of the stored estimates of that parameter in condition 1, the share below zero.",
        place="How often is a variance negative?",
    ),
    Exercise(
        key="16.4",
        question="How many clusters of ten bring the relative error to 20% at an ICC of .05?",
        answer=_clusters,
        tolerance=1.0,
        mistakes=(
            (
                lambda: 2.0 / ERROR**2,
                "That many would do if there were no noise within clusters. The bracket is "
                "missing.",
            ),
            (
                lambda: _clusters(error=np.sqrt(ERROR)),
                "The formula is for the squared error: 0.2 squared is 0.04.",
            ),
            (
                lambda: 2.0 / ERROR**2 * (1.0 + 2.0 / ICC / 10 + 1.0 / ICC**2 / 90.0),
                "r is the variance within over that between, 0.95 / 0.05, and not 1 / 0.05.",
            ),
        ),
        ask="What is r when the ICC is .05?",
        hint="Everything in the formula but g is known; the relative error is the root of "
        "what it gives.",
        place="Why? Signal and noise",
    ),
    Exercise(
        key="16.5",
        question="Best cluster size for 2,000 persons at an ICC of .10, and the error it gives?",
        answer=lambda: _plan(1.0 / ICC_5),
        tolerance=0.05,
        mistakes=(
            (
                lambda: _plan((1.0 - ICC_5) / ICC_5),
                "That n is r itself. The best size is one more, 1/ICC.",
            ),
            (
                lambda: (1.0 / ICC_5, _plan(1.0 / ICC_5)[1] / 100.0),
                "Both numbers are right; give the error in percent.",
            ),
            (
                lambda: (1.0 / ICC_5, _plan(1.0 / ICC_5)[1] ** 2 / 100.0),
                "The size is right. The formula gives the relative variance; take its root.",
            ),
        ),
        ask="Which size of a cluster is best at this ICC?",
        hint="The best size from the ICC; the number of clusters from the number of "
        "persons; then the formula, its root, and percent.",
        place="How many clusters, of which size?",
    ),
)
