"""Groups ready to be imputed: rows in standard units, checked, and the way back."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from mlteach.errors import DataError
from mlteach.missing.gibbs import IncompleteRows, default_prior
from mlteach.missing.patterns import group_rows, refuse_without_variation


class Group:
    """A group ready to sample: standardised rows, and what is needed to put values back.

    ``at`` are the group's rows in the table, ``y`` their values, ``codes`` their clusters (0 to
    J - 1), ``known`` the rows with at least one value, ``seen`` the clusters with such a row.
    """

    def __init__(self, label: Hashable, at: np.ndarray, y: np.ndarray, codes: np.ndarray) -> None:
        self.label, self.at, self.codes = label, at, codes
        self.centre, self.scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        self.known = ~np.isnan(y).all(axis=1)
        self.seen, seen_codes = np.unique(codes[self.known], return_inverse=True)
        self.rows = IncompleteRows(((y - self.centre) / self.scale)[self.known], seen_codes)
        self.prior = default_prior(self.rows)


def prepare(full, values, variables, cluster: str, group: str | None) -> list[Group]:
    """Check each group and sort its rows."""
    parts = []
    for label, at in group_rows(full, group):
        place = "" if group is None else f" in the group {label}"
        y, codes = values[at], pd.factorize(full[cluster].iloc[at])[0]
        refuse_without_variation(y, variables, place)
        if codes.max() < 1:
            raise DataError(f"There is a single cluster{place}: clusters cannot be told from rows.")
        _refuse_one_level(y, codes, variables, place)
        parts.append(Group(label, at, y, codes))
    return parts


def _refuse_one_level(y, codes, variables, place: str) -> None:
    """Refuse variables whose variances within and between clusters cannot be told apart."""
    for name, column in zip(variables, y.T, strict=True):
        seen = ~np.isnan(column)
        grouped = pd.Series(column[seen]).groupby(codes[seen])
        spread = grouped.max() - grouped.min()
        if (grouped.size() < 2).all() or len(spread) < 2:
            raise DataError(
                f"'{name}' is observed{place} in {len(spread)} clusters, at most "
                f"{grouped.size().max()} times in one: variances within and between clusters "
                "cannot be told apart."
            )
        if (spread == 0.0).all():
            raise DataError(
                f"'{name}' is constant within every cluster{place}: it is a variable of clusters, "
                "and only variables of rows can be imputed."
            )
