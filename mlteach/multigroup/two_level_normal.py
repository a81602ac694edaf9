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


@dataclass(frozen=True)
class SizeMoments:
    """Sufficient statistics of complete two-level data, one entry for each distinct cluster size.

    Attributes
    ----------
    n : ndarray, shape (s,)
        Distinct cluster sizes.
    count : ndarray, shape (s,)
        Clusters of that size.
    between : ndarray, shape (s, p + k, p + k)
        Sums of ``[mean_j, w_j][mean_j, w_j]'``.
    within : ndarray, shape (p, p)
        Cross-products of the deviations from the cluster means.
    """

    n: np.ndarray
    count: np.ndarray
    between: np.ndarray
    within: np.ndarray

    @property
    def p(self) -> int:
        """Number of variables."""
        return len(self.within)

    @property
    def k(self) -> int:
        """Number of cluster-level predictors, the constant included."""
        return self.between.shape[1] - self.p

    @property
    def J(self) -> int:
        """Number of clusters."""
        return int(self.count.sum())

    @property
    def N(self) -> int:
        """Number of rows."""
        return int(self.n @ self.count)


def size_moments(Y: np.ndarray, W: np.ndarray, codes: np.ndarray) -> SizeMoments:
    """Reduce complete rows to their statistics.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
        Best centred at zero, so that large offsets cost no digits.
    W : ndarray, shape (J, k)
    codes : ndarray of int, shape (N,)
        Cluster of each row.
    """
    n = np.bincount(codes)
    means = cluster_means(Y, codes)
    deviation = Y - means[codes]
    joined = np.hstack([means, W])
    sizes, at = np.unique(n, return_inverse=True)
    between = np.zeros((len(sizes), *(joined.shape[1],) * 2))
    np.add.at(between, at, joined[:, :, None] * joined[:, None])
    return SizeMoments(sizes.astype(float), np.bincount(at), between, deviation.T @ deviation)


