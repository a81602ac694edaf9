"""Profile-likelihood intervals of the mixed model, by root finding.

The limit of an interval for a quantity g is where the deviance, minimised over everything else
with g held fixed, has risen by the chi-square quantile. Each limit is found by a bracketed root
search on that curve itself, not on a spline through it. The criterion is the one of the fit: a REML
fit is profiled under REML, except for coefficients, which need ML (restricted likelihoods of models
with different X cannot be compared).
"""

from __future__ import annotations

from collections.abc import Callable
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
    problem: ProfiledDeviance, theta: np.ndarray, sd_se: dict, level: float
) -> dict[tuple[str, int, int], tuple[float, float]]:
    """Profile limits of standard deviations, correlations and the residual SD.

    Everything is in the units of ``problem`` (the caller chooses a scaling under which standard
    deviations only have to be multiplied back).

    Returns
    -------
    dict
        Keys ``("sd", k, k)``, ``("corr", row, col)`` and ``("residual", -1, -1)``.
    """
    curve_of = _VarianceCurves(problem, theta)
    limits = {}
    for key, best in curve_of.best.items():
        kind = key[0]
        bounds = (-1.0, 1.0) if kind == "corr" else (0.0, np.inf)
        width = sd_se.get(key, np.nan)
        if not np.isfinite(width) or width <= 0:
            width = 0.1 if kind == "corr" else 0.25 * max(best, 0.1 * curve_of.sigma)
        limits[key] = both_crossings(curve_of(key), best, width, level, bounds)
    return limits


class _VarianceCurves:
    """Profiles of the deviance f(Tau, sigma2) over one standard deviation or correlation.

    Tau is L L' with the effects reordered so that the quantity of interest sits in the corner of
    L; it is held there while BFGS with the exact gradient minimises over the other elements of L
    and log sigma, starting from the solution next to it.
    """

    def __init__(self, problem: ProfiledDeviance, theta: np.ndarray) -> None:
        self.problem, self.map = problem, problem.map
        state = problem.state(theta)
        self.sigma = float(np.sqrt(state.sigma2))
        self.tau = state.sigma2 * state.Psi
        self.minimum = self._deviance(self.tau, self.sigma)[0]
        places = zip(self.map.rows, self.map.cols, self.map.sds(self.tau), strict=True)
        self.best = {
            ("sd" if row == col else "corr", int(row), int(col)): float(value)
            for row, col, value in places
            if np.isfinite(value)
        } | {("residual", -1, -1): self.sigma}

    def _deviance(self, tau: np.ndarray, sigma: float):
        """Deviance with only beta profiled out; its derivatives by Tau and by log sigma."""
        problem, sigma2 = self.problem, sigma**2
        state = problem.state(self.map.theta_from_psi(tau / sigma2))
        rss, nu = state.rss, problem.nu
        value = state.value - nu * (1.0 + np.log(rss / nu)) + nu * np.log(sigma2) + rss / sigma2
        by_psi = state.by_psi + (nu / rss - 1.0 / sigma2) * (state.t.T @ state.t)
        by_log_sigma = 2.0 * (nu - rss / sigma2 - np.sum(by_psi * tau) / sigma2)
        return value, by_psi / sigma2, by_log_sigma

    def _escape(self, tau: np.ndarray, sigma: float, held: list[int]) -> np.ndarray | None:
        """A better Tau where the search stands at an effect without variance; None if none is.

        The effects that are held keep their variances and covariances.
        """
        value, by_tau, _ = self._deviance(tau, sigma)
        size = self.problem.state(self.map.theta_from_psi(tau / sigma**2)).P.sum(axis=0)
        free = [[k for k in block if k not in held] for block in self.map.blocks]
        found = off_boundary(
            lambda psi: self._deviance(sigma**2 * psi, sigma)[0],
            tau / sigma**2, sigma**2 * by_tau, size, [b for b in free if b], value,
        )  # fmt: skip
        return None if found is None else sigma**2 * found

    def __call__(self, key: tuple[str, int, int]) -> Callable[[float], float]:
        """Profile above its minimum for one quantity."""
        kind, row, col = key
        ahead = [] if kind == "residual" else list(dict.fromkeys([col, row]))
        order = [*ahead, *(k for k in range(self.map.q) if k not in ahead)]
        free = np.tril(block_pattern(self.map.blocks)[np.ix_(order, order)])
        corner = _Corner(kind, free, order)
        warm = {"x": corner.pack(self.tau, self.sigma)}

        def matrix(x: np.ndarray, value: float) -> tuple[np.ndarray, float, np.ndarray]:
            L, sigma = corner.unpack(x, value)
            tau = np.empty_like(L)
            tau[np.ix_(order, order)] = L @ L.T
            return tau, sigma, L

        def curve(value: float) -> float:
            def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
                tau, sigma, L = matrix(x, value)
                f, by_tau, by_log_sigma = self._deviance(tau, sigma)
                by_L = 2.0 * by_tau[np.ix_(order, order)] @ L
                return f, corner.gradient(x, value, by_L, by_log_sigma)

            run = optimize.minimize(objective, warm["x"], jac=True, method="BFGS")
            for _ in range(len(order)):
                tau, sigma, _ = matrix(run.x, value)
                better = self._escape(tau, sigma, ahead)
                if better is None:
                    break
                start = corner.pack(better, sigma)
                run = optimize.minimize(objective, start, jac=True, method="BFGS")
            warm["x"] = run.x
            return max(run.fun - self.minimum, 0.0)

        return curve


