"""Stacked twins of figures with panels side by side, for narrow screens.

A panel is known by the corner of its axes: a dark line upwards and one to the right, and nothing
left of it. Panels are cut apart in the widest blank between two of them, from top to bottom; where
there is none, because a legend or a label belongs to both, the figure stays as it is. A panel that
has ticks but no labels shares the axis of the panel before, and gets a copy of it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

#: The grey of the lines of axes, and how near to it or to white a colour is the same.
LINE, NEAR, WHITE = (110, 110, 110), 8, 250
#: Lines of axes are at least so long, as shares of the picture's width and height.
WIDE, HIGH = 0.08, 0.12
#: Pixels: the longest tick, the narrowest blank that parts two panels, and that between two pieces.
TICK, BLANK, GAP = 20, 8, 40


class Axes(NamedTuple):
    """Columns of pixels: where the axes of a panel begin and end."""

    left: int
    right: int


class Piece(NamedTuple):
    """Columns to be cut out, before them those of an axis that is shared (or none)."""

    columns: tuple[int, int]
    axis: tuple[int, int] = (0, 0)


def all_axes(lines: np.ndarray) -> list[Axes]:
    """The axes of all columns of panels, from left to right, by the pixels of their colour."""
    height, width = lines.shape
    long, high = int(WIDE * width), int(HIGH * height)
    found: list[Axes] = []
    for x in np.flatnonzero(lines.sum(axis=0) >= high):
        for y in np.flatnonzero(lines.sum(axis=1) >= long):
            is_corner = lines[max(y - high, 0) : y, x].all() and lines[y, x : x + long].all()
            if not is_corner or lines[y, max(x - TICK, 0)]:
                continue
            after = np.flatnonzero(~lines[y, x:])
            right = int(x + after[0]) if after.size else width
            if found and x < found[-1].right:
                found[-1] = Axes(found[-1].left, max(right, found[-1].right))
            else:
                found.append(Axes(int(x), right))
    return found


def widest_blank(blank: np.ndarray, start: int, stop: int) -> tuple[int, int]:
    """The longest run of blank columns between two, as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.r_[0, blank[start:stop].astype(np.int8), 0]))
    spans = edges.reshape(-1, 2) + start
    return tuple(map(int, max(spans, key=np.ptp))) if len(spans) else (start, start)


def pieces(picture: Image.Image) -> list[Piece]:
    """How to cut a picture into its panels; nothing if it has one, or they cannot be parted."""
    colours = np.array(picture.getpalette(), np.int16).reshape(-1, 3)
    pixels = np.asarray(picture)
    lines = (np.abs(colours - LINE).max(axis=1) <= NEAR)[pixels]
    blank = (colours.min(axis=1) > WHITE)[pixels].all(axis=0)
    axes, starts, found = all_axes(lines), [0], []
    for before, after in pairwise(axes):
        start, stop = widest_blank(blank, before.right, after.left)
        if stop - start < BLANK:
            return []
        starts.append(stop)
    first = 0
    for k, (start, stop) in enumerate(pairwise([*starts[: len(axes)], pixels.shape[1]])):
        tick = axes[k].left - start
        first = first if k and tick < TICK else k
        origin = axes[first].left
        is_shared = first < k and tick and (lines[:, start] == lines[:, origin - tick]).all()
        found.append(Piece((start, stop), (starts[first], origin - tick) if is_shared else (0, 0)))
    return found if len(found) > 1 else []


def stacked(picture: Image.Image, cuts: list[Piece]) -> Image.Image:
    """The pieces of a picture, one below the other."""
    height = picture.height
    widths = [p.columns[1] - p.columns[0] + p.axis[1] - p.axis[0] for p in cuts]
    size = max(widths), len(cuts) * (height + GAP) - GAP
    ground = picture.getpixel((0, 0))
    made = Image.new(picture.mode, size, ground)
    if picture.mode == "P":
        made.putpalette(picture.getpalette())
    for k, piece in enumerate(cuts):
        x = 0
        for start, stop in (piece.axis, piece.columns):
            made.paste(picture.crop((start, 0, stop, height)), (x, k * (height + GAP)))
            x += stop - start
    return made


def stack_of(path: Path) -> Path:
    """Where the stacked twin of a picture lies."""
    return path.with_name(f"{path.stem}-stacked.png")
