"""Unit diagrams: every unit of a structure, and a line for every membership."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.diagrams.base import INK, NEUTRAL, OKABE_ITO, draw_unit
from mlteach.diagrams.structures import check_columns, check_structure, fine_to_coarse, is_nested
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
    place = {level: _positions(table, level, finest) for level in levels}
    height = {level: len(levels) - 1 - row for row, level in enumerate(levels)}
    color = {level: _colors(table, level, color_by, finest) for level in levels}
    for upper, lower in pairwise(levels):
        _draw_lines(ax, table, (upper, lower), place, height, color, finest, weight)
    for level in levels:
        text = table.groupby(level)[labels.get(level, level)].first()
        for unit, x in place[level].items():
            draw_unit(ax, x, height[level], str(text[unit]), color[level][unit], level == finest)
    _level_axis(ax, height, len(place[finest]))
    return ax


def _positions(table: pd.DataFrame, level: str, finest: str) -> dict[Hashable, float]:
    """Where the units of a level stand: over the middle of theirs, or evenly where crowded."""
    names = table[finest].unique()
    slots = pd.Series(np.arange(len(names), dtype=float), index=names)
    if level == finest:
        return slots.to_dict()
    pairs = table[[level, finest]].drop_duplicates()
    middle = pairs[finest].map(slots).groupby(pairs[level], sort=False).mean()
    middle = middle.sort_values(kind="stable")
    if len(middle) > 1 and np.diff(middle).min() < 1.0:
        edge = 0.5 * (len(names) - 1) / len(middle)
        middle[:] = np.linspace(edge, len(names) - 1 - edge, len(middle))
    return middle.to_dict()


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


def _draw_lines(ax, table, pair, place, height, color, finest, weight) -> None:
    upper, lower = pair
    # A line takes the colour of its finest end, which says more than the other.
    near, far = (upper, lower) if upper == finest else (lower, upper)
    columns = [upper, lower, *([weight] if weight else [])]
    for row in table[columns].drop_duplicates().to_dict("records"):
        xs = np.array([place[lower][row[lower]], place[upper][row[upper]]])
        ys = np.array([height[lower], height[upper]], dtype=float)
        paint = color[near][row[near]]
        paint = color[far][row[far]] if paint == NEUTRAL else paint
        width = 0.8 + 4.0 * row[weight] if weight else 1.6
        ax.plot(xs, ys, "-", color=paint, linewidth=width, zorder=1, solid_capstyle="round")
        if weight:
            _write_weight(ax, xs, ys, f"{row[weight]:g}")


def _write_weight(ax: Axes, xs: np.ndarray, ys: np.ndarray, text: str) -> None:
    """A little above the lower end, where lines to different clusters have parted."""
    x, y = (0.62 * end[0] + 0.38 * end[1] for end in (xs, ys))
    box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, bbox=box, zorder=2)


def _level_axis(ax: Axes, height: Mapping[str, int], width: int) -> None:
    """Level names as the labels of the vertical axis, and no other axis."""
    ax.set_yticks(list(height.values()), list(height), fontsize=11)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.7, width - 0.3), ylim=(-0.45, len(height) - 0.55))
