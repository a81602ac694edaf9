"""The handouts: a page a chapter, and two pages of notation, from Markdown in book/handouts/.

`make book` writes them as pages of HTML that print on A4; `make handouts` prints them: paper.py. A
source is named like its chapter and has level-2 headings; one with another name belongs to none.
A line of three dashes begins a new sheet of paper.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from sheet import BOOK, Sheet, chapter_of, mathjax, put

SOURCES = BOOK / "handouts"
#: A heading with all that follows it, up to the next.
PART = re.compile(r"(<h2>(.*?)</h2>.*?)(?=<h2>|\Z)", re.DOTALL)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: handout</title>
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="handouts.css">
{maths}
</head>
<body class="{kind}">
{sheets}
</body>
</html>
"""


def sources() -> list[Path]:
    """The sources of all handouts: the chapters in order, then the others."""
    return sorted(SOURCES.glob("*.md"))


def handout(source: Path, drawn: Path) -> str:
    """Write the page of one handout."""
    number = source.stem[:2]
    text = source.read_text(encoding="utf-8")
    if number.isdigit():
        chapter = chapter_of(source)
        title, kind = chapter.title, "chapter"
        text = f"# Chapter {int(number)}: {title}\n\n{text}"
    else:
        chapter, kind = None, source.stem
        title = text.partition("\n")[0].removeprefix("# ")
    sheet = Sheet(source, chapter, drawn)
    pages = (sheet.html(part) for part in re.split(r"^---$", text, flags=re.MULTILINE))
    sheets = "\n".join(f"<main>{PART.sub(section, page)}</main>" for page in pages)
    return PAGE.format(title=escape(title), maths=mathjax(1.08), kind=kind, sheets=sheets)


def section(part: re.Match[str]) -> str:
    """Put a part into an element that is named by its heading."""
    name = re.sub(r"\W+", "-", part[2].lower())
    return f'<section class="{name}">{part[1]}</section>'


def write(site: Path, drawn: Path) -> None:
    """Write all handouts into a site.

    Parameters
    ----------
    site : Path
        Its folder, with the pages and pictures of the book.
    drawn : Path
        The folder of the drawn widgets.
    """
    pages = {source.stem: handout(source, drawn) for source in sources()}
    put(site / "handouts", [SOURCES / "handouts.css"], pages)
