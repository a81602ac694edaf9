"""Run chapters and store them in one form, so that a diff shows changes of content only.

    python book/_ext/chapters.py                      the chapters that are out of date
    python book/_ext/chapters.py 03 book/16_*.ipynb   these, out of date or not
    python book/_ext/chapters.py --all                all chapters

Invariants of a stored chapter: outputs come from one run from top to bottom; no time stamps, no
versions of Python, no state of the interface in the metadata; of a live widget only the text that
stands for it, because its view means nothing without its kernel. A chapter that raises or warns is
not stored. Its metadata hold a hash of all that its outputs depend on, and it is out of date when
this hash is another one today.
"""

from __future__ import annotations

import base64
import io
import multiprocessing
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image
from surroundings import ROOT, processors, settle
from tqdm import tqdm

from mlteach.data.fingerprint import fingerprint, leaf_files

BOOK = ROOT / "book"
SECONDS_PER_CELL = 300
#: The whole metadata of a stored notebook, beside the hash.
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: What the tools write into a cell for themselves.
CELL_METADATA_TO_DROP = ("execution", "collapsed", "scrolled", "trusted", "ExecuteTime")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
#: Packages whose version can change a number, a table or a picture of the book.
PACKAGES = (
    "arviz", "formulaic", "ipython", "matplotlib", "nutpie", "numpy", "pandas", "pymc", "pytensor",
    "scipy", "statsmodels",
)  # fmt: skip


class ChapterError(Exception):
    """A chapter that cannot be stored; the message says which and why."""


# ---------------------------------------------------------------------------------- out of date?


def chapters() -> list[Path]:
    """All chapters, in their order, the pages beside them, the templates, the quiz."""
    patterns = ("[0-9][0-9]_*.ipynb", "further_*.ipynb", "own_*.ipynb", "quiz_*.ipynb")
    return [path for pattern in patterns for path in sorted(BOOK.glob(pattern))]


@cache
def locked_versions() -> str:
    """What ``uv.lock`` says of the packages that matter, for all versions of Python."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    found = {f"{p['name']} {p['version']}" for p in lock["package"] if p["name"] in PACKAGES}
    return "\n".join(sorted(found))


def leaves_of(name: str, code: str) -> list[str]:
    """The modules that a chapter alone uses: its exercises, and the lessons that it names."""
    named = set(re.findall(r"""["'](\w+)["']""", code))
    named |= {f"chapter_{number}" for number in re.findall(r"\d\d", name)}
    found = [path for path in leaf_files() if path.stem in named]
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts) for p in found)


def chapter_hash(path: Path, notebook: NotebookNode) -> str:
    """Hash all that the outputs of a chapter depend on."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return fingerprint(leaves_of(path.stem, code), code, locked_versions())


def is_current(path: Path) -> bool:
    """Whether the stored outputs are those that a run would give today."""
    notebook = nbformat.read(path, as_version=4)
    return notebook.metadata.get("mlteach", {}).get("hash") == chapter_hash(path, notebook)


def out_of_date() -> list[Path]:
    """The chapters whose stored outputs are not those of today's code."""
    return [path for path in chapters() if not is_current(path)]


# -------------------------------------------------------------------------------- run and store


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Strip, in place, what depends on the moment or the machine of the run."""
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        for key in CELL_METADATA_TO_DROP:
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def keep_pictures(new: NotebookNode, old: NotebookNode) -> None:
    """Take the old bytes, in place, of pictures that show the same as before."""
    before = {cell.get("id"): cell.get("outputs", []) for cell in old.cells}
    for cell in new.cells:
        pairs = zip(cell.get("outputs", []), before.get(cell.id, []), strict=False)
        for here, there in ((a.get("data", {}), b.get("data", {})) for a, b in pairs):
            if not {"image/png"} <= here.keys() & there.keys():
                continue
            if np.array_equal(pixels(here["image/png"]), pixels(there["image/png"])):
                here["image/png"] = there["image/png"]


def pixels(png: str) -> np.ndarray:
    """Decode a stored picture."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def execute(path: Path) -> bool:
    """Run one chapter where it stands and store it; tell whether its file changed."""
    notebook = nbformat.read(path, as_version=4)
    old = nbformat.from_dict(notebook)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise ChapterError(f"{path.stem} was not stored, because a cell fails:\n{error}") from None
    warned = [o.text for c in notebook.cells for o in c.get("outputs", []) if is_warning(o)]
    if warned:
        raise ChapterError(f"{path.stem} was not stored, because it warns:\n{''.join(warned)}")
    normalise(notebook).metadata["mlteach"] = {"hash": chapter_hash(path, notebook)}
    keep_pictures(notebook, old)
    return write(notebook, path)


def is_warning(output: NotebookNode) -> bool:
    """Whether an output is what a cell wrote on stderr."""
    return output.output_type == "stream" and output.name == "stderr"


def write(notebook: NotebookNode, path: Path) -> bool:
    """Store a notebook at once or not at all; leave an equal file as it is."""
    text = nbformat.writes(notebook) + "\n"
    if path.read_text(encoding="utf-8") == text:
        return False
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)
    return True


def run(paths: Sequence[Path]) -> list[str]:
    """Run chapters, as many at once as there are processors; return what went wrong."""
    faults = []
    # The long chapters are in the second half: started first, they do not end last.
    waiting = sorted(paths, reverse=True)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(min(processors(), len(paths)), mp_context=context) as pool,
        tqdm(total=len(paths), desc="chapters", unit="chapter") as bar,
    ):
        running = {pool.submit(execute, path): path for path in waiting}
        for done in as_completed(running):
            bar.update()
            if isinstance(error := done.exception(), ChapterError):
                faults.append(str(error))
            else:
                changed = "stored" if done.result() else "as it was"
                bar.write(f"{running[done].stem}: {changed}", file=sys.stderr)
    return faults


def named(name: str) -> Path:
    """Find a chapter by its number, its name or its path."""
    found = [path for path in chapters() if path.name.startswith(name)] or [Path(name).resolve()]
    if not found[0].is_file():
        known = ", ".join(path.stem for path in chapters())
        raise ChapterError(f"There is no chapter {name!r}; there are {known}.")
    return found[0]


def main(arguments: Iterable[str]) -> int:
    """Run the chapters that are named, or those that are out of date."""
    settle()
    names = list(arguments)
    try:
        paths = [named(n) for n in names if n != "--all"]
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 1
    paths = paths or (chapters() if names else out_of_date())
    if not paths:
        print("All chapters are up to date.")
        return 0
    faults = run(paths)
    print(*faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
