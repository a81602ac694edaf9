"""A figure as compact SVG text that takes its colours and its letters from the page around it.

matplotlib writes an SVG for a file of its own: 40 kB with a font list at every number, six decimals
and a group around everything. Here it becomes one short line an element, so that two figures that
differ in one line share all others, and a browser redraws in a moment.

Invariants: the same figure gives the same text; every colour of the palette is a CSS variable,
``var(--mlteach-blue)``; ids begin with :data:`ID`, which the page replaces, because two figures may
stand on one page.
"""

from __future__ import annotations

import io
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from mlteach.core.palette import PALETTE

#: What stands for the page's own prefix in every id.
ID = "@@"
#: A figure is 460 units wide: a tenth of one cannot be seen.
DECIMALS = 1
#: Whatever depends on the day or on the version of matplotlib.
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
#: Units an inch.
DPI = 72

_NUMBER = re.compile(r"-?\d+\.\d+")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
#: matplotlib's family list, which the page's own takes the place of.
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_VARIABLES = {code.lower(): f"var(--mlteach-{name})" for name, code in PALETTE.items()}
_VARIABLES["#ffffff"] = "var(--mlteach-paper)"

#: Attributes of an element, as matplotlib gives them.
Given = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drawing:
    """A figure as text.

    Attributes
    ----------
    width, height : float
        Of its view box.
    lines : tuple of str
        The content of the ``svg`` element.
    """

    width: float
    height: float
    lines: tuple[str, ...]

    def element(self, prefix: str, description: str) -> str:
        """The ``svg`` element, with ids of its own and its description."""
        body = "\n".join(self.lines).replace(ID, prefix)
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f"aria-label={quoteattr(description)}>\n{body}\n</svg>"
        )

    def picture(self) -> str:
        """The address of a picture that needs no page around it, on white."""
        colours = ";".join(f"--mlteach-{name}:{code}" for name, code in PALETTE.items())
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'style="{colours};--mlteach-paper:#fff;background:#fff;font-family:sans-serif">'
        )
        text = "\n".join([head, *self.lines, "</svg>"]).replace(ID, "")
        return f"data:image/svg+xml;base64,{b64encode(text.encode()).decode()}"


def drawing(figure: Figure) -> Drawing:
    """Turn a figure into compact text.

    Parameters
    ----------
    figure : Figure
        Made in the style of :func:`mlteach.widgets.look.style`, and drawn in it.

    Returns
    -------
    Drawing

    Examples
    --------
    >>> from mlteach.widgets import look
    >>> with look.style():
    ...     figure, (ax,) = look.figure()
    ...     _ = ax.axhline(0.5, color="#0072B2")
    ...     text = drawing(figure)
    >>> [line for line in text.lines if "blue" in line]
    ['<path d="M56.2 118.8L453.6 118.8" clip-path=... style="...stroke:var(--mlteach-blue);...
    """
    figure.dpi = DPI
    width, height = figure.get_size_inches() * DPI
    renderer = _Renderer(width, height)
    figure.draw(renderer)
    renderer.finalize()
    return Drawing(float(width), float(height), tuple(renderer.writer.lines))


class _Renderer(RendererSVG):
    """matplotlib's own with another writer, that finds what is asked for again and again once."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(width, height, io.StringIO(), metadata=NO_METADATA)
        self.writer = _Writer()

    def draw_markers(self, gc: Any, *arguments: Any, **more: Any) -> None:
        """Draw markers, which have one style a call."""
        # matplotlib asks for the style at each marker; without this method it would do so again.
        self._get_style = lru_cache(self._get_style)
        super().draw_markers(gc, *arguments, **more)
        del self._get_style

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        """Measure a text."""
        return _measures(s, prop.copy(), ismath)


@lru_cache(maxsize=2000)
def _measures(s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
    return RendererSVG(1, 1, io.StringIO()).get_text_width_height_descent(s, prop, ismath)


class _Writer:
    """What matplotlib's renderer writes to: it makes short lines of elements."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.text = ""
        #: Of the open elements: their heads, and the lines before them.
        self.open: list[tuple[str, list[str]]] = []

    def start(self, tag: str, attrib: dict[str, str] | None = None, **extra: str) -> int:
        """Open an element."""
        self.open.append((_head(tag, (*(attrib or {}).items(), *extra.items())), self.lines))
        self.lines, self.text = [], ""
        return len(self.open)

    def data(self, text: str) -> None:
        """Write inside of a text."""
        self.text += escape(text)

    def end(self, tag: str = "", indent: bool = True) -> None:
        """Close an element."""
        inside = self.lines
        head, self.lines = self.open.pop()
        tag = head.partition(" ")[0]
        if tag in ("text", "tspan"):
            self.lines.append(f"<{head}>{self.text}{''.join(inside)}</{tag}>")
        elif inside and head != "g":
            self.lines += [f"<{head}>", *inside, f"</{tag}>"]
        elif tag in ("g", "defs"):
            # A group that only had a name is no group to the page, nor is one that holds nothing.
            self.lines += inside
        elif head:
            self.lines.append(f"<{head}/>")
        self.text = ""

    def element(
        self, tag: str, text: str = "", attrib: dict[str, str] | None = None, **extra: str
    ) -> None:
        """Write a whole element."""
        self.start(tag, attrib, **extra)
        self.data(text or "")
        self.end()

    def comment(self, *_: object) -> None:
        """Write nothing."""

    close = flush = comment


@lru_cache(maxsize=20_000)
def _head(tag: str, given: Given) -> str:
    """Write an element's name and attributes; of the transparent ground, nothing."""
    kept = _attributes(tag, given)
    # Neither a fill nor a line.
    if tag == "path" and kept.get("style") == "fill:none":
        return ""
    return tag + "".join(f" {key}={quoteattr(value)}" for key, value in kept.items())


def _attributes(tag: str, given: Given) -> dict[str, str]:
    """Shorten the attributes of an element, and drop the names of groups."""
    kept = {
        key.removeprefix("xlink:"): _WRITTEN.get(key, _value)(value)
        for key, value in given
        if value and (tag, key) != ("g", "id")
    }
    return {key: value for key, value in kept.items() if value}


def _reference(text: str) -> str:
    return f"#{ID}{text[1:]}" if text[0] == "#" else text


def _value(text: str) -> str:
    return _rounded(_NO_TURN.sub("", text).replace("url(#", f"url(#{ID}")).strip()


def _rounded(text: str) -> str:
    return _NUMBER.sub(_short, text)


def _short(match: re.Match[str]) -> str:
    number = f"{float(match[0]):.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if number == "-0" else number


def _path(text: str) -> str:
    """Write a path without the spaces that nobody needs."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(" ".join(text.split())))


@lru_cache(maxsize=1000)
def _style(text: str) -> str:
    """Write a style with the page's colours and letters."""
    text = _FAMILY.sub("", text)
    text = _COLOUR.sub(lambda match: _VARIABLES.get(match[0], match[0]), text)
    parts = (part.partition(":") for part in text.split(";") if part.strip())
    return ";".join(f"{key.strip()}:{value.strip()}" for key, _, value in parts)


#: How an attribute is written that is not a word, a number or a few.
_WRITTEN = {"id": ID.__add__, "xlink:href": _reference, "style": _style, "d": _path}
