"""Intraclass correlations, variance ratios and correlations of a multigroup model.

Each is a function of the free parameters; its standard error comes from the delta method. Ratios
have their interval on the log scale, correlations on Fisher's z scale, ICCs on that of
log(1 - ICC): no limit is above 1, and a lower one may be negative, as a variance between may.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.distributions import normal_quantile
from mlteach.core.lazy import lazy_import

pd = lazy_import("pandas")

# A correlation this close to 1 is on the boundary, where a bound has stopped it.
ONE = 1e-5
COLUMNS = ["estimate", "se", "lower", "upper"]


def icc_table(parameters: dict, cov: np.ndarray, level: float) -> pd.DataFrame:
    """ICC = Between / (Between + Within) of each variable in each group.

    Parameters
    ----------
    parameters : dict
        From (level, left, right, position, group) to (estimate, number of the free parameter).
    cov : ndarray, shape (m, m)
        Covariance matrix of the free parameters.
    level : float

    Returns
    -------
    DataFrame
        Indexed by variable and group; columns estimate, se, lower, upper.
    """
    z, rows = normal_quantile(level), {}
    for key, (w, at_w) in parameters.items():
        kind, left, right, position, group = key
        if kind != "within" or left != right:
            continue
        b, at_b = parameters["between", left, left, None, group]
        total = b + w
        se = _delta(cov, {at_b: w / total**2, at_w: -b / total**2})
        name = left if position is None else f"{left}@{position}"
        rows[name, group] = (b / total, se, *_icc_limits(b / total, z * se))
    return _table(rows, ["variable", "group"])


def _icc_limits(icc: float, half: float) -> tuple[float, float]:
    rest = 1.0 - icc
    if rest <= 0:  # a negative Within, as a position may have
        return icc - half, icc + half
    return 1.0 - rest * np.exp(half / rest), 1.0 - rest * np.exp(-half / rest)


def variance_ratios(parameters: dict, cov: np.ndarray, level: float) -> pd.DataFrame:
    """Variance of one group over that of another, where the model lets them differ.

    Returns
    -------
    DataFrame
        Indexed by level, variable and groups (``"A / B"``); columns as :func:`icc_table`. NaN where
        a variance is not positive.
    """
    z, rows = normal_quantile(level), {}
    groups = list(dict.fromkeys(key[4] for key in parameters))
    for key, (top, at_top) in parameters.items():
        kind, left, right, position, first = key
        if kind == "mean" or left != right:
            continue
        name = left if position is None else f"{left}@{position}"
        for second in groups[groups.index(first) + 1 :]:
            bottom, at_bottom = parameters[kind, left, left, position, second]
            if at_top == at_bottom:
                continue
            row = (np.nan,) * 4
            if top > 0 and bottom > 0:
                ratio = top / bottom
                width = _delta(cov, {at_top: 1.0 / top, at_bottom: -1.0 / bottom})
                row = (ratio, ratio * width, ratio * np.exp(-z * width), ratio * np.exp(z * width))
            rows[kind, name, f"{first} / {second}"] = row
    return _table(rows, ["level", "variable", "groups"])


def correlations(parameters: dict, cov: np.ndarray, level: float) -> pd.DataFrame:
    """Correlations of the variables within and between clusters.

    Returns
    -------
    DataFrame
        Indexed by level, pair (``"x1~~x2"``) and group; columns as :func:`icc_table`. NaN where a
        variance is not positive or the correlation is beyond 1.
    """
    z, rows = normal_quantile(level), {}
    for key, (c, at_c) in parameters.items():
        kind, left, right, position, group = key
        if kind == "mean" or left == right:
            continue
        ends = [parameters[kind, name, name, position, group] for name in (left, right)]
        name = f"{left}~~{right}" + ("" if position is None else f"@{position}")
        rows[kind, name, group] = _correlation(c, at_c, *ends, cov, z)
    return _table(rows, ["level", "pair", "group"])


def _correlation(c, at_c, left, right, cov: np.ndarray, z: float) -> tuple:
    (a, at_a), (b, at_b) = left, right
    if a <= 0 or b <= 0 or abs(c) > np.sqrt(a * b):
        return (np.nan,) * 4
    size = np.sqrt(a * b)
    r = c / size
    if abs(r) > 1.0 - ONE:
        return np.sign(r), np.nan, np.nan, np.nan
    se = _delta(cov, {at_c: 1.0 / size, at_a: -0.5 * r / a, at_b: -0.5 * r / b})
    centre, half = np.arctanh(r), z * se / (1.0 - r**2)
    return r, se, np.tanh(centre - half), np.tanh(centre + half)


def _delta(cov: np.ndarray, slopes: dict[int, float]) -> float:
    at = list(slopes)
    c = np.array(list(slopes.values()))
    return float(np.sqrt(c @ cov[np.ix_(at, at)] @ c))


def _table(rows: dict, names: list[str]) -> pd.DataFrame:
    keys = [list(key) for key in zip(*rows, strict=True)] or [[] for _ in names]
    index = pd.MultiIndex.from_arrays(keys, names=names)
    return pd.DataFrame(list(rows.values()), index=index, columns=COLUMNS, dtype=float)
