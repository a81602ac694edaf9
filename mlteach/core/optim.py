"""One optimiser, and the record it leaves.

An objective is any object with ``value_and_gradient(theta)`` and ``hessian(theta)``. Problems here
have few parameters and exact second derivatives, so each step is a Newton step on the Hessian with
its eigenvalues made positive, shortened until the deviance falls. The search ends when what a
further step could still gain is below what float64 can show; ``converged`` is that measured fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Protocol

import numpy as np

from mlteach.core.progress import Progress

# A maximum is reached when a Newton step could lower the deviance by no more than this: far below
# anything a test or an interval could show, and above rounding in a deviance of 1e6.
GAIN_TOLERANCE = 1e-7


def remembered(method: Callable) -> Callable:
    """Keep what a method said of the last theta: all that follows a search asks for it again."""
    name = f"_last_{method.__name__}"

    @wraps(method)
    def call(self, theta: np.ndarray):
        key = np.asarray(theta, float).tobytes()
        if getattr(self, name, (None,))[0] != key:
            setattr(self, name, (None,))  # a million clusters need the memory
            setattr(self, name, (key, method(self, theta)))
        return getattr(self, name)[1]

    return call


class Objective(Protocol):
    """What the optimiser asks of a deviance."""

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its first derivatives, shape (m,)."""
        ...

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (m, m)."""
        ...


@dataclass(frozen=True)
class Along:
    """An objective as a function of other parameters x: its own are ``origin + directions @ x``.

    ``bar``, if there is one, counts the evaluations.
    """

    objective: Objective
    directions: np.ndarray
    origin: np.ndarray | float = 0.0
    bar: Progress | None = None

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, and derivatives by x."""
        if self.bar is not None:
            self.bar.update()
        value, gradient = self.objective.value_and_gradient(self.origin + self.directions @ x)
        return value, self.directions.T @ gradient

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Second derivatives by x."""
        hessian = self.objective.hessian(self.origin + self.directions @ x)
        return self.directions.T @ hessian @ self.directions


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


def minimize(
    objective: Objective, start: np.ndarray, max_iter: int = 100, enough: float = 1e-30
) -> OptRecord:
    """Minimise an objective from one start value and say how it went.

    Parameters
    ----------
    objective : Objective
        Deviance with gradient and Hessian.
    start : ndarray, shape (m,)
        Where to begin.
    max_iter : int, default 100
        Newton steps allowed.
    enough : float
        No further step where it would gain less than this; by default all digits are wanted.

    Returns
    -------
    OptRecord
    """
    with Progress("fit, evaluations") as bar:
        found = _search(objective, start, max_iter, enough, bar)
    value, gradient, theta, gain, is_minimum, trace = found
    finite = bool(np.isfinite(value))
    converged = finite and gain <= GAIN_TOLERANCE and is_minimum
    status = (
        "converged: no step lowers the deviance"
        if converged
        else f"did not converge: a step could still lower the deviance by {gain:.2g}"
        if finite
        else "did not converge: the search ran off to where the deviance has no value"
    )
    return OptRecord(
        start=np.array(start, float),
        end=theta,
        f_start=trace[0][1],
        f_end=value,
        n_eval=len(trace),
        grad_norm=float(np.abs(gradient).max(initial=0.0)),
        gain=gain,
        converged=converged,
        status=status,
        trace=trace,
    )


def _search(
    objective: Objective, start: np.ndarray, max_iter: int, enough: float, bar: Progress
) -> tuple:
    """Newton steps until they gain nothing.

    Returns value, gradient and theta, what a step would gain, whether it is a minimum, all points.
    """
    trace: list[tuple[np.ndarray, float]] = []

    def logged(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective.value_and_gradient(theta)
        trace.append((theta, value))
        bar.update()
        return value, gradient

    theta = np.array(start, float)
    value, gradient = logged(theta)
    step, gain, is_minimum = _newton(objective.hessian(theta), gradient)
    final = False
    for _ in range(max_iter):
        # Below this gain the deviance is flat to rounding, but the gradient still sees: one Newton
        # step more, which doubles the correct digits, gives the last ones of the estimate.
        flat = gain <= 1e-15 * (1.0 + abs(value))
        if final or gain < enough:
            break
        final = flat
        moved = _descend(logged, theta, value, gradient, step, 1 if flat else 40)
        if moved is None:
            break
        theta, value, gradient = moved
        step, gain, is_minimum = _newton(objective.hessian(theta), gradient)
    return value, gradient, theta, gain, is_minimum, trace


def _descend(logged, theta, value, gradient, step, halvings):
    """Go along a step, halved until the deviance falls; None if it does not."""
    reach = 10.0 * max(1.0, float(np.linalg.norm(theta)))
    length = min(1.0, reach / float(np.linalg.norm(step)))
    rounding = 1e-14 * (1.0 + abs(value))
    for _ in range(halvings):
        candidate = theta + length * step
        new_value, new_gradient = logged(candidate)
        if new_value < value - rounding:
            return candidate, new_value, new_gradient
        # So close to the minimum that the deviance is flat to rounding, the gradient still sees.
        flat = new_value <= value + rounding
        if flat and np.abs(new_gradient).max() < 0.1 * np.abs(gradient).max():
            return candidate, new_value, new_gradient
        length *= 0.5
    return None


def _newton(hessian: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """Newton step on the Hessian with its eigenvalues made positive.

    Beside it the decrease that its quadratic model promises, and whether the curvature is that of
    a minimum.

    Directions without curvature (a random effect that is exactly zero) carry no gradient; a real
    gradient along one of them counts as not being at a minimum.
    """
    values, vectors = np.linalg.eigh(hessian)
    largest = max(1.0, float(np.abs(values).max()))
    along = vectors.T @ gradient
    positive = np.maximum(np.abs(values), 1e-10 * largest)
    step = -vectors @ (along / positive)
    gain = 0.5 * float(np.sum(along**2 / positive))
    return step, gain, bool(values[0] > -1e-7 * largest)
