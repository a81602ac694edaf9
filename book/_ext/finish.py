"""Sphinx extension: last touches on the written pages, for readers and for slow lines.

The theme gives some buttons a name that differs from the words on them, so that a reader who says
or hears the words does not find the button; here the words become the name. And pictures far down a
page wait until the reader comes near. Neither can be set in the theme, so the pages are changed
after they are written; a page that was changed before stays as it is. Pictures get a palette of 256
colours, which is as good to the eye for a diagram and takes a third of the bytes.
"""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

#: What to take out: a name that hides the words of the element, a word that is not its name, the
#: role of a list whose entries are no items.
SUPERFLUOUS = re.compile(
    r'(?<=<summary) aria-label="Toggle hidden content"'
    r'|(?<=search-button__button pst-js-only") title="Search" aria-label="Search"'
    r'|(?<=<div) role="list"(?= class="citation-list">)'
    r'|(?<=data-mode="light") title="Light"'
    r'|(?<=data-mode="dark")\s+title="Dark"'
    r'|(?<=data-mode="auto")\s+title="System Settings"'
)
#: The state of live widgets, which the run of a chapter leaves and no page needs.
STATE = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>\s*', re.DOTALL
)
#: A picture of an output. Its size as attributes keeps its place free until it comes.
PICTURE = re.compile(
    r'<img (?P<rest>alt="[^"]*" src="[^"]*_images/[^"]*" '
    r'style="width: (?P<width>\d+)px; height: (?P<height>\d+)px;")'
)


def finished(text: str) -> str:
    """Return a page with the last touches.

    Doing it twice does no more than doing it once: what has been replaced is not found again.
    """
    text = SUPERFLUOUS.sub("", STATE.sub("", text))
    lazy = r'<img loading="lazy" width="\g<width>" height="\g<height>" \g<rest>'
    return PICTURE.sub(lazy, text)


def shrink(path: Path) -> None:
    """Give an opaque picture a palette, if that makes it smaller."""
    with Image.open(path) as picture:
        if picture.mode not in ("RGB", "RGBA") or picture.getextrema()[3:] not in (
            (),
            ((255, 255),),
        ):
            return
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    before = path.read_bytes()
    small.save(path)
    if path.stat().st_size >= len(before):
        path.write_bytes(before)


def finish_pages(app: Sphinx, exception: Exception | None) -> None:
    """Touch all pages of the site."""
    if exception is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if (touched := finished(text)) != text:
            path.write_text(touched, encoding="utf-8")
    for path in Path(app.outdir, "_images").glob("*.png"):
        shrink(path)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", finish_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
