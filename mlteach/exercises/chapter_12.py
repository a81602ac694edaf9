"""Exercises of chapter 12, spurious precision: factors, a real standard error, and Monte Carlo.

sigma2_v is the variance of the clusters' own part of the log variance. A factor says how many times
too small the standard error of a fixed variance function is.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from mlteach.data.shipped import load
from mlteach.location_scale.fit import fit_location_scale
from mlteach.published.spurious_precision import draw_schools, fit_models, true_schools
from mlteach.questions.design_effects import moulton_factor
from mlteach.study.study import run_study

N_PUPILS, SIGMA2_V, Z = 40, 0.1, 3.0


def _factor(n: float, icc_x: float, sigma2_v: float, tails: bool = True) -> float:
    """True standard error over that of a fixed variance function."""
    within, total = np.exp(sigma2_v) - 1.0, 3.0 * np.exp(sigma2_v) - 1.0
    size = total / 2.0 if tails else 1.0
    return float(np.sqrt(size) * moulton_factor(n, icc_x, within / total))


def _corrected(tails: bool = True, icc_x: float = 1.0, power: int = 1) -> tuple[float, float]:
    """Factor, and the z statistic that is left."""
    factor = _factor(N_PUPILS, icc_x, SIGMA2_V, tails) ** power
    return factor, Z / factor


def _se(variance: str) -> float:
    """Standard error of the coefficient of catholic in the log variance function."""
    fit = fit_location_scale("math ~ catholic + (1 | school)", variance, load("hsb"))
    return float(fit.log_variance.loc["catholic", "se"])


def _ratio() -> float:
    return _se("~ catholic + (1 | school)") / _se("~ catholic")


def _replications(*shares: float, error: float = 0.005) -> tuple[float, ...]:
    return tuple(share * (1.0 - share) / error**2 for share in shares)


def _coverage(sigma2_v: float, name: str = "w") -> float:
    """Coverage of a coefficient of Model A, 50 replications of seed 3."""
    study = run_study(
        partial(draw_schools, sigma2_v=sigma2_v), partial(fit_models, models="A"), 50, seed=3
    )
    return float(study.summary(true_schools(sigma2_v)).loc[("A", "log_variance", name), "coverage"])


VALUES = {
    "12.1": {
        "right": _corrected,
        "moulton_alone": lambda: _corrected(tails=False),
        "variance": lambda: _corrected(power=2),
        "z_enlarged": lambda: (_corrected()[0], Z * _corrected()[0]),
        "alike_in_all_schools": lambda: _corrected(icc_x=0.0),
    },
    "12.2": {
        "right": lambda: _factor(25, 0.0, 0.2),
        "no_harm": lambda: 1.0,
        "x_of_the_chapter": lambda: _factor(25, 0.2, 0.2),
    },
    "12.3": {"right": _ratio},
    "12.4": {
        "right": lambda: _replications(0.95, 0.71),
        "five_points": lambda: _replications(0.95, 0.71, error=0.05),
        "without_square": lambda: (0.95 * 0.05 / 0.005, 0.71 * 0.29 / 0.005),
    },
    "12.5": {
        "right": lambda: _coverage(0.0),
        "default": lambda: _coverage(0.2),
        "x": lambda: _coverage(0.0, "x"),
    },
}
