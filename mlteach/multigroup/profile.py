"""Profile-likelihood intervals of the multigroup model.

A limit is where the deviance, minimised over all other parameters with one held fixed, has risen by
the chi-square quantile.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.crossing import crossing
from mlteach.core.distributions import normal_quantile
from mlteach.core.optim import minimize
from mlteach.multigroup.deviance import MultigroupDeviance
from mlteach.multigroup.estimates import MultigroupEstimates
from mlteach.multigroup.search import MultigroupFit


def profile_limits(fit: MultigroupEstimates, level: float) -> pd.DataFrame:
    """Profile limits of all parameters, in the units of the data.

    A parameter without a standard error has no limits (NaN).

    Returns
    -------
    DataFrame
        One row a parameter; columns lower, upper.
    """
    times, plus = fit.units
    se = fit.bse.to_numpy() / times
    limits = np.full((len(se), 2), np.nan)
    for k in np.flatnonzero(np.isfinite(se)):
        curve = _Curve(fit.fit, int(k))
        step = normal_quantile(level) * se[k]
        for side, stride in enumerate((-step, step)):
            limits[k, side] = crossing(
                curve, fit.fit.theta[k], stride, level, np.sign(stride) * np.inf
            )
    limits = limits * times[:, None] + plus[:, None]
    return pd.DataFrame(limits, index=fit.params.index, columns=["lower", "upper"])


class _Curve:
    """Deviance above its minimum with parameter k held at a value, all others at their best."""

    def __init__(self, fit: MultigroupFit, k: int) -> None:
        self.deviance, self.k, self.best = fit.deviance, k, fit.theta
        self.others = np.delete(np.arange(len(fit.theta)), k)
        self.minimum = fit.record.f_end
        # How the others move with the held one, to first order: a start next to the solution.
        self.drift = -np.linalg.solve(
            fit.hessian[np.ix_(self.others, self.others)], fit.hessian[self.others, k]
        )

    def __call__(self, value: float) -> float:
        start = self.best[self.others] + self.drift * (value - self.best[self.k])
        held = _Held(self.deviance, self.k, value)
        if not np.isfinite(held.value_and_gradient(start)[0]):
            start = self.best[self.others]
        if not np.isfinite(held.value_and_gradient(start)[0]):
            return np.inf
        return max(minimize(held, start).f_end - self.minimum, 0.0)


class _Held:
    """The deviance as a function of all parameters but one."""

    def __init__(self, deviance: MultigroupDeviance, k: int, value: float) -> None:
        self.deviance, self.k, self.held = deviance, k, value

    def _full(self, theta: np.ndarray) -> np.ndarray:
        return np.insert(theta, self.k, self.held)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.deviance.value_and_gradient(self._full(theta))
        return value, np.delete(gradient, self.k)

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        full = self.deviance.hessian(self._full(theta))
        return np.delete(np.delete(full, self.k, 0), self.k, 1)
