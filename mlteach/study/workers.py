"""Where the batches of a study run: here, in processes of this machine, or on a cluster.

A process says which replication it begins. So one that ends its process can be named, and one that
does not come back, because it waits outside of Python, can be ended from here. An interruption ends
the processes at once; batches that are done have been handed over.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from mlteach.errors import ModelError
from mlteach.study.batches import Batch, Plan, run_batch, too_long, where

if TYPE_CHECKING:
    from distributed import Client

# Seconds that a process has to stop a replication by itself before it is ended.
GRACE = 2.0


def run_batches(
    plan: Plan, batches: Sequence[Batch], *, workers: int, client: Client | None
) -> Iterator[Batch]:
    """Yield each batch when it has run, in any order."""
    if client is not None:
        return _on_cluster(plan, batches, client)
    if workers > 1:
        return _in_processes(plan, batches, workers)
    return (run_batch(plan, batch) for batch in batches)


# -------------------------------------------------------------------------------------- processes


class _Worker:
    """A process that starts afresh (the same on every system, and safe beside threads)."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, plan), daemon=True)
        self.process.start()
        theirs.close()
        self.batch: Batch | None = None
        self.replication: int | None = None
        self.since = time.monotonic()

    def give(self, batch: Batch) -> None:
        """Hand over a batch to run."""
        self.batch = batch
        self.connection.send(batch)

    def late(self, limit: float | None) -> bool:
        """Whether its replication should have ended long ago."""
        if limit is None or self.replication is None:
            return False
        return time.monotonic() - self.since > limit + GRACE

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _work(connection: Connection, plan: Plan) -> None:
    """What a process does: batch after batch, until it is ended."""
    # An interruption from the keyboard reaches all processes; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            batch = connection.recv()
        except EOFError:
            return
        try:
            answer = run_batch(plan, batch, connection.send)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = error
        try:
            connection.send(answer)
        except Exception:
            # An error that cannot be sent is told.
            told = ModelError(f"{type(answer).__name__}: {answer}")
            told.__notes__ = list(getattr(answer, "__notes__", ()))
            connection.send(told)


def _in_processes(plan: Plan, batches: Sequence[Batch], workers: int) -> Iterator[Batch]:
    for function in (plan.draw, plan.analyse):
        _check_importable(function)
    waiting, busy = deque(batches), []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                busy.append(_Worker(plan))
                busy[-1].give(waiting.popleft())
            ready = wait([worker.connection for worker in busy], timeout=0.5)
            for worker in tuple(busy):
                done = None
                if worker.connection in ready:
                    done = _answer(plan, worker)
                elif worker.late(plan.limit):
                    done, left = _stopped(worker, plan.limit)
                    waiting.extendleft(left)
                    busy.remove(worker)
                if done is None:
                    continue
                if worker in busy and waiting:
                    worker.give(waiting.popleft())
                elif worker in busy:
                    busy.remove(worker)
                    worker.stop()
                yield done
    finally:
        for worker in busy:
            worker.stop()


def _stopped(worker: _Worker, limit: float) -> tuple[Batch, list[Batch]]:
    """End a process that hangs: its replication has failed, the others of the batch are left."""
    worker.stop()
    k, batch = worker.replication, worker.batch
    rest = tuple(other for other in batch.replications if other != k)
    failed = Batch(batch.condition, (k,), None, {k: too_long(limit)})
    return failed, [Batch(batch.condition, rest)] if rest else []


def _answer(plan: Plan, worker: _Worker) -> Batch | None:
    """The batch that a process has run; None if it has only begun another replication.

    Raises
    ------
    ModelError
        If the process has ended; and whatever ended the batch.
    """
    try:
        answer = worker.connection.recv()
    except (EOFError, ConnectionError) as error:
        worker.process.join()
        raise ModelError(_ended(plan, worker)) from error
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, Batch):
        worker.replication = None
        return answer
    worker.replication, worker.since = answer, time.monotonic()
    return None


def _ended(plan: Plan, worker: _Worker) -> str:
    code = worker.process.exitcode
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if worker.replication is None:
        return (
            f"A process of the study ended ({how}) before its first replication: run the study with"
            " workers=1 to see why."
        )
    return (
        f"A replication ended its process ({how}). "
        f"{where(plan, worker.batch.condition, worker.replication)} What was done before is kept "
        "where the study has a folder."
    )


def _check_importable(function: Callable) -> None:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__" or "<" in name:
        raise ModelError(
            f"With more than one worker, other processes must import {name}: put it into a module, "
            "outside of other functions, or use workers=1."
        )


# ---------------------------------------------------------------------------------------- cluster


def _on_cluster(plan: Plan, batches: Sequence[Batch], client: Client) -> Iterator[Batch]:
    """On a cluster of Dask. Results leave the cluster as soon as they are here."""
    from distributed import KilledWorker, as_completed

    # Pure tasks of the same name would be shared with another study of the same cluster.
    futures = client.map(partial(run_batch, plan), batches, pure=False, key="mlteach-study")
    asked = dict(zip((future.key for future in futures), batches, strict=True))
    try:
        for future in as_completed(futures):
            try:
                done = [future.result()]
            except KilledWorker:
                done = _one_by_one(plan, asked[future.key], client)
            yield from done
            future.release()
    finally:
        client.cancel(futures)


def _one_by_one(plan: Plan, batch: Batch, client: Client) -> Iterator[Batch]:
    """The replications of a batch whose worker has ended; the one that ends its worker is named.

    If there is none, they only waited at a worker that another batch ended.
    """
    from distributed import KilledWorker

    for k in batch.replications:
        alone = Batch(batch.condition, (k,))
        try:
            done = client.submit(run_batch, plan, alone, pure=False).result()
        except KilledWorker as error:
            named = f"A replication ended its worker. {where(plan, batch.condition, k)}"
            raise ModelError(named) from error
        yield done


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
