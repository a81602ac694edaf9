"""Small matrices, many at a time: the maps between parameters and covariance matrices.

Notation: q random effects, J clusters. ``Lambda`` (q, q) is the lower-triangular relative Cholesky
factor of the random effects, ``Psi = Lambda Lambda'`` their covariance matrix divided by the
residual variance, ``Tau = sigma2 * Psi`` the covariance matrix itself. ``theta`` holds the free
elements of ``Lambda``, block by block and column by column (the order of lme4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Curvature, relative to that of the parameters alone, below which a direction is flat.
FLAT = 1e-8


def symmetric_basis(p: int, places: tuple | None = None) -> np.ndarray:
    """Derivative of a symmetric matrix by elements of its lower triangle, shape (m, p, p).

    ``places`` are their rows and columns; all of the triangle without.
    """
    rows, cols = np.tril_indices(p) if places is None else places
    out = np.zeros((len(rows), p, p))
    each = np.arange(len(rows))
    out[each, rows, cols] = out[each, cols, rows] = 1.0
    return out


def block_pattern(blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """Which elements of a matrix lie in its diagonal blocks, shape (q, q) of bool."""
    out = np.zeros((sum(map(len, blocks)),) * 2, bool)
    for block in blocks:
        out[np.ix_(block, block)] = True
    return out


def central_differences(
    function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, step: float
) -> np.ndarray:
    """Numerical derivatives of a function by each element of its argument, shape (m, ...).

    Examples
    --------
    >>> central_differences(lambda x: x**2, np.array([3.0]), 1e-5).round(6)
    array([[6.]])
    """
    steps = step * np.eye(len(at))
    return np.array([(function(at + s) - function(at - s)) / (2.0 * step) for s in steps])


@dataclass(frozen=True)
class ThetaMap:
    """Where each element of theta sits in Lambda: the pattern, apart from its values.

    Attributes
    ----------
    blocks : tuple of tuple of int
        Columns of Z that vary together; effects in different blocks are uncorrelated.
    rows, cols : ndarray of int, shape (m,)
        Position of theta[k] in Lambda, and of the k-th free element in Tau (rows >= cols).
    """

    blocks: tuple[tuple[int, ...], ...]
    rows: np.ndarray
    cols: np.ndarray

    @classmethod
    def from_blocks(cls, blocks: Sequence[Sequence[int]]) -> ThetaMap:
        """Lay out the free elements of a block-diagonal lower-triangular Lambda."""
        cols, rows = np.nonzero(np.tril(block_pattern(blocks)).T)
        return cls(tuple(map(tuple, blocks)), rows, cols)

    @cached_property
    def q(self) -> int:
        """Number of random effects."""
        return sum(len(block) for block in self.blocks)

    @cached_property
    def m(self) -> int:
        """Number of free elements."""
        return len(self.rows)

    @property
    def diagonal(self) -> np.ndarray:
        """Mask of the elements of theta on the diagonal of Lambda."""
        return self.rows == self.cols

    def Lambda(self, theta: np.ndarray) -> np.ndarray:
        """Write theta into its places: the lower-triangular factor, shape (q, q)."""
        out = np.zeros((self.q, self.q))
        out[self.rows, self.cols] = theta
        return out

    def theta(self, Lambda: np.ndarray) -> np.ndarray:
        """Read theta off a factor."""
        return Lambda[self.rows, self.cols]

    def theta_from_psi(self, Psi: np.ndarray) -> np.ndarray:
        """Theta of a positive semi-definite block-diagonal matrix."""
        Lambda = np.zeros_like(Psi)
        for block in self.blocks:
            at = np.ix_(block, block)
            Lambda[at] = psd_cholesky(Psi[at])
        return self.theta(Lambda)

    def sds(self, Tau: np.ndarray) -> np.ndarray:
        """SDs on the places of variances, correlations on those of covariances, shape (m,).

        A correlation with an effect that does not vary is NaN.
        """
        sd = np.sqrt(np.diag(Tau))
        size = sd[self.rows] * sd[self.cols]
        correlation = np.full(self.m, np.nan)
        np.divide(Tau[self.rows, self.cols], size, out=correlation, where=size > 0)
        return np.where(self.diagonal, sd[self.rows], np.clip(correlation, -1.0, 1.0))

    def lambda_basis(self) -> np.ndarray:
        """Derivative of Lambda by each theta: unit matrices, shape (m, q, q)."""
        return np.tril(self.tau_basis())

    def tau_basis(self) -> np.ndarray:
        """Derivative of Tau by each of its free elements (symmetric), shape (m, q, q)."""
        return symmetric_basis(self.q, (self.rows, self.cols))


def psd_cholesky(A: np.ndarray) -> np.ndarray:
    """Lower-triangular L with L L' = A and non-negative diagonal, for singular A too."""
    values, vectors = np.linalg.eigh(A)
    # Rounding in A would come back as its square root: what is zero to rounding is set to zero.
    values = np.where(values > 1e-14 * values[-1], values, 0.0)
    root = vectors * np.sqrt(values)
    L = np.linalg.qr(root.T, mode="r").T
    signs = np.where(np.diag(L) < 0, -1.0, 1.0)
    return np.tril(L * signs)


