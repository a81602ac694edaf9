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

from mlteach.core.columns import check_labels, cluster_codes, names_of, table_with
from mlteach.core.long_table import group_of_clusters, numeric_values
from mlteach.core.notes import left_out_note
from mlteach.core.patterns import patterns_of
from mlteach.errors import DataError, DataWarning, ModelError, warn

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
    def N(self) -> int:
        """Rows that count."""
        return sum(len(part.codes) for part in self.parts)

    @property
    def J(self) -> int:
        """Clusters."""
        return sum(len(part.labels) for part in self.parts)

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
    variables = _names(variables)
    others = [cluster, *(name for name in (group, position) if name is not None)]
    data = table_with(data, [*variables, *others], "the multigroup model")
    twice = [name for name in (*variables, *others) if (*variables, *others).count(name) > 1]
    if twice:
        raise ModelError(f"Column '{twice[0]}' has two roles in the model; it can have one.")
    for name in others:
        check_labels(data[name], name)
    columns = list(numeric_values(data, variables).T)
    table, columns, notes = _rows_that_count(data[others], columns, variables)
    Y, offset, scale = _standardised(columns, variables)
    of_group, groups = (np.zeros(len(Y), int), (ALL,)) if group is None else _factor(table[group])
    cells, positions = (
        (np.zeros(len(Y), int), ()) if position is None else _factor(table[position], in_order=True)
    )
    codes, labels = cluster_codes(table[cluster], cluster)
    of_cluster = group_of_clusters(codes, labels, of_group, cluster, group)
    if position is not None:
        _check_positions(codes, labels, cells, positions, cluster, position)
    parts = []
    for k in range(len(groups)):
        at, own = np.flatnonzero(of_group == k), np.flatnonzero(of_cluster == k)
        number = np.searchsorted(own, codes[at])
        parts.append(GroupRows(Y[at], number, cells[at], labels[own], table.index[at]))
    result = MultigroupData(
        variables, cluster, group, position, groups, positions, offset, scale,
        tuple(parts), tuple(notes),
    )  # fmt: skip
    for part, name in zip(parts, groups, strict=True):
        _check_group(result, part, "" if group is None else f" in group {name!r}")
    return result


# ------------------------------------------------------------------------------------------ columns


def _names(variables: Sequence[str]) -> tuple:
    variables = tuple(names_of(variables, "variables"))
    if not variables:
        raise ModelError("variables= is empty; name at least one column.")
    return variables


def _rows_that_count(ids: pd.DataFrame, columns: list, variables: tuple):
    """Ids and columns of the rows that have an id and a value, and notes on the rest."""
    missing = [np.isnan(y) for y in columns]
    empty = np.logical_and.reduce(missing)
    no_id = {name: ids[name].isna().to_numpy() for name in ids}
    unknown = np.logical_or.reduce(list(no_id.values()))
    keep = ~(empty | unknown)
    notes = []
    if unknown.any():
        counts = {name: int(mask.sum()) for name, mask in no_id.items()}
        notes.append(left_out_note(int(unknown.sum()), len(ids), counts))
        warn(notes[0], DataWarning)
    if empty.any():
        notes.append(
            f"{empty.sum()} of {len(ids)} rows have no value of any variable and tell nothing."
        )
    if not keep.any():
        raise DataError("No row has a value of a variable, a cluster and a group.")
    counts = [f"{name} ({m[keep].sum()})" for name, m in zip(variables, missing, strict=True)]
    counts = [text for text in counts if not text.endswith("(0)")]
    if counts:
        notes.append(
            f"Missing values in the rows that count: {', '.join(counts)}. They are taken as "
            "missing at random (full information maximum likelihood)."
        )
        patterns = len(patterns_of(~np.column_stack(missing)[keep])[0])
        if patterns > MANY_PATTERNS:
            notes.append(f"The rows have {patterns:,} patterns of missing values.")
    if keep.all():
        return ids, columns, notes
    return ids[keep], [y[keep] for y in columns], notes


def _standardised(columns: list, variables: tuple) -> tuple[np.ndarray, ...]:
    """Columns with mean 0 and standard deviation 1 (N, p), and what their units were."""
    offset, scale = np.empty(len(columns)), np.empty(len(columns))
    for v, y in enumerate(columns):
        here = y if np.isfinite(y.sum()) else y[~np.isnan(y)]
        if not len(here):
            raise DataError(
                f"Variable '{variables[v]}' has no value at all. Leave it out of the model."
            )
        offset[v], scale[v] = here.mean(), here.std() or 1.0
    return (np.column_stack(columns) - offset) / scale, offset, scale


