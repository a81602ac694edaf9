"""Maps of areas with their neighbours, and networks of actors with their ties."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.diagrams.base import INK, OKABE_ITO, draw_arrow, draw_unit, tint
from mlteach.diagrams.structures import check_structure
from mlteach.errors import DataError


@checked
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
    sides = [(grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:])]
    borders = np.hstack([np.reshape(both, (2, -1)) for both in sides])
    pairs = {(a, b) for a, b in borders.T.tolist() if a != b}
    pairs |= {(b, a) for a, b in pairs}
    table = pd.DataFrame(sorted(pairs), columns=["area", "neighbour"])
    table["weight"] = 1.0 / table.groupby("area")["area"].transform("size")
    return table


def _grid(rows: Sequence[str]) -> np.ndarray:
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise DataError("A map is a list of texts of one length, such as ['AAB', 'ACC'].")
    return np.array([list(row) for row in rows])


@checked
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
    image = np.array([[tint(color[area]) for area in line] for line in grid])
    ax.imshow(image, zorder=0)
    _draw_borders(ax, grid)
    middle = {area: np.argwhere(grid == area).mean(axis=0)[::-1] for area in areas}
    for area, other in neighbours(rows)[["area", "neighbour"]].itertuples(index=False):
        if area < other:
            line = np.array([middle[area], middle[other]]).T
            ax.plot(*line, color=INK, linewidth=1.2, linestyle=(0, (3, 2)), zorder=2)
    for area, (x, y) in middle.items():
        draw_unit(ax, x, y, str(area), color[area], is_finest=True)
    ax.set_axis_off()
    return ax


def _draw_borders(ax: Axes, grid: np.ndarray) -> None:
    for row, col in np.argwhere(grid[:, :-1] != grid[:, 1:]):
        ax.plot([col + 0.5] * 2, [row - 0.5, row + 0.5], "-", color="white", lw=3, zorder=1)
    for row, col in np.argwhere(grid[:-1] != grid[1:]):
        ax.plot([col - 0.5, col + 0.5], [row + 0.5] * 2, "-", color="white", lw=3, zorder=1)


@checked
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
    check_structure(ties, [sender, receiver])
    ax = ax or plt.subplots(figsize=(2.9, 2.9), layout="constrained")[1]
    actors = sorted(set(ties[sender]) | set(ties[receiver]))
    angle = np.pi / 2 - 2.0 * np.pi * np.arange(len(actors)) / len(actors)
    spot = dict(zip(actors, np.column_stack([np.cos(angle), np.sin(angle)]), strict=True))
    color = {actor: OKABE_ITO[k % len(OKABE_ITO)] for k, actor in enumerate(actors)}
    for a, b in ties[[sender, receiver]].itertuples(index=False):
        bend = "arc3,rad=0.15"
        draw_arrow(ax, spot[a], spot[b], color=color[a], connectionstyle=bend, linewidth=1.8)
    for actor, (x, y) in spot.items():
        draw_unit(ax, x, y, str(actor), color[actor], is_finest=True)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    ax.set_axis_off()
    return ax
