"""Fixtures of the tests that need a browser: a headless Chromium and the built website.

A test file imports the ones it uses. They live as long as that file's tests: Playwright allows one
running driver at a time.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

from tests.places import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]
PAGES = [TOC["root"], *CHAPTERS, "genindex", "search"]
NOTEBOOKS = [name for name in CHAPTERS if (ROOT / "book" / f"{name}.ipynb").is_file()]
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the Chromium of this machine; without one the test is skipped, but never in CI."""
    found = next((path for name in BROWSER_NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser found (looked for {', '.join(BROWSER_NAMES)})"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    # Chromium refuses to start as root inside its sandbox.
    arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=arguments)
        yield running
        running.close()


@pytest.fixture(scope="module")
def site() -> Path:
    """Bring the website up to date (``make`` knows whether it is) and return its folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "book"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"make book failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return ROOT / "_build" / "html"


def widgets_of(page: Path) -> list[str]:
    """Names of the widgets that a page of the website shows."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r'class="mlteach-widget mlteach-twin" [^>]*data-widget="(\w+)"', text)
