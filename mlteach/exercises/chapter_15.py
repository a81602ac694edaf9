"""Exercises of chapter 15, a PISA-style reanalysis: odds, mean imputation, a test, Rubin's rules.

All are about the synthetic data set pisa_style; the model is that of the chapter, with free
(co)variances within schools and equal ones between.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.result import MultigroupResult

SCALES = ["CREATAS", "GROSAGR"]
ESTIMATES = np.array([2.1, 2.6, 1.9, 2.4, 2.5])
ERRORS = np.array([0.30, 0.31, 0.29, 0.30, 0.30])
MEAN_SQUARE = float(np.mean(ERRORS**2))


@cache
def _fit(rows: str = "all", equal: tuple[str, ...] = ()) -> MultigroupResult:
    """Fit to all rows, to complete ones, or with means in place of missing values."""
    data = load("pisa_style")
    if rows == "complete":
        data = data.dropna(subset=SCALES)
    elif rows == "country means":
        data = data.fillna(data.groupby("country")[SCALES].transform("mean"))
    elif rows == "grand means":
        data = data.fillna(data[SCALES].mean())
    return fit_multigroup(SCALES, data, cluster="school", group="country", equal=equal)


def _odds_ratio(scale: str = "CREATAS", out_of: str = "count") -> float:
    """Missing over observed values, or over all, in Albania; divided by that in Ireland."""
    counts = load("pisa_style").groupby("country")[scale].agg(["size", "count"])
    odds = (counts["size"] - counts["count"]) / counts[out_of]
    return float(odds["Albania"]) / float(odds["Ireland"])


def _shrunken(rows: str = "country means") -> float:
    variance = "within.CREATAS~~CREATAS[Albania]"
    return float(_fit(rows).params[variance] / _fit().params[variance])


def _lr(equal: str = "within.CREATAS~~GROSAGR") -> float:
    return _fit(equal=(equal,)).deviance - _fit().deviance


def _pooled(U: float = MEAN_SQUARE, factor: float = 1.2, ddof: int = 1) -> float:
    """Root of U + factor B."""
    return float(np.sqrt(U + factor * np.var(ESTIMATES, ddof=ddof)))


def _error_ratio(mean: str = "GROSAGR[Albania]") -> float:
    return float(_fit("complete").bse[f"mean.{mean}"] / _fit().bse[f"mean.{mean}"])


VALUES = {
    "15.1": {
        "right": _odds_ratio,
        "shares": lambda: _odds_ratio(out_of="size"),
        "grosagr": lambda: _odds_ratio("GROSAGR"),
    },
    "15.2": {
        "right": _shrunken,
        "grand_mean": lambda: _shrunken("grand means"),
        "complete_rows": lambda: _shrunken("complete"),
    },
    "15.3": {"right": _lr, "variance": lambda: _lr("within.CREATAS~~CREATAS")},
    "15.4": {
        "right": _pooled,
        "without_1_over_m": lambda: _pooled(factor=1.0),
        "divisor_m": lambda: _pooled(ddof=0),
        "mean_error": lambda: float(ERRORS.mean()),
        "over_files": lambda: _pooled(MEAN_SQUARE / 5.0),
        "disagreement": lambda: float(np.std(ESTIMATES, ddof=1)),
    },
    "15.5": {
        "right": _error_ratio,
        "creatas": lambda: _error_ratio("CREATAS[Albania]"),
        "ireland": lambda: _error_ratio("GROSAGR[Ireland]"),
    },
}
