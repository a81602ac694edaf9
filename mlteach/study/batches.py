"""The replications of a simulation study, in batches: here, in other processes, or on a cluster.

A batch is a few replications of one condition. Each replication has a random generator of its own,
the child of the study's seed with the number of the replication, or with the numbers of the
condition and of the replication. So what comes out of a batch depends on nothing but the plan and
these numbers: not on the order of the batches, on their size, or on the process that runs them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.errors import ConvergenceWarning, MLTeachError, ModelError

if TYPE_CHECKING:
    from distributed import Client

pd = lazy_import("pandas")

REQUIRED = ("estimate", "se", "lower", "upper")
# What counts as a failed fit. Any other error is a mistake in the study and ends it.
FAILURES = (MLTeachError, ConvergenceWarning, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Plan:
    """What is to be replicated.

    Attributes
    ----------
    draw, analyse : callable
    seed : int
    conditions : mapping of int to dict
        The arguments of ``draw`` in each condition, by its number; ``{None: {}}`` where there is
        one condition only.
    """

    draw: Callable
    analyse: Callable
    seed: int
    conditions: Mapping[int | None, dict[str, Any]]


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


def to_do(
    plan: Plan, replications: int, done: Mapping[int | None, set[int]], size: int
) -> list[Batch]:
    """Batches of at most ``size`` replications that are not done yet."""
    batches = []
    for condition in plan.conditions:
        finished = done.get(condition, set())
        left = [k for k in range(replications) if k not in finished]
        parts = (tuple(left[i : i + size]) for i in range(0, len(left), size))
        batches += [Batch(condition, part) for part in parts]
    return batches


def run_batches(
    plan: Plan, batches: Sequence[Batch], *, workers: int, client: Client | None
) -> Iterator[Batch]:
    """Yield each batch when it has run, in any order."""
    one = partial(run_batch, plan)
    if client is not None:
        return _on_cluster(one, batches, client)
    return map(one, batches) if workers == 1 else _in_processes(one, batches, workers)


def run_batch(plan: Plan, batch: Batch) -> Batch:
    """Run one batch."""
    draw = partial(plan.draw, **plan.conditions[batch.condition])
    tables, failures = {}, {}
    for k in batch.replications:
        rng = replication_rng(plan.seed, k, batch.condition)
        try:
            tables[k] = _replicate(draw, plan.analyse, rng)
        except FAILURES as failure:
            failures[k] = f"{type(failure).__name__}: {failure}"
        except Exception as error:
            error.add_note(_where(plan, batch.condition, k))
            raise
        else:
            _check_table(tables[k])
    return Batch(batch.condition, batch.replications, _stack(tables), failures)


def _replicate(draw, analyse, rng: np.random.Generator) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return analyse(draw(rng))


def _where(plan: Plan, condition: int | None, k: int) -> str:
    part, key = ("", f"{plan.seed}, {k}")
    if condition is not None:
        part, key = f" of condition {condition}", f"{key}, {condition}"
    return (
        f"This happened in replication {k}{part}; draw(mlteach.study.replication_rng({key})) draws "
        "its data again."
    )


def _stack(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame | None:
    if not tables:
        return None
    first = next(iter(tables.values())).index
    default = ["parameter"] if first.nlevels == 1 else [f"level_{k}" for k in range(first.nlevels)]
    names = [a or b for a, b in zip(first.names, default, strict=True)]
    return pd.concat(tables, names=["replication", *names])


# ------------------------------------------------------------------------------- where they run


def _in_processes(one, batches: Sequence[Batch], workers: int) -> Iterator[Batch]:
    """In processes that start afresh: the same on every system, and safe beside threads."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    plan = one.args[0]
    for function in (plan.draw, plan.analyse):
        _check_importable(function)
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting = {pool.submit(one, batch) for batch in batches}
        for future in as_completed(waiting):
            waiting.remove(future)
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(one, batches: Sequence[Batch], client: Client) -> Iterator[Batch]:
    """On a cluster of Dask. Results leave the cluster as soon as they are here."""
    from distributed import as_completed

    # Pure tasks of the same name would be shared with another study of the same cluster.
    futures = client.map(one, batches, pure=False, key="mlteach-study")
    try:
        for future in as_completed(futures):
            yield future.result()
            future.release()
    finally:
        client.cancel(futures)


def check_cluster(client: Client) -> None:
    """Refuse a cluster in which a fit that has not converged could pass for one that has."""
    threads = client.nthreads()
    if not threads:
        raise ModelError("The cluster of this client has no workers; start some, then run again.")
    most = max(threads.values())
    if most > 1:
        raise ModelError(
            f"A worker of this cluster runs {most} threads. A study needs workers of one thread, "
            "because a fit says by a warning that it has not converged, and threads share their "
            "warnings: start the cluster with threads_per_worker=1."
        )


def _check_table(table) -> None:
    columns = table.columns if isinstance(table, pd.DataFrame) else ()
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ModelError(
            f"analyse must return a DataFrame with the columns {', '.join(REQUIRED)}; it returned "
            f"a {type(table).__name__} without {', '.join(missing)}."
        )


def _check_importable(function) -> None:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__" or "<" in name:
        raise ModelError(
            f"With more than one worker, other processes must import {name}: put it into a module, "
            "outside of other functions, or use workers=1."
        )
