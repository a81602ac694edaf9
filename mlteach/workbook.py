"""The book's notebooks in a folder of one's own: ``mlteach workbook`` and ``mlteach lab``.

The notebooks come with the package, outputs cleared. Invariant: a file that is there is never
written to, so that nothing a student has done is lost.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mlteach.errors import DataError, MLTeachError
from mlteach.exercises import record

#: The folder that is made where none is named.
FOLDER = "mlteach-workbook"


def shipped() -> Path:
    """The folder of the notebooks: in the package, or in a clone where ``make notebooks`` put them.

    Raises
    ------
    DataError
        If there are none: in a clone in which they were not made.
    """
    package = Path(__file__).parent
    for folder in (package / "_workbook", package.parent / "_build" / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise DataError(
        "The notebooks of the workbook were not made yet: run `make notebooks` in the folder of "
        "the project (without make: `python book/_ext/notebooks.py`)."
    )


def copy_workbook(folder: str | Path = FOLDER) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks of the book into a folder, and begin its record of progress.

    What is there stays as it is.

    Parameters
    ----------
    folder : str or Path, default "mlteach-workbook"
        Where to copy to; made if need be.

    Returns
    -------
    new, kept : list of Path
        The notebooks that were copied, and those of the same name that were there before.

    Raises
    ------
    DataError
        If the folder cannot be made or written to, or the notebooks were not made yet.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home:
    ...     new, kept = copy_workbook(f"{home}/course")
    ...     again = copy_workbook(f"{home}/course")
    >>> len(kept), [len(paths) for paths in again] == [0, len(new)]
    (0, True)
    """
    source, target = shipped(), Path(folder).expanduser()
    new: list[Path] = []
    kept: list[Path] = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        record.begin(target)
        for path in sorted(source.glob("*.ipynb")):
            place = target / path.name
            try:
                with place.open("x", encoding="utf-8", newline="\n") as file:
                    file.write(cleared(path.read_text(encoding="utf-8")))
                new.append(place)
            except FileExistsError:
                kept.append(place)
    except OSError as error:
        raise DataError(f"The workbook cannot be written to {str(target)!r}: {error}.") from error
    return new, kept


def cleared(notebook: str) -> str:
    """Return a notebook, as the JSON that is stored, without its outputs."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def account(folder: Path, new: Sequence[Path], kept: Sequence[Path]) -> str:
    """Say what was copied."""
    said = f"{len(new)} notebooks are new in {folder.resolve()}"
    return f"{said}; {len(kept)} were there and are as they were." if kept else f"{said}."


def open_lab(folder: Path, options: Sequence[str] = ()) -> int:
    """Open JupyterLab in a folder and wait for its end; return its exit code.

    Raises
    ------
    DataError
        If JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise DataError(
            "JupyterLab is not installed: install it with `pip install jupyterlab`, or with all "
            'that the chapters use as the extra "book" of mlteach, `mlteach[book]`.'
        )
    command = [sys.executable, "-m", "jupyterlab", *options]
    return subprocess.run(command, cwd=folder, check=False).returncode


def main(given: Sequence[str] | None = None) -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="mlteach", description="The workbook of mlteach.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("workbook", "copy the notebooks of the book into a folder of your own"),
        ("lab", "copy what is missing there, and open the folder in JupyterLab"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("folder", nargs="?", default=FOLDER, type=Path)
    arguments, options = parser.parse_known_args(given)
    if options and arguments.command != "lab":
        parser.error(f"unknown: {' '.join(options)}")
    try:
        print(account(arguments.folder, *copy_workbook(arguments.folder)), flush=True)
        return open_lab(arguments.folder, options) if arguments.command == "lab" else 0
    except MLTeachError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
