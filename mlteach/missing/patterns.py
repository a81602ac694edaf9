"""Missing values: which variables are missing together, how often, and where.

A pattern is the set of variables that a row has. Whether a value is missing may depend on nothing
(missing completely at random, MCAR), on values that are observed (at random, MAR), or on the
missing value itself (not at random); the data can speak against the first only (Rubin 1976).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, check_labels, names_of, table_with
from mlteach.core.long_table import numeric_values
from mlteach.core.patterns import patterns_of
from mlteach.errors import DataError, shown

# The one group of data that are not divided into groups.
ALL = "all"
COUNTS = ("missing", "rows", "share")


@checked
def missing_patterns(
    data: pd.DataFrame, variables: str | Sequence[str], *, group: str | None = None
) -> pd.DataFrame:
    """Count the rows of each pattern of observed and missing values.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    variables : str or sequence of str
        Columns of any type; None, NaN, NaT and pd.NA count as missing.
    group : str, optional
        Column of groups, to count in each of them too.

    Returns
    -------
    DataFrame
        One row a pattern, those with fewer missing variables and more rows first. Columns: the
        variables (True where observed), ``missing`` (how many of them are not), ``rows``, ``share``
        of all rows; for each group g ``rows[g]`` and ``share[g]``, the share of its own rows.

    Raises
    ------
    DataError
        If a column is not in the data or named twice, the table has no rows, or a row has no group.

    Examples
    --------
    >>> import mlteach as mt, numpy as np
    >>> hsb = mt.load("hsb")
    >>> hsb["math"] = hsb["math"].where(hsb["ses"] > -1)
    >>> table = mt.missing_patterns(hsb, ["math", "ses"], group="sector")
    >>> table[["math", "ses", "rows", "share[Catholic]", "share[Public]"]].round(3)
              math   ses  rows  share[Catholic]  share[Public]
    pattern
    1         True  True  6428            0.931          0.859
    2        False  True   757            0.069          0.141

    References
    ----------
    Rubin (1976), Biometrika 63(3), doi:10.1093/biomet/63.3.581.
    """
    data = as_table(data)
    variables = check_variables(data, variables, "missing_patterns", group)
    reserved = [name for name in variables if name in COUNTS]
    if reserved:
        raise DataError(
            f"The table of patterns has a column '{reserved[0]}' of its own: rename the variable."
        )
    masks, number = patterns_of(data[variables].notna().to_numpy())
    table = pd.DataFrame(masks, columns=variables)
    table["missing"], table["rows"] = (~masks).sum(axis=1), np.bincount(number)
    table["share"] = table["rows"] / len(data)
    for label, rows in [] if group is None else group_rows(data, group):
        count = np.bincount(number[rows], minlength=len(masks))
        table[f"rows[{label}]"], table[f"share[{label}]"] = count, count / len(rows)
    # The fewer missing variables and the more rows, the earlier.
    order = ["missing", "rows", *variables]
    table = table.sort_values(order, ascending=[name == "missing" for name in order])
    return table.set_index(pd.RangeIndex(1, len(table) + 1, name="pattern"))


# ------------------------------------------------------------------------------------ reading data


def check_variables(
    data: pd.DataFrame, variables: Sequence[str], where: str, group: str | None, *others: str
) -> list[str]:
    """Names of the variables as a list, each of them once in the data and none an other column.

    Raises
    ------
    DataError
    """
    variables = names_of(variables, "variables")
    if not variables:
        raise DataError(f"{where} got no variables.")
    columns = [*variables, *others, *([] if group is None else [group])]
    table_with(data, columns, where)
    twice = [name for k, name in enumerate(columns) if name in columns[:k]]
    if twice:
        raise DataError(f"{where} got the column '{twice[0]}' more than once.")
    if data.empty:
        raise DataError(f"{where}: the table has no rows.")
    return variables


def group_rows(data: pd.DataFrame, group: str | None) -> list[tuple[Hashable, np.ndarray]]:
    """Label and row positions of each group, in sorted order; one group "all" without a column.

    Raises
    ------
    DataError
        If a row has no group.
    """
    if group is None:
        return [(ALL, np.arange(len(data)))]
    refuse_missing(data, group)
    check_labels(data[group], group)
    codes, labels = pd.factorize(data[group], sort=True)
    return [(label, np.flatnonzero(codes == k)) for k, label in enumerate(labels)]


def refuse_missing(data: pd.DataFrame, column: str) -> None:
    """Refuse a column of clusters or groups that has missing values.

    Raises
    ------
    DataError
    """
    missing = data[column].isna()
    if missing.any():
        raise DataError(
            f"'{column}' is missing in {missing.sum()} of {len(data)} rows (the first is row "
            f"{shown(data.index[missing.argmax()])}): a row must belong somewhere. Leave these "
            f"rows out, for example by data.dropna(subset=['{column}'])."
        )


def incomplete_values(data: pd.DataFrame, variables: list[str], where: str) -> np.ndarray:
    """Numeric columns as floats, NaN where missing, shape (N, p).

    Raises
    ------
    DataError
        If a column is not numeric, infinite somewhere, missing everywhere, or constant.
    """
    for name in variables:
        if pd.api.types.is_bool_dtype(data[name]):
            raise DataError(
                f"{where}: '{name}' is true or false, and a normal model imputes numbers. Code it "
                "as 0 and 1 if that is meant."
            )
        if isinstance(data[name].dtype, pd.CategoricalDtype):
            raise DataError(
                f"{where}: '{name}' is of type category, and a normal model imputes numbers. "
                "Make one column of 0 and 1 for each level but one, missing where it is missing, "
                "or leave it out."
            )
    return numeric_values(data, variables)


def refuse_without_variation(values: np.ndarray, variables: list[str], place: str) -> None:
    """Refuse variables that have no value at all, or a single one.

    Raises
    ------
    DataError
    """
    for name, column in zip(variables, values.T, strict=True):
        seen = column[~np.isnan(column)]
        if not len(seen):
            raise DataError(f"'{name}' has no observed value{place}.")
        if (seen == seen[0]).all():
            raise DataError(
                f"'{name}' has the single value {seen[0]:g}{place}: it has no variance. Leave it "
                "out."
            )
