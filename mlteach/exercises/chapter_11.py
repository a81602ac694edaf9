"""Exercises of chapter 11, High School and Beyond: sectors, factors, tests and what a prior says.

a0 and a1 are coefficients of the log variance, s2v the variance of its random intercept.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats

from mlteach.exercises.fits import table
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.result import LocationScaleResult

LINES = "math ~ catholic * ses_within + mean_ses * ses_within + (1 + ses_within | school)"
A0, A1, S2V = 3.676, -0.171, 0.016
GUESS, D, BOUND = 0.23, 3, 0.10


@cache
def _fit(mean: str, variance: str, sector: int | None = None) -> LocationScaleResult:
    hsb = table("hsb")
    rows = hsb if sector is None else hsb[hsb["catholic"] == sector]
    return fit_location_scale(mean, variance, rows)


def _sectors(share: float = 0.5) -> tuple[float, ...]:
    """Variances with a share of s2v in the exponent."""
    return tuple(np.exp(A0 + share * S2V + np.array([0.0, A1])))


def _factor(*names: str) -> float:
    """Exp of the sum of coefficients of the log variance."""
    fit = _fit(LINES, "~ catholic * ses_within + (1 + ses_within | school)")
    return float(np.exp(fit.log_variance.loc[[*names], "estimate"].sum()))


def _test(mean: str = LINES):
    return _fit(mean, "~ catholic + (1 | school)").lr_test(_fit(mean, "~ catholic"))


def _below(size: float = D * GUESS / BOUND, df: int = 1) -> float:
    return float(stats.chi2.sf(size, df))


def _s2v(sector: int | None) -> float:
    fit = _fit("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", sector)
    return float(fit.random.loc["scale:Intercept", "scale:Intercept"])


VALUES = {
    "11.1": {
        "right": _sectors,
        "median": lambda: _sectors(share=0.0),
        "without_half": lambda: _sectors(share=1.0),
    },
    "11.2": {
        "right": lambda: _factor("catholic", "catholic:ses_within"),
        "at_the_mean": lambda: _factor("catholic"),
        "interaction_alone": lambda: _factor("catholic:ses_within"),
    },
    "11.3": {
        "right": lambda: float(_test().p_mixture),
        "naive": lambda: float(_test().p),
        "half_of_naive": lambda: float(_test().p) / 2.0,
        "model_1": lambda: float(_test("math ~ catholic + (1 | school)").p_mixture),
        "statistic": lambda: float(_test().statistic),
    },
    "11.4": {
        "right": _below,
        "without_d": lambda: _below(GUESS / BOUND),
        "three_df": lambda: _below(df=D),
    },
    "11.5": {
        "right": lambda: _s2v(0),
        "catholic": lambda: _s2v(1),
        "all_schools": lambda: _s2v(None),
    },
}
