"""Deviance of the two-level multigroup covariance model: exact on unbalanced, incomplete data.

    y_ij = mu + u_j + e_ij,   u_j ~ N(0, Between),   e_ij ~ N(0, Within)     in each group

Rows of a group come in classes r: same mean and Within (the same *cell*: the group, or one position
in it), and the same variables observed. P_r is the inverse of the observed block of Within, padded
with zeros. With n_jr rows of class r in cluster j and d_jr their sum of y - mu,

    A_j = sum_r n_jr P_r,   b_j = sum_r P_r d_jr,   K_j = Between (I + A_j Between)^-1,

    -2 log L = sum_r [ n_r (log|Within_rr| + p_r log 2 pi) + tr(P_r S_r) ]
               + sum_j [ log|I + A_j Between| + sum_r e_jr' P_r e_jr / n_jr + u_j' Between^-1 u_j ],

    u_j = K_j b_j,   e_jr = d_jr - n_jr u_j,

S_r the cross-products of the rows of a class around their mean in the cluster. u_j and K_j are the
mean and the covariance matrix of the cluster's effects given the data. Every term is a sum of
squares, so nothing is lost where almost all variance lies between clusters. Nothing is larger than
p x p. Between may have negative eigenvalues, and so may Within of a position that a cluster takes
once, as long as the covariance matrix of every cluster is positive definite; determinants then
count by their absolute value.

Clusters with the same n_jr are of one *type* t, with one A_t. The quadratic form needs only the
second moments of their sums, so many clusters of a type are replaced by a few *units* that have the
same second moments: their mean, and the rows of the triangular factor of the deviations from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Directions of the Hessian that are computed at once hold at most this many numbers.
CHUNK = 4_000_000
STEP = 1e-30  # of the complex-step derivative: exact, because nothing is subtracted


@dataclass(frozen=True)
class GroupMoments:
    """What the likelihood needs of one group: R classes, T cluster types, U units, C cells.

    Attributes
    ----------
    cell : ndarray of int, shape (R,)
        Cell of each class.
    observed : ndarray of bool, shape (R, p)
    rows : ndarray, shape (R,)
    scatter : ndarray, shape (R, p, p)
        Cross-products of the deviations from the mean of the class in each cluster.
    n : ndarray, shape (T, R)
        Rows of each class in a cluster of the type.
    count : ndarray, shape (T,)
        Clusters of the type.
    type : ndarray of int, shape (U,)
    weight : ndarray, shape (U,)
        How often the unit counts.
    coefficient : ndarray, shape (U, R)
        How many times mu is in the sums of the unit.
    sums : ndarray, shape (U, R, p)
        Sums of y over the rows of each class.
    """

    cell: np.ndarray
    observed: np.ndarray
    rows: np.ndarray
    scatter: np.ndarray
    n: np.ndarray
    count: np.ndarray
    type: np.ndarray
    weight: np.ndarray
    coefficient: np.ndarray
    sums: np.ndarray

    @property
    def p(self) -> int:
        """Number of variables."""
        return self.observed.shape[1]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.cell.max()) + 1


def group_moments(Y: np.ndarray, codes: np.ndarray, cells: np.ndarray) -> GroupMoments:
    """Reduce the rows of one group to their statistics.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
        NaN where missing; every row has a value. Best centred and scaled.
    codes : ndarray of int, shape (N,)
        Cluster of each row, 0 ... J - 1.
    cells : ndarray of int, shape (N,)
        Cell of each row, 0 ... C - 1.
    """
    here = ~np.isnan(Y)
    p = Y.shape[1]
    key = cells.copy()
    for column in here.T:
        key = 2 * key + column
    keys, first, klass = _distinct(key)
    R, J = len(keys), int(codes.max()) + 1
    rows = np.bincount(klass, minlength=R).astype(float)
    at = codes * R + klass
    n = np.bincount(at, minlength=J * R).astype(float)
    filled = np.where(here, Y, 0.0)
    sums = np.stack([np.bincount(at, y, J * R) for y in filled.T], axis=1)
    means = sums / np.maximum(n, 1.0)[:, None]
    deviation = np.where(here, filled - means[at], 0.0)
    scatter = np.empty((R, p, p))
    for r in range(R):
        part = deviation if R == 1 else deviation[klass == r]
        scatter[r] = part.T @ part
    types, count, parts = _units(n.reshape(J, R), sums.reshape(J, R, p))
    return GroupMoments(cells[first], here[first], rows, scatter, types, count, *parts)


def _distinct(key: np.ndarray) -> tuple[np.ndarray, ...]:
    """Distinct values, where each occurs first, and which of them each element is."""
    if key.min() == key.max():
        return key[:1], np.zeros(1, int), np.zeros(len(key), int)
    return np.unique(key, return_index=True, return_inverse=True)


def _units(n: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Types (T, R), how many clusters each has (T,), and (type, weight, coefficient, sums)."""
    # One-dimensional sorting is many times faster than that of rows.
    along = n[:, 0] if n.shape[1] == 1 else n
    types, member, count = np.unique(along, axis=0, return_inverse=True, return_counts=True)
    types, member = types.reshape(len(count), -1), member.ravel()
    order = np.argsort(member, kind="stable")
    ends = np.cumsum(count)
    kinds, weights, coefficients, units = [], [], [], []
    for t, (m, end) in enumerate(zip(count, ends, strict=True)):
        own = sums[order[end - m : end]]
        active = np.flatnonzero(types[t])
        width = len(active) * sums.shape[2]
        if m <= width + 1:
            weight, coefficient = np.ones(m), np.repeat(types[t][None], m, axis=0)
        else:
            own, weight, coefficient = _compressed(own, active, types[t])
        kinds.append(np.full(len(own), t))
        weights.append(weight)
        coefficients.append(coefficient)
        units.append(own)
    parts = (np.concatenate(part) for part in (kinds, weights, coefficients, units))
    return types, count.astype(float), tuple(parts)


