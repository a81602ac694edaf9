"""What the tests of the book share: one browser, one website, one JupyterLab.

Browser and Lab live as long as the tests of this folder: Playwright's loop would be in the way of
others.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.book import jupyterlab
from tests.places import ROOT

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="session")
def site() -> Path:
    """Bring the website up to date (of workers side by side one builds) and return its folder."""
    draft = ["--draft"] if os.environ.get("DRAFT") else []
    done = subprocess.run(
        [sys.executable, ROOT / "book" / "_ext" / "build.py", *draft], cwd=ROOT,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"the book was not built:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return ROOT / "_build" / "html"


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the book that JupyterLab may write to."""
    return jupyterlab.copy_of_the_book(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="package")
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab in that folder."""
    with jupyterlab.running(folder) as address:
        yield address
