"""Covariance matrices of the random effects: one for all clusters, or a function of level 2.

Common to all clusters, Omega = L L' and the free elements of L are the parameters
(:class:`CholeskyMap`). As level-2 functions (:class:`FunctionMap`),

    log Var(effect a in cluster j)     = g_j' gamma_a
    atanh Corr(effects a and b there)  = g_j' delta_ab

(Leckie et al. 2014). With three effects or more, some correlations exclude each other: parameters
that give no covariance matrix have no likelihood. Effects stand in the order of the likelihood,
those of the variance function first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mlteach.core.linalg import block_pattern

# SD of a log variance, scaled units: one that runs beyond follows a likelihood without maximum.
LARGEST_SD = 20.0


@dataclass(frozen=True)
class CholeskyMap:
    """Which elements of L are free: the pattern of Omega.

    Attributes
    ----------
    r, q : int
        Scale and location effects; d = r + q.
    rows, cols : ndarray of int, shape (m,)
    """

    r: int
    q: int
    rows: np.ndarray
    cols: np.ndarray

    @classmethod
    def from_blocks(cls, scale_blocks, mean_blocks, correlated: bool) -> CholeskyMap:
        """Free within blocks, and between the functions if these are correlated."""
        free = free_pattern(scale_blocks, mean_blocks, correlated)
        r = sum(map(len, scale_blocks))
        rows, cols = np.nonzero(np.tril(free))
        return cls(r, len(free) - r, rows, cols)

    @property
    def m(self) -> int:
        """Number of free elements."""
        return len(self.rows)

    def part(self, clusters: slice) -> CholeskyMap:
        """The same for some of the clusters."""
        return self

    def least_sd(self, theta: np.ndarray) -> float:
        """SD of the combination of effects that varies least, scaled units."""
        return float(np.linalg.svd(self.L(theta), compute_uv=False)[-1])

    def off_edges(self, theta: np.ndarray, least: float) -> np.ndarray:
        """Near to theta, where no search is caught: no SD below the least, the functions apart."""
        r, L = self.r, self.L(theta)
        omega = L @ L.T
        omega[:r, r:] = omega[r:, :r] = 0.0
        values, vectors = np.linalg.eigh(omega)
        root = np.linalg.cholesky((vectors * np.maximum(values, least**2)) @ vectors.T)
        return root[self.rows, self.cols]

    def L(self, theta: np.ndarray) -> np.ndarray:
        """Write theta into its places, shape (d, d)."""
        out = np.zeros((self.r + self.q,) * 2)
        out[self.rows, self.cols] = theta
        return out

    def factors(self, theta: np.ndarray, J: int) -> np.ndarray | None:
        """The same factor for every cluster, shape (J, d, d); None beyond ``LARGEST_SD``."""
        L = self.L(theta)
        if np.abs(L[: self.r, : self.r]).max(initial=0.0) > LARGEST_SD:
            return None
        return np.broadcast_to(L, (J, *L.shape))

    def score(self, theta: np.ndarray, L: np.ndarray, by_L: np.ndarray) -> np.ndarray:
        """Scores by theta (J, m) from scores by the factors (J, d, d)."""
        return by_L[:, self.rows, self.cols]


def free_pattern(scale_blocks, mean_blocks, correlated: bool) -> np.ndarray:
    """Which elements of Omega may differ from zero, shape (d, d) of bool."""
    scale, mean = block_pattern(scale_blocks), block_pattern(mean_blocks)
    across = np.full((len(mean), len(scale)), correlated)
    return np.block([[scale, across.T], [across, mean]])


@dataclass(frozen=True)
class FunctionMap:
    """Level-2 functions for the elements of Omega.

    Attributes
    ----------
    r, q : int
        Scale and location effects; d = r + q.
    rows, cols : ndarray of int, shape (e,)
        Which element of Omega each function is for (rows >= cols; equal for a variance).
    designs : tuple of ndarray, shapes (J, k_e)
        Level-2 predictors of each function.
    """

    r: int
    q: int
    rows: np.ndarray
    cols: np.ndarray
    designs: tuple[np.ndarray, ...]

    @property
    def m(self) -> int:
        """Number of coefficients."""
        return sum(G.shape[1] for G in self.designs)

    def part(self, clusters: slice) -> FunctionMap:
        """The same functions for some of the clusters."""
        return replace(self, designs=tuple(G[clusters] for G in self.designs))

    def pieces(self, theta: np.ndarray) -> list[np.ndarray]:
        """Coefficients of each function, from theta (..., m), an array or a symbol."""
        ends = np.cumsum([G.shape[1] for G in self.designs]).tolist()
        return [theta[..., start:end] for start, end in pairwise([0, *ends])]

    def values(self, theta: np.ndarray) -> list[np.ndarray]:
        """Values of each function in each cluster, shape (J,)."""
        return [G @ part for G, part in zip(self.designs, self.pieces(theta), strict=True)]

    def omega(self, theta: np.ndarray) -> np.ndarray:
        """Covariance matrix of each cluster, shape (J, d, d), possible or not."""
        return functions_to_omega(self.values(theta), self.rows, self.cols, self.r + self.q)

    def factors(self, theta: np.ndarray, J: int) -> np.ndarray | None:
        """Cholesky factors (J, d, d); None where some matrix is not a covariance matrix."""
        with np.errstate(over="ignore", invalid="ignore"):
            omega = self.omega(theta)
        if not np.isfinite(omega).all() or not (np.diagonal(omega, axis1=1, axis2=2) > 0).all():
            return None
        try:
            return np.linalg.cholesky(omega)
        except np.linalg.LinAlgError:
            return None

    def score(self, theta: np.ndarray, L: np.ndarray, by_L: np.ndarray) -> np.ndarray:
        """Scores by theta (J, m): back through the Cholesky factor, then through the functions."""
        by_omega = _through_cholesky(L, by_L)
        omega = L @ L.transpose(0, 2, 1)
        sd = np.sqrt(np.diagonal(omega, axis1=1, axis2=2))
        out = []
        for row, col, G in zip(self.rows, self.cols, self.designs, strict=True):
            if row == col:
                by_function = np.einsum("jb,jb->j", by_omega[:, row], omega[:, row])
            else:
                size = sd[:, row] * sd[:, col]
                rho = omega[:, row, col] / size
                by_function = 2.0 * by_omega[:, row, col] * size * (1.0 - rho**2)
            out.append(by_function[:, None] * G)
        return np.hstack(out)


def functions_to_omega(values, rows, cols, d: int) -> np.ndarray:
    """Covariance matrices from log variances and atanh correlations, shape (..., d, d).

    Parameters
    ----------
    values : sequence of ndarray, shape (...)
        One a function.
    rows, cols : sequence of int
        Which element it is for.
    d : int
    """
    shape = np.shape(values[0])
    log_sd, correlation = np.zeros((*shape, d)), np.tile(np.eye(d), (*shape, 1, 1))
    for value, row, col in zip(values, rows, cols, strict=True):
        if row == col:
            log_sd[..., row] = 0.5 * value
        else:
            correlation[..., row, col] = correlation[..., col, row] = np.tanh(value)
    sd = np.exp(log_sd)
    return correlation * sd[..., :, None] * sd[..., None, :]


def _through_cholesky(L: np.ndarray, by_L: np.ndarray) -> np.ndarray:
    """Derivative by the symmetric matrix from that by its Cholesky factor (Murray 2016)."""
    P = np.tril(L.transpose(0, 2, 1) @ by_L)
    diagonal = np.arange(L.shape[1])
    P[:, diagonal, diagonal] *= 0.5
    L_inv = np.linalg.inv(L)
    S = L_inv.transpose(0, 2, 1) @ P @ L_inv
    return 0.5 * (S + S.transpose(0, 2, 1))
