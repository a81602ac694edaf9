"""Every page of the website, opened once in each mode, in a browser with the network cut off.

A page passes when it loads without an error, asks nobody else for anything, shows no raw maths,
describes its pictures, keeps nobody out (axe-core) and is light: what is weighed is what a page has
of its own, its text, its pictures, and the styles, scripts and figures of this project. The theme
and MathJax weigh the same on every page and are loaded once.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.book.axe import barriers
from tests.website import PAGES

WINDOW = {"width": 1280, "height": 900}
FIRST_VIEW = 1_000_000  # bytes
LOCAL_SCHEMES = ("file", "data", "blob", "about")
#: Text in which LaTeX, or a role of MyST, was left as it was typed.
RAW_MARKUP = re.compile(
    r"\$\$|\\\(|\\\[|\\[a-zA-Z]{2,}|\$[^$]*[\\_^][^$]*\$"
    r"|\{(?:eq|ref|numref|doc|term|cite(?::[pt])?|glue(?::\w+)?)\}"
)

WAIT_FOR_MATHS = "async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }"
VISIBLE_TEXT = """() => {
    const skip = "pre, code, script, style, noscript, template, mjx-container, textarea";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode())
        if (!walker.currentNode.parentElement.closest(skip)) texts.push(walker.currentNode.data);
    return texts.filter(text => text.trim());
}"""
BROKEN_MATHS = "() => [...document.querySelectorAll('mjx-merror')].map(e => e.textContent)"
#: Pictures far down a page wait for the reader; here they are fetched at once.
IMAGES = """async () => {
    const images = [...document.images];
    for (const image of images) image.loading = "eager";
    await Promise.all(images.map(image => image.decode().catch(() => null)));
    return images.map(
        image => ({alt: image.getAttribute("alt"), source: image.src, width: image.naturalWidth}));
}"""


def watch(page: Page) -> list[str]:
    """A list that grows by what goes wrong while the page is open, in words."""
    problems: list[str] = []
    page.on("console", lambda m: m.type == "error" and problems.append(f"console: {m.text}"))
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"failed request: {request.url}"))
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).scheme not in LOCAL_SCHEMES
            and problems.append(f"request to another site: {request.url}")
        ),
    )
    return problems


def markup_problems(page: Page) -> list[str]:
    """Find maths that was not typeset or could not be."""
    raw = [text for text in page.evaluate(VISIBLE_TEXT) if RAW_MARKUP.search(text)]
    broken = page.evaluate(BROKEN_MATHS)
    return [f"raw markup: {text!r}" for text in raw] + [f"maths error: {m!r}" for m in broken]


def image_problems(page: Page) -> list[str]:
    """Find pictures that are missing or not described."""
    problems = []
    for image in page.evaluate(IMAGES):
        if not image["width"]:
            problems.append(f"picture does not show: {image['source']}")
        if not (image["alt"] or "").strip() or image["alt"].startswith("_images/"):
            problems.append(f"picture without alt text: {image['source']}")
    return problems


@pytest.fixture(scope="module", params=["light", "dark"])
def offline(request: pytest.FixtureRequest, browser: Browser) -> BrowserContext:
    """A browser that prefers light or dark pages and has no network."""
    context = browser.new_context(color_scheme=request.param, offline=True, viewport=WINDOW)
    context.mode = request.param
    yield context
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page(site: Path, offline: BrowserContext, name: str) -> None:
    page, fetched = offline.new_page(), set()
    page.on("request", lambda request: fetched.add(unquote(urlsplit(request.url).path)))
    problems = watch(page)
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    page.evaluate(WAIT_FOR_MATHS)
    page.wait_for_timeout(500)
    # Before the pictures further down are fetched.
    weights = own_files(fetched)
    assert problems + markup_problems(page) + image_problems(page) == []
    assert barriers(page) == []  # it asks for the styles once more, which is noted as a problem
    assert page.evaluate("document.documentElement.dataset.theme") == offline.mode
    assert Path(f"{name}.html").name in weights
    assert sum(weights.values()) <= FIRST_VIEW, weights
    page.close()


def own_files(fetched: set[str]) -> dict[str, int]:
    """Of the files that a browser fetched, those of the page's own, with their size."""
    paths = [Path(path) for path in fetched if Path(path).is_file()]
    ours = {"_images", "widgets"}
    return {
        path.name: path.stat().st_size
        for path in paths
        if path.suffix == ".html" or path.stem == "mlteach" or path.parent.name in ours
    }


def test_a_bad_page_is_seen(tmp_path: Path, browser: Browser) -> None:
    """The checks above are not blind: one page with one fault of each kind."""
    (tmp_path / "bad.html").write_text(
        """<html lang="en"><title>x</title><body><input type="range"><img src="none.png">
        <p>The variance is $\\tau^2$.</p> <p>\\begin{align}</p> <p>see {eq}`eq-x`</p>
        <img src="missing.png" alt=""> <script src="https://example.org/x.js"></script>
        <script>console.error("oh"); undefinedFunction();</script></body>""",
        encoding="utf-8",
    )
    context = browser.new_context(offline=True)
    page = context.new_page()
    problems = watch(page)
    page.goto((tmp_path / "bad.html").as_uri(), wait_until="load")
    found = "\n".join(problems + markup_problems(page) + image_problems(page) + barriers(page))
    context.close()
    for fault in (
        "raw markup: 'The variance",
        "raw markup: '\\\\begin",
        "raw markup: 'see {eq}",
        "picture does not show",
        "picture without alt",
        "request to another site: https://example.org/x.js",
        "failed request: file:",
        "console: oh",
        "script error: undefinedFunction",
        "label: ",
        "image-alt: ",
    ):
        assert fault in found
