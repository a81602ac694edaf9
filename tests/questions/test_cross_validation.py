"""Out-of-sample errors of the three poolings, against regressions written out with dummies."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach.core.linalg import central_differences
from mlteach.errors import DataError, DataWarning, FormulaError, ModelError
from mlteach.questions.cross_validation import compare_pooling

EXACT = {"rtol": 1e-8, "atol": 1e-8}  # the same least squares by another route


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(6)
    sizes = rng.integers(6, 14, size=20)
    g = np.repeat(np.arange(20), sizes)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=len(g)), "w": rng.normal(size=20)[g]})
    data["z"] = rng.normal(size=len(g))
    u = rng.normal(size=(20, 2)) @ np.diag([1.0, 0.6])
    y = 1 + data["x"] + 0.5 * data["w"] + 0.3 * data["z"] + u[g, 0] + u[g, 1] * data["x"]
    return data.assign(y=y + rng.normal(size=len(g)))


def dummies(train, test, within):
    """Predict by least squares with a line for each cluster and common slopes of the rest."""

    def columns(rows):
        one = (rows["g"].to_numpy()[:, None] == np.arange(20)).astype(float)
        blocks = [one * rows[[name]].to_numpy() for name in within]
        return np.column_stack([one, *blocks, rows["z"]])

    b = np.linalg.lstsq(columns(train), train["y"], rcond=None)[0]
    return columns(test) @ b


@pytest.mark.parametrize("slopes", [(), ("x",)])
def test_the_three_are_ols_dummies_and_the_mixed_model(small, slopes):
    formula = "y ~ x + w + z" if slopes else "y ~ w + z"
    result = compare_pooling(formula, small, cluster="g", slopes=slopes, folds=4)
    names = ["x", "w", "z"] if slopes else ["w", "z"]
    for k in range(4):
        out = result.errors["fold"] == k
        train, test = small[~out], small[out]
        X = np.column_stack([np.ones(len(small)), small[names]])
        b = np.linalg.lstsq(X[~out], train["y"], rcond=None)[0]
        complete = test["y"] - X[out] @ b
        none = test["y"] - dummies(train, test, slopes)
        random = " + ".join(["1", *slopes])
        partial = test["y"] - mt.fit_mixed(f"{formula} + ({random} | g)", train).predict(test)
        np.testing.assert_allclose(result.errors.loc[out, "complete"], complete, **EXACT)
        np.testing.assert_allclose(result.errors.loc[out, "none"], none, **EXACT)
        np.testing.assert_allclose(result.errors.loc[out, "partial"], partial, **EXACT)


def test_cross_level_interactions_are_taken_up_by_the_clusters(small):
    one = compare_pooling("y ~ x * w + z", small, cluster="g", slopes="x").errors["none"]
    two = compare_pooling("y ~ x + z", small, cluster="g", slopes="x").errors["none"]
    np.testing.assert_allclose(one, two, **EXACT)


def test_table_is_made_of_the_errors(small):
    result = compare_pooling("y ~ x + w + z", small, cluster="g")
    e = result.errors[["complete", "none", "partial"]]
    table = result.table
    rmse = np.sqrt((e**2).mean())
    np.testing.assert_allclose(table["rmse"], rmse, **EXACT)
    np.testing.assert_allclose(table["mae"], e.abs().mean(), **EXACT)
    np.testing.assert_allclose(table["difference"], rmse - rmse["partial"], **EXACT)
    assert np.isnan(table.loc["partial", "se"])


def test_standard_error_is_that_of_the_bootstrap_of_clusters(hsb):
    result = compare_pooling("math ~ 1", hsb, cluster="school")
    rng = np.random.default_rng(1)
    square = result.errors[["complete", "partial"]] ** 2
    sums = square.groupby(result.errors["cluster"]).agg(["sum", "size"]).to_numpy()
    draws = rng.integers(0, len(sums), size=(4000, len(sums)))
    total = sums[draws].sum(axis=1)
    difference = np.sqrt(total[:, 0] / total[:, 1]) - np.sqrt(total[:, 2] / total[:, 3])
    # 4,000 draws know an SD to 1.1%; first-order theory to a few percent
    assert result.table.loc["complete", "se"] == pytest.approx(difference.std(), rel=0.06)


def test_standard_error_is_that_of_a_mean_of_what_clusters_add(small):
    """What one cluster more of a kind would change, by numerical derivatives of its weight."""
    result = compare_pooling("y ~ x + w + z", small, cluster="g")
    square = result.errors[["complete", "none", "partial"]] ** 2
    sums = square.groupby(result.errors["cluster"]).agg(["sum", "size"]).to_numpy()

    def difference(weight):
        total = weight @ sums
        rmse = np.sqrt(total[::2] / total[1::2])
        return rmse[:2] - rmse[2]

    added = 20 * central_differences(difference, np.ones(20), 1e-5)
    np.testing.assert_allclose(result.table["se"].iloc[:2], stats.sem(added), rtol=1e-6)


def test_folds_spread_every_cluster_and_repeat_by_seed(hsb):
    one = compare_pooling("math ~ ses", hsb, cluster="school", seed=4)
    counts = pd.crosstab(one.errors["cluster"], one.errors["fold"])
    assert np.ptp(counts.to_numpy(), axis=1).max() <= 1
    assert np.ptp(counts.sum().to_numpy()) <= 1
    again = compare_pooling("math ~ ses", hsb, cluster="school", seed=4)
    pd.testing.assert_frame_equal(one.errors, again.errors)
    other = compare_pooling("math ~ ses", hsb, cluster="school", seed=5)
    assert not one.errors["fold"].equals(other.errors["fold"])


def test_leaving_clusters_out_leaves_no_pooling_without_an_answer(small):
    result = compare_pooling("y ~ x + w + z", small, cluster="g", leave="clusters", folds=5)
    assert (result.errors.groupby("cluster")["fold"].nunique() == 1).all()
    assert result.table.loc["none"].isna().all()
    assert result.errors["none"].isna().all()
    assert result.table.loc[["complete", "partial"], "rmse"].notna().all()
    assert "No pooling has no coefficients" in result.notes[0]
    out = result.errors["fold"] == 0
    fit = mt.fit_mixed("y ~ x + w + z + (1 | g)", small[~out])
    fixed = small.loc[out, "y"] - fit.predict(small[out], random=False)
    np.testing.assert_allclose(result.errors.loc[out, "partial"], fixed, **EXACT)


def test_order_of_rows_and_other_index_do_not_matter_for_leaving_clusters_out(small):
    a = compare_pooling("y ~ x + w", small, cluster="g", leave="clusters", folds=5)
    mixed = small.sample(frac=1, random_state=1)
    b = compare_pooling("y ~ x + w", mixed, cluster="g", leave="clusters", folds=5)
    np.testing.assert_allclose(a.table, b.table, **EXACT)
    assert b.errors.index.equals(mixed.index)


def test_clusters_too_small_for_a_regression_are_said(london):
    result = compare_pooling("score16 ~ score11", london, cluster="school", slopes=["score11"])
    left = result.errors["none"].isna()
    assert result.notes[0].startswith(f"{left.sum()} of 4059 rows are not compared")
    assert set(result.errors.loc[left, "cluster"]) == {48}  # two students
    e = result.errors.loc[~left, "partial"]
    assert result.table.loc["partial", "rmse"] == pytest.approx(np.sqrt((e**2).mean()), rel=1e-12)


def test_missing_values_are_left_out_and_rows_keep_their_labels(small):
    holes = small.copy()
    holes.loc[[3, 50], "x"] = np.nan
    with pytest.warns(DataWarning, match="2 of 194 rows"):
        result = compare_pooling("y ~ x", holes, cluster="g")
    assert result.errors.index.equals(holes.index.drop([3, 50]))
    assert "2 of 194 rows" in result.notes[-1]


def test_ml_and_reml_differ_a_little(small):
    reml = compare_pooling("y ~ x + w", small, cluster="g")
    ml = compare_pooling("y ~ x + w", small, cluster="g", reml=False)
    assert reml.table.loc["complete", "rmse"] == ml.table.loc["complete", "rmse"]
    assert reml.table.loc["partial", "rmse"] != ml.table.loc["partial", "rmse"]


def test_looks(small):
    result = compare_pooling("y ~ x", small, cluster="g", leave="clusters", folds=5)
    text = repr(result)
    assert "partial pooling: y ~ x + (1 | g)" in text
    assert "clusters, in 5 folds" in text
    assert "Note: No pooling" in text
    assert "mlteach-summary" in result._repr_html_()


def test_no_dummies_are_made(hsb):
    """A column for each school would take as long as it takes room."""
    data = mt.center(hsb, "ses", cluster="school")
    tracemalloc.start()
    compare_pooling("math ~ ses_within", data, cluster="school", slopes="ses_within")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    dummies = np.dtype(float).itemsize * len(data) * data["school"].nunique()
    assert most < dummies / 3


@pytest.mark.parametrize(
    ("formula", "options", "error", "words"),
    [
        ("y ~ x + (1 | g)", {}, FormulaError, "give the fixed part only"),
        ("y ~ x", {"leave": "schools"}, ModelError, "choose 'rows' or 'clusters'"),
        ("y ~ x", {"folds": 1}, ModelError, "not a whole number from 2"),
        ("y ~ x", {"folds": 21, "leave": "clusters"}, ModelError, "from 2 to 20"),
        ("y ~ x", {"seed": "a"}, ModelError, "seed='a' is not a whole number"),
        ("y ~ v", {}, DataError, "'v', needed by"),
        ("y ~ rare", {"leave": "clusters"}, ModelError, "Without fold .* 'rare' is constant"),
    ],
)
def test_refuses(small, formula, options, error, words):
    data = small.assign(rare=(small["g"] == 3).astype(float))
    with pytest.raises(error, match=words):
        compare_pooling(formula, data, cluster="g", **options)


def test_clusters_that_all_are_too_small():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(30), 2)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=60), "y": rng.normal(size=60)})
    with pytest.raises(ModelError, match="No cluster has enough rows"):
        compare_pooling("y ~ x", data, cluster="g", slopes="x", folds=5)
