"""The website, opened page by page in a browser with the network cut off.

A page passes when it loads without an error, asks nobody else for anything, shows no raw maths and
describes its pictures; the site passes when every link inside it leads somewhere.
"""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.website import NOTEBOOKS, PAGES, ROOT, browser, site  # noqa: F401

LOCAL_SCHEMES = ("file", "data", "blob", "about")
#: Text in which LaTeX, or a role of MyST, was left as it was typed.
RAW_MARKUP = re.compile(
    r"\$\$|\\\(|\\\[|\\[a-zA-Z]{2,}|\$[^$]*[\\_^][^$]*\$"
    r"|\{(?:eq|ref|numref|doc|term|cite(?::[pt])?|glue(?::\w+)?)\}"
)
#: Hosts that serve other people's scripts and fonts.
CDN = re.compile(r"unpkg\.com|jsdelivr\.net|cdnjs\.|googleapis\.com|gstatic\.com")

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


def look_at(page: Page, address: str) -> list[str]:
    """Open an address and return what is wrong with the page, in words."""
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
    page.goto(address, wait_until="load")
    page.evaluate(WAIT_FOR_MATHS)
    return problems + markup_problems(page) + image_problems(page)


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
    context = browser.new_context(color_scheme=request.param, offline=True)
    context.mode = request.param
    yield context
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_clean(site: Path, offline: BrowserContext, name: str) -> None:
    page = offline.new_page()
    assert look_at(page, (site / f"{name}.html").as_uri()) == []
    assert page.evaluate("document.documentElement.dataset.theme") == offline.mode
    page.close()


def test_a_bad_page_is_seen(tmp_path: Path, browser: Browser) -> None:
    """The checks above are not blind: one page with one fault of each kind."""
    (tmp_path / "bad.html").write_text(
        """<body><p>The variance is $\\tau^2$.</p> <p>\\begin{align}</p> <p>see {eq}`eq-x`</p>
        <img src="missing.png" alt=""> <script src="https://example.org/x.js"></script>
        <script>console.error("oh"); undefinedFunction();</script></body>""",
        encoding="utf-8",
    )
    context = browser.new_context(offline=True)
    found = "\n".join(look_at(context.new_page(), (tmp_path / "bad.html").as_uri()))
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
    ):
        assert fault in found


@dataclass
class Parsed:
    """What the link check needs of one page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    inline_scripts: list[str] = field(default_factory=list)


class PageParser(HTMLParser):
    """Collect ids, links, loaded addresses and inline scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.result = Parsed()
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.in_script = tag == "script"
        if "id" in attributes:
            self.result.ids.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.result.links.append(attributes["href"])
        loads = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if loads:
            self.result.loaded.append(loads)

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.result.inline_scripts.append(data)


def parse(path: Path) -> Parsed:
    parser = PageParser()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.result


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[Path, Parsed]:
    return {path: parse(path) for path in sorted(site.glob("*.html"))}


def is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def dead_links(page: Path, parsed: dict[Path, Parsed]) -> list[str]:
    """Return the links of a page that lead to no file, or to no place in it."""
    dead = []
    for link in filter(lambda link: not is_elsewhere(link), parsed[page].links):
        parts = urlsplit(link)
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        anchor = unquote(parts.fragment)
        no_such_place = anchor and target in parsed and anchor not in parsed[target].ids
        if not target.is_file() or no_such_place:
            dead.append(link)
    return dead


def test_the_pages_are_those_of_the_contents(parsed: dict[Path, Parsed]) -> None:
    assert {path.stem for path in parsed} == set(PAGES)


def test_links_inside_the_site_lead_somewhere(parsed: dict[Path, Parsed]) -> None:
    dead = {page.name: dead_links(page, parsed) for page in parsed}
    assert {page: links for page, links in dead.items() if links} == {}
    assert sum(len(page.links) for page in parsed.values()) > 10 * len(PAGES)


def test_dead_links_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text('<a href="b.html">b</a> <a href="#no">c</a> <a id="y" href="#y">d</a>')
    assert dead_links(page, {page: parse(page)}) == ["b.html", "#no"]


def test_nothing_is_loaded_from_elsewhere(parsed: dict[Path, Parsed]) -> None:
    for page, content in parsed.items():
        outside = [address for address in content.loaded if is_elsewhere(address)]
        assert [a for a in outside if not a.startswith("data:")] == [], page.name
        assert not CDN.search("".join(content.inline_scripts)), page.name


def test_search_finds_a_word(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator("button.search-button-field:visible").first.click()
    page.locator("#pst-search-dialog input[type=search]").fill("shrinkage")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=shrinkage*")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("glossary.html" in link.get_attribute("href") for link in results.all())
    context.close()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_download_is_the_chapter(site: Path, parsed: dict[Path, Parsed], name: str) -> None:
    links = [link for link in parsed[site / f"{name}.html"].links if link.endswith(".ipynb")]
    assert links == [f"_sources/{name}.ipynb"]
    offered = json.loads((site / links[0]).read_text(encoding="utf-8"))
    ours = json.loads((ROOT / "book" / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert offered == ours
