"""What the website weighs: as a whole, and each page when it is opened.

The theme and MathJax weigh the same on every page and are loaded once; what is counted here is what
a page has of its own: its text, its pictures, and the styles, scripts and figures of this project.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.website import PAGES, browser, site  # noqa: F401

WHOLE_SITE = 60_000_000
FIRST_VIEW = 1_000_000
WINDOW = {"width": 1280, "height": 900}


def own_files(site: Path, browser: Browser, name: str) -> dict[str, int]:
    """Files of the page's own that the browser fetches when the page is opened, with their size."""
    context = browser.new_context(offline=True, viewport=WINDOW)
    page, fetched = context.new_page(), set()
    page.on("request", lambda request: fetched.add(unquote(urlsplit(request.url).path)))
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    page.wait_for_timeout(500)
    context.close()
    paths = [Path(path) for path in fetched if Path(path).is_file()]
    ours = {"_images", "widgets"}
    return {
        path.name: path.stat().st_size
        for path in paths
        if path.suffix == ".html" or path.stem == "mlteach" or path.parent.name in ours
    }


def test_whole_site(site: Path) -> None:
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= WHOLE_SITE


@pytest.mark.parametrize("name", PAGES)
def test_first_view(site: Path, browser: Browser, name: str) -> None:
    files = own_files(site, browser, name)
    assert f"{name}.html" in files
    assert sum(files.values()) <= FIRST_VIEW, files
