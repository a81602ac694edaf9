"""The slides: their sources, and every deck opened once in a browser without a network."""

import re
from pathlib import Path

import pytest
import sheet
import slides
from playwright.sync_api import Browser, BrowserContext, Page

from tests.book.axe import barriers
from tests.book.test_site_pages import image_problems, markup_problems, watch
from tests.places import ROOT
from tests.website import CHAPTERS

SOURCES = slides.sources()
HANDOUTS = sorted((ROOT / "book" / "handouts").glob("*.md"))
SCREEN = {"width": 1280, "height": 720}
FEWEST, MOST = 12, 20
#: A number that somebody computed: it belongs into the chapter, not into a source of slides.
TYPED = re.compile(r"(?<![\w.])\d*\.\d|\d,\d{3}")
#: What cannot be read from the last row, or does not fit its slide.
FAULTS = """([letters, drawn, foot]) => {
    const faults = [];
    document.querySelectorAll(".slides section").forEach((slide, k) => {
        if (!slide.closest(".reveal-print")) Reveal.slide(k, 0, 99);
        const add = (what) => faults.push(`slide ${k + 1}: ${what}`);
        const area = slide.getBoundingClientRect();
        if (slide.scrollHeight > slide.clientHeight || slide.scrollWidth > slide.clientWidth)
            add(`${slide.scrollWidth} by ${slide.scrollHeight} do not fit`);
        for (const node of slide.querySelectorAll(":scope > :not(aside) *")) {
            if (node.parentElement.closest("svg, mjx-container") || !node.getClientRects().length)
                continue;
            const box = node.getBoundingClientRect();
            if (box.bottom > area.bottom - foot || box.right > area.right || box.left < area.left)
                add(`${node.tagName} reaches beyond the edge`);
            const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
            const size = parseFloat(getComputedStyle(node).fontSize);
            if (own && size < letters) add(`${node.textContent}: letters of ${size}`);
        }
        for (const box of slide.querySelectorAll("pre"))
            if (box.scrollWidth > box.clientWidth) add("a line of code is too long");
        for (const image of slide.querySelectorAll("figure > *")) {
            const box = image.getBoundingClientRect();
            const { width, height } = image.viewBox?.baseVal ?? {
                width: image.getAttribute("width"), height: image.getAttribute("height") };
            const scale = Math.min(box.width / width, box.height / height);
            if (scale < drawn) add(`figure at ${scale.toFixed(2)} of its size`);
        }
        for (const text of slide.querySelectorAll(".mlteach-widget svg text")) {
            const { c, d } = text.getScreenCTM(); // a label of the y axis is turned
            const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(c, d);
            if (size < letters - 2) add(`${text.textContent}: letters of ${size.toFixed(1)}`);
        }
    });
    return faults;
}"""
#: Pixels at 1280 by 720: of letters, and free below. A figure at its own size has letters of 17.
LETTERS, FOOT, DRAWN = 24, 24, 0.85


def parts(source: Path) -> list[str]:
    return re.split(r"^---$", source.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_chapter_has_a_deck() -> None:
    assert [s.stem for s in SOURCES] == [name for name in sorted(CHAPTERS) if name[0].isdigit()]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_source(source: Path) -> None:
    """Short, with notes on every slide, mistakes and an end; each widget of the chapter moves."""
    found = parts(source)
    assert FEWEST <= len(found) <= MOST
    assert all(re.search(r"^Note:\n\S", part, re.MULTILINE) for part in found)
    headings = re.findall(r"^## (.+)$", "".join(found), re.MULTILINE)
    assert headings[-2:] == ["Three typical mistakes", "Now you can"]
    cells = sheet.chapter_of(source).cells.items()
    offered = {name for name, cell in cells if "widget-placeholder" in str(cell.get("outputs"))}
    assert offered == set(re.findall(r"\{\{ widget ([\w-]+) \}\}", "".join(found)))


@pytest.mark.parametrize(
    "source", SOURCES + HANDOUTS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_no_number_is_typed(source: Path) -> None:
    text = sheet.PLACE.sub("", source.read_text(encoding="utf-8").replace("1.96", ""))
    assert TYPED.findall(text) == []


def test_typed_numbers_are_seen() -> None:
    assert all(TYPED.search(text) for text in ("is 0.18", "ICC of .18", "7,185 rows", "-2.5"))
    assert not TYPED.search("chapter 3. The 160 schools, 5% and 2, 3")


@pytest.fixture(scope="module")
def offline(browser: Browser) -> BrowserContext:
    context = browser.new_context(offline=True, viewport=SCREEN)
    yield context
    context.close()


def opened(context: BrowserContext, path: Path, query: str = "") -> tuple[Page, list[str]]:
    page = context.new_page()
    problems = watch(page)
    page.goto(path.as_uri() + query)
    page.wait_for_function("window.Reveal?.isReady()")
    return page, problems


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_deck(site: Path, offline: BrowserContext, source: Path) -> None:
    """It loads without a fault and asks nobody; all slides fit; its widgets move."""
    page, problems = opened(offline, site / "slides" / f"{source.stem}.html")
    assert page.evaluate("Reveal.getTotalSlides()") == len(parts(source))
    assert page.evaluate(FAULTS, [LETTERS, DRAWN, FOOT]) == []
    for widget in page.locator(".mlteach-twin").all():
        moves(page, widget)
    assert problems + markup_problems(page) + image_problems(page) == []
    page.close()


def moves(page: Page, widget) -> None:
    """The keyboard moves the first control and its figure; Escape gives it back to the slides."""
    page.evaluate(
        "node => Reveal.slide(Reveal.getIndices(node.closest('section')).h)",
        widget.element_handle(),
    )
    before, at = widget.get_attribute("data-place"), page.evaluate("Reveal.getIndices().h")
    control = widget.locator("input, select").first
    figure = widget.locator("svg").inner_html()
    control.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        control.press(key)
        if widget.get_attribute("data-place") != before:
            break
    page.wait_for_function(
        "([node, html]) => node.querySelector('svg').innerHTML !== html",
        arg=[widget.element_handle(), figure],
    )
    assert page.evaluate("Reveal.getIndices().h") == at
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getIndices().h") == at + 1


def test_a_deck_prints_as_it_looks_a_page_a_slide(site: Path, offline: BrowserContext) -> None:
    source = SOURCES[2]  # figures, formulas, tables, code and a widget
    page, problems = opened(offline, site / "slides" / f"{source.stem}.html", "?print-pdf")
    page.wait_for_selector(".pdf-page")
    assert page.evaluate(FAULTS, [LETTERS, DRAWN, FOOT]) == []
    assert pages_of(page.pdf(prefer_css_page_size=True)) == len(parts(source))
    assert problems == []
    assert barriers(page) == []  # here all slides can be seen at once
    page.close()


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
