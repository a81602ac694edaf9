"""Location-scale models: random effects in the mean and in the log of the level-1 variance.

    y_ij = x'beta + z'u_j + e_ij,   log Var(e_ij) = w'alpha + s'v_j,   (u_j, v_j) ~ N(0, Omega)

A fit goes two formulas -> rows in scaled units -> start values from the mixed model with one
level-1 variance -> maximum of the collapsed likelihood -> result.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of, refuse_unknown, whole
from mlteach.core.design import Design
from mlteach.core.sandwich import check_robust
from mlteach.errors import ConvergenceWarning, ModelError, warn
from mlteach.location_scale.association import DEGREES, start_association
from mlteach.location_scale.association_result import AssociationResult, association_map
from mlteach.location_scale.design import LocationScaleDesign, check_changes, location_scale_design
from mlteach.location_scale.effects import CholeskyMap
from mlteach.location_scale.level_two import LevelTwoFunctions, level_two_functions
from mlteach.location_scale.result import LocationScaleResult
from mlteach.location_scale.search import maximise, some_clusters, start_values
from mlteach.mixed.fit import fit_arrays

if TYPE_CHECKING:
    from mlteach.location_scale.bayes.posterior import LocationScalePosterior


# Quadrature points a dimension, by the number of random effects in the variance function.
POINTS = {0: 1, 1: 15, 2: 9}
# With u in the variance function: where it bends much, fewer lose the fourth decimal.
ASSOCIATION_POINTS = 21
FORMS = {False: "none", True: "correlated", "linear": "linear", "quadratic": "quadratic"}
SAMPLING = ("draws", "chains", "tune", "seed", "progress", "cores", "collapsed", "student_t")


@checked
def fit_location_scale(
    formula: str,
    variance: str,
    data: pd.DataFrame,
    *,
    between: str | Mapping[str, str] | None = None,
    association: bool | str = True,
    points: int | None = None,
    reml: bool = False,
    robust: str | None = None,
    method: str = "ml",
    prior: str | object = "weak",
    smushed_note: bool = True,
    **sampling: object,
) -> LocationScaleResult | LocationScalePosterior:
    """Fit a location-scale model by maximum likelihood or by Bayes.

    Parameters
    ----------
    formula : str
        Mean function, as for :func:`fit_mixed`:
        ``"score16 ~ score11 + (1 + score11 | school)"``.
    variance : str
        Log variance function, the right-hand side only: ``"~ score11 + (1 | school)"``. It may
        have up to two random effects; with none (``"~ sector"``) the variance differs by its
        predictors alone.
    data : DataFrame
        One row a level-1 unit. Rows with a missing value in a column of either function are left
        out and announced by a ``DataWarning``.
    between : str or mapping of str to str, optional
        Level-2 functions for the random effects: ``"~ sector"`` lets all their log variances and
        (transformed) correlations differ by sector, ``{"Intercept": "~ sector"}`` only the ones
        named; a correlation is named ``"Intercept:scale:Intercept"``. By Bayes for weak priors,
        whose ``between`` is that of their coefficients.
    association : {True, False, "linear", "quadratic"}, default True
        How the random effects of the two functions go together: they correlate, they do not, or
        the mean function's effect u itself enters the log variance, as ``gamma1 u + v`` or
        ``gamma1 u + gamma2 u**2 + v`` with v independent of u. "linear" is the correlated model in
        other words (see ``fit.association``). By maximum likelihood "quadratic", and "linear"
        without a random effect in the variance function, need u to be one random intercept; by
        Bayes all location effects enter, and none is integrated out.
    points : int, optional
        Points of the adaptive Gauss-Hermite quadrature, a dimension; 15 for one random effect in
        the variance function, 9 for two, 21 where u is integrated numerically too.
    reml : bool, default False
        Restricted maximum likelihood, for variance functions without random effects.
    robust : {"cluster"}, optional
        Standard errors from the scores of whole clusters (a sandwich) in place of those of the
        model. They hold where clusters differ in spread and the variance function does not say so.
    method : {"ml", "bayes"}
        "bayes" needs PyMC, and takes seconds to a minute; see
        :func:`mlteach.location_scale.bayes.sample.sample`.
    prior : "weak", "inverse-wishart", "flat" or a prior, default "weak"
        With ``method="bayes"``: half-normal and LKJ on the data's own scale, an inverse-Wishart
        built on separate fits of the clusters, as in published analyses, or every covariance matrix
        as likely as any other.
    smushed_note : bool, default True
        Whether ``result.notes`` tell of predictors that enter unsplit, as for :func:`fit_mixed`.
    **sampling
        With ``method="bayes"``: draws, chains, tune, seed, progress, cores, collapsed, student_t.

    Returns
    -------
    LocationScaleResult or, by Bayes, LocationScalePosterior

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`; for other clusters in the two functions, for more than two random
        effects in the variance function, and where clusters of one row cannot carry one.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ sector + (1 | school)", "~ sector + (1 | school)",
    ...                             mt.load("hsb"))
    >>> round(fit.llf, 4)
    -23507.1303
    >>> fit.log_variance["estimate"].round(3).to_dict()
    {'Intercept': 3.518, 'sector[T.Public]': 0.265}

    References
    ----------
    Hedeker, Mermelstein & Demirtas (2008), Biometrics 64(2), doi:10.1111/j.1541-0420.2007.00924.x.
    Leckie, French, Charlton & Browne (2014), Journal of Educational and Behavioral Statistics
    39(5), doi:10.3102/1076998614546494.
    """
    _check_method(method, points, reml, robust, prior, sampling)
    _check_association(association, between, reml)
    d = location_scale_design(
        formula, variance, data, centre=between is None, by_quadrature=method == "ml",
        smushed_note=smushed_note,
    )  # fmt: skip
    functions = None if between is None else level_two_functions(d, between, association)
    if method == "bayes":
        return _by_bayes(d, association, functions, prior, sampling)
    _check_reml(reml, d)
    result = _by_likelihood(d, association, functions, points, reml, robust)
    if not result.converged:
        if d.s_names:
            check_changes(d.mean, 1)
        warn(
            f"'{result.formula}' {result.optimizer.status}. Try fewer random effects, or "
            "predictors nearer to zero and of similar size.",
            ConvergenceWarning,
        )
    return result


def _by_likelihood(
    d: LocationScaleDesign,
    association: bool | str,
    functions: LevelTwoFunctions | None,
    points: int | None,
    reml: bool,
    robust: str | None,
) -> LocationScaleResult:
    """Fit one Omega and correlated effects first; other forms start from there."""
    over_u = association == "quadratic" or (association == "linear" and not d.s_names)
    map_ = association_map(d, DEGREES[association]) if over_u else None
    common = CholeskyMap.from_blocks(d.s_blocks, d.mean.blocks, bool(association))
    some = POINTS[len(d.s_names)] if over_u or points is None else points
    found, kind = maximise(d.rows, common, _start(d, common), some, reml), LocationScaleResult
    fixed, theta = np.split(found[1].end, [-common.m])
    L = common.L(theta)
    if functions is not None:
        start = np.concatenate([fixed, functions.start(L @ L.T)])
        found = maximise(d.rows, functions.map, start, some, reml)
    if map_ is not None:
        start, kind = np.concatenate([fixed, start_association(map_, L)]), AssociationResult
        found = maximise(d.rows, map_, start, ASSOCIATION_POINTS if points is None else points)
    return kind(d, functions, FORMS[association], *found, robust)


def _check_association(association: object, between: object, reml: bool) -> None:
    if not isinstance(association, bool | str) or association not in FORMS:
        raise ModelError(
            f"association={association!r} is not known; choose True (correlated effects), False "
            "(none), 'linear' or 'quadratic' (u in the variance function)."
        )
    if isinstance(association, str) and (between is not None or reml):
        other = "between=" if between is not None else "reml=True"
        raise ModelError(
            f"association={association!r} does not go with {other}: leave one of them out."
        )


def _check_method(method, points, reml, robust, prior, sampling) -> None:
    """Refuse settings of one method given to the other."""
    check_robust(robust)
    one_of("method", method, ("ml", "bayes"))
    own = inspect.signature(fit_location_scale).parameters.values()
    known = [*(p.name for p in own if p.kind is not p.VAR_KEYWORD), *SAMPLING]
    refuse_unknown("fit_location_scale", sampling, known)
    if method == "ml" and (sampling or prior != "weak"):
        given = ", ".join([*sampling, *(["prior"] if prior != "weak" else [])])
        raise ModelError(f"{given} is for method='bayes' only; method is 'ml'.")
    if method == "bayes" and (points is not None or reml or robust):
        raise ModelError("points, reml and robust are for method='ml' only.")
    if reml and robust:
        raise ModelError(
            "robust='cluster' needs the likelihood of each cluster, and REML's criterion is no sum "
            "over clusters. Leave reml= out."
        )
    if points is not None:
        whole("points", points, 3, 101)


def _by_bayes(d, association, functions, prior, sampling) -> LocationScalePosterior:
    # Imported here: only this needs what PyMC brings along.
    from mlteach.location_scale.bayes.effects import Effects
    from mlteach.location_scale.bayes.posterior import LocationScalePosterior
    from mlteach.location_scale.bayes.sample import resolve_prior, sample

    prior = resolve_prior(prior, d, Effects.of(d, association is True))
    idata = sample(d, prior=prior, association=association, functions=functions, **sampling)
    result = LocationScalePosterior(d, functions, FORMS[association], idata, prior)
    if not result.converged:
        warn(" ".join(result.notes), ConvergenceWarning)
    return result


def _check_reml(reml: bool, d: LocationScaleDesign) -> None:
    if reml and d.s_names:
        raise ModelError(
            "REML is for variance functions without random effects: with them the coefficients "
            "cannot be integrated out in closed form. Leave reml= out; with many clusters ML and "
            "REML hardly differ."
        )


def _start(d: LocationScaleDesign, cholesky: CholeskyMap) -> np.ndarray:
    """Start values: the mixed model with one level-1 variance, of some of very many clusters."""
    some = some_clusters(d.rows)
    mixed = fit_arrays(_design_of(d.mean, some), reml=False)
    state, own = mixed.problem.state(mixed.theta), mixed.problem.moments.scaling
    # The mixed model centres its random effects' columns; this model may not.
    to_mine = np.linalg.solve(d.scaling.T, own.T) * (own.scale / d.scaling.scale)
    beta = np.linalg.solve(d.scaling.scale * d.scaling.A, own.beta(state.beta) - d.scaling.b0)
    tau = to_mine @ (state.sigma2 * state.Psi) @ to_mine.T
    u = state.t @ state.Psi @ to_mine.T
    return start_values(d.rows.part(some), cholesky, beta, tau, u)


def _design_of(mean: Design, some: slice) -> Design:
    """The mean function for some of the clusters."""
    chosen = np.zeros(len(mean.labels), bool)
    chosen[some] = True
    if chosen.all():
        return mean
    rows = chosen[mean.codes]
    codes = (np.cumsum(chosen) - 1)[mean.codes[rows]]
    y, X, Z = (values[rows] for values in (mean.y, mean.X, mean.Z))
    return replace(mean, y=y, X=X, Z=Z, codes=codes, labels=mean.labels[chosen], inside={})
