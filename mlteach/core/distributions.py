"""Tail areas and quantiles of the normal, t and chi-square distributions.

Taken from ``scipy.special`` and not from ``scipy.stats``, which alone would take longer to load
than all the rest of mlteach together.
"""

from __future__ import annotations

import numpy as np
from scipy import special


def two_sided_t(t: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p-value of a t statistic; infinite degrees of freedom make it a z."""
    return 2.0 * special.stdtr(df, -np.abs(t))


def t_quantile(level: float, df: np.ndarray) -> np.ndarray:
    """Quantile that cuts off (1 - level) / 2 above: the multiplier of a t interval."""
    return special.stdtrit(df, 0.5 + level / 2.0)


def normal_quantile(level: float) -> float:
    """Quantile that cuts off (1 - level) / 2 above: the multiplier of a Wald interval."""
    return float(special.ndtri(0.5 + level / 2.0))


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Lower tail area of the standard normal."""
    return special.ndtr(x)


def chi2_sf(x: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Upper tail area of chi-square."""
    return special.chdtrc(df, x)


def f_sf(x: float, df_num: float, df_den: float) -> float:
    """Upper tail area of F; with infinite ``df_den`` that of chi-square over ``df_num``."""
    if np.isinf(df_den):
        return float(special.chdtrc(df_num, df_num * x))
    return float(special.fdtrc(df_num, df_den, x))


def chi2_quantile(level: float, df: float) -> float:
    """Value that chi-square exceeds with probability 1 - level."""
    return float(special.chdtri(df, 1.0 - level))
