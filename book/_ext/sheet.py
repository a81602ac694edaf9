"""From the Markdown of a slide or a handout to HTML, with what its chapter has stored.

Besides Markdown, tables and formulas in dollar signs, a source has the places of :mod:`stored` in
two braces; pictures and widgets are those of the website, and are not written a second time.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from html import escape, unescape
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from stored import Chapter, StoredError
from surroundings import ROOT
from widget_twins import PLACEHOLDER

from mlteach.widgets.twin import kept_twin, panel

BOOK = ROOT / "book"
#: The parts of the site, as seen from one of its folders.
PICTURES, CHUNKS = "../_images/", "../_static/widgets/"
PLACE = re.compile(r"\{\{ (.+?) \}\}")
SHOWN = re.compile(r"(figure|table|widget|code) ([\w-]+)(?: (\d+-\d+|\d+))?")
#: Code writes a hyphen where a page has a minus.
HYPHEN = re.compile(r"-(?=\d)")
CODE = HtmlFormatter(style="a11y-high-contrast-light", noclasses=True, nobackground=True)


def formula(text: str, options: dict[str, bool]) -> str:
    """Mark a formula in the way that MathJax looks for."""
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{escape(text)}{right}"


MARKDOWN = MarkdownIt("commonmark").enable("table")
MARKDOWN.use(dollarmath_plugin, allow_space=True, renderer=formula)


def mathjax(scale: float) -> str:
    """Return the scripts that set formulas, as on the pages of the book, but larger by a factor."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config = settings["sphinx"]["config"]
    maths = config["mathjax3_config"] | {"chtml": {"matchFontHeight": False, "scale": scale}}
    return (
        f"<script>window.MathJax = {json.dumps(maths)};</script>\n"
        f'<script defer src="{config["mathjax_path"]}"></script>'
    )


def chapter_of(source: Path) -> Chapter:
    """Return the chapter that a source belongs to: it has the same name."""
    return Chapter(BOOK / f"{source.stem}.ipynb")


def put(folder: Path, look: Iterable[Path], pages: dict[str, str]) -> None:
    """Write pages by name into a new folder, and beside them the files that give their look."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in look:
        shutil.copyfile(file, folder / file.name)
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")


class Sheet:
    """Writes the HTML of one source.

    Parameters
    ----------
    source : Path
        For messages.
    chapter : Chapter or None
        None for a sheet that belongs to no chapter, and so has no places to fill.
    drawn : Path
        The folder of the widgets' frames that the build of the book has drawn.
    """

    def __init__(self, source: Path, chapter: Chapter | None, drawn: Path) -> None:
        self.source, self.chapter, self.drawn = source, chapter, drawn
        self.shown: list[str] = []

    def html(self, text: str) -> str:
        """Return Markdown as HTML, all places filled."""
        html = MARKDOWN.render(PLACE.sub(self._fill, text))
        return re.sub(r"<p>@@(\d+)@@</p>|@@(\d+)@@", self._shown, html)

    def _fill(self, place: re.Match[str]) -> str:
        try:
            if shown := SHOWN.fullmatch(place[1]):
                kind, cell, part = shown.groups()
                self.shown.append(getattr(self, f"_{kind}")(cell, *([part] if part else [])))
                return f"@@{len(self.shown) - 1}@@"
            return HYPHEN.sub("−", self.chapter.number(place[1]))
        except StoredError as error:
            raise StoredError(f"{self.source.name}, {place[0]}: {error}") from error

    def _shown(self, found: re.Match[str]) -> str:
        return self.shown[int(found[1] or found[2])]

    def _figure(self, cell: str, part: str = "") -> str:
        picture = self.chapter.picture(cell)
        address, alt = f"{PICTURES}{picture.name}", escape(picture.alt)
        size = f'width="{picture.width}" height="{picture.height}"'
        if not part:
            return f'<figure><img src="{address}" alt="{alt}" {size}></figure>'
        top, end = (round(int(percent) / 100 * picture.height) for percent in part.split("-"))
        return (
            f'<figure><svg viewBox="0 {top} {picture.width} {end - top}" role="img" '
            f'aria-label="{alt}"><image href="{address}" {size}/></svg></figure>'
        )

    def _table(self, cell: str) -> str:
        return self.chapter.table(cell)

    def _code(self, cell: str, lines: str = "") -> str:
        return highlight(self.chapter.code(cell, lines), PythonLexer(), CODE)

    def _widget(self, cell: str) -> str:
        found = PLACEHOLDER.search("\n".join(self.chapter.outputs(cell, "text/html")))
        if not found:
            raise StoredError(f"cell {cell!r} holds no widget")
        twin = kept_twin(found["module"], found["name"], self.drawn)
        if not twin:
            raise StoredError(f"widget {found['name']!r} is not drawn yet: run `make book`")
        html = panel(
            twin, json.loads(unescape(found["values"])), f"widget-{len(self.shown)}", CHUNKS
        )
        # A finger on a slider must not turn the slide.
        return f'<div class="moving" data-prevent-swipe>{html}</div>'
