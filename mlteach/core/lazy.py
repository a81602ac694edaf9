"""Modules that are loaded when first used, so that `import mlteach` stays quick.

pandas and formulaic together take several times as long to load as all of mlteach; a reader who
imports mlteach at the top of a notebook meets that wait when the first data set is read instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from mlteach.errors import ModelError


def lazy_import(name: str) -> ModuleType:
    """Stand-in for a module that loads it at the first access to one of its attributes.

    Parameters
    ----------
    name : str
        Full name, as in an import statement.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If there is no such module; this is found out at once.

    Examples
    --------
    >>> lazy_import("colorsys").rgb_to_hsv(0.0, 0.0, 1.0)[2]
    1.0
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


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
