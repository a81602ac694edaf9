"""A real JupyterLab, with no settings of this machine's user and no help with MyST."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import notebooks
import pytest

#: The chapter whose outputs are cleared.
CHAPTER = "03_empty_model.ipynb"
#: What a Lab elsewhere does not have.
PLAIN = '{"disabledExtensions": {"jupyterlab-myst": true}}'
#: A question about news would lie over what is clicked.
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'
SECONDS_TO_START = 90  # JupyterLab takes 5 to 15 s, more on a busy machine


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


def copy_of_the_book(home: Path) -> Path:
    """The readers' notebooks, with the outputs of one cleared: Lab saves what it opens."""
    copy = home / "book"
    notebooks.Book().write(copy)
    nbformat.write(without_outputs(copy / CHAPTER), copy / CHAPTER)
    return copy


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the address of a JupyterLab in a folder; it keeps all of its own beside that."""
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
    (home / "config" / "labconfig").mkdir(parents=True)
    (home / "config" / "labconfig" / "page_config.json").write_text(PLAIN)
    (settings := home / "settings" / "@jupyterlab" / "apputils-extension").mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(NO_NEWS)
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
