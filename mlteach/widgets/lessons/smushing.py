"""One slope for two effects: what a random-intercept model makes of an unsplit predictor.

Clusters of n. ``icc_x`` is the share of the variance of x, which is 1, between clusters; ``icc_y``
that of the residual variance of y, which is 1 too. The smushed slope is
φ within + (1 − φ) between, each effect weighted by its information: the spread of its part of x
over the noise that it has to fight. The noise holds what one slope leaves unexplained of two
effects, so slope and variances are found together, by maximum likelihood for many clusters.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

#: Cluster means drawn, in SDs of x between clusters.
CLUSTERS = np.linspace(-1.6, 1.6, 6)
LIMIT = 2.7
#: Diameter of the circle of a weight of 1, in points.
LARGEST = 32
#: Weights among which the most likely one is looked for, and how often, ever closer.
WEIGHTS, TIMES = np.linspace(0, 1, 401), 3


def weight(within: float, between: float, icc_x: float, icc_y: float, n: int) -> float:
    """Weight φ of the within effect in the smushed slope of clusters of n."""
    phi, low, high = 0.5, 0.0, 1.0
    for _ in range(TIMES):
        tried = low + (high - low) * WEIGHTS
        sigma2, omega = _noise(tried, between - within, icc_x, icc_y, n)
        k = int(np.argmin((n - 1) * np.log(sigma2) + np.log(omega)))
        phi, low, high = tried[k], tried[max(k - 1, 0)], tried[min(k + 1, len(tried) - 1)]
    sigma2, omega = _noise(phi, between - within, icc_x, icc_y, n)
    in_clusters, of_means = _spread(icc_x, n)
    information = in_clusters / sigma2, of_means / omega
    return float(information[0] / sum(information))


def _spread(icc_x: float, n: int) -> tuple[float, float]:
    """Variance of x inside clusters and of observed cluster means; together 1."""
    return (1 - 1 / n) * (1 - icc_x), icc_x + (1 - icc_x) / n


def _noise(phi, gap: float, icc_x: float, icc_y: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Variance around the smushed line, σ² inside clusters and σ² + nτ² for n times their means."""
    _, of_means = _spread(icc_x, n)
    sigma2 = 1 - icc_y + (1 - icc_x) * ((1 - phi) * gap) ** 2
    omega = 1 - icc_y + n * icc_y + n * of_means * (phi * gap) ** 2
    # τ² is not negative: where the means scatter less than members alone would let them, both pool.
    pooled = ((n - 1) * sigma2 + omega) / n
    return np.where(omega < sigma2, pooled, sigma2), np.where(omega < sigma2, pooled, omega)


def draw(left, right, within: float, between: float, icc_x: float, n: int, icc_y: float) -> Drawn:
    """Draw the lines of both effects and the smushed one, beside the balance of the two."""
    phi = weight(within, between, icc_x, icc_y, n)
    smushed = phi * within + (1 - phi) * between
    _draw_lines(left, within, between, smushed, icc_x)
    _draw_balance(right, within, between, smushed, phi)
    slopes = {"within": within, "between": between, "smushed": smushed}
    numbers = {name: signed(slope) for name, slope in slopes.items()}
    return round(phi, 2) < 0.5, numbers | {"phi": phi, "rest": 1 - phi}


def _draw_lines(ax, within: float, between: float, smushed: float, icc_x: float) -> None:
    centres = icc_x**0.5 * CLUSTERS
    ends = centres + (1 - icc_x) ** 0.5 * np.array([[-1], [1]])
    lines = between * centres + within * (ends - centres)
    ax.plot(ends, lines, color=PALETTE["blue"], lw=2.4)
    ax.plot(centres, between * centres, "o", ms=8, color=PALETTE["vermillion"])
    x = np.array([-LIMIT, LIMIT])
    ax.plot(x, between * x, "--", color=PALETTE["vermillion"], lw=2.4)
    ax.plot(x, smushed * x, color=PALETTE["black"], lw=3.5)
    ax.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT))


def _draw_balance(ax, within: float, between: float, smushed: float, phi: float) -> None:
    ax.plot([within, between], [0, 0], color=PALETTE["grey"], lw=3.5)
    effects = (("within", within, phi, "blue"), ("between", between, 1 - phi, "vermillion"))
    for k, (name, slope, share, colour) in enumerate(effects):
        # Where both slopes are equal, the smaller circle lies on the larger one.
        size = {"ms": LARGEST * share**0.5, "zorder": 4 - share}
        ax.plot(slope, 0, "o", color=PALETTE[colour], **size)
        text = f"{name} {signed(slope)}, weight {share:.2f}"
        ax.text(-1.25, 0.92 - 0.22 * k, text, color=PALETTE[colour])
    ax.plot([smushed, smushed], [-0.2, 0], color=PALETTE["black"], lw=2.4, zorder=5)
    ax.plot(smushed, -0.28, "^", ms=18, color=PALETTE["black"])
    ax.text(-1.25, -0.72, f"smushed {signed(smushed)}", color=PALETTE["black"])
    ax.spines["left"].set_visible(False)


WIDGET = LESSON.widget(draw)
