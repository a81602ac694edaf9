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
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mlteach.core.palette import PALETTE

#: What stands for the page's own prefix in every id.
ID = "@@"
#: A figure is 460 units wide: a tenth of one cannot be seen.
DECIMALS = 1
#: Whatever depends on the day or on the version of matplotlib.
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"

_NUMBER = re.compile(r"-?\d+\.\d+")
_NO_TURN = re.compile(r"rotate\(-?0 [^)]*\)")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
#: matplotlib's family list, which the page's own takes the place of.
_FAMILY = re.compile(r"font-family: [^;]*;? ?")
_VARIABLES = {code.lower(): f"var(--mlteach-{name})" for name, code in PALETTE.items()}
_VARIABLES["#ffffff"] = "var(--mlteach-paper)"


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
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata=NO_METADATA)
    root = ElementTree.fromstring(out.getvalue())
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    lines: list[str] = []
    for child in root:
        _write(child, lines)
    return Drawing(width, height, tuple(lines))


def _write(element: ElementTree.Element, lines: list[str]) -> None:
    """Append an element and its children, one line each."""
    tag = element.tag.removeprefix(SVG)
    attributes = _attributes(tag, element.attrib)
    if tag == "style" or _is_unseen(tag, attributes):
        return
    head = tag + "".join(f" {k}={quoteattr(v)}" for k, v in attributes.items())
    if tag == "text":
        lines.append(f"<{head}>{_content(element)}</text>")
        return
    inside: list[str] = []
    for child in element:
        _write(child, inside)
    # A group that only had a name is no group to the page, nor is one that holds nothing.
    if tag in ("g", "defs") and not (inside and (attributes or tag == "defs")):
        lines += inside
    else:
        lines += [f"<{head}>", *inside, f"</{tag}>"] if inside else [f"<{head}/>"]


def _content(text: ElementTree.Element) -> str:
    """What stands inside a text element, with the parts of a formula if there are any."""
    parts = [escape(text.text or "")]
    for child in text:
        attributes = "".join(
            f" {k}={quoteattr(v)}" for k, v in _attributes("tspan", child.attrib).items()
        )
        parts += [
            f"<tspan{attributes}>{_content(child)}</tspan>",
            escape((child.tail or "").strip()),
        ]
    return "".join(parts)


def _attributes(tag: str, given: dict[str, str]) -> dict[str, str]:
    """Shorten the attributes of an element, and drop the names of groups."""
    kept = {}
    for key, value in given.items():
        if key == "id":
            if tag != "g":
                kept["id"] = ID + value
        elif key == HREF:
            kept["href"] = value.replace("#", f"#{ID}", 1) if value[0] == "#" else value
        elif key == "style":
            kept["style"] = _style(value)
        elif key == "d":
            kept["d"] = _path(value)
        elif key == "transform":
            kept["transform"] = _rounded(_NO_TURN.sub("", value)).strip()
        else:
            kept[key] = _rounded(value.replace("url(#", f"url(#{ID}"))
    return {key: value for key, value in kept.items() if value}


def _is_unseen(tag: str, attributes: dict[str, str]) -> bool:
    """Whether a path has neither a fill nor a line: the transparent ground."""
    return tag == "path" and attributes.get("style") == "fill:none"


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
