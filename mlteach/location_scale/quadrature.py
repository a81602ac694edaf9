"""The location-scale likelihood: what is left after the closed form is integrated by quadrature.

    L_j = integral f(y_j | t) phi(t) dt,   t of dimension r = 0, 1 or 2

by adaptive Gauss-Hermite quadrature: the nodes of each cluster sit at the mean and spread of t
given its data (Naylor & Smith 1982; Rabe-Hesketh, Skrondal & Pickles 2005). They are moved between
optimisations, not within one, so that the deviance is one smooth function while it is minimised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlteach.location_scale.likelihood import (
    LOG_2PI,
    Rows,
    collapse,
    spread_by,
    weigher,
)

# A node whose weight underflows carries nothing; its log is kept finite.
TINY = 1e-300
# Corners of a grid in two dimensions of less weight are left out: they cost as much as the rest.
NEGLIGIBLE = 1e-8
# Nodes have settled when no centre moves by more than this part of its spread, or after so often.
SETTLED, MOST_MOVES = 0.01, 8


@dataclass(frozen=True)
class Evaluation:
    """The likelihood at one set of parameters.

    Attributes
    ----------
    loglik : ndarray, shape (J,)
    by_beta, by_alpha : ndarray, shapes (J, p), (J, k)
        Scores of each cluster.
    by_L : ndarray, shape (J, d, d)
        Scores by the Cholesky factor of Omega, d = r + q, scale effects first; with u in the
        variance function by the parameters of the effects, shape (J, m).
    """

    loglik: np.ndarray
    by_beta: np.ndarray
    by_alpha: np.ndarray
    by_L: np.ndarray


def node_moments(weight: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (J, a) and covariances (J, a, a) of values at the nodes (J, K, a)."""
    mean = np.einsum("jk,jka->ja", weight, values)
    away = values - mean[:, None]
    return mean, np.einsum("jka,jkb->jab", weight[:, :, None] * away, away)