def _compressed(own: np.ndarray, active: np.ndarray, n: np.ndarray) -> tuple:
    """Few units with the same second moments as many clusters of one type."""
    m, R, p = own.shape
    centre = own.mean(axis=0)
    flat = (own - centre)[:, active].reshape(m, -1)
    factor = np.linalg.qr(flat, mode="r")
    units = np.zeros((1 + len(factor), R, p))
    units[0] = centre
    units[1:, active] = factor.reshape(len(factor), len(active), p)
    weight = np.ones(len(units))
    weight[0] = m
    coefficient = np.zeros((len(units), R))
    coefficient[0] = n
    return units, weight, coefficient


class GroupDeviance:
    """Deviance of one group and its exact derivatives.

    Its parameters: the means cell by cell (C p), the lower triangle of Within cell by cell, the
    lower triangle of Between.
    """

    def __init__(self, moments: GroupMoments) -> None:
        self.moments = moments
        p = moments.p
        self.rows, self.cols = np.tril_indices(p)
        self.m = len(self.rows)
        self.size = moments.cells * (p + self.m) + self.m
        self.constant = float(moments.rows @ moments.observed.sum(axis=1)) * np.log(2.0 * np.pi)
        n = moments.n[moments.type]
        self._n = n[..., None]
        self._weight = moments.weight[:, None] / np.maximum(n, 1.0)
        self._pull = moments.coefficient * self._weight
        self._blocks = [np.ix_(here, here) for here in moments.observed]
        values, vectors = np.linalg.eigh(moments.scatter)
        self._roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means (..., C, p), Within (..., C, p, p), Between (..., p, p)."""
        C, p, m = self.moments.cells, self.moments.p, self.m
        mu = theta[..., : C * p].reshape(*theta.shape[:-1], C, p)
        triangles = theta[..., C * p :].reshape(*theta.shape[:-1], C + 1, m)
        matrices = np.empty((*triangles.shape[:-1], p, p), theta.dtype)
        matrices[..., self.rows, self.cols] = triangles
        matrices[..., self.cols, self.rows] = triangles
        return mu, matrices[..., :C, :, :], matrices[..., C, :, :]

    def value(self, theta: np.ndarray) -> float:
        """Deviance; infinite where a covariance matrix is not possible."""
        mom, (mu, within, between) = self.moments, self.unpack(theta)
        if not self._possible(within, between):
            return np.inf
        P, A, G, b, u, e = self._pieces(mu, within, between)
        value = self.constant
        for r, block in enumerate(self._blocks):
            W = within[mom.cell[r]][block]
            value += mom.rows[r] * np.linalg.slogdet(W)[1]
            root = self._roots[r][mom.observed[r]]
            value += float(np.sum(root * np.linalg.solve(W, root)))
        value += float(mom.count @ np.linalg.slogdet(np.eye(mom.p) + A @ between)[1])
        Gb = (G[mom.type] @ b[..., None])[..., 0]
        Pe = (P @ e[..., None])[..., 0]
        value += float(np.sum(self._weight * np.sum(e * Pe, axis=2)))
        return value + float(mom.weight @ np.sum(u * Gb, axis=1))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """First derivatives, for one point or for many: shape (..., size), real or complex."""
        mom, (mu, within, between) = self.moments, self.unpack(theta)
        P, A, G, b, _, e = self._pieces(mu, within, between)
        lead, p = theta.shape[:-1], mom.p

        g = (G[..., mom.type, :, :] @ b[..., None])[..., 0]
        by_between = np.einsum("...tab,t->...ab", G @ A, mom.count)
        by_between = by_between - np.swapaxes(g * mom.weight[:, None], -1, -2) @ g

        # Expected cross-products of the residuals of each class, given the data.
        K = between[..., None, :, :] @ G
        T = mom.scatter + np.einsum("tr,...tab->...rab", mom.n * mom.count[:, None], K)
        by_class = np.moveaxis(e, -2, -3)
        weighted = by_class * self._weight.T[..., None]
        T = T + np.swapaxes(weighted, -1, -2) @ by_class
        by_P = mom.rows[:, None, None] * P - P @ T @ P
        left = np.einsum("ur,...ura->...ra", self._pull, e)
        by_mean = -2.0 * (P @ left[..., None])[..., 0]

        by_mu = np.zeros((*lead, mom.cells, p), theta.dtype)
        matrices = np.zeros((*lead, mom.cells + 1, p, p), theta.dtype)
        matrices[..., -1, :, :] = by_between
        for r, c in enumerate(mom.cell):
            by_mu[..., c, :] += by_mean[..., r, :]
            matrices[..., c, :, :] += by_P[..., r, :, :]
        twice = np.where(self.rows == self.cols, 1.0, 2.0)
        triangles = matrices[..., self.rows, self.cols] * twice
        return np.concatenate([by_mu.reshape(*lead, -1), triangles.reshape(*lead, -1)], axis=-1)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives: the gradient along an imaginary step in each direction."""
        mom = self.moments
        at_once = max(1, CHUNK // (mom.sums.size + 3 * mom.n.shape[0] * mom.p**2))
        out = np.empty((self.size, self.size))
        for start in range(0, self.size, at_once):
            directions = np.eye(self.size)[start : start + at_once]
            out[start : start + at_once] = self.gradient(theta + 1j * STEP * directions).imag / STEP
        return 0.5 * (out + out.T)

    def precisions(self, within: np.ndarray) -> np.ndarray:
        """P of each class, shape (..., R, p, p)."""
        mom = self.moments
        P = np.zeros((*within.shape[:-3], len(mom.rows), mom.p, mom.p), within.dtype)
        for r, block in enumerate(self._blocks):
            P[(..., r, *block)] = np.linalg.inv(within[(..., mom.cell[r], *block)])
        return P

    def _pieces(self, mu, within, between) -> tuple[np.ndarray, ...]:
        """P (R, p, p), A and G (T, p, p), b and u (U, p), e (U, R, p), each with leading axes.

        G is (I + A Between)^-1, so that K = Between G.
        """
        mom, p = self.moments, self.moments.p
        P = self.precisions(within)
        A = _sums_over_classes(mom.n, P)
        between = between[..., None, :, :]
        G = np.linalg.inv(np.eye(p) + A @ between)
        d = mom.sums - mom.coefficient[..., None] * mu[..., None, mom.cell, :]
        d = np.where(mom.observed, d, 0.0)
        b = np.einsum("...rab,...urb->...ua", P, d)
        u = ((between @ G)[..., mom.type, :, :] @ b[..., None])[..., 0]
        e = np.where(mom.observed, d - self._n * u[..., None, :], 0.0)
        return P, A, G, b, u, e

    def _possible(self, within: np.ndarray, between: np.ndarray) -> bool:
        """Whether the covariance matrix of every cluster is positive definite."""
        if np.linalg.eigvalsh(within)[:, 0].min() <= 0:
            return all(self._type_possible(n, within, between) for n in self.moments.n)
        if np.linalg.eigvalsh(between)[0] >= 0:
            return True
        A = _sums_over_classes(self.moments.n, self.precisions(within))
        values, vectors = np.linalg.eigh(A)
        half = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        inner = np.swapaxes(half, 1, 2) @ between @ half
        return bool(np.linalg.eigvalsh(inner)[:, 0].min() > -1.0)

    def _type_possible(self, n: np.ndarray, within: np.ndarray, between: np.ndarray) -> bool:
        """The same for one type of cluster; with the means of its classes for their rows."""
        classes = np.flatnonzero(n)
        blocks = [within[self.moments.cell[r]][self._blocks[r]] for r in classes]
        # Differences of rows of one class have covariance matrix 2 Within.
        if any(
            n[r] > 1 and np.linalg.eigvalsh(W)[0] <= 0 for r, W in zip(classes, blocks, strict=True)
        ):
            return False
        seen = [np.flatnonzero(self.moments.observed[r]) for r in classes]
        V = between[np.ix_(np.concatenate(seen), np.concatenate(seen))].copy()
        start = 0
        for r, W in zip(classes, blocks, strict=True):
            stop = start + len(W)
            V[start:stop, start:stop] += W / n[r]
            start = stop
        return bool(np.linalg.eigvalsh(V)[0] > 0)


def _sums_over_classes(n: np.ndarray, P: np.ndarray) -> np.ndarray:
    """A of each type, (..., T, p, p)."""
    lead, R, p = P.shape[:-3], P.shape[-3], P.shape[-1]
    return (n @ P.reshape(*lead, R, p * p)).reshape(*lead, len(n), p, p)


class MultigroupDeviance:
    """Sum of the deviances of groups that share parameters.

    Parameters
    ----------
    groups : sequence of GroupDeviance
    index : sequence of ndarray of int
        For each group, the free parameter behind each of its own parameters.
    """

    def __init__(self, groups: Sequence[GroupDeviance], index: Sequence[np.ndarray]) -> None:
        self.groups, self.index = tuple(groups), tuple(index)
        self.size = 1 + max(int(at.max()) for at in index)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where a covariance matrix is not possible."""
        value, gradient = 0.0, np.zeros(self.size)
        for group, at in zip(self.groups, self.index, strict=True):
            own = group.value(theta[at])
            if not np.isfinite(own):
                return np.inf, np.zeros(self.size)
            value += own
            np.add.at(gradient, at, group.gradient(theta[at]))
        return value, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (size, size)."""
        out = np.zeros((self.size, self.size))
        for group, at in zip(self.groups, self.index, strict=True):
            np.add.at(out, (at[:, None], at), group.hessian(theta[at]))
        return out
