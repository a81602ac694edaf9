"""Bias, spread and coverage over the replications of a study, with Monte Carlo standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.errors import ModelError


def summarise(estimates: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """What a study says about each parameter, with Monte Carlo standard errors.

    Parameters
    ----------
    estimates : DataFrame
        As in :class:`~mlteach.study.study.Study`.
    truth : Series
        True values. Its index names parameters as ``analyse`` did; with an index of several levels
        it may leave levels out, such as the model, by using the names of the others.

    Returns
    -------
    DataFrame, one row a parameter
        true, mean, bias, sd (of the estimates), se (their mean standard error), coverage (share of
        intervals that hold the true value), the Monte Carlo standard errors mcse_bias, mcse_sd,
        mcse_se, mcse_coverage, and n, the estimates that came with an interval. An estimate
        without one, such as a variance of zero, counts in mean, bias and sd only.

    Raises
    ------
    ModelError
        If a parameter has no true value.
    """
    names = [name for name in estimates.index.names if name != "replication"]
    # Parameters stay in the order in which the analysis lists them.
    groups = estimates.groupby(level=names, sort=False)
    value, se = groups["estimate"], groups["se"]
    true = _align(truth, value.mean().index)
    of_row = true.reindex(estimates.index.droplevel("replication")).to_numpy()
    has_interval = estimates[["lower", "upper"]].notna().all(axis=1)
    inside = (estimates["lower"] <= of_row) & (of_row <= estimates["upper"])
    covered = inside.astype(float).where(has_interval).groupby(level=names, sort=False)
    count, n, coverage = value.count(), covered.count(), covered.mean()
    table = pd.DataFrame(
        {
            "true": true,
            "mean": value.mean(),
            "bias": value.mean() - true,
            "sd": value.std(),
            "se": se.mean(),
            "coverage": coverage,
            "mcse_bias": value.std() / np.sqrt(count),
            "mcse_sd": value.std() / np.sqrt(2.0 * (count - 1)),
            "mcse_se": se.std() / np.sqrt(se.count()),
            "mcse_coverage": np.sqrt(coverage * (1.0 - coverage) / n),
            "n": n,
        }
    )
    return table.set_axis(in_order(table.index), axis=0)


def in_order(index: pd.Index) -> pd.Index:
    """The same index, sorted by order of appearance: pandas then selects from it without search."""
    if not isinstance(index, pd.MultiIndex):
        return index
    levels = [index.get_level_values(k) for k in range(index.nlevels)]
    codes, values = zip(*(pd.factorize(level) for level in levels), strict=True)
    return pd.MultiIndex(levels=values, codes=codes, names=index.names)


def _align(truth: pd.Series, parameters: pd.Index) -> pd.Series:
    """True values for all parameters; levels that ``truth`` does not name do not matter to it."""
    keys = parameters
    # A truth without names of its own is one of the parameters.
    names = list(truth.index.names) if any(truth.index.names) else [parameters.names[-1]]
    if isinstance(parameters, pd.MultiIndex) and set(names) < set(parameters.names):
        keys = parameters.droplevel([n for n in parameters.names if n not in names])
        if isinstance(keys, pd.MultiIndex):
            keys = keys.reorder_levels(names)
    values = truth.reindex(keys)
    if values.isna().any():
        missing = ", ".join(map(str, keys[values.isna().to_numpy()].unique()))
        raise ModelError(f"truth has no value for {missing}; it has {list(truth.index)}.")
    return pd.Series(values.to_numpy(dtype=float), index=parameters)
