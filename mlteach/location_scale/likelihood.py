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
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mlteach.core.linalg import batched_cholesky, batched_solve_lower, stacked_product

LOG_2PI = float(np.log(2.0 * np.pi))
# Nodes of all clusters worked on at a time: what stays in the processor's cache.
NODES_AT_ONCE = 16_384


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

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Repeat a value of each cluster for its rows."""
        return np.repeat(values, self.n, axis=0)


@dataclass(frozen=True)
class Weighed:
    """Cross-products of [Z, y - X beta] weighted by the inverse variances, for each node.

    Attributes
    ----------
    log_variance : ndarray, shape (J, K)
        Sum of the log variances of a cluster's rows.
    G : ndarray, shape (J, K, q + 1, q + 1)
    """

    log_variance: np.ndarray
    G: np.ndarray


@dataclass(frozen=True)
class Score:
    """Expected complete-data scores: by beta (J, p), alpha (J, k) and v at each node (J, K, r)."""

    by_beta: np.ndarray
    by_alpha: np.ndarray
    by_v: np.ndarray


class ClusterConstant:
    """Variances constant within clusters: nothing but per-cluster cross-products, whatever N is."""

    def __init__(self, rows: Rows) -> None:
        self.q, self.p = rows.Z.shape[1], rows.X.shape[1]
        D = np.column_stack([rows.Z, rows.X, rows.y])
        self.G = products(rows, D)
        self.n, self.W = rows.n.astype(float), rows.W[rows.starts]

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """Cross-products at these coefficients and scale effects v (J, K, r)."""
        q, p = self.q, self.p
        self._log_var = (self.W @ alpha)[:, None] + v.sum(axis=2)
        B = np.zeros((q + p + 1, q + 1))
        B[:q, :q] = np.eye(q)
        B[q:, q] = np.append(-beta, 1.0)
        half = self.G @ B
        self._XD = half[:, q : q + p]
        inverse = np.exp(-self._log_var)
        return Weighed(
            self.n[:, None] * self._log_var, inverse[:, :, None, None] * (B.T @ half)[:, None]
        )

    def score(self, weight: np.ndarray, G: np.ndarray, moment: np.ndarray) -> Score:
        """Scores from posterior node weights (J, K) and moments E[(-u, 1)(-u, 1)'] of the nodes."""
        squares = np.einsum("jkab,jkab->jk", G, moment)
        by_v = 0.5 * (squares - self.n[:, None])
        tilted = (weight * np.exp(-self._log_var))[:, :, None] * moment[:, :, -1]
        by_beta = np.einsum("jpa,ja->jp", self._XD, tilted.sum(axis=1))
        by_alpha = self.W * np.sum(weight * by_v, axis=1)[:, None]
        return Score(by_beta, by_alpha, by_v[:, :, None])


class RowWeights:
    """Level-1 predictors of the variance, one scale effect a cluster: one pass over the rows."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.n = rows, rows.n.astype(float)

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """See :class:`ClusterConstant`."""
        rows = self.rows
        self._inverse = np.exp(-(rows.W @ alpha))
        self._D = np.column_stack([rows.Z, rows.y - rows.X @ beta])
        G = products(rows, self._D, self._inverse)
        self._v = v.sum(axis=2)
        log_variance = rows.sums(rows.W @ alpha)[:, None] + self.n[:, None] * self._v
        return Weighed(log_variance, np.exp(-self._v)[:, :, None, None] * G[:, None])

    def score(self, weight: np.ndarray, G: np.ndarray, moment: np.ndarray) -> Score:
        """See :class:`ClusterConstant`."""
        rows = self.rows
        by_v = 0.5 * (np.einsum("jkab,jkab->jk", G, moment) - self.n[:, None])
        mean = np.einsum("jk,jkab->jab", weight * np.exp(-self._v), moment)
        per_row = rows.spread(mean)
        half = np.einsum("iab,ib->ia", per_row, self._D)
        residual = self._inverse * half[:, -1]
        squares = self._inverse * np.einsum("ia,ia->i", self._D, half)
        by_beta = rows.sums(rows.X * residual[:, None])
        by_alpha = rows.sums(rows.W * (0.5 * (squares - 1.0))[:, None])
        return Score(by_beta, by_alpha, by_v[:, :, None])


class RowNodes:
    """Random slopes in the variance function: the rows are weighed at every node."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def weigh(self, beta: np.ndarray, alpha: np.ndarray, v: np.ndarray) -> Weighed:
        """See :class:`ClusterConstant`."""
        rows = self.rows
        self._D = np.column_stack([rows.Z, rows.y - rows.X @ beta])
        log_var = (rows.W @ alpha)[:, None] + np.einsum("ir,ikr->ik", rows.S, rows.spread(v))
        self._inverse = np.exp(-log_var)
        k = self._D.shape[1]
        G = np.empty((*v.shape[:2], k, k))
        for a in range(k):
            for b in range(a + 1):
                product = self._D[:, a] * self._D[:, b]
                G[:, :, a, b] = G[:, :, b, a] = rows.sums(product[:, None] * self._inverse)
        return Weighed(rows.sums(log_var), G)

    def score(self, weight: np.ndarray, G: np.ndarray, moment: np.ndarray) -> Score:
        """See :class:`ClusterConstant`."""
        rows, k = self.rows, self._D.shape[1]
        residual = np.zeros(len(rows.y))
        squares = np.zeros_like(self._inverse)
        for a in range(k):
            residual += self._D[:, a] * np.einsum(
                "ik,ik->i", self._inverse, rows.spread(weight * moment[:, :, a, -1])
            )
            for b in range(a + 1):
                factor = (1.0 if a == b else 2.0) * self._D[:, a] * self._D[:, b]
                squares += factor[:, None] * rows.spread(moment[:, :, a, b])
        excess = 0.5 * (squares * self._inverse - 1.0)
        by_v = np.stack([rows.sums(s[:, None] * excess) for s in rows.S.T], axis=2)
        mean = np.einsum("ik,ik->i", excess, rows.spread(weight))
        by_beta = rows.sums(rows.X * residual[:, None])
        return Score(by_beta, rows.sums(rows.W * mean[:, None]), by_v)


def weigher(rows: Rows) -> ClusterConstant | RowWeights | RowNodes:
    """The cheapest way to weigh these rows."""
    flat = rows.S.shape[1] == 0 or (rows.S.shape[1] == 1 and (rows.S == 1.0).all())
    if not flat:
        return RowNodes(rows)
    first = rows.spread(rows.W[rows.starts])
    return ClusterConstant(rows) if np.array_equal(first, rows.W) else RowWeights(rows)


def products(rows: Rows, D: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Cross-products of columns within clusters, shape (J, k, k)."""
    k = D.shape[1]
    left = D if weight is None else D * weight[:, None]
    out = np.empty((len(rows.n), k, k))
    for a in range(k):
        for b in range(a + 1):
            out[:, a, b] = out[:, b, a] = rows.sums(left[:, a] * D[:, b])
    return out


# ----------------------------------------------------------------------- the closed-form integral


@dataclass(frozen=True)
class Collapsed:
    """The conditional likelihood at the nodes, and the moments of the location effects there.

    Attributes
    ----------
    logf : ndarray, shape (J, K)
        log f(y_j | t).
    moment : ndarray, shape (J, K, q + 1, q + 1)
        Expectation of (-u, 1)(-u, 1)' given t and y.
    by_mu, by_Lu : ndarray, shapes (J, K, q), (J, K, q, q)
        Expected scores by ``mu`` and by L_u.
    """

    logf: np.ndarray
    moment: np.ndarray
    by_mu: np.ndarray
    by_Lu: np.ndarray


def collapse(w: Weighed, n: np.ndarray, mu: np.ndarray, Lu: np.ndarray) -> Collapsed:
    """Integrate the location effects out at every node.

    Parameters
    ----------
    w : Weighed
    n : ndarray, shape (J,)
    mu : ndarray, shape (J, K, q)
        Mean of u given t.
    Lu : ndarray, shape (J, q, q)
    """
    step = max(NODES_AT_ONCE // mu.shape[1], 1)
    blocks = [slice(k, k + step) for k in range(0, len(mu), step)]
    parts = [_collapse(w.log_variance[b], w.G[b], n[b], mu[b], Lu[b]) for b in blocks]
    arrays = ([getattr(part, f.name) for part in parts] for f in fields(Collapsed))
    return parts[0] if len(parts) == 1 else Collapsed(*map(np.concatenate, arrays))


def _collapse(log_variance, G, n, mu, Lu) -> Collapsed:
    J, K, q = mu.shape
    A, c, s = G[..., :q, :q], G[..., :q, q], G[..., q, q]
    b = c - np.einsum("jkab,jkb->jka", A, mu)
    rss = s - np.einsum("jka,jka->jk", mu, c + b)
    ALu = stacked_product(A, Lu[:, None])
    Lu_t = Lu.transpose(0, 2, 1)[:, None]
    M = (stacked_product(Lu_t, ALu) + np.eye(q)).reshape(-1, q, q)
    root = batched_cholesky(M)
    half = batched_solve_lower(root, stacked_product(Lu_t, b[..., None]).reshape(-1, q, 1))
    root_inv = batched_solve_lower(root, np.broadcast_to(np.eye(q), M.shape))
    logdet = 2.0 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    quadratic = (half[:, :, 0] ** 2).sum(axis=1)
    logf = -0.5 * (n[:, None] * LOG_2PI + log_variance + rss + (logdet - quadratic).reshape(J, K))
    root_inv_t = root_inv.transpose(0, 2, 1)
    V = stacked_product(root_inv_t, root_inv).reshape(J, K, q, q)
    m = stacked_product(root_inv_t, half).reshape(J, K, q)
    u = mu + np.einsum("jab,jkb->jka", Lu, m)
    moment = np.empty((J, K, q + 1, q + 1))
    spread = stacked_product(stacked_product(Lu[:, None], V), Lu_t)
    moment[..., :q, :q] = u[..., :, None] * u[..., None, :] + spread
    moment[..., :q, q] = moment[..., q, :q] = -u
    moment[..., q, q] = 1.0
    by_mu = c - np.einsum("jkab,jkb->jka", A, u)
    by_Lu = by_mu[..., :, None] * m[..., None, :] - stacked_product(ALu, V)
    return Collapsed(logf, moment, by_mu, by_Lu)
