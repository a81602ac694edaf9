"""Multilevel models to teach with: two-level fitters, and the questions a course puts to them."""

import importlib
from types import ModuleType

from mlteach.centering.center import center
from mlteach.centering.fit import fit_centering
from mlteach.centering.result import CenteringResult
from mlteach.data.pisa import load_pisa
from mlteach.data.shipped import codebook, datasets, load
from mlteach.data.simulated import simulate_within_between
from mlteach.data.wf_pisa import load_wf_pisa
from mlteach.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    FormulaError,
    MLTeachError,
    ModelError,
)
from mlteach.exercises.check import check
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.result import LocationScaleResult
from mlteach.missing.imputations import Imputations
from mlteach.missing.impute import impute
from mlteach.missing.mcar import little_mcar
from mlteach.missing.patterns import missing_patterns
from mlteach.missing.rubin import pool
from mlteach.mixed.fit import fit_empty, fit_mixed, fit_random_intercept, fit_random_slope
from mlteach.mixed.result import MixedResult
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.latent import latent_regression
from mlteach.multigroup.lavaan import lavaan_syntax
from mlteach.multigroup.result import MultigroupResult
from mlteach.multigroup.wide import to_long, to_wide
from mlteach.multigroup.wide_moments import wide_moments, wide_requirement
from mlteach.questions.column_icc import column_icc
from mlteach.questions.compare import compare
from mlteach.questions.cross_validation import PoolingComparison, compare_pooling
from mlteach.questions.design_effects import design_effect, effective_n, moulton_factor
from mlteach.questions.effect_sizes import cohens_d, effect_sizes, partial_r
from mlteach.questions.icc import ICC, icc
from mlteach.questions.r_squared import r_squared
from mlteach.questions.shrinkage import shrinkage
from mlteach.questions.simple_slopes import johnson_neyman, simple_slopes
from mlteach.study.study import Study, run_study
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
    "load_wf_pisa",
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