def _factor(values: pd.Series, *, in_order: bool = False) -> tuple[np.ndarray, tuple]:
    """Codes and labels; sorted, or words in their order of appearance (pre, post)."""
    words = in_order and not pd.api.types.is_numeric_dtype(values.dtype)
    ordered = isinstance(values.dtype, pd.CategoricalDtype)
    codes, labels = pd.factorize(values, sort=not words or ordered)
    return codes, tuple(labels.tolist())


# ----------------------------------------------------------------------------------- the structure


def _check_positions(codes, labels, cells, positions, cluster: str, position: str) -> None:
    seen, count = np.unique(codes * len(positions) + cells, return_counts=True)
    if (count > 1).any():
        at = int(seen[count > 1][0])
        where = labels.tolist()[at // len(positions)]
        raise DataError(
            f"Cluster {where!r} of '{cluster}' has {count.max()} rows at {position} ="
            f" {positions[at % len(positions)]!r}; a position is taken once a cluster."
        )
    if len(positions) < 2:
        raise DataError(f"Column '{position}' has one value only; positions need two or more.")


def _check_group(data: MultigroupData, part: GroupRows, where: str) -> None:
    """Refuse data that cannot tell Within from Between, or one variable from others."""
    Y, codes, cells, labels, _ = part
    J = len(labels)
    if J < 2:
        raise DataError(
            f"There is one cluster only{where} ({labels.tolist()[0]!r}): a variance between "
            "clusters needs at least two."
        )
    here = ~np.isnan(Y)
    for v, name in enumerate(data.variables):
        values, own = Y[here[:, v], v], cells[here[:, v]]
        if not len(values):
            raise DataError(f"Variable '{name}' has no value{where}. Leave the group out.")
        if values.min() == values.max():
            raise DataError(f"Variable '{name}' is constant{where}: it has no variance.")
        if data.positions:
            _check_at_positions(name, values, own, data, where)
        _check_separable(name, values, codes[here[:, v]], J, where, bool(data.positions))
    for a in range(len(data.variables)):
        for b in range(a):
            if not (here[:, a] & here[:, b]).any():
                raise DataError(
                    f"'{data.variables[b]}' and '{data.variables[a]}' are never observed in the "
                    f"same row{where}: their covariance within clusters is unknown."
                )
    _check_collinear(Y, cells if data.positions else codes, data.variables, where)


def _check_at_positions(name, values, cells, data: MultigroupData, where: str) -> None:
    """Each position has a mean and a variance of its own: it must have values that differ."""
    for c, position in enumerate(data.positions):
        own = values[cells == c]
        if not len(own) or own.min() == own.max():
            what = "is constant" if len(own) else "has no value"
            raise DataError(
                f"Variable '{name}' {what} at {data.position} = {position!r}{where}: its mean and "
                "variance there are unknown. Leave the position out."
            )


def _check_separable(name, values, codes, J: int, where: str, by_position: bool) -> None:
    n = np.bincount(codes, minlength=J)
    if n.max() < 2:
        raise DataError(
            f"No cluster{where} has two values of '{name}': the variances within and between "
            "clusters cannot be told apart."
        )
    if by_position:
        return
    means = (np.bincount(codes, values, J) / np.maximum(n, 1))[n > 0]
    of_cluster = np.cumsum(n > 0) - 1
    if np.abs(values - means[of_cluster[codes]]).max() <= ROUNDING:
        raise DataError(
            f"Variable '{name}' does not vary within clusters{where}: it belongs to the cluster "
            "and has no variance within."
        )
    if len(means) < 2:
        raise DataError(
            f"Variable '{name}' is observed in one cluster only{where}: its variance between "
            "clusters is unknown."
        )
    if means.max() - means.min() <= ROUNDING:
        raise DataError(
            f"Variable '{name}' has the same mean in every cluster{where}: it was centred within "
            "clusters and has no part between. Take the variable as it was."
        )


def _check_collinear(Y: np.ndarray, codes: np.ndarray, variables: tuple, where: str) -> None:
    """Refuse a variable that is a combination of others inside clusters (or positions)."""
    rows = ~np.isnan(Y).any(axis=1)
    Y, codes = Y[rows], codes[rows]
    n = np.maximum(np.bincount(codes), 1)
    means = np.stack([np.bincount(codes, y) / n for y in Y.T], axis=1)
    deviation = Y - means[codes]
    S = deviation.T @ deviation
    if len(variables) < 2 or len(Y) - np.sum(n > 0) <= len(variables) or (np.diag(S) <= 0).any():
        return
    R = S / np.sqrt(np.outer(np.diag(S), np.diag(S)))
    for v in range(1, len(variables)):
        left = 1.0 - R[v, :v] @ np.linalg.lstsq(R[:v, :v], R[:v, v], rcond=None)[0]
        if left < COLLINEAR:
            raise DataError(
                f"Variable '{variables[v]}' is a linear combination of "
                f"{', '.join(map(repr, variables[:v]))} within clusters{where}. Leave it out."
            )
