"""Predictions with the standard error of what they miss: for known clusters and for new ones.

A row of a known cluster j is predicted by ``x'beta + z'u_j``, with estimates for both. What this
misses of ``x'beta + z'u_j`` itself has, given the variances, the variance

    z' C_j z + (x - K_j z)' V (x - K_j z),     K_j = X_j' (Z_j Tau Z_j' + sigma2 I)^-1 Z_j Tau

with C_j the conditional covariance matrix of u_j and V that of the coefficients: u_j is predicted
from residuals, so an error in beta comes back in it with the opposite sign (Henderson 1975). A row
of a new cluster is predicted by ``x'beta``, and misses it with the variance ``x'Vx + z'Tau z``. The
outcome itself adds sigma2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach import effects
from mlteach.design import new_rows
from mlteach.distributions import normal_quantile
from mlteach.errors import ModelError
from mlteach.lazy import lazy_import
from mlteach.results import check_level

pd = lazy_import("pandas")

if TYPE_CHECKING:
    from mlteach.mixed_result import MixedResult

OF = ("outcome", "mean")


def prediction_interval(
    fit: MixedResult, data: pd.DataFrame | None, level: float, of: str, random: bool
) -> pd.DataFrame:
    """Predictions with limits; see :meth:`MixedResult.prediction_interval`.

    Raises
    ------
    DataError
        Missing column or value, or a category that the fit never saw.
    ModelError
        If ``of`` is not known.
    """
    check_level(level)
    if of not in OF:
        raise ModelError(
            f"of={of!r} is not known: 'outcome' asks where the outcome of a row lies, 'mean' where "
            "the mean of such rows of its cluster lies."
        )
    X, Z, position, index, new = _rows(fit, data, random)
    estimate = X @ fit.params.to_numpy() + _at_rows(Z, fit._blups, position)
    variance = error_variance(fit, X, Z, position) + (fit.sigma2 if of == "outcome" else 0.0)
    se = np.sqrt(variance)
    half = normal_quantile(level) * se
    columns = {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}
    table = pd.DataFrame(columns, index=index)
    table.attrs = {"of": of, "level": level, "new_clusters": new}
    return table


def error_variance(
    fit: MixedResult, X: np.ndarray, Z: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Variance of the error with which ``x'beta + z'u`` is predicted, shape (rows,).

    Parameters
    ----------
    fit : MixedResult
    X, Z : ndarray, shapes (rows, p), (rows, q)
    position : ndarray of int, shape (rows,)
        Cluster of each row, -1 for a new one.
    """
    state, scaling = fit.problem.state(fit.theta), fit.problem.moments.scaling
    Lambda = fit.problem.map.Lambda(fit.theta)
    known = position >= 0
    PsiZ = np.where(known[:, None], Z @ scaling.T @ (Lambda @ Lambda.T), 0.0)
    d = X @ scaling.A - np.einsum("iq,iqp->ip", PsiZ, state.F[position])
    # A root of the covariance matrix keeps the variance a sum of squares.
    root = np.linalg.cholesky(fit.sigma2 * state.S_inv)
    C = np.where(known[:, None, None], fit.cov_ranef[position], fit.tau.to_numpy())
    own = np.einsum("ia,iab,ib->i", Z, C, Z)
    return own.clip(min=0.0) + np.square(d @ root).sum(axis=1)


def _rows(fit: MixedResult, data: pd.DataFrame | None, random: bool):
    """X, Z, position of the cluster (-1 if it is new), index and ids of new clusters."""
    design = fit.design
    if data is None:
        X, Z, index, position = design.X, design.Z, design.index, design.codes
    else:
        X, Z = new_rows(design, data)
        index = data.index
        position = effects.positions(design, data, "prediction_interval") if random else None
    if not random:
        return X, Z, np.full(len(X), -1), index, []
    new = [] if data is None else list(dict.fromkeys(data[fit.cluster][position < 0]))
    return X, Z, position, index, new


def _at_rows(Z: np.ndarray, u: np.ndarray, position: np.ndarray) -> np.ndarray:
    """``z'u`` of the row's cluster, zero for new clusters."""
    return np.einsum("iq,iq->i", Z, np.where(position[:, None] >= 0, u[position], 0.0))
