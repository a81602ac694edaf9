"""The wide format: one row a cluster, a column for each variable of each member.

    long    cluster  member  x1  x2            wide    cluster  x1_1  x2_1  x1_2  x2_2
            A        1       .   .                     A        .     .     .     .
            A        2       .   .                     B        .     .     .     .
            B        1       .   .
            B        2       .   .

Members become variables, so that a two-level model turns into a covariance structure of p n columns
(Bauer 2003, Curran 2003, Mehta & Neale 2005). Columns run member by member, x1_1, x2_1, x1_2, ...:
then their covariance matrix consists of p x p blocks, one for each pair of members. A cluster with
fewer members than the largest has missing values at its end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, cluster_codes, first_rows, names_of, table_with
from mlteach.core.long_table import check_one_group, first_few, numeric_values
from mlteach.errors import DataError
from mlteach.multigroup.design import ALL, open_table, position_codes, refuse_twice

# --------------------------------------------------------------------------------- long to wide


@checked
def to_wide(
    data: pd.DataFrame,
    variables: str | Sequence[str],
    *,
    cluster: str,
    group: str | None = None,
    position: str | None = None,
) -> pd.DataFrame:
    """Turn one row a member into one row a cluster.

    Parameters
    ----------
    data : DataFrame
        One row a member of a cluster.
    variables : str or sequence of str
        The p numeric columns to spread out.
    cluster : str
        Column that says which cluster a row belongs to.
    group : str, optional
        Column with the group of the cluster (country, sector); it becomes the first column.
    position : str, optional
        Column that says which member a row is, such as the occasion of a measurement. Numbers are
        sorted, categories keep their order, text keeps that of its first appearance. Without it
        members are numbered 1, 2, ... in the order of their rows.

    Returns
    -------
    DataFrame
        One row a cluster (the index), in the order of first appearance. Columns: the group, then
        ``x1_1, x2_1, x1_2, x2_2, ...``. NaN where a cluster has no such member. ``attrs`` keeps
        ``variables``, ``n`` (members of the largest cluster), ``cluster``, ``group``,
        ``position`` and ``positions``.

    Raises
    ------
    DataError
        A column that is missing, used twice or not numeric; rows without cluster, group or
        position; a cluster in two groups; two rows of a cluster at one position.

    Examples
    --------
    >>> import mlteach as mt
    >>> few = mt.load("hsb").groupby("school").head(2)
    >>> wide = mt.to_wide(few, ["math", "ses"], cluster="school", group="sector")
    >>> wide.shape
    (160, 5)
    >>> wide.head(2)
            sector  math_1  ses_1  math_2  ses_2
    school
    1224    Public   5.876 -1.528  19.708 -0.588
    1288    Public   7.857 -0.788  10.171 -0.328

    References
    ----------
    Mehta & Neale (2005), Psychological Methods 10(3), doi:10.1037/1082-989X.10.3.259.
    """
    variables, data = check_long(data, variables, cluster, group, position, "to_wide")
    codes, clusters = cluster_codes(data[cluster], cluster, sort=False)
    members, positions = _members(data, codes, cluster, position)
    values = np.full((len(clusters), len(positions), len(variables)), np.nan)
    values[codes, members] = numeric_values(data, variables)
    columns = _columns(variables, positions, group)
    index = pd.Index(clusters, name=cluster)
    wide = pd.DataFrame(values.reshape(len(clusters), -1), index=index, columns=columns)
    if group is not None:
        wide.insert(0, group, data[group].to_numpy()[first_rows(codes)])
    wide.attrs = {
        "variables": tuple(variables),
        "n": len(positions),
        "cluster": cluster,
        "group": group,
        "position": position or "position",
        "positions": tuple(positions),
    }
    return wide


def _members(data, codes: np.ndarray, cluster: str, position: str | None) -> tuple:
    """Number of each row's member from 0, and the names of all members."""
    if position is None:
        number = pd.Series(codes).groupby(codes).cumcount().to_numpy()
        return number, list(range(1, number.max() + 2))
    number, positions = position_codes(data[position])
    refuse_twice(data, codes, number, cluster, position)
    # As a reader writes them: 1 and not 1.0.
    return number, [int(v) if isinstance(v, float) and v.is_integer() else v for v in positions]


def _columns(variables: Sequence[str], positions: Sequence, group: str | None) -> list[str]:
    """Names of the wide columns, member by member."""
    names = [f"{x}_{i}" for i in positions for x in variables]
    taken = pd.Index(names if group is None else [*names, group])
    if taken.has_duplicates:
        raise DataError(
            f"Two columns of the wide table would be called '{taken[taken.duplicated()][0]}'; "
            "rename a variable."
        )
    return names


# --------------------------------------------------------------------------------- wide to long