class _Corner:
    """The free elements of (L, log sigma) when one quantity in the corner of L is held.

    ``kind`` says what is held: "sd" fixes L[0, 0]; "corr" fixes the direction of row 1 of L, of
    which only the length L[1, 1] / sqrt(1 - r^2) stays free; "residual" fixes sigma.
    """

    def __init__(self, kind: str, free: np.ndarray, order: list[int]) -> None:
        self.kind, self.order = kind, order
        self.free = free.copy()
        if kind == "sd":
            self.free[0, 0] = False
        if kind == "corr":
            self.free[1, 0] = False

    def pack(self, tau: np.ndarray, sigma: float) -> np.ndarray:
        tau = tau[np.ix_(self.order, self.order)]
        floor = np.diag(np.maximum(np.diag(tau), 1e-4 * sigma**2) * 1e-8)
        L = np.linalg.cholesky(tau + floor)
        if self.kind == "corr":
            L[1, 1] = np.hypot(L[1, 0], L[1, 1])
        x = L[self.free]
        return x if self.kind == "residual" else np.append(x, np.log(sigma))

    def unpack(self, x: np.ndarray, value: float) -> tuple[np.ndarray, float]:
        L = np.zeros(self.free.shape)
        sigma = value if self.kind == "residual" else float(np.exp(x[-1]))
        L[self.free] = x if self.kind == "residual" else x[:-1]
        if self.kind == "sd":
            L[0, 0] = value
        if self.kind == "corr":
            # Correlation, not sign: the SDs in the corner count as positive.
            L[0, 0], length = abs(L[0, 0]), abs(L[1, 1])
            L[1, 0], L[1, 1] = value * length, np.sqrt(1.0 - value**2) * length
        return L, sigma

    def gradient(self, x, value, by_L, by_log_sigma) -> np.ndarray:
        by_L = by_L.copy()
        if self.kind == "corr":
            raw = np.zeros(self.free.shape)
            raw[self.free] = x[:-1]
            by_L[1, 1] = value * by_L[1, 0] + np.sqrt(1.0 - value**2) * by_L[1, 1]
            by_L[1, 1] *= np.sign(raw[1, 1])
            by_L[0, :1] *= np.sign(raw[0, 0])
        by_x = by_L[self.free]
        return by_x if self.kind == "residual" else np.append(by_x, by_log_sigma)
