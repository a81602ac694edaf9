"""The variance that random slopes imply: a function of the predictors.

    Var(y | z) = z' Tau z + sigma2,     Cov(y_i, y_k) = z_i' Tau z_k  in one cluster

z holds 1 for the random intercept and the values of the predictors with random slopes. With one
slope the variance is the parabola ``tau00 + 2 x tau01 + x^2 tau11 + sigma2``, lowest at
``x = -tau01 / tau11``. Rows of different clusters are uncorrelated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, refuse_others
from mlteach.core.columns import cluster_codes, table_with
from mlteach.core.design import Design, new_random_rows
from mlteach.core.distributions import log_limits
from mlteach.core.notes import convergence_notes, said_values
from mlteach.core.summary import INTERCEPT
from mlteach.errors import DataError, ModelError
from mlteach.mixed.estimates import MixedEstimates
from mlteach.mixed.notes import boundary_notes

# Points of the default grid; a predictor with no more values than FEW is shown at each of them.
POINTS, FEW = 41, 8
NO_LOWEST = {"lowest_at": np.nan, "lowest": np.nan}


# -------------------------------------------------------------------------------- along a predictor


@checked
def variance_function(
    fit: MixedEstimates,
    x: str,
    at: float | Sequence[float] | Sequence[str] | None = None,
    *,
    others: Mapping[str, object] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Variance of the outcome that a random slope implies, along its predictor.

    ``Var(y | x) = tau00 + 2 x tau01 + x^2 tau11 + sigma2``, with further terms where other
    slopes vary too.

    Parameters
    ----------
    x : str
        A random slope, by its name in ``tau``.
    at : float or sequence of float, optional
        Values of x; by default 41 from the smallest to the largest in the rows used, or all
        values if there are at most eight.
    others : mapping of str to float, optional
        Values of the other predictors with random slopes; those not named are held at 0.
    level : float, default 0.95
        Confidence level; limits by the delta method for the log variance.

    Returns
    -------
    DataFrame
        Indexed by x; columns between (z'Tau z), variance (with sigma2), se, lower, upper, sd,
        icc (between / variance). The standard errors of a singular fit are NaN. ``attrs`` hold
        sigma2, held, notes, and where the variance is lowest (lowest_at, lowest).

    Raises
    ------
    ModelError
        If x has no random slope, or another random slope is a function of x.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
    >>> table = fit.variance_function("score11", at=[-2, 0, 2])
    >>> table["variance"].round(3).to_list(), round(table.attrs["lowest_at"], 2)
    ([0.632, 0.646, 0.779], -1.23)

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, sections 5.1 and 8.1.
    """
    d, effects = fit.design, list(fit.tau.index)
    in_function = _stands_in_a_function(fit, x)
    names, levels = _columns(d) if in_function else (_slopes(fit, x), {})
    held = _held([name for name in names if name != x], levels, others, in_function)
    if x in levels:
        values = levels[x] if at is None else np.atleast_1d(np.asarray(at)).tolist()
    else:
        values = _grid(d.column(x)) if at is None else _finite("at", at)
    rows, lowest = pd.DataFrame({x: values, **held}), NO_LOWEST
    if in_function:
        Z = new_random_rows(d, rows)
    else:
        Z = rows.reindex(columns=effects, fill_value=1.0).to_numpy(float)  # 1 for the intercept
        lowest = _lowest(fit, effects.index(x), Z[0])
    table = variance_at(fit, Z, level).set_index(pd.Index(values, name=x))
    table.attrs = {"sigma2": fit.sigma2, "held": held, **lowest, "notes": _notes(fit, held)}
    return table


def variance_at(fit: MixedEstimates, Z: np.ndarray, level: float) -> pd.DataFrame:
    """Variance of the outcome at rows of the random-effects design.

    The limits come from the delta method for the logarithm of the variance, so they are positive.

    Parameters
    ----------
    fit : MixedEstimates
    Z : ndarray, shape (rows, q)
    level : float

    Returns
    -------
    DataFrame, shape (rows, 7)
        Columns between (z' Tau z), variance, se, lower, upper, sd, icc.
    """
    between = np.einsum("ia,ab,ib->i", Z, fit.tau.to_numpy(), Z).clip(min=0.0)
    variance = between + fit.sigma2
    gradient = np.c_[component_weights(fit, Z), np.ones(len(Z))]
    se = np.full(len(Z), np.nan) if fit.singular else fit.delta_se(gradient)
    lower, upper = log_limits(variance, se, level)
    return pd.DataFrame(
        {
            "between": between,
            "variance": variance,
            "se": se,
            "lower": lower,
            "upper": upper,
            "sd": np.sqrt(variance),
            "icc": between / variance,
        }
    )


def component_weights(fit: MixedEstimates, Z: np.ndarray) -> np.ndarray:
    """Weights w with ``z' Tau z = w' components``, components as in ``fit.variances`` (rows, m)."""
    map_ = fit.problem.map
    return Z[:, map_.rows] * Z[:, map_.cols] * np.where(map_.diagonal, 1.0, 2.0)


