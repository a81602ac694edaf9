"""Unit diagrams: every unit of a structure, and a line for every membership.

With them stands the figure of both diagrams of a structure.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.diagrams.base import NEUTRAL, OKABE_ITO, draw_unit, write
from mlteach.diagrams.structures import (
    boxes_width,
    check_columns,
    check_structure,
    classification_diagram,
    fine_to_coarse,
    is_nested,
)
from mlteach.errors import DataError


@checked
def unit_diagram(
    table: pd.DataFrame,
    levels: Sequence[str],
    *,
    weight: str | None = None,
    labels: Mapping[str, str] | None = None,
    color_by: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every unit of a structure, and a line for every membership.

    Parameters
    ----------
    table : DataFrame
        One row a membership.
    levels : sequence of str
        Columns, from the top row of the picture to the bottom row; lines join neighbouring rows.
    weight : str, optional
        Column of membership weights, written on the lines; for two levels.
    labels : mapping of str to str, optional
        For a level, the column with the text to write on its units; by default the unit's name.
    color_by : str, optional
        Level that gives the colours, the first one by default. Units that belong to several of
        its units stay white.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        As :func:`relations`; also if weights are given for more than two levels.

    Examples
    --------
    >>> table = pd.DataFrame({"school": list("AAB"), "pupil": [1, 2, 3]})
    >>> ax = unit_diagram(table, ["school", "pupil"])
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['school', 'pupil']
    """
    check_structure(table, levels)
    labels = dict(labels or {})
    color_by = color_by or levels[0]
    check_columns(table, [color_by, *labels.values(), *([weight] if weight else [])])
    if weight and len(levels) != 2:
        raise DataError("Weights can be written on the lines between two levels only.")
    ax = ax or plt.subplots(figsize=(6.5, 0.3 + 0.95 * len(levels)), layout="constrained")[1]
    finest = fine_to_coarse(table, levels)[0]
    rows = enumerate(reversed(levels))
    spot = {level: _spots(table, level, finest, float(row)) for row, level in rows}
    color = {level: _colors(table, level, color_by, finest) for level in levels}
    for upper, lower in pairwise(levels):
        _draw_lines(ax, table, (upper, lower), spot, color, finest, weight)
    for level in levels:
        text = table.groupby(level)[labels.get(level, level)].first()
        for unit, at in spot[level].items():
            draw_unit(ax, *at, str(text[unit]), color[level][unit], level == finest)
    _level_axis(ax, levels, len(spot[finest]))
    return ax


def _spots(table: pd.DataFrame, level: str, finest: str, y: float) -> dict[Hashable, np.ndarray]:
    """Where the units of a level stand: over the middle of theirs, or evenly where crowded."""
    names = table[finest].unique()
    x = pd.Series(np.arange(len(names), dtype=float), index=names)
    if level != finest:
        pairs = table[[level, finest]].drop_duplicates()
        x = pairs[finest].map(x).groupby(pairs[level], sort=False).mean()
        x = x.sort_values(kind="stable")
        if len(x) > 1 and np.diff(x).min() < 1.0:
            edge = 0.5 * (len(names) - 1) / len(x)
            x[:] = np.linspace(edge, len(names) - 1 - edge, len(x))
    return {unit: np.array([middle, y]) for unit, middle in x.items()}


def _colors(table, level: str, color_by: str, finest: str) -> dict[Hashable, str]:
    """Colour of each unit: that of its one cluster in color_by, or neutral if it has several.

    A level crossed with color_by is neutral throughout: that all its units in the table happen to
    come from one cluster says nothing about it.
    """
    if level != finest and not is_nested(table, level, color_by):
        return dict.fromkeys(table[level].unique(), NEUTRAL)
    clusters = table[color_by].unique()
    palette = {unit: OKABE_ITO[k % len(OKABE_ITO)] for k, unit in enumerate(clusters)}
    owner = table.groupby(level)[color_by].agg(["nunique", "first"])
    return {
        unit: palette[first] if count == 1 else NEUTRAL for unit, count, first in owner.itertuples()
    }


def _draw_lines(ax, table, pair, spot, color, finest, weight) -> None:
    upper, lower = pair
    # A line takes the colour of its finest end, which says more than the other.
    near, far = (upper, lower) if upper == finest else (lower, upper)
    columns = [upper, lower, *([weight] if weight else [])]
    for row in table[columns].drop_duplicates().to_dict("records"):
        start, end = spot[lower][row[lower]], spot[upper][row[upper]]
        paint = color[near][row[near]]
        paint = color[far][row[far]] if paint == NEUTRAL else paint
        width = 0.8 + 4.0 * row[weight] if weight else 1.6
        look = {"linewidth": width, "zorder": 1, "solid_capstyle": "round"}
        ax.plot(*np.transpose([start, end]), "-", color=paint, **look)
        if weight:
            # A little above the lower end, where lines to different clusters have parted.
            box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
            write(ax, *(0.62 * start + 0.38 * end), f"{row[weight]:g}", 9, bbox=box, zorder=2)


def _level_axis(ax: Axes, levels: Sequence[str], width: int) -> None:
    """Level names as the labels of the vertical axis, and no other axis."""
    ax.set_yticks(range(len(levels))[::-1], levels, fontsize=11)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.7, width - 0.3), ylim=(-0.45, len(levels) - 0.55))


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
    boxes = max(boxes_width(table, levels), 1.6)
    widths = [size[0] - boxes, boxes]
    _, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=widths, layout="constrained")
    unit_diagram(table, levels, weight=weight, labels=labels, color_by=color_by, ax=left)
    classification_diagram(table, levels, ax=right)
    return left, right
