"""Per-cluster sufficient statistics, taken in one pass over the rows.

For cluster j let Z_j = Q_j R_j be the thin QR factorisation of its random-effects design. The
two-level likelihood needs the rows only through

* R_j (q, q), upper triangular,
* B_j = Q_j' [X_j y_j] (q, k): what the random effects can reach of the predictors and the outcome,
* E = sum_j [X_j y_j]'(I - Q_j Q_j')[X_j y_j] (k, k): what they cannot reach.

Cross-products G_j = D_j'D_j carry the same information, but E would then be a difference of large
numbers; here it is summed from residuals, so an intraclass correlation of .99999999 costs no digit.
Statistics of disjoint sets of clusters add up: rows are worked through in chunks of whole clusters.

Columns are centred and scaled first (:class:`Scaling`), because an offset of a million would
otherwise use up half of the digits of float64. ``k = p + 1``, the outcome last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.errors import DataError, ModelError
from mlteach.formula import Design
from mlteach.linalg import dependent_columns

# Rows worked on at a time: small enough that temporaries stay far below the size of big data.
CHUNK_ROWS = 65_536
# A column of Z is taken as dependent in a cluster when less than this part of its length is left.
RANK_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Scaling:
    """The linear maps between the user's units and the fitter's.

    Scaled quantities carry a subscript s: ``X_s = X A``, ``Z_s = Z T`` and
    ``y_s = (y - X b0) / scale``; so ``beta = b0 + scale * A beta_s`` and
    ``u = scale * T u_s``.

    Attributes
    ----------
    A : ndarray, shape (p, p)
    T : ndarray, shape (q, q)
    b0 : ndarray, shape (p,)
        Ordinary least squares, in the user's units.
    scale : float
        Residual standard deviation of ordinary least squares.
    """

    A: np.ndarray
    T: np.ndarray
    b0: np.ndarray
    scale: float

    def beta(self, beta_s: np.ndarray) -> np.ndarray:
        """Coefficients in the user's units."""
        return self.b0 + self.scale * (self.A @ beta_s)

    def cov_beta(self, cov_s: np.ndarray) -> np.ndarray:
        """Covariance matrix of the coefficients in the user's units."""
        return self.scale**2 * self.A @ cov_s @ self.A.T

    def tau(self, tau_s: np.ndarray) -> np.ndarray:
        """Covariance matrix of the random effects in the user's units."""
        return self.scale**2 * self.T @ tau_s @ self.T.T


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


def cluster_moments(
    design: Design, *, centre: bool = True, chunk_rows: int = CHUNK_ROWS
) -> ClusterMoments:
    """Reduce the rows of a model to its per-cluster statistics.

    Parameters
    ----------
    design : Design
        From :func:`mlteach.formula.design`.
    centre : bool, default True
        Centre the columns of Z; False keeps their zero, so that the variances of the scaled
        random effects are those of the user's up to units.
    chunk_rows : int
        Rows worked on at a time; a larger cluster is still worked on whole.

    Returns
    -------
    ClusterMoments

    Raises
    ------
    ModelError
        If predictors or random effects are constant or collinear; they are named.
    """
    scaling, y = _scaling(design, centre)
    n = np.bincount(design.codes, minlength=len(design.labels))
    order = None if _is_sorted(design.codes) else np.argsort(design.codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(n)])
    R, B, E = [], [], 0.0
    for first, last in _chunks(starts, chunk_rows):
        rows = slice(starts[first], starts[last])
        rows = rows if order is None else order[rows]
        Z = scaling.T.T @ design.Z[rows].T
        W = np.vstack([scaling.A.T @ design.X[rows].T, y[rows]])
        R_c, B_c, E_c = _reduce(Z, W, starts[first:last] - starts[first], n[first:last])
        R.append(R_c)
        B.append(B_c)
        E = E + E_c
    return ClusterMoments(n=n, R=np.concatenate(R), B=np.concatenate(B), E=E, scaling=scaling)


def _is_sorted(codes: np.ndarray) -> bool:
    return bool((codes[1:] >= codes[:-1]).all())