def chol_logdet(L: np.ndarray) -> float:
    """Sum of the log-determinants of the matrices whose Cholesky factors are stacked in L."""
    return 2.0 * float(np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum())


def first_dependent(gram: np.ndarray, tol: float = 1e-13) -> int | None:
    """The first column that earlier columns determine, from cross-products with unit diagonal.

    Parameters
    ----------
    gram : ndarray, shape (p, p)
        Cross-products of columns scaled to length one.
    tol : float
        Squared length that must be left after projecting out the earlier columns.
    """
    left = gram.copy()
    for k in range(len(gram)):
        if left[k, k] <= tol:
            return k
        left -= np.outer(left[:, k], left[k]) / left[k, k]
    return None


def batched_cholesky(H: np.ndarray) -> np.ndarray:
    """Cholesky factors of many small positive definite matrices, shape (J, q, q).

    Loops over the q columns and works on all J matrices at once: for q of one to four this is
    several times faster than one LAPACK call a matrix.
    """
    L = np.zeros_like(H)
    for k in range(H.shape[-1]):
        row = L[:, k, :k]
        done = np.einsum("ja,ja->j", row, row) if k else 0.0
        L[:, k, k] = np.sqrt(H[:, k, k] - done)
        if k + 1 < H.shape[-1]:
            below = H[:, k + 1 :, k] - np.einsum("jra,ja->jr", L[:, k + 1 :, :k], row)
            L[:, k + 1 :, k] = below / L[:, k, k, None]
    return L


def batched_solve_lower(L: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Solve ``L_j X_j = B_j`` for many lower-triangular L (J, q, q) and B (J, q, k)."""
    X = np.empty_like(B)
    for k in range(L.shape[-1]):
        done = np.einsum("ja,jac->jc", L[:, k, :k], X[:, :k]) if k else 0.0
        X[:, k] = (B[:, k] - done) / L[:, k, k, None]
    return X


def inverse_on_curved(hessian: np.ndarray) -> np.ndarray:
    """Inverse on the directions of positive curvature, zero on the others."""
    size, values, vectors = _curvatures(hessian)
    good = values > FLAT
    inverse = (vectors[:, good] / values[good]) @ vectors[:, good].T
    return inverse / np.outer(size, size)


def without_curvature(hessian: np.ndarray) -> np.ndarray:
    """Which parameters take part in a direction along which nothing curves, shape (m,) of bool."""
    _, values, vectors = _curvatures(hessian)
    # An eigenvector is known to the accuracy of the Hessian, which may be numerical.
    return (np.abs(vectors[:, values <= FLAT]) > 1e-4).any(axis=1)


def _curvatures(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units of the parameters, and eigenvalues and eigenvectors of the Hessian in them."""
    size = np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    return size, *np.linalg.eigh(hessian / np.outer(size, size))
