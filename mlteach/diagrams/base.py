"""What the diagrams share: colours, words, the mark of a unit, an arrow.

Colours are Okabe and Ito's, which readers with any colour vision can tell apart, and no meaning
hangs on colour alone.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK = "#222222"
# Units that belong to clusters of several colours, or to none.
NEUTRAL = "#8C8C8C"
# Share of the full colour in the fill of a unit, so that black text stays readable on it.
TINT = 0.35


def draw_unit(ax: Axes, x: float, y: float, text: str, color: str, is_finest: bool) -> None:
    """Draw a unit: a circle for the finest level, a box for the others, white if neutral."""
    shape = "circle,pad=0.35" if is_finest and len(text) <= 2 else "round,pad=0.45"
    fill = "white" if color == NEUTRAL else tint(color)
    box = {"boxstyle": shape, "facecolor": fill, "edgecolor": color, "linewidth": 1.4}
    write(ax, x, y, text, 10, bbox=box, zorder=3)


def write(ax: Axes, x: float, y: float, text: str, size: float, **look) -> None:
    """Write a text with its middle at a place."""
    ax.text(x, y, text, fontsize=size, **{"ha": "center", "va": "center", "color": INK} | look)


def tint(color: str, share: float = TINT) -> np.ndarray:
    """Mix a share of a colour with white; red, green and blue between 0 and 1."""
    return 1.0 - share * (1.0 - np.array(to_rgb(color)))


def draw_arrow(ax: Axes, start: np.ndarray, end: np.ndarray, **style) -> None:
    """Draw an arrow between two marks; style goes to matplotlib's ``arrowprops``."""
    properties = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.3, "mutation_scale": 11}
    properties |= {"shrinkA": 13, "shrinkB": 14} | style
    ax.annotate("", xy=end, xytext=start, arrowprops=properties, zorder=2)
