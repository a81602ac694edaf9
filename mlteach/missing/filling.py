"""Rows that are added to clusters, until all are of one size, with nothing known in them.

The wide format has as many columns as the largest cluster has members. Analyses that cannot leave
cells empty fill smaller clusters up with members that were never there, and impute their values.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import is_whole
from mlteach.errors import DataError, ModelError

ADDED = "added"


def fill_clusters(
    data: pd.DataFrame, variables: list[str], cluster: str, group: str | None, fill: int | str
) -> pd.DataFrame:
    """Append rows to clusters with fewer than ``fill`` of them.

    Parameters
    ----------
    data : DataFrame
    variables : list of str
        Missing in the new rows.
    cluster, group : str, str or None
    fill : int or "largest"
        Rows that each cluster shall have; clusters with more keep theirs.

    Returns
    -------
    DataFrame
        The data, then the new rows, marked in the column ``added``. These carry all columns that
        are constant within clusters; the others are missing there, and columns of integers or true
        and false become pandas' nullable types to hold that.

    Raises
    ------
    DataError
        If there is a column ``added`` already, a name twice, or an index of several levels.
    ModelError
        If ``fill`` is neither "largest" nor a whole number of 2 or more.
    """
    sizes = data.groupby(cluster, observed=True).size()
    target = _target(fill, sizes)
    _check_table(data)
    short = (target - sizes).clip(lower=0)
    first = pd.Series(np.arange(len(data))).groupby(data[cluster].to_numpy()).first()
    constant = [
        name
        for name in data.columns
        if name in (cluster, group) or (name not in variables and _constant(data, name, cluster))
    ]
    new = data[constant].iloc[np.repeat(first.loc[short.index].to_numpy(), short.to_numpy())]
    new.index = _labels(data.index, len(new))
    old = data.copy()
    for name in data.columns.difference(constant, sort=False):
        if data[name].dtype.kind in "iub":
            old[name] = data[name].convert_dtypes()
    out = pd.concat([old, new])
    out[ADDED] = np.arange(len(out)) >= len(data)
    out.attrs = data.attrs
    return out


def _target(fill: int | str, sizes: pd.Series) -> int:
    if fill == "largest":
        return int(sizes.max())
    if not is_whole(fill) or fill < 2:
        raise ModelError(
            f"fill={fill!r} is not known; use 'largest', or the number of rows (2 or more) that "
            "every cluster shall have."
        )
    return int(fill)


def _check_table(data: pd.DataFrame) -> None:
    if ADDED in data.columns:
        raise DataError(
            f"The data have a column '{ADDED}', which fill= needs to mark the rows it adds: rename "
            "it first."
        )
    if not data.columns.is_unique:
        twice = data.columns[data.columns.duplicated()][0]
        raise DataError(f"The data have more than one column named '{twice}'.")
    if isinstance(data.index, pd.MultiIndex):
        raise DataError("fill= adds rows to a table with one index; use data.reset_index().")


def _constant(data: pd.DataFrame, column: str, cluster: str) -> bool:
    """Whether a column has one value, or none, in each cluster."""
    try:
        values = data.groupby(cluster, observed=True)[column].nunique(dropna=False)
    except TypeError:  # lists and the like cannot be counted
        return False
    return bool((values <= 1).all())


def _labels(index: pd.Index, count: int) -> pd.Index:
    """Labels of the new rows: numbers go on, any other index gets "added 1", "added 2", ..."""
    if pd.api.types.is_integer_dtype(index.dtype):
        return pd.RangeIndex(index.max() + 1, index.max() + 1 + count, name=index.name)
    return pd.Index([f"added {k}" for k in range(1, count + 1)], name=index.name)
