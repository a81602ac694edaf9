"""Every page of the website, in both modes, held against WCAG 2.2 (A and AA) by axe-core."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.places import ROOT
from tests.website import PAGES, browser, site  # noqa: F401

AXE = (ROOT / "tests" / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Of the four grades of axe-core, those that keep somebody out.
GRADES = ("serious", "critical")
VIOLATIONS = """rules => axe.run(document, {runOnly: rules}).then(result => result.violations.map(
    rule => ({rule: rule.id, impact: rule.impact, nodes: rule.nodes.map(node => node.html)})))"""


@pytest.fixture(scope="module", params=["light", "dark"])
def context(request: pytest.FixtureRequest, browser: Browser) -> BrowserContext:
    context = browser.new_context(color_scheme=request.param, offline=True)
    yield context
    context.close()


def barriers(context: BrowserContext, address: str) -> list[str]:
    """Open a page and return what axe-core finds serious, in words."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
    page.evaluate(AXE)
    found = page.evaluate(VIOLATIONS, RULES)
    page.close()
    return [
        f"{violation['rule']}: {violation['nodes'][:3]}"
        for violation in found
        if violation["impact"] in GRADES
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_keeps_nobody_out(site: Path, context: BrowserContext, name: str) -> None:
    assert barriers(context, (site / f"{name}.html").as_uri()) == []


def test_a_barrier_is_seen(tmp_path: Path, context: BrowserContext) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<html lang="en"><title>x</title><input type="range"><img src="">')
    found = "".join(barriers(context, page.as_uri()))
    assert "label" in found and "image-alt" in found
