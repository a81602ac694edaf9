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

The mean may depend on predictors w_j of the cluster, the first of them 1: mu = Gamma' w_j.

Classes, types and units are those of :mod:`mlteach.multigroup.moments`. With f_jr = P_r e_jr,
g_j = Between^-1 u_j, G_j = (I + A_j Between)^-1 and H_j = G_j A_j, the second derivative in the
directions (dmu, dW, dB) is that of the deviance at fixed u, less what the u give back:

    tr(dW P dW (2 P T P - n P)) and the like by class,
    - 2 v'K v + 4 v'G'w + 2 w'H w,   v = sum_r P_r dW f_r + n_r P_r dmu,   w = dB g,
    - tr(K dA K dA) + 2 tr(G'dB G dA) - tr(H dB H dB),   dA = - sum_r n_r P_r dW P_r,

where T_r are the expected cross-products of the residuals of class r. All of it is products of
arrays: patterns of missing values by the hundred cost no loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from mlteach.core.linalg import symmetric_basis
from mlteach.core.optim import remembered
from mlteach.core.patterns import CHUNK, clipped, each_times, padded
from mlteach.multigroup.moments import GroupMoments


@dataclass(frozen=True)
class _Point:
    """Everything at one value of the parameters.

    Attributes
    ----------
    between : ndarray, shape (p, p)
    block, P : ndarray, shape (R, p, p)
        Observed block of Within in an identity matrix; its inverse in zeros.
    A, G, K : ndarray, shape (T, p, p)
    u, g : ndarray, shape (U, p)
    e, f : ndarray, shape (K, p)
    """

    between: np.ndarray
    block: np.ndarray
    P: np.ndarray
    A: np.ndarray
    G: np.ndarray
    K: np.ndarray
    u: np.ndarray
    g: np.ndarray
    e: np.ndarray
    f: np.ndarray


class GroupDeviance:
    """Deviance of one group and its exact derivatives.

    Its parameters: the means cell by cell (C p; with k predictors of them C k p, one after
    another), the lower triangle of Within cell by cell, the lower triangle of Between.
    """

    def __init__(self, moments: GroupMoments) -> None:
        self.moments = moments
        p, R, T, U = moments.p, len(moments.rows), len(moments.count), len(moments.weight)
        self.rows, self.cols = np.tril_indices(p)
        self.m = len(self.rows)
        self.basis = symmetric_basis(p)
        self.means = moments.cells * moments.k * p
        self.size = self.means + (moments.cells + 1) * self.m
        self.constant = float(moments.rows @ moments.observed.sum(axis=1)) * np.log(2.0 * np.pi)
        unit, klass, K = moments.unit, moments.klass, len(moments.unit)
        self._ends = np.searchsorted(klass, np.arange(R + 1))
        self._observed = moments.observed[klass]
        self._weight = moments.weight[unit] / moments.n
        self._pull = moments.coefficient * self._weight[:, None]
        # Sparse matrices whose rows are sums over some of their columns.
        self.by_unit = sparse.csr_array((np.ones(K), (unit, np.arange(K))), shape=(U, K))
        # The first unit of a type has all its classes, with their rows in each cluster.
        leads = np.diff(moments.type, prepend=-1) > 0
        at = np.flatnonzero(leads[unit])
        places = moments.type[unit[at]], klass[at]
        self.by_type = sparse.csr_array((moments.n[at], places), shape=(T, R))
        values, vectors = np.linalg.eigh(moments.scatter)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        self._roots = np.where(moments.observed[..., None], roots, 0.0)

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means (C k, p), Within (C, p, p), Between (p, p)."""
        C, p = self.moments.cells, self.moments.p
        matrices = np.tensordot(theta[self.means :].reshape(C + 1, -1), self.basis, 1)
        return theta[: self.means].reshape(-1, p), matrices[:C], matrices[C]

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where a covariance matrix is not possible."""
        if not self._is_possible(theta):
            return np.inf, np.zeros(self.size)
        at = self._point(theta)
        return self._value(at), self._gradient(at)

    @remembered
    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (size, size)."""
        at, mom, size = self._point(theta), self.moments, self.m * self.moments.p**2
        out = np.zeros((self.size, self.size))
        self._add_classes(at, out)
        # Either all classes fit into the memory of a chunk, or those of its types do.
        parts = 1 if len(mom.rows) * size <= CHUNK else self.by_type.nnz / len(mom.count)
        step = max(1, int(CHUNK / (mom.cells * size * parts)))
        for start in range(0, len(mom.count), step):
            types = slice(start, min(start + step, len(mom.count)))
            units = slice(*np.searchsorted(mom.type, [types.start, types.stop]))
            self._add_determinants(at, types, units, out)
            self._add_effects(at, units, out)
        # Blocks beside the diagonal were added on one side of it only, twice.
        return 0.5 * (out + out.T)

    # ------------------------------------------------------------------------- value and gradient

    @remembered
    def _point(self, theta: np.ndarray) -> _Point:
        mom = self.moments
        mu, within, between = self.unpack(theta)
        block = padded(within[mom.cell], mom.observed)
        P = clipped(np.linalg.inv(block), mom.observed)
        A = (self.by_type @ P.reshape(len(P), -1)).reshape(-1, mom.p, mom.p)
        G = np.linalg.inv(np.eye(mom.p) + A @ between)
        K = between @ G
        mu = mu.reshape(mom.cells, mom.k, mom.p)[mom.cell[mom.klass]]
        d = np.where(self._observed, mom.sums - np.einsum("nk,nkp->np", mom.coefficient, mu), 0.0)
        b = (self.by_unit @ each_times(P, mom.klass, d))[..., None]
        u, g = (K[mom.type] @ b)[..., 0], (G[mom.type] @ b)[..., 0]
        e = np.where(self._observed, d - mom.n[:, None] * u[mom.unit], 0.0)
        return _Point(between, block, P, A, G, K, u, g, e, each_times(P, mom.klass, e))

    def _value(self, at: _Point) -> float:
        mom = self.moments
        value = self.constant + mom.rows @ np.linalg.slogdet(at.block)[1]
        value += np.sum(self._roots * np.linalg.solve(at.block, self._roots))
        value += mom.count @ np.linalg.slogdet(np.eye(mom.p) + at.A @ at.between)[1]
        value += self._weight @ np.sum(at.e * at.f, axis=1)
        return float(value + mom.weight @ np.sum(at.u * at.g, axis=1))

    def _gradient(self, at: _Point) -> np.ndarray:
        mom, p = self.moments, self.moments.p
        by_between = np.tensordot(mom.count, at.G @ at.A, 1) - (at.g.T * mom.weight) @ at.g
        by_P = mom.rows[:, None, None] * at.P - at.P @ self._expected(at) @ at.P
        by_mu = np.zeros((mom.cells, mom.k, p))
        matrices = np.zeros((mom.cells + 1, p, p))
        pulled = self._classes_of(self._pull[:, :, None] * at.f[:, None])
        np.add.at(by_mu, mom.cell, -2.0 * pulled)
        np.add.at(matrices, mom.cell, by_P)
        matrices[-1] = by_between
        return np.concatenate([by_mu.ravel(), self._fold(matrices).ravel()])

    def _expected(self, at: _Point) -> np.ndarray:
        """T: expected cross-products of the residuals of each class, given the data (R, p, p)."""
        mom, R, p = self.moments, len(self.moments.rows), self.moments.p
        K = (mom.count[:, None, None] * at.K).reshape(-1, p * p)
        weighted = self._weight[:, None] * at.e
        products = [weighted[a:b].T @ at.e[a:b] for a, b in pairwise(self._ends)]
        return mom.scatter + (self.by_type.T @ K).reshape(R, p, p) + np.stack(products)

    def _classes_of(self, values: np.ndarray) -> np.ndarray:
        """Sums over the pieces of each class, shape (R, ...)."""
        return np.add.reduceat(values, self._ends[:-1])

    # ------------------------------------------------------------------------- second derivatives

    def _add_classes(self, at: _Point, out: np.ndarray) -> None:
        """What classes give at fixed effects of the clusters."""
        mom, p, kp = self.moments, self.moments.p, self.moments.k * self.moments.p
        M = 2.0 * at.P @ self._expected(at) @ at.P - mom.rows[:, None, None] * at.P
        F = self._classes_of(self._pull[:, :, None] * at.f[:, None])
        n = self._classes_of(self._pull[:, :, None] * mom.coefficient[:, None])
        for c in range(mom.cells):
            own, mu, W = mom.cell == c, slice(c * kp, (c + 1) * kp), self._triangle(c)
            P = at.P[own]
            X = P.reshape(-1, p * p).T @ M[own].reshape(-1, p * p)
            out[W, W] += self._fold_twice(X.reshape((p,) * 4).transpose(3, 0, 1, 2))
            out[mu, mu] += 2.0 * np.einsum("rkl,rij->kilj", n[own], P).reshape(kp, kp)
            cross = np.einsum("rlj,rki->klij", P, F[own]).reshape(kp, p, p)
            out[mu, W] += self._fold(4.0 * cross)

    def _add_determinants(self, at: _Point, types: slice, units: slice, out: np.ndarray) -> None:
        """What log|I + A Between| gives, and u where only Between moves."""
        mom, p, B = self.moments, self.moments.p, self._triangle(self.moments.cells)
        W = slice(self.means, B.start)
        count, G, K = mom.count[types], at.G[types], at.K[types]
        H, g = G @ at.A[types], at.g[units]
        squares = (mom.weight[units, None] * g)[:, :, None] * g[:, None]
        squares = np.add.reduceat(squares, np.flatnonzero(np.diff(mom.type[units], prepend=-1)))
        M = 2.0 * squares - count[:, None, None] * H
        X = (H.reshape(-1, p * p).T @ M.reshape(-1, p * p)).reshape((p,) * 4)
        out[B, B] += self._fold_twice(X.transpose(3, 0, 1, 2))
        dA = self._moved_types(at.P, types)
        KdA = K[:, None] @ dA
        weighted = count[:, None, None, None] * KdA
        flat = KdA.transpose(1, 0, 3, 2).reshape(dA.shape[1], -1)
        out[W, W] -= weighted.transpose(1, 0, 2, 3).reshape(dA.shape[1], -1) @ flat.T
        turned = (count[:, None, None] * G)[:, None] @ dA @ G.transpose(0, 2, 1)[:, None]
        out[W, B] += 2.0 * self._fold(turned.sum(axis=0))

    def _moved_types(self, P: np.ndarray, types: slice) -> np.ndarray:
        """Derivatives of A by the elements of each Within, shape (types, C m, p, p)."""
        mom, part = self.moments, _rows(self.by_type, types)
        used = np.unique(part.indices)
        if len(used) < len(P):
            part, P = part[:, used], P[used]
        moved = np.einsum("rik,rjk->rkij", P[:, :, self.rows], P[:, :, self.cols])
        moved = moved + moved.swapaxes(2, 3)
        moved[:, self.rows == self.cols] *= 0.5
        flat = moved.reshape(len(used), -1)
        cells = [part @ np.where(mom.cell[used] == c, flat.T, 0.0).T for c in range(mom.cells)]
        return -np.stack(cells, axis=1).reshape(part.shape[0], -1, mom.p, mom.p)

    def _add_effects(self, at: _Point, units: slice, out: np.ndarray) -> None:
        """What the effects of the clusters give back by following the parameters."""
        mom, p = self.moments, self.moments.p
        B = self._triangle(mom.cells)
        own = _rows(self.by_unit, units)
        k = own.indices
        P, f = at.P[mom.klass[k]], at.f[k, None, :]
        by_mu = np.einsum("nk,nij->nikj", mom.coefficient[k], P).reshape(len(k), -1)
        by_W = P[:, :, self.rows] * f[:, :, self.cols]
        by_W += np.where(self.rows != self.cols, P[:, :, self.cols] * f[:, :, self.rows], 0.0)
        sides = []
        for values in (by_mu, by_W.reshape(len(k), -1)):
            for c in range(mom.cells):
                here = np.where(mom.cell[mom.klass[k]] == c, values.T, 0.0).T
                sides.append(np.add.reduceat(here, own.indptr[:-1]).reshape(own.shape[0], p, -1))
        v = np.concatenate(sides, axis=2)
        w = self._fold(np.eye(p)[None, :, :, None] * at.g[units][:, None, None, :])
        weight, kind = mom.weight[units, None, None], mom.type[units]
        left = (weight * v).reshape(-1, v.shape[2]).T
        V = slice(0, B.start)
        out[V, V] -= 2.0 * left @ (at.K[kind] @ v).reshape(left.shape[1], -1)
        out[V, B] += 4.0 * left @ (at.G[kind].swapaxes(1, 2) @ w).reshape(left.shape[1], -1)

    def _triangle(self, c: int) -> slice:
        start = self.means + c * self.m
        return slice(start, start + self.m)

    def _fold(self, X: np.ndarray) -> np.ndarray:
        """Contract the last two axes with the derivatives of a symmetric matrix by its triangle."""
        beside = np.where(self.rows == self.cols, 0.0, X[..., self.cols, self.rows])
        return X[..., self.rows, self.cols] + beside

    def _fold_twice(self, X: np.ndarray) -> np.ndarray:
        """The same for the first two axes too, shape (m, m)."""
        return self._fold(self._fold(X).transpose(2, 0, 1))

    # ------------------------------------------------------------------------------ what may be

    def _is_possible(self, theta: np.ndarray) -> bool:
        """Whether the covariance matrix of every cluster is positive definite.

        That of the means of its classes is D + Z Between Z', D with blocks Within_rr / n_jr. With
        Between = R s R', s of ones and minus ones, Sylvester's law of inertia says that all its
        eigenvalues are positive where s + R'A_j R has as many negative ones as D and s together.
        """
        mom, (_, within, between) = self.moments, self.unpack(theta)
        ordinary = np.linalg.eigvalsh(within)[:, 0].min() > 0
        values, vectors = np.linalg.eigh(between)
        if ordinary and values[0] >= 0:
            return True
        negative = np.zeros(len(mom.rows), int)
        if not ordinary:
            blocks = padded(within[mom.cell], mom.observed)
            negative = (np.linalg.eigvalsh(blocks) <= 0).sum(axis=1)
            # Differences of rows of one class have covariance matrix 2 Within.
            if negative[mom.klass[mom.n > 1]].any():
                return False
        R, s = vectors * np.sqrt(np.abs(values)), np.where(values < 0, -1.0, 1.0)
        found = (np.linalg.eigvalsh(np.diag(s) + R.T @ self._point(theta).A @ R) < 0).sum(axis=1)
        return bool((found == (s < 0).sum() + self.by_type.astype(bool) @ negative).all())


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
            own, by_own = group.value_and_gradient(theta[at])
            if not np.isfinite(own):
                return np.inf, np.zeros(self.size)
            value += own
            np.add.at(gradient, at, by_own)
        return value, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (size, size)."""
        out = np.zeros((self.size, self.size))
        for group, at in zip(self.groups, self.index, strict=True):
            np.add.at(out, (at[:, None], at), group.hessian(theta[at]))
        return out


def _rows(matrix: sparse.csr_array, rows: slice) -> sparse.csr_array:
    """Some rows of a sparse matrix; picking out all of them would cost a tenth of a small fit."""
    return matrix if rows == slice(0, matrix.shape[0]) else matrix[rows]
