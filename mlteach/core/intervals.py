"""Confidence limits, found on the scale on which an estimate is nearest to normal.

Variances and ratios on the log scale, shares on the logit scale, correlations on Fisher's z scale.
All take numbers or arrays; where the boundary leaves no standard error the limits are NaN.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.distributions import normal_quantile

# A correlation this close to 1 lies on the boundary.
ONE = 1e-9


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
