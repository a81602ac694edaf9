"""Maximum likelihood of the location-scale model: start values and search.

The search is BFGS from the curvature of the clusters' scores, on few quadrature points (of very
many clusters, first on some), and ends in Newton steps on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import block_diag

from mlteach.core.linalg import central_differences
from mlteach.core.optim import OptRecord, minimize, remembered
from mlteach.core.progress import Progress
from mlteach.location_scale.deviance import STEP, EffectsMap, LocationScaleDeviance
from mlteach.location_scale.effects import CholeskyMap
from mlteach.location_scale.likelihood import Rows

# Expectation of log chi-square(1): what is added to the log of a squared residual.
LOG_CHI2 = 1.2703628
# So many searches with one curvature each, before it is found anew at every step.
FIXED = 4
# So many clusters are enough to search with, or twice as many at most.
SAMPLE = 20_000
# The gradient at which a first search ends.
GTOL = 1e-3
# A deviance this much above its minimum is near enough for the curvature: 0.001 standard errors.
NEAR = 1e-6
# What a round of moving nodes and searching gains when the nodes need not move again.
SETTLED = 1e-6
# Of differences in turns: what they leave out is in proportion to it.
SMALL_STEP = 1e-6
SEARCH_POINTS = {0: 1, 1: 7, 2: 5}


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
    with Progress("location-scale, evaluations") as bar:
        return _maximise(rows, effects, start, points, reml, bar)


def _maximise(rows, effects: EffectsMap, start, points: int, reml: bool, bar: Progress) -> tuple:
    fine = LocationScaleDeviance(rows, effects, points, reml)
    some = some_clusters(rows)
    if some.step is None:
        theta = _search(fine, start, bar)
    else:
        theta = _search_with_some(fine, some, start, bar)
    # Where a variance is nearly zero the deviance is flat and its curvature keeps changing.
    for attempt in range(8):
        counted = _Counted(fine, bar)
        hessian = counted.hessian(theta)
        if attempt < FIXED:
            counted.curvature = hessian
        record = minimize(counted, theta, max_iter=30)
        theta = record.end
        if record.converged:
            break
        theta = _off_saddle(_Counted(fine, bar), theta)
    if attempt >= FIXED or record.f_start - record.f_end > NEAR:
        hessian = _Counted(fine, bar).hessian(theta)
    return fine, record, hessian


def _search_with_some(
    fine: LocationScaleDeviance, some: slice, start: np.ndarray, bar: Progress
) -> np.ndarray:
    """Near to the maximum: of some clusters, then of all.

    Some of very many tell nearly as much as all, also of the curvature; but they may put a variance
    at zero where all do not.
    """
    at, theta = fine.p + fine.k, np.array(start, float)
    part, map_ = fine.rows.part(some), fine.map.part(some)
    _, first, hessian = _maximise(part, map_, start, fine.points, fine.reml, bar)
    inside = False
    if first.converged:
        theta[:at], effects = first.end[:at], first.end[at:]
        if isinstance(map_, CholeskyMap):
            # A variance of J clusters has an error of about 1 / root J, scaled units.
            inside = map_.least_sd(effects) > 2.0 * len(part.n) ** -0.25
            theta[at:] = effects if inside else map_.off_edges(effects, fine.J**-0.25)
    if inside:
        fine.settle(theta)
        counted = _Counted(fine, bar, hessian * fine.J / len(part.n))
        theta = minimize(counted, theta, max_iter=30, enough=NEAR).end
    else:
        # A gradient in proportion to its sampling error: Newton steps follow.
        theta = _bfgs(fine, theta, bar, GTOL * np.sqrt(fine.J), rounds=1)
    fine.settle(theta)
    return theta


def very_many(J: int) -> bool:
    """Whether there are so many clusters that some of them are enough to search with."""
    return J >= 2 * SAMPLE


def some_clusters(rows: Rows) -> slice:
    """Clusters to begin a search with: all, or every so many of very many if these can do."""
    J = len(rows.n)
    if not very_many(J):
        return slice(0, J)
    some = slice(0, J, J // SAMPLE)
    part = rows.part(some)
    # A rare category, for one, may be in none of them.
    can_do = all(
        np.linalg.matrix_rank(columns) == columns.shape[1]
        for columns in (part.X, part.Z, part.W, part.S)
    )
    return some if can_do else slice(0, J)


def _search(fine: LocationScaleDeviance, start: np.ndarray, bar: Progress) -> np.ndarray:
    """Near to the maximum: on few quadrature points, then on all."""
    few = min(fine.points, SEARCH_POINTS[fine.map.r])
    coarse = LocationScaleDeviance(fine.rows, fine.map, few, fine.reml, like=fine)
    theta = _bfgs(coarse, start, bar)
    if not fine.map.r:
        return theta
    # Near the maximum the curvature hardly depends on the number of points.
    curvature = _Counted(coarse, bar).hessian(theta)
    for _ in range(3):
        fine.settle(theta)
        record = minimize(_Counted(fine, bar, curvature), theta, max_iter=30)
        theta = record.end
        if record.f_start - record.f_end < SETTLED:
            break
    return theta


def _bfgs(
    deviance: LocationScaleDeviance,
    theta: np.ndarray,
    bar: Progress,
    gtol: float = GTOL,
    rounds: int = 4,
) -> np.ndarray:
    """Lower the deviance, and move the nodes along, until moving them makes no difference."""
    from scipy import optimize

    success = False
    for _ in range(rounds):
        if deviance.settle(theta) and success:
            break
        objective = _Counted(deviance, bar)
        end = optimize.minimize(
            objective.value_and_gradient,
            theta,
            jac=True,
            method="BFGS",
            options={"hess_inv0": _curvature(deviance, theta), "gtol": gtol, "maxiter": 200},
        )
        theta, success = end.x, end.success
        if objective.values[0] - end.fun < 1e-4:
            break
    return theta


def _off_saddle(deviance: _Counted, theta: np.ndarray) -> np.ndarray:
    """A lower point along the direction that curves down most, if there is one.

    A variance of zero is a saddle of the deviance where a small one is its minimum: the search
    gets there with a gradient of zero.
    """
    values, vectors = np.linalg.eigh(deviance.hessian(theta))
    if values[0] >= 0.0:
        return theta
    steps = np.outer((-0.1, -0.01, -0.001, 0.001, 0.01, 0.1), vectors[:, 0])
    points = [theta, *(theta + steps)]
    return min(points, key=lambda point: deviance.value_and_gradient(point)[0])


@dataclass
class _Counted:
    """A deviance that shows each evaluation; its second derivatives may be known already."""

    deviance: LocationScaleDeviance
    bar: Progress
    curvature: np.ndarray | None = None
    values: list[float] = field(default_factory=list)

    @remembered
    def _sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.bar.update()
        return self.deviance.sums(theta)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.deviance.value_and_gradient(theta, self._sums(theta))
        self.values.append(value)
        return value, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """As known, or differences of the exact gradient."""
        if self.curvature is not None:
            return self.curvature
        if self.deviance.reml or not very_many(self.deviance.J):
            H = central_differences(lambda at: self.value_and_gradient(at)[1], theta, STEP)
        else:
            scores, steps = self._sums(theta)[1], SMALL_STEP * np.eye(len(theta))
            H = np.array([self._change(theta, step, scores) for step in steps]) / SMALL_STEP
        return 0.5 * (H + H.T)

    def _change(self, theta: np.ndarray, step: np.ndarray, scores: np.ndarray) -> np.ndarray:
        self.bar.update()
        return self.deviance.change_in_turns(theta, step, scores)


def _curvature(deviance: LocationScaleDeviance, theta: np.ndarray) -> np.ndarray:
    """Inverse of the curvature that the outer products of the scores promise."""
    information = 2.0 * deviance.outer_products(theta)
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
    values, vectors = np.linalg.eigh(tau)
    tau = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    sd = _scale_sd(rows, resid, alpha)
    L = block_diag(sd * np.eye(cholesky.r), np.linalg.cholesky(tau))
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
