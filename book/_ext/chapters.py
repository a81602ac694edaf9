"""Run chapters in place and store them in one form, so that a diff shows changes of content only.

    python book/_ext/chapters.py                      all chapters
    python book/_ext/chapters.py book/03_*.ipynb      these

Invariants of a stored chapter: outputs come from one run from top to bottom; no time stamps, no
versions of Python, no state of the interface in the metadata; of a live widget only the text that
stands for it, because its view means nothing without its kernel. A chapter that raises is not
stored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[1]
SECONDS_PER_CELL = 300
#: The whole metadata of a stored notebook.
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: What the tools write into a cell for themselves.
CELL_METADATA_TO_DROP = ("execution", "collapsed", "scrolled", "trusted", "ExecuteTime")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Strip, in place, what depends on the moment or the machine of the run."""
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        for key in CELL_METADATA_TO_DROP:
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def execute(path: Path) -> None:
    """Run one chapter where it stands and store it."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    nbformat.write(normalise(notebook), path)


def main(arguments: Iterable[str]) -> None:
    """Run the chapters that are named, or all."""
    for path in [Path(name) for name in arguments] or sorted(BOOK.glob("*.ipynb")):
        print(path, flush=True)
        execute(path)


if __name__ == "__main__":
    main(sys.argv[1:])
