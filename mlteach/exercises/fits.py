"""Fits that the exercises of several chapters ask for."""

from __future__ import annotations

from functools import cache

import pandas as pd

from mlteach.centering.center import center
from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.mixed.fit import MixedResult, fit_mixed


@cache
def table(data: str) -> pd.DataFrame:
    """A data set, with the deviations from the means of schools that exercises take from it."""
    rows = load(data)
    if data == "hsb":
        return center(rows, ["ses"], cluster="school")
    if data == "london":
        return rows.assign(score11_within=rows["score11"] - rows["mean_score11"])
    return rows


@cache
def fit(data: str, formula: str, random: str = "1", reml: bool = True) -> MixedResult:
    """A model of students in schools, with these random effects of schools."""
    return fit_mixed(f"{formula} + ({random} | school)", table(data), reml=reml, smushed_note=False)


def components(data: str, formula: str, reml: bool = True) -> tuple[float, float]:
    """Variances of the intercepts of schools and of the residuals, tau2 and sigma2."""
    fitted = fit(data, formula, reml=reml)
    return float(fitted.tau.iloc[0, 0]), fitted.sigma2


def ols(formula: str, rows: pd.DataFrame, **options: object):
    """Ordinary least squares, as statsmodels has it."""
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    return smf.ols(formula, rows).fit(**options)
