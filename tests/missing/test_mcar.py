"""Little's test: a closed case, R's numbers, units, calibration, and bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.core.progress import Progress
from mlteach.missing.mcar import PatternMoments, em_moments
from tests.places import REFERENCE

EM = 1e-8  # EM stops at steps of 1e-10 of a standard deviation; its rate here is below .9
LAVAAN = 1e-5  # lavaan stops where the log-likelihood changes by 1e-9, 3e-6 from the maximum


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(REFERENCE / "data" / "incomplete.csv")


@pytest.fixture(scope="module")
def reference():
    return json.loads((REFERENCE / "imputation.json").read_text())["cases"]["little"]


VARIABLES = ["x1", "x2", "x3"]


def log_likelihood(values, mean, cov):
    """Sum over rows of the normal log density of what is observed, up to a constant."""
    total = 0.0
    for row in values:
        seen = ~np.isnan(row)
        away, inside = row[seen] - mean[seen], cov[np.ix_(seen, seen)]
        total -= 0.5 * (np.linalg.slogdet(inside)[1] + away @ np.linalg.solve(inside, away))
    return total


def test_statistic_of_r(data, reference):
    table = mt.little_mcar(data, VARIABLES)
    row = table.loc["all"]
    assert row["statistic"] == pytest.approx(reference["statistic"], rel=LAVAAN)
    assert row["df"] == reference["df"] and row["patterns"] == 4
    assert np.log(row["p"]) == pytest.approx(np.log(reference["p"]), rel=LAVAAN)
    left_out = data[VARIABLES].isna().all(axis=1).sum()
    assert row["rows"] == len(data) - left_out
    assert f"{left_out} of {len(data)} rows have no value at all" in table.attrs["notes"][-1]


def test_em_is_the_maximum_that_lavaan_looks_for(data, reference):
    values = data[VARIABLES].dropna(how="all").to_numpy()
    mean, cov = em_moments(PatternMoments(values), "", Progress("EM", show=False))
    np.testing.assert_allclose(mean, reference["mean"], rtol=LAVAAN)
    np.testing.assert_allclose(cov, reference["cov"], rtol=LAVAAN)
    theirs = log_likelihood(values, np.array(reference["mean"]), np.array(reference["cov"]))
    assert log_likelihood(values, mean, cov) >= theirs


def plain_em_step(values, mean, cov):
    """Row after row."""
    shift, square = np.zeros(len(mean)), np.zeros(cov.shape)
    for row in values:
        o = np.flatnonzero(~np.isnan(row))
        B = np.linalg.solve(cov[np.ix_(o, o)], cov[o]).T
        away = B @ (row[o] - mean[o])
        shift += away
        square += np.outer(away, away) + cov - B @ cov[o]
    shift /= len(values)
    return mean + shift, square / len(values) - np.outer(shift, shift)


@pytest.mark.parametrize(("p", "share"), [(3, 0.3), (12, 0.1)])
def test_em_of_many_patterns_is_that_of_rows(p, share):
    """Patterns of one row and of hundreds; where EM rests, a plain step changes nothing."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(900, p)) @ (np.eye(p) + 0.2 * np.tril(rng.normal(size=(p, p)), -1)).T
    values[rng.random(values.shape) < share] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    end = em_moments(PatternMoments(values), "", Progress("EM", show=False))
    for ours, theirs in zip(end, plain_em_step(values, *end), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=EM)


def test_em_is_flat_at_its_end(data):
    """No small step in any mean or (co)variance raises the log-likelihood."""
    values = data[VARIABLES].dropna(how="all").to_numpy()
    mean, cov = em_moments(PatternMoments(values), "", Progress("EM", show=False))
    step = 1e-5
    for k in range(3):
        e = step * np.eye(3)[k]
        rise = log_likelihood(values, mean + e, cov) - log_likelihood(values, mean - e, cov)
        assert abs(rise / (2 * step)) < 1e-4
        for r in range(k + 1):
            E = step * (np.outer(np.eye(3)[k], np.eye(3)[r]))
            E = (E + E.T) / 2
            rise = log_likelihood(values, mean, cov + E) - log_likelihood(values, mean, cov - E)
            assert abs(rise / (2 * step)) < 1e-4


