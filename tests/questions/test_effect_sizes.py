"""Effect sizes from t and df: exact in ordinary regression, a table for a multilevel fit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt


def test_d_of_two_equal_groups_is_the_mean_difference_in_sds():
    """With the SD within groups computed with divisor n."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 2, 20), rng.normal(0, 2, 20)
    test = stats.ttest_ind(a, b)
    pooled = np.sqrt((a.var() + b.var()) / 2)
    expected = (a.mean() - b.mean()) / pooled
    assert mt.cohens_d(test.statistic, test.df) == pytest.approx(expected, rel=1e-12)


def test_r_is_the_partial_correlation_of_ordinary_regression():
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 50))
    y = 0.4 * x - z + rng.normal(size=50)
    X = np.column_stack([np.ones(50), x, z])
    beta, rss = np.linalg.lstsq(X, y, rcond=None)[:2]
    df = 47
    t = beta[1] / np.sqrt(rss[0] / df * np.linalg.inv(X.T @ X)[1, 1])
    others = X[:, [0, 2]]
    left = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (x, y)]
    assert mt.partial_r(t, df) == pytest.approx(np.corrcoef(*left)[0, 1], rel=1e-12)


@given(t=st.floats(-1e6, 1e6), df=st.floats(0.5, 1e7))
def test_d_and_r_say_the_same(t, df):
    d, r = mt.cohens_d(t, df), mt.partial_r(t, df)
    assert abs(r) <= 1.0
    assert r == pytest.approx(d / np.hypot(d, 2.0), rel=1e-12, abs=1e-300)
    assert (mt.cohens_d(-t, df), mt.partial_r(-t, df)) == (-d, -r)


def test_shapes():
    assert type(mt.cohens_d(3, 36)) is float
    np.testing.assert_allclose(mt.cohens_d([3.0, -3.0], 36), [1.0, -1.0])
    t = pd.Series([3.0, 0.0], index=["a", "b"])
    assert mt.partial_r(t, 16).to_dict() == {"a": 0.6, "b": 0.0}


def test_table_of_a_fit(hsb):
    fit = mt.fit_random_intercept("math ~ catholic + ses", hsb, cluster="school")
    table = mt.effect_sizes(fit)
    assert list(table.index) == ["catholic", "ses"]
    assert list(table.columns) == ["estimate", "t", "df", "d", "r"]
    for name in table.index:
        t, df = fit.tvalues[name], fit.df[name]
        assert table.loc[name, "d"] == mt.cohens_d(t, df)
        assert table.loc[name, "r"] == mt.partial_r(t, df)
    other = mt.effect_sizes(fit, ddf="between-within")
    assert other.loc["catholic", "df"] == 158.0


def test_a_slope_that_varies_gets_the_degrees_of_freedom_of_its_level(hsb):
    """The df of its test count the schools: with them any slope looks near perfect."""
    data = mt.center(hsb, "ses", cluster="school")
    formula = "math ~ ses_within + sector + (1 + ses_within | school)"
    for ddf in ("satterthwaite", "kenward-roger"):
        fit = mt.fit_mixed(formula, data, ddf=ddf)
        table = mt.effect_sizes(fit)
        assert table.loc["ses_within", "df"] == len(hsb) - 160 - 1
        assert table.loc["sector[T.Public]", "df"] == fit.df["sector[T.Public]"]
        assert table["t"].equals(fit.tvalues[table.index])
        r = mt.partial_r(table["t"], table["df"])
        np.testing.assert_allclose(table["r"], r)
        assert "The slope of ses_within varies" in repr(table.round(2))
        assert "<li>The slope of ses_within varies" in table._repr_html_()
    asked = mt.effect_sizes(fit, ddf="satterthwaite")
    assert asked.loc["ses_within", "df"] == fit.tests("satterthwaite").loc["ses_within", "df"]
    plain = mt.effect_sizes(mt.fit_random_intercept("math ~ ses", hsb, cluster="school"))
    own = mt.effect_sizes(mt.fit_mixed(formula, data, ddf="between-within"))
    assert "Note" not in repr(plain) + repr(asked) + repr(own)


def test_model_without_intercept_keeps_all_coefficients(hsb):
    fit = mt.fit_mixed("math ~ 0 + sector + (1 | school)", hsb)
    assert len(mt.effect_sizes(fit)) == 2


@pytest.mark.parametrize("df", [np.inf, 0.0, -1.0, np.nan])
def test_refuses_degrees_of_freedom_without_information(df):
    for size in (mt.cohens_d, mt.partial_r):
        with pytest.raises(mt.ModelError, match="finite, positive"):
            size(2.0, df)


def test_table_refuses(hsb):
    fit = mt.fit_random_intercept("math ~ catholic", hsb, cluster="school")
    with pytest.raises(mt.ModelError, match="those of z are infinite"):
        mt.effect_sizes(fit, ddf="z")
    with pytest.raises(
        mt.ModelError, match=r"fit of mt.fit_mixed\(...\); for a t statistic use cohens_d"
    ):
        mt.effect_sizes(6.4)
