"""The two-level linear mixed model: from a formula and a table to a result.

    y_ij = x_ij' beta + z_ij' u_j + e_ij,   u_j ~ N(0, Tau),   e_ij ~ N(0, sigma2)

A fit goes formula -> design matrices -> per-cluster moments -> deviance -> optimum -> result; each
step is one function in a module of its own, and :func:`fit_mixed` names them in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, first_rows
from mlteach.core.design import Design, design, varies_within
from mlteach.core.formula import effects_of, parse, with_random, written
from mlteach.core.linalg import ThetaMap
from mlteach.core.moments import cluster_moments
from mlteach.core.summary import INTERCEPT
from mlteach.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    FormulaError,
    ModelError,
    shown,
    warn,
)
from mlteach.mixed.degrees_of_freedom import check_ddf
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.estimates import MixedEstimates
from mlteach.mixed.notes import dropped_note
from mlteach.mixed.result import MixedResult
from mlteach.mixed.search import global_minimum

# Part of a sum of squares that is rounding.
ROUNDING = 1e-14

# ------------------------------------------------------------------------------------- the fitters


@checked
def fit_mixed(
    formula: str,
    data: pd.DataFrame,
    *,
    reml: bool = True,
    ddf: str = "satterthwaite",
    smushed_note: bool = True,
) -> MixedResult:
    """Fit a two-level linear mixed model by ML or REML.

    Parameters
    ----------
    formula : str
        lme4's notation with one grouping factor, for example
        ``"math ~ sector * ses_within + (1 + ses_within | school)"``. ``(x || g)`` makes the
        effects uncorrelated, ``0 + x`` leaves the intercept out,
        ``C(sector, contr.treatment("Public"))`` names the reference category. Columns are written
        bare (dots included), or as `` `any name` `` or ``Q("any name")``. A formula is data and
        computes what is on a closed list only: arithmetic and comparisons, ``I``, ``C`` with its
        contrasts, ``log``, ``sqrt``, ``where``, ``center``, ``scale``, ``poly``, ``bs``, ``cr`` and
        the like; an error prints the list (``mlteach.core.expression.ALLOWED``).
    data : DataFrame
        One row a level-1 unit, in any order; a polars or PyArrow table or a dict of columns will do
        here and everywhere. Rows with a missing value in a column of the model
        are left out, counted in ``result.dropped`` and announced by a ``DataWarning``.
    reml : bool, default True
        Restricted maximum likelihood; False for maximum likelihood.
    ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "z"}
        Degrees of freedom of the t-tests. Kenward-Roger needs REML and adjusts the standard
        errors too.
    smushed_note : bool, default True
        Whether ``result.notes`` say so if a level-1 predictor that differs between clusters too
        enters unsplit, so that its slope blends a within and a between effect.

    Returns
    -------
    MixedResult

    Raises
    ------
    FormulaError
        If the formula cannot be read or is not a two-level model.
    DataError
        If a column is missing, infinite, not numeric, or twice in the table.
    ModelError
        If the data cannot determine the model: one cluster, clusters of one row only, constant or
        collinear predictors.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_mixed("math ~ 1 + (1 | school)", mt.load("hsb"))
    >>> fit.params.round(3).to_dict()
    {'Intercept': 12.637}
    >>> round(fit.deviance, 2)
    47116.79

    References
    ----------
    Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1),
    doi:10.18637/jss.v067.i01, for the profiled deviance.
    """
    check_ddf(ddf, reml)
    model = parse(formula)
    if not model.random:
        raise FormulaError(
            f"'{formula}' has no random part. Add one, such as '(1 | school)'; for ordinary least "
            "squares use statsmodels."
        )
    return _result(fit_arrays(design(model, data), reml, ddf), smushed_note)


@checked
def fit_empty(outcome: str, data: pd.DataFrame, *, cluster: str, reml: bool = True) -> MixedResult:
    """Fit the empty model ``y_ij = gamma_00 + u_0j + e_ij``: a mean and two variances.

    Parameters
    ----------
    outcome : str
        Column to be explained.
    data : DataFrame
        One row a level-1 unit.
    cluster : str
        Column that says which cluster a row belongs to.
    reml : bool, default True
        Restricted maximum likelihood; False for maximum likelihood.

    Returns
    -------
    MixedResult

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> fit.variances["estimate"].round(2).to_dict()
    {'Intercept': 8.61, 'Residual': 39.15}
    """
    return fit_mixed(with_random(f"{written(outcome)} ~ 1", cluster), data, reml=reml)


@checked
def fit_random_intercept(
    formula: str, data: pd.DataFrame, *, cluster: str, reml: bool = True
) -> MixedResult:
    """Fit a model in which clusters differ in level only.

    Parameters
    ----------
    formula : str
        Fixed part, for example ``"math ~ sector"``.
    data : DataFrame
        One row a level-1 unit.
    cluster : str
        Column that says which cluster a row belongs to.
    reml : bool, default True
        Restricted maximum likelihood; False for maximum likelihood.

    Returns
    -------
    MixedResult

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_random_intercept("math ~ sector", mt.load("hsb"), cluster="school")
    >>> fit.params.round(2).to_dict()
    {'Intercept': 14.2, 'sector[T.Public]': -2.8}
    """
    return fit_mixed(with_random(formula, cluster), data, reml=reml)


@checked
def fit_random_slope(
    formula: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    slopes: str | Sequence[str],
    correlated: bool = True,
    reml: bool = True,
) -> MixedResult:
    """Fit a model in which clusters differ in level and in slopes.

    Parameters
    ----------
    formula : str
        Fixed part, for example ``"math ~ ses_within"``.
    data : DataFrame
        One row a level-1 unit.
    cluster : str
        Column that says which cluster a row belongs to.
    slopes : str or sequence of str
        Level-1 predictors whose slope varies over clusters.
    correlated : bool, default True
        Whether intercepts and slopes may covary.
    reml : bool, default True
        Restricted maximum likelihood; False for maximum likelihood.

    Returns
    -------
    MixedResult

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`.

    Examples
    --------
    >>> import mlteach as mt
    >>> london = mt.load("london")
    >>> fit = mt.fit_random_slope("score16 ~ score11", london, cluster="school",
    ...                           slopes=["score11"], reml=False)
    >>> fit.variances["estimate"].round(4).to_dict()
    {'Intercept': 0.0904, 'Intercept:score11': 0.018, 'score11': 0.0145, 'Residual': 0.5536}
    """
    data = as_table(data)
    effects = effects_of(slopes, data.columns)
    if not effects:
        raise FormulaError("slopes is empty; name at least one level-1 predictor.")
    text = with_random(formula, cluster, effects, correlated=correlated)
    return fit_mixed(text, data, reml=reml)


# ------------------------------------------------------------------------------ checks at the door


def fit_arrays(matrices: Design, reml: bool, ddf: str = "satterthwaite") -> MixedEstimates:
    """Fit a model to its arrays, without a word: moments, deviance, optimum.

    Parameters
    ----------
    matrices : Design
        y, X, Z and the cluster of each row.
    reml : bool
    ddf : str, default "satterthwaite"
        Method for the degrees of freedom that are asked for later.

    Returns
    -------
    MixedEstimates

    Raises
    ------
    DataError, ModelError
        Says what the data cannot determine.

    Examples
    --------
    >>> from mlteach.data.shipped import load
    >>> arrays = design(parse("math ~ 1 + (1 | school)"), load("hsb"))
    >>> fit_arrays(arrays, reml=True).params.round(2).to_dict()
    {'Intercept': 12.64}
    """
    problem = deviance_of(matrices, reml)
    record = global_minimum(problem)
    return MixedEstimates(design=matrices, problem=problem, optimizer=record, ddf=ddf)


def deviance_of(matrices: Design, reml: bool) -> ProfiledDeviance:
    """The deviance of a model whose data can determine it.

    Raises
    ------
    DataError, ModelError
        Says what they cannot determine.
    """
    _check_identified(matrices)
    if reml:
        _check_clusters_left_over(matrices)
    moments = cluster_moments(matrices)
    problem = ProfiledDeviance(moments, ThetaMap.from_blocks(matrices.blocks), reml)
    _check_within_variation(problem, matrices)
    _check_residual(problem, matrices)
    return problem


def _check_identified(d: Design) -> None:
    """Refuse data that cannot tell the levels apart, whatever the numbers."""
    cluster, J, N = d.formula.cluster, len(d.labels), len(d.y)
    if J == 1:
        raise ModelError(
            f"'{cluster}' has one value only ({shown(d.labels[0])}): with one cluster there is no "
            "variance between clusters. Use ordinary least squares (statsmodels)."
        )
    if J == N:
        raise ModelError(
            f"Every cluster in '{cluster}' has exactly one row, so variance between and within "
            "clusters cannot be told apart. Is this the right column?"
        )
    largest = int(np.bincount(d.codes).max())
    q = d.Z.shape[1]
    if q > largest:
        raise ModelError(
            f"{q} random effects a cluster but no cluster has more than {largest} rows: the "
            "random effects cannot be told from the residuals. Ask for fewer."
        )


def _check_clusters_left_over(d: Design) -> None:
    """Refuse level-2 predictors that leave nothing of the clusters: REML is flat in Tau then."""
    J = len(d.labels)
    if d.X.shape[1] < J:
        return
    level2 = d.X[first_rows(d.codes)][:, ~varies_within(d)]
    if np.linalg.matrix_rank(level2) == J:
        raise ModelError(
            f"The level-2 predictors tell all {J} clusters in '{d.formula.cluster}' apart, so that "
            "nothing is left for a random effect and REML cannot say how large it is. Leave out "
            "the dummies of the clusters (or so many predictors), or the random part: ordinary "
            "least squares."
        )


def _check_within_variation(problem: ProfiledDeviance, d: Design) -> None:
    """A slope can vary over clusters only if the predictor varies inside some of them."""
    R = problem.moments.R
    for block in d.blocks:
        names = [d.z_names[k] for k in block]
        if INTERCEPT not in names:
            continue
        for k, name in zip(block, names, strict=True):
            if name != INTERCEPT and not R[:, k, k].any():
                raise ModelError(
                    f"'{name}' is constant in every cluster, so it is a level-2 predictor (or "
                    "depends on the other random effects there) and has no slope inside "
                    f"'{d.formula.cluster}' that could vary. Keep it as a fixed effect only."
                )


def _check_residual(problem: ProfiledDeviance, d: Design) -> None:
    """Refuse outcomes without anything left inside clusters: sigma2 goes to zero, log L up."""
    m = problem.moments
    X, y = m.E[:-1, :-1], m.E[:-1, -1]
    beta, _, rank, _ = np.linalg.lstsq(X, y, rcond=None)
    left = m.E[-1, -1] - y @ beta
    # Random effects that fit any outcome leave nothing either, and still have a maximum.
    spare = m.N - (np.diagonal(m.R, axis1=1, axis2=2) > 0).sum() - rank
    if spare <= 0 or left > max(ROUNDING * m.E[-1, -1], ROUNDING**2 * m.N):
        return
    what = "is reproduced exactly by the fixed and the random effects together"
    if (d.y == d.y[first_rows(d.codes)][d.codes]).all():
        what = f"does not vary inside any cluster of '{d.formula.cluster}'"
    raise DataError(
        f"The outcome '{d.formula.outcome}' {what}, so there is no residual variance to estimate. "
        "An outcome of clusters is analysed with one row a cluster, by ordinary least squares."
    )


# -------------------------------------------------------------------------------------- the result


def _result(fit: MixedEstimates, smushed_note: bool) -> MixedResult:
    d, record = fit.design, fit.optimizer
    if not record.converged:
        warn(f"'{fit.formula}' {record.status}.", ConvergenceWarning)
    if len(d.dropped):
        warn(dropped_note(d), DataWarning)
    return MixedResult(d, fit.problem, record, fit.ddf, smushed_note)
