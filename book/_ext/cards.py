"""Sphinx extension: the texts of the cards that ``_static/cards.js`` shows, in one file.

Terms, figures and equations, by the name that a link to them ends in. Citations bring their text
with them, as the hover text that sphinxcontrib-bibtex writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import labels
from plain_myst import spoken
from sphinx.application import Sphinx

FILE = "_static/cards/texts.js"
EQUATION = re.compile(r"^\$\$\n(.*?)^\$\$ *\(([\w-]+)\)", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r'<figure[^>]* id="(fig-[\w-]+)".*?src="([^"]+)".*?</figure>', re.DOTALL)
CAPTION = re.compile(r"<figcaption>(.*?)</figcaption>", re.DOTALL)
INLINE_TEX = re.compile(r"\\\((.*?)\\\)", re.DOTALL)
TAG = re.compile(r"<a class=\"headerlink\".*?</a>|<[^>]+>", re.DOTALL)


def terms(app: Sphinx) -> Iterator[tuple[str, str]]:
    """Yield the name and the meaning of each term; Sphinx knows how it names them."""
    meanings = labels.terms(Path(app.srcdir, "glossary.md"))
    for (kind, name), (_, anchor) in app.env.get_domain("std").objects.items():
        if kind == "term" and name.lower() in meanings:
            yield anchor, spoken(meanings[name.lower()])


def equations(app: Sphinx) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the TeX of each numbered equation."""
    for page in app.env.all_docs:
        for text, _ in labels.texts(Path(app.env.doc2path(page))):
            for tex, label in EQUATION.findall(text):
                yield f"equation-{label.lower()}", {"tex": " ".join(tex.split())}


def figures(app: Sphinx) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each figure, its picture and its caption."""
    for path in sorted(Path(app.outdir).glob("*.html")):
        for found in FIGURE.finditer(path.read_text(encoding="utf-8")):
            caption = CAPTION.search(found[0])
            words = unescape(TAG.sub("", caption[1])) if caption else ""
            yield found[1], {"picture": found[2], "words": spoken(INLINE_TEX.sub(r"$\1$", words))}


def write_texts(app: Sphinx, exception: Exception | None) -> None:
    """Write the file."""
    if exception is not None or app.builder.format != "html":
        return
    path = Path(app.outdir, FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = dict(terms(app)) | dict(equations(app)) | dict(figures(app))
    text = json.dumps(texts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    path.write_text(f"window.mlteachCards={text};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
