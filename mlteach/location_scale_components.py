"""Variances, covariances and correlations of a location-scale fit, with standard errors.

The free parameters are elements of the Cholesky factor L of Omega; the delta method carries their
covariance matrix over. Limits are found where they are nearest to symmetric: the logarithm of a
variance, Fisher's z of a correlation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.distributions import normal_quantile
from mlteach.lazy import lazy_import

pd = lazy_import("pandas")

if TYPE_CHECKING:
    from mlteach.location_scale_result import LocationScaleResult

LEVEL = 0.95


def components(fit: LocationScaleResult) -> pd.DataFrame:
    """Delta method from the free elements of L to Omega and its correlations.

    See :attr:`mlteach.location_scale_result.LocationScaleResult.components`.
    """
    omega, names, d = fit.random.to_numpy(), fit.effects, len(fit.effects)
    map_, L = fit.deviance_function.map, fit._parts[2][0]
    cov_L = fit._cov_scaled[-map_.m :, -map_.m :] if map_.m else np.zeros((0, 0))
    change = np.zeros((map_.m, d, d))
    for a, (row, col) in enumerate(zip(map_.rows, map_.cols, strict=True)):
        E = np.zeros((d, d))
        E[row, col] = 1.0
        half = fit._units @ E @ L.T @ fit._units.T
        change[a] = half + half.T
    free = np.abs(change).max(axis=0, initial=0.0) > 0
    sd = np.sqrt(np.diag(omega))
    none = fit._no_variance
    z = normal_quantile(LEVEL)
    rows = {}
    for col in range(d):
        for row in range(col, d):
            if not free[row, col]:
                continue
            se = float(np.sqrt(max(change[:, row, col] @ cov_L @ change[:, row, col], 0.0)))
            if none[row] or none[col]:
                rows[_pair(names, row, col)] = (omega[row, col], *[np.nan] * 5)
            elif row == col:
                factor = np.exp(z * se / omega[row, row])
                limits = (omega[row, row] / factor, omega[row, row] * factor)
                rows[names[row]] = (omega[row, row], se, sd[row], np.nan, *limits)
            else:
                rho = np.clip(omega[row, col] / (sd[row] * sd[col]), -1.0, 1.0)
                by_rho = change[:, row, col] / (sd[row] * sd[col]) - 0.5 * rho * (
                    change[:, row, row] / omega[row, row] + change[:, col, col] / omega[col, col]
                )
                limits = _correlation_limits(rho, np.sqrt(max(by_rho @ cov_L @ by_rho, 0.0)), z)
                rows[_pair(names, row, col)] = (omega[row, col], se, np.nan, rho, *limits)
    columns = ["estimate", "se", "sd", "correlation", "lower", "upper"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _pair(names: list[str], row: int, col: int) -> str:
    return names[row] if row == col else f"{names[col]}:{names[row]}"


def _correlation_limits(rho: float, se: float, z: float) -> tuple[float, float]:
    if abs(rho) >= 1.0 - 1e-9:
        return np.nan, np.nan
    centre, half = np.arctanh(rho), z * se / (1.0 - rho**2)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))
