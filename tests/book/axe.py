"""What is open in a browser, held against WCAG 2.2 (A and AA) by axe-core."""

from playwright.sync_api import Page

from tests.places import ROOT

AXE = (ROOT / "tests" / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: Of the four grades of axe-core, those that keep somebody out.
GRADES = ("serious", "critical")
VIOLATIONS = """([where, rules]) => axe.run(where, {runOnly: rules}).then(result =>
    result.violations.map(
        rule => ({rule: rule.id, impact: rule.impact, nodes: rule.nodes.map(n => n.html)})))"""


def barriers(page: Page, where: str = "html") -> list[str]:
    """Return what axe-core finds serious in a part of the page, in words."""
    page.evaluate(AXE)
    return [
        f"{violation['rule']}: {violation['nodes'][:3]}"
        for violation in page.evaluate(VIOLATIONS, [where, RULES])
        if violation["impact"] in GRADES
    ]
