"""Stored studies: interrupted and taken up again, they are what they would have been."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.published.spurious_precision import draw_schools, fit_models
from mlteach.study.batches import Batch
from mlteach.study.store import HEAD, _check_accounts, open_store
from mlteach.study.study import _plan, run_study
from tests.places import ROOT

GRID = pd.DataFrame({"n": [5, 10], "shape": ["normal", "skewed"]}, index=[0, 7])
SECONDS = 60  # for another process to store its first batches, on a busy machine


def draw(rng, n=10, shape="normal"):
    return rng.normal(3.0, 2.0, size=n) if shape == "normal" else rng.exponential(size=n)


def analyse(y, limit=5.0):
    """Rows of numbers and texts, with an index of two levels; some replications fail."""
    if y.mean() > limit:
        raise mt.ModelError("too high")
    se = y.std(ddof=1) / np.sqrt(len(y))
    row = {"estimate": y.mean(), "se": se, "lower": y.mean() - se, "upper": y.mean() + se}
    index = pd.MultiIndex.from_tuples([("a", "mean"), ("b", "mean")], names=["model", None])
    table = pd.DataFrame([row, row], index=index)
    return table.assign(sign=["plus" if y.mean() > 2 else "minus"] * 2, n=len(y), odd=y[0] > 3)


lenient = partial(analyse, limit=4.0)
draw_schools_of_six = partial(draw_schools, schools=8, students=6)


class Stop(Exception):
    """Stands for whatever ends a run in the middle."""


def stopping_after(function, calls):
    """The same function under the same name, until it has been called often enough."""

    def stops(y):
        stops.left -= 1
        if stops.left < 0:
            raise Stop
        return function(y)

    stops.left = calls
    stops.__module__, stops.__qualname__ = function.__module__, function.__qualname__
    return stops


def same(a, b):
    pd.testing.assert_frame_equal(a.estimates, b.estimates, check_exact=True)
    pd.testing.assert_series_equal(a.failures, b.failures)


@pytest.mark.parametrize("conditions", [None, GRID], ids=["one", "grid"])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, conditions):
    run = partial(run_study, draw, replications=20, seed=4, conditions=conditions)
    plain = run(analyse=analyse)
    with pytest.raises(Stop):
        run(analyse=stopping_after(analyse, 12), folder=tmp_path, batch=5)
    assert len(list(tmp_path.glob("*.npz"))) == 2  # of 12 replications, two whole batches
    counted = stopping_after(analyse, 1000)
    resumed = run(analyse=counted, folder=tmp_path, batch=7)
    ran = 20 * (1 if conditions is None else 2) - 10 + 1  # and one again, to compare
    assert 1000 - counted.left == ran
    same(plain, resumed)
    same(plain, run(analyse=analyse, folder=tmp_path))
    same(
        run(analyse=analyse, replications=8), run(analyse=analyse, replications=8, folder=tmp_path)
    )


def test_a_study_grows_in_both_directions(tmp_path):
    run = partial(run_study, draw, analyse, seed=4)
    run(replications=6, conditions=GRID.iloc[[1]], folder=tmp_path)
    grown = run(replications=9, conditions=GRID, folder=tmp_path)
    same(run(replications=9, conditions=GRID), grown)
    assert set(json.loads((tmp_path / HEAD).read_text())["conditions"]) == {"0", "7"}


def test_failures_are_stored_too(tmp_path):
    strict = partial(analyse, limit=2.5)
    plain = run_study(draw, strict, 12, seed=4)
    assert 0 < len(plain.failures) < 12
    for _ in range(2):
        same(plain, run_study(draw, strict, 12, seed=4, folder=tmp_path, batch=1))


def test_the_head_names_the_study(tmp_path):
    run_study(draw, lenient, 2, seed=4, conditions=GRID, folder=tmp_path)
    head = json.loads((tmp_path / HEAD).read_text())
    assert head == {
        "mlteach_study": 1,
        "seed": 4,
        "draw": f"{__name__}.draw",
        "analyse": f"{__name__}.analyse(limit=4.0)",
        "conditions": {
            "0": {"n": 5, "shape": "normal"},
            "7": {"n": 10, "shape": "skewed"},
        },
        "begun_with": {"mlteach": mt.__version__, "numpy": np.__version__},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, "seed is 4 there and 5 here"),
        ({"analyse": lenient}, r"analyse is '.*analyse' there and '.*analyse\(limit=4.0\)' here"),
        ({"draw": partial(draw, n=6), "conditions": GRID[["shape"]]}, "draw is"),
        ({"conditions": GRID.assign(n=6)}, r"condition 0 is \{'n': 5.* there and \{'n': 6"),
        ({"conditions": None}, "only one of the two has conditions"),
    ],
)
def test_a_folder_of_another_study_is_refused(tmp_path, changes, message):
    arguments = {
        "draw": draw, "analyse": analyse, "replications": 3, "seed": 4, "conditions": GRID,
        "folder": tmp_path,
    }  # fmt: skip
    run_study(**arguments)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(mt.ModelError, match=message):
        run_study(**arguments | changes)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_function_that_has_changed_under_its_name_is_found_out(tmp_path):
    run_study(draw, analyse, 3, seed=4, folder=tmp_path)

    def changed(y):
        return analyse(y * 1.001)

    changed.__module__, changed.__qualname__ = analyse.__module__, analyse.__qualname__
    with pytest.raises(mt.ModelError, match=r"Replication 0 .* gives another result now"):
        run_study(draw, changed, 3, seed=4, folder=tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(mt.ModelError, match="holds other files and no study.json"):
        run_study(draw, analyse, 3, seed=4, folder=tmp_path)
    with pytest.raises(mt.ModelError, match="is a file"):
        run_study(draw, analyse, 3, seed=4, folder=tmp_path / "thesis.docx")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_work_done_twice_counts_once(tmp_path):
    run_study(draw, analyse, 6, seed=4, folder=tmp_path / "a", batch=4)
    run_study(draw, analyse, 6, seed=4, folder=tmp_path / "b", batch=3)
    for path in (tmp_path / "b").glob("*.npz"):
        path.rename(tmp_path / "a" / path.name)
    same(run_study(draw, analyse, 6, seed=4), run_study(draw, analyse, 6, 4, folder=tmp_path / "a"))


def test_a_table_of_objects_cannot_be_stored(tmp_path):
    def odd(y):
        return analyse(y).assign(fit=[y, y])

    with pytest.raises(mt.ModelError, match="'fit' has the value"):
        run_study(draw, odd, 2, seed=4, folder=tmp_path)


# Ten runs one after another, each killed at a moment of its own, when it has stored something:
# {0} is the folder.
KILLS = """
import os, signal, sys, time
import numpy as np
from pathlib import Path
from tests.study import test_store as t

