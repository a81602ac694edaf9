"""What every reader of a long table asks of it: numbers are numbers, a cluster is in one group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.core.columns import cluster_codes, first_rows, numbers
from mlteach.errors import DataError, shown

# Cases that an error names before it says that there are more.
NAMED_CASES = 5


def numeric_values(data: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Numeric columns as floats, NaN where missing, shape (N, len(columns)).

    Parameters
    ----------
    data : DataFrame
    columns : sequence of str
        In the data.

    Returns
    -------
    ndarray

    Raises
    ------
    DataError
        If a column is not of numbers, or infinite somewhere.
    """
    return np.column_stack([numbers(data[name], name) for name in columns])


def group_of_clusters(
    codes: np.ndarray, labels: Sequence, of_group: np.ndarray, cluster: str, group: str | None
) -> np.ndarray:
    """Group of each cluster, which must be one.

    Parameters
    ----------
    codes, of_group : ndarray of int, shape (N,)
        Cluster and group of each row.
    labels : sequence, length J
        Clusters.
    cluster, group : str
        What the columns are called.

    Returns
    -------
    ndarray of int, shape (J,)

    Raises
    ------
    DataError
        Names the clusters that are in several groups.
    """
    first = of_group[first_rows(codes)]
    crossed = np.unique(codes[of_group != first[codes]])
    if len(crossed):
        names = first_few([labels[k] for k in crossed])
        raise DataError(
            f"{len(crossed)} cluster(s) of '{cluster}' are in more than one group of '{group}': "
            f"{names}. A cluster belongs to one group. If ids start again in each group, make "
            f'them unique: data["{group}"].astype(str) + "-" + data["{cluster}"].astype(str).'
        )
    return first


def check_one_group(data: pd.DataFrame, cluster: str, group: str) -> None:
    """Refuse a table in which a cluster is in several groups.

    Raises
    ------
    DataError
    """
    codes, labels = cluster_codes(data[cluster], cluster)
    of_group, _ = cluster_codes(data[group], group)
    group_of_clusters(codes, labels, of_group, cluster, group)


def first_few(values: Sequence) -> str:
    """The first few of many, as a reader writes them."""
    first = ", ".join(shown(value) for value in list(values)[:NAMED_CASES])
    return f"{first}, ..." if len(values) > NAMED_CASES else first
