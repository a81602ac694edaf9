"""Whether multigroup models can be compared: the same rows, and one a special case of the other.

A model is a partition of the elements of all groups' matrices into sets of equal ones. It is nested
in another if every set of the other lies inside one of its own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.multigroup.estimates import MultigroupEstimates


def not_comparable(a: MultigroupEstimates, b: MultigroupEstimates) -> str:
    """Say in what way two models were not fitted to the same values; empty if they were."""
    if set(a.variables) != set(b.variables):
        return (
            f"The variables differ ({', '.join(map(str, a.variables))} and "
            f"{', '.join(map(str, b.variables))}): the likelihoods are of different things."
        )
    if a.data.cluster != b.data.cluster:
        return f"The clusters differ ('{a.data.cluster}' and '{b.data.cluster}')."
    rows, other = _sorted_rows(a, a), _sorted_rows(b, a)
    if len(rows) != len(other):
        return (
            f"The models use {len(rows)} and {len(other)} rows: numbers from different rows cannot "
            "be compared. Fit both to one table, without rows that lack a cluster or a group."
        )
    values = list(a.variables)
    if not np.allclose(rows[values], other[values], rtol=0.0, atol=1e-8, equal_nan=True):
        return "The models were fitted to different values. Fit both to one table."
    if not np.array_equal(rows[a.data.cluster], other[b.data.cluster]):
        return "The models were fitted to other clusters of the same values. Fit both to one table."
    return ""


def not_nested(small: MultigroupEstimates, big: MultigroupEstimates) -> str:
    """Say why the first is no special case of the second; empty if it is."""
    if small.bounded != big.bounded:
        return "one keeps Between positive semidefinite and the other does not."
    groups = {g for fit in (small, big) for g in fit.groups}
    if len(small.groups) > 1 and set(small.groups) != groups:
        return "its groups are not those of the other."
    if small.model.positions and small.model.positions != big.model.positions:
        return "its positions are not those of the other."
    own = {}
    for key, (_, number) in big.elements.items():
        mine = _number(small, key)
        if own.setdefault(number, mine) != mine:
            return "it sets elements apart that are equal in the other."
    return ""


def _sorted_rows(fit: MultigroupEstimates, units: MultigroupEstimates) -> pd.DataFrame:
    """Values in the units of one of the fits, and clusters; sorted, since groups order the rows."""
    table = pd.DataFrame(fit.data.values, columns=list(fit.variables))[list(units.variables)]
    table = ((table - units.data.offset) / units.data.scale).round(9)
    labels = [part.labels[part.codes] for part in fit.data.parts]
    table[fit.data.cluster] = [str(label) for part in labels for label in part]
    return table.sort_values([*units.variables, fit.data.cluster], ignore_index=True)


def _number(fit: MultigroupEstimates, key: tuple) -> int:
    """Number of the free parameter behind an element; one group or cell stands for all."""
    level, left, right, position, group = key
    position = position if fit.model.positions else None
    group = group if len(fit.groups) > 1 else fit.groups[0]
    pair = sorted((left, right), key=fit.variables.index)
    return fit.elements[level, *pair, position, group][1]
