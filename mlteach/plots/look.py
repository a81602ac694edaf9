"""Colours, markers and dashes of all figures, and the look of the book.

Colours are Okabe and Ito's, which readers with any common colour vision tell apart; wherever two
things must be told apart they also differ in marker, line or hatch, so that a greyscale print still
works. Nothing here changes matplotlib's settings unless :func:`use_style` is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
from cycler import cycler

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE

# In this order neighbours differ in lightness too: dark, light, black, ...
COLORS = ("blue", "orange", "black", "green", "purple", "sky")
SERIES = tuple((PALETTE[name], mark) for name, mark in zip(COLORS, "osD^vP", strict=True))
#: Lines that differ without colour too, one for each of SERIES.
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), "-.", (0, (8, 2, 1, 2)), (0, (3, 3)))

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALETTE["grey"],
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=[color for color, _ in SERIES])
    + cycler(linestyle=["-", "--", "-.", ":", (0, (6, 2)), (0, (1, 3))]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
    "figure.figsize": (6.8, 4.2),
    "font.size": 10.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "xtick.color": PALETTE["grey"],
    "xtick.labelcolor": PALETTE["black"],
    "ytick.color": PALETTE["grey"],
    "ytick.labelcolor": PALETTE["black"],
}


@checked
def use_style() -> None:
    """Give every later figure of this session the look of the book (changes ``rcParams``).

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with mpl.rc_context():
    ...     use_style()
    ...     mpl.rcParams["axes.spines.top"]
    False
    """
    plt.rcParams.update(_STYLE)


@checked
@contextmanager
def style() -> Iterator[None]:
    """Give the figures made inside a ``with`` block the look of the book.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> before = mpl.rcParams["font.size"]
    >>> with style():
    ...     print(mpl.rcParams["font.size"])
    10.5
    >>> mpl.rcParams["font.size"] == before
    True
    """
    with plt.rc_context(_STYLE):
        yield
