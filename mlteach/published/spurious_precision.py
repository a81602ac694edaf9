"""The simulation of Leckie, French, Charlton and Browne (2014) on spurious precision.

    y_ij = 0.2 w_j + 0.5 x_ij - 0.1 w_j x_ij + u_j + e_ij,
    log Var(e_ij) = -0.611 + 0.1 w_j + 0.1 x_ij - 0.1 w_j x_ij + v_j,    Var(u) = 0.1, Var(v) = 0.2

Schools differ in their log variance by v_j. Model A leaves v out, Model B has it, and R is Model A
with cluster-robust standard errors, which is not part of the published study. u and v are
independent; w and x are standard normal, and a share ``icc_x`` of the variance of x lies between
schools: .2 in the paper.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from mlteach.data.simulated import check_design
from mlteach.errors import ModelError
from mlteach.location_scale.fit import fit_location_scale

MEAN = {"Intercept": 0.0, "w": 0.2, "x": 0.5, "w:x": -0.1}
LOG_VARIANCE = {"Intercept": -0.611, "w": 0.1, "x": 0.1, "w:x": -0.1}
TAU2, SIGMA2_V = 0.1, 0.2
MODELS = {"A": "~ w * x", "B": "~ w * x + (1 | school)"}
COLUMNS = ["estimate", "se", "lower", "upper"]


def draw_schools(
    rng: np.random.Generator,
    *,
    schools: int = 50,
    students: int = 25,
    sigma2_v: float = SIGMA2_V,
    icc_x: float = 0.2,
) -> pd.DataFrame:
    """Draw one data set.

    Parameters
    ----------
    rng : numpy.random.Generator
    schools, students : int
        Schools, and students in each.
    sigma2_v : float, default 0.2
        Variance of v, the schools' own part of the log variance; 0 for schools that do not differ.
    icc_x : float, default 0.2
        Share of the variance of x between schools.

    Returns
    -------
    DataFrame, one row a student
        Columns school (from 1), w, x, y.

    Raises
    ------
    ModelError
        If a share or variance is impossible, or there are fewer than 2 schools or students in them.

    Examples
    --------
    >>> import numpy as np
    >>> from mlteach.published.spurious_precision import draw_schools
    >>> data = draw_schools(np.random.default_rng(1))
    >>> data.shape, data["school"].nunique()
    ((1250, 4), 50)
    """
    check_design({"schools": schools, "students": students}, {"sigma2_v": sigma2_v})
    if not 0.0 <= icc_x <= 1.0:
        raise ModelError(f"icc_x={icc_x} is not a share: it must lie between 0 and 1.")
    school, N = np.repeat(np.arange(schools), students), schools * students
    w, m, u, v = (rng.standard_normal(schools)[school] for _ in range(4))
    x = np.sqrt(icc_x) * m + np.sqrt(1.0 - icc_x) * rng.standard_normal(N)
    log_variance = -0.611 + 0.1 * w + 0.1 * x - 0.1 * w * x + np.sqrt(sigma2_v) * v
    e = np.exp(log_variance / 2.0) * rng.standard_normal(N)
    y = 0.2 * w + 0.5 * x - 0.1 * w * x + np.sqrt(TAU2) * u + e
    return pd.DataFrame({"school": school + 1, "w": w, "x": x, "y": y})


def fit_models(data: pd.DataFrame, models: str = "AB") -> pd.DataFrame:
    """Fit Model A, Model B, or A with robust standard errors (R), by maximum likelihood.

    Parameters
    ----------
    data : DataFrame
        As drawn by :func:`draw_schools`.
    models : str, default "AB"
        Some of the letters A, B and R; R costs hardly anything beside A.

    Returns
    -------
    DataFrame
        Columns estimate, se, lower, upper (95%; of variances on the log scale), indexed by model
        ("A", "B", "R"), function ("mean", "log_variance") and parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from mlteach.published.spurious_precision import draw_schools, fit_models
    >>> table = fit_models(draw_schools(np.random.default_rng(1)))
    >>> table.loc["B"].loc["log_variance"]["estimate"].round(2).to_dict()
    {'Intercept': -0.65, 'w': 0.31, 'x': 0.1, 'w:x': -0.1, 'intercept_variance': 0.21}
    """
    fits = {model: _fit(data, model) for model in models if model != "R"}
    if "R" in models:
        fits["R"] = replace(fits.get("A") or _fit(data, "A"), robust="cluster")
    parts = {(model, *key): table for model in models for key, table in _parts(fits[model]).items()}
    return pd.concat(parts, names=["model", "function", "parameter"])


def true_schools(sigma2_v: float = SIGMA2_V) -> pd.Series:
    """True values, indexed by function and parameter."""
    mean = MEAN | {"intercept_variance": TAU2}
    log_variance = LOG_VARIANCE | {"intercept_variance": sigma2_v}
    values = {"mean": pd.Series(mean), "log_variance": pd.Series(log_variance)}
    return pd.concat(values, names=["function", "parameter"])


def _fit(data: pd.DataFrame, model: str):
    # The published Model B has no covariance of u and v; in the population it is zero.
    return fit_location_scale(
        "y ~ w * x + (1 | school)", MODELS[model], data, association=model == "A"
    )


def _parts(fit) -> dict[tuple[str, ...], pd.DataFrame]:
    """Coefficients and variances by function."""
    parts = {}
    for function, effect in {"mean": "Intercept", "log_variance": "scale:Intercept"}.items():
        variance = fit.components[COLUMNS].loc[fit.components.index == effect]
        variance = variance.rename({effect: "intercept_variance"})
        parts[(function,)] = pd.concat([getattr(fit, function)[COLUMNS], variance])
    return parts
