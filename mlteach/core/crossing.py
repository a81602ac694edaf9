"""Where a profile of the deviance crosses a level: the ends of a profile interval."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import optimize

from mlteach.core.distributions import chi2_quantile, normal_quantile
from mlteach.core.progress import Progress

# Where a limit is searched before it is declared infinite: this many times the distance that a
# quadratic deviance would need.
REACH = 12


def crossing(
    curve: Callable[[float], float], best: float, step: float, level: float, bound: float
) -> float:
    """Find where a profile rises by the chi-square quantile, going from ``best`` along ``step``.

    Parameters
    ----------
    curve : callable
        Profile deviance above its minimum.
    best : float
        Where the curve is zero.
    step : float
        First stride; its sign is the direction.
    level : float
        Confidence level.
    bound : float
        End of the parameter space in that direction (may be infinite).

    Returns
    -------
    float
        The limit, or ``bound`` if the curve never rises so far.
    """
    with Progress("profile, a limit") as bar:
        # A search from another start may differ in the last digits: one value a point, so that
        # the bracket found here is still a bracket for the root search.
        @cache
        def above(value: float) -> float:
            bar.update()
            return curve(value) - chi2_quantile(level, 1)

        inner, outer = best, best + step
        for _ in range(REACH):
            outer = min(outer, bound) if step > 0 else max(outer, bound)
            if above(outer) >= 0.0:
                root = optimize.brentq(above, inner, outer, xtol=abs(step) * 1e-8, rtol=1e-10)
                return float(root)
            if outer == bound:
                break
            inner, outer = outer, outer + 2.0 * (outer - best)
    return float(bound)


def both_crossings(
    curve: Callable[[float], float],
    best: float,
    se: float,
    level: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """Both ends of a profile interval; an estimate on a bound has the bound for its end.

    ``se`` is the standard error of the estimate, which says how far a first stride goes.
    """
    low, high = bounds
    stride = se * normal_quantile(level)
    lower = low if best <= low else crossing(curve, best, -stride, level, low)
    return lower, high if best >= high else crossing(curve, best, stride, level, high)
