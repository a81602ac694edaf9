"""Names and packages that are loaded when first used, so that `import mlteach` stays quick.

pandas and formulaic together take several times as long to load as all of mlteach; a reader who
imports mlteach at the top of a notebook meets that wait when the first data set is read instead.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mlteach.errors import ModelError


def lazy_names(
    package: str, file: str
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """Names of a package that load their module when first asked for.

    Parameters
    ----------
    package, file : str
        Its full name and its ``__file__``. Beside that lies a stub, ``__init__.pyi``, which imports
        all names that are public.

    Returns
    -------
    tuple
        What the package calls ``__all__``, ``__getattr__`` and ``__dir__``.

    Examples
    --------
    >>> import mlteach
    >>> names, find, _ = lazy_names("mlteach", mlteach.__file__)
    >>> "fit_mixed" in names, find("ModelError").__name__
    (True, 'ModelError')
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    homes = {
        alias.name: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if homes[name] == package:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(homes[name]), name)

    return sorted(homes), find, lambda: sorted([*vars(sys.modules[package]), *homes])


def check_extra(name: str, purpose: str) -> None:
    """Check that a module is there which the package does without, except for some purpose.

    Parameters
    ----------
    name : str
        Full name, as in an import statement.
    purpose : str
        What needs it: the beginning of a sentence.

    Raises
    ------
    ModelError
        If it is not installed; the message names the extra that brings it.

    Examples
    --------
    >>> check_extra("no_such.module", "This example")
    Traceback (most recent call last):
        ...
    mlteach.errors.ModelError: This example needs no_such, which is not installed: pip ...
    """
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise ModelError(
            f'{purpose} needs {package}, which is not installed: pip install "mlteach[book]".'
        )


def from_extra(name: str, purpose: str) -> ModuleType:
    """Import a module that the package does without, except for some purpose: see check_extra."""
    check_extra(name, purpose)
    return importlib.import_module(name)
