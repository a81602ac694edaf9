"""Profile-likelihood intervals of the mixed model, by root finding.

The limit of an interval for a quantity g is where the deviance, minimised over everything else
with g held fixed, has risen by the chi-square quantile. Each limit is found by a bracketed root
search on that curve itself, not on a spline through it. The criterion is the one of the fit: a REML
fit is profiled under REML, except for coefficients, which need ML (restricted likelihoods of models
with different X cannot be compared).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import optimize

from mlteach.core.crossing import both_crossings
from mlteach.core.linalg import ThetaMap, block_pattern
from mlteach.core.moments import ClusterMoments
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.search import global_minimum, off_boundary


def coefficient_limits(
    moments: ClusterMoments, theta_map: ThetaMap, c: np.ndarray, se: float, level: float
) -> tuple[float, float]:
    """Profile limits (ML) of one linear combination ``c' beta`` in scaled units.

    Parameters
    ----------
    moments : ClusterMoments
    theta_map : ThetaMap
    c : ndarray, shape (p,)
    se : float
        Its standard error, for the size of the first stride.
    level : float
    """
    full = ProfiledDeviance(moments, theta_map, reml=False)
    record = global_minimum(full)
    best = float(c @ full.state(record.end).beta)

    def curve(value: float) -> float:
        fixed = ProfiledDeviance(_with_fixed(moments, c, value), theta_map, reml=False)
        return global_minimum(fixed).f_end - record.f_end

    return both_crossings(curve, best, se, level)


def _with_fixed(moments: ClusterMoments, c: np.ndarray, value: float) -> ClusterMoments:
    """Moments of the model in which ``c' beta = value``: one column less, the outcome shifted."""
    p = moments.p
    along = c / (c @ c)
    basis = np.linalg.svd(c[None])[2][1:].T
    M = np.zeros((p + 1, p))
    M[:p, : p - 1] = basis
    M[:p, p - 1] = -value * along
    M[p, p - 1] = 1.0
    return replace(moments, B=moments.B @ M, E=M.T @ moments.E @ M)


def variance_limits(
    problem: ProfiledDeviance, theta: np.ndarray, widths: np.ndarray, level: float
) -> np.ndarray:
    """Profile limits of standard deviations, correlations and the residual SD.

    Everything is in the units of ``problem`` (the caller chooses a scaling under which standard
    deviations only have to be multiplied back).

    Parameters
    ----------
    problem : ProfiledDeviance
    theta : ndarray, shape (m,)
        The estimate.
    widths : ndarray, shape (m + 1,)
        Standard errors, for the size of the first stride; NaN where there is none.
    level : float

    Returns
    -------
    ndarray, shape (m + 1, 2)
        In the order of the free elements of Tau, sigma last; NaN for a correlation that is not
        defined.
    """
    state, map_ = problem.state(theta), problem.map
    sigma, tau = float(np.sqrt(state.sigma2)), state.sigma2 * state.Psi
    places = zip(map_.rows, map_.cols, strict=True)
    held = [[row] if row == col else [col, row] for row, col in places] + [[]]
    limits = np.full((len(held), 2), np.nan)
    for k, best in enumerate([*map_.sds(tau), sigma]):
        is_correlation, width = len(held[k]) == 2, widths[k]
        if np.isnan(best):
            continue
        if not (np.isfinite(width) and width > 0):
            width = 0.1 if is_correlation else 0.25 * max(best, 0.1 * sigma)
        bounds = (-1.0, 1.0) if is_correlation else (0.0, np.inf)
        curve = _Profile(problem, tau, sigma, held[k])
        limits[k] = both_crossings(curve, best, width, level, bounds)
    return limits


