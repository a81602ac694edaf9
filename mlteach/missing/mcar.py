"""Little's test of values missing completely at random, on estimates by the EM algorithm.

If values are missing completely at random, the means of the observed variables are the same in all
patterns, up to chance. With ML estimates mu and Sigma of the multivariate normal model and, in
pattern r, n_r rows with means m_r of the variables observed there,

    d2 = sum_r n_r (m_r - mu_r)' Sigma_rr^-1 (m_r - mu_r)

is about chi-square with (sum of the numbers of variables observed in the patterns) - p degrees of
freedom (Little 1988, equation 5). Rows without any value say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table
from mlteach.core.distributions import chi2_sf
from mlteach.core.patterns import CHUNK, block_inverses, each_times, patterns_of
from mlteach.core.progress import Progress
from mlteach.errors import DataError, ModelError
from mlteach.missing.patterns import (
    check_variables,
    group_rows,
    incomplete_values,
    refuse_without_variation,
)

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


@checked
def little_mcar(
    data: pd.DataFrame, variables: str | Sequence[str], *, group: str | None = None
) -> pd.DataFrame:
    """Little's test of values missing completely at random.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    variables : str or sequence of str
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
    data = as_table(data)
    variables = check_variables(data, variables, "little_mcar", group)
    if len(variables) < 2:
        raise DataError(
            "Little's test compares the means of one variable between rows with and without "
            "another: it needs two variables or more."
        )
    values = incomplete_values(data, variables, "little_mcar")
    known = ~np.isnan(values).all(axis=1)
    rows = {}
    with Progress("Little's test, steps of EM") as bar:
        for label, at in group_rows(data, group):
            place = "" if group is None else f" in the group {label}"
            refuse_without_variation(values[at], variables, place)
            rows[label] = _test(values[at[known[at]]], variables, place, bar)
    left_out = int((~known).sum())
    table = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name=group))
    counted = f"{left_out} of {len(data)} rows have no value at all and are left out."
    table.attrs["notes"] = (*NOTES, counted) if left_out else NOTES
    return table


def _test(values: np.ndarray, variables: list[str], place: str, bar: Progress) -> dict:
    """Statistic, df and p-value in rows that have at least one value."""
    moments = PatternMoments(values)
    statistic, df = np.nan, int(moments.observed.sum()) - values.shape[1]
    if len(moments.n) > 1:
        _refuse_strangers(moments, variables, place)
        statistic = _distance(moments, *em_moments(moments, place, bar))
    p = float(chi2_sf(statistic, df))
    counts = {"patterns": len(moments.n), "rows": len(values)}
    return {"statistic": statistic, "df": df, "p": p, **counts}


def _distance(moments: PatternMoments, mean: np.ndarray, cov: np.ndarray) -> float:
    """Little's d2: squared distances of the patterns' means from those of the model."""
    away = np.where(moments.observed, moments.means() - mean, 0.0)
    return sum(
        float(moments.n[part] @ np.einsum("rp,rps,rs->r", away[part], P, away[part]))
        for part, P in moments.inverses(cov)
    )


def _refuse_strangers(moments: PatternMoments, variables: list[str], place: str) -> None:
    """Refuse two variables that no row has together: nothing tells their covariance."""
    seen = moments.observed.astype(float)
    together = seen.T @ seen > 0
    if not together.all():
        k, r = np.argwhere(~together)[0]
        raise DataError(
            f"'{variables[k]}' and '{variables[r]}' are never observed in the same row{place}: "
            "their covariance cannot be estimated. Leave one of them out."
        )


# ---------------------------------------------------------------------------------------------- EM


