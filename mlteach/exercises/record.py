"""What a reader has answered: in the session, and in a file once there is one.

The file is the one that the website exports, so either reads the other's. Only answers from a
reader's own cells count: a cell that begins with ``# Solution of 3.1`` shows what it computes, and
no verdict on it. Nothing is written before somebody asks for it, or copies the workbook.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

from mlteach.errors import DataError

FILE = "mlteach-progress.json"
#: The name of the format, under which both sides put the entries.
FORMAT = "mlteach-progress"

Entries = dict[str, dict[str, object]]

_session: Entries = {}


def in_solution(key: str) -> bool:
    """Whether the cell that runs now is the book's solution of an exercise."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    cell = shell.user_ns.get("In", [""])[-1] if shell else ""
    return cell.lstrip().startswith(f"# Solution of {key}\n")


def note(key: str, right: bool) -> None:
    """Count one answer; what was right once stays right."""
    old = _session.get(key, {"right": False, "tries": 0})
    _session[key] = old if old["right"] else {"right": right, "tries": old["tries"] + 1}
    if Path(FILE).is_file():
        keep()


def begin(folder: Path) -> None:
    """Put an empty record into a folder, unless there is one: answers count from the first."""
    with suppress(FileExistsError), (folder / FILE).open("x", encoding="utf-8") as file:
        json.dump({FORMAT: {}}, file)


def keep(file: str | Path = FILE) -> Entries:
    """Put what the session knows into the file, and return what the file then holds.

    Parameters
    ----------
    file : str or Path

    Returns
    -------
    dict
        By exercise: whether it is right, and after how many tries.

    Raises
    ------
    DataError
        If the file holds something else.
    """
    path = Path(file)
    entries = merged(_read(path), _session)
    text = json.dumps({FORMAT: entries}, indent=1, sort_keys=True) + "\n"
    # Whoever stops the kernel here leaves no half of a file.
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    _session.update(entries)
    return entries


def merged(one: Entries, other: Entries) -> Entries:
    """Join two records: an exercise is right if it is in either; tries are the larger number."""
    both = {}
    for key in one | other:
        entries = [entries[key] for entries in (one, other) if key in entries]
        both[key] = max(entries, key=lambda entry: (entry["right"], entry["tries"]))
    return both


def _read(path: Path) -> Entries:
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))[FORMAT]
        return {key: entry for key, entry in entries.items() if _is_entry(entry)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} holds no progress of this book. Move or delete it, and a new one is begun."
        ) from error


def _is_entry(entry: dict[str, object]) -> bool:
    return {*map(type, (entry["right"], entry["tries"]))} == {bool, int}
