"""A ceiling and a floor of the test, in a world where all schools have the same spread.

Sixty schools of forty students: fixed draws, exactly standardised within each school, so that every
school has the same standard deviation before its scores are cut off. Where the limits cut, schools
look narrow.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure

SCHOOLS, STUDENTS = 60, 40
SEED = 11
MEAN, TAU, SIGMA = 12.0, 4.0, 6.0
LOWEST, HIGHEST = -12, 36
FLOORS, CEILINGS = tuple(range(LOWEST, 11, 2)), tuple(range(14, HIGHEST + 1, 2))
#: So much narrower than the middle third are both others in an arch, in points.
ARCH = 0.3
BINS = np.arange(LOWEST - 2.0, HIGHEST + 3.0, 2.0)


@cache
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


def draw(floor: float, ceiling: float) -> Panel:
    """Draw the schools' standard deviations against their means, and all scores."""
    scores = cut_off(floor, ceiling)
    r = correlation(scores)
    low, high = (scores <= floor).mean(), (scores >= ceiling).mean()

    shown, (left, right) = figure((1.3, 1))
    left.plot(scores.mean(axis=1), scores.std(axis=1, ddof=1), "o", ms=5, color=PALETTE["blue"])
    left.axhline(SIGMA, color="black", lw=1, ls="--")
    left.set(title="Each school", xlabel="mean of the school (points)", ylabel="SD (points)")
    left.set(xlim=(0, 24), xticks=[0, 10, 20], ylim=(0, 7), yticks=[0, 2, 4, 6])
    share = np.full(scores.size, 100.0 / scores.size)
    right.hist(scores.ravel(), BINS, weights=share, color=PALETTE["sky"])
    for limit in (floor, ceiling):
        right.axvline(limit, color=PALETTE["vermillion"], lw=2)
    right.set(title="All students", xlabel="score (points)", ylabel="students (%)")
    right.set(xlim=(BINS[0], BINS[-1]), xticks=[0, 10, 20, 30], ylim=(0, 50), yticks=[0, 25, 50])
    readouts = {
        "correlation of mean and SD": f"{r:.2f}".replace("-", "−"),
        "students at the ceiling": f"{high:.0%}",
        "students at the floor": f"{low:.0%}",
    }
    lowest, middle, highest = thirds(scores)
    solved = middle - max(lowest, highest) >= ARCH
    return Panel(shown, readouts, _description(scores, readouts, floor, ceiling), solved)


def _description(scores, readouts: dict[str, str], floor: float, ceiling: float) -> str:
    lowest, middle, highest = thirds(scores)
    r, high, low = readouts.values()
    return (
        f"Left, the standard deviation of each of {SCHOOLS} schools against its mean; before the "
        f"limits all are {SIGMA:.0f} points. On average they are {lowest:.1f} in the third of "
        f"schools with the lowest means, {middle:.1f} in the middle and {highest:.1f} in the "
        f"highest third; the correlation is {r}. Right, the scores of all students between the "
        f"floor at {floor:.0f} and the ceiling at {ceiling:.0f} points, with {low} of the students "
        f"at the floor and {high} at the ceiling."
    )


WIDGET = Widget(
    name="ceiling",
    title="A test that ends too soon",
    question=(
        "All schools have the same spread, 6 points. Lower the ceiling: which schools look "
        "narrow, and what sign does the correlation get? Then raise the floor instead. When do "
        "the schools form an arch, although none of them differs in spread?"
    ),
    controls=(
        Slider("floor", "floor of the test", LOWEST, 10, 1, LOWEST, "points", grid=FLOORS),
        Slider("ceiling", "ceiling of the test", 14, HIGHEST, 1, HIGHEST, "points", grid=CEILINGS),
    ),
    draw=draw,
    chapter=11,
    answer=(
        "An arch: where both limits cut, the schools at both ends look narrow, and those in the "
        "middle keep most of their spread."
    ),
)
