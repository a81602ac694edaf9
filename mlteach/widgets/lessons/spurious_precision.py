"""Confidence intervals of a variance function that leaves out the schools' own variances.

Half of the schools have w = 0, half w = 1, and log Var(e_ij) = α₀ + α₁ w_j + v_j with
Var(v) = σ²_v. Model A has no v. Its estimate of α₁ is then the log ratio of two pooled variances,
log(SSW₁ / SSW₀), with the standard error √(2/df₁ + 2/df₀) that normal persons of equal variance
would have; school means cost a degree of freedom each. Sums of squares are drawn themselves, given
the school's variance as χ² with n − 1 degrees of freedom, so that a hundred studies take a moment.
The curves are the two factors of the chapter: heavier tails, times Moulton's for squares.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.distributions import normal_quantile, two_sided_t
from mlteach.core.palette import PALETTE
from mlteach.questions.design_effects import moulton_factor
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import draw_intervals

LESSON = Lesson.beside(__file__)

STUDIES, LEVEL = 100, 0.95
SEED = 12
SIZES = np.geomspace(2, 100, 25)
#: Shares of the predictor between schools, each with a colour.
PREDICTORS = {0.0: "green", 0.2: "orange", 1.0: "blue"}
LIMIT = 13.0


def too_small(n: float, icc_x: float, sigma2_v: float) -> float:
    """True standard error over that of Model A, in many schools of n."""
    variance = 3 * np.exp(sigma2_v) - 1
    icc_squares = (np.exp(sigma2_v) - 1) / variance
    return float((variance / 2) ** 0.5 * moulton_factor(n, icc_x, icc_squares))


def coverage(n: float, icc_x: float, sigma2_v: float) -> float:
    """Share of Model A's intervals that hold the truth."""
    z = normal_quantile(LEVEL) / too_small(n, icc_x, sigma2_v)
    return 1 - float(two_sided_t(z, np.inf))


@cache
def curves(sigma2_v: float) -> tuple[list[float], ...]:
    """Coverage at each size of the schools, for each kind of predictor."""
    return tuple([coverage(n, icc_x, sigma2_v) for n in SIZES] for icc_x in PREDICTORS)


@cache
def draws(schools: int, n: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal v and sums of squares of unit variance, shape (STUDIES, 2, schools / 2)."""
    rng = np.random.default_rng([SEED, schools, n, sample])
    shape = (STUDIES, 2, schools // 2)
    return rng.standard_normal(shape), rng.chisquare(n - 1, shape)


def standard_error(schools: int, n: int) -> float:
    """What Model A reports."""
    return (4 / (schools // 2 * (n - 1))) ** 0.5


def distances(schools: int, n: int, sigma2_v: float, sample: int) -> np.ndarray:
    """Estimate minus truth of each study, in standard errors of Model A, in increasing order."""
    v, squares = draws(schools, n, sample)
    pooled = (np.exp(sigma2_v**0.5 * v) * squares).sum(axis=2)
    return np.sort(np.log(pooled[:, 1] / pooled[:, 0]) / standard_error(schools, n))


def draw(left, right, sigma2_v: float, n: int, schools: int, sample: int) -> Drawn:
    """Draw the coverage that the formula promises, beside a hundred intervals."""
    z = distances(schools, n, sigma2_v, sample)
    held = np.abs(z) <= normal_quantile(LEVEL)
    _draw_coverage(left, n, sigma2_v)
    _draw_intervals(right, z, held)
    promised = f"{coverage(n, 1.0, sigma2_v):.0%}"
    return promised == f"{LEVEL:.0%}", dict(
        promised=promised, factor=too_small(n, 1.0, sigma2_v), found=held.mean(),
        se=standard_error(schools, n), studies=STUDIES,
    )  # fmt: skip


def _draw_coverage(ax, n: int, sigma2_v: float) -> None:
    ax.axhline(LEVEL, color=PALETTE["grey"], ls=":", lw=2)
    styles = zip(curves(sigma2_v), PREDICTORS.values(), (":", "--", "-"), strict=True)
    for values, colour, dash in styles:
        ax.plot(SIZES, values, dash, color=PALETTE[colour])
    ax.plot(n, coverage(n, 1.0, sigma2_v), "o", ms=10, color=PALETTE["blue"])
    names = ("ρₓ = 0", "ρₓ = 0.2", "ρₓ = 1: w")
    for k, (name, colour) in enumerate(zip(names, PREDICTORS.values(), strict=True)):
        ax.text(2.2, 0.2 - 0.075 * k, name, color=PALETTE[colour])


def _draw_intervals(ax, z: np.ndarray, held: np.ndarray) -> None:
    half = normal_quantile(LEVEL)
    # The rare ones that lie farther out stand at the edge.
    shown = np.clip(z, -LIMIT + half, LIMIT - half)
    draw_intervals(ax, shown - half, shown + half, held, 10.6)
    ax.set_ylim(-LIMIT, LIMIT)


WIDGET = LESSON.widget(draw)
