"""Clusters of a multigroup model: what the data say of each, and new data for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.errors import ModelError

if TYPE_CHECKING:
    from mlteach.multigroup.result import MultigroupResult

pd = lazy_import("pandas")

# An eigenvalue below minus this part of the trace is negative, not rounding.
NEGATIVE = 1e-9


def cluster_effects(fit: MultigroupResult, k: int) -> pd.DataFrame:
    """Conditional means and SDs of u for the clusters of group k.

    Given the data, u_j has covariance matrix K_j = (Between^-1 + A_j)^-1 and mean K_j b_j, in the
    notation of :mod:`mlteach.multigroup.deviance`.
    """
    Y, codes, cells = (part[k] for part in (fit.data.Y, fit.data.codes, fit.data.cells))
    mu, within, between = fit.fit.deviance.groups[k].unpack(fit.fit.theta[fit.model.index[k]])
    J, p = len(fit.data.labels[k]), Y.shape[1]
    A, b = np.zeros((J, p, p)), np.zeros((J, p))
    here = ~np.isnan(Y)
    patterns, klass = np.unique(np.column_stack([cells, here]), axis=0, return_inverse=True)
    for r, (cell, *seen) in enumerate(patterns):
        own, block = klass.ravel() == r, np.flatnonzero(seen)
        P = np.linalg.inv(within[cell][np.ix_(block, block)])
        gap = Y[own][:, block] - mu[cell, block]
        np.add.at(A, (codes[own][:, None, None], block[:, None], block), P)
        np.add.at(b, (codes[own][:, None], block), gap @ P)
    K = np.linalg.solve(np.eye(p) + between @ A, np.broadcast_to(between, A.shape))
    variance = np.einsum("jaa->ja", K)
    sd = np.sqrt(np.where(variance >= 0, variance, np.nan)) * fit.data.scale
    u = np.einsum("jab,jb->ja", K, b) * fit.data.scale
    names = [str(name) for name in fit.variables]
    table = pd.DataFrame(u, index=fit.data.labels[k], columns=names)
    return table.assign(**{f"{name}_sd": sd[:, v] for v, name in enumerate(names)})


def simulated(fit: MultigroupResult, rng: np.random.Generator) -> pd.DataFrame:
    """New values for the rows of a fit, group by group."""
    if not isinstance(rng, np.random.Generator):
        raise ModelError(f"simulate needs a generator: np.random.default_rng(1), not {rng!r}.")
    tables = []
    for k, group in enumerate(fit.groups):
        Y, codes, cells = (part[k] for part in (fit.data.Y, fit.data.codes, fit.data.cells))
        mu, within, between = fit._by_group[k]
        u = (
            rng.standard_normal((len(fit.data.labels[k]), Y.shape[1]))
            @ _root(between, "Between", group).T
        )
        e = rng.standard_normal(Y.shape)
        roots = np.stack([_root(matrix, "Within", group) for matrix in within])
        y = mu[cells] + u[codes] + (roots[cells] @ e[..., None])[..., 0]
        table = pd.DataFrame(
            np.where(np.isnan(Y), np.nan, y), index=fit.data.index[k], columns=list(fit.variables)
        )
        table.insert(0, fit.data.cluster, fit.data.labels[k][codes])
        if fit.data.group is not None:
            table.insert(0, fit.data.group, group)
        if fit.data.position is not None:
            table.insert(0, fit.data.position, np.array(fit.model.positions)[cells])
        tables.append(table)
    return pd.concat(tables)


def _root(matrix: np.ndarray, name: str, group) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -NEGATIVE * np.abs(values).sum():
        remedy = " Fit with bounded=True to simulate." if name == "Between" else ""
        raise ModelError(
            f"The {name} matrix of group {group!r} has a negative eigenvalue: no effects have such "
            f"a covariance matrix.{remedy}"
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))
