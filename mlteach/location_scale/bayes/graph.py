"""The location-scale likelihood, location effects integrated out, element by element.

The algebra is that of :mod:`mlteach.location_scale.likelihood`. It is written here on vectors over
clusters, one for each element of the small matrices, so that the same lines serve PyTensor, which
fuses them into one loop over the clusters and differentiates them, and NumPy, where a leading axis
may hold draws. ``xp`` is the module that computes: ``numpy`` or ``pytensor.tensor``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from mlteach.location_scale.likelihood import LOG_2PI, ClusterConstant, Rows, RowWeights, weigher

Vectors = list[Any]
Matrices = list[list[Any]]


@dataclass(frozen=True)
class Conditional:
    """What the data of each cluster say about u, given its scale effects.

    Attributes
    ----------
    logf : vector over clusters
        log f(y_j | t).
    root : q lists of vectors
        Lower-triangular Cholesky factor of M = I + L_u'A L_u.
    half : list of q vectors
        Solution of ``root half = L_u'(c - A mu)``.
    """

    logf: Any
    root: Matrices
    half: Vectors


@dataclass(frozen=True)
class Products:
    """Weighted cross-products of Z and the residuals y - X beta, one vector for each element.

    Attributes
    ----------
    A : q lists of q vectors
        Z'DZ, with D the inverse variances.
    c : list of q vectors
        Z'D(y - X beta).
    s : vector
        (y - X beta)'D(y - X beta).
    log_variance : vector
        Sum of the log variances of a cluster's rows.
    """

    A: Matrices
    c: Vectors
    s: Any
    log_variance: Any


def total(terms) -> Any:
    """Sum of some terms, without a zero to start from."""
    return reduce(add, terms)


def cholesky(M: Matrices) -> Matrices:
    """Lower-triangular factor of a small symmetric matrix; the upper part is left out."""
    root: Matrices = []
    for a in range(len(M)):
        row: Vectors = []
        for b in range(a):
            row.append((M[a][b] - sum(row[k] * root[b][k] for k in range(b))) / root[b][b])
        row.append((M[a][a] - sum(x * x for x in row)) ** 0.5)
        root.append(row)
    return root


def solve_lower(root: Matrices, b: Vectors) -> Vectors:
    """Solve ``root x = b``."""
    x: Vectors = []
    for a, row in enumerate(root):
        x.append((b[a] - sum(row[k] * x[k] for k in range(a))) / row[a])
    return x


def solve_upper(root: Matrices, b: Vectors) -> Vectors:
    """Solve ``root' x = b``."""
    x: Vectors = list(b)
    for a in reversed(range(len(root))):
        below = sum(root[k][a] * x[k] for k in range(a + 1, len(root)))
        x[a] = (b[a] - below) / root[a][a]
    return x


def condition(xp, w: Products, n: np.ndarray, mu: Vectors, Lu: Matrices) -> Conditional:
    """Integrate the location effects out.

    Parameters
    ----------
    xp : module
    w : Products
    n : ndarray, shape (J,)
    mu : list of q vectors
        Mean of u given t.
    Lu : q lists of q scalars or vectors
        u = mu + L_u s; L_u need not be triangular.
    """
    q = range(len(mu))
    raw = [w.c[a] - total(w.A[a][k] * mu[k] for k in q) for a in q]
    rss = w.s - total(mu[a] * (w.c[a] + raw[a]) for a in q)
    ALu = [[total(w.A[a][k] * Lu[k][b] for k in q) for b in q] for a in q]
    M = [[total(Lu[k][a] * ALu[k][b] for k in q) + float(a == b) for b in q] for a in q]
    root = cholesky(M)
    half = solve_lower(root, [total(Lu[k][a] * raw[k] for k in q) for a in q])
    logdet = 2.0 * xp.log(reduce(lambda x, y: x * y, (root[a][a] for a in q)))
    quadratic = total(h * h for h in half)
    logf = -0.5 * (n * LOG_2PI + w.log_variance + logdet + rss - quadratic)
    return Conditional(logf, root, half)


def spread(xp, R: Matrices, t: Vectors, q: int, J: int) -> tuple[Vectors, Vectors, Matrices]:
    """Scale effects v, mean of the location effects mu and their factor L_u, from R = L and t.

    The entries of R are scalars, or vectors over clusters if their effects differ in size.
    """
    r = len(t)
    v = [total(R[a][b] * t[b] for b in range(r)) for a in range(r)]
    zero = xp.zeros(J)
    mu = [total([zero, *(R[a][b] * t[b] for b in range(r))]) for a in range(r, r + q)]
    return v, mu, [row[r:] for row in R[r:]]


