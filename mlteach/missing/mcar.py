"""Little's test of values missing completely at random, on estimates by the EM algorithm.

If values are missing completely at random, the means of the observed variables are the same in all
patterns, up to chance. With ML estimates mu and Sigma of the multivariate normal model and, in
pattern r, n_r rows with means m_r of the variables observed there,

    d2 = sum_r n_r (m_r - mu_r)' Sigma_rr^-1 (m_r - mu_r)

is about chi-square with (sum of the numbers of variables observed in the patterns) - p degrees of
freedom (Little 1988, equation 5). Rows without any value say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlteach.core.distributions import chi2_sf
from mlteach.core.lazy import lazy_import
from mlteach.errors import DataError, ModelError
from mlteach.missing.patterns import (
    check_variables,
    group_rows,
    incomplete_values,
    patterns_of,
    refuse_without_variation,
)

pd = lazy_import("pandas")

# EM stops when no standardised mean or (co)variance changes by more than this in one step.
EM_TOLERANCE = 1e-10
# A step of EM is cheap; with nine values of ten missing it needs some hundred of them.
EM_STEPS = 20_000

NOTES = (
    "The test assumes a multivariate normal distribution with the same covariance matrix in all "
    "patterns; a large p-value says that no difference in means was found, not that values are "
    "missing completely at random.",
    "It takes rows as independent. Where both the values and the rate of missing values differ "
    "between clusters it rejects too often.",
)


def little_mcar(
    data: pd.DataFrame, variables: Sequence[str], *, group: str | None = None
) -> pd.DataFrame:
    """Little's test of values missing completely at random.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    variables : sequence of str
        Two or more numeric columns with missing values.
    group : str, optional
        Column of groups, each tested on its own.

    Returns
    -------
    DataFrame
        One row a group (or the row "all"); columns ``statistic`` (chi-square), ``df``, ``p``,
        ``patterns`` and ``rows`` (those with at least one value). A group with a single pattern has
        nothing to compare: its statistic and p are NaN, df is 0. ``attrs["notes"]`` has the
        assumptions and the rows left out.

    Raises
    ------
    DataError
        If there are fewer than two variables, one is not numeric or has no variance in a group, or
        two are never observed in the same row.
    ModelError
        If EM does not converge, or a variable is a linear combination of others.

    Notes
    -----
    Rows count as independent. In 2,000 simulated data sets of 30 clusters of 20 rows, with an ICC
    of .2 and values missing completely at random at rates that differ between clusters (logits with
    an SD of 1 about a rate of 30%), the test at the level of 5% rejected in 12% of them; with the
    same rate in all clusters in 5%.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> hsb["math"] = hsb["math"].where(hsb["ses"] > -1)
    >>> mt.little_mcar(hsb, ["math", "ses"]).round(1)
         statistic  df    p  patterns  rows
    all     2672.2   1  0.0         2  7185

    References
    ----------
    Little (1988), Journal of the American Statistical Association 83(404),
    doi:10.1080/01621459.1988.10478722.
    """
    variables = check_variables(data, variables, "little_mcar", [group] if group else [])
    if len(variables) < 2:
        raise DataError(
            "Little's test compares the means of one variable between rows with and without "
            "another: it needs two variables or more."
        )
    values = incomplete_values(data, variables, "little_mcar")
    known = ~np.isnan(values).all(axis=1)
    rows = {}
    for label, at in group_rows(data, group):
        place = "" if group is None else f" in the group {label}"
        refuse_without_variation(values[at], variables, place)
        rows[label] = _test(values[at[known[at]]], variables, place)
    left_out = int((~known).sum())
    index = pd.Index(list(rows), name=None if group is None else group)
    table = pd.DataFrame(list(rows.values()), index=index)
    counted = f"{left_out} of {len(data)} rows have no value at all and are left out."
    table.attrs["notes"] = (*NOTES, counted) if left_out else NOTES
    return table


def _test(values: np.ndarray, variables: list[str], place: str) -> dict:
    """Statistic, df and p-value in rows that have at least one value."""
    patterns = sufficient_statistics(values)
    df = sum(len(part.columns) for part in patterns) - values.shape[1]
    counts = {"patterns": len(patterns), "rows": len(values)}
    if len(patterns) == 1:
        return {"statistic": np.nan, "df": 0, "p": np.nan, **counts}
    _refuse_strangers(patterns, variables, place)
    mean, cov = em_moments(patterns, values.shape[1], place)
    statistic = 0.0
    for part in patterns:
        away = part.mean - mean[part.columns]
        inside = cov[np.ix_(part.columns, part.columns)]
        statistic += part.n * float(away @ np.linalg.solve(inside, away))
    return {"statistic": statistic, "df": df, "p": float(chi2_sf(statistic, df)), **counts}


def _refuse_strangers(patterns: list[PatternMoments], variables: list[str], place: str) -> None:
    """Refuse two variables that no row has together: nothing tells their covariance."""
    together = np.zeros((len(variables),) * 2, dtype=bool)
    for part in patterns:
        together[np.ix_(part.columns, part.columns)] = True
    if not together.all():
        k, r = np.argwhere(~together)[0]
        raise DataError(
            f"'{variables[k]}' and '{variables[r]}' are never observed in the same row{place}: "
            "their covariance cannot be estimated. Leave one of them out."
        )


# ---------------------------------------------------------------------------------------------- EM


@dataclass(frozen=True)
class PatternMoments:
    """What the normal likelihood needs of the rows of one pattern, k variables observed.

    Attributes
    ----------
    columns : ndarray of int, shape (k,)
    n : int
    mean : ndarray, shape (k,)
    sscp : ndarray, shape (k, k)
        Cross-products of deviations from the mean.
    """

    columns: np.ndarray
    n: int
    mean: np.ndarray
    sscp: np.ndarray


def sufficient_statistics(values: np.ndarray) -> list[PatternMoments]:
    """Moments of each pattern of an (N, p) array with NaN; no row is without any value."""
    masks, number = patterns_of(~np.isnan(values))
    out = []
    for k, mask in enumerate(masks):
        part = values[number == k][:, mask]
        mean = part.mean(axis=0)
        out.append(
            PatternMoments(np.flatnonzero(mask), len(part), mean, (part - mean).T @ (part - mean))
        )
    return out


def em_moments(
    patterns: list[PatternMoments], p: int, place: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """ML mean (p,) and covariance matrix (p, p) of a normal distribution, by EM.

    Raises
    ------
    ModelError
        If the steps do not come to rest, or the covariance matrix becomes singular.

    References
    ----------
    Dempster, Laird & Rubin (1977), Journal of the Royal Statistical Society B 39(1),
    doi:10.1111/j.2517-6161.1977.tb01600.x.
    """
    mean, cov = _available_moments(patterns, p)
    scale = np.sqrt(np.diag(cov))
    for _ in range(EM_STEPS):
        before = mean, cov
        mean, cov = _em_step(patterns, mean, cov)
        _refuse_singular(cov, place)
        change = max(
            np.abs((mean - before[0]) / scale).max(),
            np.abs((cov - before[1]) / np.outer(scale, scale)).max(),
        )
        if change < EM_TOLERANCE:
            return mean, cov
    raise ModelError(
        f"EM did not come to rest in {EM_STEPS:,} steps{place}: too little is observed, or one "
        "variable is almost a linear combination of others. Look at missing_patterns, and leave a "
        "variable out."
    )


def _available_moments(patterns: list[PatternMoments], p: int) -> tuple[np.ndarray, np.ndarray]:
    """Start: each variable's mean and variance in the rows that have it, no covariances."""
    n, total, squares = np.zeros(p), np.zeros(p), np.zeros(p)
    for part in patterns:
        n[part.columns] += part.n
        total[part.columns] += part.n * part.mean
    mean = total / n
    for part in patterns:
        away = part.mean - mean[part.columns]
        squares[part.columns] += np.diag(part.sscp) + part.n * away**2
    return mean, np.diag(squares / n)


def _em_step(patterns: list[PatternMoments], mean, cov) -> tuple[np.ndarray, np.ndarray]:
    """One step: expected sums of completed rows, given what is observed, then their moments."""
    p = len(mean)
    N = sum(part.n for part in patterns)
    shift, square = np.zeros(p), np.zeros((p, p))
    for part in patterns:
        o = part.columns
        # Regression of all variables on the observed ones: the identity for these themselves.
        B = np.linalg.solve(cov[np.ix_(o, o)], cov[o]).T
        away = part.mean - mean[o]
        shift += part.n * B @ away
        about_old = part.sscp + part.n * np.outer(away, away)
        square += B @ about_old @ B.T + part.n * (cov - B @ cov[o])
    shift /= N
    return mean + shift, square / N - np.outer(shift, shift)


def _refuse_singular(cov: np.ndarray, place: str) -> None:
    scale = np.sqrt(np.diag(cov))
    if np.linalg.eigvalsh(cov / np.outer(scale, scale))[0] < 1e-10:
        raise ModelError(
            f"The covariance matrix is singular{place}: one variable is a linear combination of "
            "others. Leave it out."
        )
