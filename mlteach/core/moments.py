"""Per-cluster sufficient statistics, taken in one pass over the rows.

For cluster j let Z_j = Q_j R_j be the thin QR factorisation of its random-effects design. The
two-level likelihood needs the rows only through

* R_j (q, q), upper triangular,
* B_j = Q_j' [X_j y_j] (q, k): what the random effects can reach of the predictors and the outcome,
* E = sum_j [X_j y_j]'(I - Q_j Q_j')[X_j y_j] (k, k): what they cannot reach.

Cross-products G_j = D_j'D_j carry the same information, but E would then be a difference of large
numbers; here it is summed from residuals, so an intraclass correlation of .99999999 costs no digit.
Statistics of disjoint sets of clusters add up: rows are worked through in chunks of whole clusters.

Columns are centred and scaled first (:class:`Scaling`). ``k = p + 1``, the outcome last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlteach.core.design import Design
from mlteach.core.scaling import CHUNK_ROWS, Scaling, least_squares, standardise, standardise_blocks

# A column of Z is taken as dependent in a cluster when less than this part of its length is left.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True)
class ClusterMoments:
    """Sufficient statistics of a two-level model, in scaled units.

    Attributes
    ----------
    n : ndarray of int, shape (J,)
        Rows per cluster.
    R : ndarray, shape (J, q, q)
    B : ndarray, shape (J, q, p + 1)
    E : ndarray, shape (p + 1, p + 1)
    scaling : Scaling
    """

    n: np.ndarray
    R: np.ndarray
    B: np.ndarray
    E: np.ndarray
    scaling: Scaling

    @property
    def J(self) -> int:
        """Number of clusters."""
        return len(self.n)

    @property
    def N(self) -> int:
        """Number of rows."""
        return int(self.n.sum())

    @property
    def q(self) -> int:
        """Number of random effects."""
        return self.R.shape[1]

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return self.B.shape[2] - 1


def solve_within(m: ClusterMoments, right: np.ndarray) -> np.ndarray:
    """Least-squares coefficients on Z_j of what has ``right_j = Q_j' w``: ``R_j^-1 right_j``.

    Parameters
    ----------
    m : ClusterMoments
    right : ndarray, shape (J, q, k)

    Returns
    -------
    ndarray, shape (J, q, k)
        NaN in clusters whose Z_j has dependent columns.
    """
    full = (np.diagonal(m.R, axis1=1, axis2=2) > 0).all(axis=1)[:, None, None]
    return np.where(full, np.linalg.solve(np.where(full, m.R, np.eye(m.q)), right), np.nan)


def cluster_moments(design: Design, *, centre: bool = True) -> ClusterMoments:
    """Reduce the rows of a model to its per-cluster statistics, ``CHUNK_ROWS`` at a time.

    A larger cluster is worked on whole.

    Parameters
    ----------
    design : Design
        From :func:`mlteach.core.design.design`.
    centre : bool, default True
        Centre the columns of Z; False keeps their zero, so that the variances of the scaled
        random effects are those of the user's up to units.

    Returns
    -------
    ClusterMoments

    Raises
    ------
    ModelError
        If predictors or random effects are constant or collinear; they are named.
    """
    X_standard, Z_standard, (offset, b_s, scale), scaling = _scaled(design, centre)
    n = np.bincount(design.codes, minlength=len(design.labels))
    order = _order(design.codes, len(n))
    starts = np.concatenate([[0], np.cumsum(n)])
    parts = []
    for first, last in _chunks(starts):
        rows = slice(starts[first], starts[last])
        rows = rows if order is None else order[rows]
        X = X_standard(design.X[rows])
        W = np.vstack([X, (design.y[rows] - offset - b_s @ X) / scale])
        begin = starts[first:last] - starts[first]
        parts.append(_reduce(Z_standard(design.Z[rows]), W, begin, n[first:last]))
    R, B, E = zip(*parts, strict=True)
    return ClusterMoments(n, np.concatenate(R), np.concatenate(B), sum(E), scaling)


def scaling_of(design: Design, centre: bool) -> Scaling:
    """The scaling of :func:`cluster_moments`, without a pass over the rows for the rest."""
    return _scaled(design, centre)[-1]


def _scaled(design: Design, centre: bool) -> tuple:
    """How X and Z are standardised, the least-squares fit, and the scaling that these make."""
    X_standard = standardise(design.X, design.x_names, "predictor")
    Z_standard = standardise_blocks(design, centre)
    offset, b_s, scale = least_squares(design, X_standard)
    b0 = X_standard.matrix @ b_s + offset * X_standard.constant
    scaling = Scaling(A=X_standard.matrix, T=Z_standard.matrix, b0=b0, scale=scale)
    return X_standard, Z_standard, (offset, b_s, scale), scaling


class OutcomeMoments:
    """Moments of the same rows with other outcomes: what does not depend on y is kept.

    The scaling stays that of the moments it starts from. A scaling serves numerical accuracy only,
    so one that fits another outcome of the same size does as well.

    Parameters
    ----------
    design : Design
    moments : ClusterMoments
        Of this design, from :func:`cluster_moments` with ``centre=True``.
    """

    def __init__(self, design: Design, moments: ClusterMoments) -> None:
        self.moments = moments
        n, order = moments.n, _order(design.codes, moments.J)
        self._rows = rows = slice(None) if order is None else order
        self._starts = np.concatenate([[0], np.cumsum(n)[:-1]])
        Z = standardise_blocks(design, True)(design.Z[rows])
        self._Q = _orthonormal(Z, moments.R, n)
        # The part of X that the random effects cannot reach; a cross-product with it gives E.
        X = standardise(design.X, design.x_names, "predictor")(design.X[rows])
        for a, Q in enumerate(self._Q):
            X -= Q * np.repeat(moments.B[:, a, :-1].T, n, axis=1)
        self._X_left = X
        self._center = design.X[rows] @ moments.scaling.b0

    def __call__(self, y: np.ndarray) -> ClusterMoments:
        """Moments with the outcome ``y``, shape (N,), in the order of the design's rows."""
        m = self.moments
        y = (y[self._rows] - self._center) / m.scaling.scale
        B, E = m.B.copy(), m.E.copy()
        for a, Q in enumerate(self._Q):
            B[:, a, -1] = np.add.reduceat(Q * y, self._starts)
            y = y - Q * np.repeat(B[:, a, -1], m.n)
        E[-1, :-1] = E[:-1, -1] = self._X_left @ y
        E[-1, -1] = y @ y
        return replace(m, B=B, E=E)