def test_one_incomplete_variable_has_a_closed_form():
    """N times the squared correlation of the complete variable with being missing."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    y = np.where(rng.random(200) < 1 / (1 + np.exp(-x)), np.nan, x + rng.normal(size=200))
    table = mt.little_mcar(pd.DataFrame({"x": x, "y": y}), ["x", "y"])
    expected = 200 * np.corrcoef(x, np.isnan(y))[0, 1] ** 2
    assert table.loc["all", "statistic"] == pytest.approx(expected, rel=EM)
    assert table.loc["all", "df"] == 1


@given(st.floats(-3, 3), st.floats(-1e4, 1e4))
def test_units_do_not_matter(exponent, shift):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    data = pd.DataFrame(values, columns=VARIABLES)
    other = data.assign(x2=10.0**exponent * data["x2"], x3=shift - data["x3"])
    a, b = (mt.little_mcar(d, VARIABLES).loc["all"] for d in (data, other))
    # Centring the shifted variable loses the digits of shift / SD.
    assert a["statistic"] == pytest.approx(b["statistic"], rel=1e-6)


def test_groups_are_tested_one_by_one(data):
    data = data.assign(g=np.where(data["cluster"] > 30, "late", "early"))
    table = mt.little_mcar(data, VARIABLES, group="g")
    assert table.index.tolist() == ["early", "late"]
    alone = mt.little_mcar(data[data["g"] == "late"], VARIABLES).loc["all"]
    pd.testing.assert_series_equal(table.loc["late"], alone, check_names=False)


def test_a_single_pattern_has_nothing_to_compare(data):
    row = mt.little_mcar(data.dropna(), VARIABLES).loc["all"]
    assert np.isnan(row["statistic"]) and np.isnan(row["p"]) and row["df"] == 0


def clustered(rng, spread):
    """Values with an ICC of .2, missing at random at rates whose logits vary over clusters."""
    g = np.repeat(np.arange(30), 20)
    values = np.sqrt(0.2) * rng.normal(size=(30, 2))[g] + np.sqrt(0.8) * rng.normal(size=(600, 2))
    logit = np.log(0.3 / 0.7) + spread * rng.normal(size=30)
    values[rng.random(600) < 1 / (1 + np.exp(-logit[g])), 1] = np.nan
    return pd.DataFrame(values, columns=["x1", "x2"])


def rejections(spread, n=400):
    rng = np.random.default_rng(8)
    p = [mt.little_mcar(clustered(rng, spread), ["x1", "x2"])["p"].iloc[0] for _ in range(n)]
    return np.mean(np.array(p) < 0.05)


def test_rate_of_rejections_with_and_without_clustered_gaps():
    """The docstring says 5% and 12%; 400 data sets know them to 1.1 and 1.6 points."""
    assert abs(rejections(0.0) - 0.05) < 3.3 * np.sqrt(0.05 * 0.95 / 400)
    assert abs(rejections(1.0) - 0.12) < 3.3 * np.sqrt(0.12 * 0.88 / 400)


@pytest.mark.parametrize(
    ("change", "variables", "said"),
    [
        ({}, ["x1"], "two variables or more"),
        ({"x2": np.nan}, VARIABLES, "'x2' has no observed value"),
        ({"x2": 1.0}, VARIABLES, "'x2' has the single value 1"),
        ({"x2": "a"}, VARIABLES, "'x2' is not numeric"),
    ],
)
def test_refuses_data(data, change, variables, said):
    with pytest.raises(mt.DataError, match=said):
        mt.little_mcar(data.assign(**change), variables)


def test_refuses_what_has_no_covariance(data):
    half = data.index < 200
    apart = data.assign(x1=data["x1"].where(half), x2=data["x2"].where(~half))
    with pytest.raises(mt.DataError, match="'x1' and 'x2' are never observed in the same row"):
        mt.little_mcar(apart, VARIABLES)
    with pytest.raises(mt.ModelError, match="linear combination"):
        mt.little_mcar(data.assign(x2=2 * data["x1"] + 1), ["x1", "x2", "x3"])
