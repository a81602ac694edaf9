"""Whether there are clusters enough for the covariance matrix of the wide columns: p n <= g."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlteach.core.arguments import checked
from mlteach.multigroup.wide import by_group, check_long


@checked
def wide_requirement(
    data: pd.DataFrame,
    variables: str | Sequence[str],
    *,
    cluster: str,
    group: str | None = None,
) -> pd.DataFrame:
    """Say whether each group has enough clusters for its wide columns.

    The covariance matrix S of p n columns, estimated from g rows, has a rank of at most g - 1. With
    fewer rows S has no inverse and a determinant of zero: the saturated model, with which fit
    statistics compare, has an infinite likelihood, and programs that start from S stop or warn.
    The likelihood of the two-level model itself needs no such S, whatever the format; see
    :func:`mlteach.fit_multigroup`.

    Parameters
    ----------
    data : DataFrame
        In long format.
    variables, cluster, group
        As in :func:`to_wide`.

    Returns
    -------
    DataFrame
        One row a group; columns ``p``, ``n`` (members of the largest cluster), ``columns`` (p n),
        ``rows`` (clusters, J) and ``enough``: whether ``columns < rows``. ``attrs["notes"]`` says
        it in words.

    Raises
    ------
    DataError
        As :func:`to_wide`.

    Notes
    -----
    Published advice is p n <= J. It is off by one where means are estimated: J rows and J columns
    give a matrix of rank J - 1.

    Examples
    --------
    >>> import mlteach as mt
    >>> wide_requirement(mt.load("hsb"), ["math", "ses"], cluster="school", group="sector")
              p   n  columns  rows  enough
    sector
    Public    2  61      122    90   False
    Catholic  2  67      134    70   False
    """
    variables, data = check_long(data, variables, cluster, group, None, "wide_requirement")
    rows = []
    for name, part in by_group(data, group):
        sizes = part.groupby(cluster, observed=True, sort=False).size()
        p, n, g = len(variables), int(sizes.max()), len(sizes)
        rows.append((name, p, n, p * n, g, p * n < g))
    table = pd.DataFrame(rows, columns=["group", "p", "n", "columns", "rows", "enough"])
    table = table.set_index("group").rename_axis(group)
    table.attrs["notes"] = tuple(_requirement_note(row) for row in table.itertuples())
    return table


def _requirement_note(row) -> str:
    if row.enough:
        return f"{row.Index}: {row.rows} clusters are enough for {row.columns} columns."
    return (
        f"{row.Index}: {row.columns} columns ({row.p} variable(s) of {row.n} members) from "
        f"{row.rows} clusters. Their covariance matrix has a rank of at most {row.rows - 1}, hence "
        "no inverse: no saturated model, no chi-square and no fit statistics. Take fewer members "
        "or variables, or fit the long format, which needs no such matrix."
    )
