"""A chapter in a real JupyterLab: it opens, runs from top to bottom and shows its outputs."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.places import ROOT
from tests.website import browser  # noqa: F401

BOOK = ROOT / "book"
CHAPTER = "03_empty_model.ipynb"
SECONDS_TO_START = 90  # JupyterLab takes 5 to 15 s, more on a busy machine
SECONDS_TO_RUN = 300  # a chapter takes 10 s, and many times that on a busy machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def without_outputs(path: Path) -> nbformat.NotebookNode:
    """Read a chapter as a student would who cleared all outputs."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def wait_until_it_answers(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            urlopen(f"{address}/api", timeout=2).close()
            return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the book with the outputs of one chapter cleared: Lab saves what it opens."""
    copy = tmp_path_factory.mktemp("lab") / "book"
    shutil.copytree(BOOK, copy, ignore=shutil.ignore_patterns("vendor", ".*", "__pycache__"))
    nbformat.write(without_outputs(BOOK / CHAPTER), copy / CHAPTER)
    return copy


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab with no settings of this machine's user."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    home = folder.parent
    own = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--port={port}"]
    options += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password="]
    options += ["--LabApp.extension_manager=readonly", f"--ServerApp.root_dir={folder}"]
    log = home / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=folder, env=os.environ | own, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until_it_answers(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def run_all_and_save(page: Page, notebook: Path) -> nbformat.NotebookNode:
    """Use Lab's menu, then save until the last code cell has run; return what Lab stored."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    deadline = time.monotonic() + SECONDS_TO_RUN
    while time.monotonic() < deadline:
        page.wait_for_timeout(1500)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)
        try:
            stored = nbformat.read(notebook, as_version=4)
        except nbformat.reader.NotJSONError:  # Lab is writing it
            continue
        code = [cell for cell in stored.cells if cell.cell_type == "code"]
        failed = any(out.output_type == "error" for cell in code for out in cell.outputs)
        if failed or code[-1].execution_count:
            return stored
    return pytest.fail(f"the chapter did not finish within {SECONDS_TO_RUN} s")


def kinds_of_output(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Say for each code cell which kinds of output it has."""
    return [
        [out.output_type for out in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_chapter_runs_in_jupyterlab(lab: str, folder: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    elsewhere: list[str] = []
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).hostname not in ("127.0.0.1", None)
            and elsewhere.append(request.url)
        ),
    )
    page.goto(f"{lab}/lab/tree/{CHAPTER}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SECONDS_TO_START * 1000)
    heading = nbformat.read(BOOK / CHAPTER, as_version=4).cells[0].source.split("# ")[1]
    page.get_by_role("heading", name=heading.splitlines()[0]).first.wait_for()

    ran = run_all_and_save(page, folder / CHAPTER)
    assert kinds_of_output(ran) == kinds_of_output(nbformat.read(BOOK / CHAPTER, as_version=4))
    page.locator(".jp-OutputArea-output").first.wait_for()
    assert elsewhere == []
    context.close()
