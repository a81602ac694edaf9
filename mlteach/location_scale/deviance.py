"""Minus twice the log-likelihood of a location-scale model, as a function of its parameters.

Parameters, in scaled units: beta (p), alpha (k) and those of the random effects; for one Omega that
is the free elements of the lower-triangular L with Omega = L L', scale effects first. L and not its
logarithm is free, so that a variance of zero is an ordinary point of the search.
"""

from __future__ import annotations

from collections.abc import Iterator

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

# Nodes or rows worked on at a time: what stays in the processor's cache.
AT_ONCE = 32_768

EffectsMap = CholeskyMap | FunctionMap | AssociationMap


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
            parts = [(*block, likelihood.ways) for *block, likelihood in like._blocks]
        self._blocks = [(*block, self._likelihood(*block, ways)) for *block, ways in parts]

    def _likelihood(self, part: Rows, map_: EffectsMap, ways) -> AdaptiveNodes:
        if isinstance(map_, AssociationMap):
            return AssociationLikelihood(part, map_, self.points, ways)
        return MarginalLikelihood(part, self.points, ways)

    def _split(self, theta: np.ndarray) -> list[np.ndarray]:
        return np.split(theta, [self.p, self.p + self.k])

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return beta (p,), alpha (k,) and L for each cluster (J, d, d), None if not possible.

        With an AssociationMap the third part is its parameters.
        """
        beta, alpha, effects = self._split(theta)
        return beta, alpha, self.map.factors(effects, self.J)

    def _parameters(self, theta: np.ndarray) -> list[tuple]:
        """What :meth:`split` returns, for each block."""
        beta, alpha, effects = self._split(theta)
        return [(beta, alpha, map_.factors(effects, len(part.n))) for part, map_, _ in self._blocks]

    def _scores(self, theta: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Log-likelihood and its gradient, block by block."""
        effects = self._split(theta)[2]
        for (part, map_, likelihood), own in zip(
            self._blocks, self._parameters(theta), strict=True
        ):
            if own[2] is None:
                yield np.full(len(part.n), -np.inf), np.zeros((len(part.n), len(theta)))
                continue
            e = likelihood.evaluate(*own)
            yield e.loglik, np.hstack([e.by_beta, e.by_alpha, map_.score(effects, own[2], e.by_L)])

    def scores(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each cluster (J,) and its gradient (J, m)."""
        loglik, score = zip(*self._scores(theta), strict=True)
        return np.concatenate(loglik), np.concatenate(score)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative; infinite where variances overflow, or run off to zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = [(loglik.sum(), score.sum(axis=0)) for loglik, score in self._scores(theta)]
            loglik, score = map(sum, zip(*sums, strict=True))
        value = -2.0 * float(loglik)
        runaway = value < -2.0 * MOST_A_ROW * len(self.rows.y)
        if runaway or not np.isfinite(value) or not np.isfinite(score).all():
            return np.inf, np.zeros_like(theta)
        gradient = -2.0 * score
        if not self.reml:
            return value, gradient
        more, by_theta = self._restriction(theta)
        return value + more, gradient + by_theta

    def _restriction(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """What REML adds, log|X'V^-1 X| - p log 2 pi, with central differences for its gradient.

        The differences are of a smooth function of few parameters: they cost no digit that shows.
        """

        def log_det(theta: np.ndarray) -> float:
            parts = zip(self._blocks, self._parameters(theta), strict=True)
            total = sum(information(block[0], alpha, L) for block, (_, alpha, L) in parts)
            return float(np.linalg.slogdet(total)[1])

        gradient = central_differences(log_det, theta, STEP)
        return log_det(theta) - self.p * LOG_2PI, gradient

    def outer_products(self, theta: np.ndarray) -> np.ndarray:
        """Sum over the clusters of s s', s the scores of one, shape (m, m)."""
        return sum(score.T @ score for _, score in self._scores(theta))

    def settle(self, theta: np.ndarray) -> bool:
        """Move the quadrature nodes to where they belong at theta; whether they were there."""
        return settle([likelihood for *_, likelihood in self._blocks], self._parameters(theta))

    def moments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances of the effects in each cluster, as the likelihood gives them."""
        parts = zip(self._blocks, self._parameters(theta), strict=True)
        mean, cov = zip(*(block[2].moments(*own) for block, own in parts), strict=True)
        return np.concatenate(mean), np.concatenate(cov)


def information(rows: Rows, alpha: np.ndarray, L: np.ndarray) -> np.ndarray:
    """X'V^-1 X of a model without scale effects, shape (p, p)."""
    q, D = rows.Z.shape[1], [*rows.Z.T, *rows.X.T]
    G = products(rows, D, np.exp(-(rows.W @ alpha)))
    half = L.transpose(0, 2, 1) @ G[:, :q]
    M = half[:, :, :q] @ L + np.eye(q)
    explained = half[:, :, q:].transpose(0, 2, 1) @ np.linalg.solve(M, half[:, :, q:])
    return (G[:, q:, q:] - explained).sum(axis=0)
