"""Simulation studies: draw a data set from a known model, analyse it, repeat, and look at the rest.

A study needs two functions, ``draw(rng) -> data`` and ``analyse(data) -> table``. Replication k has
a random generator of its own, the k-th child of the study's seed. So its data depend on the seed
and on k only: not on the order of the replications, on how many follow, or on the process in
which they run. With a table of conditions, ``draw`` also takes the settings of a row, and the
generator is the child with the numbers of the condition and of the replication.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlteach.core.arguments import is_whole, whole
from mlteach.core.lazy import lazy_import
from mlteach.errors import ModelError
from mlteach.study.batches import Batch, Plan, check_cluster, replication_rng, run_batches, to_do
from mlteach.study.store import check_same_code, open_store, read_batches, write_batch

if TYPE_CHECKING:
    import os

    from distributed import Client

pd = lazy_import("pandas")

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

    def summary(self, truth: pd.Series) -> pd.DataFrame:
        """Bias, spread, standard errors and coverage of each parameter: :func:`summarise`."""
        return summarise(self.estimates, truth)

    def rng(self, replication: int, condition: int | None = None) -> np.random.Generator:
        """Generator of a replication: ``draw(study.rng(7))`` draws its data again."""
        return replication_rng(self.seed, replication, condition)

    def __repr__(self) -> str:
        grid = "" if self.conditions is None else f"{len(self.conditions)} conditions of "
        return (
            f"<Study: {grid}{self.replications} replications from seed {self.seed}, "
            f"{len(self.failures)} failed>"
        )


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
    progress: bool = False,
) -> Study:
    """Draw data sets from a known model and analyse each.

    Parameters
    ----------
    draw : callable
        Takes a ``numpy.random.Generator``, returns a data set. All its randomness must come from
        that generator.
    analyse : callable
        Takes a data set, returns a DataFrame with columns estimate, se, lower and upper and one row
        a parameter. An error of the package, a ``ConvergenceWarning`` or a singular matrix makes
        the replication a failed one, which is counted and left out.
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
        there and goes on, also with more replications or conditions; of a run that is killed only
        the batches that were being worked on are lost. A folder belongs to one study.
    batch : int, optional
        Replications that are run and stored together; by default 25, or fewer in a small study.
        It changes no number.
    workers : int, default 1
        Processes. With more than one, both functions must be importable from a module: defined in a
        file and not in a notebook, bound to settings by ``functools.partial``.
    client : distributed.Client, optional
        Run on the cluster of this client of Dask instead. Its workers must have one thread each
        (``LocalCluster(threads_per_worker=1)``); functions of a notebook will do.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Study

    Raises
    ------
    ModelError
        If an argument or the table of ``analyse`` cannot be used, if all replications failed, or if
        the folder holds another study.

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
    plan = _plan(draw, analyse, replications, seed, conditions)
    _check_machinery(batch, workers, client)
    path = None if folder is None else open_store(folder, plan)
    stored = [] if path is None else list(read_batches(path))
    if stored:
        check_same_code(path, plan, stored[0])
    stored = _wanted(stored, plan, replications)
    missing = to_do(plan, replications, _done(stored), _size(plan, replications, batch, workers))
    ran = run_batches(plan, missing, workers=workers, client=client)
    with _bar(len(plan.conditions) * replications, stored, progress) as bar:
        for piece in ran:
            stored.append(piece if path is None else write_batch(path, piece))
            bar.update(len(piece.replications))
    return _collect(stored, plan, replications, conditions)


def summarise(estimates: pd.DataFrame, truth: pd.Series) -> pd.DataFrame:
    """What a study says about each parameter, with Monte Carlo standard errors.

    Parameters
    ----------
    estimates : DataFrame
        As in :class:`Study`.
    truth : Series
        True values. Its index names parameters as ``analyse`` did; with an index of several levels
        it may leave levels out, such as the model, by using the names of the others.

    Returns
    -------
    DataFrame, one row a parameter
        true, mean, bias, sd (of the estimates), se (their mean standard error), coverage (share of
        intervals that hold the true value), the Monte Carlo standard errors mcse_bias, mcse_sd,
        mcse_se, mcse_coverage, and n, the estimates that came with an interval. An estimate
        without one, such as a variance of zero, counts in mean, bias and sd only.

    Raises
    ------
    ModelError
        If a parameter has no true value.
    """
    names = [name for name in estimates.index.names if name != "replication"]
    # Parameters stay in the order in which the analysis lists them.
    groups = estimates.groupby(level=names, sort=False)
    value, se = groups["estimate"], groups["se"]
    true = _align(truth, value.mean().index)
    of_row = true.reindex(estimates.index.droplevel("replication")).to_numpy()
    has_interval = estimates[["lower", "upper"]].notna().all(axis=1)
    inside = (estimates["lower"] <= of_row) & (of_row <= estimates["upper"])
    covered = inside.astype(float).where(has_interval).groupby(level=names, sort=False)
    count, n, coverage = value.count(), covered.count(), covered.mean()
    table = pd.DataFrame(
        {
            "true": true,
            "mean": value.mean(),
            "bias": value.mean() - true,
            "sd": value.std(),
            "se": se.mean(),
            "coverage": coverage,
            "mcse_bias": value.std() / np.sqrt(count),
            "mcse_sd": value.std() / np.sqrt(2.0 * (count - 1)),
            "mcse_se": se.std() / np.sqrt(se.count()),
            "mcse_coverage": np.sqrt(coverage * (1.0 - coverage) / n),
            "n": n,
        }
    )
    return table.set_axis(_in_order(table.index), axis=0)


# ------------------------------------------------------------------------------------ the pieces


