"""Scores of whole clusters in the two-level multigroup model, for robust standard errors.

With P_i the inverse of the observed block of Within of row i, padded with zeros, d_i = y_i - mu and
sums over the rows of cluster j,

    A_j = sum P_i,  b_j = sum P_i d_i,  G_j = (I + A_j Between)^-1,  u_j = Between G_j b_j,

the derivatives of the cluster's log-likelihood are, with e_i = d_i - u_j,

    by mu          sum P_i e_i
    by Within      -1/2 sum [ P_i - P_i (e_i e_i' + Between G_j) P_i ]
    by Between     -1/2 [ G_j A_j - G_j b_j b_j' G_j' ]
"""

from __future__ import annotations

import numpy as np

from mlteach.core.linalg import symmetric_basis
from mlteach.core.patterns import block_inverses
from mlteach.multigroup.design import GroupRows, MultigroupData
from mlteach.multigroup.model import MultigroupModel
from mlteach.multigroup.moments import classes
from mlteach.multigroup.search import MultigroupFit


def scores_by_cluster(
    data: MultigroupData, model: MultigroupModel, fit: MultigroupFit
) -> np.ndarray:
    """Derivative of each cluster's log-likelihood by the free parameters, scaled units.

    Returns
    -------
    ndarray, shape (J, m)
        Clusters group by group.
    """
    parts = []
    for part, group, at in zip(data.parts, fit.deviance.groups, model.index, strict=True):
        own = group_scores(part, *group.unpack(fit.theta[at]))
        scores = np.zeros((len(own), len(fit.theta)))
        np.add.at(scores, (slice(None), at), own)
        parts.append(scores)
    return np.concatenate(parts)


def group_scores(
    rows: GroupRows, mu: np.ndarray, within: np.ndarray, between: np.ndarray
) -> np.ndarray:
    """Scores of the clusters of one group.

    Parameters
    ----------
    rows : GroupRows
    mu, within, between : ndarray, shapes (C, p), (C, p, p), (p, p)

    Returns
    -------
    ndarray, shape (J, C p + (C + 1) m)
        Means cell by cell, lower triangle of Within cell by cell, that of Between.
    """
    C, p = mu.shape
    P, d, A, G, g = given_the_rows(rows, mu, within, between)
    _, codes, cells, *_ = rows
    J, left = len(A), times(P, d - (g @ between)[codes])
    expected = left[:, :, None] * left[:, None] + P @ (between @ G)[codes] @ P
    at = codes * C + cells
    by_mu = sums(left, at, J * C).reshape(J, C * p)
    by_within = sums(0.5 * (expected - P), at, J * C).reshape(J, C, p, p)
    by_between = 0.5 * (g[:, :, None] * g[:, None] - G @ A)
    matrices = np.concatenate([by_within, by_between[:, None]], axis=1)
    triangles = np.tensordot(matrices, symmetric_basis(p), ([2, 3], [1, 2]))
    return np.hstack([by_mu, triangles.reshape(J, -1)])


def given_the_rows(
    rows: GroupRows, mu: np.ndarray, within: np.ndarray, between: np.ndarray
) -> tuple[np.ndarray, ...]:
    """P and d of each row, A, G and g = G b of each cluster; its effects are u = Between g."""
    Y, codes, cells, *_ = rows
    here = ~np.isnan(Y)
    cell, observed, klass = classes(here, cells)
    P = block_inverses(within[cell], observed)[klass]
    d, J = np.where(here, Y - mu[cells], 0.0), int(codes.max()) + 1
    A = sums(P, codes, J)
    G = np.linalg.inv(np.eye(len(between)) + A @ between)
    return P, d, A, G, times(G, sums(times(P, d), codes, J))


def times(P: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Products of matrices and vectors, shape (N, p)."""
    return (P @ d[..., None])[..., 0]


def sums(values: np.ndarray, at: np.ndarray, size: int) -> np.ndarray:
    """Sums of the rows that go to each place, shape (size, ...)."""
    out = np.zeros((size, *values.shape[1:]))
    np.add.at(out, at, values)
    return out
