"""Minus twice the log-likelihood of a location-scale model, as a function of its parameters.

Parameters, in scaled units: beta (p), alpha (k) and those of the random effects; for one Omega that
is the free elements of the lower-triangular L with Omega = L L', scale effects first. L and not its
logarithm is free, so that a variance of zero is an ordinary point of the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.core.linalg import central_differences
from mlteach.location_scale.association import AssociationLikelihood, AssociationMap
from mlteach.location_scale.effects import CholeskyMap, FunctionMap
from mlteach.location_scale.likelihood import LOG_2PI, Rows, blocks, products
from mlteach.location_scale.quadrature import AdaptiveNodes, MarginalLikelihood, settle

# Steps of the numerical second derivatives: parameters are of order one in scaled units.
STEP = 1e-4
# A log-density of a row, scaled units, that no data reach: what is fitted without error runs there.
MOST_A_ROW = 50.0

# Nodes or rows worked on at a time: what stays in the cache, and for what memory is kept at hand
# (larger arrays are asked of the system anew each time, which takes three times as long).
AT_ONCE = 32_768

EffectsMap = CholeskyMap | FunctionMap | AssociationMap


@dataclass(frozen=True)
class _Block:
    """Some of the clusters, and their likelihood."""

    rows: Rows
    map: EffectsMap
    likelihood: AdaptiveNodes | None = None

    @property
    def J(self) -> int:
        return len(self.rows.n)

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        p, k = self.rows.X.shape[1], self.rows.W.shape[1]
        beta, alpha, effects = np.split(theta, [p, p + k])
        return beta, alpha, self.map.factors(effects, self.J)

    def scores(
        self, theta: np.ndarray, together: bool = False
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Log-likelihood of each cluster, and its gradient by beta, alpha and the effects."""
        beta, alpha, L = self.split(theta)
        if L is None:
            return np.full(self.J, -np.inf), [np.zeros((self.J, len(theta)))]
        e = self.likelihood.evaluate(beta, alpha, L, together)
        effects = theta[len(beta) + len(alpha) :]
        return e.loglik, [e.by_beta, e.by_alpha, self.map.score(effects, L, e.by_L)]

    def sums(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-likelihood of these clusters together, and its gradient."""
        with np.errstate(over="ignore", invalid="ignore"):
            loglik, scores = self.scores(theta, together=True)
            return loglik.sum(), np.concatenate([part.sum(axis=0) for part in scores])


class LocationScaleDeviance:
    """Minus twice the log-likelihood as a function of ``theta = (beta, alpha, effects)``."""

    def __init__(
        self,
        rows: Rows,
        effects: EffectsMap,
        points: int,
        reml: bool = False,
        at_once: int = AT_ONCE,
        like: LocationScaleDeviance | None = None,
    ) -> None:
        """``like`` is of the same rows with other points: what it made of them is shared."""
        self.rows, self.map, self.points, self.reml = rows, effects, points, reml
        self.p, self.k, self.J = rows.X.shape[1], rows.W.shape[1], len(rows.n)
        if like is None:
            cut = blocks(rows, points**effects.r, at_once)
            parts = [(rows.part(clusters), effects.part(clusters), None) for clusters in cut]
        else:
            parts = [(block.rows, block.map, block.likelihood.ways) for block in like._blocks]
        self._blocks = [_Block(*part, self._likelihood(*part, ways)) for *part, ways in parts]

    def _likelihood(self, part: Rows, map_: EffectsMap, ways) -> AdaptiveNodes:
        if isinstance(map_, AssociationMap):
            return AssociationLikelihood(part, map_, self.points, ways)
        return MarginalLikelihood(part, self.points, ways)

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return beta (p,), alpha (k,) and L for each cluster (J, d, d), None if not possible.

        With an AssociationMap the third part is its parameters.
        """
        return _Block(self.rows, self.map).split(theta)

    def scores(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each cluster (J,) and its gradient (J, m)."""
        loglik, scores = zip(*(block.scores(theta) for block in self._blocks), strict=True)
        return np.concatenate(loglik), np.concatenate([np.hstack(parts) for parts in scores])

    def sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each block of clusters, and its gradient."""
        loglik, gradient = zip(*(block.sums(theta) for block in self._blocks), strict=True)
        return np.array(loglik), np.array(gradient)

    def value_and_gradient(
        self, theta: np.ndarray, sums: tuple | None = None
    ) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where variances overflow, or run off to zero."""
        loglik, score = self.sums(theta) if sums is None else sums
        value, gradient = -2.0 * float(loglik.sum()), -2.0 * score.sum(axis=0)
        runaway = value < -2.0 * MOST_A_ROW * len(self.rows.y)
        if runaway or not np.isfinite(value) or not np.isfinite(gradient).all():
            return np.inf, np.zeros_like(theta)
        if not self.reml:
            return value, gradient
        more, by_theta = self._restriction(theta)
        return value + more, gradient + by_theta

    def _restriction(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """What REML adds, log|X'V^-1 X| - p log 2 pi, with central differences for its gradient.

        The differences are of a smooth function of few parameters: they cost no digit that shows.
        """

        def log_det(theta: np.ndarray) -> float:
            total = sum(information(block.rows, *block.split(theta)[1:]) for block in self._blocks)
            return float(np.linalg.slogdet(total)[1])

        gradient = central_differences(log_det, theta, STEP)
        return log_det(theta) - self.p * LOG_2PI, gradient

    def outer_products(self, theta: np.ndarray) -> np.ndarray:
        """Sum over the clusters of s s', s the scores of one, shape (m, m)."""
        scores = (np.hstack(block.scores(theta)[1]) for block in self._blocks)
        return sum(score.T @ score for score in scores)

    def change_in_turns(
        self, theta: np.ndarray, step: np.ndarray, scores: np.ndarray
    ) -> np.ndarray:
        """How the gradient changes with a step: forwards in one block, backwards in the next.

        What the step leaves out of one block it adds in the other, so that of very many clusters
        this is as good as steps to both sides, at half the price. ``scores`` are those of
        :meth:`sums` at theta.
        """
        change = np.zeros_like(theta)
        for k, (block, before) in enumerate(zip(self._blocks, scores, strict=True)):
            sign = -1.0 if k % 2 else 1.0
            change -= 2.0 * sign * (block.sums(theta + sign * step)[1] - before)
        return change

    def settle(self, theta: np.ndarray) -> bool:
        """Move the quadrature nodes to where they belong at theta; whether they were there."""
        parameters = [block.split(theta) for block in self._blocks]
        return settle([block.likelihood for block in self._blocks], parameters)

    def moments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances of the effects in each cluster, as the likelihood gives them."""
        moments = (block.likelihood.moments(*block.split(theta)) for block in self._blocks)
        mean, cov = zip(*moments, strict=True)
        return np.concatenate(mean), np.concatenate(cov)


def information(rows: Rows, alpha: np.ndarray, L: np.ndarray) -> np.ndarray:
    """X'V^-1 X of a model without scale effects, shape (p, p)."""
    q, D = rows.Z.shape[1], [*rows.Z.T, *rows.X.T]
    G = products(rows, D, np.exp(-(rows.W @ alpha)))
    half = L.transpose(0, 2, 1) @ G[:, :q]
    M = half[:, :, :q] @ L + np.eye(q)
    explained = half[:, :, q:].transpose(0, 2, 1) @ np.linalg.solve(M, half[:, :, q:])
    return (G[:, q:, q:] - explained).sum(axis=0)
