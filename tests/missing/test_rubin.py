"""Rubin's rules: mice's pool() on the same numbers, closed cases, and every kind of result."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import REFERENCE

CASE = json.loads((REFERENCE / "imputation.json").read_text())
RUBIN = CASE["cases"]["rubin"]
SAME = 1e-12  # the same formulas on the same 17 digits
TERMS = ["Intercept", "x1", "x3"]


@dataclass
class Fit:
    """The least that a result must have."""

    params: pd.Series
    bse: pd.Series


@dataclass
class SmallFit(Fit):
    """A result with degrees of freedom."""

    df: object


def fits(estimates, se, df=None):
    series = [
        (pd.Series(q, index=TERMS[: len(q)]), pd.Series(s, index=TERMS[: len(s)]))
        for q, s in zip(estimates, se, strict=True)
    ]
    return [Fit(*pair) if df is None else SmallFit(*pair, df) for pair in series]


@pytest.mark.parametrize("key", ["pooled", "pooled_large"])
def test_numbers_of_mice(key):
    df = RUBIN["df_complete"] if key == "pooled" else None
    table = mt.pool(fits(RUBIN["estimates"], RUBIN["se"], df))
    assert table.attrs["m"] == 7 and table.attrs["notes"] == ()
    for term in TERMS:
        for column, value in RUBIN[key][term].items():
            assert table.loc[term, column] == pytest.approx(value, rel=SAME), (term, column)


def test_identical_results_are_one_result():
    """No variance between data sets: the standard error of each, df of Barnard & Rubin's limit."""
    table = mt.pool(fits([[1.0, 2.0]] * 4, [[0.1, 0.2]] * 4, df=30.0))
    assert table["se"].tolist() == pytest.approx([0.1, 0.2], rel=SAME)
    assert table["df"].tolist() == pytest.approx([31 / 33 * 30] * 2, rel=SAME)
    assert table["riv"].tolist() == [0.0, 0.0]
    endless = mt.pool(fits([[1.0]] * 4, [[0.1]] * 4))
    assert np.isinf(endless["df"].iloc[0]) and endless["fmi"].iloc[0] == 0.0
    assert endless["upper"].iloc[0] == pytest.approx(1.0 + 0.1 * 1.959963984540054, rel=1e-10)


def test_two_results_by_hand():
    """Q = 1, 3: U = 1, B = 2, T = 1 + 1.5 x 2 = 4, df = 1 / .75^2."""
    table = mt.pool(fits([[1.0], [3.0]], [[1.0], [1.0]]))
    row = table.iloc[0]
    assert (row["estimate"], row["se"], row["riv"]) == (2.0, 2.0, 3.0)
    assert row["df"] == pytest.approx(16 / 9, rel=SAME)
    assert row["fmi"] == pytest.approx((3 + 2 / (16 / 9 + 3)) / 4, rel=SAME)


def test_level_widens_the_interval():
    results = fits(RUBIN["estimates"], RUBIN["se"])
    narrow, wide = mt.pool(results, level=0.5), mt.pool(results, level=0.99)
    assert (wide["lower"] < narrow["lower"]).all() and (narrow["upper"] < wide["upper"]).all()
    with pytest.raises(mt.ModelError, match="confidence level"):
        mt.pool(results, level=95)


def test_order_of_parameters_does_not_matter():
    results = fits(RUBIN["estimates"], RUBIN["se"])
    turned = [Fit(r.params[::-1], r.bse[::-1]) if k % 2 else r for k, r in enumerate(results)]
    pd.testing.assert_frame_equal(mt.pool(turned), mt.pool(results))


# ----------------------------------------------------------------------------- results of all kinds


@pytest.fixture(scope="module")
def imputed(hsb):
    data = hsb.assign(math=hsb["math"].where(hsb["ses"] > -1))
    return mt.impute(data, ["math", "ses"], cluster="school", m=3, burn=50, thin=20, seed=1)


def test_mixed_models_with_their_own_degrees_of_freedom(imputed):
    results = imputed.fit(lambda d: mt.fit_mixed("math ~ mean_ses + (1 | school)", d))
    table = mt.pool(results)
    own = pd.DataFrame([fit.df for fit in results]).mean()
    limit = (own + 1) / (own + 3) * own
    assert (table["df"] < limit).all()
    assert table["estimate"].tolist() == pytest.approx(
        np.mean([fit.params for fit in results], axis=0), rel=SAME
    )


def test_location_scale_models(imputed):
    results = imputed.fit(lambda d: mt.fit_location_scale("math ~ 1 + (1 | school)", "~ ses", d))
    table = mt.pool(results)
    assert "scale:ses" in table.index and (table["se"] > results[0].bse * 0.5).all()


def test_multigroup_models(imputed):
    results = imputed.fit(
        lambda d: mt.fit_multigroup(["math", "ses"], d, cluster="school", group="sector")
    )
    table = mt.pool(results)
    assert list(table.index) == list(results[0].params.index)
    assert np.isfinite(table[["estimate", "se", "lower", "upper"]]).all(axis=None)


def test_statsmodels(imputed):
    smf = pytest.importorskip("statsmodels.formula.api")
    results = imputed.fit(lambda d: smf.ols("math ~ ses", d).fit())
    table, complete = mt.pool(results), results[0].df_resid
    assert (table["df"] < complete).all()
    robust = mt.pool(imputed.fit(lambda d: smf.ols("math ~ ses", d).fit(cov_type="HC1")))
    # A z test: Rubin's degrees of freedom, for complete data without end.
    expected = 2 * (1 + 1 / robust["riv"]) ** 2
    np.testing.assert_allclose(robust["df"], expected, rtol=SAME)


# ----------------------------------------------------------------------------------------- trouble


@dataclass
class Searched(Fit):
    """A result that says whether it converged."""

    converged: bool


def searched(flags):
    one = pd.Series({"x": 1.0})
    return [Searched(k * one, one, flag) for k, flag in enumerate(flags)]


def test_fits_without_convergence_are_named_and_left_out():
    with pytest.warns(mt.ConvergenceWarning, match="2 of 5 fits have not converged.*number 2, 4"):
        table = mt.pool(searched([True, False, True, False, True]))
    assert table.attrs["m"] == 3 and table.loc["x", "estimate"] == 2.0
    assert "number 2, 4" in table.attrs["notes"][0]
    with (
        pytest.warns(mt.ConvergenceWarning),
        pytest.raises(mt.ModelError, match="there are 1 that converged"),
    ):
        mt.pool(searched([True, False]))


def test_missing_standard_errors_are_named():
    table = mt.pool(fits([[1.0, 2.0]] * 3, [[0.1, 0.2], [0.1, np.nan], [0.1, 0.2]]))
    assert np.isnan(table.loc["x1", "se"]) and table.loc["Intercept", "se"] > 0
    assert "Without a standard error in some data set: x1" in table.attrs["notes"][0]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (fits([[1.0]], [[1.0]]), "two results or more.*there are 1"),
        ([], "there are 0"),
        (fits([[1.0]], [[1.0]])[0], "a list of results"),
        (None, "it got a single NoneType"),
        ([1.0, 2.0], "Result 1, a float, lacks params or bse"),
        (fits([[1.0], [1.0, 2.0]], [[1.0], [1.0, 2.0]]), "different parameters .x1."),
        ([Fit(np.ones(2), np.ones(2))] * 2, "pandas Series.*got ndarray"),
    ],
)
def test_refuses(results, said):
    with pytest.raises(mt.ModelError, match=said):
        mt.pool(results)
