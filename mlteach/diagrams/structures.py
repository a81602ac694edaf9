"""Which classification is nested in which: read off a table of memberships, and drawn.

A table has one row a membership: its columns name units of several classifications, and two units
belong together if they stand in one row. The finest classification is the one with the most units,
of equals the one named last.

A classification diagram has a box for each kind of unit and arrows to the kinds it belongs to. An
arrow is single if every unit belongs to one cluster (nested) and double if some belong to several
(multiple membership). Two boxes that no path of arrows joins are crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.core.columns import check_there
from mlteach.diagrams.base import INK, draw_arrow, write
from mlteach.errors import DataError
from mlteach.missing.patterns import refuse_missing

# Classification diagrams: room for a box beside its text and to the next box, in characters.
BOX_MARGIN = 5.0
INCHES_PER_CHARACTER = 0.085


@checked
def relations(table: pd.DataFrame, levels: Sequence[str]) -> pd.DataFrame:
    """Say how each pair of classifications in a table is related.

    Parameters
    ----------
    table : DataFrame
        One row a membership (usually: a level-1 unit).
    levels : sequence of str
        Columns that hold the units of the classifications, in any order.

    Returns
    -------
    DataFrame
        One row a pair; columns `finer`, `coarser` and `relation`: "nested" if every unit of the
        finer one belongs to one unit of the coarser, "multiple" if the finer one is the finest of
        all and some of its units belong to several, otherwise "crossed".

    Raises
    ------
    DataError
        If there are fewer than two levels, or a column is missing or has missing values.

    Examples
    --------
    >>> import mlteach as mt
    >>> relations(mt.load("language"), ["school", "class_id", "pupil"])
          finer   coarser relation
    0     pupil  class_id   nested
    1     pupil    school   nested
    2  class_id    school   nested

    References
    ----------
    Browne, Goldstein & Rasbash (2001), Statistical Modelling 1(2), 103-124,
    doi:10.1177/1471082X0100100202.
    """
    check_structure(table, levels)
    order = fine_to_coarse(table, levels)
    rows = []
    for finer, coarser in combinations(order, 2):
        if is_nested(table, finer, coarser):
            relation = "nested"
        else:
            relation = "multiple" if finer == order[0] else "crossed"
        rows.append((finer, coarser, relation))
    return pd.DataFrame(rows, columns=["finer", "coarser", "relation"])


def check_structure(table: pd.DataFrame, levels: Sequence[str]) -> None:
    """Refuse fewer than two levels, repeated ones, and columns that cannot be levels."""
    if isinstance(levels, str) or len(levels) < 2 or len(set(levels)) < len(levels):
        raise DataError(f"A structure needs two or more different levels; got {levels!r}.")
    check_columns(table, levels)


def check_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns that are missing or have missing values."""
    check_there(table, columns, "the structure")
    for column in columns:
        refuse_missing(table, column)


def fine_to_coarse(table: pd.DataFrame, levels: Sequence[str]) -> list[str]:
    """Levels by falling number of units; of equals, the one named last first."""
    return sorted(reversed(levels), key=lambda level: -table[level].nunique())


def is_nested(table: pd.DataFrame, finer: str, coarser: str) -> bool:
    """Whether each unit of one classification belongs to one unit of the other."""
    return bool((table.groupby(finer)[coarser].nunique() == 1).all())


def arrows_to_draw(table: pd.DataFrame, levels: Sequence[str]) -> list[tuple[str, str, str]]:
    """Relations to draw: without those that follow from a chain of two others."""
    known = relations(table, levels)
    drawn = known[known.relation != "crossed"]
    kind = {(row.finer, row.coarser): row.relation for row in drawn.itertuples()}
    return [
        (finer, coarser, relation)
        for (finer, coarser), relation in kind.items()
        if not any((finer, mid) in kind and (mid, coarser) in kind for mid in levels)
    ]


# ---------------------------------------------------------------------------------------- drawing


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
        size = (boxes_width(table, levels), 0.6 + 0.95 * height)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    for finer, coarser, relation in arrows_to_draw(table, levels):
        for shift in (-0.6, 0.6) if relation == "multiple" else (0.0,):
            draw_arrow(ax, spot[finer] + [shift, 0.0], spot[coarser] + [shift, 0.0])
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": INK, "linewidth": 1.2}
    for level, (x, y) in spot.items():
        write(ax, x, y, level, 10, bbox=box, zorder=3)
    half = 0.5 * _characters(rows)
    ax.set(xlim=(-half, half), ylim=(-0.45, height + 0.45))
    ax.set_axis_off()
    return ax


def _rows(table: pd.DataFrame, levels: Sequence[str]) -> list[list[str]]:
    """Boxes from the bottom row up: each stands above all that belong to it."""
    arrows, order = arrows_to_draw(table, levels), fine_to_coarse(table, levels)
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


def boxes_width(table: pd.DataFrame, levels: Sequence[str]) -> float:
    """Room that a classification diagram needs, in inches."""
    return INCHES_PER_CHARACTER * _characters(_rows(table, levels)) + 0.2
