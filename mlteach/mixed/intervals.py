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
    notes = _profile_notes(fit, which) if method == "profile" else ()
    return noted(table, (*convergence_notes(fit), *notes))


def _wald_fixed(fit: MixedEstimates, level: float) -> pd.DataFrame:
    return pd.concat([fit.params, fit.conf_int(level)], axis=1)


def _profile_fixed(fit: MixedEstimates, level: float) -> pd.DataFrame:
    problem, scaling = fit.problem, fit.problem.moments.scaling
    se = np.sqrt(np.diag(fit.cov_params("z")))
    limits = {}
    for k, name in enumerate(fit.params.index):
        low, high = profile.coefficient_limits(
            problem.moments, problem.map, scaling.A[k], se[k] / scaling.scale, level
        )
        limits[name] = scaling.b0[k] + scaling.scale * np.array([low, high])
    table = pd.DataFrame.from_dict(limits, orient="index", columns=["lower", "upper"])
    return pd.concat([fit.params, table], axis=1)


def _profile_notes(fit: MixedEstimates, which: str) -> tuple[str, ...]:
    if not fit.reml or which == "random":
        return ()
    return (
        "The limits of coefficients are from the profile of the likelihood (ML), although the fit "
        "is by REML: restricted likelihoods of models with other fixed effects cannot be compared. "
        "With few clusters they are rather too narrow.",
    )


def _wald_sd(fit: MixedEstimates, level: float) -> pd.DataFrame:
    table = _sd_table(fit)
    half = normal_quantile(level) * table["se"]
    estimate = table["estimate"]
    return pd.DataFrame({"estimate": estimate, "lower": estimate - half, "upper": estimate + half})


def _sd_table(fit: MixedEstimates) -> pd.DataFrame:
    """SDs and correlations with delta-method standard errors, rows as in ``variances``."""
    v, map_ = fit.variances, fit.problem.map
    estimate = np.where(v["correlation"].notna(), v["correlation"], v["sd"])
    rows = [*map_.rows, -1]
    cols = [*map_.cols, -1]
    diagonal = {r: k for k, (r, c) in enumerate(zip(rows, cols, strict=True)) if r == c}
    se = np.full(len(v), np.nan)
    for k, (r, c) in enumerate(zip(rows, cols, strict=True)):
        gradient = np.zeros(len(v))
        if r == c and estimate[k] > 0:
            gradient[k] = 1.0 / (2.0 * estimate[k])
        elif r != c and abs(estimate[k]) < 1:
            a, b = diagonal[r], diagonal[c]
            gradient[k] = 1.0 / (estimate[a] * estimate[b])
            gradient[[a, b]] = -estimate[k] / (2.0 * estimate[[a, b]] ** 2)
        else:
            continue
        se[k] = fit.delta_se(gradient[None])[0]
    return pd.DataFrame({"estimate": estimate, "se": se}, index=v.index)


def _bootstrap(fit, which, level, n, seed, progress) -> pd.DataFrame:
    """Percentile intervals: the middle part of what data sets drawn from the fit estimate."""
    _check_enough(n, level, "n")
    draws = bootstrap(fit, n, seed, progress)
    _check_enough(len(draws.params), level, "the number of refits that converged")
    table = chosen_parts(
        which,
        lambda: _percentiles(fit.params, draws.params, level),
        lambda: _percentiles(_sd_table(fit)["estimate"], draws.sds, level),
    )
    return noted(table, _bootstrap_notes(draws, fit, which))


def _check_enough(n: int, level: float, name: str) -> None:
    # With fewer the limit would lie beyond the smallest draw; 1e-9 because 1 - level is rounded.
    needed = int(np.ceil(2.0 / (1.0 - level) - 1.0 - 1e-9))
    if isinstance(n, int | np.integer) and n < needed:
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
    table = pd.DataFrame(limits, index=estimate.index, columns=["lower", "upper"])
    return pd.concat([estimate.rename("estimate"), table], axis=1)


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
    table = _sd_table(fit)
    keys = [
        ("sd", r, r) if r == c else ("corr", r, c)
        for r, c in zip(problem.map.rows, problem.map.cols, strict=True)
    ] + [("residual", -1, -1)]
    sizes = [unit[k] if kind == "sd" else 1.0 for kind, k, _ in keys[:-1]] + [scale]
    widths = dict(zip(keys, table["se"] / sizes, strict=True))
    limits = profile.variance_limits(problem, theta, widths, level)
    rows = [
        np.array(limits.get(key, (np.nan, np.nan))) * size
        for key, size in zip(keys, sizes, strict=True)
    ]
    out = pd.DataFrame(rows, index=table.index, columns=["lower", "upper"])
    return table[["estimate"]].join(out)