class TwoLevelDeviance:
    """The deviance and its exact first and second derivatives.

    Parameters ``theta``: Gamma row by row (p k), then the lower triangles of Within and Between.
    """

    def __init__(self, moments: SizeMoments) -> None:
        self.moments = moments
        p = moments.p
        self.rows, self.cols = np.tril_indices(p)
        self.m = len(self.rows)
        self.basis = symmetric_basis(p)
        self.constant = moments.N * p * np.log(2.0 * np.pi)

    def pack(self, Gamma: np.ndarray, within: np.ndarray, between: np.ndarray) -> np.ndarray:
        """Write the three matrices into one vector."""
        at = (self.rows, self.cols)
        return np.concatenate([Gamma.ravel(), within[at], between[at]])

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gamma (p, k), Within (p, p), Between (p, p)."""
        p, k, m = self.moments.p, self.moments.k, self.m
        triangles = theta[p * k :].reshape(2, m)
        within, between = np.tensordot(triangles, self.basis, axes=1)
        return theta[: p * k].reshape(p, k), within, between

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where a covariance matrix is not possible."""
        mom, (Gamma, within, between) = self.moments, self.unpack(theta)
        V = within + mom.n[:, None, None] * between
        if np.linalg.eigvalsh(within)[0] <= 0 or np.linalg.eigvalsh(V)[:, 0].min() <= 0:
            return np.inf, np.zeros_like(theta)
        W_inv, A = np.linalg.inv(within), np.linalg.inv(V)
        D, C = self._residual_moments(Gamma)
        value = (mom.N - mom.J) * np.linalg.slogdet(within)[1] + np.sum(W_inv * mom.within)
        value += mom.count @ np.linalg.slogdet(V)[1] + mom.n @ np.einsum("sab,sab->s", A, D)
        by_V = mom.count[:, None, None] * A - mom.n[:, None, None] * (A @ D @ A)
        by_within = (mom.N - mom.J) * W_inv - W_inv @ mom.within @ W_inv + by_V.sum(axis=0)
        by_between = np.tensordot(mom.n, by_V, axes=1)
        by_Gamma = -2.0 * np.einsum("s,sab,sbk->ak", mom.n, A, C)
        triangles = np.einsum("lab,mab->lm", np.stack([by_within, by_between]), self.basis)
        return float(value + self.constant), np.concatenate([by_Gamma.ravel(), triangles.ravel()])

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (m, m)."""
        mom, (Gamma, within, between) = self.moments, self.unpack(theta)
        p, k, m = mom.p, mom.k, self.m
        W_inv = np.linalg.inv(within)
        A = np.linalg.inv(within + mom.n[:, None, None] * between)
        D, C = self._residual_moments(Gamma)
        H = np.zeros((p * k + 2 * m,) * 2)

        WW = mom.between[:, p:, p:]
        means = 2.0 * np.einsum("s,sab,skl->akbl", mom.n, A, WW).reshape(p * k, p * k)
        H[: p * k, : p * k] = means

        # By V, for each size: tr(-A E A F) + 2 n tr(E A D A F A), E and F from the basis.
        AE = A[:, None] @ self.basis
        ADA = A @ D @ A
        by_size = -mom.count[:, None, None] * np.einsum("smab,slba->sml", AE, AE)
        EADA = self.basis @ ADA[:, None]
        EA = self.basis @ A[:, None]
        by_size += 2.0 * mom.n[:, None, None] * np.einsum("smab,slba->sml", EADA, EA)
        E = self.basis @ W_inv
        first = -(mom.N - mom.J) * np.einsum("mab,lba->ml", E, E)
        first += 2.0 * np.einsum("mab,lba->ml", self.basis @ (W_inv @ mom.within @ W_inv), E)
        at_w, at_b = slice(p * k, p * k + m), slice(p * k + m, None)
        H[at_w, at_w] = first + by_size.sum(axis=0)
        H[at_w, at_b] = H[at_b, at_w] = np.tensordot(mom.n, by_size, axes=1)
        H[at_b, at_b] = np.tensordot(mom.n**2, by_size, axes=1)

        # By Gamma and V: 2 n A E A C.
        mixed = 2.0 * mom.n[:, None, None, None] * (AE @ (A @ C)[:, None])
        H[: p * k, at_w] = mixed.sum(axis=0).reshape(m, p * k).T
        H[: p * k, at_b] = np.tensordot(mom.n, mixed, axes=1).reshape(m, p * k).T
        H[at_w, : p * k] = H[: p * k, at_w].T
        H[at_b, : p * k] = H[: p * k, at_b].T
        return H

    def _residual_moments(self, Gamma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of d d' (s, p, p) and of d w' (s, p, k), by cluster size."""
        p = self.moments.p
        L = np.hstack([np.eye(p), -Gamma])
        half = L @ self.moments.between
        return half @ L.T, half[:, :, p:]


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
    moments = size_moments((Y - offset) / size, W / spread, codes)
    objective = TwoLevelDeviance(moments)
    record = minimize(objective, _start(objective))
    Gamma, within, between = objective.unpack(record.end)
    unit = np.outer(size, size)
    mean_part = moments.p * moments.k
    cov = 2.0 * np.linalg.inv(objective.hessian(record.end))[mean_part:, mean_part:]
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
    mom = objective.moments
    p = mom.p
    total = mom.between.sum(axis=0)
    Gamma = np.linalg.solve(total[p:, p:], total[p:, :p]).T
    within = mom.within / (mom.N - mom.J)
    D, _ = objective._residual_moments(Gamma)
    between = D.sum(axis=0) / mom.J - within * float(np.mean(np.repeat(1 / mom.n, mom.count)))
    values, vectors = np.linalg.eigh(between)
    floor = 1e-3 * np.trace(within) / p
    between = (vectors * np.maximum(values, floor)) @ vectors.T
    return objective.pack(Gamma, within, between)
