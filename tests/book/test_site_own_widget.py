"""The how-to page, followed to the letter: a book of somebody else's with a widget of its own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from playwright.sync_api import Browser

from tests.places import ROOT

PAGE = (ROOT / "book" / "own_widget.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"```\{code-block\} \w+\n:caption: (?P<name>[^\n]*)\n\n(?P<text>.*?)```", re.DOTALL
)
BLOCKS = {match["name"]: match["text"] for match in BLOCK.finditer(PAGE)}
SECONDS_TO_BUILD = 300
MILLISECONDS_TO_SHOW = 10_000


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do what the page says, in an empty folder, and build."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "interval.py").write_text(BLOCKS["interval.py"], encoding="utf-8")
    shutil.copy(ROOT / "book" / "_ext" / "widget_twins.py", folder)
    config = {"title": "Book", "only_build_toc_files": True} | yaml.safe_load(BLOCKS["_config.yml"])
    config["execute"] = {"execute_notebooks": "force", "raise_on_error": True}
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    title = nbformat.v4.new_markdown_cell("# Intervals")
    cell = nbformat.v4.new_code_cell(BLOCKS["a cell of the notebook"].strip())
    nbformat.write(nbformat.v4.new_notebook(cells=[title, cell]), folder / "index.ipynb")
    build(folder)
    return folder


def build(folder: Path) -> None:
    """Build the book; everything lies beside the notebook."""
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-W", "--all"],
        capture_output=True, text=True, timeout=SECONDS_TO_BUILD, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_page_shows_the_widget_and_moves_it(book: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((book / "_build" / "html" / "index.html").as_uri())
    twin = page.locator(".mlteach-twin")
    assert twin.locator("dd").all_inner_texts() == ["1.39", "0.71"]  # 1.96 * 10 / sqrt(200)
    twin.locator("input").first.press("ArrowRight")
    page.wait_for_function(
        "document.querySelector('.mlteach-twin dd').textContent === '0.98'",
        timeout=MILLISECONDS_TO_SHOW,
    )
    twin.get_by_label("confidence").select_option(label="99%")
    page.wait_for_function(
        "document.querySelector('.mlteach-twin dd').textContent === '1.29'",
        timeout=MILLISECONDS_TO_SHOW,
    )
    assert "1.29 points" in twin.locator("svg").get_attribute("aria-label")
    context.close()
    assert [p for p in problems if "THEBE" not in p] == []


def test_what_the_page_says_of_weights(book: Path) -> None:
    assert "7 × 5 × 3 = 105 figures" in PAGE
    chunks = list((book / "_build" / "html" / "_static" / "widgets").glob("interval-*.js"))
    assert 0 < sum(path.stat().st_size for path in chunks) < 25_000


def test_a_second_build_draws_nothing(book: Path) -> None:
    """The frames are kept beside the site."""
    (stored,) = (book / "_build" / ".widgets").glob("interval-*.json")
    before = stored.stat().st_mtime_ns
    build(book)
    assert stored.stat().st_mtime_ns == before
