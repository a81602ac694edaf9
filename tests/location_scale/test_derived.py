"""Variances of groups and their ratios: against coefficients and their limits."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale


def test_variance_ratios(hsb_scale, hsb):
    sectors = pd.DataFrame({"catholic": [0, 1]}, index=["public", "Catholic"])
    table = hsb_scale.variance_ratios(sectors)
    alpha = hsb_scale.log_variance.loc["catholic"]
    ratio = table.loc["Catholic", ["ratio", "ratio_lower", "ratio_upper"]].to_numpy()
    assert np.allclose(ratio, np.exp(alpha[["estimate", "lower", "upper"]]), rtol=1e-5)
    assert (table.loc["public", ["ratio", "ratio_lower", "ratio_upper"]] == 1).all()
    average = hsb_scale.predicted_variance(sectors, average=True)
    assert np.allclose(table["variance"], average)
    assert ((table["lower"] < average) & (average < table["upper"])).all()
    # The median variance of public schools has the limits of its coefficient.
    median = hsb_scale.variance_ratios(sectors, average=False).loc["public"]
    limits = np.exp(hsb_scale.log_variance.loc["Intercept", ["estimate", "lower", "upper"]])
    assert np.allclose(median[["variance", "lower", "upper"]], limits, rtol=1e-5)
    with pytest.raises(mt.ModelError, match="level"):
        hsb_scale.variance_ratios(sectors, level=95)


def test_variance_ratios_where_omega_differs(hsb):
    fit = fit_location_scale(
        "math ~ catholic + (1 | school)",
        "~ catholic + (1 | school)",
        hsb,
        between={"scale:Intercept": "~ catholic"},
    )
    sectors = pd.DataFrame({"catholic": [0, 1]})
    public, catholic = (o.iloc[1, 1] for o in fit.random_at(sectors))
    expected = np.exp(fit.log_variance.loc["catholic", "estimate"] + 0.5 * (catholic - public))
    row = fit.variance_ratios(sectors).loc[1]
    assert np.isclose(row["ratio"], expected)
    # The average ratio is less certain than that of the medians: Omega is uncertain too.
    median = fit.variance_ratios(sectors, average=False).loc[1]
    assert row["ratio_upper"] / row["ratio_lower"] > median["ratio_upper"] / median["ratio_lower"]


def test_linear_hypotheses(hsb_scale):
    cov, names = hsb_scale.cov_params(), ["catholic", "scale:catholic"]
    one = hsb_scale.test("scale:catholic = 0")
    assert np.isclose(one.statistic, hsb_scale.tvalues["scale:catholic"] ** 2)
    assert np.isclose(one.p, hsb_scale.pvalues["scale:catholic"])
    both = hsb_scale.test(names)
    value = hsb_scale.params[names].to_numpy()
    assert np.isclose(both.chi2, value @ np.linalg.solve(cov.loc[names, names], value))
    assert both.p == both.p_chi2
    assert both.df_den == np.inf
    # A combination across the functions, and null values other than zero.
    across = hsb_scale.test("catholic - 2*scale:catholic = 1").table.iloc[0]
    weights = np.array([1.0, -2.0])
    assert np.isclose(across["estimate"], weights @ value)
    assert np.isclose(across["se"], np.sqrt(weights @ cov.loc[names, names] @ weights))
    assert np.isclose(across["t"], (across["estimate"] - 1) / across["se"])
    with pytest.raises(mt.FormulaError, match="scale:catholic"):
        hsb_scale.test("scale:cathlic")


def test_limits_of_variances_and_correlations_by_numerical_derivatives(hsb_scale):
    """The delta method of components is analytic; here the scales themselves are differentiated."""
    limits = hsb_scale.conf_int(0.9, which="random")

    def on_their_scales(e):
        omega = e.omega[0]
        rho = omega[0, 1] / np.sqrt(omega[0, 0] * omega[1, 1])
        return np.array([np.log(omega[0, 0]), np.arctanh(rho), np.log(omega[1, 1])])

    value, slopes = on_their_scales(hsb_scale), hsb_scale.slopes(on_their_scales)
    se = np.sqrt(np.einsum("ma,mn,na->a", slopes, hsb_scale.cov_scaled, slopes))
    for side, sign in (("lower", -1), ("upper", 1)):
        found = limits[side].to_numpy()
        found = np.array([np.log(found[0]), np.arctanh(found[1]), np.log(found[2])])
        assert np.allclose(found, value + sign * 1.6448536 * se, rtol=1e-5)
    everything = hsb_scale.conf_int(which="all")
    assert everything.loc["fixed"].equals(hsb_scale.conf_int())
    assert everything.loc["random"].equals(hsb_scale.components[["lower", "upper"]])
    with pytest.raises(mt.ModelError, match="which='both'"):
        hsb_scale.conf_int(which="both")


def test_icc_of_one_variance_is_the_mixed_model_s(hsb):
    constant = fit_location_scale("math ~ catholic + (1 | school)", "~ 1", hsb)
    mixed = mt.icc(mt.fit_mixed("math ~ catholic + (1 | school)", hsb, reml=False))
    row = constant.icc_at(pd.DataFrame({"catholic": [0]})).iloc[0]
    assert row["estimate"] == pytest.approx(float(mixed), rel=1e-5)
    assert row["se"] == pytest.approx(mixed.se, rel=1e-4)
    assert row[["lower", "upper"]].tolist() == pytest.approx([mixed.lower, mixed.upper], rel=0.02)


def test_icc_differs_with_the_variance(hsb_scale):
    rows = pd.DataFrame({"catholic": [0, 1]})
    between = hsb_scale.random.loc["Intercept", "Intercept"]
    for average in (True, False):
        table = hsb_scale.icc_at(rows, average=average)
        within = hsb_scale.predicted_variance(rows, average=average)
        assert np.allclose(table["estimate"], between / (between + within))
    assert table["estimate"][1] > table["estimate"][0]
    assert ((table["lower"] < table["estimate"]) & (table["estimate"] < table["upper"])).all()


def test_icc_where_no_variance_is_left():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"g": np.repeat(np.arange(30), 6), "y": rng.normal(size=180)})
    fit = fit_location_scale("y ~ 1 + (1 | g)", "~ 1", table)
    row = fit.icc_at(table[:1]).iloc[0]
    assert row["estimate"] == 0.0
    assert row[["se", "lower", "upper"]].isna().all()
    (component,) = fit.components.to_numpy()
    assert component[0] == pytest.approx(0.0, abs=1e-12) and np.isnan(component[1:]).all()
