"""Variances of groups and their ratios: against coefficients and their limits."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale


@pytest.fixture(scope="module")
def model1(hsb):
    return fit_location_scale("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", hsb)


def test_variance_ratios(model1, hsb):
    sectors = pd.DataFrame({"catholic": [0, 1]}, index=["public", "Catholic"])
    table = model1.variance_ratios(sectors)
    alpha = model1.log_variance.loc["catholic"]
    ratio = table.loc["Catholic", ["ratio", "ratio_lower", "ratio_upper"]].to_numpy()
    assert np.allclose(ratio, np.exp(alpha[["estimate", "lower", "upper"]]), rtol=1e-5)
    assert (table.loc["public", ["ratio", "ratio_lower", "ratio_upper"]] == 1).all()
    average = model1.predicted_variance(sectors, average=True)
    assert np.allclose(table["variance"], average)
    assert ((table["lower"] < average) & (average < table["upper"])).all()
    # The median variance of public schools has the limits of its coefficient.
    median = model1.variance_ratios(sectors, average=False).loc["public"]
    limits = np.exp(model1.log_variance.loc["Intercept", ["estimate", "lower", "upper"]])
    assert np.allclose(median[["variance", "lower", "upper"]], limits, rtol=1e-5)
    with pytest.raises(mt.ModelError, match="level"):
        model1.variance_ratios(sectors, level=95)


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
