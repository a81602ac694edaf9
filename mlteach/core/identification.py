"""Which variance components the data can tell apart, whatever the outcome.

The covariance matrices that a model implies, ``Z_j Tau Z_j' + sigma2 I``, are linear in its
components. A direction of the components that changes none of them cannot be estimated: it is a
null direction of the matrix of their inner products, which needs Z_j only through G_j = Z_j'Z_j:

    <E_a, E_b> = sum_j tr(E_a G_j E_b G_j),   <E_a, I> = sum_j tr(E_a G_j),   <I, I> = N
"""

from __future__ import annotations

import numpy as np

from mlteach.core.linalg import symmetric_basis

# Share of its size that a direction must keep in the implied covariances: the products are exact
# to some 1e-15, and two components that hardly differ are still two.
TOLERANCE = 1e-12
# An element of a direction this small, relative to what makes it up, is rounding.
ROUNDING = 1e-6


def null_directions(
    G: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    to_user: np.ndarray | None = None,
    n_rows: int | None = None,
) -> np.ndarray:
    """Directions of the components that change no covariance matrix of the data.

    Parameters
    ----------
    G : ndarray, shape (J, q, q)
        Cross-products ``Z_j'Z_j``.
    rows, cols : ndarray of int, shape (m,)
        Free elements of the symmetric matrix Tau.
    to_user : ndarray, shape (m', m'), optional
        From the components in the units of G to those in which to name the directions.
    n_rows : int, optional
        N; then the residual variance, common to all rows, is one more component, the last.

    Returns
    -------
    ndarray, shape (m', k)
        One column a direction; none (k = 0) if everything can be told apart. m' is m, or m + 1 with
        the residual variance.
    """
    q = G.shape[1]
    E = symmetric_basis(q, (rows, cols))
    flat = G.reshape(len(G), q * q)
    pairs = (flat.T @ flat).reshape((q,) * 4)
    inner = np.einsum("axy,yzwx,bzw->ab", E, pairs, E, optimize=True)
    most = np.sqrt(np.einsum("xxxx->x", pairs))
    unit = 1.0 / np.sqrt(most[rows] * most[cols])
    if n_rows is not None:
        with_identity = np.einsum("axy,yx->a", E, G.sum(axis=0))
        inner = np.block([[inner, with_identity[:, None]], [with_identity[None], n_rows]])
        unit = np.append(unit, 1.0 / np.sqrt(n_rows))
    values, vectors = np.linalg.eigh(inner * np.outer(unit, unit))
    to_user = np.eye(len(unit)) if to_user is None else to_user
    moved = to_user @ (unit[:, None] * vectors[:, values < TOLERANCE])
    size = np.abs(to_user) @ unit
    return np.where(np.abs(moved) > ROUNDING * size[:, None], moved, 0.0)


def sets_of_components(directions: np.ndarray) -> list[list[int]]:
    """The components of each direction, after elimination: as few in one set as can be.

    Examples
    --------
    >>> sets_of_components(np.array([[1.0, 1.0], [0.0, -1.0], [2.0, 0.0]]))
    [[0, 2], [1, 2]]
    """
    size = np.abs(directions).max(axis=1, initial=0.0)
    left = (directions / np.where(size > 0, size, 1.0)[:, None]).T.copy()
    for k, row in enumerate(left):
        pivot = int(np.argmax(np.abs(row)))
        row /= row[pivot]
        others = np.arange(len(left)) != k
        left[others] -= np.outer(left[others, pivot], row)
    return sorted(np.flatnonzero(np.abs(row) > ROUNDING).tolist() for row in left)
