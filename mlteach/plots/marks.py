"""What several figures are made of: axes, clouds of rows, lines and bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from mlteach.core.palette import PALETTE
from mlteach.errors import DataError

#: Fill, hatch, and the colour of a number on it.
Fill = tuple[str, str, str]

# -------------------------------------------------------------------------------------------- axes


def axes_or_new(ax: Axes | None, height: float | None = None) -> Axes:
    """The caller's Axes, or those of a new figure, of a height (inches) of its own if given."""
    if ax is None:
        width, usual = plt.rcParams["figure.figsize"]
        return plt.subplots(figsize=(width, usual if height is None else height))[1]
    if not isinstance(ax, Axes):
        raise DataError(
            f"ax must be one matplotlib Axes, not {type(ax).__name__}. From plt.subplots(1, 2) "
            "take one element: fig, axes = plt.subplots(1, 2); ax=axes[0]."
        )
    return ax


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height that the Axes will have, roughly: the layout comes after the drawing."""
    box = ax.get_window_extent()
    # A layout engine leaves less margin than the defaults, from which the extent is taken.
    points = 72 / ax.figure.dpi * (1.0 if ax.figure.get_layout_engine() is None else 1.1)
    return box.width * points, box.height * points


def cluster_axis(ax: Axes, ids: Sequence, text: str) -> None:
    """Name the clusters along the x-axis while there is room for their names."""
    ax.set_xlim(-1, len(ids))
    names = [str(i) for i in ids]
    if len(ids) <= 30:
        room = size_in_points(ax)[0] / (len(ids) + 1)
        upright = 7 * (max(map(len, names)) + 1) > room
        ax.set_xticks(range(len(ids)), names, rotation=90 if upright else 0)
    else:
        ax.set_xticks([])
    ax.set_xlabel(text)


def names_downwards(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows of a figure along the y-axis, the first one on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


# ------------------------------------------------------------------------------------------- marks


def beside(ax: Axes, text: str, at: tuple, shift: tuple[float, float], **look) -> None:
    """Write a text so many points beside a place of the data."""
    ax.annotate(text, at, xytext=shift, textcoords="offset points", **look)


def row_cloud(ax: Axes, x, y, area: float, alpha: float) -> None:
    """Draw rows as a pale cloud behind all else."""
    look = {"color": PALETTE["light"], "alpha": alpha, "linewidths": 0, "zorder": 1}
    ax.scatter(x, y, s=area, rasterized=True, gid="rows", **look)


def dot(face: str, edge: str, text: str) -> Line2D:
    """What stands for dots in a legend."""
    return Line2D([], [], ls="", marker="o", mfc=face, mec=edge, ms=6, label=text)


def thin_lines(ax: Axes, lines: Sequence, color: str, width: float, alpha: float, **names) -> None:
    """Draw many thin lines, each an array of places, shape (points, 2)."""
    look = {"colors": color, "linewidths": width, "alpha": alpha, "zorder": 2}
    ax.add_collection(LineCollection(lines, **look, **names))
    ax.autoscale_view()


def bold_line(
    ax: Axes, x, y, color: str, dashes, text: str, width: float = 2.8, halo: float = 4.8
) -> None:
    """Draw a line that stands out from the thin ones under it, by a white halo."""
    look = {"color": color, "ls": dashes, "lw": width, "zorder": 4}
    ax.plot(x, y, path_effects=[withStroke(linewidth=halo, foreground="white")], label=text, **look)


def stacked_bars(
    ax: Axes, table: pd.DataFrame, fills: Mapping[str, Fill], text: Callable[[float], str]
) -> None:
    """Draw each column as a bar of its rows end to end, with the number of each that has room."""
    position = np.arange(table.shape[1])
    left = np.zeros(table.shape[1])
    widest = table.sum().max()
    for part, values in table.iterrows():
        color, hatch, ink = fills[part]
        bars = ax.barh(
            position, values, left=left, height=0.62, color=color, hatch=hatch, edgecolor="white"
        )
        bars.set_label(part)
        for at, start, value in zip(position, left, values, strict=True):
            # Narrower segments have no room for their number; the description gives it.
            if value > 0.075 * widest:
                box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1} if hatch else None
                middle = start + value / 2
                ax.text(middle, at, text(value), ha="center", va="center", color=ink, bbox=box)
        left += values.to_numpy()
    names_downwards(ax, list(table.columns))
