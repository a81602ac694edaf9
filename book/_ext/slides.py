"""The slides: one deck of reveal.js a chapter, from short Markdown sources in book/slides/.

    python book/_ext/slides.py     renews the decks of a site that is built

`make book` builds them too, in a second. A source is named like its chapter. Its first slide gets
the chapter's title; the others begin after a line of three dashes, with a heading. "Note:" begins
what the speaker sees, and a line ". . ." stops until a key is pressed. A heading that ends in
``{.name}`` gives its slide that class; slides.css has "beside" for words beside a figure.

Numbers, pictures, code and widgets come from the chapter: see :mod:`stored`.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

from sheet import BOOK, Sheet, chapter_of, mathjax, put
from stored import StoredError
from surroundings import BUILD

SOURCES = BOOK / "slides"
LOOK = ("slides.css", "slides.js")
HEADING = re.compile(r"\A\s*(## .+?)(?: \{\.([\w-]+)\})?$", re.MULTILINE)
FIGURE = re.compile(r"<figure>.*?</figure>", re.DOTALL)
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="icon" href="../_static/favicon.svg">
<link rel="stylesheet" href="../reveal/reveal.css">
<link rel="stylesheet" href="../_static/widgets/widget.css">
<link rel="stylesheet" href="slides.css">
{maths}
<script defer src="../reveal/reveal.js"></script>
<script defer src="../reveal/notes.js"></script>
<script defer src="../_static/widgets/twin.js"></script>
<script defer src="slides.js"></script>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
</body>
</html>
"""


def sources() -> list[Path]:
    """The sources of all decks, in the order of the chapters."""
    return sorted(SOURCES.glob("[0-9]*.md"))


def paused(html: str) -> str:
    """Let all that follows a pause wait for a key."""
    first, *later = html.split("<p>. . .</p>")
    return (
        first + "".join(f'<div class="fragment">{part}' for part in later) + "</div>" * len(later)
    )


def aside(html: str) -> str:
    """Put the figures of a slide into a column of their own."""
    figures = "".join(FIGURE.findall(html))
    return f'<div class="words">{FIGURE.sub("", html)}</div>{figures}'


def slide(text: str, sheet: Sheet) -> str:
    """Write one slide."""
    shown, _, notes = text.partition("\nNote:")
    heading, kind = HEADING.match(shown).groups()
    body = paused(sheet.html(HEADING.sub("", shown, count=1)))
    return (
        f'<section class="{kind or "plain"}">\n{sheet.html(heading)}'
        f'<div class="body">{aside(body) if kind == "beside" else body}</div>\n'
        f'<aside class="notes">{sheet.html(notes)}</aside>\n</section>'
    )


def deck(source: Path, drawn: Path) -> str:
    """Write the page of one deck."""
    sheet = Sheet(source, chapter_of(source), drawn)
    first, *others = re.split(r"^---$", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    title = sheet.chapter.title
    opening = f"## {title} {{.title}}\n\nChapter {int(source.stem[:2])}\n\n{first}"
    slides = "\n".join(slide(text, sheet) for text in (opening, *others))
    return PAGE.format(title=escape(title), maths=mathjax(1.12), slides=slides)


def write(site: Path, drawn: Path) -> None:
    """Write all decks into a site.

    Parameters
    ----------
    site : Path
        Its folder, with the pages, pictures and frames of the book.
    drawn : Path
        The folder of the drawn widgets.
    """
    pages = {source.stem: deck(source, drawn) for source in sources()}
    put(site / "slides", (SOURCES / name for name in LOOK), pages)


def main() -> int:
    """Renew the decks, and say where they are."""
    try:
        write(BUILD / "html", BUILD / "aside" / ".widgets")
    except StoredError as error:
        print(error, file=sys.stderr)
        return 1
    print("The slides:")
    for source in sources():
        print((BUILD / "html" / "slides" / f"{source.stem}.html").as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
