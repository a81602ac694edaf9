"""One optimiser, and the record it leaves.

An objective is any object with ``value_and_gradient(theta)`` and ``hessian(theta)``. The search is
SciPy's exact trust-region Newton method; Newton steps then polish the answer until what a further
step could still gain is below what float64 can show. ``converged`` is that measured fact, not the
optimiser's opinion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy import optimize

# A maximum is reached when a Newton step could lower the deviance by no more than this: far below
# anything a test or an interval could show, and above rounding in a deviance of 1e6.
GAIN_TOLERANCE = 1e-7


class Objective(Protocol):
    """What the optimiser asks of a deviance."""

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]: ...

    def hessian(self, theta: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class OptRecord:
    """What happened between the start values and the estimate.

    Attributes
    ----------
    start, end : ndarray
        Parameters before and after.
    f_start, f_end : float
        Deviance before and after.
    n_eval : int
        Evaluations of the deviance.
    grad_norm : float
        Largest absolute element of the gradient at the end.
    gain : float
        How much a further Newton step would lower the deviance, by its own quadratic model.
    converged : bool
        Whether ``gain`` is negligible and the end is a minimum.
    status : str
        The same in words.
    trace : list of (ndarray, float)
        Every evaluation, in order.
    """

    start: np.ndarray
    end: np.ndarray
    f_start: float
    f_end: float
    n_eval: int
    grad_norm: float
    gain: float
    converged: bool
    status: str
    trace: list[tuple[np.ndarray, float]] = field(repr=False)


def minimize(objective: Objective, start: np.ndarray, max_iter: int = 200) -> OptRecord:
    """Minimise an objective from one start value and say how it went.

    Parameters
    ----------
    objective : Objective
        Deviance with gradient and Hessian.
    start : ndarray, shape (m,)
        Where to begin.
    max_iter : int, default 200
        Trust-region steps allowed.
    """
    trace: list[tuple[np.ndarray, float]] = []

    def logged(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective.value_and_gradient(theta)
        trace.append((theta.copy(), value))
        return value, gradient

    search = optimize.minimize(
        logged,
        start,
        jac=True,
        hess=objective.hessian,
        method="trust-exact",
        options={"gtol": 1e-5, "maxiter": max_iter},
    )
    end, value, gradient, gain, is_minimum = _polish(objective, logged, search.x)
    converged = bool(is_minimum and gain <= GAIN_TOLERANCE)
    status = (
        "converged: no step lowers the deviance"
        if converged
        else f"not converged: a Newton step would still lower the deviance by {gain:.2g}"
    )
    return OptRecord(
        start=np.asarray(start, float),
        end=end,
        f_start=trace[0][1],
        f_end=value,
        n_eval=len(trace),
        grad_norm=float(np.abs(gradient).max(initial=0.0)),
        gain=gain,
        converged=converged,
        status=status,
        trace=trace,
    )


def _polish(objective, logged, theta, steps: int = 4):
    """Newton steps on exact derivatives, each kept only if the gradient shrinks."""
    value, gradient = logged(theta)
    gain, is_minimum, step = _newton(objective, theta, gradient)
    for _ in range(steps):
        if gain <= 1e-14 * (1.0 + abs(value)) or not is_minimum:
            break
        new_value, new_gradient = logged(theta - step)
        worse = new_value > value + 1e-9 * (1.0 + abs(value))
        if worse or not np.abs(new_gradient).max() < np.abs(gradient).max():
            break
        theta, value, gradient = theta - step, new_value, new_gradient
        gain, is_minimum, step = _newton(objective, theta, gradient)
    return theta, value, gradient, gain, is_minimum


def _newton(objective, theta, gradient):
    """Newton step, the decrease it promises, and whether the curvature is that of a minimum.

    Directions without curvature (a random effect that is exactly zero) carry no gradient; they
    are left out, and a real gradient along one of them counts as not being at a minimum.
    """
    values, vectors = np.linalg.eigh(objective.hessian(theta))
    scale = max(1.0, float(np.abs(values).max(initial=0.0)))
    along = vectors.T @ gradient
    curved = values > 1e-10 * scale
    step = vectors[:, curved] @ (along[curved] / values[curved])
    gain = 0.5 * float(np.sum(along[curved] ** 2 / values[curved]))
    flat_is_flat = bool(np.all(np.abs(along[~curved]) < 1e-7 * scale))
    return gain, bool(values.min(initial=0.0) > -1e-7 * scale) and flat_is_flat, step
