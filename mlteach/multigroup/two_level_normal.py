"""Several variables at once on two levels: the multivariate normal model, by maximum likelihood.

    y_ij = Gamma w_j + b_j + e_ij,   b_j ~ N(0, Between),   e_ij ~ N(0, Within)

y has p variables, w k cluster-level predictors (the first is 1). All means and all (co)variances on
both levels are free, so this is the saturated two-level model; the regressions inside it are read
off by :mod:`mlteach.multigroup.latent`. The rows enter only through the pooled cross-products
within clusters and, for each distinct cluster size n, through the cross-products of the cluster
means:

    -2 log L = (N - J) log|Within| + tr(Within^-1 S)
               + sum_n [ J_n log|V_n| + n tr(V_n^-1 D_n) ],    V_n = Within + n Between,

D_n the sum of d_j d_j' over the J_n clusters of size n, d_j = mean_j - Gamma w_j (the decomposition
of Muthen 1990 and Yuan & Bentler 2007). Between need not be positive definite as long as every V_n
is: a negative variance between clusters is an estimate like another, and says that cluster means
differ less than sampling within clusters would make them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.core.columns import cluster_means
from mlteach.core.linalg import symmetric_basis
from mlteach.core.optim import OptRecord, minimize
from mlteach.errors import ModelError


class TwoLevelDeviance:
    """The deviance and its exact first and second derivatives.

    Parameters ``theta``: Gamma row by row (p k), then the lower triangles of Within and Between.
    The deviations from the cluster means are one more summand of the same form, of "size" n = 0:
    its V is Within alone, its count N - J, and what stands for n D is S.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
        Complete rows. Best centred at zero, so that large offsets cost no digits.
    W : ndarray, shape (J, k)
    codes : ndarray of int, shape (N,)
        Cluster of each row.
    """

    def __init__(self, Y: np.ndarray, W: np.ndarray, codes: np.ndarray) -> None:
        self.p, self.k = p, k = Y.shape[1], W.shape[1]
        n = np.bincount(codes)
        means = cluster_means(Y, codes)
        deviation, joined = Y - means[codes], np.hstack([means, W])
        sizes, at = np.unique(n, return_inverse=True)
        self.n = np.append(0.0, sizes)
        self.count = np.append(len(Y) - len(n), np.bincount(at))
        self.products = np.zeros((len(self.n), p + k, p + k))
        self.products[0, :p, :p] = deviation.T @ deviation
        np.add.at(self.products[1:], at, n[:, None, None] * joined[:, :, None] * joined[:, None])
        # How much of Within and of Between is in each V.
        self.share = np.stack([np.ones_like(self.n), self.n])
        self.rows, self.cols = np.tril_indices(p)
        self.basis = symmetric_basis(p)
        self.constant = Y.size * np.log(2.0 * np.pi)

    def pack(self, Gamma: np.ndarray, within: np.ndarray, between: np.ndarray) -> np.ndarray:
        """Write the three matrices into one vector."""
        at = (self.rows, self.cols)
        return np.concatenate([Gamma.ravel(), within[at], between[at]])

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gamma (p, k), Within (p, p), Between (p, p)."""
        means = self.p * self.k
        triangles = theta[means:].reshape(2, -1)
        return theta[:means].reshape(self.p, self.k), *np.tensordot(triangles, self.basis, axes=1)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where a covariance matrix is not possible."""
        Gamma, within, between = self.unpack(theta)
        V = within + self.n[:, None, None] * between
        if np.linalg.eigvalsh(V)[:, 0].min() <= 0:
            return np.inf, np.zeros_like(theta)
        A = np.linalg.inv(V)
        D, C = self._residual_products(Gamma)
        value = self.constant + self.count @ np.linalg.slogdet(V)[1] + np.sum(A * D)
        by_V = self.count[:, None, None] * A - A @ D @ A
        by_Gamma = -2.0 * (A @ C).sum(axis=0)
        triangles = np.tensordot(np.tensordot(self.share, by_V, 1), self.basis, ([1, 2], [1, 2]))
        return float(value), np.concatenate([by_Gamma.ravel(), triangles.ravel()])

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (m, m)."""
        Gamma, within, between = self.unpack(theta)
        A = np.linalg.inv(within + self.n[:, None, None] * between)
        D, C = self._residual_products(Gamma)
        means, p, triangles = Gamma.size, self.p, 2 * len(self.rows)
        by_Gamma = 2.0 * np.einsum("sab,skl->akbl", A, self.products[:, p:, p:])
        # By V, for each size: tr(-A E A F) + 2 n tr(E A D A F A), E and F from the basis.
        AE, EA = A[:, None] @ self.basis, self.basis @ A[:, None]
        EADA = self.basis @ (A @ D @ A)[:, None]
        by_V = 2.0 * np.einsum("smab,slba->sml", EADA, EA)
        by_V -= self.count[:, None, None] * np.einsum("smab,slba->sml", AE, AE)
        by_V = np.einsum("is,js,sml->imjl", self.share, self.share, by_V)
        # By Gamma and V: 2 n A E A C.
        mixed = 2.0 * np.einsum("is,smak->akim", self.share, AE @ (A @ C)[:, None])
        mixed = mixed.reshape(means, triangles)
        return np.block(
            [
                [by_Gamma.reshape(means, means), mixed],
                [mixed.T, by_V.reshape(triangles, triangles)],
            ]
        )

    def _residual_products(self, Gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of n d d' (s, p, p) and of n d w' (s, p, k), by cluster size."""
        L = np.hstack([np.eye(self.p), -Gamma])
        half = L @ self.products
        return half @ L.T, half[:, :, self.p :]


@dataclass(frozen=True)
class TwoLevelNormal:
    """A fitted saturated two-level model, in the user's units.

    Attributes
    ----------
    names : tuple of str
        The p variables.
    Gamma : ndarray, shape (p, k)
    within, between : ndarray, shape (p, p)
    cov_within_between : ndarray, shape (2 m, 2 m)
        Covariance matrix (observed information) of the lower triangles of ``within``, then of
        ``between``; m = p (p + 1) / 2.
    llf : float
        Log-likelihood of all p variables together.
    n : ndarray of int, shape (J,)
        Cluster sizes.
    optimizer : OptRecord
    """

    names: tuple[str, ...]
    Gamma: np.ndarray
    within: np.ndarray
    between: np.ndarray
    cov_within_between: np.ndarray
    llf: float
    n: np.ndarray
    optimizer: OptRecord


def fit_two_level_normal(
    Y: np.ndarray, W: np.ndarray, codes: np.ndarray, names: tuple[str, ...]
) -> TwoLevelNormal:
    """Fit the saturated two-level normal model to complete data.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
    W : ndarray, shape (J, k)
        Cluster-level predictors of the means; the first column is 1.
    codes : ndarray of int, shape (N,)
    names : tuple of str
        Names of the columns of Y.

    Returns
    -------
    TwoLevelNormal

    Raises
    ------
    ModelError
        If there are too few clusters, or none with more than one row, for the covariance matrices.
    """
    J, p = len(W), Y.shape[1]
    n = np.bincount(codes)
    if len(Y) - J < p or p + W.shape[1] > J:
        raise ModelError(
            f"{J} clusters with {len(Y)} rows cannot determine {p} variances and their covariances "
            "on both levels; use fewer variables."
        )
    offset, size = Y.mean(axis=0), Y.std(axis=0)
    spread = np.where(W.std(axis=0) > 0, W.std(axis=0), 1.0)
    objective = TwoLevelDeviance((Y - offset) / size, W / spread, codes)
    record = minimize(objective, _start(objective))
    Gamma, within, between = objective.unpack(record.end)
    unit = np.outer(size, size)
    cov = 2.0 * np.linalg.inv(objective.hessian(record.end))[Gamma.size :, Gamma.size :]
    triangle = np.tile(unit[objective.rows, objective.cols], 2)
    Gamma = Gamma * size[:, None] / spread
    Gamma[:, 0] += offset
    return TwoLevelNormal(
        names=tuple(names),
        Gamma=Gamma,
        within=within * unit,
        between=between * unit,
        cov_within_between=cov * np.outer(triangle, triangle),
        llf=-0.5 * record.f_end - len(Y) * float(np.log(size).sum()),
        n=n,
        optimizer=record,
    )


def _start(objective: TwoLevelDeviance) -> np.ndarray:
    """Start values from the analysis of variance: mean squares within and between."""
    p, (spare, *count) = objective.p, objective.count
    total = objective.products[1:].sum(axis=0)
    Gamma = np.linalg.solve(total[p:, p:], total[p:, :p]).T
    D, _ = objective._residual_products(Gamma)
    within = D[0] / spare
    between = (D[1:].sum(axis=0) - sum(count) * within) / (spare + sum(count))
    values, vectors = np.linalg.eigh(between)
    floor = 1e-3 * np.trace(within) / p
    between = (vectors * np.maximum(values, floor)) @ vectors.T
    return objective.pack(Gamma, within, between)