def _plan(draw, analyse, replications, seed, conditions) -> Plan:
    whole("replications", replications, 1)
    whole("seed", seed, 0)
    return Plan(draw, analyse, int(seed), {None: {}} if conditions is None else _grid(conditions))


def _grid(conditions) -> dict[int, dict[str, Any]]:
    """Settings by number of the condition, as plain numbers and texts."""
    if not isinstance(conditions, pd.DataFrame) or not len(conditions):
        raise ModelError("conditions must be a DataFrame with one row a condition.")
    labels = conditions.index.tolist()
    odd = [label for label in labels if not is_whole(label) or label < 0]
    if odd or len(set(labels)) < len(labels):
        raise ModelError(
            "The index of conditions must number them: whole numbers of 0 or more, each once; it "
            f"is {labels[:5]}."
        )
    columns = {str(name): conditions[name].tolist() for name in conditions.columns}
    for name, values in columns.items():
        bad = [v for v in values if not isinstance(v, int | float | str) or v != v]
        if bad:
            raise ModelError(
                f"conditions has {bad[0]!r} in column {name!r}; settings are numbers or texts."
            )
    return {
        label: dict(zip(columns, row, strict=True))
        for label, row in zip(labels, zip(*columns.values(), strict=True), strict=True)
    }


def _wanted(batches: list[Batch], plan: Plan, replications: int) -> list[Batch]:
    """What of the stored batches this call asks for."""
    kept = [b.only(set(range(replications))) for b in batches if b.condition in plan.conditions]
    return [b for b in kept if b.replications]


def _done(batches: list[Batch]) -> dict[int | None, set[int]]:
    done: dict[int | None, set[int]] = {}
    for batch in batches:
        done.setdefault(batch.condition, set()).update(batch.replications)
    return done


def _size(plan: Plan, replications: int, batch: int | None, workers: int) -> int:
    total = len(plan.conditions) * replications
    return batch or max(1, min(MOST_IN_A_BATCH, total // (4 * workers)))


def _bar(total: int, stored: list[Batch], progress: bool):
    # Imported here: the bar is a notebook's or a terminal's.
    from tqdm.auto import tqdm

    done = sum(len(batch.replications) for batch in stored)
    return tqdm(total=total, initial=done, desc="study", disable=not progress, leave=False)


def _collect(batches: list[Batch], plan: Plan, replications: int, conditions) -> Study:
    failures = _failures(batches, plan)
    tables = [
        _with_condition(batch.estimates, batch.condition)
        for batch in batches
        if batch.estimates is not None
    ]
    if not tables:
        raise ModelError(
            f"All {len(failures)} replications failed; the first one said: {failures.iloc[0]}"
        )
    estimates = _sorted(pd.concat(tables), plan)
    estimates.index = _in_order(estimates.index)
    return Study(estimates, failures, replications, plan.seed, conditions)


def _with_condition(table: pd.DataFrame, condition: int | None) -> pd.DataFrame:
    return table if condition is None else pd.concat({condition: table}, names=["condition"])


def _sorted(table: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Rows by condition and replication, parameters as they are: batches end in any order."""
    keys = [table.index.get_level_values("replication").to_numpy()]
    if "condition" in table.index.names:
        place = {condition: k for k, condition in enumerate(plan.conditions)}
        keys.append(table.index.get_level_values("condition").map(place).to_numpy())
    return table.iloc[np.lexsort(keys)]


def _failures(batches: list[Batch], plan: Plan) -> pd.Series:
    place = {condition: k for k, condition in enumerate(plan.conditions)}
    found = sorted(
        (place[batch.condition], k, batch.condition, text)
        for batch in batches
        for k, text in batch.failures.items()
    )
    texts = [text for *_, text in found]
    if None in plan.conditions:
        index = pd.Index([k for _, k, _, _ in found], name="replication", dtype="int64")
    else:
        pairs = [[c for *_, c, _ in found], [k for _, k, _, _ in found]]
        index = pd.MultiIndex.from_arrays(pairs, names=["condition", "replication"])
    return pd.Series(texts, index, name="failure", dtype=object)


def _in_order(index: pd.Index) -> pd.Index:
    """The same index, sorted by order of appearance: pandas then selects from it without search."""
    if not isinstance(index, pd.MultiIndex):
        return index
    levels = [index.get_level_values(k) for k in range(index.nlevels)]
    codes, values = zip(*(pd.factorize(level) for level in levels), strict=True)
    return pd.MultiIndex(levels=values, codes=codes, names=index.names)


def _align(truth: pd.Series, parameters: pd.Index) -> pd.Series:
    """True values for all parameters; levels that ``truth`` does not name do not matter to it."""
    keys = parameters
    # A truth without names of its own is one of the parameters.
    names = list(truth.index.names) if any(truth.index.names) else [parameters.names[-1]]
    if isinstance(parameters, pd.MultiIndex) and set(names) < set(parameters.names):
        keys = parameters.droplevel([n for n in parameters.names if n not in names])
        if isinstance(keys, pd.MultiIndex):
            keys = keys.reorder_levels(names)
    values = truth.reindex(keys)
    if values.isna().any():
        missing = ", ".join(map(str, keys[values.isna().to_numpy()].unique()))
        raise ModelError(f"truth has no value for {missing}; it has {list(truth.index)}.")
    return pd.Series(values.to_numpy(dtype=float), index=parameters)


# ----------------------------------------------------------------------------------------- checks


def _check_machinery(batch: int | None, workers: int, client: Client | None) -> None:
    whole("workers", workers, 1)
    if batch is not None:
        whole("batch", batch, 1)
    if client is not None:
        if workers != 1:
            raise ModelError(
                f"workers={workers} are processes of this machine, client is a cluster: give one."
            )
        check_cluster(client)
