"""What follows from the estimates of a location-scale model, with standard errors.

The delta method carries the covariance matrix of the parameters over. Limits are found where they
are nearest to symmetric: the logarithm of a variance, Fisher's z of a correlation, the logit of an
intraclass correlation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, cluster_means
from mlteach.core.design import new_random_rows
from mlteach.core.distributions import fisher_limits, log_limits, logit_limits, normal_quantile
from mlteach.core.result import effects_table
from mlteach.core.summary import coefficient_table, pair_name
from mlteach.errors import ModelError
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.mixed.hypotheses import HypothesisTest, linear_test

RATIOS = ["variance", "lower", "upper", "ratio", "ratio_lower", "ratio_upper"]


# ------------------------------------------------------------------------------------ coefficients


@checked
def wald_test(
    fit: LocationScaleEstimates,
    hypothesis: str | Sequence[str] | np.ndarray | pd.DataFrame,
    level: float = 0.95,
    *,
    adjust: str | None = None,
) -> HypothesisTest:
    """Test linear combinations of the coefficients of both functions, one or several at once.

    Parameters
    ----------
    hypothesis : str, sequence of str, or matrix of shape (r, p + k)
        As for :meth:`MixedResult.test <mlteach.mixed.result.MixedResult.test>`, with names as
        in ``params``: those of the log variance have the prefix ``scale:``.
    level : float, default 0.95
    adjust : {"holm"}, optional
        Adds p-values that are valid for all combinations at once, by Holm's method.

    Returns
    -------
    HypothesisTest
        z-tests of the combinations, and Wald's chi-square for all of them.

    Raises
    ------
    FormulaError, ModelError

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ catholic + ses + (1 | school)",
    ...                             "~ catholic + ses", mt.load("hsb"))
    >>> round(fit.test(["scale:catholic", "scale:ses"]).chi2, 1)
    28.5
    """
    at = slice(fit.effects_at)
    cov = fit.cov_scaled[at, at]

    def degrees(C: np.ndarray) -> tuple[np.ndarray, float, float]:
        return np.full(len(C), np.inf), np.inf, 1.0

    return linear_test(fit, hypothesis, fit.to_users, cov, degrees, "z", level, adjust)


# ---------------------------------------------------------------------- variances and correlations


def components(fit: LocationScaleEstimates, level: float) -> pd.DataFrame:
    """Delta method from the free elements of L to Omega and its correlations.

    See :attr:`mlteach.location_scale.model.LocationScaleModel.components`.
    """
    if fit.functions is not None:
        raise ModelError(
            "The variances and correlations of this model are level-2 functions: see fit.between "
            "for their coefficients and fit.random_at(data) for their values."
        )
    omega, names, none = fit.random.to_numpy(), fit.effects, fit.no_variance
    change, cov = _changes(fit)
    sd = np.sqrt(np.diag(omega))
    lost, rows = {name for own in fit.undetermined for name in own}, {}
    for col, row in zip(*np.nonzero(np.triu((change != 0.0).any(axis=0))), strict=True):
        name, by = pair_name(names, col, row), change[:, row, col]
        # What the data do not determine, and correlations of effects whose variance they do not.
        by = np.full_like(by, np.nan) if lost & {name, names[col], names[row]} else by
        se = _se(by, cov)
        if none[row] or none[col]:
            rows[name] = (omega[row, col], *[np.nan] * 5)
        elif row == col:
            limits = log_limits(omega[row, row], se, level)
            rows[name] = (omega[row, row], se, sd[row], np.nan, *limits)
        else:
            rho = np.clip(omega[row, col] / (sd[row] * sd[col]), -1.0, 1.0)
            by_rho = by / (sd[row] * sd[col]) - 0.5 * rho * (
                change[:, row, row] / omega[row, row] + change[:, col, col] / omega[col, col]
            )
            limits = fisher_limits(rho, _se(by_rho, cov), level)
            rows[name] = (omega[row, col], se, np.nan, rho, *limits)
    columns = ["estimate", "se", "sd", "correlation", "lower", "upper"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype(float)


def _changes(fit: LocationScaleEstimates) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of Omega by the parameters of the effects (m, d, d), and their covariances."""
    map_, at, d = fit.deviance_function.map, fit.effects_at, len(fit.effects)
    by_L = np.zeros((map_.m, d, d))
    by_L[np.arange(len(map_.rows)), map_.rows, map_.cols] = 1.0
    half = fit.units @ by_L @ fit.parts[2][0].T @ fit.units.T
    return half + half.transpose(0, 2, 1), fit.cov_scaled[at:, at:]


