"""A legend that covers nothing: above all that is drawn, in as many columns as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from mlteach.plots.words import described


def legend_with_headroom(
    ax: Axes,
    handles: Sequence[Artist] | None = None,
    title: str | None = None,
    *,
    ground: bool = False,
) -> None:
    """Put a legend into the Axes, above all that is drawn, in as many columns as there is room.

    A label that is wider than the Axes is broken into lines. With a ground the words stay readable
    where lines run through the legend's place.
    """
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    if ax.figure.get_layout_engine() is not None:
        ax.figure.draw_without_rendering()
    width, height = np.array(ax.get_window_extent().size) * 72 / ax.figure.dpi
    font = FontProperties(size=plt.rcParams["legend.fontsize"])
    size = font.get_size_in_points()
    # Borders and the handle with its gap, in font sizes, as in the call below.
    room, handle = width - 2.0 * size, 2.6 * size
    labels = [_broken(str(h.get_label()), room - handle, font) for h in handles]
    widths = [max(_text_width(line, font) for line in text.split("\n")) + handle for text in labels]
    ncols = _columns(widths, room, 1.2 * size)
    lines = [text.count("\n") + 1 for text in labels]
    # A legend is filled column by column, the first ones with one entry more.
    rows = max(map(sum, np.array_split(lines, ncols))) + (title is not None)
    share = min(0.45, (rows * 1.58 * size + 10) / height)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))
    place = {"loc": "upper left", "ncols": ncols, "title": title, "alignment": "left"}
    gaps = {"borderaxespad": 0.2, "columnspacing": 1.2, "handletextpad": 0.5}
    frame = {"frameon": ground, "facecolor": "white", "edgecolor": "none", "framealpha": 0.85}
    ax.legend(handles, labels, **place, **gaps, **frame)


def finished(ax: Axes, text: str, **legend) -> Axes:
    """Put in a legend with headroom, keep the description of the figure, and hand back the Axes."""
    legend_with_headroom(ax, **legend)
    return described(ax, text)


def _text_width(text: str, font: FontProperties) -> float:
    """Width of a line of text in points."""
    return float(TextPath((0, 0), text, prop=font).get_extents().x1) if text.strip() else 0.0


def _broken(text: str, width: float, font: FontProperties) -> str:
    """Text in as many lines as it needs to be no wider than this (one word a line at most)."""
    letters = len(text)
    while _text_width(max(text.split("\n"), key=len), font) > width and letters > 8:
        letters -= 4
        text = fill(text.replace("\n", " "), letters, break_long_words=False)
    return text


def _columns(widths: Sequence[float], room: float, gap: float) -> int:
    """How many columns of entries of these widths fit into a room, all in points."""
    for ncols in range(len(widths), 1, -1):
        columns = np.array_split(widths, ncols)
        if sum(map(max, columns)) + gap * (ncols - 1) <= room:
            return ncols
    return 1
