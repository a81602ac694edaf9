"""Simulation studies: seeds, failures, processes, and the arithmetic of the summary."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.errors import ConvergenceWarning
from mlteach.published.spurious_precision import draw_schools, fit_models
from mlteach.study.study import replication_rng, run_study, summarise

EXACT = 1e-12  # the same sums, in another order
# Four standard errors of a share or mean: a seeded draw beyond it would mean another distribution.
MOST_SE = 4.0


def draw(rng, n=10):
    return rng.normal(3.0, 2.0, size=n)


def analyse(y):
    se = y.std(ddof=1) / np.sqrt(len(y))
    half = 2.262157 * se  # t, 9 degrees of freedom
    row = {"estimate": y.mean(), "se": se, "lower": y.mean() - half, "upper": y.mean() + half}
    return pd.DataFrame(row, index=["mean"])


def fails_above(y, limit=3.5):
    if y.mean() > limit:
        raise mt.ModelError("too high")
    return analyse(y)


def broken(y):
    return analyse(y) if y.mean() < 3.0 else y["no such column"]


TRUTH = pd.Series({"mean": 3.0})
# A cluster of Dask inside this process, without its page of diagnostics.
IN_PROCESS = {
    "n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0",
}  # fmt: skip


def test_ordinary_interval_covers_as_it_should():
    study = run_study(draw, analyse, 2000, seed=1)
    row = study.summary(TRUTH).loc["mean"]
    assert row["n"] == 2000
    assert abs(row["coverage"] - 0.95) < MOST_SE * row["mcse_coverage"]
    assert abs(row["bias"]) < MOST_SE * row["mcse_bias"]
    assert abs(row["sd"] - 2.0 / np.sqrt(10)) < MOST_SE * row["mcse_sd"]


def test_summary_is_what_its_columns_say():
    study = run_study(draw, analyse, 50, seed=2)
    e = study.estimates.xs("mean", level="parameter")
    row = study.summary(TRUTH).loc["mean"]
    inside = (e["lower"] <= 3.0) & (e["upper"] >= 3.0)
    share = inside.mean()
    expected = {
        "true": 3.0,
        "mean": e["estimate"].mean(),
        "bias": e["estimate"].mean() - 3.0,
        "sd": e["estimate"].std(ddof=1),
        "se": e["se"].mean(),
        "coverage": share,
        "mcse_bias": e["estimate"].std(ddof=1) / np.sqrt(50),
        "mcse_sd": e["estimate"].std(ddof=1) / np.sqrt(98),
        "mcse_se": e["se"].std(ddof=1) / np.sqrt(50),
        "mcse_coverage": np.sqrt(share * (1 - share) / 50),
        "n": 50,
    }
    assert list(row.index) == list(expected)
    assert np.allclose(row, pd.Series(expected), rtol=EXACT, atol=EXACT)


def test_monte_carlo_errors_are_the_spread_of_studies():
    """The standard errors of one study against the standard deviation over many."""
    rows = [run_study(draw, analyse, 100, seed=k).summary(TRUTH).loc["mean"] for k in range(60)]
    table = pd.DataFrame(rows)
    for quantity in ("bias", "sd", "se", "coverage"):
        spread, promised = table[quantity].std(), table[f"mcse_{quantity}"].mean()
        assert abs(spread / promised - 1.0) < MOST_SE / np.sqrt(2 * 59), quantity


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_more_replications_leave_the_first_ones_alone(seed, few):
    short, long = (run_study(draw, analyse, n, seed).estimates for n in (few, few + 5))
    pd.testing.assert_frame_equal(short, long.loc[: few - 1], check_exact=True)


def test_a_replication_can_be_drawn_again():
    study = run_study(draw, analyse, 8, seed=5)
    again = analyse(draw(study.rng(6))).loc["mean"]
    assert (study.estimates.loc[(6, "mean")] == again).all()
    child = np.random.SeedSequence(5).spawn(8)[6]
    assert replication_rng(5, 6).normal() == np.random.default_rng(child).normal()


def test_failures_are_counted_and_told():
    study = run_study(draw, fails_above, 200, seed=3)
    whole = run_study(draw, analyse, 200, seed=3)
    high = whole.estimates["estimate"].droplevel("parameter") > 3.5
    assert 0 < high.sum() < 200
    assert study.failures.index.tolist() == high.index[high].tolist()
    assert set(study.failures) == {"ModelError: too high"}
    assert len(study.estimates) == 200 - high.sum()
    assert study.replications == 200
    assert f"{high.sum()} failed" in repr(study)
    with pytest.raises(mt.ModelError, match=r"All 5 replications failed.*too high"):
        run_study(draw, partial(fails_above, limit=-99.0), 5, seed=3)


def test_a_fit_that_does_not_converge_has_failed():
    def warns(y):
        if y.mean() > 3:
            import warnings

            warnings.warn("stopped early", ConvergenceWarning, stacklevel=2)
        return analyse(y)

    study = run_study(draw, warns, 40, seed=4)
    assert 0 < len(study.failures) < 40
    assert study.failures.iloc[0] == "ConvergenceWarning: stopped early"


def test_a_mistake_in_the_study_ends_it():
    def broken(y):
        return analyse(y) if y.mean() < 3.5 else y["no such column"]

    with pytest.raises(IndexError) as caught:
        run_study(draw, broken, 200, seed=3)
    assert broken_data(caught.value).mean() > 3.5


def broken_data(error):
    """Do what the note of an error says, to draw the data again with which it happened."""
    call, start = re.search(r"; (draw\(.*\)) draws .*`(.*)`", error.__notes__[0]).groups()
    names = {"draw": draw}
    exec(start, names)
    return eval(call, names)


def test_a_mistake_in_a_condition_can_be_drawn_again():
    with pytest.raises(IndexError) as caught:
        run_study(draw, broken, 20, seed=3, conditions=pd.DataFrame({"n": [40]}, index=[2]))
    assert len(broken_data(caught.value)) == 40 and broken_data(caught.value).mean() > 3.0


def test_estimates_without_an_interval_count_where_they_can():
    index = pd.MultiIndex.from_product([range(4), ["a"]], names=["replication", "parameter"])
    nan = np.nan
    table = pd.DataFrame(
        {
            "estimate": [0.0, 1, 2, 3],
            "se": [nan, 1, 1, 1],
            "lower": [nan, -1, 0, 2],
            "upper": [nan, 3, 4, 5],
        },
        index=index,
    )
    row = summarise(table, pd.Series({"a": 1.0})).loc["a"]
    assert (row["mean"], row["n"], row["se"]) == (1.5, 3, 1.0)
    assert np.isclose(row["coverage"], 2 / 3)


def test_truth_may_leave_out_the_model():
    index = pd.MultiIndex.from_product(
        [range(3), ["A", "B"], ["y", "x"]], names=["replication", "model", "parameter"]
    )
    table = pd.DataFrame({c: 1.0 for c in ("estimate", "se", "lower", "upper")}, index=index)
    values = pd.Series({"x": 5.0, "y": 1.0}).rename_axis("parameter")
    summary = summarise(table, values)
    assert summary["true"].to_dict() == {
        ("A", "y"): 1.0, ("A", "x"): 5.0, ("B", "y"): 1.0, ("B", "x"): 5.0,
    }  # fmt: skip
    assert summary["coverage"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert summary.loc[("B", "x"), "coverage"] == 0.0  # without a warning on the order of the index
    with pytest.raises(mt.ModelError, match="truth has no value for x"):
        summarise(table, values[["y"]])


def test_two_processes_give_the_same_study():
    small = partial(draw_schools, students=6)
    models = partial(fit_models, models="A")
    grid = pd.DataFrame({"schools": [8, 10], "sigma2_v": [0.2, 0.0]})
    run = partial(run_study, small, models, 3, seed=9, conditions=grid)
    one, two = run(), run(workers=2, batch=2)
    pd.testing.assert_frame_equal(one.estimates, two.estimates, check_exact=True)
    names = ["condition", "replication", "model", "function", "parameter"]
    assert one.estimates.index.names == names


def test_processes_need_functions_they_can_import():
    with pytest.raises(mt.ModelError, match="other processes must import"):
        run_study(lambda rng: draw(rng), analyse, 5, seed=1, workers=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replications": 0}, "replications=0"),
        ({"replications": 2.5}, "replications=2.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": None}, "seed=None is not a whole number"),
        ({"workers": True}, "workers=True"),
        ({"analyse": np.mean}, "must return a DataFrame with the columns"),
        ({"analyse": lambda y: analyse(y).drop(columns="se")}, "without se"),
    ],
)
def test_bad_requests_are_named(changes, message):
    arguments = {"draw": draw, "analyse": analyse, "replications": 3, "seed": 1} | changes
    with pytest.raises(mt.ModelError, match=message):
        run_study(**arguments)


# ------------------------------------------------------------------------------------- conditions

GRID = pd.DataFrame({"n": [5, 10, 40]}, index=[3, 1, 2])


def test_conditions_have_data_of_their_own_and_keep_them():
    study = run_study(draw, analyse, 6, seed=5, conditions=GRID)
    assert study.estimates.index.names == ["condition", "replication", "parameter"]
    assert study.estimates.index.droplevel("parameter").tolist() == [
        (c, k) for c in GRID.index for k in range(6)
    ]
    assert study.conditions is GRID
    again = analyse(draw(study.rng(4, condition=2), n=40)).loc["mean"]
    assert (study.estimates.loc[(2, 4, "mean")] == again).all()
    part = run_study(draw, analyse, 4, seed=5, conditions=GRID.loc[[2, 3]])
    pd.testing.assert_frame_equal(
        part.estimates,
        pd.concat([study.estimates.loc[[c]].query("replication < 4") for c in (2, 3)]),
        check_exact=True,
    )
    assert repr(part) == "<Study: 2 conditions of 4 replications from seed 5, 0 failed>"


def test_truth_may_differ_between_conditions():
    study = run_study(draw, analyse, 6, seed=5, conditions=GRID)
    index = pd.MultiIndex.from_product([[1, 2, 3], ["mean"]], names=["condition", "parameter"])
    by_condition = study.summary(pd.Series([3.0, 2.0, 1.0], index))
    assert by_condition["true"].to_dict() == {(3, "mean"): 1.0, (1, "mean"): 3.0, (2, "mean"): 2.0}
    assert (study.summary(TRUTH)["true"] == 3.0).all()


def test_failures_name_their_condition():
    study = run_study(draw, fails_above, 30, seed=3, conditions=GRID)
    assert study.failures.index.names == ["condition", "replication"]
    by_condition = study.failures.groupby("condition").size()
    counts = study.estimates.groupby("condition").size()
    assert (by_condition.reindex(GRID.index, fill_value=0) + counts == 30).all()
    assert len(study.failures) > 0


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([{"n": 5}], "must be a DataFrame"),
        (GRID.iloc[:0], "one row a condition"),
        (GRID.set_axis([1, 1, 2]), r"each once; it is \[1, 1, 2\]"),
        (GRID.set_axis(list("abc")), "must number them"),
        (pd.DataFrame({"n": [5, None]}), "has nan in column 'n'"),
        (pd.DataFrame([[5, 6]], columns=["n", "n"]), "two columns of one name"),
    ],
)
def test_bad_conditions_are_named(conditions, message):
    with pytest.raises(mt.ModelError, match=message):
        run_study(draw, analyse, 3, seed=1, conditions=conditions)


def test_a_cluster_of_dask_gives_the_same_study():
    distributed = pytest.importorskip("distributed")
    plain = run_study(draw, fails_above, 12, seed=3, conditions=GRID)
    with (
        distributed.LocalCluster(**IN_PROCESS) as cluster,
        distributed.Client(cluster) as client,
    ):
        other = run_study(draw, fails_above, 12, seed=3, conditions=GRID, client=client, batch=5)
        with pytest.raises(IndexError) as caught:
            run_study(draw, broken, 4, seed=3, client=client)
        with pytest.raises(mt.ModelError, match="give one"):
            run_study(draw, analyse, 4, seed=3, client=client, workers=2)
    assert "draws its data again" in caught.value.__notes__[0]
    pd.testing.assert_frame_equal(plain.estimates, other.estimates, check_exact=True)
    pd.testing.assert_series_equal(plain.failures, other.failures)


def test_a_cluster_of_many_threads_is_refused():
    distributed = pytest.importorskip("distributed")
    threads = IN_PROCESS | {"threads_per_worker": 2}
    with (
        distributed.LocalCluster(**threads) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(mt.ModelError, match=r"2 threads.*threads_per_worker=1"),
    ):
        run_study(draw, analyse, 4, seed=3, client=client)
