"""Path diagrams: circles for what is latent, boxes for columns, two heads for (co)variances."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from mlteach.diagrams.base import INK, write
from mlteach.diagrams.parameters import Parameters

# Units of the picture: half a box, radius of a circle, from one column to the next.
HALF, RADIUS, STEP, GAP = 0.34, 0.36, 1.0, 0.45
TOP, MIDDLE, BOTTOM = 2.3, 0.0, -2.3
FULL, PALE = 0.62, 0.26
OUTLINE = {"edgecolor": INK, "linewidth": 1.1, "zorder": 3}


def draw_paths(ax: Axes, parameters: Parameters, group: int = 0) -> None:
    """Draw the wide-format model of one group: factors above, a box for each column."""
    p, n = parameters.p, parameters.n
    columns = np.array([[i * (p * STEP + GAP) + k * STEP for k in range(p)] for i in range(n)])
    middle = columns.mean()
    factors = middle + (np.arange(p) - (p - 1) / 2) * max(1.6, 0.5 * np.ptp(columns))
    for k in range(p):
        for i in range(n):
            _arrow(ax, (factors[k], TOP - RADIUS), (columns[i, k], MIDDLE + HALF))
    _circles(ax, parameters, group, "between", factors, TOP)
    for i in range(n):
        _boxes(ax, parameters, columns[i], [f"{x}_{i + 1}" for x in parameters.variables])
        _variances(ax, parameters, group, "within", columns[i], MIDDLE - HALF, -1.0)
    _frame(ax, p, (columns.min() - 0.75, columns.max() + 0.75), MIDDLE, TOP)


def draw_two_levels(ax: Axes, parameters: Parameters) -> None:
    """Draw the long-format model: each variable the sum of a part between and a part within."""
    columns = np.arange(parameters.p) * 1.6
    for x in columns:
        _arrow(ax, (x, TOP - RADIUS), (x, MIDDLE + HALF))
        _arrow(ax, (x, BOTTOM + RADIUS), (x, MIDDLE - HALF))
    _boxes(ax, parameters, columns, parameters.variables)
    _circles(ax, parameters, 0, "between", columns, TOP)
    _circles(ax, parameters, 0, "within", columns, BOTTOM)
    for y, text in ((TOP, "between\nclusters"), (BOTTOM, "within\nclusters")):
        write(ax, columns[0] - 0.75, y, text, 9, ha="right")
    _frame(ax, parameters.p, (columns[0] - 2.3, columns[-1] + 0.75), BOTTOM, TOP)


def _circles(ax, parameters, group, level: str, xs, y: float) -> None:
    letter, share, side = {"between": ("u", PALE, 1.0), "within": ("e", FULL, -1.0)}[level]
    for k, x in enumerate(xs):
        fill = parameters.color(k, k, share)
        ax.add_patch(Circle((x, y), RADIUS, facecolor=fill, **OUTLINE))
        write(ax, x, y, f"${letter}$" if parameters.p == 1 else f"${letter}_{k + 1}$", 11, zorder=4)
    _variances(ax, parameters, group, level, xs, y + side * RADIUS, side)


def _boxes(ax, parameters, xs, names) -> None:
    size = 9 if max(map(len, names)) <= 5 else 7
    for k, (x, name) in enumerate(zip(xs, names, strict=True)):
        fill = parameters.color(k, k, PALE)
        corner = (x - HALF, MIDDLE - HALF)
        ax.add_patch(Rectangle(corner, 2 * HALF, 2 * HALF, facecolor=fill, **OUTLINE))
        write(ax, x, MIDDLE, name, size, zorder=4)


def _variances(ax, parameters, group, level: str, xs, y: float, side: float) -> None:
    """Loops for variances and arcs for covariances, on the side away from the boxes' arrows."""
    for k, x in enumerate(xs):
        _bend(ax, (x - 0.13, y), (x + 0.13, y), side * 2.1)
        text = f"${parameters.symbol(group, level, k, k)}$"
        write(ax, x, y + side * _height(0), text, 10)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    for a, b in combinations(range(len(xs)), 2):
        height, left, right = _height(b - a), xs[a] + 0.2, xs[b] - 0.2
        # A quadratic Bezier curve reaches half of the height of its control point.
        _bend(ax, (left, y), (right, y), 2.0 * side * height / (right - left))
        text = f"${parameters.symbol(group, level, a, b)}$"
        write(ax, (xs[a] + xs[b]) / 2, y + side * height, text, 10, bbox=box)


def _height(steps: int) -> float:
    """How far the arc of a covariance reaches beyond its circles; a variance's loop for 0 steps."""
    return 0.5 + 0.6 * steps if steps else 0.56


def _bend(ax, start, end, bend: float) -> None:
    """A curve with two heads; upwards for a positive bend, in shares of its width."""
    heads = {"arrowstyle": "<|-|>", "mutation_scale": 7, "linewidth": 1.0, "shrinkB": 0}
    _arrow(ax, start, end, connectionstyle=f"arc3,rad={-bend}", zorder=2, **heads)


def _arrow(ax, start, end, **look) -> None:
    usual = {"arrowstyle": "-|>", "mutation_scale": 9, "linewidth": 0.9, "shrinkB": 1, "zorder": 1}
    ax.add_patch(FancyArrowPatch(start, end, color=INK, shrinkA=0, **usual | look))


def _frame(ax, p: int, ends: tuple[float, float], low: float, high: float) -> None:
    """Limits that leave room for the highest arc below and above."""
    room = RADIUS + _height(p - 1) + 0.35
    ax.set(xlim=ends, ylim=(low - room, high + room), aspect="equal")
    ax.set_axis_off()
