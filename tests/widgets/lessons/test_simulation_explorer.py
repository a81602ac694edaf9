"""The lesson on the simulation: what is drawn is what both studies found in each condition."""

import numpy as np
import pandas as pd
import pytest

from mlteach.data import shipped as data
from mlteach.errors import ModelError
from mlteach.published.wf_simulation import BETWEEN, VR, G, N, conditions, stored_run
from mlteach.widgets.lessons.simulation_explorer import (
    ASIDE,
    CRITERIA,
    HIGHEST,
    LINES,
    LOWEST,
    SHOWN,
    WIDGET,
    height,
    intervals,
    number,
    results,
)
from mlteach.widgets.look import signed

#: Heights are computed forth and back.
ROUNDING = 1e-9
ONE_DECIMAL = 0.05 + 1e-9
NAMES = pytest.mark.parametrize("criterion", CRITERIA)


def by_hand(condition):
    """The criteria from the stored estimates, in plain NumPy."""
    part = stored_run().estimates.loc[condition]
    b, vr = conditions().loc[condition, ["between", "vr"]]
    pairs = ["x1~~x1", "x1~~x2", "x2~~x2"]
    true = {"between": b * np.array([1, 0.3, 1])}
    true |= {1: (1 - b) * np.array([1, 0.3, 1]), 2: (1 - b) / vr * np.array([1, 0.3, 1])}
    columns = {"between": [f"between.{pair}" for pair in pairs]}
    columns |= {k: [f"within.{pair}[{k}]" for pair in pairs] for k in (1, 2)}
    wide = {k: part[k].unstack("parameter") for k in ("estimate", "se")}
    estimate = {k: wide["estimate"][c].to_numpy() for k, c in columns.items()}
    covered = {
        k: np.abs(estimate[k] - true[k]) <= 1.959963984540054 * wide["se"][c].to_numpy()
        for k, c in columns.items()
    }
    error = {k: estimate[k] / true[k] - 1 for k in columns}
    rmse = {k: 100 * np.sqrt((error[k] ** 2).mean(axis=0)) for k in columns}
    icc = {}
    for k in (1, 2):
        between, within = (x[:, [0, 2]] for x in (estimate["between"], estimate[k]))
        truth = b / (b + true[k][0])
        icc[k] = 100 * np.sqrt(((between / (between + within) / truth - 1) ** 2).mean(axis=0))
    return {
        "RMSE, variances between": rmse["between"][[0, 2]].mean(),
        "RMSE, covariance between": rmse["between"][1],
        "RMSE, variances within": np.mean([rmse[1][[0, 2]], rmse[2][[0, 2]]]),
        "RMSE, ICC": np.mean([icc[1], icc[2]]),
        "bias, variances between": 100 * error["between"][:, [0, 2]].mean(),
        "coverage, between": 100 * covered["between"].mean(),
        "coverage, within": 100 * np.mean([covered[1], covered[2]]),
        "negative variances": 100 * (estimate["between"][:, [0, 2]] < 0).any(axis=1).mean(),
    }


def value_at(criterion, y):
    """The value of a height in the left picture, by its ticks."""
    axis = WIDGET.panel(criterion=criterion).figure.axes[0].yaxis
    ticks = [float(text.get_text().replace("−", "-")) for text in axis.get_ticklabels()]
    scale, back = (np.log, np.exp) if criterion.startswith("RMSE") else (np.asarray, np.asarray)
    slope, start = np.polyfit(axis.get_ticklocs(), scale(ticks), 1)
    return back(start + slope * np.asarray(y))


@pytest.mark.parametrize("condition", [1, 8, 13, 36])
def test_readouts_are_criteria_of_the_stored_estimates(condition):
    setting = conditions().loc[condition]
    assert set(by_hand(condition)) == set(CRITERIA)
    for criterion, value in by_hand(condition).items():
        shown = WIDGET.panel(
            criterion=criterion,
            vr=int(setting["vr"]),
            between=setting["between"],
            n=f"{setting['n']:.0f}",
            g=f"{setting['g']:.0f}",
        ).readouts
        assert shown["ours"] == signed(value, 1) + "%"
        low, high = (
            float(t.replace("−", "-")) for t in shown["95% Monte Carlo interval"].split(" to ")
        )
        assert low <= value + ONE_DECIMAL and value - ONE_DECIMAL <= high
        assert (low + high) / 2 == pytest.approx(value, abs=ONE_DECIMAL)


