"""Moments of the wide columns, to which covariance structure models are fitted.

A covariance structure model is fitted to the mean vector and the covariance matrix of the p n
columns of the wide format (:mod:`mlteach.multigroup.wide`). Estimated from g clusters, that matrix
has a rank of at most g - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mlteach.core.arguments import checked
from mlteach.errors import DataError, shown
from mlteach.multigroup.wide import by_group, check_long, to_wide


@dataclass(frozen=True)
class WideMoments:
    """Mean and covariance matrix of the columns of one group in wide format.

    Attributes
    ----------
    mean : Series, length p n
    cov : DataFrame, shape (p n, p n)
        Maximum likelihood: cross-products of deviations divided by ``g``, not by ``g - 1``.
    g : int
        Clusters, the rows of the wide table.
    n : int
        Members of each cluster.
    """

    mean: pd.Series
    cov: pd.DataFrame
    g: int
    n: int


@checked
def wide_moments(
    data: pd.DataFrame,
    variables: str | Sequence[str],
    *,
    cluster: str,
    group: str | None = None,
    position: str | None = None,
) -> dict[object, WideMoments]:
    """Mean vector and covariance matrix of the wide columns, group by group.

    These are what a covariance structure model is fitted to. They need complete, balanced data:
    within a group every cluster has the same number of members, and no value is missing.

    Parameters
    ----------
    data : DataFrame
        In long format, one row a member.
    variables, cluster, group, position
        As in :func:`to_wide`.

    Returns
    -------
    dict of WideMoments
        A key for each group, in the order of first appearance; ``"all"`` without ``group``.

    Raises
    ------
    DataError
        As :func:`to_wide`; also for missing values, clusters of different sizes and a group of one
        cluster.

    Examples
    --------
    >>> import mlteach as mt
    >>> few = mt.load("hsb").groupby("school").head(2)
    >>> wide_moments(few, "math", cluster="school")["all"].cov.round(1)
            math_1  math_2
    math_1    49.4     8.9
    math_2     8.9    51.2
    """
    variables, data = check_long(data, variables, cluster, group, position, "wide_moments")
    moments = {}
    for name, rows in by_group(data, group):
        wide = to_wide(rows, variables, cluster=cluster, position=position)
        _check_balanced(wide, rows, variables, name, cluster)
        mean = wide.mean()
        deviation = wide - mean
        cov = deviation.T @ deviation / len(wide)
        moments[name] = WideMoments(mean, cov, g=len(wide), n=wide.attrs["n"])
    return moments


def _check_balanced(wide, rows, variables, name: object, cluster: str) -> None:
    sizes = rows.groupby(cluster, observed=True, sort=False).size()
    if sizes.min() < wide.attrs["n"]:
        raise DataError(
            f"Group {shown(name)}: its clusters have {sizes.min()} to {sizes.max()} rows, and "
            f"{wide.attrs['n']} places for them. A covariance matrix of the wide columns needs "
            "the same members in every cluster; mt.fit_multigroup takes the data as they are."
        )
    missing = int(rows[variables].isna().sum().sum())
    if missing:
        raise DataError(
            f"Group {shown(name)}: {missing} value(s) are missing. A covariance matrix of the "
            "wide columns needs complete data; mt.fit_multigroup takes the data as they are."
        )
    if len(wide) < 2:
        raise DataError(
            f"Group {shown(name)} has one {cluster} only, and one row has no variance. Is "
            f"'{cluster}' the column that says which cluster a row belongs to?"
        )
