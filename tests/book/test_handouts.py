"""The handouts: every one fits its sheets of paper, printed by a browser without a network."""

import re
from pathlib import Path

import handouts
import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.book.axe import barriers
from tests.book.test_site_pages import image_problems, markup_problems, watch
from tests.website import CHAPTERS

SOURCES = handouts.sources()
HEADINGS = ["The idea", "The picture", "The formula", "The call", "Three mistakes"]
#: What does not fit its sheet, or cannot be read on it.
FAULTS = """([points, drawn]) => {
    const faults = [];
    for (const sheet of document.querySelectorAll("main")) {
        const area = sheet.getBoundingClientRect();
        const edge = parseFloat(getComputedStyle(sheet).paddingBottom) - 2;
        for (const node of sheet.querySelectorAll("*")) {
            if (node.parentElement.closest("mjx-container") || !node.getClientRects().length)
                continue;
            const box = node.getBoundingClientRect();
            if (box.bottom > area.bottom - edge || box.right > area.right - edge)
                faults.push(`${node.tagName} reaches beyond the margin: ${node.textContent}`);
            const size = parseFloat(getComputedStyle(node).fontSize) * 0.75;
            const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim());
            if (own && size < points)
                faults.push(`letters of ${size} points: ${node.textContent}`);
        }
        for (const image of sheet.querySelectorAll("img")) {
            const box = image.getBoundingClientRect();
            const scale = Math.min(
                box.width / image.getAttribute("width"), box.height / image.getAttribute("height"));
            if (scale < drawn) faults.push(`figure at ${scale.toFixed(2)} of its size`);
        }
    }
    return faults;
}"""
#: A figure at half its size has letters of 6.5 points.
POINTS, DRAWN = 8, 0.5


@pytest.fixture(scope="module")
def offline(browser: Browser) -> BrowserContext:
    context = browser.new_context(offline=True)
    yield context
    context.close()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_handout(site: Path, offline: BrowserContext, source: Path) -> None:
    """A page a chapter, two of notation; nothing is cut, nothing is asked of another site."""
    page = offline.new_page()
    problems = watch(page)
    page.goto((site / "handouts" / f"{source.stem}.html").as_uri())
    page.evaluate("MathJax.startup.promise")
    page.emulate_media(media="print")
    assert page.evaluate(FAULTS, [POINTS, DRAWN]) == []
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == (1 if source.stem[:2].isdigit() else 2)
    assert problems + markup_problems(page) + image_problems(page) + barriers(page) == []
    page.close()


def test_every_chapter_has_a_handout() -> None:
    chapters = [name for name in sorted(CHAPTERS) if name[0].isdigit()]
    assert [source.stem for source in SOURCES] == [*chapters, "notation"]


@pytest.mark.parametrize(
    "source", [s for s in SOURCES if s.stem[0].isdigit()], ids=lambda p: p.stem
)
def test_parts(source: Path) -> None:
    assert re.findall(r"^## (.+)$", source.read_text(encoding="utf-8"), re.MULTILINE) == HEADINGS
