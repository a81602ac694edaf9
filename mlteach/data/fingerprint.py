"""What a stored result depends on, as one short hash: code, data and versions.

Code counts as the tree that Python reads from it: comments, docstrings and layout do not change the
hash, nor does the version of Python that reads them. The lessons of the widgets and the exercises
of the chapters are leaves, which nothing else imports; of these only the ones named count.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from mlteach.data import shipped

PACKAGE = Path(__file__).parents[1]
LEAVES = ("widgets/lessons/*.py", "exercises/chapter_*.py")
#: What is not code, and is read by code: the data sets and stored runs.
TABLES = (".csv", ".json", ".npz")
#: Parts of the tree that say nothing more than the others, or that only some Pythons have.
SILENT = ("ctx", "kind", "type_comment", "type_ignores")
DIGITS = 12


def fingerprint(leaves: Iterable[str], *texts: str) -> str:
    """Hash the package with its data, some leaves, and texts.

    Parameters
    ----------
    leaves : iterable of str
        Full names of modules that count beside the package's common part. One that belongs to
        another package counts with all of that package.
    *texts : str
        What else the result depends on: versions, settings, the code that computes it.

    Returns
    -------
    str
        Twelve hexadecimal digits.

    Raises
    ------
    ModuleNotFoundError
        If there is no module of a name.

    Examples
    --------
    >>> one = fingerprint(["mlteach.widgets.lessons.icc"], "numpy 2.0")
    >>> one == fingerprint(["mlteach.widgets.lessons.icc"], "numpy 2.1")
    False
    """
    own = sorted({path for leaf in leaves for path in _files(leaf)})
    tables = (f"{path.name} {code(path)}" for path in data_files())
    said = "\0".join((common_code(), *map(code, own), *tables, *texts))
    return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]


@cache
def common_code() -> str:
    """Hash the modules of the package that are no leaves."""
    files = sorted(set(PACKAGE.rglob("*.py")) - leaf_files())
    said = "\n".join(f"{path.relative_to(PACKAGE).as_posix()} {code(path)}" for path in files)
    return hashlib.sha256(said.encode()).hexdigest()


def leaf_files() -> set[Path]:
    """Find the leaves of the package."""
    return {path for pattern in LEAVES for path in PACKAGE.glob(pattern)}


def data_files() -> list[Path]:
    """Find the tables that ship with the package."""
    return sorted(path for path in shipped.folder().iterdir() if path.suffix in TABLES)


def _files(leaf: str) -> list[Path]:
    """The file of a leaf; of somebody else's, all files of its package."""
    top = leaf.partition(".")[0]
    spec = importlib.util.find_spec(leaf if top == "mlteach" else top)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {leaf!r}", name=leaf)
    if spec.submodule_search_locations and top != "mlteach":
        return list(Path(spec.origin).parent.rglob("*.py"))
    # The words of lessons and exercises stand beside what computes them.
    words = Path(spec.origin).with_suffix(".toml")
    return [Path(spec.origin), *([words] if words.is_file() else [])]


def code(path: Path) -> str:
    """Hash what Python reads in a file; all of a file that is no Python.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Raises
    ------
    SyntaxError
        If a file that ends in .py is no Python.
    """
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(_words(tree)).encode()).hexdigest()


def _words(node: object) -> Iterator[str]:
    """Spell a tree out, without what is empty or silent."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name not in SILENT and value is not None and value != []:
                yield f".{name}"
                yield from _words(_said(node, name, value))
    elif isinstance(node, list):
        for item in node:
            yield from _words(item)
        yield "]"
    else:
        yield repr(node)


def _said(node: ast.AST, name: str, value: object) -> object:
    """A part of the tree without docstrings and without the empty ends that f-strings may have."""
    if isinstance(node, ast.JoinedStr):
        return [part for part in node.values if getattr(part, "value", None) != ""]
    documented = name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    return value[1:] if documented and ast.get_docstring(node, clean=False) is not None else value
