"""Clusters coloured by what they are: their groups, and the looks of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from mlteach.core.columns import check_labels, table_with
from mlteach.core.palette import PALETTE
from mlteach.errors import DataError
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.style import DASHES, SERIES
from mlteach.plots.words import label


def cluster_groups(
    fit: MixedResult | LocationScaleResult,
    color_by: str | pd.Series | None,
    data: pd.DataFrame | None,
    where: str,
    alone: str = "",
) -> pd.Series:
    """Level-2 characteristic to colour by, as categories of text, one value a cluster of the fit.

    Without one, all clusters belong to the group ``alone``.

    Raises
    ------
    DataError
        If it is incomplete, varies within clusters, or has more values than there are colours.
    """
    if color_by is None:
        return pd.Series(alone, fit.ranef().index, dtype="category")
    values = _level_two(fit, color_by, data, where)
    check_labels(values, name_of(color_by))
    # Sorted, numbers before text.
    known = pd.factorize(np.asarray(values, object), sort=True)[1]
    if len(known) > len(SERIES):
        raise DataError(
            f"'{name_of(color_by)}' has {len(known)} values in {len(values)} clusters; colours "
            f"can show {len(SERIES)}. Cut it into bands first, for example with pd.qcut."
        )
    return values.map(str).astype(pd.CategoricalDtype([str(value) for value in known]))


def _level_two(fit, color_by: str | pd.Series, data, where: str) -> pd.Series:
    """One value a cluster, from a column or a Series, complete."""
    name = name_of(color_by)
    if isinstance(color_by, pd.Series):
        values = color_by
        if values.index.has_duplicates:
            raise DataError(f"The index of '{name}' must hold each cluster once; it has repeats.")
    elif data is None:
        raise DataError(f"color_by='{name}' is a column: say of which table with data=.")
    else:
        data = table_with(data, [name, fit.cluster], where)
        for column in (name, fit.cluster):
            check_labels(data[column], column)
        grouped = data.groupby(fit.cluster, observed=True)[name]
        varying = grouped.nunique(dropna=False) > 1
        if varying.any():
            raise DataError(
                f"'{name}' varies within {varying.sum()} clusters (first: {varying.idxmax()}); "
                "color_by needs a level-2 column, constant in each cluster."
            )
        values = grouped.first()
    values = values.reindex(fit.ranef().index)
    if values.isna().any():
        raise DataError(f"'{name}' has no value for cluster {values.index[values.isna()][0]}.")
    return values


def name_of(color_by: str | pd.Series) -> str:
    """What to call the characteristic that colours."""
    if isinstance(color_by, pd.Series):
        return str(color_by.name) if color_by.name is not None else "group"
    return str(color_by)


def group_title(
    color_by: str | pd.Series | None, labels: Mapping[str, str] | None, data: pd.DataFrame | None
) -> str | None:
    """Title of a legend of groups."""
    return None if color_by is None else label(name_of(color_by), labels, data)


def line_looks(groups: pd.Series) -> Iterator[tuple[str, str, str, object]]:
    """Name, colour of the clusters' lines, colour and dashes of the average line of each group."""
    for k, name in enumerate(groups.cat.categories):
        color = SERIES[k][0]
        yield name, *((color, color) if name else (PALETTE["sky"], PALETTE["black"])), DASHES[k]
