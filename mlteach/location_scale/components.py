"""Variances, covariances and correlations of a location-scale fit, with standard errors.

The free parameters are elements of the Cholesky factor L of Omega; the delta method carries their
covariance matrix over. Limits are found where they are nearest to symmetric: the logarithm of a
variance, Fisher's z of a correlation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.distributions import normal_quantile
from mlteach.core.lazy import lazy_import
from mlteach.core.summary import coefficient_table
from mlteach.errors import ModelError

pd = lazy_import("pandas")

if TYPE_CHECKING:
    from mlteach.location_scale.result import LocationScaleResult

LEVEL = 0.95


def components(fit: LocationScaleResult) -> pd.DataFrame:
    """Delta method from the free elements of L to Omega and its correlations.

    See :attr:`mlteach.location_scale.result.LocationScaleResult.components`.
    """
    omega, names, d = fit.random.to_numpy(), fit.effects, len(fit.effects)
    change, cov_L = _changes(fit)
    free = np.abs(change).max(axis=0, initial=0.0) > 0
    sd = np.sqrt(np.diag(omega))
    none = fit._no_variance
    z = normal_quantile(LEVEL)
    rows = {}
    for col in range(d):
        for row in range(col, d):
            if not free[row, col]:
                continue
            se = _se(change[:, row, col], cov_L)
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
                limits = _correlation_limits(rho, _se(by_rho, cov_L), z)
                rows[_pair(names, row, col)] = (omega[row, col], se, np.nan, rho, *limits)
    columns = ["estimate", "se", "sd", "correlation", "lower", "upper"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _changes(fit: LocationScaleResult) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of Omega by the parameters of the effects (m, d, d), and their covariances."""
    map_, L, d = fit.deviance_function.map, fit._parts[2][0], len(fit.effects)
    change = np.zeros((map_.m, d, d))
    for a, (row, col) in enumerate(zip(map_.rows, map_.cols, strict=True)):
        E = np.zeros((d, d))
        E[row, col] = 1.0
        half = fit._units @ E @ L.T @ fit._units.T
        change[a] = half + half.T
    return change, fit._cov_scaled[-map_.m :, -map_.m :] if map_.m else np.zeros((0, 0))


def association(fit: LocationScaleResult) -> pd.DataFrame:
    """Delta method from Omega to Gamma = Omega_vu Omega_u^-1 and to what v has beside it.

    See :attr:`mlteach.location_scale.result.LocationScaleResult.association`.
    """
    q, names = len(fit.design.mean.z_names), fit.effects
    omega = fit.random.to_numpy()
    if fit.functions is not None or q == len(names) or not omega[q:, :q].any():
        raise ModelError(
            f"'{fit.formula}' has no one association: it needs random effects in both functions "
            "that correlate (association=True), and no level-2 functions."
        )
    change, cov = _changes(fit)
    inverse = np.linalg.inv(omega[:q, :q])
    gamma = omega[q:, :q] @ inverse
    by_gamma = (change[:, q:, :q] - gamma @ change[:, :q, :q]) @ inverse
    rest = np.diag(omega[q:, q:] - gamma @ omega[:q, q:])
    half = by_gamma @ omega[:q, q:] + gamma @ change[:, :q, q:]
    by_rest = np.diagonal(change[:, q:, q:] - half, axis1=1, axis2=2)
    rows = {}
    for k, v in enumerate(names[q:]):
        for a, u in enumerate(names[:q]):
            rows[f"{v} on {u}"] = (gamma[k, a], _se(by_gamma[:, k, a], cov))
    estimate, se = (pd.Series(x, index=list(rows)) for x in zip(*rows.values(), strict=True))
    table = coefficient_table(estimate, se, pd.Series(np.inf, index=list(rows)))
    for k, v in enumerate(names[q:]):
        table.loc[f"{v}, what is left"] = _left(float(rest[k]), _se(by_rest[:, k], cov))
    return table


def _left(variance: float, se: float) -> dict[str, float]:
    """A variance without test, its limits found on the log scale; at zero there are none."""
    spread = np.exp(normal_quantile(LEVEL) * se / variance) if variance > 1e-8 else np.nan
    limits = {"lower": variance / spread, "upper": variance * spread}
    return {"estimate": max(variance, 0.0), "se": se, **limits}


def _se(derivative: np.ndarray, cov: np.ndarray) -> float:
    return float(np.sqrt(max(derivative @ cov @ derivative, 0.0)))


def _pair(names: list[str], row: int, col: int) -> str:
    return names[row] if row == col else f"{names[col]}:{names[row]}"


def _correlation_limits(rho: float, se: float, z: float) -> tuple[float, float]:
    if abs(rho) >= 1.0 - 1e-9:
        return np.nan, np.nan
    centre, half = np.arctanh(rho), z * se / (1.0 - rho**2)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))
