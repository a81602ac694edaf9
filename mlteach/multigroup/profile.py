"""Profile-likelihood intervals of the multigroup model.

A limit is where the deviance, minimised over all other parameters with one held fixed, has risen by
the chi-square quantile.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlteach.core.crossing import both_crossings
from mlteach.core.optim import Along, minimize
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
        limits[k] = both_crossings(_curve(fit.fit, int(k)), fit.fit.theta[k], se[k], level)
    limits = limits * times[:, None] + plus[:, None]
    return pd.DataFrame(limits, index=fit.params.index, columns=["lower", "upper"])


def _curve(fit: MultigroupFit, k: int) -> Callable[[float], float]:
    """Deviance above its minimum with parameter k held at a value, all others at their best."""
    identity = np.eye(len(fit.theta))
    others = np.delete(identity, k, axis=1)
    best, across = others.T @ fit.theta, others.T @ fit.hessian
    # How the others move with the held one, to first order: a start next to the solution.
    drift = -np.linalg.solve(across @ others, across[:, k])

    def curve(value: float) -> float:
        deviance = Along(fit.deviance, others, value * identity[k])
        for start in (best + drift * (value - fit.theta[k]), best):
            if np.isfinite(deviance.value_and_gradient(start)[0]):
                return max(minimize(deviance, start).f_end - fit.record.f_end, 0.0)
        return np.inf

    return curve
