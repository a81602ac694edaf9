"""Intraclass correlations, variance ratios, correlations and clusters of a multigroup model.

The first three are functions of the free parameters; standard errors come from the delta method.
Ratios have their interval on the log scale, correlations on Fisher's z scale, ICCs on that of
log(1 - ICC): no limit is above 1, and a lower one may be negative, as a variance between may. What
the data say of each cluster, and new data for all, stand at the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.distributions import fisher_limits, log_limits, normal_quantile
from mlteach.core.result import as_generator, effects_table
from mlteach.errors import ModelError
from mlteach.multigroup.estimates import MultigroupEstimates
from mlteach.multigroup.sandwich import given_the_rows

# A correlation this close to 1 is on the boundary, where a bound has stopped it.
ONE = 1e-5
# An eigenvalue below minus this part of the trace is negative, not rounding.
NEGATIVE = 1e-9
COLUMNS = ["estimate", "se", "lower", "upper"]


def icc_table(fit: MultigroupEstimates) -> pd.DataFrame:
    """ICC = Between / (Between + Within) of each variable in each group.

    Returns
    -------
    DataFrame
        Indexed by variable and group; columns estimate, se (delta method), lower, upper (95%).
    """
    rows = {}
    for (kind, x, other, position, group), (w, at_w) in fit.elements.items():
        if kind == "within" and x == other:
            b, at_b = fit.elements["between", x, x, None, group]
            total = b + w
            se = _delta(fit.cov, {at_b: w / total**2, at_w: -b / total**2})
            limits = _icc_limits(b / total, se)
            rows[_at(x, position), group] = (b / total, se, *limits)
    return _table(rows, ["variable", "group"])


def _icc_limits(icc: float, se: float) -> tuple[float, float]:
    if icc >= 1.0:  # a negative Within, as a position may have
        half = normal_quantile(0.95) * se
        return icc - half, icc + half
    low, high = log_limits(1.0 - icc, se)
    return 1.0 - high, 1.0 - low


def variance_ratios(fit: MultigroupEstimates) -> pd.DataFrame:
    """Variance of one group over that of another, where the model lets them differ.

    Returns
    -------
    DataFrame
        Indexed by level, variable and groups (``"A / B"``); columns as :func:`icc_table`. NaN where
        a variance is not positive.
    """
    rows = {}
    groups = list(dict.fromkeys(key[4] for key in fit.elements))
    for (kind, x, other, position, first), (top, at_top) in fit.elements.items():
        if kind == "mean" or x != other:
            continue
        for second in groups[groups.index(first) + 1 :]:
            bottom, at_bottom = fit.elements[kind, x, x, position, second]
            if at_top == at_bottom:
                continue
            row = (np.nan,) * 4
            if top > 0 and bottom > 0:
                ratio = top / bottom
                se = ratio * _delta(fit.cov, {at_top: 1.0 / top, at_bottom: -1.0 / bottom})
                row = (ratio, se, *log_limits(ratio, se))
            rows[kind, _at(x, position), f"{first} / {second}"] = row
    return _table(rows, ["level", "variable", "groups"])


def correlations(fit: MultigroupEstimates) -> pd.DataFrame:
    """Correlations of the variables within and between clusters.

    Returns
    -------
    DataFrame
        Indexed by level, pair (``"x1~~x2"``) and group; columns as :func:`icc_table`. NaN where a
        variance is not positive or the correlation is beyond 1.
    """
    rows = {}
    for (kind, left, right, position, group), (c, at_c) in fit.elements.items():
        if kind != "mean" and left != right:
            ends = [fit.elements[kind, x, x, position, group] for x in (left, right)]
            row = _correlation(c, at_c, *ends, fit.cov)
            rows[kind, _at(f"{left}~~{right}", position), group] = row
    return _table(rows, ["level", "pair", "group"])


def _correlation(c, at_c, left, right, cov: np.ndarray) -> tuple:
    (a, at_a), (b, at_b) = left, right
    if a <= 0 or b <= 0 or abs(c) > np.sqrt(a * b):
        return (np.nan,) * 4
    size = np.sqrt(a * b)
    r = c / size
    if abs(r) > 1.0 - ONE:
        return np.sign(r), np.nan, np.nan, np.nan
    se = _delta(cov, {at_c: 1.0 / size, at_a: -0.5 * r / a, at_b: -0.5 * r / b})
    return r, se, *fisher_limits(r, se)


def _delta(cov: np.ndarray, slopes: dict[int, float]) -> float:
    at = list(slopes)
    c = np.array(list(slopes.values()))
    return float(np.sqrt(c @ cov[np.ix_(at, at)] @ c))


def _at(name: str, position) -> str:
    return name if position is None else f"{name}@{position}"


def _table(rows: dict, names: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(rows), names=names)
    return pd.DataFrame(list(rows.values()), index=index, columns=COLUMNS, dtype=float)


# ------------------------------------------------------------------------------------ the clusters


@checked
def ranef(fit: MultigroupEstimates, group: str | None = None) -> pd.DataFrame:
    """What the data say of each cluster's u: conditional means and standard deviations.

    Parameters
    ----------
    group : optional
        One of ``groups``; all by default.

    Returns
    -------
    DataFrame
        One row a cluster; a column a variable, its conditional SD in ``<name>_sd`` (NaN where a
        negative variance leaves none).
    """
    chosen = range(len(fit.groups)) if group is None else [fit.group_number(group)]
    return pd.concat([_cluster_effects(fit, k) for k in chosen])


def _cluster_effects(fit: MultigroupEstimates, k: int) -> pd.DataFrame:
    """Conditional means and SDs of u for the clusters of group k.

    Given the data, u_j has covariance matrix K_j = Between G_j and mean K_j b_j, in the notation
    of :mod:`mlteach.multigroup.sandwich`.
    """
    rows = fit.data.parts[k]
    mu, within, between = fit.fit.deviance.groups[k].unpack(fit.fit.theta[fit.model.index[k]])
    *_, G, g = given_the_rows(rows, mu, within, between)
    variance = np.einsum("ab,jba->ja", between, G)
    sd = np.sqrt(np.where(variance >= 0, variance, np.nan)) * fit.data.scale
    u = g @ between * fit.data.scale
    return effects_table(u, sd, rows.labels, [str(name) for name in fit.variables])


@checked
def simulate(fit: MultigroupEstimates, seed: int | np.random.Generator | None) -> pd.DataFrame:
    """Draw new values for the same rows; what was missing stays missing.

    Parameters
    ----------
    seed : int or numpy.random.Generator

    Returns
    -------
    DataFrame
        The variables with the cluster, group and position columns; the rows group by group,
        under the row labels of the data.

    Raises
    ------
    ModelError
        If a Between matrix is not positive semidefinite: then there are no such u.
    """
    rng = as_generator(seed)
    tables = []
    groups = zip(fit.groups, fit.data.parts, fit.by_group, strict=True)
    for group, part, (mu, within, between) in groups:
        Y, codes, cells, labels, index = part
        root = _root(between, "Between", group)
        u = rng.standard_normal((len(labels), Y.shape[1])) @ root.T
        e = rng.standard_normal(Y.shape)
        roots = np.stack([_root(matrix, "Within", group) for matrix in within])
        y = mu[cells] + u[codes] + (roots[cells] @ e[..., None])[..., 0]
        table = pd.DataFrame(np.where(np.isnan(Y), np.nan, y), index, list(fit.variables))
        table.insert(0, fit.data.cluster, labels[codes])
        if fit.data.group is not None:
            table.insert(0, fit.data.group, group)
        if fit.data.position is not None:
            table.insert(0, fit.data.position, np.array(fit.model.positions)[cells])
        tables.append(table)
    return pd.concat(tables)


def _root(matrix: np.ndarray, name: str, group) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -NEGATIVE * np.abs(values).sum():
        remedy = " Fit with bounded=True to simulate." if name == "Between" else ""
        raise ModelError(
            f"The {name} matrix of group {group!r} has a negative eigenvalue: no effects have such "
            f"a covariance matrix.{remedy}"
        )
    return vectors * np.sqrt(np.maximum(values, 0.0))
