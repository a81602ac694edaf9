"""Level-2 functions of the random effects: against separate fits, in any units, with bad input."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt

MODEL1 = ("math ~ catholic + (1 | school)", "~ catholic + (1 | school)")


@pytest.fixture(scope="module")
def fit(hsb):
    return mt.fit_location_scale(*MODEL1, hsb, between={"Intercept": "~ catholic"})


def test_everything_by_group_is_a_fit_to_each_group(hsb):
    both = mt.fit_location_scale(*MODEL1, hsb, between="~ catholic")
    parts = [
        mt.fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", group)
        for _, group in hsb.groupby("catholic")
    ]
    assert np.isclose(both.llf, sum(part.llf for part in parts), atol=1e-5)
    at = both.random_at(pd.DataFrame({"catholic": [0, 1]}))
    for omega, part in zip(at, parts, strict=True):
        assert np.allclose(omega, part.random, atol=1e-3)


def test_constant_functions_change_nothing(hsb, hsb_scale):
    one, same = hsb_scale, mt.fit_location_scale(*MODEL1, hsb, between="~ 1")
    assert np.isclose(one.llf, same.llf, atol=1e-7)
    assert one.n_parameters == same.n_parameters
    assert np.allclose(one.random, same.random, atol=1e-5)
    assert np.allclose(one.mean["se"], same.mean["se"], rtol=1e-3)
    assert np.allclose(one.ranef(), same.ranef(), atol=1e-4)
    variance = same.between.loc[("Intercept", "Intercept")]
    assert np.isclose(np.exp(variance["estimate"]), one.random.iloc[0, 0], rtol=1e-5)
    # Delta method: the SE of a log variance is that of the variance over it.
    component = one.components.loc["Intercept"]
    assert np.isclose(variance["se"], component["se"] / component["estimate"], rtol=1e-3)


def test_only_the_named_element_differs(fit, hsb_scale):
    assert fit.n_parameters == hsb_scale.n_parameters + 1
    public, catholic = fit.random_at(pd.DataFrame({"catholic": [0, 1]}))
    scale = ("scale:Intercept", "scale:Intercept")
    assert np.isclose(public.loc[scale], catholic.loc[scale])
    ratio = catholic.loc["Intercept", "Intercept"] / public.loc["Intercept", "Intercept"]
    assert np.isclose(np.log(ratio), fit.between.loc[("Intercept", "catholic"), "estimate"])
    assert fit.random.loc["Intercept", "Intercept"] == pytest.approx(
        np.exp(
            fit.between.loc[("Intercept", "Intercept"), "estimate"]
            + fit.between.loc[("Intercept", "catholic"), "estimate"] * 70 / 160
        )
    )


def test_units_of_the_outcome_and_of_the_predictor(fit, hsb):
    moved = hsb.assign(math=100 + 10 * hsb["math"], catholic=5 - 2 * hsb["catholic"])
    other = mt.fit_location_scale(*MODEL1, moved, between={"Intercept": "~ catholic"})
    assert np.isclose(other.llf, fit.llf - len(hsb) * np.log(10), atol=1e-4)
    one, two = (f.between.loc[("Intercept", "catholic")] for f in (fit, other))
    assert np.isclose(one["estimate"], -2 * two["estimate"], atol=1e-4)
    assert np.isclose(one["se"], 2 * two["se"], rtol=1e-3)


def test_clusters_use_their_own_matrix(fit, hsb):
    table = fit.cluster_variances()
    catholic = hsb.groupby("school")["catholic"].first()
    tau2 = [o.iloc[0, 0] for o in fit.random_at(pd.DataFrame({"catholic": catholic}))]
    for icc, variance in (("icc", "variance"), ("icc_lower", "upper"), ("icc_upper", "lower")):
        assert np.allclose(table[icc], tau2 / (tau2 + table[variance]))
    # The log variance of a cluster is its effect and what all share: both have one SD.
    half = 1.959963984540054 * fit.ranef()["scale:Intercept_sd"]
    assert np.allclose(np.log(table["upper"] / table["variance"]), half)
    assert np.allclose(np.log(table["variance"] / table["lower"]), half)
    average = fit.predicted_variance(average=True) / fit.predicted_variance()
    omega = fit.random.loc["scale:Intercept", "scale:Intercept"]
    assert np.allclose(average, np.exp(omega / 2))


def test_one_group_on_the_boundary_is_enough(fit):
    """A variance of exp(-20) in one sector, of one in the other, is of no cluster between."""
    functions = fit.functions
    assert functions.at_boundary(fit.theta_effects) == []
    at = functions.names.index("Intercept")
    pieces = [np.zeros_like(part) for part in functions.map.pieces(fit.theta_effects)]
    X = functions.map.designs[at]
    pieces[at] = np.linalg.lstsq(X, -20.0 * (X[:, 1] > 0), rcond=None)[0]
    assert functions.at_boundary(np.concatenate(pieces)) == ["Intercept"]


def test_boundary_is_told(hsb):
    fit = mt.fit_location_scale(*MODEL1, hsb, between="~ catholic")
    assert any("Intercept:scale:Intercept runs off to the boundary" in note for note in fit.notes)
    assert fit.between.loc["Intercept:scale:Intercept", "se"].isna().all()
    assert fit.between.loc["Intercept", "se"].notna().all()
    assert "Level-2 functions" in str(fit)


@pytest.mark.parametrize(
    ("between", "error", "message"),
    [
        ("~ ses", mt.ModelError, "'ses' varies within 'school'"),
        ("catholic", mt.FormulaError, "is a formula such as '~ sector'"),
        ({"ses": "~ catholic"}, mt.FormulaError, "'ses' in between= is no element of Omega"),
        ("~ catholic + (1 | school)", mt.FormulaError, "has a random part"),
        ("~ 0 + catholic", mt.FormulaError, "needs its intercept"),
        ("~ cathlic", mt.DataError, "Did you mean 'catholic'"),
        (["~ catholic"], mt.ModelError, "is not a name or a dict"),
    ],
)
def test_bad_requests_are_named(between, error, message, hsb):
    with pytest.raises(error, match=message):
        mt.fit_location_scale(*MODEL1, hsb, between=between)


def test_questions_that_do_not_apply(fit, hsb, hsb_scale):
    with pytest.raises(mt.ModelError, match="level-2 functions: see fit.between"):
        _ = fit.components
    assert hsb_scale.between.empty
    with pytest.raises(mt.ModelError, match="one Omega for all clusters"):
        hsb_scale.random_at(hsb)
