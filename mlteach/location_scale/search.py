"""Maximum likelihood of the location-scale model: parameters, start values, search.

Parameters, in scaled units: beta (p), alpha (k) and the free elements of the lower-triangular L
with Omega = L L', scale effects first. L and not its logarithm is free, so that a variance of zero
is an ordinary point of the search. The search is BFGS from the curvature of the clusters' scores,
on few quadrature points, and ends in Newton steps on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.core.optim import OptRecord, minimize
from mlteach.location_scale.association import AssociationLikelihood, AssociationMap
from mlteach.location_scale.effects import CholeskyMap, FunctionMap
from mlteach.location_scale.likelihood import LOG_2PI, Rows, products
from mlteach.location_scale.quadrature import MarginalLikelihood

# Expectation of log chi-square(1): what is added to the log of a squared residual.
LOG_CHI2 = 1.2703628
# Steps of the numerical second derivatives: parameters are of order one in scaled units.
STEP = 1e-4
SEARCH_POINTS = {0: 1, 1: 7, 2: 5}

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
        """Deviance and its derivative; infinite where variances overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            loglik, score = self.scores(theta)
        value = -2.0 * float(loglik.sum())
        if not np.isfinite(value) or not np.isfinite(score).all():
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

        gradient = np.zeros_like(theta)
        for k in range(self.p, len(theta)):
            step = np.zeros_like(theta)
            step[k] = STEP
            gradient[k] = (log_det(theta + step) - log_det(theta - step)) / (2.0 * STEP)
        return log_det(theta) - self.p * LOG_2PI, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives: central differences of the exact gradient."""
        H = np.empty((len(theta),) * 2)
        for k in range(len(theta)):
            step = np.zeros(len(theta))
            step[k] = STEP
            ahead, back = (self.value_and_gradient(theta + s * step)[1] for s in (1, -1))
            H[k] = (ahead - back) / (2.0 * STEP)
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


def maximise(
    rows: Rows,
    effects: EffectsMap,
    start: np.ndarray,
    points: int,
    reml: bool = False,
) -> tuple[LocationScaleDeviance, OptRecord, np.ndarray]:
    """Find the maximum of the likelihood from one start.

    Returns
    -------
    LocationScaleDeviance
        With its nodes settled at the maximum.
    OptRecord
    ndarray, shape (m, m)
        Second derivatives of the deviance there.
    """
    from scipy import optimize

    coarse = LocationScaleDeviance(rows, effects, min(points, SEARCH_POINTS[effects.r]), reml)
    theta = start
    for _ in range(4):
        coarse.settle(theta)
        before = coarse.value_and_gradient(theta)[0]
        theta = optimize.minimize(
            coarse.value_and_gradient,
            theta,
            jac=True,
            method="BFGS",
            options={"hess_inv0": _curvature(coarse, theta), "gtol": 1e-3, "maxiter": 200},
        ).x
        if before - coarse.value_and_gradient(theta)[0] < 1e-4:
            break
    fine = coarse
    if effects.r:
        fine = LocationScaleDeviance(rows, effects, points, reml, coarse.likelihood.ways)
        # Near the maximum the curvature hardly depends on the number of points.
        curvature = coarse.hessian(theta)
        for _ in range(3):
            fine.settle(theta)
            theta = minimize(_FixedCurvature(fine, curvature), theta, max_iter=30).end
    # Where a variance is nearly zero the deviance is flat and its curvature keeps changing.
    for _ in range(6):
        hessian = fine.hessian(theta)
        record = minimize(_FixedCurvature(fine, hessian), theta, max_iter=30)
        theta = record.end
        if record.converged:
            break
    return fine, record, hessian


@dataclass(frozen=True)
class _FixedCurvature:
    """A deviance whose second derivatives are known already."""

    deviance: LocationScaleDeviance
    curvature: np.ndarray

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self.deviance.value_and_gradient(theta)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        return self.curvature


def _curvature(deviance: LocationScaleDeviance, theta: np.ndarray) -> np.ndarray:
    """Inverse of the curvature that the outer products of the scores promise."""
    score = deviance.scores(theta)[1]
    information = 2.0 * score.T @ score
    ridge = 1e-3 * np.trace(information) / len(information)
    inverse = np.linalg.inv(information + ridge * np.eye(len(information)))
    return 0.5 * (inverse + inverse.T)


def start_values(rows: Rows, cholesky: CholeskyMap, beta, tau, u) -> np.ndarray:
    """Start from a fitted homoscedastic model and the spread of its residuals.

    Parameters
    ----------
    rows : Rows
    cholesky : CholeskyMap
    beta : ndarray, shape (p,)
    tau : ndarray, shape (q, q)
    u : ndarray, shape (J, q)
        Predicted location effects.
    """
    resid = rows.y - rows.X @ beta - np.einsum("iq,iq->i", rows.Z, rows.spread(u))
    log_square = np.log(resid**2 + 1e-6 * np.mean(resid**2)) + LOG_CHI2
    alpha = np.linalg.lstsq(rows.W, log_square, rcond=None)[0]
    # The mean of the squares is better known than that of their logs.
    fitted = rows.W @ alpha
    shift = np.log(np.mean(resid**2 / np.exp(fitted)))
    alpha = alpha + np.linalg.lstsq(rows.W, np.full(len(fitted), shift), rcond=None)[0]
    d = cholesky.r + cholesky.q
    L = np.zeros((d, d))
    L[: cholesky.r, : cholesky.r] = np.eye(cholesky.r) * _scale_sd(rows, resid, alpha)
    values, vectors = np.linalg.eigh(tau)
    floor = 1e-3
    L[cholesky.r :, cholesky.r :] = np.linalg.cholesky(
        (vectors * np.maximum(values, floor)) @ vectors.T
    )
    return np.concatenate([beta, alpha, L[cholesky.rows, cholesky.cols]])


def _scale_sd(rows: Rows, resid: np.ndarray, alpha: np.ndarray) -> float:
    """SD of the clusters' log variances beyond what sampling gives them."""
    ratio = rows.sums(resid**2 / np.exp(rows.W @ alpha)) / rows.n
    several = rows.n > 2
    if several.sum() < 3:
        return 0.2
    n = rows.n[several]
    extra = np.average((np.log(ratio[several] + 1e-6)) ** 2 - 2.0 / (n - 1), weights=n)
    return float(np.sqrt(np.clip(extra, 0.01, 1.0)))
