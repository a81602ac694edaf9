"""Replications that end their process, that hang, or that are interrupted."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from unittest import mock

import dask
import distributed
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.study.limit import TooLong, limited
from mlteach.study.study import replication_rng, run_study
from tests.study.test_study import IN_PROCESS, analyse, draw

SECONDS = 60  # to start a process, on a busy machine
FATAL = 5


def number_of(y, seed=3):
    """Number of the replication that drew y."""
    return next(k for k in range(40) if draw(replication_rng(seed, k))[0] == y[0])


def ends_its_process(y):
    if number_of(y) == FATAL:
        os._exit(3)
    return analyse(y)


def sleeps(y, which=(2,)):
    if number_of(y) in which:
        time.sleep(10 * SECONDS)
    return analyse(y)


def hangs_for_good(y):
    """Deaf to signals, as work outside of Python is."""
    if number_of(y) == 2:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(10 * SECONDS)
    return analyse(y)


def test_a_replication_that_ends_its_process_is_named(tmp_path):
    run = partial(run_study, draw, replications=12, seed=3, folder=tmp_path, batch=2)
    with pytest.raises(mt.ModelError, match=rf"\(exit code 3\). .*in replication {FATAL};.*kept"):
        run(ends_its_process, workers=2)
    kept = len(list(tmp_path.glob("*.npz")))
    assert kept >= 1


def test_a_replication_that_ends_its_worker_of_a_cluster_is_named():
    settings = IN_PROCESS | {"processes": True}
    with (
        # What starts the workers writes their settings into the environment.
        mock.patch.dict(os.environ),
        # By default a cluster gives a task four workers to end.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(**settings) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(mt.ModelError, match=rf"ended its worker. .*in replication {FATAL};"),
    ):
        run_study(draw, ends_its_process, 8, seed=3, batch=4, client=client)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_time_limit_fails_a_replication_and_no_more(workers):
    plain = run_study(draw, analyse, 6, seed=3)
    study = run_study(draw, sleeps, 6, seed=3, workers=workers, batch=3, time_limit=3.0)
    assert study.failures.to_dict() == {2: "TooLong: it took more than 3 seconds"}
    pd.testing.assert_frame_equal(
        study.estimates, plain.estimates.drop(2, level="replication"), check_exact=True
    )


def test_a_process_that_does_not_come_back_is_ended():
    study = run_study(draw, hangs_for_good, 6, seed=3, workers=2, batch=3, time_limit=3.0)
    assert study.failures.index.tolist() == [2]
    assert study.estimates.index.get_level_values("replication").tolist() == [0, 1, 3, 4, 5]


def test_what_a_limit_stopped_does_not_hinder_a_resumption(tmp_path):
    first = partial(sleeps, which=(0,))
    run = partial(run_study, draw, first, seed=3, folder=tmp_path, time_limit=0.5)
    assert run(replications=4).failures.index.tolist() == [0]
    assert run(replications=6).failures.index.tolist() == [0]


def test_other_threads_are_limited_between_steps_of_python():
    stopped = []

    def work():
        try:
            with limited(0.1):
                while True:
                    sum(range(100))
        except TooLong:
            stopped.append(True)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert stopped == [True]


@pytest.mark.parametrize("limit", [0, -1, np.inf, "1", True])
def test_limits_that_are_none(limit):
    with pytest.raises(mt.ModelError, match="time_limit="):
        run_study(draw, analyse, 2, seed=3, time_limit=limit)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_ends_all_processes_and_keeps_what_is_done(tmp_path, workers):
    code = (
        "from functools import partial\n"
        "from tests.study import test_workers as t\n"
        "if __name__ == '__main__':\n"
        "    slow = partial(t.sleeps, which=(6, 7, 8, 9))\n"
        f"    t.run_study(t.draw, slow, 10, seed=3, folder={str(tmp_path)!r}, batch=2,"
        f" workers={workers})\n"
    )
    script = tmp_path.parent / f"{tmp_path.name}.py"
    script.write_text(code)
    root = Path(__file__).parents[2]
    other = subprocess.Popen(
        [sys.executable, str(script)], cwd=root, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(root)}, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + SECONDS
    while len(list(tmp_path.glob("*.npz"))) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(other.pid, signal.SIGINT)
    _, said = other.communicate(timeout=SECONDS)
    assert "KeyboardInterrupt" in said
    # Nothing of the group is left, once the helper of multiprocessing has seen that.
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end + SECONDS:
            os.killpg(other.pid, 0)
            time.sleep(0.05)
    assert len(list(tmp_path.glob("*.npz"))) == 3


# ------------------------------------------------------------------------------ tables of analyse


def empty_at_times(y):
    return analyse(y)[: int(y.mean() < 3.2)]


def test_tables_without_rows_are_failures(tmp_path):
    plain = run_study(draw, analyse, 40, seed=3)
    study = run_study(draw, empty_at_times, 40, seed=3, folder=tmp_path)
    empty = 40 - len(study.estimates)
    assert 0 < empty < 40 and len(plain.estimates) == 40
    assert set(study.failures) == {"analyse returned a table without rows"}
    assert f"{empty} failed" in repr(study)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.astype({"se": object}), "'se' .*must be of numbers"),
        (lambda t: t.assign(lower="low"), "'lower' .*must be of numbers"),
        (lambda t: pd.concat([t, t]), "more than one row 'mean'"),
        (lambda t: t.rename_axis("name"), r"index with the names \['name'\] here"),
        (lambda t: t.set_axis([*t.columns[:-1], "se"], axis=1).assign(upper=1), "two columns 'se'"),
        (lambda t: t.drop(columns="upper"), "without upper"),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_a_bad_table_is_named_with_its_replication(change, said, batch):
    def sometimes(y):
        return change(analyse(y)) if number_of(y) == 2 else analyse(y)

    with pytest.raises(mt.ModelError, match=rf"{said}[\s\S]*in replication 2;"):
        run_study(draw, sometimes, 4, seed=3, batch=batch)
