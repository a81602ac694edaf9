"""From a long table to the statistics of a multigroup model, everything checked at the door.

Values are centred and scaled over all rows. A row counts with what it has: rows without any of the
variables, without a cluster or without a group are left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from mlteach.core.columns import check_labels, cluster_codes, cluster_means, names_of, table_with
from mlteach.core.linalg import first_dependent
from mlteach.core.long_table import group_of_clusters, numeric_values
from mlteach.core.notes import left_out_note
from mlteach.core.patterns import numbered, patterns_of
from mlteach.errors import DataError, DataWarning, shown, warn

# Differences of standardised values that are rounding, and a share of variance that is.
ROUNDING, COLLINEAR = 1e-9, 1e-10
# With more than these it is the patterns that cost time, not the rows.
MANY_PATTERNS = 32
ALL = "all"  # the name of the only group where none are given


class GroupRows(NamedTuple):
    """The rows of one group that count, in the order of the table.

    Attributes
    ----------
    Y : ndarray, shape (N_g, p)
        ``(y - offset) / scale``, NaN where missing.
    codes : ndarray of int, shape (N_g,)
        Cluster of each row.
    cells : ndarray of int, shape (N_g,)
        Position of each row; zeros without.
    labels : Index
        Cluster ids of the group.
    index : Index
        Row labels of the table.
    """

    Y: np.ndarray
    codes: np.ndarray
    cells: np.ndarray
    labels: pd.Index
    index: pd.Index


@dataclass(frozen=True)
class MultigroupData:
    """Rows that count, group by group.

    Attributes
    ----------
    variables : tuple of str
    cluster, group, position : str or None
        Column names.
    groups : tuple
        Values of the group column, sorted.
    positions : tuple
        Values of the position column, numbers sorted, words as they appear; empty without.
    offset, scale : ndarray, shape (p,)
        Mean and standard deviation of each variable over all rows.
    parts : tuple of GroupRows
        One for each group.
    notes : tuple of str
        What was left out, and what is missing.
    """

    variables: tuple
    cluster: str
    group: str | None
    position: str | None
    groups: tuple
    positions: tuple
    offset: np.ndarray
    scale: np.ndarray
    parts: tuple[GroupRows, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """All rows in the units of the data, group by group, shape (N, p)."""
        return np.concatenate([part.Y for part in self.parts]) * self.scale + self.offset


def multigroup_data(
    variables: Sequence[str],
    data: pd.DataFrame,
    cluster: str,
    group: str | None = None,
    position: str | None = None,
) -> MultigroupData:
    """Read a long table.

    Parameters
    ----------
    variables : sequence of str
    data : DataFrame
        One row a member.
    cluster : str
    group, position : str, optional

    Returns
    -------
    MultigroupData

    Raises
    ------
    DataError
        Names the column, the clusters or the rows.
    """
    ids = (cluster, group, position)
    variables, ids, data = open_table(variables, data, ids, "the multigroup model")
    table, Y, notes = _rows_that_count(data[ids], numeric_values(data, variables), variables)
    offset, scale = _units(Y, variables)
    Y = (Y - offset) / scale
    of_group = cells = np.zeros(len(Y), int)
    groups, positions = (ALL,), ()
    if group is not None:
        of_group, labels = pd.factorize(table[group], sort=True)
        groups = tuple(labels.tolist())
    if position is not None:
        cells, positions = position_codes(table[position])
    codes, labels = cluster_codes(table[cluster], cluster)
    of_cluster = group_of_clusters(codes, labels, of_group, cluster, group)
    if position is not None:
        refuse_twice(table, codes, cells, cluster, position)
        if len(positions) < 2:
            raise DataError(f"Column '{position}' has one value only; positions need two or more.")
    parts = []
    for k in range(len(groups)):
        at, own = np.flatnonzero(of_group == k), np.flatnonzero(of_cluster == k)
        number = np.searchsorted(own, codes[at])
        parts.append(GroupRows(Y[at], number, cells[at], labels[own], table.index[at]))
    result = MultigroupData(
        tuple(variables), cluster, group, position, groups, positions, offset, scale,
        tuple(parts), tuple(notes),
    )  # fmt: skip
    for part, name in zip(parts, groups, strict=True):
        _check_group(result, part, "" if group is None else f" in group {name!r}")
    return result


# ------------------------------------------------------------------------------------------ columns


def open_table(
    variables: str | Sequence[str], data: object, ids: Sequence[str | None], where: str
) -> tuple[list[str], list[str], pd.DataFrame]:
    """Names of the variables, those of the columns that say who is where, and the table of both.

    Raises
    ------
    DataError
    """
    variables, (cluster, *others) = names_of(variables, "variables"), ids
    ids = [cluster, *(name for name in others if name is not None)]
    if not variables:
        raise DataError(f"{where} needs at least one variable: name a column.")
    columns = [*variables, *ids]
    data = table_with(data, columns, where)
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise DataError(f"Column '{twice[0]}' has two roles in {where}; it can have one.")
    for name in ids:
        check_labels(data[name], name)
    return variables, ids, data


def _rows_that_count(ids: pd.DataFrame, Y: np.ndarray, variables: Sequence[str]) -> tuple:
    """Ids and values of the rows that have an id and a value, and notes on the rest."""
    missing, no_id = np.isnan(Y), ids.isna()
    empty, unknown = np.logical_and.reduce([*missing.T]), no_id.any(axis=1).to_numpy()
    keep = ~(empty | unknown)
    notes = []
    if unknown.any():
        notes.append(left_out_note(int(unknown.sum()), len(ids), no_id.sum().to_dict()))
        warn(notes[0], DataWarning)
    if empty.any():
        notes.append(
            f"{empty.sum()} of {len(ids)} rows have no value of any variable and tell nothing."
        )
    if not keep.any():
        raise DataError("No row has a value of a variable, a cluster and a group.")
    if not keep.all():
        # Many times faster here than an index of rows.
        ids, Y, missing = ids[keep], Y.compress(keep, axis=0), missing.compress(keep, axis=0)
    if missing.any():
        counts = {name: np.count_nonzero(m) for name, m in zip(variables, missing.T, strict=True)}
        lacking = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
        notes.append(
            f"Missing values in the rows that count: {lacking}. They are taken as "
            "missing at random (full information maximum likelihood)."
        )
        patterns = len(patterns_of(~missing)[0])
        if patterns > MANY_PATTERNS:
            notes.append(f"The rows have {patterns:,} patterns of missing values.")
    return ids, Y, notes


def _units(Y: np.ndarray, variables: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; 1 where nothing varies."""
    units = np.empty((2, len(variables)))
    for name, y, unit in zip(variables, Y.T, units.T, strict=True):
        here = y if np.isfinite(y.sum()) else y[~np.isnan(y)]
        if not len(here):
            raise DataError(f"Variable '{name}' has no value at all. Leave it out of the model.")
        unit[:] = here.mean(), here.std() or 1.0
    return units[0], units[1]