class AdaptiveNodes:
    """Quadrature nodes that follow the posterior of what is integrated, cluster by cluster.

    Parameters
    ----------
    points : int
        Quadrature points a dimension.
    r : int
        Dimensions.
    J : int
        Clusters.
    negligible : float, optional
        Nodes of less weight are left out in two dimensions.
    """

    def __init__(self, points: int, r: int, J: int, negligible: float = NEGLIGIBLE) -> None:
        self.points, self.r = points, r
        self._x, self._log_w = _grid(points, r, negligible)
        self._centre, self._spread = np.zeros((J, r)), np.broadcast_to(np.eye(r), (J, r, r))

    @property
    def T(self) -> np.ndarray:
        """The nodes ``centre + spread x``, shape (J, K, r); made anew, since they are many."""
        return self._centre[:, None] + spread_by(self._spread, self._x[None])

    def integrate(self, logf: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log of the integral (J,) and posterior probabilities of the nodes (J, K)."""
        # The weights include phi(t).
        log_weight = self._log_w + 0.5 * (self._x**2).sum(axis=1)
        log_size = np.log(np.abs(np.diagonal(self._spread, axis1=1, axis2=2))).sum(axis=1)
        joint = np.einsum("jkr,jkr->jk", T, T)
        joint *= -0.5
        joint += logf
        joint += log_weight
        top = joint.max(axis=1)
        joint -= top[:, None]
        weight = np.exp(joint, out=joint)
        total = weight.sum(axis=1)
        weight /= total[:, None]
        return log_size + top + np.log(total), weight

    def follow(self, *parameters: np.ndarray) -> bool:
        """Move the nodes to the posterior of t at these parameters; whether they were there."""
        mean, cov = self.posterior_t(self.weights(*parameters))
        moved = np.abs(mean - self._centre).max(axis=1)
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2)).min(axis=1)
        self._centre, self._spread = mean, np.linalg.cholesky(cov)
        return bool((moved <= SETTLED * sd).all())

    def posterior_t(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (J, r) and covariance (J, r, r) of t given the data."""
        mean, cov = node_moments(weight, self.T)
        # A node far from all others would leave its cluster no spread at all.
        return mean, cov + 1e-6 * np.eye(self.r)


def settle(likelihoods: Sequence[AdaptiveNodes], parameters: Sequence[tuple]) -> bool:
    """Move the nodes of all clusters until they stay; whether they were in place before."""
    for move in range(MOST_MOVES if likelihoods[0].r else 0):
        pairs = zip(likelihoods, parameters, strict=True)
        if all([likelihood.follow(*own) for likelihood, own in pairs]):
            return move == 0
    return not likelihoods[0].r


class MarginalLikelihood(AdaptiveNodes):
    """Log-likelihood and scores, with nodes that follow the posterior of the scale effects.

    Parameters
    ----------
    rows : Rows
    points : int
        Quadrature points a dimension.
    ways : optional
        How to weigh the rows, if another likelihood of the same rows has found out already.
    """

    def __init__(self, rows: Rows, points: int, ways=None) -> None:
        super().__init__(points, rows.S.shape[1], len(rows.n))
        self.rows, self.q = rows, rows.Z.shape[1]
        self.ways = weigher(rows) if ways is None else ways

    def evaluate(
        self, beta: np.ndarray, alpha: np.ndarray, L: np.ndarray, together: bool = False
    ) -> Evaluation:
        """Likelihood and scores.

        Parameters
        ----------
        beta : ndarray, shape (p,)
        alpha : ndarray, shape (k,)
        L : ndarray, shape (J, d, d)
            Lower-triangular, scale effects first.
        together : bool, default False
            Whether the scores by beta and alpha are summed over the clusters.
        """
        r, T = self.r, self.T
        weighed, inner, loglik, weight = self._at(T, beta, alpha, L)
        score = self.ways.score(weight, weighed, inner.moment(), together)
        by_mu, by_Lu = inner.scores()
        by_L, weighted = np.zeros(L.shape), weight[:, :, None] * T
        by_L[:, :r, :r] = np.einsum("jka,jkb->jab", score.by_v, weighted)
        by_L[:, r:, :r] = np.einsum("jka,jkb->jab", by_mu, weighted)
        by_L[:, r:, r:] = np.einsum("jk,jkab->jab", weight, by_Lu)
        return Evaluation(loglik, score.by_beta, score.by_alpha, by_L)

    def _at(self, T: np.ndarray, beta, alpha, L: np.ndarray) -> tuple:
        """What the rows and the closed form give at the nodes, the likelihood, and the weights."""
        r = self.r
        v, mu = spread_by(L[:, :r, :r], T), spread_by(L[:, r:, :r], T)
        weighed = self.ways.weigh(beta, alpha, v)
        inner = collapse(weighed, mu, L[:, r:, r:])
        return weighed, inner, *self.integrate(inner.logf, T)

    def weights(self, beta: np.ndarray, alpha: np.ndarray, L: np.ndarray) -> np.ndarray:
        """Posterior probabilities of the nodes, shape (J, K)."""
        return self._at(self.T, beta, alpha, L)[-1]

    def moments(
        self, beta: np.ndarray, alpha: np.ndarray, L: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (J, d) and covariances (J, d, d) of the effects given the data, scale first.

        The scale effects are their weighted nodes; the location effects have a closed form at each.
        """
        r, q, T = self.r, self.q, self.T
        _, inner, _, weight = self._at(T, beta, alpha, L)
        moment = inner.moment()
        v = spread_by(L[:, :r, :r], T)
        joint = np.concatenate([v, -moment[:, :, :q, q]], axis=2)
        mean, cov = node_moments(weight, joint)
        # Given t the location effects still vary: their conditional covariance comes on top.
        u = joint[:, :, r:]
        conditional = moment[:, :, :q, :q] - u[..., :, None] * u[..., None, :]
        cov[:, r:, r:] += np.einsum("jk,jkab->jab", weight, conditional)
        return mean, cov


def _grid(points: int, r: int, negligible: float = NEGLIGIBLE) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (K, r) and log weights (K,) for the standard normal in r dimensions."""
    if r == 0:
        return np.zeros((1, 0)), np.zeros(1)
    x, w = np.polynomial.hermite_e.hermegauss(points)
    log_w = np.log(np.maximum(w, TINY)) - 0.5 * LOG_2PI
    grids = np.meshgrid(*[x] * r, indexing="ij")
    weights = np.meshgrid(*[log_w] * r, indexing="ij")
    nodes = np.stack([g.ravel() for g in grids], axis=1)
    log_weights = sum(g.ravel() for g in weights)
    keep = (log_weights > np.log(negligible)) | (r == 1)
    return nodes[keep], log_weights[keep]
