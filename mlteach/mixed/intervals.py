"""Confidence intervals of a mixed-model fit, for coefficients and for variance components.

Variances are reported as standard deviations and correlations: on those scales intervals are
closest to symmetric, and they are the units of the data.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of
from mlteach.core.distributions import normal_quantile
from mlteach.core.moments import cluster_moments
from mlteach.core.notes import convergence_notes
from mlteach.core.result import chosen_parts
from mlteach.core.summary import noted
from mlteach.errors import ModelError
from mlteach.mixed import profile
from mlteach.mixed.bootstrap import bootstrap
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.estimates import MixedEstimates

PROFILE_BY_ML = (
    "The limits of coefficients are from the profile of the likelihood (ML), although the fit is "
    "by REML: restricted likelihoods of models with other fixed effects cannot be compared. With "
    "few clusters they are rather too narrow."
)


@checked
def confint(
    fit: MixedEstimates,
    method: str = "wald",
    which: str = "fixed",
    level: float = 0.95,
    *,
    n: int = 1000,
    seed: int | np.random.Generator | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Confidence intervals of coefficients and variance components.

    Parameters
    ----------
    method : {"wald", "profile", "bootstrap"}
        Wald limits use the standard errors; profile limits the deviance itself; bootstrap
        limits are percentiles of the estimates from data sets drawn from the fit. Variance
        components get their intervals on the scale of SD and correlation.
    which : {"fixed", "random", "all"}
        Coefficients, variance components (as SDs and correlations), or both.
    level : float, default 0.95
    n, seed, progress : int, int or numpy.random.Generator, bool
        Of the bootstrap only: number of data sets, seed (None draws fresh ones), and whether
        to show a progress bar.

    Returns
    -------
    DataFrame
        Columns estimate, lower, upper; with "all", the first level of the index says which
        part a row belongs to. ``attrs["notes"]``, shown under the table, tell how the bootstrap
        went, and that the profile of coefficients is that of ML under REML too.

    Raises
    ------
    ModelError
        For an unknown method or part, an ``n`` too small for the level, or a profile or bootstrap
        of a fit that did not converge.
    """
    one_of("method", method, ("wald", "profile", "bootstrap"))
    one_of("which", which, ("fixed", "random", "all"))
    if method != "wald" and not fit.converged:
        raise ModelError(f"'{fit.formula}' did not converge: a {method} starts from the maximum.")
    if method == "bootstrap":
        return _bootstrap(fit, which, level, n, seed, progress)
    methods = {"wald": (_wald_fixed, _wald_sd), "profile": (_profile_fixed, _profile_sd)}
    fixed, random = methods[method]
    table = chosen_parts(which, lambda: fixed(fit, level), lambda: random(fit, level))
    by_ml = method == "profile" and fit.reml and which != "random"
    return noted(table, (*convergence_notes(fit), *([PROFILE_BY_ML] if by_ml else [])))


def _wald_fixed(fit: MixedEstimates, level: float) -> pd.DataFrame:
    return pd.concat([fit.params, fit.conf_int(level)], axis=1)


def _profile_fixed(fit: MixedEstimates, level: float) -> pd.DataFrame:
    problem, scaling = fit.problem, fit.problem.moments.scaling
    se = np.sqrt(np.diag(fit.cov_params("z")))
    limits = [
        profile.coefficient_limits(problem.moments, problem.map, c, width, level)
        for c, width in zip(scaling.A, se / scaling.scale, strict=True)
    ]
    return _with_limits(fit.params, scaling.b0[:, None] + scaling.scale * np.array(limits))


