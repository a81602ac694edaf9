"""Chapter 1, multilevel structures: sizes, levels, long format, a covariance matrix."""

from __future__ import annotations

import pandas as pd

from mlteach.data.shipped import load
from mlteach.mixed.fit import fit_empty


def _sizes() -> pd.Series:
    return load("london").groupby("school").size()


def _constant_columns(cluster: str, *dropped: str) -> int:
    """Count columns of language with one value in every cluster, besides the cluster's name."""
    most = load("language").groupby(cluster).nunique().max()
    return len(most.index[most == 1].drop([*dropped]))


def _genders(name: str = "hsb", column: str = "female") -> pd.Series:
    """Number of genders among the students of each school."""
    return load(name).groupby("school")[column].nunique()


def _of_girls() -> pd.Series:
    """Share of girls in each hsb school."""
    return load("hsb").groupby("school")["female"].mean()


def _counts(*order: int) -> tuple[int, ...]:
    """0 for measurements, 1 for pupils, 2 for schools."""
    language = load("language")
    counts = 2 * len(language), language["pupil"].nunique(), language["school"].nunique()
    return tuple(counts[place] for place in order)


def _mean_of_four(tau2_share: float) -> float:
    """Variance of the mean of four students.

    sigma2 / 4 for the students themselves, plus tau2 times the sum of the squared shares of the
    schools: 1/2 for two schools with half of the students each, 1/4 for four schools, 1 for one.
    """
    fit = fit_empty("math", load("hsb"), cluster="school")
    return tau2_share * float(fit.tau.iloc[0, 0]) + fit.sigma2 / 4


VALUES = {
    "1.1": {
        "right": lambda: float(_sizes().mean()),
        "median": lambda: float(_sizes().median()),
        "schools": lambda: len(_sizes()),
        "students": lambda: len(load("london")),
        "of_a_student": lambda: float((_sizes() ** 2).sum() / _sizes().sum()),
    },
    "1.2": {
        "right": lambda: _constant_columns("school"),
        "school_counted": lambda: _constant_columns("school") + 1,
        "of_classes": lambda: _constant_columns("class_id", "school"),
        "level_1": lambda: load("language").shape[1] - 1 - _constant_columns("school"),
    },
    "1.3": {
        "right": lambda: int((_genders() == 1).sum()),
        "both_genders": lambda: int((_genders() > 1).sum()),
        "london": lambda: int((_genders("london", "girl") == 1).sum()),
        "without_girls": lambda: int(_of_girls().eq(0).sum()),
        "without_boys": lambda: int(_of_girls().eq(1).sum()),
    },
    "1.4": {
        "right": lambda: _counts(0, 1, 2),
        "wide_rows": lambda: _counts(1, 1, 2),
        "rows_as_pupils": lambda: _counts(0, 0, 2),
    },
    "1.5": {
        "right": lambda: _mean_of_four(1 / 2),
        "four_schools": lambda: _mean_of_four(1 / 4),
        "ols": lambda: float(load("hsb")["math"].var() / 4),
        "one_school": lambda: _mean_of_four(1),
        "sigma2_alone": lambda: _mean_of_four(0),
        "weights_not_squared": lambda: 4 * _mean_of_four(1 / 2),
        "sum": lambda: 16 * _mean_of_four(1 / 2),
    },
}