def slow(y):
    time.sleep(0.002)
    return t.analyse(y)

slow.__module__, slow.__qualname__ = t.analyse.__module__, t.analyse.__qualname__
def stored():
    return len(list(Path({0!r}).glob("*.npz")))

for pause in np.random.default_rng(1).uniform(0.0, 0.1, size=10):
    before, run = stored(), os.fork()
    if not run:
        t.run_study(t.draw, slow, 10000, seed=4, folder={0!r}, batch=3)
    while stored() == before and os.waitpid(run, os.WNOHANG) == (0, 0):
        time.sleep(0.001)
    time.sleep(pause)
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
"""


def test_ten_killed_runs_leave_whole_batches(tmp_path):
    """Nothing that was stored is lost or run again, and all is as if never interrupted."""
    subprocess.run([sys.executable, "-c", KILLS.format(str(tmp_path))], cwd=ROOT, check=True)
    batches = open_store(tmp_path, _plan(draw, analyse, 10000, 4, None)).batches()
    done = sum(len(batch.replications) for batch in batches)
    assert 30 <= done < 10000 and done % 3 == 0
    counted = stopping_after(analyse, 10000)
    resumed = run_study(draw, counted, done + 3, seed=4, folder=tmp_path)
    assert 10000 - counted.left == 3 + 1
    same(run_study(draw, analyse, done + 3, seed=4), resumed)


# ------------------------------------------------------------------------------- a change is found


def named_like_analyse(function):
    function.__module__, function.__qualname__ = analyse.__module__, analyse.__qualname__
    return function


@pytest.mark.parametrize("condition", [0, 7])
def test_a_change_in_any_condition_is_found_out(tmp_path, condition):
    n = GRID.loc[condition, "n"]
    changed = named_like_analyse(lambda y: analyse(y * 1.001 if len(y) == n else y))
    run = partial(run_study, draw, seed=4, conditions=GRID, folder=tmp_path)
    run(analyse, 5, batch=2)
    with pytest.raises(mt.ModelError, match=f"of condition {condition} .*another result now"):
        run(changed, 10)


def test_a_column_that_some_replications_lack_is_no_change(tmp_path):
    def sometimes(y):
        table = analyse(y)
        return table.assign(extra=1.5, word="yes") if y[0] > 3 else table

    plain = run_study(draw, sometimes, 20, seed=4)
    assert 0 < plain.estimates["extra"].isna().sum() < len(plain.estimates)
    for replications in (5, 12, 20, 20):
        resumed = run_study(draw, sometimes, replications, seed=4, folder=tmp_path, batch=3)
    same(plain, resumed)


# --------------------------------------------------------------------------------- damaged folders


def damages(rng, whole: bytes, foreign: bytes):
    """Endless ways in which a file is not what it was."""
    while True:
        at, kind = int(rng.integers(len(whole))), rng.integers(6)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(rng.integers(8))
        zeros = bytearray(whole)
        zeros[at : at + 64] = bytes(len(zeros[at : at + 64]))
        yield (
            bytes(flipped), bytes(flipped), whole[:at], bytes(zeros), rng.bytes(at),
            foreign if at % 2 else whole[at:],
        )[kind]  # fmt: skip


def test_damaged_batches_are_named_and_run_again(tmp_path):
    """Of 240 damages none changes a number, and none ends in an error of another package."""
    run = partial(run_study, draw, analyse, 4, seed=4, batch=2, conditions=GRID)
    plain, folder = run(), tmp_path / "study"
    run(folder=folder)
    run_study(draw, lenient, 4, seed=4, batch=2, conditions=GRID, folder=tmp_path / "other")
    paths = sorted(folder.glob("*.npz"))
    contents = [path.read_bytes() for path in paths]
    foreign = (tmp_path / "other" / paths[0].name).read_bytes()
    ways = damages(np.random.default_rng(1), contents[0], foreign)
    found = 0
    for k in range(240):
        path = paths[k % len(paths)]
        path.write_bytes(contents[0] if k % 40 == 39 else next(ways))
        try:
            list(open_store(folder, _plan(draw, analyse, 4, 4, GRID)).batches())
        except mt.ModelError as error:
            assert str(path) in str(error)
            found += 1
            path.unlink()
            if k % 10 == 0:
                same(plain, run(folder=folder))
        else:
            same(plain, run(folder=folder))
        path.write_bytes(contents[k % len(paths)])
    assert found > 200


def test_without_a_head_a_damaged_batch_or_another_file_of_arrays_is_named(tmp_path):
    run = partial(run_study, draw, analyse, 4, seed=4, folder=tmp_path)
    np.savez(tmp_path / "mine.npz", x=1.0)
    with pytest.raises(mt.ModelError, match=r"mine.npz is damaged, or no .*Delete it, or take"):
        run()
    (tmp_path / "mine.npz").unlink()
    plain = run()
    (tmp_path / HEAD).unlink()
    path, *_ = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(mt.ModelError, match="is damaged"):
        run()
    path.unlink()
    same(plain, run())


@pytest.mark.parametrize(
    ("replications", "rows", "failures"),
    [((0, 1), [0], {}), ((0,), [0, 1], {}), ((0,), [], {0: "no", 1: "no"}), ((), [], {})],
)
def test_each_replication_of_a_batch_has_rows_or_a_reason(replications, rows, failures):
    def batch(rows, failures):
        index = pd.Index(rows, name="replication")
        return Batch(
            None, replications, pd.DataFrame({"a": 1.0}, index) if rows else None, failures
        )

    with pytest.raises(ValueError, match="account"):
        _check_accounts(batch(rows, failures))
    if replications:
        _check_accounts(batch([0], dict.fromkeys(replications[1:], "no")))


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"{}", b'{"conditions": 3}', b"\xff\xfe", None],
    ids=["empty", "cut", "list", "bare", "numbers", "bytes", "folder"],
)
def test_a_damaged_head_is_named_and_can_be_deleted(tmp_path, damage):
    run = partial(run_study, draw, analyse, seed=4, folder=tmp_path)
    plain, head = run(replications=4), tmp_path / HEAD
    if damage is None:
        head.unlink()
        head.mkdir()
    else:
        head.write_bytes(damage)
    with pytest.raises(mt.ModelError, match=r"study.json is damaged .*Delete it"):
        run(replications=4)
    head.rmdir() if damage is None else head.unlink()
    same(plain, run(replications=4))
    run(replications=5)
    assert json.loads(head.read_text())["seed"] == 4
    head.unlink()
    with pytest.raises(mt.ModelError, match="holds other files"):
        run_study(draw, lenient, 4, seed=4, folder=tmp_path)


def test_a_folder_inside_of_a_file_is_refused(tmp_path):
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(mt.ModelError, match="cannot be made"):
        run_study(draw, analyse, 3, seed=4, folder=tmp_path / "thesis.docx" / "study")


def test_old_drafts_go_and_new_ones_stay(tmp_path):
    run_study(draw, analyse, 3, seed=4, folder=tmp_path)
    old, new = tmp_path / "a.npz.1.part", tmp_path / "b.npz.2.part"
    for path in (old, new):
        path.write_bytes(b"half a batch")
    os.utime(old, (0, 0))
    run_study(draw, analyse, 3, seed=4, folder=tmp_path)
    assert old.exists()  # a study that is only read is left alone
    run_study(draw, analyse, 5, seed=4, folder=tmp_path)
    assert not old.exists() and new.exists()


def test_a_finished_study_is_read_without_writing(tmp_path, monkeypatch):
    """As on a disk that takes no writing; the test may run as one who may do everything."""
    run = partial(run_study, draw, analyse, seed=4, conditions=GRID, folder=tmp_path)
    plain = run(replications=6)

    def refused(*arguments):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("mlteach.study.store._write", refused)
    monkeypatch.setattr(os, "replace", refused)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    same(plain, run(replications=6))
    run(replications=4)
    run(replications=6, conditions=GRID.iloc[:1])
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_study_of_functions_that_have_moved_says_so(tmp_path):
    run_study(draw_schools_of_six, fit_models, 1, seed=4, folder=tmp_path)
    head = tmp_path / HEAD
    head.write_text(head.read_text().replace("mlteach.published.", "mlteach."))
    with pytest.raises(mt.ModelError, match=r"has become mlteach.published.*finish that study"):
        run_study(draw_schools_of_six, fit_models, 1, seed=4, folder=tmp_path)
