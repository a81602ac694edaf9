"""Every page of the website, opened once in each mode, in a browser with the network cut off.

A page passes when it loads without an error, asks nobody else for anything, shows no raw maths,
describes its pictures, keeps nobody out (axe-core) and is light: all that is fetched for the first
view, and what its first words wait for: the text, the styles and the scripts that block. The light
mode is opened on a desktop, the dark one on a phone.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.book.axe import barriers
from tests.website import PAGES

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
FIRST_VIEW = 1_500_000  # bytes
FIRST_WORDS = 360_000  # bytes: at 1.6 Mbit/s they take 1.8 s
#: A page of each kind: figures, widgets and exercises; tables; lists; what the theme makes itself.
KINDS = ("index", "03_empty_model", "quiz_00", "crosswalk", "glossary", "teaching/index", "search")
LOCAL_SCHEMES = ("file", "data", "blob", "about")
#: Text in which LaTeX, or a role of MyST, was left as it was typed.
RAW_MARKUP = re.compile(
    r"\$\$|\\\(|\\\[|\\[a-zA-Z]{2,}|\$[^$]*[\\_^][^$]*\$"
    r"|\{(?:eq|ref|numref|doc|term|cite(?::[pt])?|glue(?::\w+)?)\}"
)

#: MathJax is asked for when the words are there.
WAIT_FOR_MATHS = """async () => {
    while (window.MathJax && !MathJax.startup?.promise) await new Promise(r => setTimeout(r, 20));
    await window.MathJax?.startup.promise;
}"""
FIRST_NEEDED = """() => [location.href,
    ...[...document.querySelectorAll("link[rel=stylesheet]")].map(link => link.href),
    ...[...document.head.querySelectorAll("script[src]:not([defer], [async])")].map(s => s.src)]
    .filter(address => !address.includes("/mathjax/"))"""
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


#: On a desktop, with all that unfolds open: what its column cuts off, or a line of code too long.
CUT_OFF = """() => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const part of document.querySelectorAll(".toggle-hidden"))
        part.classList.remove("toggle-hidden");
    const article = document.querySelector(".bd-article"), found = [];
    if (!article) return found;
    const ends = (part) => part.getBoundingClientRect().right, edge = ends(article);
    for (const part of article.querySelectorAll("table, pre, div.math")) {
        if (!part.offsetWidth) continue;
        const box = part.closest(".output, .pst-scrollable-table-container") ?? article;
        const formula = part.querySelector(":scope > mjx-container");
        const number = part.querySelector(".eqno");
        const inside = formula?.querySelector("mjx-math") ?? part;
        const wide = [part, formula].some((p) => p && p.scrollWidth > p.clientWidth + 1);
        const limit = number ? number.getBoundingClientRect().left : Math.min(edge, ends(box));
        if (wide || ends(inside) > limit + 1)
            found.push(`cut off: ${part.textContent.trim().slice(0, 60)}`);
    }
    return found;
}"""
#: On a phone: words in headings, labels and heads of tables that go on in the next line, and empty
#: lines below a heading.
BROKEN = """() => {
    const found = [], range = document.createRange(), heads = "h1, h2, h3, h4, th, dt, label";
    for (const head of document.querySelectorAll(".bd-article :is(" + heads + ")")) {
        const lines = [], walker = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const node = walker.currentNode;
            for (const word of node.data.matchAll(/[\\p{L}\\d_]+/gu)) {
                range.setStart(node, word.index);
                range.setEnd(node, word.index + word[0].length);
                const boxes = [...range.getClientRects()];
                if (new Set(boxes.map(box => Math.round(box.top))).size > 1)
                    found.push(`broken: ${word[0]}`);
                lines.push(...boxes.map(box => box.bottom));
            }
        }
        if (head.matches("h2, h3") && head.getBoundingClientRect().bottom - Math.max(...lines) > 20)
            found.push(`empty line: ${head.textContent}`);
    }
    return found;
}"""
AHEAD = """() => [...document.images].filter(image =>
    image.getBoundingClientRect().top > innerHeight).map(image => image.currentSrc || image.src)"""


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
    """A desktop that prefers light pages, or a phone that prefers dark ones, without network."""
    device = DESKTOP if request.param == "light" else PHONE
    context = browser.new_context(color_scheme=request.param, offline=True, **device)
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
    # Chromium fetches pictures thousands of pixels ahead, when all else has come.
    ahead = {unquote(urlsplit(source).path) for source in page.evaluate(AHEAD)}
    weights = weights_of(fetched - ahead)
    assert problems + markup_problems(page) + image_problems(page) == []
    assert barriers(page) == []  # it asks for the styles once more, which is noted as a problem
    assert page.evaluate("document.documentElement.dataset.theme") == offline.mode
    assert page.evaluate(CUT_OFF if offline.mode == "light" else BROKEN) == []
    assert any(path.endswith(f"/{Path(name).name}.html") for path in weights)
    assert sum(weights.values()) <= FIRST_VIEW, weights
    first = weights_of(unquote(urlsplit(url).path) for url in page.evaluate(FIRST_NEEDED))
    assert sum(first.values()) <= FIRST_WORDS, first
    page.close()


@pytest.mark.parametrize(
    ("device", "mode"), [(DESKTOP, "dark"), (PHONE, "light")], ids=["dark desktop", "light phone"]
)
@pytest.mark.parametrize("name", KINDS)
def test_the_other_modes_keep_nobody_out(
    site: Path, browser: Browser, device: dict, mode: str, name: str
) -> None:
    context = browser.new_context(color_scheme=mode, offline=True, **device)
    page = context.new_page()
    page.goto((site / f"{name}.html").as_uri())
    page.evaluate(WAIT_FOR_MATHS)
    assert barriers(page) == []
    context.close()


def weights_of(fetched: Iterable[str]) -> dict[str, int]:
    """The sizes of files that a browser fetched."""
    paths = {Path(path) for path in fetched if Path(path).is_file()}
    return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in paths}


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
