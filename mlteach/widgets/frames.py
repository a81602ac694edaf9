"""All figures of a widget, drawn beforehand for the website.

Two neighbouring figures have most of their lines in common. So a chunk of frames is one table of
the lines that occur, and a list of their numbers for each frame: equal lines are stored once, equal
frames too, and gzip finds the rest. The frames lie in the order of :meth:`Widget.grid`.
"""

from __future__ import annotations

import ast
import base64
import gzip
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mlteach.errors import ModelError
from mlteach.widgets.base import Widget
from mlteach.widgets.look import style
from mlteach.widgets.svg import drawing

#: A grid with more frames takes minutes to draw; nobody visits them all.
MOST_FRAMES = 1500
#: A chunk of this size, in bytes of text, arrives in a blink and holds some dozens of frames.
CHUNK_BYTES = 250_000
#: A widget that is larger should have fewer figures, or fewer points in them.
MOST_BYTES = 1_500_000
#: Stored results that lessons read beside the data sets.
TABLES = (".csv", ".npz")
#: Other packages on which the text of a figure depends.
PACKAGES = ("matplotlib", "numpy", "scipy")


@dataclass(frozen=True)
class Frame:
    """One drawn panel: the lines of its figure, its readouts in order, its description."""

    lines: tuple[str, ...]
    readouts: tuple[str, ...]
    description: str


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

    def frame(self, place: int) -> Frame:
        """Unpack one frame."""
        which, index = divmod(place, self.chunk_size)
        chunk = json.loads(gzip.decompress(base64.b64decode(self.chunks[which])))
        lines, readouts, description = chunk["frames"][index]
        picked = tuple(chunk["lines"][k] for k in lines)
        return Frame(picked, tuple(readouts), description)


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
    drawn: list[Frame] = []
    shapes = set()
    with style():
        for values in widget.grid():
            panel = widget.panel(**values)
            figure = drawing(panel.figure)
            shapes.add((figure.width, figure.height, tuple(panel.readouts)))
            texts = tuple(panel.readouts.values())
            drawn.append(Frame(figure.lines, texts, panel.description))
    if len(shapes) > 1:
        raise ModelError(
            f"The figures of widget {widget.name!r} differ in size or in the names of their "
            f"readouts: {sorted(shapes)}."
        )
    (shape,) = shapes
    return Frames(*shape, *_chunked(widget, drawn))


def _chunked(widget: Widget, frames: Sequence[Frame]) -> tuple[tuple[str, ...], int]:
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


def _packed(frames: Iterable[Frame]) -> str:
    """Pack frames as a table of lines and a list of numbers a frame."""
    lines: dict[str, int] = {}
    rows = [
        [[lines.setdefault(line, len(lines)) for line in f.lines], f.readouts, f.description]
        for f in frames
    ]
    chunk = {"lines": list(lines), "frames": rows}
    text = json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


# ------------------------------------------------------------------------ what the frames depend on


def fingerprint(widget: Widget) -> str:
    """Hash all that the figures of a widget depend on.

    That is the module of its drawing function with every module of the same package that it
    imports, directly or not; the data files of the package, if it reads any; and the versions of
    the packages that draw and compute.

    Parameters
    ----------
    widget : Widget

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    digest = hashlib.sha256(repr(widget.controls).encode())
    for package in PACKAGES:
        digest.update(f"{package} {version(package)}".encode())
    for path in sorted(_sources(widget.module)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _sources(module: str) -> set[Path]:
    """The files of a module, of what it imports from its own package, and of the data it reads."""
    found: dict[str, Path] = {}
    waiting = {module, __name__}
    while waiting:
        name = waiting.pop()
        found[name] = _file(name)
        waiting |= set(_imports(name)) - set(found)
    files = set(found.values())
    if "mlteach.data.shipped" in found:
        # The codebook holds the SHA-256 of every data set; other tables stand for themselves.
        from mlteach.data.shipped import folder

        files.add(folder() / "codebook.json")
        files |= {path for path in folder().glob("*simulation*") if path.suffix in TABLES}
    return files


@cache
def _file(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin)


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The modules of mlteach, and of the module's own package, that a module imports."""
    own = {"mlteach", module.partition(".")[0]}
    tree = ast.parse(_file(module).read_text(encoding="utf-8"))
    named = _named(tree, module.rpartition(".")[0])
    return tuple(name for name in named if name.partition(".")[0] in own and _is_module(name))


def _named(tree: ast.AST, package: str) -> Iterator[str]:
    """Every name that an import statement could mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(source, package) if node.level else source
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a name inside of a module
        return False
