"""Which classification is nested in which, read off a table of memberships.

A table has one row a membership: its columns name units of several classifications, and two units
belong together if they stand in one row. The finest classification is the one with the most units,
of equals the one named last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from mlteach.core.arguments import checked
from mlteach.errors import DataError


@checked
def relations(table: pd.DataFrame, levels: Sequence[str]) -> pd.DataFrame:
    """Say how each pair of classifications in a table is related.

    Parameters
    ----------
    table : DataFrame
        One row a membership (usually: a level-1 unit).
    levels : sequence of str
        Columns that hold the units of the classifications, in any order.

    Returns
    -------
    DataFrame
        One row a pair; columns `finer`, `coarser` and `relation`: "nested" if every unit of the
        finer one belongs to one unit of the coarser, "multiple" if the finer one is the finest of
        all and some of its units belong to several, otherwise "crossed".

    Raises
    ------
    DataError
        If there are fewer than two levels, or a column is missing or has missing values.

    Examples
    --------
    >>> import mlteach as mt
    >>> relations(mt.load("language"), ["school", "class_id", "pupil"])
          finer   coarser relation
    0     pupil  class_id   nested
    1     pupil    school   nested
    2  class_id    school   nested

    References
    ----------
    Browne, Goldstein & Rasbash (2001), Statistical Modelling 1(2), 103-124,
    doi:10.1177/1471082X0100100202.
    """
    check_structure(table, levels)
    order = fine_to_coarse(table, levels)
    rows = []
    for finer, coarser in combinations(order, 2):
        if is_nested(table, finer, coarser):
            relation = "nested"
        else:
            relation = "multiple" if finer == order[0] else "crossed"
        rows.append((finer, coarser, relation))
    return pd.DataFrame(rows, columns=["finer", "coarser", "relation"])


def check_structure(table: pd.DataFrame, levels: Sequence[str]) -> None:
    """Refuse fewer than two levels, repeated ones, and columns that cannot be levels."""
    if isinstance(levels, str) or len(levels) < 2 or len(set(levels)) < len(levels):
        raise DataError(f"A structure needs two or more different levels; got {levels!r}.")
    check_columns(table, levels)


def check_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns that are missing or have missing values."""
    for column in columns:
        if column not in table:
            raise DataError(f"There is no column '{column}'. Columns: {', '.join(table.columns)}.")
        if table[column].isna().any():
            raise DataError(f"Column '{column}' has missing values: every row needs a unit there.")


def fine_to_coarse(table: pd.DataFrame, levels: Sequence[str]) -> list[str]:
    """Levels by falling number of units; of equals, the one named last first."""
    return sorted(reversed(levels), key=lambda level: -table[level].nunique())


def is_nested(table: pd.DataFrame, finer: str, coarser: str) -> bool:
    """Whether each unit of one classification belongs to one unit of the other."""
    return bool((table.groupby(finer)[coarser].nunique() == 1).all())


def arrows_to_draw(table: pd.DataFrame, levels: Sequence[str]) -> list[tuple[str, str, str]]:
    """Relations to draw: without those that follow from a chain of two others."""
    known = relations(table, levels)
    drawn = known[known.relation != "crossed"]
    kind = {(row.finer, row.coarser): row.relation for row in drawn.itertuples()}
    return [
        (finer, coarser, relation)
        for (finer, coarser), relation in kind.items()
        if not any((finer, mid) in kind and (mid, coarser) in kind for mid in levels)
    ]
