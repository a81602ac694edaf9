"""Sphinx extension: a search that leads to sections and shows prose.

Sphinx's own leads to pages, and takes its excerpts from all words of a page, those of buttons and
code included; without a server it shows none. Here each section of each page is one entry: its
titles, its place and its prose, in a script that only the page of the search loads.
"""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

from plain_myst import spoken
from sphinx.application import Sphinx

FOLDER = "_static/search"
SCRIPT = Path(__file__).with_name("assets") / "search.js"
HEADINGS = {"h1", "h2", "h3", "h4"}
#: Elements without an end.
VOID = {"img", "br", "hr", "input", "meta", "link", "wbr", "source"}
#: Parts of a page that are no prose, by their element or one of their classes.
SKIPPED = {"script", "style", "pre", "summary", "button", "svg", "noscript", "dialog", "select"}
SKIPPED_CLASSES = {"headerlink", "cell_input", "text_html", "eqno", "sd-tab-label"} | {
    f"mlteach-{name}" for name in ("twin", "check", "exercise", "hidden")
}
TEX = re.compile(r"\\[(\[](.*?)\\[)\]]", re.DOTALL)


class Sections(HTMLParser):
    """Reads the article of a page into [place, title, prose], one list a section."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self.open: list[str] = []  # elements, from the article inwards
        self.sections: list[tuple[int, list[str]]] = []  # open ones, with their depth
        self.skipped = 0  # depth of the element that is being left out, or 0
        self.heading = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go in; a section begins an entry."""
        given = dict(attrs)
        if not self.open and not (tag == "article" and "bd-article" in (given["class"] or "")):
            return
        if tag in VOID:
            return
        self.open.append(tag)
        classes = set((given.get("class") or "").split())
        if not self.skipped and (tag in SKIPPED or classes & SKIPPED_CLASSES):
            self.skipped = len(self.open)
        if tag in HEADINGS:
            self.heading = len(self.open)
        place = given.get("id") or ""
        # A term of the glossary is an entry as well.
        if tag == "section" or (tag == "dt" and place.startswith("term-")):
            self.found.append([place, "", ""])
            depth = len(self.open) - (tag == "dt")
            while self.sections and tag == "dt" and self.sections[-1][0] == depth:
                self.sections.pop()
            self.sections.append((depth, self.found[-1]))
            if tag == "dt":
                self.heading = len(self.open)

    def handle_endtag(self, tag: str) -> None:
        """Go out, as far as the element that ends."""
        if not self.open or tag in VOID:
            return
        while self.open and self.open.pop() != tag:
            pass
        depth = len(self.open)
        self.skipped = 0 if depth < self.skipped else self.skipped
        self.heading = 0 if depth < self.heading else self.heading
        while self.sections and self.sections[-1][0] > depth:
            self.sections.pop()
        if tag in ("p", "li", "dd", "td", "th", "dt", "figcaption", "div") and self.sections:
            self.sections[-1][1][2] += " "

    def handle_data(self, data: str) -> None:
        """Add to the title or the prose of the innermost section."""
        if self.sections and not self.skipped:
            self.sections[-1][1][1 if self.heading else 2] += data


def sections_of(html: str) -> list[list[str]]:
    """Return [place, title, prose] of each section of a page that has words."""
    reader = Sections()
    reader.feed(html)
    reader.close()
    found = ([place, *map(plain, words)] for place, *words in reader.found)
    return [entry for entry in found if entry[1]]


def plain(text: str) -> str:
    """Return one line of text, with signs in the place of TeX."""
    return spoken(TEX.sub(r"$\1$", text)).strip()


def write_sections(app: Sphinx, exception: Exception | None) -> None:
    """Write what can be found, and the script that finds it."""
    if exception is not None or app.builder.format != "html":
        return
    site, entries = Path(app.outdir), []
    for page in sorted(app.env.all_docs):
        path = site / app.builder.get_target_uri(page)
        found = sections_of(path.read_text(encoding="utf-8"))
        entries += [[path.relative_to(site).as_posix(), found[0][1], *entry] for entry in found]
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    (folder / "sections.js").write_text(f"window.mlteachSections={text};\n", encoding="utf-8")
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
    search = site / "search.html"
    html = search.read_text(encoding="utf-8")
    if f"{FOLDER}/search.js" not in html:
        tags = "".join(
            f'<script defer src="{FOLDER}/{name}.js"></script>' for name in ("sections", "search")
        )
        search.write_text(html.replace("</head>", tags + "</head>", 1), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", write_sections)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
