"""A bar for work that lasts, none for the rest, and none inside another."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tqdm.auto

import mlteach as mt
from mlteach.core import progress
from mlteach.core.progress import Progress


@pytest.fixture
def bars(monkeypatch):
    """Every bar that is drawn, with a clock that only the test moves."""
    drawn, clock = [], [0.0]

    class Bar:
        def __init__(self, **settings):
            self.settings, self.steps, self.open = settings, settings["initial"], True
            drawn.append(self)

        def update(self, steps):
            self.steps += steps

        def close(self):
            self.open = False

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return drawn, clock


def test_a_bar_appears_when_the_work_lasts(bars):
    drawn, clock = bars
    with Progress("fit", total=5) as bar:
        bar.update()
        clock[0] = progress.PATIENCE
        bar.update()
        assert not drawn
        clock[0] += 0.1
        bar.update()
        bar.update()
    assert [b.settings["desc"] for b in drawn] == ["fit"]
    assert (drawn[0].settings["total"], drawn[0].steps, drawn[0].open) == (5, 4, False)


def test_one_variable_turns_all_bars_off(bars, monkeypatch):
    drawn, clock = bars
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with Progress("fit") as bar:
        clock[0] = 10.0
        bar.update()
    assert not drawn


def test_an_interruption_takes_the_bar_away(bars):
    drawn, clock = bars
    with pytest.raises(KeyboardInterrupt), Progress("fit") as bar:
        clock[0] = 10.0
        bar.update()
        raise KeyboardInterrupt
    assert not drawn[0].open
    with Progress("next") as bar:
        clock[0] = 20.0
        bar.update()
    assert len(drawn) == 2


@pytest.mark.parametrize("show", [True, False])
def test_work_inside_other_work_is_silent(bars, show):
    drawn, clock = bars
    with Progress("study", show=show) as outer, Progress("fit") as inner:
        clock[0] = 10.0
        inner.update()
        outer.update()
    assert [b.settings["desc"] for b in drawn] == ["study"] * show


LASTING = {
    "fit, evaluations": lambda d: mt.fit_mixed("y ~ x + (1 | g)", d),
    "location-scale, evaluations": lambda d: mt.fit_location_scale(
        "y ~ x + (1 | g)", "~ x + (1 | g)", d
    ),
    "multigroup, 2 patterns": lambda d: mt.fit_multigroup(["x", "gaps"], d, cluster="g"),
    "impute": lambda d: mt.impute(d, ["x", "gaps"], cluster="g", m=2, burn=5, thin=1, seed=1),
    "Little's test, steps of EM": lambda d: mt.little_mcar(d, ["x", "gaps"]),
    "profile, a limit": lambda d: mt.fit_mixed("y ~ x + (1 | g)", d).confint("profile"),
    "bootstrap": lambda d: mt.fit_mixed("y ~ x + (1 | g)", d).confint("bootstrap", n=50, seed=1),
}


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.filterwarnings("ignore::mlteach.errors.ConvergenceWarning")
def test_all_that_may_last_has_a_bar(bars, name, monkeypatch):
    """With a patience of nothing at all each of them shows one, and every step of it."""
    drawn, _ = bars
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"g": np.repeat(np.arange(10), 6), "x": rng.normal(size=60)})
    table["y"] = table["x"] + rng.normal(size=10)[table["g"]] + rng.normal(size=60)
    LASTING[name](table.assign(gaps=table["y"].where(table.index % 5 > 0)))
    steps = [bar.steps for bar in drawn if bar.settings["desc"] == name]
    assert steps and min(steps) > 2
    assert not any(bar.open for bar in drawn)


def test_short_work_does_not_load_tqdm():
    code = (
        "import sys\n"
        "from mlteach.core.progress import Progress\n"
        "with Progress('sums') as bar: bar.update()\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
