"""Exercises of chapter 10, location-scale models: averages, ranges, factors, shrinkage, ICCs.

alpha0 and alpha1 are coefficients of the log variance, s2v the variance of its random intercept.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import fit
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.result import LocationScaleResult

ALPHA0, S2V = -0.2, 0.16
S2, SIZE, S2V_SMALL = 2.0, 21, 0.1


@cache
def _fit(data: str, mean: str, variance: str = "~ 1 + (1 | school)") -> LocationScaleResult:
    return fit_location_scale(f"{mean} + (1 | school)", variance, load(data))


def _hsb_variance(share: float) -> float:
    """Variance with a share of s2v in the exponent."""
    fitted = _fit("hsb", "math ~ 1")
    s2v = fitted.random.loc["scale:Intercept", "scale:Intercept"]
    return float(np.exp(fitted.log_variance.loc["Intercept", "estimate"] + share * s2v))


def _range(spread: float) -> tuple[float, ...]:
    """Variances at alpha0 minus and plus 1.96 of something."""
    return tuple(np.exp(ALPHA0 + 1.96 * spread * np.array([-1.0, 1.0])))


def _factor() -> float:
    """exp(alpha1), the factor a point of iq_verbal."""
    fitted = _fit("language", "language ~ iq_verbal", "~ iq_verbal")
    return float(np.exp(fitted.log_variance.loc["iq_verbal", "estimate"]))


def _shrunken(noise: float = 2.0 / (SIZE - 1)) -> float:
    return float(np.exp(S2V_SMALL / (S2V_SMALL + noise) * np.log(S2)))


def _iccs(
    lower: str = "icc", upper: str = "icc", mean: str = "score16 ~ score11 + girl"
) -> tuple[float, float]:
    """Least and largest value in columns of the table of schools."""
    table = _fit("london", mean).cluster_variances()
    return float(table[lower].min()), float(table[upper].max())


VALUES = {
    "10.1": {
        "right": lambda: float(_fit("hsb", "math ~ 1").average_variance["average"]),
        "median": lambda: _hsb_variance(0.0),
        "without_half": lambda: _hsb_variance(1.0),
        "one_variance": lambda: fit("hsb", "math ~ 1", reml=False).sigma2,
    },
    "10.2": {
        "right": lambda: _range(np.sqrt(S2V)),
        "variance_of_v": lambda: _range(S2V),
    },
    "10.3": {"right": _factor},
    "10.4": {
        "right": _shrunken,
        "log": lambda: 0.5 * np.log(S2),
        "mean_of_variances": lambda: 0.5 * S2 + 0.5,
        "over_n": lambda: _shrunken(2.0 / SIZE),
        "half_the_noise": lambda: _shrunken(1.0 / (SIZE - 1)),
    },
    "10.5": {
        "right": _iccs,
        "model_2": lambda: _iccs(mean="score16 ~ 1"),
        "ends_of_intervals": lambda: _iccs("icc_lower", "icc_upper"),
    },
}
