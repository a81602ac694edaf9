"""Modules that are loaded when first used, so that `import mlteach` stays quick.

pandas and formulaic together take several times as long to load as all of mlteach; a reader who
imports mlteach at the top of a notebook meets that wait when the first data set is read instead.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


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
