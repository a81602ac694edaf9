"""Stacked twins of figures that have panels side by side, for narrow screens.

A panel is known by the corner of its axes: a line upwards and one to the right, and none left of
it. Panels are cut apart in the first blank after one of them, from top to bottom; a line of text
below that crosses it is a label of all, and goes below each, or has a label for each, in the middle
of its axes. Where there is no such blank the figure stays as it is. A panel that has ticks but no
labels shares the axis of the one before, and gets a copy of it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mlteach.core.palette import PALETTE

#: How near to each other two colours are the same.
NEAR = 8
#: Lines of axes are at least so long, as shares of the picture's width and height, and of a foot so
#: much is to be seen: the data may stand on it.
WIDE, HIGH, SEEN = 0.08, 0.12, 0.7
#: Pixels: the longest tick, the narrowest blank between panels, what of it stays, between pieces,
#: between words.
TICK, BLANK, MARGIN, GAP, SPACE = 20, 14, 10, 30, 40
Box = tuple[int, int, int, int]


class Axes(NamedTuple):
    """Where the axes of a panel begin and end, and the row of their foot, in pixels."""

    left: int
    right: int
    foot: int


def where(picture: Image.Image, colour: str) -> np.ndarray:
    """The pixels of a picture with a palette that have a colour like "#6e6e6e"."""
    palette = np.array(picture.getpalette(), np.int16).reshape(-1, 3)
    distance = np.abs(palette - np.array(list(bytes.fromhex(colour[1:])))).max(axis=1)
    return (distance <= NEAR)[np.asarray(picture)]


def all_axes(lines: np.ndarray, white: np.ndarray) -> list[Axes]:
    """The axes of all columns of panels, from left to right, by the pixels of their colour."""
    height, width = lines.shape
    long, high = int(WIDE * width), int(HIGH * height)
    found: list[Axes] = []
    for x in np.flatnonzero(lines.sum(axis=0) >= high):
        for y in np.flatnonzero(lines.sum(axis=1) >= long):
            right = int(x + np.argmax(np.r_[white[y, x:], True]))
            foot = lines[y, x : x + long]
            is_corner = lines[max(y - high, 0) : y, x].all() and foot[0] and foot.mean() >= SEEN
            if not is_corner or right < x + long or lines[y, max(x - TICK, 0)]:
                continue
            if found and x < found[-1].right:
                left, *ends = found.pop()
                found.append(Axes(left, *map(max, ends, (right, int(y)))))
            else:
                found.append(Axes(int(x), right, int(y)))
    return found


def starts(white: np.ndarray, axes: list[Axes]) -> list[int]:
    """The column in which each panel begins; -1 where none is blank before it."""
    found, blank = [0], white.all(axis=0).astype(np.int8)
    for before, after in pairwise(axes):
        edges = np.flatnonzero(np.diff(np.r_[0, blank[before.right : after.left], 0]))
        ends = edges[1::2][np.diff(edges)[::2] >= BLANK] + before.right
        found.append(int(ends[0]) if ends.size else -1)
    return found


def last_labels(white: np.ndarray) -> list[Box]:
    """The boxes of the labels in the last line of text."""
    blank = white.all(axis=1)
    stop = int(np.flatnonzero(~blank)[-1]) + 1
    start = int(np.flatnonzero(blank[:stop])[-1]) + 1
    ink = np.flatnonzero(~white[start:stop].all(axis=0))
    labels = np.split(ink, np.flatnonzero(np.diff(ink) > SPACE) + 1)
    return [(int(label[0]), start, int(label[-1]) + 1, stop) for label in labels]


def are_in_the_middle(labels: list[Box], axes: list[Axes]) -> bool:
    """Whether there is a label for each axes, and it stands below its middle."""
    return len(labels) == len(axes) and all(
        abs(label[0] + label[2] - one.left - one.right) <= SPACE
        for label, one in zip(labels, axes, strict=True)
    )


def panels(picture: Image.Image) -> list[list[Box]]:
    """The boxes of each panel: the axis, if it is another's; itself; a label of all.

    A picture with one panel, or with panels that cannot be parted, has none.
    """
    lines = where(picture, PALETTE["grey"])
    white = where(picture, "#ffffff")
    axes = all_axes(lines, white)
    if len(axes) < 2:
        return []
    foot = max(one.foot for one in axes)
    begins, bottom = starts(white, axes), picture.height
    below: list[list[Box]] = [[] for _ in axes]
    # A label beside the axes of a panel may stand over the label below those of the one before.
    over = starts(white[:foot], axes)
    if -1 in begins or any(map(int.__lt__, over, begins)):
        labels = last_labels(white)
        bottom = labels[0][1]
        begins = starts(white[:bottom], axes)
        each = are_in_the_middle(labels, axes)
        below = [[label] for label in labels] if each else [labels for _ in axes]
    if -1 in begins or any(map(int.__lt__, over, begins)) or len(below[0]) > 1:
        return []
    found, first = [], 0
    for k, (begin, end) in enumerate(pairwise([*begins, picture.width + MARGIN])):
        tick = axes[k].left - begin
        first = first if k and tick < TICK else k
        origin, left = axes[first].left - tick, max(begins[first] - MARGIN, 0)
        if (lines[:foot, begin + tick // 2] != lines[:foot, origin + tick // 2]).any():
            return []  # ticks without labels, that are not those of another axis
        axis = [(left, 0, origin, bottom)] if first < k else []
        found.append([*axis, (begin if axis else left, 0, end - MARGIN, bottom), *below[k]])
    return found


def stacked(picture: Image.Image, boxes: list[list[Box]]) -> Image.Image:
    """The panels of a picture, one below the other."""
    width = max(sum(b[2] - b[0] for b in panel if b[1] == 0) for panel in boxes)
    height = boxes[0][-1][3] + GAP
    made = Image.new("P", (width, len(boxes) * height - GAP), picture.getpixel((0, 0)))
    made.putpalette(picture.getpalette())
    for k, panel in enumerate(boxes):
        x = 0
        for box in panel:
            if box[1]:  # a label below, in the middle
                x = max(width - (box[2] - box[0]), 0) // 2
            piece = picture.crop(box)
            made.paste(piece if box[1] else whole(piece), (x, k * height + box[1]))
            x += box[2] - box[0]
    return made


def whole(piece: Image.Image) -> Image.Image:
    """A piece without the glyphs that its right edge cuts through."""
    ground = piece.getpixel((0, 0))
    ink = np.flatnonzero(np.asarray(piece)[:, -1] != ground)
    for glyph in np.split(ink, np.flatnonzero(np.diff(ink) > TICK) + 1) if ink.size else ():
        box = (piece.width - TICK, int(glyph[0]) - 2, piece.width, int(glyph[-1]) + 3)
        piece.paste(ground, box)
    return piece


def stack_of(path: Path) -> Path:
    """Where the stacked twin of a picture lies."""
    return path.with_name(f"{path.stem}-stacked.png")


def make_stacks(path: Path, dark: Path) -> None:
    """Write the stacked twins of a picture and of its dark twin, unless they are there."""
    if stack_of(path).is_file() and stack_of(dark).is_file():
        return
    with Image.open(path) as light, Image.open(dark) as other:
        if light.mode == "P" and (boxes := panels(light)):
            for picture, place in ((light, path), (other, dark)):
                stacked(picture, boxes).save(stack_of(place))
