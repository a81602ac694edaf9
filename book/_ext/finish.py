"""Sphinx extension: last touches on the written pages, for readers and for slow lines.

The theme gives some buttons a name that differs from the words on them, so that a reader who says
or hears the words does not find the button; here the words become the name. Scripts wait until the
words are there, pictures until the reader comes near, and each has a twin for the dark mode, and
another for phones if it has panels side by side. The
theme has no settings for it, so the pages are changed after they are written; a page that has been
changed before stays as it is. A picture gets a palette of 64 colours, which to the eye is as good
for a diagram and takes a quarter of the bytes.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from dark import make_twin, twin_of
from lighten import lighten
from panels import make_stacks, stack_of
from PIL import Image
from sphinx.application import Sphinx

#: Colours of a picture; anti-aliased lines of three hues need no more.
COLOURS = 64
#: So many new pictures are touched before other processes have begun.
FEW = 12
#: Names and brackets of code, which have the colour of all code anyway: a fifth of a page.
PLAIN_CODE = re.compile(r'<span class="[npw]">([^<]*)</span>')
#: By what a page of the theme is known.
THEME = "styles/pydata-sphinx-theme.css"
#: What to take out: a name that hides the words of the element, a word that is not its name, the
#: role of a list whose entries are no items.
SUPERFLUOUS = re.compile(
    r'(?<=<summary) aria-label="Toggle hidden content"'
    r'|(?<=search-button-field search-button__button pst-js-only") title="Search"'
    r' aria-label="Search"'
    r'|(?<=<div) role="list"(?= class="citation-list">)'
    r'|(?<=data-mode="light") title="Light"'
    r'|(?<=data-mode="dark")\s+title="Dark"'
    r'|(?<=data-mode="auto")\s+title="System Settings"'
)
#: Scripts and styles that a page loads for nothing, or before its words are on the screen.
UNUSED = re.compile(
    r'\s*<script[^>]*src="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>'
    r'|\s*<link rel="preload"[^>]*>'
    r'|\s*<link[^>]*href="[^"]*sphinx-thebe\.css[^"]*"[^>]*>'
    r'|\s*<script[^>]*src="(?:[^"]*/)?(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
)
#: MathJax is as heavy as all else together, and comes when the words can be read.
MATHJAX = re.compile(r'<script defer="defer" src="([^"]*mathjax/startup\.js)[^"]*"></script>')
MATHJAX_SETTINGS = re.compile(r"<script>window\.MathJax = .*?</script>")
LATER = (
    '<script>addEventListener("DOMContentLoaded",()=>requestAnimationFrame(()=>setTimeout(()=>'
    r'document.head.append(Object.assign(document.createElement("script"),{src:"\1"})))))</script>'
)
#: What stands above the text of a page with formulas, for browsers without JavaScript.
ARTICLE = '<article class="bd-article">'
IN_TEX = (
    "<noscript><p>Formulas are set with JavaScript, which your browser does not run: they stand "
    "here as they are written in TeX.</p></noscript>"
)
#: The state of live widgets, which the run of a chapter leaves and no page needs.
STATE = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>\s*', re.DOTALL
)
#: A picture of an output. Its size as attributes keeps its place free until it comes.
PICTURE = re.compile(
    r'<img (?P<rest>alt="[^"]*" src="(?P<folder>[^"]*_images/)(?P<name>[^"]*)" '
    r'style="width: (?P<width>\d+)px; height: (?P<height>\d+)px;") />'
)
#: Names of rows and columns, and where one of several parts may go on in the next line.
HEADER = re.compile(r"(?<=<th>)[^<]*[._:@~\[][^<]*(?=</th>)")
JOINT = re.compile(r"(?<=\w[._:@])(?=[^\W\d])|(?<=~~)|(?<=\w)(?=\[)")
#: Code in a sentence or a table, and where it may go on in the next line.
CODE = re.compile(r'(?<=<span class="pre">)[^<]{16,}(?=</span>)')
AFTER = re.compile(r"(?<=\w[=(,.])(?=[\w&\"])")
#: How pandas indents its tables: twentieths of a page.
INDENTED = re.compile(r"\n\s+(?=</?(?:t[dhr]|thead|tbody)\b)")
#: Where panels stand one below the other.
PHONE = "screen and (max-width: 600px)"
#: The title of a page in its window, and on paper, where the theme forgets the number.
TITLE = re.compile(r"<title>(.*?)(?: &#8212; [^<]*)?</title>")
PRINTED = re.compile(r'(<div id="jb-print-docs-body" class="onlyprint">\s*<h1>).*?(</h1>)')
#: The theme knows its mode when all scripts have come; until then a dark page would show, and would
#: fetch, what belongs to the light one.
MODE = 'localStorage.getItem("theme") || "auto"'
MODE_AT_ONCE = (
    'localStorage.getItem("theme") || '
    '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")'
)
#: Without scripts no mode comes, and only the two modes have colours.
COLOURED = 'data-theme="auto"', 'data-theme="light"'
#: Scripts that the first words need not wait for: all but the settings that inline scripts change.
BLOCKING = re.compile(
    r"<script(?=[^>]* src=)(?![^>]* (?:defer|async)\b)(?![^>]*documentation_options\.js)"
)


def finished(text: str, images: Path = Path()) -> str:
    """Return a page with the last touches; the folder has the pictures and their twins.

    Doing it twice does no more than doing it once: what has been replaced is not found again.
    """
    for pattern in (SUPERFLUOUS, STATE, UNUSED, INDENTED):
        text = pattern.sub("", text)
    if 'class="math' in text:
        text = MATHJAX.sub(LATER, text)
        if IN_TEX not in text:
            text = text.replace(ARTICLE, ARTICLE + IN_TEX, 1)
    else:
        text = MATHJAX_SETTINGS.sub("", MATHJAX.sub("", text))
    text = text.replace(MODE, MODE_AT_ONCE).replace(*COLOURED, 1)
    title = TITLE.search(text)
    if title:
        text = PRINTED.sub(lambda found: found[1] + title[1] + found[2], text)
    text = HEADER.sub(lambda found: JOINT.sub("<wbr>", found[0]), text)
    text = CODE.sub(lambda found: AFTER.sub("<wbr>", found[0]), text)
    text = PLAIN_CODE.sub(r"\1", PICTURE.sub(lambda found: both_modes(found, images), text))
    return BLOCKING.sub("<script defer", text)


def both_modes(found: re.Match[str], images: Path) -> str:
    """Return a picture and its dark twin; of the two only the one that shows is fetched."""
    wait = f'<img loading="lazy" width="{found["width"]}" height="{found["height"]}" '
    light = images / found["name"]
    dark = twin_of(light)
    tags = (
        f'{wait}class="mlteach-light" {found["rest"]} />',
        f'{wait}class="mlteach-dark only-dark" {found["rest"].replace(light.name, dark.name)} />',
    )
    pairs = zip(tags, (light, dark), strict=True)
    return "".join(on_phones(tag, found["folder"], stack_of(path)) for tag, path in pairs)


def on_phones(tag: str, folder: str, stack: Path) -> str:
    """Put the stacked twin of a picture beside it, if there is one."""
    if not stack.is_file():
        return tag
    with Image.open(stack) as picture:
        size = f'width="{picture.width}" height="{picture.height}"'
    address = f'media="{PHONE}" srcset="{folder}{stack.name}"'
    return f"<picture><source {address} {size} />{tag}</picture>"


def shrink(path: Path) -> None:
    """Give an opaque picture a palette, if that makes it smaller."""
    with Image.open(path) as picture:
        if picture.mode not in ("RGB", "RGBA") or picture.getextrema()[3:] not in (
            (),
            ((255, 255),),
        ):
            return
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    before = path.read_bytes()
    small.save(path, optimize=True)
    if path.stat().st_size >= len(before):
        path.write_bytes(before)


def touch_picture(path: Path) -> None:
    """Make a picture small, and give it its twins."""
    shrink(path)
    make_twin(path)
    make_stacks(path, twin_of(path))


def touch_pictures(paths: list[Path]) -> None:
    """Touch all pictures; many new ones in processes beside."""
    if sum(not twin_of(path).is_file() for path in paths) <= FEW:
        for path in paths:
            touch_picture(path)
        return
    # Sphinx has threads; a fork of it might wait for one of them for ever.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for _ in pool.map(touch_picture, paths, chunksize=4):
            pass


def finish_pages(app: Sphinx, exception: Exception | None) -> None:
    """Touch all pages of the site."""
    if exception is not None or app.builder.format != "html":
        return
    images = Path(app.outdir, "_images")
    touch_pictures([p for p in images.glob("*.png") if not p.stem.endswith(("-dark", "-stacked"))])
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        # In a site that is built again slides and handouts lie beside the pages.
        if THEME in text and (touched := finished(text, images)) != text:
            path.write_text(touched, encoding="utf-8")
    lighten(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    # The theme writes styles as late as this.
    app.connect("build-finished", finish_pages, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
