"""The multigroup simulation: its design, its data, and the run that is stored with the package."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.published import wf_simulation as wf
from mlteach.published.wf_criteria import published
from mlteach.study.study import Study, run_study

# Half a step is rounded away; the rest is the last digits of another machine's optimiser.
STORED = 0.5 * wf.STEP + 1e-8
EXACT = 1e-12  # the same arithmetic in another order
MOST_SE = 4.0  # a seeded draw beyond it would mean another distribution


def test_conditions_are_those_of_the_published_table():
    printed = published()[["VR", "var_B", "n", "g"]].set_axis(["vr", "between", "n", "g"], axis=1)
    pd.testing.assert_frame_equal(printed, wf.conditions(), check_dtype=False)


def test_truth_is_that_of_the_published_table():
    true, printed = wf.true_groups().unstack("parameter"), published()
    assert np.allclose(true["between.x1~~x1"], printed["var_B"], atol=EXACT)
    assert np.allclose(true["within.x2~~x2[1]"], printed["var_W_1"], atol=EXACT)
    assert np.allclose(true["within.x1~~x1[2]"], printed["var_W_2"], atol=EXACT)
    for where in ("within.{}[1]", "within.{}[2]", "between.{}"):
        a, c, b = (true[where.format(name)] for name in wf.ELEMENTS)
        assert np.allclose(c / np.sqrt(a * b), 0.3, atol=EXACT)


def test_rows_have_the_covariances_they_should():
    """Mean squares and products between and within clusters, against their expected values."""
    n, g = 3, 40_000
    data = wf.draw_groups(np.random.default_rng(1), vr=5, between=0.25, n=n, g=g)
    true = wf.true_groups(pd.DataFrame({"vr": [5], "between": [0.25]})).loc[0]
    for k, part in data.groupby("group"):
        assert part["cluster"].nunique() == g // 2
        means = part.groupby("cluster")[["x1", "x2"]].mean()
        inside = part[["x1", "x2"]].to_numpy() - means.loc[part["cluster"]].to_numpy()
        for i, j, name in ((0, 0, "x1~~x1"), (0, 1, "x1~~x2"), (1, 1, "x2~~x2")):
            within = true[f"within.{name}[{k}]"]
            products = (inside[:, i] * inside[:, j]).reshape(-1, n).sum(axis=1) / (n - 1)
            close(products, within)
            close(means.iloc[:, i] * means.iloc[:, j], true[f"between.{name}"] + within / n)


def close(values, expected):
    values = np.asarray(values)
    assert abs(values.mean() - expected) < MOST_SE * values.std() / np.sqrt(len(values))


def test_data_depend_on_the_generator_alone():
    settings = {"vr": 2, "between": 0.05, "n": 4, "g": 10}
    one, two = (wf.draw_groups(np.random.default_rng(3), **settings) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert one["cluster"].tolist() == np.repeat(np.arange(1, 11), 4).tolist()
    assert one["group"].tolist() == [1] * 20 + [2] * 20


def test_fitted_is_the_model_of_the_chapter():
    data = wf.draw_groups(np.random.default_rng(2), vr=2, between=0.25, n=5, g=60)
    table = wf.fit_groups(data)
    fit = mt.fit_multigroup(["x1", "x2"], data, cluster="cluster", group="group")
    assert tuple(table.index) == wf.PARAMETERS
    columns = ["estimate", "se", "lower", "upper"]
    expected = fit.parameters.loc[fit.parameters["level"] != "mean", columns]
    assert np.allclose(table, expected.loc[list(wf.PARAMETERS)], rtol=EXACT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 1}, "n=1 is not a whole number of 2"),
        ({"g": 2}, "g=2"),
        ({"g": 11}, "cannot be halved"),
        ({"between": 1.0}, "not a share of variance"),
        ({"vr": 0}, "not a ratio"),
    ],
)
def test_impossible_designs_are_named(changes, message):
    settings = {"vr": 2, "between": 0.05, "n": 4, "g": 10} | changes
    with pytest.raises(mt.ModelError, match=message):
        wf.draw_groups(np.random.default_rng(1), **settings)


# ---------------------------------------------------------------------------------- the stored run


@pytest.fixture(scope="module")
def stored():
    return wf.stored_run()


def test_stored_run_is_whole(stored):
    assert stored.seed == wf.SEED
    assert stored.replications == 1000
    assert len(stored.estimates) == (36_000 - len(stored.failures)) * len(wf.PARAMETERS)
    assert wf.stored_seconds() > 0


@pytest.mark.parametrize("condition", wf.conditions().index)
def test_stored_replications_can_be_run_again(stored, condition):
    """The first of each condition, and one further on that differs from condition to condition."""
    settings = stored.conditions.loc[[condition]].iloc[0].to_dict()
    settings |= {name: int(settings[name]) for name in ("n", "g")}
    for k in (0, (271 * condition) % 1000):
        table = wf.fit_groups(wf.draw_groups(stored.rng(k, condition), **settings))
        kept = stored.estimates.loc[(condition, k), table.columns]
        assert np.abs(kept[["estimate", "se"]] - table[["estimate", "se"]]).max(axis=None) < STORED
        assert np.abs(kept - table).max(axis=None) < 3 * STORED


def test_what_is_stored_is_read_again(tmp_path, monkeypatch):
    """Failed replications and missing standard errors included."""
    monkeypatch.setattr(wf, "folder", lambda: tmp_path)
    whole = run_study(small, parted, 3, seed=5, conditions=wf.conditions())
    assert 0 < len(whole.failures) < 36
    wf.store_run(whole, 12.5)
    again = wf.stored_run()
    assert isinstance(again, Study)
    pd.testing.assert_series_equal(again.failures, whole.failures)
    pd.testing.assert_frame_equal(
        again.estimates, whole.estimates, check_index_type=False, atol=3 * STORED, rtol=0
    )
    assert again.estimates["se"].isna().any()
    assert wf.stored_seconds() == 12.5


def small(rng, **settings):
    return rng.normal(size=len(wf.PARAMETERS))


def parted(y):
    if y[0] > 1.3:
        raise mt.ModelError("too large")
    se = np.where(y > 1.0, np.nan, 0.1)
    half = 1.959963984540054 * se
    columns = {"estimate": y, "se": se, "lower": y - half, "upper": y + half}
    return pd.DataFrame(columns, index=pd.Index(wf.PARAMETERS, name="parameter"))
