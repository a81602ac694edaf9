"""Exercises of chapter 14, the multigroup model: counts, ratios, tests, slopes of groups.

Within and Between are the covariance matrices of a group within and between clusters.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import ols
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.latent import latent_regression
from mlteach.multigroup.result import MultigroupResult


def _parameters(elements: int = 6, means: int = 12, groups: tuple[int, int] = (1, 4)):
    """Free parameters with both matrices equal, and free, in four groups of three variables."""
    return tuple(2 * elements * K + means for K in groups)


@cache
def _london(between: str = "free", within: str = "free") -> MultigroupResult:
    """Exam scores at 16 and 11 in schools for boys, for girls, and for both."""
    scores, groups = ["score16", "score11"], {"cluster": "school", "group": "school_gender"}
    return fit_multigroup(scores, load("london"), **groups, within=within, between=between)


def _spread(level: str = "within", variable: str = "score16") -> float:
    """Largest variance of the three groups over the smallest."""
    matrices = getattr(_london(), level).values()
    variances = [float(matrix.loc[variable, variable]) for matrix in matrices]
    return max(variances) / min(variances)


def _test(between: str = "equal", within: str = "free") -> tuple[float, int]:
    """Likelihood-ratio statistic against both matrices free, and its degrees of freedom."""
    big, small = _london(), _london(between, within)
    return big.deviance * -1 + small.deviance, big.n_parameters - small.n_parameters


def _slopes(effect: str = "within", sign: int = 1, add=np.linalg.norm) -> tuple[float, float]:
    """Slope in public schools minus Catholic, and its standard error."""
    fit = fit_multigroup(["math", "ses"], load("hsb"), cluster="school", group="sector")
    table = latent_regression(fit, "math").xs(effect, level="effect").droplevel("predictor")
    difference = table.loc["Public", "estimate"] - table.loc["Catholic", "estimate"]
    return sign * float(difference), float(add(table["se"].to_numpy()))


def _slopes_ols() -> tuple[float, float]:
    sectors = load("hsb").groupby("sector", observed=True)
    fits = {sector: ols("math ~ ses", rows) for sector, rows in sectors}
    difference = fits["Public"].params["ses"] - fits["Catholic"].params["ses"]
    return float(difference), float(np.hypot(*(fit.bse["ses"] for fit in fits.values())))


VALUES = {
    "14.1": {
        "right": _parameters,
        "without_means": lambda: _parameters(means=0),
        "not_symmetric": lambda: _parameters(elements=9),
        "means_once": lambda: _parameters(means=3),
    },
    "14.2": {
        "right": _spread,
        "between": lambda: _spread(level="between"),
        "score11": lambda: _spread(variable="score11"),
    },
    "14.3": {
        "right": _test,
        "within": lambda: _test("free", "equal"),
        "both": lambda: _test("equal", "equal"),
        "half": lambda: (_test()[0] / 2, _test()[1]),
        "one_matrix": lambda: (_test()[0], 3),
    },
    "14.4": {
        "right": lambda: (6.0 / 0.20 - 6.0) / (6.0 / 0.12 - 6.0),
        "iccs": lambda: 0.20 / 0.12,
        "totals": lambda: 0.12 / 0.20,
    },
    "14.5": {
        "right": _slopes,
        "between": lambda: _slopes("between"),
        "contextual": lambda: _slopes("contextual"),
        "ols": _slopes_ols,
        "catholic_minus_public": lambda: _slopes(sign=-1),
        "errors_added": lambda: _slopes(add=np.sum),
    },
}
