"""Take the pictures of the README from the built site, with a Chromium of this machine.

    python book/_ext/pictures.py

They are small: 900 pixels wide, and with a palette of 64 colours.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from surroundings import BUILD, ROOT

FOLDER = ROOT / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH = 900
COLOURS = 64


def chapter(page: Page) -> None:
    """The empty model, from the picture of the schools on."""
    page.goto((BUILD / "html" / "03_empty_model.html").as_uri())
    page.wait_for_function("window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise")
    first = page.locator("main img.mlteach-light").first
    first.evaluate("e => { e.loading = 'eager'; return e.decode(); }")
    first.evaluate("e => e.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / "chapter.png")


def widget(page: Page) -> None:
    """The panel of the intraclass correlation, moved once."""
    page.goto((BUILD / "html" / "03_empty_model.html").as_uri())
    panel = page.locator('.mlteach-twin[data-widget="icc"]').first
    panel.scroll_into_view_if_needed()
    panel.locator("input").first.press("ArrowRight")
    page.wait_for_timeout(1500)
    panel.screenshot(path=FOLDER / "widget.png")


def shrink(path: Path) -> None:
    """Give a picture a palette."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def take(browser: Browser) -> None:
    """Take both."""
    FOLDER.mkdir(exist_ok=True)
    for picture, height in ((chapter, 640), (widget, 1000)):
        viewport = {"width": WIDTH, "height": height}
        page = browser.new_page(viewport=viewport, color_scheme="light")
        picture(page)
        page.close()
    for path in FOLDER.glob("*.png"):
        shrink(path)


if __name__ == "__main__":
    found = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        take(browser)
        browser.close()