class _Profile:
    """Profile of the deviance f(Tau, sigma2), above its minimum, over one quantity that is held.

    Tau is L L' with the effects reordered so that those held come first. BFGS with the exact
    gradient minimises over x, the free elements of L by rows and log sigma, starting from the
    solution next to it. With one effect held its SD is L[0, 0]; with two their correlation r is the
    direction of row 1 of L, of which only the length L[1, 1] / sqrt(1 - r^2) stays free; with none
    sigma is held. The place in x of what is held never moves: its derivative is zero.
    """

    def __init__(
        self, problem: ProfiledDeviance, tau: np.ndarray, sigma: float, held: list[int]
    ) -> None:
        self.problem, self.map, self.held = problem, problem.map, held
        order = [*held, *(k for k in range(self.map.q) if k not in held)]
        self.ordered = np.ix_(order, order)
        self.free = np.tril(block_pattern(self.map.blocks)[self.ordered])
        self.place = len(held) - 1  # the last is log sigma, the first L[0, 0] and the next L[1, 0]
        self.minimum = self._deviance(tau, sigma)[0]
        self.x = self._packed(tau, sigma)

    def __call__(self, value: float) -> float:
        start = self.x
        for _ in range(self.map.q + 1):
            run = optimize.minimize(self._objective, start, (value,), jac=True, method="BFGS")
            tau, sigma, _ = self._unpacked(run.x, value)
            better = self._escape(tau, sigma)
            if better is None:
                break
            start = self._packed(better, sigma)
        self.x = run.x
        return max(run.fun - self.minimum, 0.0)

    def _objective(self, x: np.ndarray, value: float) -> tuple[float, np.ndarray]:
        tau, sigma, L = self._unpacked(x, value)
        f, by_tau, by_log_sigma = self._deviance(tau, sigma)
        by_L = 2.0 * by_tau[self.ordered] @ L
        if len(self.held) == 2:
            by_length = value * by_L[1, 0] + np.sqrt(1.0 - value**2) * by_L[1, 1]
            by_L[0, 0], by_L[1, 1] = np.sign(x[0]) * by_L[0, 0], np.sign(x[2]) * by_length
        by_x = np.append(by_L[self.free], by_log_sigma)
        by_x[self.place] = 0.0
        return f, by_x

    def _deviance(self, tau: np.ndarray, sigma: float) -> tuple[float, np.ndarray, float]:
        """Deviance with only beta profiled out; its derivatives by Tau and by log sigma."""
        problem, sigma2 = self.problem, sigma**2
        state = problem.state(self.map.theta_from_psi(tau / sigma2))
        rss, nu = state.rss, problem.nu
        value = state.value - nu * (1.0 + np.log(rss / nu)) + nu * np.log(sigma2) + rss / sigma2
        by_psi = state.by_psi + (nu / rss - 1.0 / sigma2) * (state.t.T @ state.t)
        by_log_sigma = 2.0 * (nu - rss / sigma2 - np.sum(by_psi * tau) / sigma2)
        return value, by_psi / sigma2, by_log_sigma

    def _escape(self, tau: np.ndarray, sigma: float) -> np.ndarray | None:
        """A better Tau where the search stands at an effect without variance; None if none is.

        The effects that are held keep their variances and covariances.
        """
        value, by_tau, _ = self._deviance(tau, sigma)
        size = self.problem.state(self.map.theta_from_psi(tau / sigma**2)).P.sum(axis=0)
        free = [[k for k in block if k not in self.held] for block in self.map.blocks]
        found = off_boundary(
            lambda psi: self._deviance(sigma**2 * psi, sigma)[0],
            tau / sigma**2, sigma**2 * by_tau, size, [b for b in free if b], value,
        )  # fmt: skip
        return None if found is None else sigma**2 * found

    def _packed(self, tau: np.ndarray, sigma: float) -> np.ndarray:
        tau = tau[self.ordered]
        floor = np.diag(np.maximum(np.diag(tau), 1e-4 * sigma**2) * 1e-8)
        L = np.linalg.cholesky(tau + floor)
        if len(self.held) == 2:
            L[1, 1] = np.hypot(L[1, 0], L[1, 1])
        return np.append(L[self.free], np.log(sigma))

    def _unpacked(self, x: np.ndarray, value: float) -> tuple[np.ndarray, float, np.ndarray]:
        """Tau, sigma and L at x, with the quantity at its value."""
        L, sigma = np.zeros(self.free.shape), float(np.exp(x[-1]))
        L[self.free] = x[:-1]
        if not self.held:
            sigma = value
        elif len(self.held) == 1:
            L[0, 0] = value
        else:
            # Correlation, not sign: the SDs in the corner count as positive.
            L[0, 0], length = abs(L[0, 0]), abs(L[1, 1])
            L[1, 0], L[1, 1] = value * length, np.sqrt(1.0 - value**2) * length
        tau = np.empty_like(L)
        tau[self.ordered] = L @ L.T
        return tau, sigma, L
