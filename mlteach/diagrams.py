"""Pictures of multilevel structures, drawn from the table that holds the data.

A table has one row a membership: its columns name units of several classifications (pupil, class,
school), and two units belong together if they stand in one row. A unit diagram shows every unit
and every membership; a classification diagram shows each classification as one box, with an arrow
from a finer one to each coarser one that it belongs to: single if every unit belongs to one cluster
(nested), double if some belong to several (multiple membership). Two boxes that no path of arrows
joins are crossed. Both conventions are those of Browne, Goldstein & Rasbash (2001).

Nothing is placed by hand: which classification is nested in which is read off the table. The finest
classification is the one with the most units, of equals the one named last. Colours are Okabe and
Ito's, which readers with any colour vision can tell apart, and no meaning hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from mlteach.errors import DataError

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK = "#222222"
# Units that belong to clusters of several colours, or to none.
NEUTRAL = "#8C8C8C"
# Share of the full colour in the fill of a unit, so that black text stays readable on it.
TINT = 0.35
# Classification diagrams: room for a box beside its text and to the next box, in characters.
BOX_MARGIN = 5.0
INCHES_PER_CHARACTER = 0.085


# ------------------------------------------------------------------------------------- structures


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
    _check(table, levels)
    order = _fine_to_coarse(table, levels)
    rows = []
    for finer, coarser in combinations(order, 2):
        if _is_nested(table, finer, coarser):
            relation = "nested"
        else:
            relation = "multiple" if finer == order[0] else "crossed"
        rows.append((finer, coarser, relation))
    return pd.DataFrame(rows, columns=["finer", "coarser", "relation"])


def _check(table: pd.DataFrame, levels: Sequence[str]) -> None:
    if isinstance(levels, str) or len(levels) < 2 or len(set(levels)) < len(levels):
        raise DataError(f"A structure needs two or more different levels; got {levels!r}.")
    _check_columns(table, levels)


def _check_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in table:
            raise DataError(f"There is no column '{column}'. Columns: {', '.join(table.columns)}.")
        if table[column].isna().any():
            raise DataError(f"Column '{column}' has missing values: every row needs a unit there.")


def _fine_to_coarse(table: pd.DataFrame, levels: Sequence[str]) -> list[str]:
    """Levels by falling number of units; of equals, the one named last first."""
    return sorted(reversed(levels), key=lambda level: -table[level].nunique())


def _is_nested(table: pd.DataFrame, finer: str, coarser: str) -> bool:
    return bool((table.groupby(finer)[coarser].nunique() == 1).all())


def _arrows(table: pd.DataFrame, levels: Sequence[str]) -> list[tuple[str, str, str]]:
    """Relations to draw: without those that follow from a chain of two others."""
    known = relations(table, levels)
    drawn = known[known.relation != "crossed"]
    kind = {(row.finer, row.coarser): row.relation for row in drawn.itertuples()}
    return [
        (finer, coarser, relation)
        for (finer, coarser), relation in kind.items()
        if not any((finer, mid) in kind and (mid, coarser) in kind for mid in levels)
    ]


# ----------------------------------------------------------------------------------- unit diagrams


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
    _check(table, levels)
    labels = dict(labels or {})
    color_by = color_by or levels[0]
    _check_columns(table, [color_by, *labels.values(), *([weight] if weight else [])])
    if weight and len(levels) != 2:
        raise DataError("Weights can be written on the lines between two levels only.")
    ax = ax or plt.subplots(figsize=(6.5, 0.3 + 0.95 * len(levels)), layout="constrained")[1]
    finest = _fine_to_coarse(table, levels)[0]
    place = {level: _positions(table, level, finest) for level in levels}
    height = {level: len(levels) - 1 - row for row, level in enumerate(levels)}
    color = {level: _colors(table, level, color_by, finest) for level in levels}
    for upper, lower in pairwise(levels):
        _draw_lines(ax, table, (upper, lower), place, height, color, finest, weight)
    for level in levels:
        text = table.groupby(level)[labels.get(level, level)].first()
        for unit, x in place[level].items():
            _draw_unit(ax, x, height[level], str(text[unit]), color[level][unit], level == finest)
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
    if level != finest and not _is_nested(table, level, color_by):
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


def _draw_unit(ax: Axes, x: float, y: float, text: str, color: str, is_finest: bool) -> None:
    shape = "circle,pad=0.35" if is_finest and len(text) <= 2 else "round,pad=0.45"
    fill = "white" if color == NEUTRAL else _tint(color)
    box = {"boxstyle": shape, "facecolor": fill, "edgecolor": color, "linewidth": 1.4}
    ax.text(x, y, text, ha="center", va="center", fontsize=10, color=INK, bbox=box, zorder=3)


def _tint(color: str) -> np.ndarray:
    return 1.0 - TINT * (1.0 - np.array(to_rgb(color)))


def _level_axis(ax: Axes, height: Mapping[str, int], width: int) -> None:
    """Level names as the labels of the vertical axis, and no other axis."""
    ax.set_yticks(list(height.values()), list(height), fontsize=11)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.7, width - 0.3)
    ax.set_ylim(-0.45, len(height) - 0.55)


# -------------------------------------------------------------------------- classification diagrams


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
    arrows = _arrows(table, levels)
    spot = _spots(_fine_to_coarse(table, levels), levels, arrows)
    height = max(y for _, y in spot.values())
    if ax is None:
        size = (_box_inches(table, levels), 0.6 + 0.95 * height)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    for finer, coarser, relation in arrows:
        for shift in (-0.6, 0.6) if relation == "multiple" else (0.0,):
            _arrow(ax, spot[finer] + [shift, 0.0], spot[coarser] + [shift, 0.0])
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": INK, "linewidth": 1.2}
    for level, (x, y) in spot.items():
        ax.text(x, y, level, ha="center", va="center", fontsize=10, color=INK, bbox=box, zorder=3)
    half = 0.5 * _characters(table, levels)
    ax.set_xlim(-half, half)
    ax.set_ylim(-0.45, height + 0.45)
    ax.set_axis_off()
    return ax


def _rows(order, levels, arrows) -> list[list[str]]:
    """Boxes from the bottom row up: each stands above all that belong to it."""
    depth = dict.fromkeys(order, 0)
    for level in order:
        for finer, coarser, _ in arrows:
            if finer == level:
                depth[coarser] = max(depth[coarser], depth[finer] + 1)
    return [[level for level in levels if depth[level] == d] for d in sorted(set(depth.values()))]


def _spots(order, levels, arrows) -> dict[str, np.ndarray]:
    """Place the boxes of a row side by side, centred; horizontal unit: a character of text."""
    spot = {}
    for height, names in enumerate(_rows(order, levels, arrows)):
        widths = np.array([len(name) + BOX_MARGIN for name in names])
        middles = np.cumsum(widths) - 0.5 * widths - 0.5 * widths.sum()
        spot |= {n: np.array([x, float(height)]) for n, x in zip(names, middles, strict=True)}
    return spot


def _characters(table: pd.DataFrame, levels: Sequence[str]) -> float:
    """Width of the widest row of boxes."""
    rows = _rows(_fine_to_coarse(table, levels), levels, _arrows(table, levels))
    return max(sum(len(name) + BOX_MARGIN for name in names) for names in rows)


def _box_inches(table: pd.DataFrame, levels: Sequence[str]) -> float:
    return INCHES_PER_CHARACTER * _characters(table, levels) + 0.2


def _arrow(ax: Axes, start: np.ndarray, end: np.ndarray, **style) -> None:
    properties = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.3, "mutation_scale": 11}
    properties |= {"shrinkA": 13, "shrinkB": 14} | style
    ax.annotate("", xy=end, xytext=start, arrowprops=properties, zorder=2)


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
    _check(table, levels)
    size = (6.8, 0.3 + 0.9 * len(levels))
    boxes = max(_box_inches(table, levels), 1.6)
    widths = [size[0] - boxes, boxes]
    _, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=widths, layout="constrained")
    unit_diagram(table, levels, weight=weight, labels=labels, color_by=color_by, ax=left)
    classification_diagram(table, levels, ax=right)
    return left, right


# ------------------------------------------------------------------------------ maps and networks


def neighbours(rows: Sequence[str]) -> pd.DataFrame:
    """List the neighbours of each area on a map.

    Parameters
    ----------
    rows : sequence of str
        The map, one character a square: squares with the same character are one area. All rows
        have the same length.

    Returns
    -------
    DataFrame
        One row a pair; columns `area`, `neighbour` (they share a border, not only a corner) and
        `weight`, 1 / (number of neighbours of the area).

    Raises
    ------
    DataError
        If the map is empty or its rows differ in length.

    Examples
    --------
    >>> neighbours(["AB", "AC"])
      area neighbour  weight
    0    A         B     0.5
    1    A         C     0.5
    2    B         A     0.5
    3    B         C     0.5
    4    C         A     0.5
    5    C         B     0.5
    """
    grid = _grid(rows)
    borders = np.vstack(
        [
            np.column_stack([grid[:, :-1].ravel(), grid[:, 1:].ravel()]),
            np.column_stack([grid[:-1].ravel(), grid[1:].ravel()]),
        ]
    )
    pairs = {(a, b) for a, b in borders.tolist() if a != b}
    pairs |= {(b, a) for a, b in pairs}
    table = pd.DataFrame(sorted(pairs), columns=["area", "neighbour"])
    table["weight"] = 1.0 / table.groupby("area")["area"].transform("size")
    return table


def _grid(rows: Sequence[str]) -> np.ndarray:
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise DataError("A map is a list of texts of one length, such as ['AAB', 'ACC'].")
    return np.array([list(row) for row in rows])


def area_map(rows: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw a map of areas, with a line between the middles of any two neighbours.

    Parameters
    ----------
    rows : sequence of str
        The map, as in :func:`neighbours`.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        As :func:`neighbours`.

    Examples
    --------
    >>> ax = area_map(["AB", "AC"])
    >>> len(ax.texts)
    3
    """
    grid = _grid(rows)
    ax = ax or plt.subplots(figsize=(4.2, 2.9), layout="constrained")[1]
    areas = np.unique(grid)
    color = {area: OKABE_ITO[k % len(OKABE_ITO)] for k, area in enumerate(areas)}
    image = np.array([[_tint(color[area]) for area in line] for line in grid])
    ax.imshow(image, zorder=0)
    _draw_borders(ax, grid)
    middle = {area: np.argwhere(grid == area).mean(axis=0)[::-1] for area in areas}
    for area, other in neighbours(rows)[["area", "neighbour"]].itertuples(index=False):
        if area < other:
            line = np.array([middle[area], middle[other]]).T
            ax.plot(*line, color=INK, linewidth=1.2, linestyle=(0, (3, 2)), zorder=2)
    for area, (x, y) in middle.items():
        _draw_unit(ax, x, y, str(area), color[area], is_finest=True)
    ax.set_axis_off()
    return ax


