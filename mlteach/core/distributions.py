"""Tail areas and quantiles of the normal, t and chi-square distributions, and limits from them.

Taken from ``scipy.special`` and not from ``scipy.stats``, which alone would take longer to load
than all the rest of mlteach together. Confidence limits are found on the scale on which an estimate
is nearest to normal: variances and ratios on the log scale, shares on the logit scale, correlations
on Fisher's z scale. All take numbers or arrays; where the boundary leaves no standard error the
limits are NaN.
"""

from __future__ import annotations

import numpy as np
from scipy import special

# A correlation this close to 1 lies on the boundary.
ONE = 1e-9


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


# ------------------------------------------------------------------------------------ limits


def log_limits(estimate: np.ndarray, se: np.ndarray, level: float = 0.95) -> tuple:
    """Limits of something positive: a variance, or a ratio.

    Examples
    --------
    >>> [round(float(x), 3) for x in log_limits(2.0, 0.5)]
    [1.225, 3.265]
    """
    # Next to zero the limits are zero and infinity, as far as numbers go.
    factor = np.exp(np.minimum(normal_quantile(level) * np.divide(se, estimate), 700.0))
    return estimate / factor, estimate * factor


def logit_limits(share: np.ndarray, se: np.ndarray, level: float = 0.95) -> tuple:
    """Limits of a share between 0 and 1, such as an intraclass correlation.

    Examples
    --------
    >>> [round(float(x), 3) for x in logit_limits(0.2, 0.05)]
    [0.119, 0.316]
    """
    odds = np.divide(share, 1.0 - share)
    factor = np.exp(normal_quantile(level) * se / (share * (1.0 - share)))
    return odds / (factor + odds), odds * factor / (1.0 + odds * factor)


def fisher_limits(correlation: np.ndarray, se: np.ndarray, level: float = 0.95) -> tuple:
    """Limits of a correlation.

    Examples
    --------
    >>> [round(float(x), 3) for x in fisher_limits(0.5, 0.1)]
    [0.28, 0.67]
    """
    inside = np.abs(correlation) < 1.0 - ONE
    r = np.where(inside, correlation, np.nan)
    centre, half = np.arctanh(r), normal_quantile(level) * se / (1.0 - r**2)
    return np.tanh(centre - half), np.tanh(centre + half)
