"""Path diagrams: circles for what is latent, boxes for columns, two heads for (co)variances."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from mlteach.diagrams.base import INK
from mlteach.diagrams.parameters import Parameters

# Units of the picture: half a box, radius of a circle, from one column to the next.
HALF, RADIUS, STEP, GAP = 0.34, 0.36, 1.0, 0.45
TOP, MIDDLE, BOTTOM = 2.3, 0.0, -2.3
FULL, PALE = 0.62, 0.26


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
    room = RADIUS + _height(p - 1) + 0.35
    _frame(ax, columns.min() - 0.75, columns.max() + 0.75, MIDDLE - room, TOP + room)


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
        ax.text(columns[0] - 0.75, y, text, ha="right", va="center", fontsize=9, color=INK)
    room = RADIUS + _height(parameters.p - 1) + 0.35
    _frame(ax, columns[0] - 2.3, columns[-1] + 0.75, BOTTOM - room, TOP + room)


def _circles(ax, parameters, group, level: str, xs, y: float) -> None:
    letter, share = {"between": ("u", PALE), "within": ("e", FULL)}[level]
    side = 1.0 if level == "between" else -1.0
    for k, x in enumerate(xs):
        fill = parameters.color(k, k, share)
        circle = Circle((x, y), RADIUS, facecolor=fill, edgecolor=INK, linewidth=1.1, zorder=3)
        ax.add_patch(circle)
        name = f"${letter}$" if parameters.p == 1 else f"${letter}_{k + 1}$"
        ax.text(x, y, name, ha="center", va="center", fontsize=11, color=INK, zorder=4)
    _variances(ax, parameters, group, level, xs, y + side * RADIUS, side)


def _boxes(ax, parameters, xs, names) -> None:
    size = 9 if max(map(len, names)) <= 5 else 7
    for k, (x, name) in enumerate(zip(xs, names, strict=True)):
        fill = parameters.color(k, k, PALE)
        box = Rectangle((x - HALF, MIDDLE - HALF), 2 * HALF, 2 * HALF, facecolor=fill)
        box.set(edgecolor=INK, linewidth=1.1, zorder=3)
        ax.add_patch(box)
        ax.text(x, MIDDLE, name, ha="center", va="center", fontsize=size, color=INK, zorder=4)


def _variances(ax, parameters, group, level: str, xs, y: float, side: float) -> None:
    """Loops for variances and arcs for covariances, on the side away from the boxes' arrows."""
    for k, x in enumerate(xs):
        _bend(ax, (x - 0.13, y), (x + 0.13, y), side * 2.1)
        text = f"${parameters.symbol(group, level, k, k)}$"
        ax.text(x, y + side * _height(0), text, ha="center", va="center", fontsize=10, color=INK)
    for a in range(len(xs)):
        for b in range(a + 1, len(xs)):
            height, left, right = _height(b - a), xs[a] + 0.2, xs[b] - 0.2
            # A quadratic Bezier curve reaches half of the height of its control point.
            _bend(ax, (left, y), (right, y), 2.0 * side * height / (right - left))
            text = f"${parameters.symbol(group, level, a, b)}$"
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            at = ((xs[a] + xs[b]) / 2, y + side * height)
            ax.text(*at, text, ha="center", va="center", fontsize=10, color=INK, bbox=box)


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


def _frame(ax, left, right, low, high) -> None:
    ax.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    ax.set_axis_off()
