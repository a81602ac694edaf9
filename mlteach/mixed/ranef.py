"""Predicted random effects, and which of them belong to the rows of a table.

BLUP of cluster j: ``u_j = Psi R_j' H_j^-1 (B_y,j - B_X,j beta)`` in the notation of
:mod:`mlteach.mixed.deviance`; its conditional covariance given the data and the estimated
parameters is ``sigma2 Lambda (I + Lambda' Z_j'Z_j Lambda)^-1 Lambda'``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.columns import as_table, cluster_codes, table_with
from mlteach.core.design import Design
from mlteach.errors import DataError, shown
from mlteach.mixed.deviance import ProfiledDeviance


def blups(problem: ProfiledDeviance, theta: np.ndarray) -> np.ndarray:
    """Conditional means of the random effects in the user's units, shape (J, q)."""
    scaling, state = problem.moments.scaling, problem.state(theta)
    return scaling.scale * (state.t @ state.Psi) @ scaling.T.T


def conditional_covariance(problem: ProfiledDeviance, theta: np.ndarray) -> np.ndarray:
    """Conditional covariance matrices of the random effects, shape (J, q, q).

    ``Lambda M^-1 Lambda'`` stays a sum of squares where the equal ``Psi - Psi P Psi`` would be a
    difference.
    """
    R = problem.moments.R @ problem.map.Lambda(theta)
    M = np.eye(problem.map.q) + R.transpose(0, 2, 1) @ R
    root = tau_root(problem, theta)
    half = np.linalg.solve(np.linalg.cholesky(M), np.broadcast_to(root.T, M.shape))
    return half.transpose(0, 2, 1) @ half


def tau_root(problem: ProfiledDeviance, theta: np.ndarray) -> np.ndarray:
    """A matrix whose product with its transpose is Tau, in the user's units, shape (q, q)."""
    scaling, state = problem.moments.scaling, problem.state(theta)
    return scaling.scale * np.sqrt(state.sigma2) * scaling.T @ state.Lambda


def at_rows(Z: np.ndarray, u: np.ndarray, position: np.ndarray, new: float = 0.0) -> np.ndarray:
    """``z'u`` of each row's cluster, with ``new`` for all effects of clusters at position -1."""
    return np.einsum("iq,iq->i", Z, np.where(position[:, None] >= 0, u[position], new))


def places(design: Design, data: pd.DataFrame | None, random: bool, where: str) -> tuple:
    """Clusters of the rows of a table (None: those of the fit), whose effects may be left out.

    Returns
    -------
    ndarray of int, shape (rows,)
        Place of each row's cluster among those of the fit; -1 for new ones, and all without
        ``random``.
    Index
        Labels of the rows.
    list
        Ids of the new clusters.

    Raises
    ------
    DataError
        Missing cluster column or ids, or ids of another type than those of the fit.
    """
    if data is None:
        return (design.codes if random else np.full(len(design.y), -1)), design.index, []
    data = as_table(data)
    if not random:
        return np.full(len(data), -1), data.index, []
    cluster = design.formula.cluster
    table_with(data, [cluster], f"{where}(random=True)")
    ids = data[cluster]
    if ids.isna().any():
        raise DataError(
            f"Column '{cluster}' has missing values in the rows to predict; use random=False for "
            "rows whose cluster is not known."
        )
    codes, here = cluster_codes(ids, cluster, sort=False)
    position = design.labels.get_indexer(here)[codes]
    _check_kind_of_ids(design, ids, position >= 0)
    return position, data.index, list(dict.fromkeys(ids[position < 0]))


def _check_kind_of_ids(design: Design, ids: pd.Series, known: np.ndarray) -> None:
    """Ids that are text in one table and numbers in the other would all pass as new clusters."""
    there, here = (
        "numbers" if pd.api.types.is_numeric_dtype(values.dtype) else "text"
        for values in (design.labels, ids)
    )
    if len(ids) and not known.any() and there != here:
        raise DataError(
            f"No id in column '{ids.name}' is known to the fit, and the ids are {there} there "
            f"(such as {shown(design.labels[0])}) but {here} here (such as {shown(ids.iloc[0])}). "
            "Convert one to the type of the other, or use random=False."
        )
