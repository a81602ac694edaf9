"""Exercises of chapter 7, random slopes: spread of slopes, variance functions, moderated slopes.

tau00, tau01 and tau11 are the elements of the covariance matrix of intercepts and slopes. All fits
are REML; ses_within is the deviation of ses from the mean of the school.
"""

from __future__ import annotations

import numpy as np

from mlteach.exercises.fits import fit, ols, table
from mlteach.questions.simple_slopes import johnson_neyman, simple_slopes

T00, T01, T11, SIGMA2 = 9.0, -2.0, 1.0, 20.0
LOWEST = -T01 / T11
LOWEST_VARIANCE = T00 - T01**2 / T11
HSB = "math ~ ses_within * (mean_ses + catholic)"
TERMS = ["ses_within", "ses_within:mean_ses"]
GPA = "language", "gpa ~ ses_z * clubs", "1 + ses_z"


def _slopes_of_schools(spread: str = "sd") -> tuple[float, float]:
    """Mean slope, plus and minus 1.96 of something."""
    fitted = fit("london", "score16 ~ score11", "1 + score11")
    variance = float(fitted.tau.loc["score11", "score11"])
    spreads = {"sd": np.sqrt(variance), "variance": variance, "se": fitted.bse["score11"]}
    slope, half = float(fitted.params["score11"]), 1.96 * float(spreads[spread])
    return slope - half, slope + half


def _at(x: float, twice: float = 2.0) -> tuple[float, float]:
    """A place, and the intraclass correlation there."""
    between = T00 + twice * x * T01 + x**2 * T11
    return x, between / (between + SIGMA2)


def _public(
    mean_ses: float = -0.5, catholic: int = 0, random: str = "1 + ses_within"
) -> tuple[float, float]:
    """Slope of ses_within in a kind of school, and its standard error."""
    asked = {"by": "mean_ses", "at": [mean_ses], "hold": {"catholic": catholic}}
    row = simple_slopes(fit("hsb", HSB, random), "ses_within", **asked)
    return float(row["estimate"].iloc[0]), float(row["se"].iloc[0])


def _without_covariance() -> tuple[float, float]:
    main, product = np.diag(fit("hsb", HSB, "1 + ses_within").cov_params().loc[TERMS, TERMS])
    return _public()[0], float(np.sqrt(main + 0.25 * product))


def _public_ols() -> tuple[float, float]:
    fitted, x = ols(HSB, table("hsb")), np.array([1.0, -0.5])
    V = fitted.cov_params().loc[TERMS, TERMS]
    return float(x @ fitted.params[TERMS]), float(np.sqrt(x @ V @ x))


def _explained(component: str = "ses_within", reml: bool = True) -> float:
    terms = ("ses_within", "ses_within * catholic")
    fits = (fit("hsb", f"math ~ {x}", "1 + ses_within", reml) for x in terms)
    before, after = (float(fitted.tau.loc[component, component]) for fitted in fits)
    return 1.0 - after / before


def _bounds(reml: bool = True) -> tuple[float, ...]:
    return johnson_neyman(fit(*GPA, reml), "ses_z", "clubs").bounds


def _crosses_zero() -> float:
    b = fit(*GPA).params
    return float(-b["ses_z"] / b["ses_z:clubs"])


VALUES = {
    "7.1": {
        "right": _slopes_of_schools,
        "of_the_mean": lambda: _slopes_of_schools("se"),
        "variance": lambda: _slopes_of_schools("variance"),
    },
    "7.2": {
        "right": lambda: _at(LOWEST),
        "covariance_once": lambda: _at(LOWEST, twice=1.0),
        "sign": lambda: _at(-LOWEST),
        "variance_between": lambda: (LOWEST, LOWEST_VARIANCE),
        "total_variance": lambda: (LOWEST, LOWEST_VARIANCE + SIGMA2),
        "percent": lambda: (LOWEST, 100 * _at(LOWEST)[1]),
    },
    "7.3": {
        "right": _public,
        "variances_only": _without_covariance,
        "catholic": lambda: _public(catholic=1),
        "sign_of_mean_ses": lambda: _public(mean_ses=0.5),
        "variance": lambda: (_public()[0], _public()[1] ** 2),
        "without_random_slope": lambda: _public(random="1"),
        "ols": _public_ols,
    },
    "7.4": {
        "right": _explained,
        "intercepts": lambda: _explained("Intercept"),
        "ml": lambda: _explained(reml=False),
    },
    "7.5": {
        "right": lambda: _bounds()[0],
        "slope_zero": _crosses_zero,
        "other_bound": lambda: _bounds()[1],
        "ml": lambda: _bounds(reml=False)[0],
    },
}
