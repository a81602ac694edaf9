"""Keys of problem set 4, clusters that differ in spread; what typical mistakes give."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from common import Task, around, data
from draw import student_numbers

import mlteach as mt


@cache
def spread(name: str, log_variance: str) -> mt.LocationScaleResult:
    mean = "score16 ~ score11 + (1 | school)"
    return mt.fit_location_scale(mean, log_variance, data("ps4", name))


FIXED, RANDOM = "~ score11", "~ score11 + (1 | school)"


def alpha(name: str) -> pd.Series:
    return spread(name, RANDOM).log_variance["estimate"]


def sigma2_v(name: str) -> float:
    return float(spread(name, RANDOM).random.loc["scale:Intercept", "scale:Intercept"])


def likelihood_ratio(name: str, with_score: bool = True) -> float:
    small, big = (FIXED, RANDOM) if with_score else ("~ 1", "~ 1 + (1 | school)")
    return 2 * (spread(name, big).llf - spread(name, small).llf)


def widening(name: str) -> float:
    one, two = "~ mean_score11", "~ mean_score11 + (1 | school)"
    errors = [spread(name, f).log_variance.loc["mean_score11", "se"] for f in (one, two)]
    return float(errors[1] / errors[0])


def too_small(name: str, tails: bool = True) -> float:
    """Return the factor on the standard error of a school's property in a variance function."""
    c = student_numbers("ps4", name)
    variance = 3 * np.exp(c["sigma2_v"]) - 1
    icc_squares = (np.exp(c["sigma2_v"]) - 1) / variance
    moulton = 1 + (c["students"] - 1) * icc_squares
    return float(np.sqrt(moulton * (variance / 2 if tails else 1)))


def _left(factor: Callable[[float], float], tails: bool = True) -> Callable[[str], object]:
    return lambda n: (
        too_small(n, tails),
        student_numbers("ps4", n)["z"] * factor(too_small(n, tails)),
    )


PS4 = {
    "times": Task(
        lambda n: float(np.exp(alpha(n)["score11"])),
        {
            "coefficient for factor": lambda n: float(alpha(n)["score11"]),
            "standard deviation for variance": lambda n: float(np.exp(alpha(n)["score11"] / 2)),
        },
    ),
    "average": Task(
        lambda n: float(np.exp(alpha(n)["Intercept"] + sigma2_v(n) / 2)),
        {
            "median for average": lambda n: float(np.exp(alpha(n)["Intercept"])),
            "all of σ²ᵥ": lambda n: float(np.exp(alpha(n)["Intercept"] + sigma2_v(n))),
        },
    ),
    "schools": Task(
        lambda n: tuple(np.exp(around(alpha(n)["Intercept"], sigma2_v(n) ** 0.5))),
        {
            "interval of α₀": lambda n: tuple(
                np.exp(
                    around(
                        alpha(n)["Intercept"],
                        spread(n, RANDOM).log_variance.loc["Intercept", "se"],
                    )
                )
            ),
            "variance for standard deviation": lambda n: tuple(
                np.exp(around(alpha(n)["Intercept"], sigma2_v(n)))
            ),
        },
    ),
    "needed": Task(
        likelihood_ratio,
        {
            "difference of log-likelihoods": lambda n: likelihood_ratio(n) / 2,
            "without the score": lambda n: likelihood_ratio(n, with_score=False),
        },
    ),
    "wider": Task(
        widening,
        {
            "upside down": lambda n: 1 / widening(n),
            "variances for standard errors": lambda n: widening(n) ** 2,
        },
    ),
    "left": Task(
        _left(lambda f: 1 / f),
        {
            "Moulton factor alone": _left(lambda f: 1 / f, tails=False),
            "multiplied": _left(lambda f: f),
        },
    ),
}
