"""What several figures are made of: axes, clouds, lines, bands, estimates with limits, ellipses."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from mlteach.core.distributions import chi2_quantile
from mlteach.core.palette import PALETTE
from mlteach.errors import DataError
from mlteach.plots.look import SERIES

# -------------------------------------------------------------------------------------------- axes


def axes_or_new(ax: Axes | None, height: float | None = None, width: float = 0.0) -> Axes:
    """The caller's Axes, or those of a new figure, of this height and at least this width.

    Both are in inches; height is the usual one by default.
    """
    if ax is None:
        usual = plt.rcParams["figure.figsize"]
        size = (max(width, usual[0]), usual[1] if height is None else height)
        return plt.subplots(figsize=size)[1]
    if not isinstance(ax, Axes):
        raise DataError(
            f"ax must be one matplotlib Axes, not {type(ax).__name__}. From plt.subplots(1, 2) "
            "take one element: fig, axes = plt.subplots(1, 2); ax=axes[0]."
        )
    return ax


def size_in_points(ax: Axes) -> np.ndarray:
    """Width and height that the Axes will have, roughly: the layout comes after the drawing."""
    # A layout engine leaves less margin than the defaults, from which the extent is taken.
    room = 1.0 if ax.figure.get_layout_engine() is None else 1.1
    return np.array(ax.get_window_extent().size) * (72 / ax.figure.dpi * room)


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


def shade(ax: Axes, x, table: pd.DataFrame, color: str, text: str | None = None) -> None:
    """Shade what lies between the limits of a table along x."""
    look = {"color": color, "alpha": 0.16, "lw": 0, "label": text}
    ax.fill_between(x, table["lower"], table["upper"], **look)


def estimates(
    ax: Axes, at, table: pd.DataFrame, k: int, text: str, width: float, size: float
) -> None:
    """Draw the k-th series of estimates as marks at some heights, each on its interval."""
    color, marker = SERIES[k % len(SERIES)]
    ax.hlines(at, table["lower"], table["upper"], color=color, lw=width, gid=text or "fit")
    ax.plot(table["estimate"], at, ls="", marker=marker, ms=size, color=color, label=text)


def ellipse_axes(covariance: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the axes of the ellipse that holds a share of a normal distribution, and angles.

    The shorter axis comes first; angles are in degrees.
    """
    values, vectors = np.linalg.eigh(covariance)
    lengths = 2.0 * np.sqrt(chi2_quantile(share, 2) * values.clip(min=0.0))
    return lengths, np.degrees(np.arctan2(vectors[1], vectors[0]))
