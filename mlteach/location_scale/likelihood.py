"""The location-scale likelihood with the location effects integrated out in closed form.

    y_ij = x'beta + z'u_j + e_ij,   log Var(e_ij) = w'alpha + s'v_j,   (v_j, u_j) ~ N(0, Omega)

The order is scale first, Omega = L L' with L lower triangular, so that with standard normal t, s

    v = L_v t,     u = L_uv t + L_u s.

Given t everything left is Gaussian: with D the inverse level-1 variances of a cluster,
A = Z'DZ, c = Z'D(y - X beta), mu = L_uv t, b = c - A mu, M = I + L_u'A L_u,

    -2 log f(y | t) = n log 2 pi + sum log Var(e) + log|M|
                      + (y - X beta - Z mu)'D(y - X beta - Z mu) - b'L_u M^-1 L_u'b

and only t, of dimension 0, 1 or 2, is left for numerical integration. Gradients are Fisher's
identity: the expectation, over t and s given y, of the score of the complete data.

How much the rows cost depends on the variance function. If it has no level-1 predictor and no
random slope, cluster cross-products are enough (:class:`ClusterConstant`); with level-1 predictors
the rows are read once an evaluation (:class:`RowWeights`); with random slopes, once a node
(:class:`RowNodes`). All three answer the same two questions, :meth:`weigh` and :meth:`score`.

Arrays (J, K, ...) lie in memory with the clusters last: sums over nodes and products of matrices
are then operations on long vectors (:func:`planes`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LOG_2PI = float(np.log(2.0 * np.pi))


def planes(*shape: int) -> np.ndarray:
    """An array to be filled, its first axes last in memory: (J, K, a, b) lies as (a, b, K, J)."""
    return np.empty((*shape[2:], shape[1], shape[0])).transpose(-1, -2, *range(len(shape) - 2))


@dataclass(frozen=True)
class Rows:
    """The rows of a location-scale model, sorted by cluster.

    Attributes
    ----------
    y : ndarray, shape (N,)
    X : ndarray, shape (N, p)
    Z : ndarray, shape (N, q)
    W : ndarray, shape (N, k)
    S : ndarray, shape (N, r)
        Random-effects design of the log variance; r is 0, 1 or 2.
    starts, n : ndarray of int, shape (J,)
        Where the clusters begin, and their sizes.
    """

    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    W: np.ndarray
    S: np.ndarray
    starts: np.ndarray
    n: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums over the rows of each cluster, along the first axis."""
        return np.add.reduceat(values, self.starts, axis=0)

    def column_sums(self, columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weighted sums of columns (N, k) over the rows of each cluster, shape (J, k)."""
        return np.stack([self.sums(column * weight) for column in columns.T], axis=1)

    def column_totals(self, columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The same over all rows, shape (1, k)."""
        return (weight @ columns)[None]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Repeat a value of each cluster for its rows."""
        return np.repeat(values, self.n, axis=0)

    def part(self, clusters: slice) -> Rows:
        """Some of the clusters; neighbours share memory with all rows."""
        n = self.n[clusters]
        if clusters.step is None:
            first = self.starts[clusters.start]
            at = slice(first, first + n.sum())
        else:
            chosen = np.zeros(len(self.n), bool)
            chosen[clusters] = True
            at = self.spread(chosen)
        columns = (values[at] for values in (self.y, self.X, self.Z, self.W, self.S))
        return Rows(*columns, np.cumsum(n) - n, n)


@dataclass(frozen=True)
class Weighed:
    """Cross-products of [Z, y - X beta] weighted by the inverse variances, for each node.

    Attributes
    ----------
    log_variance : ndarray, shape (J, K)
        Sum of the logs of 2 pi times the variances of a cluster's rows.
    G : ndarray, shape (J, K, q + 1, q + 1)
    kept : tuple
        What the scores need of the same pass.
    """

    log_variance: np.ndarray
    G: np.ndarray
    kept: tuple = ()


@dataclass(frozen=True)
class Score:
    """Expected complete-data scores: by beta (J, p), alpha (J, k) and v at each node (J, K, r).

    The first two in one row, (1, p) and (1, k), where the sum over the clusters is asked for.
    """

    by_beta: np.ndarray
    by_alpha: np.ndarray
    by_v: np.ndarray


class ClusterConstant:
    """Variances constant within clusters: nothing but per-cluster cross-products, whatever N is."""

    def __init__(self, rows: Rows) -> None:
        self.q, self.p = rows.Z.shape[1], rows.X.shape[1]
        D = [*rows.Z.T, *rows.X.T, rows.y]
        self.G = products(rows, D)
        self.n, self.W = rows.n.astype(float), rows.W[rows.starts]

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """Cross-products at these coefficients and scale effects v (J, K, r)."""
        q, p = self.q, self.p
        log_var = (self.W @ alpha)[:, None] + np.einsum("jkr->jk", v)
        B = np.zeros((q + p + 1, q + 1))
        B[:q, :q] = np.eye(q)
        B[q:, q] = np.append(-beta, 1.0)
        half = self.G @ B
        inverse = np.exp(-log_var)
        kept = half[:, q : q + p], inverse
        log_variance = self.n[:, None] * (LOG_2PI + log_var)
        return Weighed(log_variance, each_times(inverse, B.T @ half), kept)

    def score(self, weight: np.ndarray, w: Weighed, moment: np.ndarray, together: bool) -> Score:
        """Scores from posterior node weights (J, K) and moments E[(-u, 1)(-u, 1)'] of the nodes."""
        XD, inverse = w.kept
        by_v = _score_of_scale(w.G, moment, self.n)
        tilted = np.einsum("jk,jka->ja", weight * inverse, moment[:, :, -1])
        by_beta = np.einsum("jpa,ja->jp", XD, tilted)
        by_alpha = self.W * np.einsum("jk,jk->j", weight, by_v)[:, None]
        return Score(by_beta, by_alpha, by_v[:, :, None])


class RowWeights:
    """Level-1 predictors of the variance, one scale effect a cluster: one pass over the rows."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.n = rows, rows.n.astype(float)

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """See :class:`ClusterConstant`."""
        rows, v = self.rows, v.sum(axis=2) if v.shape[2] != 1 else v[:, :, 0]
        log_var = rows.W @ alpha
        inverse, tilt = np.exp(-log_var), np.exp(-v)
        D = [*rows.Z.T, rows.y - rows.X @ beta]
        G = each_times(tilt, products(rows, D, inverse))
        log_variance = (rows.sums(log_var) + self.n * LOG_2PI)[:, None] + self.n[:, None] * v
        return Weighed(log_variance, G, (D, inverse, tilt))

    def score(self, weight: np.ndarray, w: Weighed, moment: np.ndarray, together: bool) -> Score:
        """See :class:`ClusterConstant`."""
        rows, (D, inverse, tilt) = self.rows, w.kept
        sums = rows.column_totals if together else rows.column_sums
        by_v = _score_of_scale(w.G, moment, self.n)
        mean = np.einsum("jk,jkab->jab", weight * tilt, moment)
        half = [sum(d * rows.spread(mean[:, a, b]) for b, d in enumerate(D)) for a in range(len(D))]
        residual = inverse * half[-1]
        squares = inverse * sum(d * h for d, h in zip(D, half, strict=True))
        by_alpha = sums(rows.W, 0.5 * (squares - 1.0))
        return Score(sums(rows.X, residual), by_alpha, by_v[:, :, None])


class RowNodes:
    """Random slopes in the variance function: the rows are weighed at every node."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """See :class:`ClusterConstant`."""
        rows = self.rows
        D = [*rows.Z.T, rows.y - rows.X @ beta]
        log_var = (rows.W @ alpha)[:, None] + np.einsum("ir,ikr->ik", rows.S, rows.spread(v))
        k, inverse = len(D), np.exp(-log_var)
        G = planes(*v.shape[:2], k, k)
        for a in range(k):
            for b in range(a + 1):
                product = D[a] * D[b]
                G[:, :, a, b] = G[:, :, b, a] = rows.sums(product[:, None] * inverse)
        return Weighed(rows.sums(LOG_2PI + log_var), G, (D, inverse))

    def score(self, weight: np.ndarray, w: Weighed, moment: np.ndarray, together: bool) -> Score:
        """See :class:`ClusterConstant`."""
        rows, (D, inverse) = self.rows, w.kept
        sums = rows.column_totals if together else rows.column_sums
        residual = np.zeros(len(rows.y))
        squares = np.zeros_like(inverse)
        for a in range(len(D)):
            residual += D[a] * np.einsum(
                "ik,ik->i", inverse, rows.spread(weight * moment[:, :, a, -1])
            )
            for b in range(a + 1):
                factor = (1.0 if a == b else 2.0) * D[a] * D[b]
                squares += factor[:, None] * rows.spread(moment[:, :, a, b])
        excess = 0.5 * (squares * inverse - 1.0)
        by_v = np.stack([rows.sums(s[:, None] * excess) for s in rows.S.T], axis=2)
        mean = np.einsum("ik,ik->i", excess, rows.spread(weight))
        return Score(sums(rows.X, residual), sums(rows.W, mean), by_v)


def _score_of_scale(G: np.ndarray, moment: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Half of what the squares of the residuals exceed n by, at each node, (J, K)."""
    squares = -n[:, None] * np.ones_like(moment[:, :, 0, 0])
    for a in range(G.shape[2]):
        for b in range(a + 1):
            squares += (1.0 if a == b else 2.0) * G[:, :, a, b] * moment[:, :, a, b]
    squares *= 0.5
    return squares


def weigher(rows: Rows) -> ClusterConstant | RowWeights | RowNodes:
    """The cheapest way to weigh these rows."""
    return _cheapest(rows)(rows)


def _cheapest(rows: Rows) -> type:
    flat = rows.S.shape[1] == 0 or (rows.S.shape[1] == 1 and (rows.S == 1.0).all())
    if not flat:
        return RowNodes
    first = rows.spread(rows.W[rows.starts])
    return ClusterConstant if np.array_equal(first, rows.W) else RowWeights


def blocks(rows: Rows, nodes: int, at_once: int) -> list[slice]:
    """Neighbouring clusters to be worked on together, of about so many nodes or rows."""
    kind = _cheapest(rows)
    n = np.ones_like(rows.n) if kind is ClusterConstant else rows.n
    work = np.cumsum(n * nodes if kind is RowNodes else np.maximum(n, nodes)) // at_once
    cuts = [0, *np.flatnonzero(np.diff(work)) + 1, len(n)]
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


def products(rows: Rows, D: list[np.ndarray], weight: np.ndarray | float = 1.0) -> np.ndarray:
    """Cross-products of k columns within clusters, shape (J, k, k)."""
    k = len(D)
    out = planes(len(rows.n), k, k)
    for a in range(k):
        left = D[a] * weight
        for b in range(a + 1):
            out[:, a, b] = out[:, b, a] = rows.sums(left * D[b])
    return out


def each_times(factor: np.ndarray, G: np.ndarray) -> np.ndarray:
    """A matrix a cluster (J, a, b) times a number a node (J, K), shape (J, K, a, b)."""
    return (factor.T * G.transpose(1, 2, 0)[:, :, None]).transpose(3, 2, 0, 1)


# ----------------------------------------------------------------------- the closed-form integral


@dataclass(frozen=True)
class Collapsed:
    """The conditional likelihood at the nodes, and the location effects there.

    Matrices lie first and the clusters last, (a, b, K, J).

    Attributes
    ----------
    logf : ndarray, shape (J, K)
        log f(y_j | t).
    A, c, ALu : ndarray, shapes (q, q, K, J), (q, 1, K, J), (q, q, K, J)
    Lu : ndarray, shape (q, q, 1, J) or (q, q, 1, 1)
    V, m : ndarray, shapes (q, q, K, J), (q, 1, K, J)
        Covariance matrix M^-1 and mean of s given t and y.
    mu : ndarray, shape (q, 1, K, J)
    """

    logf: np.ndarray
    A: np.ndarray
    c: np.ndarray
    ALu: np.ndarray
    Lu: np.ndarray
    V: np.ndarray
    m: np.ndarray
    mu: np.ndarray

    @cached_property
    def u(self) -> np.ndarray:
        """Mean of the location effects given t and y, (q, 1, K, J)."""
        return self.mu + times(self.Lu, self.m)

    def moment(self) -> np.ndarray:
        """Expectation of (-u, 1)(-u, 1)' given t and y, shape (J, K, q + 1, q + 1)."""
        q, u, Lu = len(self.Lu), self.u, self.Lu
        out = planes(*self.logf.shape, q + 1, q + 1).transpose(2, 3, 1, 0)
        out[:q, :q] = u * u.swapaxes(0, 1)
        out[:q, :q] += times(times(Lu, self.V), Lu.swapaxes(0, 1))
        np.negative(u[:, 0], out=out[q, :q])
        out[:q, q] = out[q, :q]
        out[q, q] = 1.0
        return out.transpose(3, 2, 0, 1)

    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Expected scores by mu (J, K, q) and by L_u (J, K, q, q)."""
        by_mu = self.c - times(self.A, self.u)
        by_Lu = by_mu * self.m.swapaxes(0, 1) - times(self.ALu, self.V)
        return by_mu[:, 0].transpose(2, 1, 0), by_Lu.transpose(3, 2, 0, 1)


def collapse(w: Weighed, mu: np.ndarray, Lu: np.ndarray) -> Collapsed:
    """Integrate the location effects out at every node.

    Parameters
    ----------
    w : Weighed
    mu : ndarray, shape (J, K, q)
        Mean of u given t.
    Lu : ndarray, shape (J, q, q) or (1, q, q)
    """
    q = mu.shape[2]
    G, mu, Lu = w.G.transpose(2, 3, 1, 0), mu.transpose(2, 1, 0)[:, None], matrix_first(Lu)
    A, c = G[:q, :q], G[:q, q:]
    b = c - times(A, mu)
    ALu, Lu_t = times(A, Lu), Lu.swapaxes(0, 1)
    M = times(Lu_t, ALu)
    for k in range(q):
        M[k, k] += 1.0
    right = times(Lu_t, b)
    V, total = inverse(M)
    m = times(V, right)
    total += w.log_variance.T
    total += G[q, q]
    total -= times(mu.swapaxes(0, 1), c + b)[0, 0]
    total -= times(right.swapaxes(0, 1), m)[0, 0]
    total *= -0.5
    return Collapsed(total.T, A, c, ALu, Lu, V, m, mu)


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of matrices (a, b, K, J), the matrix first: a few operations on long vectors."""
    out = a[:, :1] * b[:1]
    for k in range(1, a.shape[1]):
        out += a[:, k : k + 1] * b[k : k + 1]
    return out


def inverse(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses and log-determinants of positive definite M (q, q, K, J), which is overwritten."""
    logdet = np.zeros(M.shape[2:])
    for k, row in enumerate(M):
        pivot = row[k].copy()
        logdet += np.log(pivot)
        row[k] = 1.0
        row /= pivot
        for other in (*M[:k], *M[k + 1 :]):
            factor = other[k].copy()
            other[k] = 0.0
            other -= factor * row
    return M, logdet


def matrix_first(L: np.ndarray) -> np.ndarray:
    """A matrix a cluster (J, a, b) as :func:`times` takes it; one where all share their memory."""
    return (L[:1] if L.strides[0] == 0 else L).transpose(1, 2, 0)[:, :, None]


def spread_by(L: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Values L t at the nodes, (J, K, a), from L (J, a, b) and t (J, K, b)."""
    if not T.shape[2]:
        return np.zeros((*T.shape[:2], L.shape[1]))
    return times(matrix_first(L), T.transpose(2, 1, 0)[:, None])[:, 0].transpose(2, 1, 0)
