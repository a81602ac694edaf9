"""Persons and their clusters' means: two slopes in one cloud, and what an aggregator sees of them.

The draws are fixed and made exact. In these very points the persons of each cluster have the slope
``within``, the cluster means the slope ``between``, and the share ``icc_x`` of the variance of x,
which is 1, lies between clusters. So the slope of all persons is the mean of the two with weights
1 − icc_x and icc_x.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

CLUSTERS, MEMBERS = 8, 12
SEED = 1950
#: Variances of y around the two lines, between clusters and within them.
TAU2, SIGMA2 = 0.06, 0.25
PERSONS, MEANS = LESSON.options("view")
#: Persons stay inside at the steepest slopes.
X_LIMIT, Y_LIMIT = 2.7, 4.0


def unit_draws() -> tuple[np.ndarray, ...]:
    """Parts of x and of y: m and u (clusters,), d and e (clusters, members).

    All standardised; m and u are uncorrelated, d and e have mean zero and are uncorrelated in each
    cluster.
    """
    rng = np.random.default_rng(SEED)
    m = np.linspace(-1, 1, CLUSTERS)
    d = np.array([rng.permutation(np.linspace(-1, 1, MEMBERS)) for _ in range(CLUSTERS)])
    u, e = rng.standard_normal(CLUSTERS), rng.standard_normal((CLUSTERS, MEMBERS))
    return *_pair(m, u), *_pair(d, e)


def _pair(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardise two variables along their last axis, the second free of the first."""
    first, second = (v - v.mean(axis=-1, keepdims=True) for v in (first, second))
    first /= first.std(axis=-1, keepdims=True)
    second -= (first * second).mean(axis=-1, keepdims=True) * first
    return first, second / second.std(axis=-1, keepdims=True)


def points(within: float, between: float, icc_x: float) -> tuple[np.ndarray, ...]:
    """Two coordinates of the persons (clusters, members) and two of the means (clusters,)."""
    m, u, d, e = unit_draws()
    mean_x, own_x = icc_x**0.5 * m, (1 - icc_x) ** 0.5 * d
    mean_y = between * mean_x + TAU2**0.5 * u
    y = mean_y[:, None] + within * own_x + SIGMA2**0.5 * e
    return mean_x[:, None] + own_x, y, mean_x, mean_y


def draw(left, right, within: float, between: float, icc_x: float, view: str) -> Drawn:
    """Draw the cloud with its lines, beside the slopes."""
    x, y, mean_x, mean_y = points(within, between, icc_x)
    sees_all = view == PERSONS
    slopes = {"means": between, "all persons": None, "within": None}
    r = [_correlation(mean_x, mean_y), None, None]
    if sees_all:
        slopes |= {"all persons": icc_x * between + (1 - icc_x) * within, "within": within}
        r[1:] = _correlation(x, y), _correlation(x - mean_x[:, None], y - mean_y[:, None])
        left.plot(x.ravel(), y.ravel(), "o", ms=3.5, mew=0, color=PALETTE["sky"])
        ends = mean_x + (1 - icc_x) ** 0.5 * np.array([[-1.7], [1.7]])
        left.plot(ends, mean_y + within * (ends - mean_x), color=PALETTE["blue"], lw=2.4)
    left.plot(mean_x, mean_y, "o", ms=9, color=PALETTE["vermillion"])
    ends = np.array([-2.2, 2.2]) * icc_x**0.5
    left.plot(ends, between * ends, "--", color=PALETTE["vermillion"], lw=3)
    left.set(title=view.capitalize(), xlim=(-X_LIMIT, X_LIMIT), ylim=(-Y_LIMIT, Y_LIMIT))
    _draw_slopes(right, slopes)
    solved = sees_all and r[0] * r[1] < -0.001  # two decimals are shown
    rs = dict(zip(("of_means", "of_persons", "inside"), map(signed, r), strict=True))
    return solved, rs | {"seen": _seen(slopes, **rs)}


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _draw_slopes(ax, slopes: dict[str, float | None]) -> None:
    for k, (name, slope) in enumerate(slopes.items()):
        colour = PALETTE[("vermillion", "black", "blue")[k]]
        if slope is not None:
            ax.barh(-k, slope, height=0.42, color=colour)
            ax.plot([0, 0], [-k - 0.27, 0.27 - k], color=PALETTE["grey"], lw=1.5)
        ax.text(-1.65, 0.36 - k, f"{name}: {signed(slope)}", color=colour)
    ax.spines["left"].set_visible(False)


def _seen(slopes: dict[str, float | None], of_means: str, of_persons: str, inside: str) -> str:
    means, persons, within = map(signed, slopes.values())
    if slopes["within"] is None:
        return (
            f" of the means of {CLUSTERS} clusters, with their line: its slope is {means}, and "
            f"their correlation {of_means}. Nothing is to be seen of the persons."
        )
    return (
        f": {CLUSTERS} clusters of {MEMBERS} persons, each with its line, and their means. Right, "
        f"the slopes as bars: {means} for the means, {persons} for all persons, {within} for "
        f"persons of the same cluster. The means correlate {of_means}, all persons {of_persons}, "
        f"persons of the same cluster {inside}."
    )


WIDGET = LESSON.widget(draw)
