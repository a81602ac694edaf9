"""Fit of a multigroup model as a wide-format CFA, against the model that leaves all columns free.

In the wide format each member of a cluster is a block of p columns. The saturated model has free
means and a free (p n) x (p n) covariance matrix in each group; the baseline model free means and
variances and no covariances. Both exist on balanced, complete data with more clusters than columns.
Definitions are those of lavaan: RMSEA with sqrt(K) for K groups, SRMR of Bentler with the means.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import check_level, checked
from mlteach.core.distributions import chi2_sf, normal_quantile
from mlteach.errors import ModelError
from mlteach.multigroup.estimates import MultigroupEstimates


@checked
def wide_fit(fit: MultigroupEstimates, *, rmsea_level: float = 0.90) -> pd.Series:
    """Chi-square test and fit indices of the wide-format model.

    The wide table takes the members of a cluster in the order of their rows. The model treats them
    alike, the saturated one does not: another order gives other fit statistics.

    Parameters
    ----------
    fit : MultigroupEstimates
    rmsea_level : float, default 0.90
        Confidence level of the interval of the RMSEA.

    Returns
    -------
    Series
        chi2, df, p, cfi, tli, rmsea, rmsea_lower, rmsea_upper, srmr, llf, llf_saturated,
        llf_baseline, chi2_baseline, df_baseline.

    Raises
    ------
    ModelError
        If clusters differ in size, values are missing, or a group has too few clusters.

    References
    ----------
    Mehta & Neale (2005), Psychological Methods 10(3), doi:10.1037/1082-989X.10.3.259. Rosseel
    (2012), Journal of Statistical Software 48(2), doi:10.18637/jss.v048.i02.
    """
    check_level(rmsea_level)
    tables = [_wide(fit, k) for k in range(len(fit.groups))]
    n = {table.shape[1] for table in tables}
    if len(n) > 1:
        raise ModelError(
            "The groups have clusters of different sizes, so their wide tables have different "
            "columns. Fit statistics of the wide format need one size."
        )
    columns, K, N = n.pop(), len(tables), sum(map(len, tables))
    units = -N * columns // len(fit.variables) * float(np.log(fit.data.scale).sum())
    moments = [(len(table), table.mean(axis=0), np.cov(table.T, bias=True)) for table in tables]
    saturated = units + sum(_normal(g, np.linalg.slogdet(S)[1], columns) for g, _, S in moments)
    baseline = units + sum(_normal(g, np.log(np.diag(S)).sum(), columns) for g, _, S in moments)
    pairs = columns * (columns - 1) // 2
    chi2, df = 2.0 * (saturated - fit.llf), K * (pairs + 2 * columns) - fit.n_parameters
    chi2_baseline, df_baseline = 2.0 * (saturated - baseline), K * pairs
    lower, upper = _rmsea_limits(chi2, df, rmsea_level)
    unit = np.sqrt(K / (N * df)) if df else np.nan
    values = {
        "chi2": chi2,
        "df": float(df),
        "p": float(chi2_sf(chi2, df)) if df else np.nan,
        "cfi": _cfi(chi2 - df, chi2_baseline - df_baseline),
        "tli": _tli(chi2, df, chi2_baseline, df_baseline),
        "rmsea": unit * np.sqrt(max(chi2 - df, 0.0)),
        "rmsea_lower": unit * np.sqrt(lower),
        "rmsea_upper": unit * np.sqrt(upper),
        "srmr": sum(len(t) / N * _srmr(fit, k, *moments[k][1:]) for k, t in enumerate(tables)),
        "llf": fit.llf,
        "llf_saturated": saturated,
        "llf_baseline": baseline,
        "chi2_baseline": chi2_baseline,
        "df_baseline": float(df_baseline),
    }
    return pd.Series(values, name="wide format")


def _wide(fit: MultigroupEstimates, k: int) -> np.ndarray:
    """Wide table of a group in scaled units, shape (g, p n), member by member."""
    Y, codes, cells, *_ = fit.data.parts[k]
    where = "" if fit.data.group is None else f" in group {fit.groups[k]!r}"
    n = np.bincount(codes)
    if n.min() != n.max():
        raise ModelError(
            f"Clusters{where} have {n.min()} to {n.max()} rows. The saturated model of the wide "
            "format needs clusters of one size; compare models by mt.compare instead."
        )
    if np.isnan(Y).any():
        raise ModelError(
            f"{np.isnan(Y).any(axis=1).sum()} rows{where} have missing values. The saturated model "
            "of the wide format needs complete data; compare models by mt.compare instead."
        )
    order = np.lexsort((cells, codes))
    table = Y[order].reshape(len(n), -1)
    if len(table) <= table.shape[1]:
        raise ModelError(
            f"{len(table)} clusters{where} for {table.shape[1]} columns (p n): their covariance "
            "matrix is singular, and the saturated model has no likelihood. More clusters than "
            "columns are needed."
        )
    return table


def _normal(g: int, logdet: float, columns: int) -> float:
    """Log-likelihood of g rows under the normal distribution with their own moments."""
    return -0.5 * g * (columns * (1.0 + np.log(2.0 * np.pi)) + logdet)


def _cfi(excess: float, excess_baseline: float) -> float:
    worst = max(excess, excess_baseline, 0.0)
    return 1.0 if worst == 0.0 else 1.0 - max(excess, 0.0) / worst


def _tli(chi2: float, df: int, chi2_baseline: float, df_baseline: int) -> float:
    if not df or not df_baseline:
        return np.nan
    ratio = chi2_baseline / df_baseline
    return (ratio - chi2 / df) / (ratio - 1.0)


def _rmsea_limits(chi2: float, df: int, level: float) -> tuple[float, float]:
    """Noncentrality parameters at which chi2 is a quantile of the noncentral distribution."""
    from scipy.optimize import brentq
    from scipy.special import chndtr

    if not df:
        return np.nan, np.nan

    def gap(noncentrality: float, target: float) -> float:
        return float(chndtr(chi2, df, noncentrality)) - target

    # One of the squares that add up has the mean noncentrality: both limits lie below.
    most = 1.01 * (np.sqrt(max(chi2, 0.0)) + normal_quantile(level)) ** 2
    lower, upper = (
        brentq(gap, 0.0, most, args=(target,), xtol=1e-10) if gap(0.0, target) > 0 else 0.0
        for target in (0.5 * (1.0 + level), 0.5 * (1.0 - level))
    )
    return lower, upper


def _srmr(fit: MultigroupEstimates, k: int, mean: np.ndarray, S: np.ndarray) -> float:
    """Root mean square of the standardised residuals of covariances and means."""
    n = len(mean) // len(fit.variables)
    scale, offset = np.tile(fit.data.scale, n), np.tile(fit.data.offset, n)
    implied = fit.implied(fit.groups[k], n).to_numpy() / np.outer(scale, scale)
    expected = (fit.implied_mean(fit.groups[k], n).to_numpy() - offset) / scale
    sd = np.sqrt(np.diag(S))
    covariances = ((S - implied) / np.outer(sd, sd))[np.tril_indices(len(mean))]
    return float(np.sqrt(np.mean(np.concatenate([covariances, (mean - expected) / sd]) ** 2)))