@checked
def to_long(
    wide: pd.DataFrame,
    variables: str | Sequence[str] | None = None,
    cluster: str | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """Turn one row a cluster back into one row a member.

    Parameters
    ----------
    wide : DataFrame
        One row a cluster, columns ``x1_1, x2_1, x1_2, ...``.
    variables : str or sequence of str, optional
        The p names before the last underscore and the position. By default what
        :func:`to_wide` left in ``attrs``.
    cluster : str, optional
        Column that names the clusters; by default that of ``attrs``, else the index.
    group : str, optional
        Column to keep beside; by default that of ``attrs``.

    Returns
    -------
    DataFrame
        Columns: the group, the cluster, ``position``, the variables; cluster by cluster. Members
        that are missing in all variables are left out: that is how the wide format says that a
        cluster has no such member. ``attrs["left_out"]`` counts them.

    Raises
    ------
    DataError
        If the variables are not known, or a column of a variable or of the cluster is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> wide = pd.DataFrame({"id": ["A", "B"], "y_1": [1.0, 2.0], "y_2": [3.0, None]})
    >>> long = to_long(wide, "y", cluster="id")
    >>> long
      id  position    y
    0  A         1  1.0
    1  A         2  3.0
    2  B         1  2.0
    >>> long.attrs["left_out"]
    1
    """
    wide = as_table(wide)
    attrs = wide.attrs
    variables = names_of(attrs.get("variables") if variables is None else variables, "variables")
    if not variables:
        raise DataError(
            "to_long does not know the variables: the table was not made by mt.to_wide. "
            "Name them: variables=['x1', 'x2'] for the columns x1_1, x2_1, x1_2, ..."
        )
    group = attrs.get("group") if group is None else group
    cluster, ids = _cluster_of(wide, cluster or attrs.get("cluster"))
    positions = _positions_of(wide, variables, attrs)
    columns = [f"{x}_{i}" for i in positions for x in variables]
    table_with(wide, [*columns, *([group] if group is not None else [])], "to_long")
    values = numeric_values(wide, columns).reshape(len(wide) * len(positions), len(variables))
    keep = ~np.isnan(values).all(axis=1)
    long = pd.DataFrame(values, columns=variables)
    name = attrs.get("position", "position")
    long.insert(0, name, np.tile(np.array(positions), len(wide)))
    long.insert(0, cluster, np.repeat(ids, len(positions)))
    if group is not None:
        long.insert(0, group, np.repeat(wide[group].to_numpy(), len(positions)))
    long = long[keep].reset_index(drop=True)
    long.attrs = {"left_out": int((~keep).sum())}
    return long


def _cluster_of(wide: pd.DataFrame, cluster: str | None) -> tuple[str, np.ndarray]:
    """Name and ids of the clusters, from a column or else from the index."""
    if cluster in wide.columns:
        ids, name = wide[cluster], cluster
    elif cluster is None or cluster in wide.index.names:
        ids, name = wide.index.to_series(), cluster or wide.index.name or "cluster"
    else:
        table_with(wide, [cluster], "to_long")
    twice = ids[ids.duplicated()]
    if len(twice):
        raise DataError(
            f"{first_few(twice.unique())} stand(s) in more than one row of the wide table. It has "
            f"one row a {name}: is the table in long format already?"
        )
    return name, ids.to_numpy()


def _positions_of(wide: pd.DataFrame, variables: Sequence[str], attrs: dict) -> list:
    """Members of the wide table, in the order of the columns of the first variable."""
    known = attrs.get("positions", ())
    if known and all(f"{x}_{i}" in wide for i in known for x in variables):
        return list(known)
    pattern = re.compile(rf"{re.escape(variables[0])}_([^_]+)")
    found = [match[1] for match in map(pattern.fullmatch, map(str, wide.columns)) if match]
    if not found:
        raise DataError(
            f"There is no column '{variables[0]}_1' or the like for variable '{variables[0]}'. "
            f"The table has: {', '.join(map(str, wide.columns[:20]))}."
        )
    return [int(i) for i in found] if all(i.isdigit() for i in found) else found


# ----------------------------------------------------------------------------------------- checks


def check_long(
    data: pd.DataFrame,
    variables: str | Sequence[str],
    cluster: str,
    group: str | None,
    position: str | None,
    where: str,
) -> tuple[list[str], pd.DataFrame]:
    """Names and long table, refused if its columns cannot be spread out over clusters.

    Raises
    ------
    DataError
    """
    variables, ids, data = open_table(variables, data, (cluster, group, position), where)
    if data.empty:
        raise DataError(f"{where}: the data have no rows.")
    for name in ids:
        missing = data[name].isna().to_numpy()
        if missing.any():
            raise DataError(
                f"{missing.sum()} row(s) have no {name}, first in row(s) "
                f"{first_few(data.index[missing])}. Fill it in, or leave these rows out: "
                f"data.dropna(subset=['{name}'])."
            )
    numeric_values(data, variables)
    if group is not None:
        check_one_group(data, cluster, group)
    return variables, data


def by_group(data: pd.DataFrame, group: str | None) -> list[tuple[object, pd.DataFrame]]:
    """The only group of a table, or its groups, with their rows."""
    if group is None:
        return [(ALL, data)]
    return [(name, data[data[group] == name]) for name in data[group].unique()]