class PatternMoments:
    """What the normal likelihood needs of the rows: R patterns, K rows that stand for all.

    Many rows of a pattern are replaced by their mean, times the root of their number, and by as
    many rows as there are variables: together they have the same cross-products about any centre.

    Parameters
    ----------
    values : ndarray, shape (N, p)
        NaN where missing; no row is without any value.

    Attributes
    ----------
    observed : ndarray of bool, shape (R, p)
    n : ndarray, shape (R,)
        Rows of each pattern.
    rows : ndarray, shape (K, p)
        Zero where missing.
    pattern : ndarray of int, shape (K,)
        In ascending order.
    of_mean : ndarray, shape (K,)
        How many times the mean is in a row: 1 or, in a row that stands for others, root n or 0.
    """

    def __init__(self, values: np.ndarray) -> None:
        self.observed, number = patterns_of(~np.isnan(values))
        order, n, p = np.argsort(number, kind="stable"), np.bincount(number), values.shape[1]
        rows, ends, self.n = np.nan_to_num(values)[order], np.cumsum(n), n.astype(float)
        of_mean, kept = np.ones(len(rows)), np.ones(len(rows), bool)
        for r in np.flatnonzero(n > p + 1):
            first, root = ends[r] - n[r], np.sqrt(n[r])
            own, instead = rows[first : ends[r]], slice(first, first + p + 1)
            mean = own.mean(axis=0)
            rows[instead] = np.vstack([root * mean, np.linalg.qr(own - mean, mode="r")])
            of_mean[instead] = root * (np.arange(p + 1) == 0)
            kept[instead.stop : ends[r]] = False
        self.rows, self.pattern, self.of_mean = rows[kept], number[order][kept], of_mean[kept]

    def means(self) -> np.ndarray:
        """Means of each pattern, shape (R, p), zero where missing."""
        first = np.searchsorted(self.pattern, np.arange(len(self.n)))
        return np.add.reduceat(self.of_mean[:, None] * self.rows, first) / self.n[:, None]

    def inverses(self, cov: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Patterns, as many as fit into memory at once, and the inverses of their blocks."""
        step = max(1, CHUNK // cov.size)
        for start in range(0, len(self.n), step):
            part = slice(start, start + step)
            yield part, block_inverses(cov, self.observed[part])


def em_moments(moments: PatternMoments, place: str, bar: Progress) -> tuple[np.ndarray, np.ndarray]:
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
    mean, cov = _available_moments(moments)
    scale = np.sqrt(np.diag(cov))
    for _ in range(EM_STEPS):
        before = mean, cov
        mean, cov = _em_step(moments, mean, cov)
        _refuse_singular(cov, place)
        bar.update()
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


def _available_moments(moments: PatternMoments) -> tuple[np.ndarray, np.ndarray]:
    """Start: each variable's mean and variance in the rows that have it, no covariances."""
    n = moments.n @ moments.observed
    mean = moments.n @ moments.means() / n
    return mean, np.diag((_deviations(moments, mean) ** 2).sum(axis=0) / n)


def _deviations(moments: PatternMoments, mean: np.ndarray) -> np.ndarray:
    """Rows less the mean, zero where missing, shape (K, p)."""
    away = moments.rows - moments.of_mean[:, None] * mean
    return np.where(moments.observed[moments.pattern], away, 0.0)


def _em_step(moments: PatternMoments, mean, cov) -> tuple[np.ndarray, np.ndarray]:
    """One step: expected sums of completed rows, given what is observed, then their moments.

    With P_r the padded inverse of the observed block and d_i the deviations, the regression of all
    variables on the observed ones predicts cov P_r d_i, and leaves cov - cov P_r cov.
    """
    N, away = moments.n.sum(), _deviations(moments, mean)
    shift, square = np.zeros(len(mean)), np.zeros(cov.shape)
    for part, P in moments.inverses(cov):
        own = slice(*np.searchsorted(moments.pattern, [part.start, part.stop]))
        d = each_times(P, moments.pattern[own] - part.start, away[own])
        shift += moments.of_mean[own] @ d
        square += d.T @ d - np.tensordot(moments.n[part], P, 1)
    shift = cov @ shift / N
    new = cov + cov @ square @ cov / N - np.outer(shift, shift)
    # What rounding makes asymmetric would grow from step to step.
    return mean + shift, 0.5 * (new + new.T)


def _refuse_singular(cov: np.ndarray, place: str) -> None:
    scale = np.sqrt(np.diag(cov))
    if np.linalg.eigvalsh(cov / np.outer(scale, scale))[0] < 1e-10:
        raise ModelError(
            f"The covariance matrix is singular{place}: one variable is a linear combination of "
            "others. Leave it out."
        )