def _chunks(starts: np.ndarray, chunk_rows: int):
    """Consecutive ranges of clusters of about ``chunk_rows`` rows."""
    first, J = 0, len(starts) - 1
    while first < J:
        last = int(np.searchsorted(starts, starts[first] + chunk_rows, side="right")) - 1
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


def _scaling(design: Design, centre: bool) -> tuple[Scaling, np.ndarray]:
    """Centre and scale: returns the maps and the scaled outcome."""
    X, y = design.X, design.y
    A = _standardise(X, design.x_names, "predictor", True)
    T = np.zeros((design.Z.shape[1],) * 2)
    for block in design.blocks:
        at = np.ix_(block, block)
        names = [design.z_names[k] for k in block]
        T[at] = _standardise(design.Z[:, block], names, "random effect", centre)
    if len(y) <= X.shape[1]:
        raise ModelError(
            f"{len(y)} row(s) cannot determine {X.shape[1]} coefficients; fewer predictors or "
            "more data are needed."
        )
    # An offset goes first and by plain subtraction: exact, where least squares would round.
    offset = y[0] if _constant(X) is not None else 0.0
    y = y - offset
    Xs = X @ A
    b_s = np.linalg.solve(Xs.T @ Xs, Xs.T @ y)
    y = y - Xs @ b_s
    b_s2 = np.linalg.solve(Xs.T @ Xs, Xs.T @ y)
    y = y - Xs @ b_s2
    b0 = A @ (b_s + b_s2)
    if offset:
        column = _constant(X)
        b0[column] += offset / X[0, column]
    scale = float(np.sqrt(y @ y / (len(y) - X.shape[1])))
    _check_spread(scale, design)
    y /= scale
    return Scaling(A=A, T=T, b0=b0, scale=scale), y


def _constant(X: np.ndarray) -> int | None:
    """Position of the intercept: the first column that is constant and not zero."""
    for k in range(X.shape[1]):
        if X[0, k] != 0 and (X[:, k] == X[0, k]).all():
            return k
    return None


def _standardise(X: np.ndarray, names, kind: str, centre: bool) -> np.ndarray:
    """Find A such that the columns of X A have mean zero (given an intercept) and size one."""
    p = X.shape[1]
    A = np.eye(p)
    intercept = _constant(X) if centre else None
    if intercept is not None:
        means = np.array([X[:, k].mean() for k in range(p)]) / X[0, intercept]
        means[intercept] = 0.0
        A[intercept] -= means
    gram = np.zeros((p, p))
    scaled = X @ A
    size = np.sqrt(np.einsum("ij,ij->j", scaled, scaled) / len(X))
    spread = np.abs(X).max(axis=0) * 1e-14
    if (size <= spread).any():
        bad = names[int(np.argmax(size <= spread))]
        raise ModelError(
            f"The {kind} '{bad}' is constant in the rows used, so its effect cannot be told from "
            "the intercept. Leave it out."
        )
    A = A / size
    scaled = scaled / size
    gram = scaled.T @ scaled / len(X)
    dependent = dependent_columns(gram)
    if dependent:
        raise ModelError(_collinear(names, dependent, scaled, kind))
    return A


def _collinear(names, dependent, scaled, kind) -> str:
    """Say which column is determined by which others."""
    bad = dependent[0]
    others = [k for k in range(bad)]
    weights = np.linalg.lstsq(scaled[:, others], scaled[:, bad], rcond=None)[0]
    partners = [names[k] for k, w in zip(others, weights, strict=True) if abs(w) > 1e-6]
    of = ", ".join(f"'{name}'" for name in partners) or "other columns"
    return (
        f"The {kind} '{names[bad]}' is an exact linear combination of {of}: collinear columns "
        "have no separate effects. Leave one of them out."
    )


def _check_spread(scale: float, design: Design) -> None:
    size = float(np.abs(design.y).max())
    if not scale > 1e-15 * size:
        raise DataError(
            f"The outcome '{design.formula.outcome}' is reproduced exactly by the fixed effects: "
            "there is no residual variance to divide between the levels."
        )
