"""Classification diagrams: a box for each kind of unit, arrows to the kinds it belongs to.

An arrow is single if every unit belongs to one cluster (nested) and double if some belong to
several (multiple membership). Two boxes that no path of arrows joins are crossed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.diagrams.base import INK, draw_arrow
from mlteach.diagrams.structures import arrows_to_draw, check_structure, fine_to_coarse
from mlteach.diagrams.units import unit_diagram

# Classification diagrams: room for a box beside its text and to the next box, in characters.
BOX_MARGIN = 5.0
INCHES_PER_CHARACTER = 0.085


@checked
def classification_diagram(
    table: pd.DataFrame, levels: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw each classification as a box, and arrows from finer to coarser ones.

    Parameters
    ----------
    table : DataFrame
        One row a membership.
    levels : sequence of str
        Columns that hold the units.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        As :func:`relations`.

    Examples
    --------
    >>> table = pd.DataFrame({"school": list("AAB"), "pupil": [1, 2, 3]})
    >>> ax = classification_diagram(table, ["school", "pupil"])
    >>> sorted(text.get_text() for text in ax.texts if text.get_text())
    ['pupil', 'school']
    """
    rows = _rows(table, levels)
    spot, height = _spots(rows), len(rows) - 1.0
    if ax is None:
        size = (_box_inches(rows), 0.6 + 0.95 * height)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    for finer, coarser, relation in arrows_to_draw(table, levels):
        for shift in (-0.6, 0.6) if relation == "multiple" else (0.0,):
            draw_arrow(ax, spot[finer] + [shift, 0.0], spot[coarser] + [shift, 0.0])
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": INK, "linewidth": 1.2}
    for level, (x, y) in spot.items():
        ax.text(x, y, level, ha="center", va="center", fontsize=10, color=INK, bbox=box, zorder=3)
    half = 0.5 * _characters(rows)
    ax.set(xlim=(-half, half), ylim=(-0.45, height + 0.45))
    ax.set_axis_off()
    return ax


def _rows(table: pd.DataFrame, levels: Sequence[str]) -> list[list[str]]:
    """Boxes from the bottom row up: each stands above all that belong to it."""
    order, arrows = fine_to_coarse(table, levels), arrows_to_draw(table, levels)
    depth = dict.fromkeys(order, 0)
    for level in order:
        for finer, coarser, _ in arrows:
            if finer == level:
                depth[coarser] = max(depth[coarser], depth[finer] + 1)
    return [[level for level in levels if depth[level] == d] for d in sorted(set(depth.values()))]


def _spots(rows: list[list[str]]) -> dict[str, np.ndarray]:
    """Place the boxes of a row side by side, centred; horizontal unit: a character of text."""
    spot = {}
    for height, names in enumerate(rows):
        widths = np.array([len(name) + BOX_MARGIN for name in names])
        middles = np.cumsum(widths) - 0.5 * widths - 0.5 * widths.sum()
        spot |= {n: np.array([x, float(height)]) for n, x in zip(names, middles, strict=True)}
    return spot


def _characters(rows: list[list[str]]) -> float:
    """Width of the widest row of boxes."""
    return max(sum(len(name) + BOX_MARGIN for name in names) for names in rows)


def _box_inches(rows: list[list[str]]) -> float:
    return INCHES_PER_CHARACTER * _characters(rows) + 0.2


@checked
def structure_diagram(
    table: pd.DataFrame,
    levels: Sequence[str],
    *,
    weight: str | None = None,
    labels: Mapping[str, str] | None = None,
    color_by: str | None = None,
) -> tuple[Axes, Axes]:
    """Draw the unit diagram of a table, and its classification diagram to the right.

    Parameters
    ----------
    table : DataFrame
        One row a membership.
    levels : sequence of str
        Columns, from the top row of the unit diagram to the bottom row.
    weight, labels, color_by
        As in :func:`unit_diagram`.

    Returns
    -------
    tuple of Axes
        Unit diagram, classification diagram; in one new figure.

    Raises
    ------
    DataError
        As :func:`unit_diagram`.

    Examples
    --------
    >>> table = pd.DataFrame({"school": list("AAB"), "pupil": [1, 2, 3]})
    >>> left, right = structure_diagram(table, ["school", "pupil"])
    >>> left.figure is right.figure
    True
    """
    check_structure(table, levels)
    size = (6.8, 0.3 + 0.9 * len(levels))
    boxes = max(_box_inches(_rows(table, levels)), 1.6)
    widths = [size[0] - boxes, boxes]
    _, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=widths, layout="constrained")
    unit_diagram(table, levels, weight=weight, labels=labels, color_by=color_by, ax=left)
    classification_diagram(table, levels, ax=right)
    return left, right
