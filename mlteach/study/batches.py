"""The replications of a simulation study, in batches.

A batch is a few replications of one condition. Each replication has a random generator of its own,
the child of the study's seed with the number of the replication, or with the numbers of the
condition and of the replication. So what comes out of a batch depends on nothing but the plan and
these numbers: not on the order of the batches, on their size, or on the process that runs them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mlteach.errors import ConvergenceWarning, MLTeachError, ModelError
from mlteach.study.limit import TooLong, limited

REQUIRED = ("estimate", "se", "lower", "upper")
# What counts as a failed fit. Any other error is a mistake in the study and ends it.
FAILURES = (MLTeachError, ConvergenceWarning, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Plan:
    """What is to be replicated.

    Attributes
    ----------
    draw, analyse : callable
    replications, seed : int
    conditions : mapping of int to dict
        The arguments of ``draw`` in each condition, by its number; ``{None: {}}`` where there is
        one condition only.
    limit : float, optional
        Seconds for a replication; one that takes longer has failed.
    """

    draw: Callable
    analyse: Callable
    replications: int
    seed: int
    conditions: Mapping[int | None, dict[str, Any]]
    limit: float | None = None

    @property
    def keys(self) -> set[tuple]:
        """Condition and number of each replication."""
        return {(condition, k) for condition in self.conditions for k in range(self.replications)}


@dataclass(frozen=True)
class Batch:
    """Replications of one condition: what is asked for, and afterwards what came of it.

    Attributes
    ----------
    condition : int or None
    replications : tuple of int
    estimates : DataFrame or None
        Rows replication by parameter; None before the batch has run, and if all failed.
    failures : dict
        What went wrong, in words, by replication.
    """

    condition: int | None
    replications: tuple[int, ...]
    estimates: pd.DataFrame | None = None
    failures: Mapping[int, str] | None = None

    @property
    def keys(self) -> set[tuple]:
        """Condition and number of each replication."""
        return {(self.condition, k) for k in self.replications}

    def only(self, wanted: set[int]) -> Batch:
        """The part of a batch that has run with these replications."""
        kept = tuple(k for k in self.replications if k in wanted)
        if kept == self.replications:
            return self
        failures = {k: text for k, text in self.failures.items() if k in wanted}
        estimates = self.estimates
        if estimates is not None:
            rows = estimates.index.get_level_values("replication").isin(kept)
            estimates = estimates[rows] if rows.any() else None
        return Batch(self.condition, kept, estimates, failures)


def replication_rng(
    seed: int, replication: int, condition: int | None = None
) -> np.random.Generator:
    """Random generator of one replication, the child of the seed with that number.

    In a study with several conditions, the child with the numbers of condition and replication.
    """
    key = (replication,) if condition is None else (condition, replication)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def to_do(plan: Plan, done: set[tuple], size: int) -> list[Batch]:
    """Batches of at most ``size`` replications that are not among the ``keys`` that are done."""
    batches = []
    for condition in plan.conditions:
        left = [k for k in range(plan.replications) if (condition, k) not in done]
        parts = (tuple(left[i : i + size]) for i in range(0, len(left), size))
        batches += [Batch(condition, part) for part in parts]
    return batches


def run_batch(plan: Plan, batch: Batch, tell: Callable[[int], object] = lambda k: None) -> Batch:
    """Run one batch; ``tell`` is told the number of each replication before it begins."""
    draw = partial(plan.draw, **plan.conditions[batch.condition])
    tables, failures = {}, {}
    for k in batch.replications:
        rng = replication_rng(plan.seed, k, batch.condition)
        tell(k)
        try:
            with limited(plan.limit), warnings.catch_warnings():
                warnings.simplefilter("error", ConvergenceWarning)
                table = plan.analyse(draw(rng))
        except FAILURES as failure:
            failures[k] = f"{type(failure).__name__}: {failure}"
        except TooLong:
            failures[k] = too_long(plan.limit)
        except Exception as error:
            error.add_note(where(plan, batch.condition, k))
            raise
        else:
            if isinstance(table, pd.DataFrame) and table.empty:
                failures[k] = "analyse returned a table without rows"
            else:
                tables[k] = table
                _check_table(table, next(iter(tables.values())), where(plan, batch.condition, k))
    return Batch(batch.condition, batch.replications, _stack(tables), failures)


def too_long(limit: float) -> str:
    """What is said of a replication that has been stopped."""
    return f"{TooLong.__name__}: it took more than {limit:g} seconds"


def is_too_long(failure: str) -> bool:
    """Whether that was said."""
    return failure.startswith(f"{TooLong.__name__}:")


def where(plan: Plan, condition: int | None, k: int) -> str:
    """Which replication it was, and how to draw its data again."""
    numbers = [plan.seed, k] if condition is None else [plan.seed, k, condition]
    rng = f"replication_rng({', '.join(map(str, numbers))})"
    settings = [f"{name}={value!r}" for name, value in plan.conditions[condition].items()]
    return (
        f"This happened in replication {k}{of_condition(condition)}; "
        f"draw({', '.join([rng, *settings])}) draws its data again, after `from {__name__} import "
        "replication_rng`."
    )


def of_condition(condition: int | None) -> str:
    """Which condition, behind the number of a replication."""
    return "" if condition is None else f" of condition {condition}"


def _stack(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame | None:
    if not tables:
        return None
    first = next(iter(tables.values())).index
    default = ["parameter"] if first.nlevels == 1 else [f"level_{k}" for k in range(first.nlevels)]
    names = [a or b for a, b in zip(first.names, default, strict=True)]
    return _plain_columns(pd.concat(tables, names=["replication", *names]))


def all_estimates(plan: Plan, batches: Sequence[Batch]) -> pd.DataFrame | None:
    """Rows by condition and replication, parameters as they are: batches end in any order."""
    full = [batch for batch in batches if batch.estimates is not None]
    for batch in full:
        index = batch.estimates.index
        place = where(plan, batch.condition, int(index.get_level_values("replication")[0]))
        _check_levels(index.names[1:], full[0].estimates.index.names[1:], place)
    tables = {}
    for condition in plan.conditions:
        own = [batch.estimates for batch in full if batch.condition == condition]
        if own:
            table = pd.concat(own)
            order = np.argsort(table.index.get_level_values("replication"), kind="stable")
            tables[condition] = table.iloc[order]
    if not tables:
        return None
    return _plain_columns(
        tables[None] if None in tables else pd.concat(tables, names=["condition"])
    )


def _plain_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers, where a column that some tables lack has become one of objects."""
    for name in table.columns:
        if pd.api.types.is_object_dtype(table[name]) and all(
            isinstance(v, bool | int | float | np.number) for v in table[name]
        ):
            table[name] = table[name].astype(float)
    return table


def _check_table(table, first: pd.DataFrame, place: str) -> None:
    """Refuse what cannot be added up over replications, as soon as it appears."""
    columns = table.columns if isinstance(table, pd.DataFrame) else ()
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ModelError(
            f"analyse must return a DataFrame with the columns {', '.join(REQUIRED)}; it returned "
            f"a {type(table).__name__} without {', '.join(missing)}. {place}"
        )
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise ModelError(f"The table of analyse has two columns {twice!r}. {place}")
    odd = [name for name in REQUIRED if table[name].dtype.kind not in "biuf"]
    if odd:
        raise ModelError(
            f"Column {odd[0]!r} of the table of analyse is of type {table[odd[0]].dtype} and must "
            f"be of numbers, NaN where there is none. {place}"
        )
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise ModelError(
            f"The table of analyse has more than one row {twice!r}: its index must name each "
            f"parameter once. {place}"
        )
    _check_levels(table.index.names, first.index.names, place)


def _check_levels(names: Sequence, before: Sequence, place: str) -> None:
    """The index of all tables must have the same names."""
    if list(names) != list(before):
        raise ModelError(
            f"The table of analyse has an index with the names {list(names)} here and "
            f"{list(before)} in a replication before. {place}"
        )
