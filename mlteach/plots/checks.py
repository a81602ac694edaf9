"""What figures are drawn from, checked: fits, effects, columns, clusters and their groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType

import numpy as np
import pandas as pd

from mlteach.core.arguments import refuse_others, whole
from mlteach.core.columns import check_labels, numbers, table_with
from mlteach.core.design import complete_in
from mlteach.core.palette import PALETTE
from mlteach.core.result import as_generator
from mlteach.errors import DataError, DataWarning, ModelError, warn
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.look import DASHES, SERIES
from mlteach.plots.words import label

Fits = MixedResult | Sequence[MixedResult] | Mapping[str, MixedResult]


def need_fit(fit: object, where: str, kind: type | UnionType = MixedResult) -> object:
    """Refuse anything but a fitted mixed model, or one of the kinds that are told."""
    if not isinstance(fit, kind):
        raise ModelError(
            f"{where} needs a fitted model, such as mt.fit_mixed(...) returns; it got "
            f"{type(fit).__name__}."
        )
    return fit


def need_effects(fit: MixedResult | LocationScaleResult, where: str, *effects: str) -> list[str]:
    """Names of the random effects of a fit, which must have these.

    Those of a variance function carry the prefix ``scale:``.

    Raises
    ------
    ModelError
        If an effect does not vary over the clusters of the fit.
    """
    names = fit.effects if isinstance(fit, LocationScaleResult) else list(fit.design.z_names)
    what = f"is not a random effect of '{fit.formula}', as {where} needs"
    refuse_others(effects, names, what, "It has")
    return names


def named_fits(
    fits: object, where: str, kind: type | UnionType = MixedResult
) -> dict[str, MixedResult | LocationScaleResult]:
    """One fit, a list or a dict of fits of a kind, as a dict from name to fit."""
    if isinstance(fits, MixedResult | LocationScaleResult):
        fits = {"": fits}
    elif isinstance(fits, Sequence) and not isinstance(fits, str):
        fits = {f"Model {k}": fit for k, fit in enumerate(fits, start=1)}
    if not isinstance(fits, Mapping):
        raise ModelError(
            f"{where} takes a fit, a list of fits or a dict from name to fit; it got "
            f"{type(fits).__name__}."
        )
    if not fits:
        raise ModelError(f"{where} got no fit at all.")
    return {str(name): need_fit(fit, where, kind) for name, fit in fits.items()}


def complete_rows(
    data: pd.DataFrame, numeric: Sequence[str], cluster: str, where: str
) -> pd.DataFrame:
    """The rows without a missing value in the columns of the figure, numbers as floats.

    Raises
    ------
    DataError
        If a column is missing, not numeric or infinite, or if no row is complete.
    """
    columns = [*numeric, cluster]
    data = table_with(data, columns, where)
    if len(set(columns)) < len(columns):
        raise DataError(f"{where} needs different columns; it got {', '.join(map(str, columns))}.")
    check_labels(data[cluster], cluster)
    rows, note = complete_in(data, columns)
    if note:
        warn(f"{where}: {note}", DataWarning)
    return rows[columns].assign(**{column: numbers(rows[column], column) for column in numeric})


def sample_clusters(ids: pd.Index, n_clusters: int | None, seed: int) -> pd.Index:
    """All clusters, or a random sample of them that the seed makes repeatable."""
    if n_clusters is None:
        return ids
    whole("n_clusters", n_clusters, 1, len(ids))
    chosen = as_generator(seed).choice(len(ids), n_clusters, replace=False)
    return ids[np.sort(chosen)]


# ----------------------------------------------------------------------------------------- groups


def cluster_groups(
    fit: MixedResult | LocationScaleResult,
    color_by: str | pd.Series | None,
    data: pd.DataFrame | None,
    where: str,
    alone: str = "",
) -> pd.Series:
    """Level-2 characteristic to colour by, as categories of text, one value a cluster of the fit.

    The Series has the name of the characteristic. Without one it has no name, and all clusters
    belong to the group ``alone``.

    Raises
    ------
    DataError
        If it is incomplete, varies within clusters, or has more values than there are colours.
    """
    if color_by is None:
        return pd.Series(alone, fit.ranef().index, dtype="category")
    name = color_by.name if isinstance(color_by, pd.Series) else color_by
    name = "group" if name is None else str(name)
    values = _level_two(fit, color_by, name, data, where).rename(name)
    check_labels(values, name)
    # Sorted, numbers before text.
    known = pd.factorize(np.asarray(values, object), sort=True)[1]
    if len(known) > len(SERIES):
        raise DataError(
            f"'{name}' has {len(known)} values in {len(values)} clusters; colours "
            f"can show {len(SERIES)}. Cut it into bands first, for example with pd.qcut."
        )
    return values.map(str).astype(pd.CategoricalDtype([str(value) for value in known]))


def _level_two(fit, color_by: str | pd.Series, name: str, data, where: str) -> pd.Series:
    """One value a cluster, from a column or a Series, complete."""
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


def group_title(
    groups: pd.Series, labels: Mapping[str, str] | None, data: pd.DataFrame | None
) -> str | None:
    """Title of a legend of groups."""
    return None if groups.name is None else label(groups.name, labels, data)


def line_looks(groups: pd.Series) -> Iterator[tuple[str, str, str, object]]:
    """Name, colour of the clusters' lines, colour and dashes of the average line of each group."""
    for k, name in enumerate(groups.cat.categories):
        color = SERIES[k][0]
        yield name, *((color, color) if name else (PALETTE["sky"], PALETTE["black"])), DASHES[k]