def _draw_borders(ax: Axes, grid: np.ndarray) -> None:
    for row, col in np.argwhere(grid[:, :-1] != grid[:, 1:]):
        ax.plot([col + 0.5] * 2, [row - 0.5, row + 0.5], "-", color="white", lw=3, zorder=1)
    for row, col in np.argwhere(grid[:-1] != grid[1:]):
        ax.plot([col - 0.5, col + 0.5], [row + 0.5] * 2, "-", color="white", lw=3, zorder=1)


def network_diagram(
    ties: pd.DataFrame, sender: str, receiver: str, *, ax: Axes | None = None
) -> Axes:
    """Draw a directed network: actors on a circle, an arrow a tie in the sender's colour.

    Parameters
    ----------
    ties : DataFrame
        One row a tie.
    sender, receiver : str
        Columns that name the two actors.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column is missing or has missing values.

    Examples
    --------
    >>> ties = pd.DataFrame({"from": ["A", "B"], "to": ["B", "C"]})
    >>> ax = network_diagram(ties, "from", "to")
    >>> [text.get_text() for text in ax.texts if text.get_text()]
    ['A', 'B', 'C']
    """
    _check(ties, [sender, receiver])
    ax = ax or plt.subplots(figsize=(2.9, 2.9), layout="constrained")[1]
    actors = sorted(set(ties[sender]) | set(ties[receiver]))
    angle = np.pi / 2 - 2.0 * np.pi * np.arange(len(actors)) / len(actors)
    spot = dict(zip(actors, np.column_stack([np.cos(angle), np.sin(angle)]), strict=True))
    color = {actor: OKABE_ITO[k % len(OKABE_ITO)] for k, actor in enumerate(actors)}
    for a, b in ties[[sender, receiver]].itertuples(index=False):
        bend = "arc3,rad=0.15"
        _arrow(ax, spot[a], spot[b], color=color[a], connectionstyle=bend, linewidth=1.8)
    for actor, (x, y) in spot.items():
        _draw_unit(ax, x, y, str(actor), color[actor], is_finest=True)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    ax.set_axis_off()
    return ax


