"""Exercises of chapter 2, clustering as a nuisance.

Each right value is the computation that the chapter teaches, each mistake the computation of a
reader who left a step out.
"""

from __future__ import annotations

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import fit, ols
from mlteach.questions.design_effects import moulton_factor


def _london_se(model: str) -> float:
    """Standard error of `mean_score11`, "multilevel" or "ols"."""
    formula = "score16 ~ mean_score11"
    fitted = ols(formula, load("london")) if model == "ols" else fit("london", formula)
    return float(fitted.bse["mean_score11"])


def _slope(kind: str) -> float:
    """Slope of language on verbal IQ; between schools each school counts once."""
    pupils = load("language")[["school", "iq_verbal", "language"]].set_index("school")
    means = pupils.groupby("school").mean()
    tables = {"between": means, "within": pupils - means, "total": pupils}
    # A mean for each pupil: schools count by size.
    tables["weighted"] = means.loc[pupils.index]
    x, y = (tables[kind] - tables[kind].mean()).to_numpy().T
    return float(x @ y / (x @ x))


def _minority_limits(kind: str) -> tuple[float, float]:
    """95% limits of the slope of `minority` in the last ten schools.

    `kind` is "t" (cluster-robust, J - 1 df), "normal" (cluster-robust) or "ols".
    """
    hsb = load("hsb")
    ten = hsb[hsb["school"].isin(np.unique(hsb["school"])[-10:])]
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": ten["school"]}}
    options = {} if kind == "ols" else {**clusters, "use_t": kind == "t"}
    return tuple(ols("math ~ minority", ten, **options).conf_int().loc["minority"].tolist())


VALUES = {
    "2.1": {
        "right": lambda: _london_se("multilevel") / _london_se("ols"),
        "multilevel_se": lambda: _london_se("multilevel"),
        "ols_se": lambda: _london_se("ols"),
    },
    "2.2": {
        "right": lambda: moulton_factor(25, 0.20, 0.10),
        "predictor_of_classes": lambda: moulton_factor(25, 1.0, 0.10),
        "n_classmates": lambda: moulton_factor(26, 0.20, 0.10),
        "number_of_classes": lambda: moulton_factor(60, 0.20, 0.10),
    },
    "2.3": {
        "right": lambda: _slope("between") / _slope("within"),
        "over_total": lambda: _slope("between") / _slope("total"),
        "weighted": lambda: _slope("weighted") / _slope("within"),
        "between": lambda: _slope("between"),
        "difference": lambda: _slope("between") - _slope("within"),
    },
    "2.4": {
        "right": lambda: "minority",
        "size": lambda: "size",
        "mean_ses": lambda: "mean_ses",
        "sector": lambda: "sector",
    },
    "2.5": {
        "right": lambda: _minority_limits("t"),
        "normal": lambda: _minority_limits("normal"),
        "ols": lambda: _minority_limits("ols"),
    },
}
