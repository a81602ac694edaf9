"""A ceiling and a floor of the test, in a world where all schools have the same spread.

Sixty schools of forty students: fixed draws, exactly standardised within each school, so that every
school has the same standard deviation before its scores are cut off. Where the limits cut, schools
look narrow.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

SCHOOLS, STUDENTS = 60, 40
SEED = 11
MEAN, TAU, SIGMA = 12.0, 4.0, 6.0
LOWEST, HIGHEST = -12, 36
#: So much narrower than the middle third are both others in an arch, in points.
ARCH = 0.3
BINS = np.arange(LOWEST - 2.0, HIGHEST + 3.0, 2.0)


def _true_scores() -> np.ndarray:
    """Scores before any limit, (60, 40): rows are schools in the order of their true means."""
    rng = np.random.default_rng(SEED)
    means = np.sort(rng.standard_normal(SCHOOLS))
    e = rng.standard_normal((SCHOOLS, STUDENTS))
    e -= e.mean(axis=1, keepdims=True)
    e /= e.std(axis=1, ddof=1, keepdims=True)
    return MEAN + TAU * (means - means.mean())[:, None] / means.std() + SIGMA * e


def cut_off(floor: float, ceiling: float) -> np.ndarray:
    """Scores as the test shows them, shape (60, 40)."""
    return np.clip(_true_scores(), floor, ceiling)


def correlation(scores: np.ndarray) -> float:
    """Correlation of the observed means and standard deviations of schools; 0 if all SDs agree."""
    sd = scores.std(axis=1, ddof=1)
    return 0.0 if np.ptp(sd) < 1e-9 else float(np.corrcoef(scores.mean(axis=1), sd)[0, 1])


def thirds(scores: np.ndarray) -> tuple[float, ...]:
    """Average standard deviation of the schools with low, middle and high means."""
    sd, third = scores.std(axis=1, ddof=1), SCHOOLS // 3
    return tuple(float(sd[k * third : (k + 1) * third].mean()) for k in range(3))


def draw(left, right, floor: float, ceiling: float) -> Drawn:
    """Draw the schools' standard deviations against their means, and all scores."""
    scores = cut_off(floor, ceiling)
    left.plot(scores.mean(axis=1), scores.std(axis=1, ddof=1), "o", ms=5, color=PALETTE["blue"])
    left.axhline(SIGMA, color="black", lw=1, ls="--")
    share = np.full(scores.size, 100.0 / scores.size)
    right.hist(scores.ravel(), BINS, weights=share, color=PALETTE["sky"])
    for limit in (floor, ceiling):
        right.axvline(limit, color=PALETTE["vermillion"], lw=2)
    right.set(xlim=(BINS[0], BINS[-1]))
    lowest, middle, highest = thirds(scores)
    return middle - max(lowest, highest) >= ARCH, dict(
        lowest=lowest, middle=middle, highest=highest, r=signed(correlation(scores)),
        low=(scores <= floor).mean(), high=(scores >= ceiling).mean(), schools=SCHOOLS, sigma=SIGMA,
    )  # fmt: skip


WIDGET = LESSON.widget(draw)