# ---------------------------------------------------------------------------------------- matrices


def matrix_diagram(
    values: np.ndarray | pd.DataFrame,
    *,
    entries: Sequence[Sequence[str]] | None = None,
    labels: Sequence[str] | None = None,
    digits: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw a small matrix as squares: the larger the entry, the darker; zero is white.

    Parameters
    ----------
    values : array or DataFrame, shape (n, m)
        Non-negative entries.
    entries : n sequences of m str, optional
        Text of the squares, for example LaTeX; by default the values.
    labels : sequence of str, optional
        Names of rows and columns of a square matrix; by default those of a DataFrame.
    digits : int, default 1
        Decimals of the values that are written.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the matrix is not two-dimensional or an entry is negative or not finite.

    Examples
    --------
    >>> ax = matrix_diagram(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> [text.get_text() for text in ax.texts]
    ['2.0', '1.0', '1.0', '2.0']
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not np.all(np.isfinite(matrix)) or matrix.min() < 0.0:
        raise DataError("A matrix diagram needs a matrix of finite entries that are not negative.")
    ax = ax or plt.subplots(figsize=(3.6, 3.4), layout="constrained")[1]
    top = matrix.max() or 1.0
    # Only the lighter 55% of the colours are used, so that black text is readable on all.
    ax.imshow(matrix, cmap="Blues", vmin=0.0, vmax=top / 0.55)
    for (row, col), value in np.ndenumerate(matrix):
        text = f"{value:.{digits}f}" if entries is None else entries[row][col]
        ax.text(col, row, text, ha="center", va="center", fontsize=10, color=INK)
    if labels is None and isinstance(values, pd.DataFrame):
        labels = [str(name) for name in values.index]
    _matrix_axes(ax, matrix.shape, labels)
    return ax


def _matrix_axes(ax: Axes, shape: tuple[int, int], labels: Sequence[str] | None) -> None:
    rows, columns = shape
    ax.set_yticks(range(rows), labels if labels is not None else [""] * rows)
    ax.set_xticks(range(columns), labels if labels is not None else [""] * columns)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(0.5, columns - 1), minor=True)
    ax.set_yticks(np.arange(0.5, rows - 1), minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0, top=False)
    ax.spines[:].set_color("#BBBBBB")
