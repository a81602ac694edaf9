"""What helps to read a page of the website: large figures, cards, edges, paper, no script."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.book.axe import barriers
from tests.book.test_site_pages import DESKTOP, PHONE, WAIT_FOR_MATHS, watch

CHAPTER = "03_empty_model.html"
#: Boxes that are wider than they show, and what they say of it.
CUT = """() => [...document.querySelectorAll(
    'mjx-container[display="true"], .cell_output .text_html, .pst-scrollable-table-container')]
    .filter(box => box.offsetWidth && box.scrollWidth > box.clientWidth + 1)
    .map(box => [box.dataset.more ?? "", box.tabIndex])"""


@pytest.fixture(scope="module", params=["light", "dark"])
def phone(request: pytest.FixtureRequest, site: Path, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, offline=True, **PHONE)
    page = context.new_page()
    problems = watch(page)
    page.mode = request.param
    page.goto((site / CHAPTER).as_uri())
    page.evaluate(WAIT_FOR_MATHS)
    assert problems == []
    yield page
    context.close()


@pytest.fixture(scope="module")
def desktop(site: Path, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True, **DESKTOP)
    page = context.new_page()
    page.goto((site / CHAPTER).as_uri())
    page.evaluate(WAIT_FOR_MATHS)
    yield page
    context.close()


def test_a_tap_shows_a_figure_at_full_size(phone: Page) -> None:
    figure = phone.locator(f"#fig-empty-worlds img.mlteach-{phone.mode}")
    small = figure.bounding_box()["width"]
    figure.tap()
    large = phone.locator("dialog.mlteach-zoom img")
    large.wait_for()
    assert large.bounding_box()["width"] > 2 * small
    assert ("-dark" in large.get_attribute("src")) == (phone.mode == "dark")
    assert phone.locator("dialog.mlteach-zoom p").inner_text().startswith("Fig. 3.2")
    assert barriers(phone, "dialog.mlteach-zoom") == []
    phone.get_by_role("button", name="Close the figure").tap()
    assert not large.is_visible()


def test_what_is_cut_says_that_it_scrolls(phone: Page) -> None:
    phone.wait_for_function(f"() => ({CUT})().every(([said]) => said)")
    cut = phone.evaluate(CUT)
    assert len(cut) > 3
    assert {tuple(said) for said in cut} <= {("right", 0), ("left right", 0), ("left", 0)}
    page_width = phone.evaluate("document.documentElement.scrollWidth")
    assert page_width <= PHONE["viewport"]["width"]


def test_a_tap_on_a_term_says_what_it_means(phone: Page) -> None:
    term = phone.locator('.bd-article a[href*="#term-ICC"]:visible').first
    term.tap()
    card = phone.locator(".mlteach-card")
    card.wait_for()
    assert card.inner_text().startswith("Intraclass correlation")
    assert card.locator("a").get_attribute("href").endswith("glossary.html#term-ICC")
    assert phone.url.endswith(CHAPTER)
    phone.locator("article h1").tap()
    assert not card.is_visible()


def test_buttons_have_names_on_a_phone(phone: Page) -> None:
    assert phone.get_by_role("button", name="Search").first.is_visible()


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ('a[href*="#term-ICC"]', "Intraclass correlation"),
        ('a[href*="references.html#"]', "Variance Components"),
        ('a[href="#fig-empty-dots"]', "Mathematics scores of 7,185 students"),
        ('p > a[href="#equation-eq-empty-cov"]', ""),
    ],
)
def test_cards_open_on_hovering_and_on_focus(desktop: Page, link: str, words: str) -> None:
    there = desktop.locator(f".bd-article {link}:visible").first
    card = desktop.locator(".mlteach-card")
    there.hover()
    card.wait_for()
    assert words in card.inner_text()
    assert card.locator("img, mjx-container").count() or words
    desktop.keyboard.press("Escape")
    assert not card.is_visible()
    desktop.mouse.move(0, 0)


def test_cards_show_what_stands_on_other_pages(desktop: Page, site: Path) -> None:
    desktop.goto((site / "14_multigroup.html").as_uri())
    desktop.evaluate(WAIT_FOR_MATHS)
    card = desktop.locator(".mlteach-card")
    desktop.locator('.bd-article a[href*=".html#equation-"]:visible').first.hover()
    card.locator("mjx-container").wait_for()
    desktop.goto((site / CHAPTER).as_uri())
    desktop.evaluate(WAIT_FOR_MATHS)


def test_paper(desktop: Page) -> None:
    """The title has its number; hints and answer lines are gone; solutions come on demand."""
    desktop.emulate_media(media="print")
    title = desktop.locator("#jb-print-docs-body h1")
    assert title.inner_text() == "3. The empty model"
    for gone in (".exercise .dropdown", ".mlteach-check", "img.mlteach-dark", ".copybtn"):
        assert not [e for e in desktop.locator(gone).all() if e.is_visible()], gone
    appendix = desktop.locator(".mlteach-appendix")
    assert appendix.count() == 0
    desktop.evaluate("window.print = () => { window.printed = true; }")
    desktop.locator(".btn-download-pdf-button").last.evaluate("button => button.click()")
    assert desktop.evaluate("window.printed")
    assert appendix.locator("h3").all_inner_texts() == [f"Solution to 3.{k}" for k in range(1, 6)]
    assert "mt.check" in appendix.inner_text()
    desktop.evaluate("dispatchEvent(new Event('afterprint'))")
    assert appendix.count() == 0
    desktop.emulate_media(media="screen")


def test_without_script_the_page_can_be_read(site: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True, **DESKTOP)
    page = context.new_page()
    page.goto((site / CHAPTER).as_uri())
    pictures = page.locator("#fig-empty-dots img").all()
    assert [picture.is_visible() for picture in pictures] == [True, False]
    assert page.get_by_role("heading", name="The empty model").first.is_visible()
    for missing in ("Formulas are set", "To move this figure", "Checking an answer"):
        said = page.locator("noscript p", has_text=missing).first
        assert "JavaScript" in said.inner_text() and said.is_visible()
    context.close()


def test_the_front_page_begins_with_a_figure_to_be_moved(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, **DESKTOP)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    slider = page.locator(".mlteach-twin input").first
    box = slider.bounding_box()
    assert box["y"] + box["height"] < DESKTOP["viewport"]["height"]
    before = page.locator(".mlteach-twin dd").all_inner_texts()
    slider.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('.mlteach-twin dd').innerText !== before", arg=before[0]
    )
    context.close()
