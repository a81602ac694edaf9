"""The website as a whole: every link inside it leads somewhere, nothing comes from elsewhere.

What each page is when it is opened is the matter of ``test_site_pages.py``.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.places import ROOT
from tests.website import FOLDERS, NOTEBOOKS, PAGES

WHOLE_SITE = 60_000_000  # bytes
#: Hosts that serve other people's scripts and fonts.
CDN = re.compile(r"unpkg\.com|jsdelivr\.net|cdnjs\.|googleapis\.com|gstatic\.com")


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
    pages = [path for folder in FOLDERS for path in sorted(site.glob(f"{folder}*.html"))]
    return {path: parse(path) for path in pages}


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


def test_the_pages_are_those_of_the_contents(site: Path, parsed: dict[Path, Parsed]) -> None:
    names = {path.relative_to(site).with_suffix("").as_posix() for path in parsed}
    assert names == set(PAGES)


def test_links_inside_the_site_lead_somewhere(parsed: dict[Path, Parsed]) -> None:
    dead = {str(page): dead_links(page, parsed) for page in parsed}
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
    found = [link.get_attribute("href") for link in results.all()]
    assert "glossary.html#term-shrinkage" in found
    assert any(link.startswith("08_shrinkage.html#") for link in found), "sections, not pages"
    excerpts = " ".join(page.locator("#search-results li p").all_inner_texts())
    assert "shrinkage" in excerpts
    assert not re.search(r"Click to|Show code|\\\(|mt\.check|_images/", excerpts), "prose only"
    context.close()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_download_is_for_readers(site: Path, parsed: dict[Path, Parsed], name: str) -> None:
    links = [link for link in parsed[site / f"{name}.html"].links if link.endswith(".ipynb")]
    assert links == [f"_sources/{name}.ipynb"]
    offered = (site / links[0]).read_bytes()
    assert offered == (ROOT / "_build" / "notebooks" / f"{name}.ipynb").read_bytes()


def test_the_whole_is_light(site: Path) -> None:
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= WHOLE_SITE