def _with_limits(estimate: pd.Series, limits: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(limits, index=estimate.index, columns=["lower", "upper"])
    return pd.concat([estimate.rename("estimate"), table], axis=1)


def _wald_sd(fit: MixedEstimates, level: float) -> pd.DataFrame:
    estimate, se = _sds(fit)
    half = normal_quantile(level) * se
    return _with_limits(estimate, np.column_stack([estimate - half, estimate + half]))


def _sds(fit: MixedEstimates) -> tuple[pd.Series, np.ndarray]:
    """SDs and correlations with delta-method standard errors, rows as in ``variances``."""
    estimate, map_ = fit._sds, fit.problem.map
    ends = list(zip([*map_.rows, -1], [*map_.cols, -1], strict=True))
    place = {row: k for k, (row, col) in enumerate(ends) if row == col}
    gradient = np.zeros((len(ends),) * 2)
    for k, (row, col) in enumerate(ends):
        if row == col and estimate[k] > 0:
            gradient[k, k] = 1.0 / (2.0 * estimate[k])
        elif row != col and abs(estimate[k]) < 1:
            own = [place[row], place[col]]
            gradient[k, k] = 1.0 / (estimate[own[0]] * estimate[own[1]])
            gradient[k, own] = -estimate[k] / (2.0 * estimate[own] ** 2)
        else:
            gradient[k] = np.nan
    return pd.Series(estimate, fit.variances.index), fit.delta_se(gradient)


def _bootstrap(fit, which, level, n, seed, progress) -> pd.DataFrame:
    """Percentile intervals: the middle part of what data sets drawn from the fit estimate."""
    _check_enough(n, level, "n")
    draws = bootstrap(fit, n, seed, progress)
    _check_enough(len(draws.params), level, "the number of refits that converged")
    table = chosen_parts(
        which,
        lambda: _percentiles(fit.params, draws.params, level),
        lambda: _percentiles(_sds(fit)[0], draws.sds, level),
    )
    return noted(table, _bootstrap_notes(draws, fit, which))


def _check_enough(n: int, level: float, name: str) -> None:
    # With fewer the limit would lie beyond the smallest draw; 1e-9 because 1 - level is rounded.
    needed = int(np.ceil(2.0 / (1.0 - level) - 1.0 - 1e-9))
    if n < needed:
        raise ModelError(
            f"Percentile limits at level={level:g} need at least {needed} data sets, and many more "
            f"(1000) to be steady; {name} is {n}."
        )


def _percentiles(estimate: pd.Series, draws: np.ndarray, level: float) -> pd.DataFrame:
    """Quantiles of the draws; undefined correlations are left out, column by column."""
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    limits = [
        np.quantile(column, tails, method="weibull") if len(column) else (np.nan, np.nan)
        for column in (c[np.isfinite(c)] for c in draws.T)
    ]
    return _with_limits(estimate, limits)


def _bootstrap_notes(draws, fit: MixedEstimates, which: str) -> tuple[str, ...]:
    n = len(draws.params)
    notes = [f"Percentile intervals from {n} data sets drawn from the fit."]
    if draws.n_failed:
        notes.append(f"{draws.n_failed} more refit(s) did not converge and are left out.")
    undefined = np.isnan(draws.sds).sum(axis=0)
    if which != "fixed" and draws.n_singular:
        notes.append(
            f"{draws.n_singular} refits lie on the boundary (a zero variance or a correlation of "
            "±1); they count like any other."
        )
    for name, missing in zip(fit.variances.index, undefined, strict=True):
        if which != "fixed" and missing:
            notes.append(f"'{name}' has no correlation in {missing} refits, where an SD is zero.")
    return tuple(notes)


def _profile_sd(fit: MixedEstimates, level: float) -> pd.DataFrame:
    """Profile limits, found in a scaling without centring, in which SDs are the user's."""
    moments = cluster_moments(fit.design, centre=False)
    problem = ProfiledDeviance(moments, fit.problem.map, fit.reml)
    scale = moments.scaling.scale
    unit = scale * np.diag(moments.scaling.T)
    relative = fit.tau.to_numpy() / np.outer(unit, unit) * scale**2 / fit.sigma2
    theta = problem.map.theta_from_psi(relative)
    estimate, se = _sds(fit)
    sizes = np.append(np.where(problem.map.diagonal, unit[problem.map.rows], 1.0), scale)
    limits = profile.variance_limits(problem, theta, se / sizes, level)
    return _with_limits(estimate, limits * sizes[:, None])