def _slopes(fit: MixedEstimates, x: str) -> list[str]:
    """The random slopes, of which x must be one."""
    slopes = [name for name in fit.tau.index if name != INTERCEPT]
    what = f"has no random slope in '{fit.formula}', so the variance does not depend on it"
    refuse_others([x], slopes, what, "Random slopes")
    return slopes


def _stands_in_a_function(fit: MixedEstimates, x: str) -> bool:
    """Whether effects vary that depend on x in another way than as x itself."""
    return any(
        x in part.columns_of(term) and (part.part.shown(term) != x or x not in fit.tau.index)
        for part in fit.design.z_coded
        for term in part.terms
    )


def _columns(design: Design) -> tuple[list[str], dict[str, list]]:
    """Columns of the table on which random effects depend, and the values of categories."""
    parts = design.z_coded
    levels: dict[str, list] = {}
    for part in parts:
        for factor, (known, _) in part.levels().items():
            if part.is_column(factor):
                levels |= {name: list(known) for name in part.columns_of(factor)}
    return sorted(set().union(*(part.columns_of(t) for part in parts for t in part.terms))), levels


def _held(rest: list[str], levels: dict, others: Mapping | None, in_function: bool) -> dict:
    """Values of what is not x: zero or the first of its categories, unless told otherwise."""
    what = "column here" if in_function else "random slope"
    refuse_others(others or {}, rest, f"in others= is no other {what}", "The others are")
    if others and not in_function:
        others = dict(zip(others, _finite("others", others), strict=True))
    return {name: levels.get(name, [0.0])[0] for name in rest} | dict(others or {})


def _grid(column: np.ndarray) -> np.ndarray:
    """Values of a column from the smallest to the largest in the rows used."""
    different = np.unique(column)
    if len(different) <= FEW:
        return different
    return np.linspace(different[0], different[-1], POINTS)


def _finite(argument: str, given: float | Sequence[float] | Mapping[str, object]) -> np.ndarray:
    is_dict = isinstance(given, Mapping)
    try:
        values = np.atleast_1d(np.asarray(list(given.values()) if is_dict else given, dtype=float))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        what = "a dict" if is_dict else "a list"
        raise ModelError(f"{argument}= needs {what} of finite numbers; got {given!r}.")
    return values


def _lowest(fit: MixedEstimates, k: int, z: np.ndarray) -> dict[str, float]:
    """Where along effect k the variance is lowest, and how low; NaN if the slope does not vary."""
    tau, z = fit.tau.to_numpy(), z.copy()
    if tau[k, k] == 0.0:
        return NO_LOWEST
    z[k] = 0.0
    z[k] = -(z @ tau[k]) / tau[k, k]
    return {"lowest_at": float(z[k]), "lowest": max(float(z @ tau @ z), 0.0) + fit.sigma2}


def _notes(fit: MixedEstimates, held: Mapping[str, float]) -> tuple[str, ...]:
    notes = list(convergence_notes(fit))
    if held:
        where = said_values(held)
        notes.append(f"The other predictors with random slopes are held at {where}.")
    if boundary_notes(fit):
        notes.append(
            "The fit is singular (a variance of zero or a correlation of ±1), so the variance has "
            "no standard error."
        )
    return tuple(notes)


# ------------------------------------------------------------------------------------- between rows


@checked
def implied_covariance(
    fit: MixedEstimates, data: pd.DataFrame, *, correlation: bool = False
) -> pd.DataFrame:
    """Covariance matrix of the outcomes of chosen rows that the model implies.

    Parameters
    ----------
    data : DataFrame
        Rows with the predictors that have random effects, and the cluster column, in which any
        ids may stand: rows with the same id share a cluster, rows of different ones have
        covariance 0.
    correlation : bool, default False
        Give correlations instead.

    Returns
    -------
    DataFrame
        Rows and columns are labelled by the index of ``data``.

    Raises
    ------
    DataError
        Missing column, value or cluster id, or a category that the fit never saw.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
    >>> rows = pd.DataFrame({"school": 1, "score11": [-2.0, 2.0]}, index=["low", "high"])
    >>> fit.implied_covariance(rows, correlation=True).round(3).loc["low", "high"].item()
    0.046
    """
    data = table_with(data, [fit.cluster], "implied_covariance")
    ids = data[fit.cluster]
    if ids.isna().any():
        raise DataError(
            f"Column '{fit.cluster}' has {int(ids.isna().sum())} missing value(s): which rows "
            "belong together decides which of them covary."
        )
    Z = new_random_rows(fit.design, data)
    codes, _ = cluster_codes(ids, fit.cluster, sort=False)
    same = codes[:, None] == codes[None]
    V = np.where(same, Z @ fit.tau.to_numpy() @ Z.T, 0.0) + fit.sigma2 * np.eye(len(Z))
    if correlation:
        sd = np.sqrt(np.diag(V))
        V = V / np.outer(sd, sd)
        np.fill_diagonal(V, 1.0)
    return pd.DataFrame(V, index=data.index, columns=data.index)