def association(fit: LocationScaleEstimates, level: float) -> pd.DataFrame:
    """Delta method from Omega to Gamma = Omega_vu Omega_u^-1 and to what v has beside it.

    See :attr:`mlteach.location_scale.model.LocationScaleModel.association`.
    """
    q, names = len(fit.design.mean.z_names), fit.effects
    omega = fit.random.to_numpy()
    if fit.functions is not None or q == len(names) or not omega[q:, :q].any():
        raise ModelError(
            f"'{fit.formula}' has no one association: it needs random effects in both functions "
            "that correlate (association=True), and no level-2 functions."
        )
    change, cov = _changes(fit)
    inverse = np.linalg.inv(omega[:q, :q])
    gamma = omega[q:, :q] @ inverse
    by_gamma = (change[:, q:, :q] - gamma @ change[:, :q, :q]) @ inverse
    labels = [f"{v} on {u}" for v in names[q:] for u in names[:q]]
    table = coefficient_table(gamma.ravel(), _se(by_gamma, cov).ravel(), np.inf, level, labels)
    rest = np.diag(omega[q:, q:] - gamma @ omega[:q, q:])
    half = by_gamma @ omega[:q, q:] + gamma @ change[:, :q, q:]
    se = _se(np.diagonal(change[:, q:, q:] - half, axis1=1, axis2=2), cov)
    # A variance without test; at zero it has no limits.
    lower, upper = log_limits(np.where(rest > 1e-8, rest, np.nan), se, level)
    left = {"estimate": np.maximum(rest, 0.0), "se": se, "lower": lower, "upper": upper}
    return pd.concat([table, pd.DataFrame(left, [f"{v}, what is left" for v in names[q:]])])


