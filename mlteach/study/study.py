"""Simulation studies: draw a data set from a known model, analyse it, repeat, and look at the rest.

A study needs two functions, ``draw(rng) -> data`` and ``analyse(data) -> table``. Replication k has
a random generator of its own, the k-th child of the study's seed. So its data depend on the seed
and on k only: not on the order of the replications, on how many follow, or on the process in
which they run. With a table of conditions, ``draw`` also takes the settings of a row, and the
generator is the child with the numbers of the condition and of the replication.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, is_whole, whole
from mlteach.core.progress import Progress
from mlteach.errors import ModelError
from mlteach.study.batches import Batch, Plan, all_estimates, replication_rng, to_do
from mlteach.study.store import open_store
from mlteach.study.summary import in_order, summarise
from mlteach.study.workers import check_cluster, run_batches

if TYPE_CHECKING:
    from distributed import Client


# Small enough to lose, large enough for its costs: a message to a process, a file.
MOST_IN_A_BATCH = 25


@dataclass(frozen=True)
class Study:
    """What a simulation study gave.

    Attributes
    ----------
    estimates : DataFrame
        One row a parameter and replication, indexed by ``condition`` (if there are conditions),
        ``replication`` and the index of the table that ``analyse`` returned; columns estimate, se,
        lower, upper, and any others it had.
    failures : Series
        What went wrong, in words, by condition and replication; empty if nothing did.
    replications : int
        How many were asked for in each condition; those with estimates and those that failed.
    seed : int
    conditions : DataFrame or None
        The table of conditions.
    """

    estimates: pd.DataFrame
    failures: pd.Series
    replications: int
    seed: int
    conditions: pd.DataFrame | None = None

    @checked
    def summary(self, truth: pd.Series) -> pd.DataFrame:
        """Bias, spread, standard errors and coverage of each parameter: :func:`summarise`."""
        return summarise(self.estimates, truth)

    @checked
    def rng(self, replication: int, condition: int | None = None) -> np.random.Generator:
        """Generator of a replication: ``draw(study.rng(7))`` draws its data again."""
        return replication_rng(self.seed, replication, condition)

    def __repr__(self) -> str:
        grid = "" if self.conditions is None else f"{len(self.conditions)} conditions of "
        return (
            f"<Study: {grid}{self.replications} replications from seed {self.seed}, "
            f"{len(self.failures)} failed>"
        )


@checked
def run_study(
    draw: Callable[..., Any],
    analyse: Callable[[Any], pd.DataFrame],
    replications: int,
    seed: int,
    *,
    conditions: pd.DataFrame | None = None,
    folder: str | os.PathLike | None = None,
    batch: int | None = None,
    workers: int = 1,
    client: Client | None = None,
    time_limit: float | None = None,
    progress: bool = True,
) -> Study:
    """Draw data sets from a known model and analyse each.

    Parameters
    ----------
    draw : callable
        Takes a ``numpy.random.Generator``, returns a data set. All its randomness must come from
        that generator.
    analyse : callable
        Takes a data set, returns a DataFrame with columns estimate, se, lower and upper and one row
        a parameter. An error of the package, a ``ConvergenceWarning``, a singular matrix or a table
        without rows makes the replication a failed one, which is counted and left out.
    replications : int
        In each condition.
    seed : int
        The same seed gives the same study; more replications leave the first ones as they are.
    conditions : DataFrame, optional
        One row a condition: the columns are arguments of ``draw``, the index numbers the
        conditions. The data of a condition depend on its number and not on its place: a part of the
        table gives a part of the study.
    folder : path, optional
        Store each batch there as soon as it is done. A second run of the same study reads what is
        there and goes on, also with more replications or conditions; of a run that is killed or
        interrupted only the batches that were being worked on are lost. One stored replication of
        each condition is run again and compared, lest two analyses of one name mix. A folder
        belongs to one study. A finished one is read and not written to.
    batch : int, optional
        Replications that are run and stored together; by default 25, or fewer in a small study.
        It changes no number.
    workers : int, default 1
        Processes. With more than one, both functions must be importable from a module: defined in a
        file and not in a notebook, bound to settings by ``functools.partial``.
    client : distributed.Client, optional
        Run on the cluster of this client of Dask instead. Its workers must have one thread each
        (``LocalCluster(threads_per_worker=1)``); functions of a notebook will do.
    time_limit : float, optional
        Seconds for a replication; one that takes longer is stopped and has failed. With more than
        one worker the process is ended if need be; on a cluster, and on Windows with one worker, a
        replication can be stopped only between steps of Python.
    progress : bool, default True
        Show a bar when it takes more than two seconds.

    Returns
    -------
    Study

    Raises
    ------
    ModelError
        If an argument or the table of ``analyse`` cannot be used, if all replications failed, if
        the folder holds another study or a damaged file, or if a replication ends its process.

    Examples
    --------
    How well does the interval of large samples cover the mean of five skewed values?

    >>> import mlteach as mt
    >>> import numpy as np, pandas as pd
    >>> def draw(rng, n=5):
    ...     return rng.exponential(size=n)
    >>> def analyse(y):
    ...     se = y.std(ddof=1) / np.sqrt(len(y))
    ...     lower, upper = y.mean() - 1.96 * se, y.mean() + 1.96 * se
    ...     row = {"estimate": y.mean(), "se": se, "lower": lower, "upper": upper}
    ...     return pd.DataFrame(row, index=["mean"])
    >>> study = mt.run_study(draw, analyse, replications=500, seed=1)
    >>> study
    <Study: 500 replications from seed 1, 0 failed>
    >>> study.summary(pd.Series({"mean": 1.0}))[["coverage", "mcse_coverage"]].round(2)
               coverage  mcse_coverage
    parameter
    mean            0.8           0.02

    And for other sizes of the sample?

    >>> sizes = pd.DataFrame({"n": [5, 20, 80]})
    >>> grid = mt.run_study(draw, analyse, 500, seed=1, conditions=sizes)
    >>> grid
    <Study: 3 conditions of 500 replications from seed 1, 0 failed>
    >>> grid.summary(pd.Series({"mean": 1.0}))["coverage"].round(2).tolist()
    [0.82, 0.89, 0.95]

    References
    ----------
    Morris, White & Crowther (2019), Statistics in Medicine 38(11), doi:10.1002/sim.8086.
    """
    plan = _plan(draw, analyse, replications, seed, conditions, time_limit)
    _check_machinery(batch, workers, client, time_limit)
    store = None if folder is None else open_store(folder, plan)
    stored = [] if store is None else list(store.batches())
    if stored:
        store.check_same_code(stored)
    total, done = len(plan.keys), set().union(*(batch.keys for batch in stored))
    size = batch or max(1, min(MOST_IN_A_BATCH, total // (4 * workers)))
    missing = to_do(plan, done, size)
    if store is not None and missing:
        store.prepare()
    ran = run_batches(plan, missing, workers=workers, client=client)
    with Progress("study", total, len(done), progress) as bar, closing(ran):
        for piece in ran:
            stored.append(piece if store is None else store.write(piece))
            bar.update(len(piece.replications))
    return _collect(stored, plan, conditions)


# ------------------------------------------------------------------------------------ the pieces


def _plan(draw, analyse, replications, seed, conditions, limit=None) -> Plan:
    replications, seed = whole("replications", replications, 1), whole("seed", seed, 0)
    grid = {None: {}} if conditions is None else _grid(conditions)
    return Plan(draw, analyse, replications, seed, grid, limit)


def _grid(conditions) -> dict[int, dict[str, Any]]:
    """Settings by number of the condition, as plain numbers and texts."""
    if not isinstance(conditions, pd.DataFrame) or not len(conditions):
        raise ModelError("conditions must be a DataFrame with one row a condition.")
    if not conditions.columns.is_unique:
        raise ModelError("conditions has two columns of one name; each names an argument of draw.")
    labels = conditions.index.tolist()
    odd = [label for label in labels if not is_whole(label) or label < 0]
    if odd or len(set(labels)) < len(labels):
        raise ModelError(
            "The index of conditions must number them: whole numbers of 0 or more, each once; it "
            f"is {labels[:5]}."
        )
    settings = conditions.rename(columns=str).to_dict("records")
    for name, value in (item for one in settings for item in one.items()):
        if not isinstance(value, int | float | str) or value != value:
            raise ModelError(
                f"conditions has {value!r} in column {name!r}; settings are numbers or texts."
            )
    return dict(zip(labels, settings, strict=True))


def _collect(batches: list[Batch], plan: Plan, conditions) -> Study:
    failures, estimates = _failures(batches, plan), all_estimates(plan, batches)
    if estimates is None:
        raise ModelError(
            f"All {len(failures)} replications failed; the first one said: {failures.iloc[0]}"
        )
    estimates.index = in_order(estimates.index)
    return Study(estimates, failures, plan.replications, plan.seed, conditions)


def _failures(batches: list[Batch], plan: Plan) -> pd.Series:
    place = list(plan.conditions).index
    found = [(batch.condition, k, text) for batch in batches for k, text in batch.failures.items()]
    found.sort(key=lambda one: (place(one[0]), one[1]))
    table = pd.DataFrame(found, columns=["condition", "replication", "failure"])
    table = table.astype({"replication": "int64", "failure": object})
    names = ["replication"] if None in plan.conditions else ["condition", "replication"]
    return table.set_index(names)["failure"]


# ----------------------------------------------------------------------------------------- checks


def _check_machinery(
    batch: int | None, workers: int, client: Client | None, time_limit: float | None
) -> None:
    whole("workers", workers, 1)
    if time_limit is not None and not 0 < time_limit < np.inf:
        raise ModelError(f"time_limit={time_limit!r} is not a number of seconds above 0.")
    if batch is not None:
        whole("batch", batch, 1)
    if client is not None:
        if workers != 1:
            raise ModelError(
                f"workers={workers} are processes of this machine, client is a cluster: give one."
            )
        check_cluster(client)