def _orthonormal(Z: np.ndarray, R: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Q of Z_j = Q_j R_j for known R; Z (q, rows) is overwritten. Dependent columns are zero."""
    for a in range(len(Z)):
        for b in range(a):
            Z[a] -= Z[b] * np.repeat(R[:, b, a], n)
        length = R[:, a, a]
        Z[a] *= np.repeat(np.where(length > 0, 1.0, 0.0) / np.where(length > 0, length, 1.0), n)
    return Z


def _order(codes: np.ndarray, J: int) -> np.ndarray | None:
    """Row order that brings clusters together; None if they are together already."""
    if (codes[1:] >= codes[:-1]).all():
        return None
    # NumPy sorts 16-bit integers by radix, in linear time.
    small = codes.astype(np.uint16) if J <= 2**16 else codes
    return np.argsort(small, kind="stable")


def _chunks(starts: np.ndarray):
    """Consecutive ranges of clusters of about ``CHUNK_ROWS`` rows."""
    first, J = 0, len(starts) - 1
    while first < J:
        last = int(np.searchsorted(starts, starts[first] + CHUNK_ROWS, side="right")) - 1
        last = min(max(last, first + 1), J)
        yield first, last
        first = last


def _reduce(Z, W, starts, n):
    """R, B and E of one chunk by Gram-Schmidt within clusters; Z and W are overwritten.

    Z is (q, rows) and W (k, rows), rows sorted by cluster; ``starts`` says where clusters begin.
    """
    q, J = len(Z), len(n)
    R, B = np.zeros((J, q, q)), np.zeros((J, q, len(W)))
    length2 = np.add.reduceat(Z * Z, starts, axis=1)
    for a in range(q):
        left2 = np.add.reduceat(Z[a] * Z[a], starts)
        keep = left2 > np.maximum(RANK_TOLERANCE**2 * length2[a], n * 1e-26)
        norm = np.sqrt(np.where(keep, left2, 1.0))
        Q = Z[a] * np.repeat(keep / norm, n)
        R[:, a, a] = norm * keep
        for b in range(a + 1, q):
            R[:, a, b] = np.add.reduceat(Q * Z[b], starts)
            Z[b] -= Q * np.repeat(R[:, a, b], n)
        for c in range(len(W)):
            B[:, a, c] = np.add.reduceat(Q * W[c], starts)
            W[c] -= Q * np.repeat(B[:, a, c], n)
    return R, B, W @ W.T
