"""Multilevel models to teach with: two-level fitters, and the questions a course puts to them."""

import importlib
from types import ModuleType

from mlteach.checks import check
from mlteach.data import codebook, datasets, load
from mlteach.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    FormulaError,
    MLTeachError,
    ModelError,
)
from mlteach.mixed import (
    MixedResult,
    fit_empty,
    fit_mixed,
    fit_random_intercept,
    fit_random_slope,
)

__version__ = "0.1.0"

# Modules that need matplotlib: imported when first used, so that `import mlteach` stays fast.
_LAZY = ("plots",)

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "FormulaError",
    "MLTeachError",
    "MixedResult",
    "ModelError",
    "check",
    "codebook",
    "datasets",
    "fit_empty",
    "fit_mixed",
    "fit_random_intercept",
    "fit_random_slope",
    "load",
    "plots",
]


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"mlteach.{name}")
    raise AttributeError(f"module 'mlteach' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