def position_codes(values: pd.Series) -> tuple[np.ndarray, tuple]:
    """Codes and labels: numbers sorted, categories in order, words as they appear (pre, post)."""
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    ordered = numeric or isinstance(values.dtype, pd.CategoricalDtype)
    codes, labels = pd.factorize(values, sort=ordered)
    return codes, tuple(labels.tolist())


def refuse_twice(
    data: pd.DataFrame, codes: np.ndarray, cells: np.ndarray, cluster: str, position: str
) -> None:
    """Refuse two rows of a cluster at one position.

    Raises
    ------
    DataError
        Names the first.
    """
    twice = pd.DataFrame({"cluster": codes, "cell": cells}).duplicated().to_numpy()
    if twice.any():
        row = data[twice].iloc[0]
        raise DataError(
            f"{twice.sum()} row(s) repeat a {position} of their {cluster}; the first is "
            f"{position} {shown(row[position])} of {cluster} {shown(row[cluster])} (row "
            f"{data.index[twice][0]}). A member stands in one row."
        )


# ----------------------------------------------------------------------------------- the structure


def _check_group(data: MultigroupData, part: GroupRows, where: str) -> None:
    """Refuse data that cannot tell Within from Between, or one variable from others."""
    Y, codes, cells, labels, _ = part
    if len(labels) < 2:
        raise DataError(
            f"There is one cluster only{where} ({labels.tolist()[0]!r}): a variance between "
            "clusters needs at least two."
        )
    here = ~np.isnan(Y)
    for v, name in enumerate(data.variables):
        values, own = Y[here[:, v], v], cells[here[:, v]]
        _check_varies(name, values, where, "group" if data.group else "variable")
        for c, position in enumerate(data.positions):
            at = f" at {data.position} = {position!r}{where}"
            _check_varies(name, values[own == c], at, "position")
        _check_separable(name, values, codes[here[:, v]], where, bool(data.positions))
    for a in range(len(data.variables)):
        for b in range(a):
            if not (here[:, a] & here[:, b]).any():
                raise DataError(
                    f"'{data.variables[b]}' and '{data.variables[a]}' are never observed in the "
                    f"same row{where}: their covariance within clusters is unknown."
                )
    _check_collinear(Y, cells if data.positions else codes, data.variables, where)


def _check_varies(name, values: np.ndarray, where: str, what: str) -> None:
    if not len(values) or values.min() == values.max():
        problem = "is constant" if len(values) else "has no value"
        raise DataError(
            f"Variable '{name}' {problem}{where}: there is no variance to estimate. Leave the "
            f"{what} out."
        )


def _check_separable(name, values, codes, where: str, by_position: bool) -> None:
    _, codes = numbered(codes)
    n = np.bincount(codes)
    if n.max() < 2:
        raise DataError(
            f"No cluster{where} has two values of '{name}': the variances within and between "
            "clusters cannot be told apart."
        )
    if by_position:
        return
    means = np.bincount(codes, values) / n
    if np.abs(values - means[codes]).max() <= ROUNDING:
        raise DataError(
            f"Variable '{name}' does not vary within clusters{where}: it belongs to the cluster "
            "and has no variance within."
        )
    if len(means) < 2:
        raise DataError(
            f"Variable '{name}' is observed in one cluster only{where}: its variance between "
            "clusters is unknown."
        )
    if np.ptp(means) <= ROUNDING:
        raise DataError(
            f"Variable '{name}' has the same mean in every cluster{where}: it was centred within "
            "clusters and has no part between. Take the variable as it was."
        )


def _check_collinear(Y: np.ndarray, codes: np.ndarray, variables: tuple, where: str) -> None:
    """Refuse a variable that is a combination of others inside clusters (or positions)."""
    rows = ~np.isnan(Y).any(axis=1)
    if rows.sum() <= len(variables):
        return
    Y, (_, codes) = Y[rows], numbered(codes[rows])
    deviation = Y - cluster_means(Y, codes)[codes]
    S = deviation.T @ deviation
    if len(Y) - codes.max() - 1 <= len(variables) or (np.diag(S) <= 0).any():
        return
    dependent = first_dependent(S / np.sqrt(np.outer(np.diag(S), np.diag(S))), COLLINEAR)
    if dependent is not None:
        raise DataError(
            f"Variable '{variables[dependent]}' is a linear combination of "
            f"{', '.join(map(repr, variables[:dependent]))} within clusters{where}. Leave it out."
        )
