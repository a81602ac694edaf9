"""What the labels of the book stand for: chapters, sections, figures and equations, with numbers.

The numbers are those of the website, counted by its rules: chapters of numbered parts through the
whole book; figures and labelled equations anew in each chapter, and on the pages without a number
in one row through the book. ``tests/book/test_notebooks.py`` compares each with the site's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LABEL_OR_HEADING = re.compile(r"^\(([\w-]+)\)=$|^#+ +(.+)$", re.MULTILINE)
TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)
EQUATION = re.compile(r"^\$\$ *\(([\w-]+)\) *$", re.MULTILINE)
TERM = re.compile(r"^(\S[^\n]*)\n((?:  [^\n]*\n?|\n(?=  ))+)", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """Where a label points: the page, the heading (or nothing: the page itself), its words."""

    page: str
    heading: str
    title: str


@dataclass
class Labels:
    """All that the pages refer to."""

    chapters: dict[str, str] = field(default_factory=dict)  # page -> number, or ""
    titles: dict[str, str] = field(default_factory=dict)  # page -> title
    places: dict[str, Place] = field(default_factory=dict)
    figures: dict[str, tuple[str, str]] = field(default_factory=dict)  # label -> page, number
    equations: dict[str, tuple[str, str]] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)


def pages(toc: Path) -> Iterator[tuple[str, str]]:
    """Yield each page of the table of contents with the number of its chapter, or ""."""
    number, counts = 0, False
    for line in toc.read_text(encoding="utf-8").splitlines():
        if "caption:" in line:
            counts = False
        elif line.strip() == "numbered: true":
            counts = True
        elif found := re.match(r"\s*- file: (\S+)", line):
            number += counts
            yield found[1], str(number) if counts else ""


def cells(path: Path) -> list[dict]:
    """Read the cells of a notebook, each source as one text."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def prose(cell: dict) -> str:
    """The Markdown that a cell shows: its own, or that of its outputs."""
    if cell["cell_type"] == "markdown":
        return cell["source"]
    data = (output.get("data", {}) for output in cell.get("outputs", []))
    return "\n".join("".join(d["text/markdown"]) for d in data if "text/markdown" in d)


def figure(cell: dict) -> dict:
    """Name and caption of the figure that a code cell draws, or nothing."""
    return cell["metadata"].get("mystnb", {}).get("figure", {})


def texts(path: Path) -> Iterator[tuple[str, dict]]:
    """Yield (Markdown, figure) for each cell of a notebook, or the whole of a Markdown page."""
    if path.suffix == ".md":
        yield path.read_text(encoding="utf-8"), {}
    else:
        yield from ((prose(cell), figure(cell)) for cell in cells(path))


def headed(text: str) -> Iterator[tuple[str, str]]:
    """Yield each label of a text with the heading that it stands over, or else stands under."""
    heading = ""
    found = list(LABEL_OR_HEADING.finditer(text))
    for k, match in enumerate(found):
        if match[2]:
            heading = match[2]
            continue
        after = next((m for m in found[k + 1 :] if m[2]), None)
        over = after and not LABEL_OR_HEADING.sub("", text[match.end() : after.start()]).strip()
        yield match[1], after[2] if over else heading


def read(book: Path, toc: Path) -> Labels:
    """Collect what the pages of a book refer to."""
    labels, counter = Labels(), Counter()
    for page, chapter in pages(toc):
        path = next(p for p in (book / f"{page}.ipynb", book / f"{page}.md") if p.is_file())
        labels.chapters[page] = chapter

        def number(kind: str, chapter: str = chapter) -> str:
            counter[kind, chapter] += 1
            return f"{chapter}.{counter[kind, chapter]}".lstrip(".")

        for text, shown in texts(path):
            if not labels.titles.get(page) and (title := TITLE.search(text)):
                labels.titles[page] = title[1]
            for label, heading in headed(text):
                is_page = heading == labels.titles.get(page)
                labels.places[label] = Place(page, "" if is_page else heading, heading)
            for label in EQUATION.findall(text):
                labels.equations[label] = (page, number("equation"))
            if shown:
                labels.figures[shown["name"]] = (page, number("figure"))
    labels.terms = terms(book / "glossary.md")
    return labels


def terms(glossary: Path) -> dict[str, str]:
    """The terms of the glossary, in small letters, with the Markdown of what they mean."""
    text = (
        glossary.read_text(encoding="utf-8").partition("```{glossary}\n")[2].partition("\n```")[0]
    )
    found = {}
    for heads, body in TERM.findall(text + "\n"):
        found[heads.lower()] = " ".join(body.split())
    return found
