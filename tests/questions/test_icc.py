"""The intraclass correlation of a column: both definitions from scratch, and bad input."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt

TABLE = pd.DataFrame({"g": [1, 1, 2, 2, 2, 3], "x": [4.0, 6.0, 1.0, 2.0, 0.0, 9.0]})


def test_pairs_one_by_one():
    deviation = TABLE["x"] - TABLE["x"].mean()
    products = [
        deviation[i] * deviation[k]
        for i in TABLE.index
        for k in TABLE.index
        if i != k and TABLE.loc[i, "g"] == TABLE.loc[k, "g"]
    ]
    expected = np.mean(products) / TABLE["x"].var(ddof=0)
    assert mt.column_icc(TABLE, "x", cluster="g") == pytest.approx(expected, rel=1e-12)


def test_anova_against_r(hsb):
    """R 4.2.2: mean squares of aov(math ~ factor(school)), n0 = (N - sum(n^2) / N) / (J - 1)."""
    icc = mt.column_icc(hsb, "math", cluster="school", method="anova")
    assert icc == pytest.approx(0.173600818341, rel=1e-10)


def test_anova_is_reml_in_balanced_data():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(15), 4)
    table = pd.DataFrame({"g": g, "y": rng.normal(size=15)[g] + rng.normal(size=60)})
    fit = mt.icc(mt.fit_empty("y", table, cluster="g"))
    assert mt.column_icc(table, "y", cluster="g", method="anova") == pytest.approx(fit, rel=1e-8)


def test_extremes():
    g = np.repeat(["a", "b", "c"], 4)
    level2 = pd.DataFrame({"g": g, "x": np.repeat([True, False, True], 4)})
    assert mt.column_icc(level2, "x", cluster="g") == pytest.approx(1.0)
    assert mt.column_icc(level2, "x", cluster="g", method="anova") == pytest.approx(1.0)
    centred = pd.DataFrame({"g": g, "x": np.tile([-1, 0, 0, 1], 3)})
    assert mt.column_icc(centred, "x", cluster="g") == pytest.approx(-1 / 3)


def test_pairs_pass_one_if_the_largest_clusters_lie_farthest_out():
    sizes = [8, 8, 4]
    g, x = np.repeat([1, 2, 3], sizes), np.repeat([5.0, -5.0, 0.0], sizes)
    table = pd.DataFrame({"g": g, "x": x})
    icc = mt.column_icc(table, "x", cluster="g")
    assert icc > 1.0
    assert mt.moulton_factor(sizes, icc, 1.0) ** 2 == pytest.approx(8.0)


def test_missing_values_are_counted():
    table = TABLE.copy()
    table.loc[5, "x"] = np.nan
    with pytest.warns(mt.DataWarning, match="1 of 6 rows"):
        icc = mt.column_icc(table, "x", cluster="g")
    assert icc == mt.column_icc(TABLE.iloc[:5], "x", cluster="g")


@pytest.mark.parametrize(
    ("change", "column", "said"),
    [
        ({}, "z", "'z'"),
        ({"x": ["a"] * 6}, "x", "not numeric"),
        ({"x": [1.0] * 6}, "x", "one value only"),
        ({"x": [np.inf] * 6}, "x", "infinite"),
        ({"g": [1] * 6}, "x", "1 clusters for 6 rows"),
        ({"g": range(6)}, "x", "6 clusters for 6 rows"),
    ],
)
def test_refuses(change, column, said):
    with pytest.raises(mt.DataError, match=said):
        mt.column_icc(TABLE.assign(**change), column, cluster="g")


def test_refuses_unknown_method_and_no_table():
    with pytest.raises(mt.ModelError, match="'pairs' or 'anova'"):
        mt.column_icc(TABLE, "x", cluster="g", method="reml")
    with pytest.raises(mt.DataError, match="DataFrame"):
        mt.column_icc([1, 2], "x", cluster="g")
