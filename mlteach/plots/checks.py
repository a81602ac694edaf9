"""Checks of what figures are drawn from: fits, effects, columns, clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType

import numpy as np
import pandas as pd

from mlteach.core.arguments import refuse_others, whole
from mlteach.core.columns import check_labels, numbers, table_with
from mlteach.core.design import complete_in
from mlteach.core.result import as_generator
from mlteach.errors import DataError, DataWarning, ModelError, warn
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult


def need_fit(fit: object, where: str, kind: type | UnionType = MixedResult) -> object:
    """Refuse anything but a fitted mixed model, or one of the kinds that are told."""
    if not isinstance(fit, kind):
        raise ModelError(
            f"{where} needs a fitted model, such as mt.fit_mixed(...) returns; it got "
            f"{type(fit).__name__}."
        )
    return fit


def effect_names(fit: MixedResult | LocationScaleResult) -> list[str]:
    """Random effects of a fit; those of a variance function carry the prefix ``scale:``."""
    return fit.effects if isinstance(fit, LocationScaleResult) else list(fit.design.z_names)


def need_effect(fit: MixedResult | LocationScaleResult, effect: str, where: str) -> str:
    """Refuse an effect that does not vary over clusters in this model."""
    what = f"is not a random effect of '{fit.formula}', as {where} needs"
    refuse_others([effect], effect_names(fit), what, "It has")
    return effect


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
