"""Print the handouts of the built site as PDF, with a Chromium of this machine.

python book/_ext/paper.py
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import handouts
from pictures import BROWSERS
from playwright.sync_api import sync_playwright
from stored import StoredError
from surroundings import BUILD
from tqdm import tqdm

FOLDER = BUILD / "html" / "handouts"


def print_all(folder: Path = FOLDER) -> None:
    """Print every page of a folder beside itself."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not found:
        raise SystemExit("To print the handouts, install Chromium or Chrome.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        for path in tqdm(sorted(folder.glob("*.html")), desc="handouts", leave=False):
            page.goto(path.as_uri())
            page.evaluate("MathJax.startup.promise")
            page.pdf(
                path=path.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True
            )
        browser.close()


def main() -> int:
    """Renew the handouts, print them, and say where they are."""
    try:
        handouts.write(BUILD / "html", BUILD / "aside" / ".widgets")
    except StoredError as error:
        print(error, file=sys.stderr)
        return 1
    print_all()
    print(f"The handouts: {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
