"""Exercises of chapter 16, a simulation study: Monte Carlo errors, negative estimates, planning.

The relative error of a variance between clusters is in percent of its true value; r is the variance
within clusters over that between.
"""

from __future__ import annotations

import numpy as np

from mlteach.published.wf_simulation import stored_run

RMSE, WANTED = 20.0, 0.25
PUBLISHED_RMSE, PUBLISHED_BIAS = 95.41, 7.85
ERROR, ICC, MEMBERS = 0.2, 0.05, 10
PERSONS, ICC_5 = 2000, 0.1


def _bracket(r: float, n: float) -> float:
    """What multiplies 2/g in the relative variance of a variance between clusters."""
    return 1.0 + 2.0 * r / n + r**2 / (n * (n - 1.0))


def _replications(wanted: float = WANTED) -> float:
    return RMSE**2 / (2.0 * wanted**2)


def _negative(parameter: str = "x1~~x2") -> float:
    """Share of negative estimates in condition 1."""
    rows = stored_run().estimates.loc[1].xs(f"between.{parameter}", level="parameter")
    return float((rows["estimate"] < 0).mean())


def _clusters(error: float = ERROR) -> float:
    return 2.0 / error**2 * _bracket((1.0 - ICC) / ICC, MEMBERS)


def _plan(n: float = 1.0 / ICC_5) -> tuple[float, float]:
    bracket = _bracket((1.0 - ICC_5) / ICC_5, n)
    return n, float(100.0 * np.sqrt(2.0 * n / PERSONS * bracket))


VALUES = {
    "16.1": {
        "right": _replications,
        "share": lambda: _replications(0.0025),
        "not_squared": lambda: RMSE / (2.0 * WANTED),
    },
    "16.2": {"right": lambda: (PUBLISHED_BIAS / PUBLISHED_RMSE) ** 2},
    "16.3": {"right": _negative, "variance": lambda: _negative("x1~~x1")},
    "16.4": {
        "right": _clusters,
        "without_bracket": lambda: 2.0 / ERROR**2,
        "not_squared": lambda: _clusters(error=np.sqrt(ERROR)),
        "r_of_1_over_icc": lambda: 2.0 / ERROR**2 * (1.0 + 2.0 / ICC / 10 + 1.0 / ICC**2 / 90.0),
    },
    "16.5": {
        "right": _plan,
        "r": lambda: _plan((1.0 - ICC_5) / ICC_5),
        "share": lambda: (_plan()[0], _plan()[1] / 100.0),
        "variance": lambda: (_plan()[0], _plan()[1] ** 2 / 100.0),
    },
}
