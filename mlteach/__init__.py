"""Multilevel models to teach with: two-level fitters, and the questions a course puts to them."""

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

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "FormulaError",
    "MLTeachError",
    "MixedResult",
    "ModelError",
    "fit_empty",
    "fit_mixed",
    "fit_random_intercept",
    "fit_random_slope",
]
