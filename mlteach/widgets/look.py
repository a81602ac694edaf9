"""How the figures of widgets look: large type, few ticks, and axes that stay where they are.

A figure is seen on a phone and in a lecture hall, moves, and follows the reader's light or dark
mode. So its size, margins and label places are fixed, its ground is transparent, and its colours
are those of :data:`PALETTE`, which the page knows by name. Labels are plain Unicode text: a formula
in dollar signs would not be text any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlteach.core.palette import PALETTE
from mlteach.widgets.stage import empty_figure

#: Inches. At the width of a book's column a letter is twice as large as in the text.
WIDTH, HEIGHT = 6.4, 3.5
#: Inches left free: for the numbers and the label of an axis, and for a title.
LEFT, RIGHT, BOTTOM, TOP = 0.78, 0.1, 0.56, 0.36

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALETTE["grey"],
    "axes.facecolor": "none",
    "axes.labelsize": 13,
    "axes.linewidth": 1.0,
    "axes.prop_cycle": cycler(
        color=[PALETTE[c] for c in ("blue", "vermillion", "green", "orange")]
    ),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 13,
    "axes.titley": 1.0,  # where it would be anyway, without measuring all labels to find out
    "figure.facecolor": "none",
    "font.size": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2.4,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "mlteach",
    "xtick.color": PALETTE["grey"],
    "xtick.labelcolor": PALETTE["black"],
    "ytick.color": PALETTE["grey"],
    "ytick.labelcolor": PALETTE["black"],
}


@contextmanager
def style() -> Iterator[None]:
    """Give the figures made inside a ``with`` block this look, whatever the session's settings are.

    ``Widget.panel`` does so itself.
    """
    with mpl.rc_context():
        # A notebook may have asked for a style of its own, and a figure must not depend on it.
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def figure(widths: Sequence[float] = (1,), *, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """Make a figure with one row of Axes.

    Parameters
    ----------
    widths : sequence of float, default (1,)
        Relative widths, one an Axes.
    height : float, default 3.5
        Inches; the width is always 6.4.

    Returns
    -------
    Figure, list of Axes

    Examples
    --------
    >>> _, axes = figure((2, 1))
    >>> len(axes)
    2
    """
    shape = (tuple(widths), height)
    made = empty_figure(shape, lambda: _empty(*shape))
    return made, list(made.axes)


def _empty(widths: Sequence[float], height: float) -> Figure:
    made = Figure(figsize=(WIDTH, height))
    share = (WIDTH - len(widths) * (LEFT + RIGHT)) / sum(widths)
    left = LEFT
    for width in widths:
        box = (left, BOTTOM, width * share, height - BOTTOM - TOP)
        ax = made.add_axes([box[0] / WIDTH, box[1] / height, box[2] / WIDTH, box[3] / height])
        for axis in (ax.xaxis, ax.yaxis):
            # The labels' places are fixed, so nobody asks how large the numbers beside them are.
            axis._get_ticklabel_bboxes = lambda *_: ([], [])
        # Fixed places: a label must not jump when the numbers beside it grow.
        ax.xaxis.set_label_coords(0.5, -0.33 / box[3])
        ax.yaxis.set_label_coords(-0.64 / box[2], 0.5)
        left += width * share + LEFT + RIGHT
    return made


def draw_intervals(
    ax: Axes, low: np.ndarray, high: np.ndarray, held: np.ndarray, height: float
) -> None:
    """Draw intervals of studies side by side around zero; at a height stands how many miss it."""
    at = np.arange(len(held))
    for colour, these in (("light", held), ("vermillion", ~held)):
        ax.vlines(at[these], low[these], high[these], color=PALETTE[colour], lw=1.35)
    ax.axhline(0, color=PALETTE["black"], lw=1.6)
    text = f"{(~held).sum()} of {len(held)} miss"
    ax.text(2, height, text, color=PALETTE["vermillion"], fontsize=15)
    ax.set_xlim(-2, len(held) + 1)


def signed(value: float | None, decimals: int = 2) -> str:
    """A number with the sign that is printed in books; no minus before zero."""
    if value is None:
        return "unknown"
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
