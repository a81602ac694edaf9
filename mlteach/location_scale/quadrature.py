"""The location-scale likelihood: what is left after the closed form is integrated by quadrature.

    L_j = integral f(y_j | t) phi(t) dt,   t of dimension r = 0, 1 or 2

by adaptive Gauss-Hermite quadrature: the nodes of each cluster sit at the mean and spread of t
given its data (Naylor & Smith 1982; Rabe-Hesketh, Skrondal & Pickles 2005). They are moved between
optimisations, not within one, so that the deviance is one smooth function while it is minimised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.location_scale.likelihood import LOG_2PI, Collapsed, Rows, collapse, weigher

# A node whose weight underflows carries nothing; its log is kept finite.
TINY = 1e-300
# Corners of a grid in two dimensions of less weight are left out: they cost as much as the rest.
NEGLIGIBLE = 1e-8
# Nodes have settled when no centre moves by more than this part of its spread.
SETTLED = 0.01


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
    weight : ndarray, shape (J, K)
        Posterior probabilities of the nodes.
    inner : Collapsed
        Where the location effects have a closed form.
    """

    loglik: np.ndarray
    by_beta: np.ndarray
    by_alpha: np.ndarray
    by_L: np.ndarray
    weight: np.ndarray
    inner: Collapsed | None = None


def node_moments(weight: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (J, a) and covariances (J, a, a) of values at the nodes (J, K, a)."""
    mean = np.einsum("jk,jka->ja", weight, values)
    away = values - mean[:, None]
    return mean, np.einsum("jk,jka,jkb->jab", weight, away, away)


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
        self._place(np.zeros((J, r)), np.broadcast_to(np.eye(r), (J, r, r)))

    def _place(self, centre: np.ndarray, spread: np.ndarray) -> None:
        """Put the nodes at ``centre + spread x`` (J, r), (J, r, r); weights include phi(t)."""
        self._centre, self._spread = centre, spread
        self.T = centre[:, None] + np.einsum("jab,kb->jka", spread, self._x)
        log_size = np.log(np.abs(np.diagonal(spread, axis1=1, axis2=2))).sum(axis=1)
        self._log_weight = (
            self._log_w
            + 0.5 * (self._x**2).sum(axis=1)
            - 0.5 * (self.T**2).sum(axis=2)
            + log_size[:, None]
        )

    def integrate(self, logf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log of the integral (J,) and posterior probabilities of the nodes (J, K)."""
        joint = logf + self._log_weight
        top = joint.max(axis=1)
        relative = np.exp(joint - top[:, None])
        total = relative.sum(axis=1)
        return top + np.log(total), relative / total[:, None]

    def settle(self, *parameters: np.ndarray, most: int = 8) -> None:
        """Move the nodes to where the posterior of t is at these parameters."""
        if not self.r:
            return
        for _ in range(most):
            mean, cov = self.posterior_t(self.evaluate(*parameters).weight)
            moved = np.abs(mean - self._centre).max(axis=1)
            sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2)).min(axis=1)
            self._place(mean, np.linalg.cholesky(cov))
            if (moved <= SETTLED * sd).all():
                return

    def posterior_t(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (J, r) and covariance (J, r, r) of t given the data."""
        mean, cov = node_moments(weight, self.T)
        # A node far from all others would leave its cluster no spread at all.
        return mean, cov + 1e-6 * np.eye(self.r)


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

    def evaluate(self, beta: np.ndarray, alpha: np.ndarray, L: np.ndarray) -> Evaluation:
        """Likelihood and scores.

        Parameters
        ----------
        beta : ndarray, shape (p,)
        alpha : ndarray, shape (k,)
        L : ndarray, shape (J, d, d)
            Lower-triangular, scale effects first.
        """
        r = self.r
        Lv, Luv, Lu = L[:, :r, :r], L[:, r:, :r], L[:, r:, r:]
        v = np.einsum("jab,jkb->jka", Lv, self.T)
        mu = np.einsum("jab,jkb->jka", Luv, self.T)
        weighed = self.ways.weigh(beta, alpha, v)
        inner = collapse(weighed, self.rows.n, mu, Lu)
        loglik, weight = self.integrate(inner.logf)
        score = self.ways.score(weight, weighed.G, inner.moment)
        by_L = np.zeros_like(L)
        by_L[:, :r, :r] = np.einsum("jk,jka,jkb->jab", weight, score.by_v, self.T)
        by_L[:, r:, :r] = np.einsum("jk,jka,jkb->jab", weight, inner.by_mu, self.T)
        by_L[:, r:, r:] = np.einsum("jk,jkab->jab", weight, inner.by_Lu)
        return Evaluation(loglik, score.by_beta, score.by_alpha, np.tril(by_L), weight, inner)

    def moments(
        self, beta: np.ndarray, alpha: np.ndarray, L: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (J, d) and covariances (J, d, d) of the effects given the data, scale first.

        The scale effects are their weighted nodes; the location effects have a closed form at each.
        """
        r, q, e = self.r, self.q, self.evaluate(beta, alpha, L)
        moment = e.inner.moment
        v = self.T @ L[:, :r, :r].transpose(0, 2, 1)
        joint = np.concatenate([v, -moment[:, :, :q, q]], axis=2)
        mean, cov = node_moments(e.weight, joint)
        # Given t the location effects still vary: their conditional covariance comes on top.
        u = joint[:, :, r:]
        conditional = moment[:, :, :q, :q] - u[..., :, None] * u[..., None, :]
        cov[:, r:, r:] += np.einsum("jk,jkab->jab", e.weight, conditional)
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