def location_effects(given: Conditional, mu: Vectors, Lu: Matrices, noise: Vectors) -> Vectors:
    """Draw u given t and the data: ``noise`` is standard normal, zero gives the mean."""
    q = range(len(mu))
    z = [given.half[a] + noise[a] for a in q]
    s = solve_upper(given.root, z)
    return [mu[a] + total(Lu[a][k] * s[k] for k in q) for a in q]


# ------------------------------------------------------------------------------- cross-products


class ClusterProducts:
    """Variances constant within clusters: cross-products once, whatever N is.

    ``width`` is the length of the longest array at work.
    """

    def __init__(self, rows: Rows) -> None:
        q, p = rows.Z.shape[1], rows.X.shape[1]
        G = ClusterConstant(rows).G
        lower = np.tril_indices(p)
        self.q, self.n, self.W = q, rows.n.astype(float), rows.W[rows.starts]
        self.width = len(rows.n)
        self.ZZ, self.ZX, self.Zy = G[:, :q, :q], G[:, :q, q:-1], G[:, :q, -1]
        self.XX = G[:, q:-1, q:-1][:, lower[0], lower[1]] * np.where(lower[0] == lower[1], 1.0, 2.0)
        self.lower, self.Xy, self.yy = lower, G[:, q:-1, -1], G[:, -1, -1]

    def __call__(self, xp, beta, alpha, v: Vectors) -> Products:
        """Weigh by the inverse variances; beta and alpha may have leading axes (draws)."""
        log_var = total([times(self.W, alpha), *v])
        inverse = xp.exp(-log_var)
        squares = beta[..., self.lower[0]] * beta[..., self.lower[1]]
        s = self.yy - 2.0 * times(self.Xy, beta) + times(self.XX, squares)
        A = [[inverse * self.ZZ[:, a, b] for b in range(self.q)] for a in range(self.q)]
        c = [inverse * (self.Zy[:, a] - times(self.ZX[:, a], beta)) for a in range(self.q)]
        return Products(A, c, inverse * s, self.n * log_var)


class RowProducts:
    """Level-1 predictors in the variance function: one pass over the rows."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.n = rows, rows.n.astype(float)
        self.q, self.codes = rows.Z.shape[1], np.repeat(np.arange(len(rows.n)), rows.n)
        self.width = len(rows.y)
        self.W_sum, self.S_sum = rows.sums(rows.W), rows.sums(rows.S)
        # One scale effect a cluster multiplies all its rows alike.
        self.flat = isinstance(weigher(rows), RowWeights)

    def __call__(self, xp, beta, alpha, v: Vectors) -> Products:
        """See :class:`ClusterProducts`."""
        rows, q = self.rows, range(self.q)
        residual = rows.y - times(rows.X, beta)
        log_var = times(rows.W, alpha)
        if not self.flat:
            log_var = log_var + total(rows.S[:, k] * v[k][..., self.codes] for k in range(len(v)))
        inverse = xp.exp(-log_var)
        scale = xp.exp(-v[0]) if self.flat and v else 1.0
        lower = [
            [scale * self.sums(xp, inverse * (rows.Z[:, a] * rows.Z[:, b])) for b in range(a + 1)]
            for a in q
        ]
        A = [[lower[max(a, b)][min(a, b)] for b in q] for a in q]
        weighted = inverse * residual
        c = [scale * self.sums(xp, weighted * rows.Z[:, a]) for a in q]
        s = scale * self.sums(xp, weighted * residual)
        of_scale_effects = (self.S_sum[:, k] * v[k] for k in range(len(v)))
        return Products(A, c, s, total([times(self.W_sum, alpha), *of_scale_effects]))

    def sums(self, xp, values) -> Any:
        """Sum over the rows of each cluster, along the last axis."""
        if xp is np:
            return np.add.reduceat(values, self.rows.starts, axis=-1)
        return xp.zeros(len(self.n))[self.codes].inc(values)


Weigher = ClusterProducts | RowProducts


def products(rows: Rows) -> Weigher:
    """The cheapest way to weigh these rows."""
    constant = isinstance(weigher(rows), ClusterConstant)
    return ClusterProducts(rows) if constant else RowProducts(rows)


def times(matrix, coefficients) -> Any:
    """``matrix @ coefficients``, for coefficients with leading axes too."""
    if isinstance(coefficients, np.ndarray):
        return coefficients @ matrix.T
    from pytensor import tensor as pt

    # The loops of compiled dot products want arrays without gaps.
    matrix = np.ascontiguousarray(matrix) if isinstance(matrix, np.ndarray) else matrix
    return pt.dot(matrix, coefficients)
