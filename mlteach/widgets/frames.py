"""All figures of a widget, drawn beforehand for the website.

Two neighbouring figures have most of their lines in common. So a chunk of frames is one table of
the lines that occur, and a list of their numbers for each frame: equal lines are stored once, equal
frames too, and gzip finds the rest. The frames lie in the order of :meth:`Widget.grid`.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version

from mlteach.data.fingerprint import fingerprint
from mlteach.errors import ModelError
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.look import style
from mlteach.widgets.room import longest
from mlteach.widgets.stage import stage
from mlteach.widgets.svg import Drawing, drawing

#: A grid with more frames takes minutes to draw; nobody visits them all.
MOST_FRAMES = 1500
#: A chunk of this size, in bytes of text, arrives in a blink and holds some dozens of frames.
CHUNK_BYTES = 250_000
#: A widget that is larger should have fewer figures, or fewer points in them.
MOST_BYTES = 1_500_000
#: Other packages on which the text of a figure depends.
PACKAGES = ("matplotlib", "numpy", "scipy")
#: A figure is ten thousand objects in circles; to look for circles after each 700 takes a third of
#: the time of drawing.
RARELY = (100_000, 50, 1000)


@dataclass(frozen=True)
class Frames:
    """All drawn panels of a widget.

    Attributes
    ----------
    width, height : float
        Of the view box of every figure.
    names : tuple of str
        Of the readouts.
    chunks : tuple of str
        Frames as gzipped JSON in base64.
    chunk_size : int
        Frames a chunk; the last one may hold fewer.
    """

    width: float
    height: float
    names: tuple[str, ...]
    chunks: tuple[str, ...]
    chunk_size: int

    def panel(self, place: int) -> Panel:
        """Unpack one panel."""
        which, index = divmod(place, self.chunk_size)
        chunk = _unpacked(self.chunks[which])
        lines, readouts, description, solved = chunk["frames"][index]
        figure = Drawing(self.width, self.height, tuple(chunk["lines"][k] for k in lines))
        named = dict(zip(self.names, readouts, strict=True))
        return Panel(figure, named, description, bool(solved))

    def longest(self) -> tuple[str, ...]:
        """The longest text of each readout and of the description: the page keeps room for it."""
        frames = (frame for chunk in self.chunks for frame in _unpacked(chunk)["frames"])
        return longest([*readouts, description] for _, readouts, description, _ in frames)


def draw_frames(widget: Widget) -> Frames:
    """Draw a widget at all values of its grid.

    Parameters
    ----------
    widget : Widget

    Returns
    -------
    Frames

    Raises
    ------
    ModelError
        If there are too many frames, if they weigh too much, or if their size or the names of
        their readouts change from one to the next.
    """
    if widget.frames > MOST_FRAMES:
        raise ModelError(
            f"Widget {widget.name!r} has a grid of {widget.frames} figures, more than "
            f"{MOST_FRAMES}; give its sliders fewer values (grid=...)."
        )
    drawn: list[Panel] = []
    shapes = set()
    with style(), _rare_collections(), stage() as used:
        for values in widget.grid():
            used.clear()
            panel = widget.checked(widget.draw(**values))
            figure = drawing(panel.figure)
            shapes.add((figure.width, figure.height, tuple(panel.readouts)))
            drawn.append(replace(panel, figure=figure))
    if len(shapes) > 1:
        raise ModelError(
            f"The figures of widget {widget.name!r} differ in size or in the names of their "
            f"readouts: {sorted(shapes)}."
        )
    (shape,) = shapes
    return Frames(*shape, *_chunked(widget, drawn))


@contextmanager
def _rare_collections() -> Iterator[None]:
    usual = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _chunked(widget: Widget, frames: Sequence[Panel]) -> tuple[tuple[str, ...], int]:
    """Pack frames into chunks of about the same, handy size."""
    total = len(_packed(frames))
    if total > MOST_BYTES:
        raise ModelError(
            f"The figures of widget {widget.name!r} weigh {total:,} bytes, more than "
            f"{MOST_BYTES:,}; draw fewer of them (grid=...) or fewer points in each."
        )
    size = -(-len(frames) // -(-total // CHUNK_BYTES))
    starts = range(0, len(frames), size)
    return tuple(_packed(frames[start : start + size]) for start in starts), size


def _packed(frames: Iterable[Panel]) -> str:
    """Pack frames as a table of lines and a list of numbers a frame."""
    lines: dict[str, int] = {}
    rows = []
    for frame in frames:
        numbers = [lines.setdefault(line, len(lines)) for line in frame.figure.lines]
        readouts = list(frame.readouts.values())
        rows.append([numbers, readouts, frame.description, int(frame.solved)])
    chunk = {"lines": list(lines), "frames": rows}
    text = json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _unpacked(chunk: str) -> dict[str, list]:
    return json.loads(gzip.decompress(base64.b64decode(chunk)))


def frames_hash(widget: Widget) -> str:
    """Hash all that the figures of a widget depend on: see :mod:`mlteach.data.fingerprint`."""
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    return fingerprint([widget.module], repr(widget.controls), *versions)