@NAMES
def test_lines_are_the_results_of_both_studies(criterion):
    """Read back from the ticks; the published numbers come from their file."""
    printed = pd.read_csv(data.folder() / "published_wf_simulation.csv").set_index("cond")
    name = CRITERIA[criterion][0]
    for vr in VR:
        for between in BETWEEN:
            panel = WIDGET.panel(criterion=criterion, vr=vr, between=between)
            lines = [line for line in panel.figure.axes[0].lines if len(line.get_xdata()) == 3]
            assert len(lines) == 2 * len(N)
            for n, ours, theirs in zip(N, lines[::2], lines[1::2], strict=True):
                rows = [number(vr=vr, between=between, n=n, g=g) for g in G]
                value = results().loc[[(c, name) for c in rows], "ours"]
                assert value_at(criterion, ours.get_ydata()) == pytest.approx(value.to_numpy())
                assert value_at(criterion, theirs.get_ydata()) == pytest.approx(
                    printed.loc[rows, name].to_numpy()
                )
                assert ours.get_xdata() == pytest.approx(np.array(G) * LINES[n][2])
                assert theirs.get_xdata() / ours.get_xdata() == pytest.approx(ASIDE)


@NAMES
def test_all_values_are_inside_of_the_axis(criterion):
    """Intervals too, but for the rounding of an interval around zero per cent."""
    table = results().xs(CRITERIA[criterion][0], level="criterion")
    half = 1.96 * table["mcse"]
    for values in (table["ours"], table["published"], table["ours"] + half, table["ours"] - half):
        y = height(criterion, values.to_numpy())
        assert y.min() >= 0 and y.max() <= 1


def test_the_ring_is_around_the_chosen_condition():
    for n in N:
        for g in G:
            left = WIDGET.panel(n=str(n), g=str(g)).figure.axes[0]
            ring = left.lines[-1].get_xydata()[0]
            ours = left.lines[2 * N.index(n)].get_xydata()[G.index(g)]
            assert ring == pytest.approx(ours)


@pytest.mark.parametrize("condition", range(1, 37))
def test_forty_estimates_stand_for_the_thousand(condition):
    part = stored_estimates().loc[condition] / conditions().loc[condition, "between"]
    table = intervals(condition)
    assert len(table) == SHOWN
    assert table["estimate"].is_monotonic_increasing
    assert (table["lower"] > LOWEST).all() and (table["upper"] < HIGHEST).all()
    spread = part.std()
    assert table["estimate"].mean() == pytest.approx(part.mean(), abs=0.02 * spread)
    assert table["estimate"].std() == pytest.approx(spread, rel=0.05)
    assert (table["estimate"] < 0).mean() == pytest.approx((part < 0).mean(), abs=1 / SHOWN)
    assert set(np.round(table["estimate"], 9)) <= set(np.round(part, 9))


def stored_estimates():
    """Estimates of the variance between clusters of the first variable."""
    return stored_run().estimates["estimate"].xs("between.x1~~x1", level="parameter")


def test_intervals_that_miss_are_drawn_apart():
    right = WIDGET.panel(n="2", g="1000").figure.axes[1]
    table = intervals(13)
    holds = (table["lower"] <= 1) & (table["upper"] >= 1)
    held, missed = (np.array(c.get_segments()) for c in right.collections[-2:])
    assert held[:, 0, 0] == pytest.approx(table.loc[holds, "lower"].to_numpy())
    assert missed[:, 1, 0] == pytest.approx(table.loc[~holds, "upper"].to_numpy())
    assert len(missed) == 2


def test_a_condition_that_was_not_studied_is_refused():
    assert number(vr=5, between=0.25, n=30, g=1000) == 36
    with pytest.raises(ModelError, match="no condition with"):
        WIDGET.panel(vr=3)


def test_a_rounded_zero_has_no_sign():
    assert signed(-0.04, 1) == "0.0" and signed(-0.06, 1) == "−0.1"


def test_the_question_has_an_answer():
    """Large clusters win for a small variance and lose for a large one."""

    def error(between, n, g):
        text = WIDGET.panel(between=between, n=n, g=g).readouts["ours"]
        return float(text.rstrip("%"))

    assert error(0.05, "10", "200") < 0.6 * error(0.05, "2", "1000")
    assert error(0.25, "10", "200") > 1.1 * error(0.25, "2", "1000")
    negative = results()["ours"].xs("negVar_B", level="criterion")
    assert list(negative.index[negative > 1]) == [1, 7, 13, 19]
    coverage = results()["ours"].xs("coverage_B", level="criterion")
    assert coverage[[1, 7, 13, 19]].between(94, 96).all()