def _se(slopes: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Standard errors of values with slopes (m, ...)."""
    variance = np.einsum("m...,mn,n...->...", slopes, cov, slopes)
    return np.sqrt(np.maximum(variance, 0.0))


# ------------------------------------------------------------------------------ rows of predictors


@checked
def variance_ratios(
    fit: LocationScaleEstimates, data: pd.DataFrame, *, average: bool = True, level: float = 0.95
) -> pd.DataFrame:
    """Level-1 variances of groups, and their ratios to that of the first.

    Parameters
    ----------
    data : DataFrame
        One row a group, with the predictors of the variance function (and of level-2
        functions).
    average : bool, default True
        Variances averaged over clusters, or of the median cluster; see
        :meth:`predicted_variance`.
    level : float, default 0.95

    Returns
    -------
    DataFrame, one row a group
        variance, lower, upper, ratio, ratio_lower, ratio_upper. Limits by the delta method, on
        the log scale.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
    ...                             "~ catholic + (1 | school)", mt.load("hsb"))
    >>> sectors = pd.DataFrame({"catholic": [0, 1]}, index=["public", "Catholic"])
    >>> fit.variance_ratios(sectors)[["variance", "ratio"]].round(2).loc["Catholic"].tolist()
    [33.96, 0.77]
    """
    data = as_table(data)
    W, S = fit.design.new_variance_rows(data)

    def log_variance(e: LocationScaleEstimates) -> np.ndarray:
        return e.log_variance_of(W, S, e.omega_of_rows(data), average)

    value, slopes = log_variance(fit), fit.slopes(log_variance)
    parts = []
    for estimate, change in ((value, slopes), (value - value[:1], slopes - slopes[:, :1])):
        spread = normal_quantile(level) * _se(change, fit.cov_scaled)
        parts += [np.exp(estimate), np.exp(estimate - spread), np.exp(estimate + spread)]
    return pd.DataFrame(dict(zip(RATIOS, parts, strict=True)), index=data.index)


@checked
def icc_at(
    fit: LocationScaleEstimates, data: pd.DataFrame, *, average: bool = True, level: float = 0.95
) -> pd.DataFrame:
    """Intraclass correlation at rows of predictors: it differs, since the variance does.

    Parameters
    ----------
    data : DataFrame
        Rows with the predictors of the variance function and those with random effects (and of
        level-2 functions).
    average : bool, default True
        Level-1 variance averaged over clusters, or of the median cluster.
    level : float, default 0.95

    Returns
    -------
    DataFrame
        Indexed like ``data``; columns estimate (z'Omega_u z over its sum with the level-1
        variance), se, lower, upper: by the delta method, limits on the logit scale.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
    ...                             "~ catholic + (1 | school)", mt.load("hsb"))
    >>> fit.icc_at(pd.DataFrame({"catholic": [0, 1]}))["estimate"].round(3).tolist()
    [0.129, 0.162]
    """
    data = as_table(data)
    Z = new_random_rows(fit.design.mean, data)
    W, S = fit.design.new_variance_rows(data)

    def log_odds(e: LocationScaleEstimates) -> np.ndarray:
        omega = e.omega_of_rows(data)
        between = e.new_moments(Z, S, omega)[1][:, 0, 0]
        return np.log(between) - e.log_variance_of(W, S, omega, average)

    with np.errstate(divide="ignore", invalid="ignore"):
        odds, slopes = np.exp(log_odds(fit)), fit.slopes(log_odds)
        icc = odds / (1.0 + odds)
        se = _se(slopes, fit.cov_scaled) * icc * (1.0 - icc)
        # A variance of zero has no logarithm, and its slope no meaning.
        if fit.no_variance[: Z.shape[1]].all():
            icc, se = np.zeros(len(Z)), np.full(len(Z), np.nan)
        lower, upper = logit_limits(icc, se, level)
    columns = {"estimate": icc, "se": se, "lower": lower, "upper": upper}
    return pd.DataFrame(columns, index=data.index)


# ------------------------------------------------------------------------------------ the clusters


def ranef(fit: LocationScaleEstimates) -> pd.DataFrame:
    """Empirical-Bayes predictions of all random effects, with their conditional SDs.

    Returns
    -------
    DataFrame, shape (J, 2d)
        Index: cluster ids. A column per effect and its SD in ``<name>_sd``, given the data
        and the estimated parameters.
    """
    mean, cov = fit.posterior
    sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    return effects_table(mean, sd, fit.design.mean.labels, fit.effects)


@checked
def cluster_variances(fit: LocationScaleEstimates, level: float = 0.95) -> pd.DataFrame:
    """Level-1 variance and intraclass correlation of each cluster, with intervals.

    Parameters
    ----------
    level : float, default 0.95

    Returns
    -------
    DataFrame, one row a cluster
        n, variance (at the cluster's mean of w'alpha and of s, the median of its posterior),
        lower, upper, icc (variance between at those rows over the sum), icc_lower, icc_upper.
    """
    d, p = fit.design, len(fit.design.mean.x_names)
    n = np.bincount(d.mean.codes)
    columns = np.column_stack([d.W @ fit.coefficients[p:], d.mean.Z, d.S])
    fixed, Z, S = np.split(cluster_means(columns, d.mean.codes), [1, 1 + d.mean.Z.shape[1]], axis=1)
    fixed = fixed[:, 0]
    means, covariances = fit.known_moments(Z, S, np.arange(len(n)))
    half = normal_quantile(level) * np.sqrt(covariances[:, 1, 1])
    between = fit.new_moments(Z, S, fit.omega)[1][:, 0, 0]
    variance, lower, upper = (np.exp(fixed + means[:, 1] + step) for step in (0.0, -half, half))
    return pd.DataFrame(
        {
            "n": n,
            "variance": variance,
            "lower": lower,
            "upper": upper,
            "icc": between / (between + variance),
            "icc_lower": between / (between + upper),
            "icc_upper": between / (between + lower),
        },
        index=d.mean.labels,
    )
