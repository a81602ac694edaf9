"""Multilevel models to teach with: two-level fitters, and the questions a course puts to them."""

import importlib
from types import ModuleType

from mlteach.center import center
from mlteach.centering import CenteringResult, fit_centering
from mlteach.checks import check
from mlteach.column_icc import column_icc
from mlteach.compare import compare
from mlteach.data import codebook, datasets, load
from mlteach.design_effects import ICC, design_effect, effective_n, icc, moulton_factor
from mlteach.effect_sizes import cohens_d, effect_sizes, partial_r
from mlteach.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    FormulaError,
    MLTeachError,
    ModelError,
)
from mlteach.examples import simulate_within_between
from mlteach.impute import Imputations, impute
from mlteach.latent import latent_regression
from mlteach.lavaan_syntax import lavaan_syntax
from mlteach.location_scale import fit_location_scale
from mlteach.location_scale_result import LocationScaleResult
from mlteach.mcar import little_mcar
from mlteach.missing import missing_patterns
from mlteach.mixed import fit_empty, fit_mixed, fit_random_intercept, fit_random_slope
from mlteach.mixed_result import MixedResult
from mlteach.multigroup import fit_multigroup
from mlteach.multigroup_result import MultigroupResult
from mlteach.pisa import load_pisa
from mlteach.pool import pool
from mlteach.pooling import PoolingComparison, compare_pooling
from mlteach.r_squared import r_squared
from mlteach.shrinkage import shrinkage
from mlteach.simple_slopes import johnson_neyman, simple_slopes
from mlteach.study import Study, run_study
from mlteach.wide import to_long, to_wide
from mlteach.wide_moments import wide_moments, wide_requirement
from mlteach.widgets import Explorer, explore, run_button

__version__ = "0.1.0"

# Modules that need matplotlib: imported when first used, so that `import mlteach` stays fast.
_LAZY = ("diagrams", "plots")

__all__ = [
    "ICC",
    "CenteringResult",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "Explorer",
    "FormulaError",
    "Imputations",
    "LocationScaleResult",
    "MLTeachError",
    "MixedResult",
    "ModelError",
    "MultigroupResult",
    "PoolingComparison",
    "Study",
    "center",
    "check",
    "codebook",
    "cohens_d",
    "column_icc",
    "compare",
    "compare_pooling",
    "datasets",
    "design_effect",
    "diagrams",
    "effect_sizes",
    "effective_n",
    "explore",
    "fit_centering",
    "fit_empty",
    "fit_location_scale",
    "fit_mixed",
    "fit_multigroup",
    "fit_random_intercept",
    "fit_random_slope",
    "icc",
    "impute",
    "johnson_neyman",
    "latent_regression",
    "lavaan_syntax",
    "little_mcar",
    "load",
    "load_pisa",
    "missing_patterns",
    "moulton_factor",
    "partial_r",
    "plots",
    "pool",
    "r_squared",
    "run_button",
    "run_study",
    "shrinkage",
    "simple_slopes",
    "simulate_within_between",
    "to_long",
    "to_wide",
    "wide_moments",
    "wide_requirement",
    "widgets",
]


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"mlteach.{name}")
    raise AttributeError(f"module 'mlteach' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
