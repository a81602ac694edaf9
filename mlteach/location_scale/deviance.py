"""Minus twice the log-likelihood of a location-scale model, as a function of its parameters.

Parameters, in scaled units: beta (p), alpha (k) and those of the random effects; for one Omega that
is the free elements of the lower-triangular L with Omega = L L', scale effects first. L and not its
logarithm is free, so that a variance of zero is an ordinary point of the search.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.linalg import central_differences
from mlteach.location_scale.association import AssociationLikelihood, AssociationMap
from mlteach.location_scale.effects import CholeskyMap, FunctionMap
from mlteach.location_scale.likelihood import LOG_2PI, Rows, products
from mlteach.location_scale.quadrature import MarginalLikelihood

# Steps of the numerical second derivatives: parameters are of order one in scaled units.
STEP = 1e-4
# A log-density of a row, scaled units, that no data reach: what is fitted without error runs there.
MOST_A_ROW = 50.0

EffectsMap = CholeskyMap | FunctionMap | AssociationMap


class LocationScaleDeviance:
    """Minus twice the log-likelihood as a function of ``theta = (beta, alpha, effects)``."""

    def __init__(
        self,
        rows: Rows,
        effects: EffectsMap,
        points: int,
        reml: bool = False,
        ways=None,
    ) -> None:
        self.rows, self.map, self.reml = rows, effects, reml
        if isinstance(effects, AssociationMap):
            self.likelihood = AssociationLikelihood(rows, effects, points, ways)
        else:
            self.likelihood = MarginalLikelihood(rows, points, ways)
        self.p, self.k, self.J = rows.X.shape[1], rows.W.shape[1], len(rows.n)

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return beta (p,), alpha (k,) and L for each cluster (J, d, d), None if not possible.

        With an AssociationMap the third part is its parameters.
        """
        beta, alpha, effects = np.split(theta, [self.p, self.p + self.k])
        return beta, alpha, self.map.factors(effects, self.J)

    def scores(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each cluster (J,) and its gradient (J, m)."""
        beta, alpha, L = self.split(theta)
        if L is None:
            return np.full(self.J, -np.inf), np.zeros((self.J, len(theta)))
        e = self.likelihood.evaluate(beta, alpha, L)
        by_effects = self.map.score(theta[self.p + self.k :], L, e.by_L)
        return e.loglik, np.hstack([e.by_beta, e.by_alpha, by_effects])

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where variances overflow, or run off to zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            loglik, score = self.scores(theta)
        value = -2.0 * float(loglik.sum())
        runaway = value < -2.0 * MOST_A_ROW * len(self.rows.y)
        if runaway or not np.isfinite(value) or not np.isfinite(score).all():
            return np.inf, np.zeros_like(theta)
        gradient = -2.0 * score.sum(axis=0)
        if not self.reml:
            return value, gradient
        more, by_theta = self._restriction(theta)
        return value + more, gradient + by_theta

    def _restriction(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """What REML adds, log|X'V^-1 X| - p log 2 pi, with central differences for its gradient.

        The differences are of a smooth function of few parameters: they cost no digit that shows.
        """

        def log_det(theta: np.ndarray) -> float:
            _, alpha, L = self.split(theta)
            return float(np.linalg.slogdet(information(self.rows, alpha, L))[1])

        gradient = central_differences(log_det, theta, STEP)
        return log_det(theta) - self.p * LOG_2PI, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives: central differences of the exact gradient."""
        H = central_differences(lambda at: self.value_and_gradient(at)[1], theta, STEP)
        return 0.5 * (H + H.T)

    def settle(self, theta: np.ndarray) -> None:
        """Move the quadrature nodes to where they belong at theta."""
        self.likelihood.settle(*self.split(theta))


def information(rows: Rows, alpha: np.ndarray, L: np.ndarray) -> np.ndarray:
    """X'V^-1 X of a model without scale effects, shape (p, p)."""
    q, D = rows.Z.shape[1], np.column_stack([rows.Z, rows.X])
    G = products(rows, D, np.exp(-(rows.W @ alpha)))
    half = L.transpose(0, 2, 1) @ G[:, :q]
    M = half[:, :, :q] @ L + np.eye(q)
    explained = half[:, :, q:].transpose(0, 2, 1) @ np.linalg.solve(M, half[:, :, q:])
    return (G[:, q:, q:] - explained).sum(axis=0)
