"""One mark with its interval a cluster, in ascending order, and the names of those at the ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.palette import PALETTE
from mlteach.errors import DataError
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import cluster_axis, size_in_points
from mlteach.plots.words import counted


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Clusters by ascending ``value``, with their place on the axis."""
    table = table.sort_values("value", kind="stable")
    return table.assign(position=np.arange(len(table)))


def leaves_out(table: pd.DataFrame, reference: float) -> pd.Series:
    """Whether the interval of each cluster does not reach to a value."""
    return (table["lower"] > reference) | (table["upper"] < reference)


def draw_intervals(ax: Axes, table: pd.DataFrame, name: str, color: str, marker: str) -> None:
    """A mark and an upright interval at the position of each cluster of the table."""
    at, look = table["position"], {"lw": 0.9, "alpha": 0.65, "gid": name}
    ax.vlines(at, table["lower"], table["upper"], color=color, **look)
    ax.plot(at, table["value"], ls="", marker=marker, ms=3.2, color=color, label=name)


def draw_about(ax: Axes, table: pd.DataFrame, reference: float, out: str, inside: str) -> None:
    """Marks in two colours: intervals that leave out a value, and those that do not."""
    outside, (blue, grey) = leaves_out(table, reference), (PALETTE["blue"], PALETTE["grey"])
    for members, words, color in ((outside, out, blue), (~outside, inside, grey)):
        if members.any():
            draw_intervals(ax, table[members], words, color, "o")


def finish_ranked(ax: Axes, table: pd.DataFrame, cluster: str, by: str, ends: int, title) -> None:
    """Name the axis, the clusters at the ends, and the groups."""
    count = counted(len(table), len(table), cluster)
    cluster_axis(ax, table.index, f"{count}, sorted{by}")
    _label_ends(ax, table, ends)
    legend_with_headroom(ax, title=title)


def _label_ends(ax: Axes, table: pd.DataFrame, count: int) -> None:
    """Names under the lowest and above the highest clusters, fanned out so that none overlap."""
    if not 0 <= count <= len(table) // 2:
        raise DataError(f"label_extremes={count} is not between 0 and {len(table) // 2}.")
    if count == 0:
        return
    J = len(table)
    low, high = ax.get_ylim()
    width, height = size_in_points(ax)
    names = [*table.index[:count], *table.index[-count:]]
    # In points: a name, written upright, and its leader, which must clear the intervals it passes.
    room, gap = 5.5 * max(len(str(i)) for i in names) + 6, 8 + 3 * count
    # The legend comes on top and takes about 15% of the height.
    scale = (high - low) / max(0.85 * height - 2 * (room + gap), 0.3 * height)
    room, gap = room * scale, gap * scale
    step = max(1.0, 14.0 * (J + 1) / width)
    passed = int(np.ceil((count - 0.5) * step)) + 1
    bottom = table["lower"].iloc[:passed].min() - gap
    top = table["upper"].iloc[-passed:].max() + gap
    for k in range(count):
        _name_one(ax, table.iloc[k], ((k + 0.5) * step - 0.5, bottom), below=True)
        _name_one(ax, table.iloc[-1 - k], (J - 0.5 - (k + 0.5) * step, top), below=False)
    ax.set_ylim(min(low, bottom - room), max(high, top + room))


def _name_one(ax: Axes, row: pd.Series, where: tuple[float, float], *, below: bool) -> None:
    leader = {"arrowstyle": "-", "lw": 0.6, "color": PALETTE["grey"], "shrinkA": 0, "shrinkB": 1}
    ax.annotate(
        str(row.name),
        xy=(row["position"], row["lower"] if below else row["upper"]),
        xytext=where,
        rotation=90,
        ha="center",
        va="top" if below else "bottom",
        fontsize="small",
        arrowprops=leader | {"relpos": (0.5, 1.0 if below else 0.0)},
    )
