"""Simulation studies: draw a data set from a known model, analyse it, repeat, and look at the rest.

A study needs two functions, ``draw(rng) -> data`` and ``analyse(data) -> table``. Replication k has
a random generator of its own, the k-th child of the study's seed. So its data depend on the seed
and on k only: not on the order of the replications, on how many follow, or on the process in
which they run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from mlteach.errors import ConvergenceWarning, MLTeachError, ModelError
from mlteach.lazy import lazy_import

pd = lazy_import("pandas")

REQUIRED = ("estimate", "se", "lower", "upper")
# What counts as a failed fit. Any other error is a mistake in the study and ends it.
FAILURES = (MLTeachError, ConvergenceWarning, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Study:
    """What a simulation study gave.

    Attributes
    ----------
    estimates : DataFrame
        One row a parameter and replication, indexed by ``replication`` and the index of the table
        that ``analyse`` returned; columns estimate, se, lower, upper, and any others it had.
    failures : Series
        What went wrong, in words, by replication; empty if nothing did.
    replications : int
        How many were asked for; those with estimates and those that failed.
    seed : int
    """

    estimates: pd.DataFrame
    failures: pd.Series
    replications: int
    seed: int

    def summary(self, truth: pd.Series) -> pd.DataFrame:
        """Bias, spread, standard errors and coverage of each parameter: :func:`summarise`."""
        return summarise(self.estimates, truth)

    def rng(self, replication: int) -> np.random.Generator:
        """Generator of a replication: ``draw(study.rng(7))`` draws its data again."""
        return replication_rng(self.seed, replication)

    def __repr__(self) -> str:
        return (
            f"<Study: {self.replications} replications from seed {self.seed}, "
            f"{len(self.failures)} failed>"
        )


def run_study(
    draw: Callable[[np.random.Generator], pd.DataFrame],
    analyse: Callable[[pd.DataFrame], pd.DataFrame],
    replications: int,
    seed: int,
    *,
    workers: int = 1,
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
    seed : int
        The same seed gives the same study; more replications leave the first ones as they are.
    workers : int, default 1
        Processes. With more than one, both functions must be importable from a module: defined in a
        file and not in a notebook, bound to settings by ``functools.partial``.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Study

    Raises
    ------
    ModelError
        If an argument or the table of ``analyse`` cannot be used, or if all replications failed.

    Examples
    --------
    How well does the ordinary interval cover the mean of five skewed values?

    >>> import mlteach as mt
    >>> import numpy as np, pandas as pd
    >>> def draw(rng):
    ...     return rng.exponential(size=5)
    >>> def analyse(y):
    ...     se = y.std(ddof=1) / np.sqrt(5)
    ...     lower, upper = y.mean() - 2.776 * se, y.mean() + 2.776 * se
    ...     row = {"estimate": y.mean(), "se": se, "lower": lower, "upper": upper}
    ...     return pd.DataFrame(row, index=["mean"])
    >>> study = mt.run_study(draw, analyse, replications=500, seed=1)
    >>> study
    <Study: 500 replications from seed 1, 0 failed>
    >>> study.summary(pd.Series({"mean": 1.0}))[["coverage", "mcse_coverage"]].round(2)
               coverage  mcse_coverage
    parameter
    mean           0.87           0.01

    References
    ----------
    Morris, White & Crowther (2019), Statistics in Medicine 38(11), doi:10.1002/sim.8086.
    """
    _check_counts(replications=replications, workers=workers)
    if not _is_whole(seed) or seed < 0:
        raise ModelError(f"seed={seed!r} is not a whole number of 0 or more; a study needs one.")
    one = partial(_replicate, draw, analyse, seed)
    outcomes = _serial(one, replications) if workers == 1 else _pool(one, replications, workers)
    # Imported here: the bar is a notebook's or a terminal's.
    from tqdm.auto import tqdm

    bar = tqdm(outcomes, total=replications, desc="study", disable=not progress, leave=False)
    return _collect(list(bar), seed)


def replication_rng(seed: int, replication: int) -> np.random.Generator:
    """Random generator of one replication, the child of the seed with that number."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replication,)))


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


# ----------------------------------------------------------------------------------- replications


def _replicate(draw, analyse, seed: int, replication: int):
    """Number of the replication, its table or None, and what went wrong or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            table = analyse(draw(replication_rng(seed, replication)))
        except FAILURES as failure:
            return replication, None, f"{type(failure).__name__}: {failure}"
        except Exception as error:
            error.add_note(
                f"This happened in replication {replication}; draw(mlteach.study.replication_rng("
                f"{seed}, {replication})) draws its data again."
            )
            raise
    _check_table(table)
    return replication, table, None


def _serial(one, replications: int) -> Iterator:
    return map(one, range(replications))


def _pool(one, replications: int, workers: int) -> Iterator:
    """In processes that start afresh: the same on every system, and safe beside threads."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    for function in one.args[:2]:
        _check_importable(function)
    context = multiprocessing.get_context("spawn")
    size = max(1, min(25, replications // (4 * workers)))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(one, range(replications), chunksize=size)


def _collect(outcomes, seed: int) -> Study:
    tables = {k: table for k, table, _ in outcomes if table is not None}
    failures = pd.Series(
        {k: text for k, _, text in outcomes if text is not None}, name="failure", dtype=object
    ).rename_axis("replication")
    if not tables:
        raise ModelError(
            f"All {len(outcomes)} replications failed; the first one said: {failures.iloc[0]}"
        )
    first = next(iter(tables.values())).index
    default = ["parameter"] if first.nlevels == 1 else [f"level_{k}" for k in range(first.nlevels)]
    names = [a or b for a, b in zip(first.names, default, strict=True)]
    estimates = pd.concat(tables, names=["replication", *names])
    estimates.index = _in_order(estimates.index)
    return Study(estimates, failures, len(outcomes), seed)


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
    if isinstance(parameters, pd.MultiIndex) and set(truth.index.names) < set(parameters.names):
        keys = parameters.droplevel([n for n in parameters.names if n not in truth.index.names])
        if isinstance(keys, pd.MultiIndex):
            keys = keys.reorder_levels(truth.index.names)
    values = truth.reindex(keys)
    if values.isna().any():
        missing = ", ".join(map(str, keys[values.isna().to_numpy()].unique()))
        raise ModelError(f"truth has no value for {missing}; it has {list(truth.index)}.")
    return pd.Series(values.to_numpy(dtype=float), index=parameters)


# ----------------------------------------------------------------------------------------- checks


def _is_whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_counts(**counts) -> None:
    for name, value in counts.items():
        if not _is_whole(value) or value < 1:
            raise ModelError(f"{name}={value!r} is not a whole number of 1 or more.")


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
