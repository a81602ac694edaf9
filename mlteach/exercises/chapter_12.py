"""Exercises of chapter 12, spurious precision: factors, a real standard error, and Monte Carlo.

sigma2_v is the variance of the clusters' own part of the log variance. A factor says how many times
too small the standard error of a fixed variance function is.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.location_scale.fit import fit_location_scale
from mlteach.published.spurious_precision import draw_schools, fit_models, true_schools
from mlteach.questions.design_effects import moulton_factor
from mlteach.study.study import run_study


def _factor(n: float, icc_x: float, sigma2_v: float, tails: bool = True) -> float:
    """True standard error over that of a fixed variance function."""
    within, total = np.exp(sigma2_v) - 1.0, 3.0 * np.exp(sigma2_v) - 1.0
    size = total / 2.0 if tails else 1.0
    return float(np.sqrt(size) * moulton_factor(n, icc_x, within / total))


# -------------------------------------------------------------------------- 12.1 a report corrected


N_PUPILS, SIGMA2_V, Z = 40, 0.1, 3.0


def _corrected(tails: bool = True, icc_x: float = 1.0) -> tuple[float, float]:
    """Factor, and the z statistic that is left."""
    factor = _factor(N_PUPILS, icc_x, SIGMA2_V, tails)
    return factor, Z / factor


# ----------------------------------------------------------------------- 12.2 an innocent predictor


def _innocent() -> float:
    return _factor(25, 0.0, 0.2)


# ------------------------------------------------------------------------------ 12.3 Catholic again


@cache
def _catholic(variance: str) -> tuple[float, float]:
    """Coefficient of catholic in the log variance function, and its standard error."""
    fit = fit_location_scale("math ~ catholic + (1 | school)", variance, load("hsb"))
    row = fit.log_variance.loc["catholic"]
    return float(row["estimate"]), float(row["se"])


def _ratio() -> float:
    return _catholic("~ catholic + (1 | school)")[1] / _catholic("~ catholic")[1]


# ------------------------------------------------------------------------------- 12.4 replications


def _replications(share: float, error: float = 0.005) -> float:
    return share * (1.0 - share) / error**2


# ------------------------------------------------------------------------------- 12.5 a world alike


@cache
def _coverage(sigma2_v: float, name: str = "w") -> float:
    """Coverage of a coefficient of Model A, 50 replications of seed 3."""
    study = run_study(
        partial(draw_schools, sigma2_v=sigma2_v), partial(fit_models, models="A"), 50, seed=3
    )
    return float(study.summary(true_schools(sigma2_v)).loc[("A", "log_variance", name), "coverage"])


EXERCISES = (
    Exercise(
        key="12.1",
        question="How many times too small is the SE, and what is left of z = 3?",
        answer=_corrected,
        tolerance=0.02,
        mistakes=(
            (
                lambda: _corrected(tails=False),
                "You have the Moulton factor. The squares also vary more than those of a normal "
                "distribution: the first of the two factors is missing.",
            ),
            (
                lambda: (_corrected()[0] ** 2, Z / _corrected()[0] ** 2),
                "That is the factor for the variance. The standard error is its square root.",
            ),
            (
                lambda: (_corrected()[0], Z * _corrected()[0]),
                "The factor is right. A larger standard error makes z smaller.",
            ),
            (
                lambda: _corrected(icc_x=0.0),
                "You took a predictor that is distributed alike in all schools. All pupils of a "
                "school share this one.",
            ),
        ),
        ask="How alike are two pupils of one school in this predictor?",
        hint="Two factors: heavier tails, and Moulton's with the intraclass correlation "
        "of the squares. Both depend on sigma2_v, one on n.",
        place="By how much? The Moulton factor again",
    ),
    Exercise(
        key="12.2",
        question="How many times too small is the SE of an x without differences between schools?",
        answer=_innocent,
        tolerance=0.005,
        mistakes=(
            (
                lambda: 1.0,
                "Clustering does no harm here, but the other factor, the heavier tails, stays.",
            ),
            (
                lambda: _innocent() ** 2,
                "That is the factor for the variance. The standard error is its square root.",
            ),
            (
                lambda: _factor(25, 0.2, 0.2),
                "That is the x of the chapter, with an intraclass correlation of .2.",
            ),
            (
                lambda: 1.0 / _innocent(),
                "The other way round: how many times the reported one is the true one?",
            ),
        ),
        ask="Which of the two factors is 1 here, and is the other?",
        hint="With an intraclass correlation of 0 the Moulton factor is 1. What is left?",
        place="By how much? The Moulton factor again",
    ),
    Exercise(
        key="12.3",
        question="By which factor does the SE of catholic grow with the schools' own variances?",
        answer=_ratio,
        tolerance=0.01,
        mistakes=(
            (
                lambda: 1.0 / _ratio(),
                "You divided the wrong way round: the smaller standard error is the spurious one.",
            ),
            (
                lambda: _ratio() ** 2,
                "That is the ratio of the squared standard errors.",
            ),
            (
                lambda: 100.0 * (_ratio() - 1.0),
                "Right, but in percent more. Give the factor.",
            ),
        ),
        ask="Which of the two fits lets schools differ in variance?",
        hint="Its standard error belongs on top. Both stand in the column se of fit.log_variance.",
        place="Which of two models?",
    ),
    Exercise(
        key="12.4",
        question="How many replications for a Monte Carlo error of half a point at 95% and at 71%?",
        answer=lambda: (_replications(0.95), _replications(0.71)),
        tolerance=2.0,
        mistakes=(
            (
                lambda: (_replications(0.95, 0.05), _replications(0.71, 0.05)),
                "Half a percentage point is 0.005, not 0.05.",
            ),
            (
                lambda: (0.95 * 0.05 / 0.005, 0.71 * 0.29 / 0.005),
                "The standard error is a root, so its square stands in the denominator.",
            ),
            (
                lambda: (_replications(0.71), _replications(0.95)),
                "Both numbers are right; 95% comes first.",
            ),
        ),
        ask="Which formula says how well a study knows a share?",
        hint="Set sqrt(c (1 - c) / R) equal to the error that you want, as a share, and "
        "solve for R.",
        place="Is the prediction right?",
    ),
    Exercise(
        key="12.5",
        question="What does Model A cover when schools do not differ in variance?",
        answer=lambda: _coverage(0.0),
        tolerance=0.005,
        mistakes=(
            (
                lambda: _coverage(0.2),
                "That is the coverage with sigma2_v = 0.2, the default. Ask for sigma2_v=0.",
            ),
            (
                lambda: _coverage(0.0, "x"),
                "That is the coefficient of x. Asked is w.",
            ),
            (
                lambda: 100.0 * _coverage(0.0),
                "Right, but in percent; a share lies between 0 and 1.",
            ),
        ),
        ask="What has to be the same in drawing, in fitting and in the true values?",
        hint="partial fixes a setting of a function. Fix sigma2_v where data are drawn "
        "and the model where they are fitted; ask summary for the same world.",
        place="Would more students help?",
    ),
)
