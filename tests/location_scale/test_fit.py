"""Location-scale models: known log-likelihoods, nlme, recovery, invariance, bad input."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale
from tests.places import REFERENCE

NLME = json.loads((REFERENCE / "nlme_variance.json").read_text())["cases"]
HSB2 = (
    "math ~ catholic + ses_between + ses_within + catholic:ses_within + ses_between:ses_within "
    "+ (1 + ses_within | school)"
)

PRINTED = 6e-5  # half of the last of four printed decimals, and a little
NLME_LLF = 1e-6  # nlme stops on the change of its parameters
NLME_ESTIMATE = 2e-4  # of the standard error: the same
QUADRATURE = 5e-5  # the promise: the fourth decimal does not move from 11 to 31 points


@pytest.fixture(scope="module")
def schools(hsb):
    return mt.center(hsb, ["ses"], cluster="school")


def test_known_log_likelihoods(hsb_scale, london):
    """Maxima known from an independent implementation, to four decimals."""
    assert abs(hsb_scale.llf + 23507.1303) < PRINTED
    model2 = fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)", london)
    assert abs(model2.llf + 5459.4551) < PRINTED


@pytest.mark.parametrize("case", NLME, ids=lambda c: c["id"])
def test_fixed_variance_functions_against_nlme(case):
    path = REFERENCE / case["data"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == case["sha256"]
    fit = fit_location_scale(
        case["formula"], case["variance"], pd.read_csv(path), reml=case["reml"]
    )
    assert fit.converged
    assert abs(fit.llf - case["llf"]) < NLME_LLF
    for name, value in case["estimate"].items():
        row = fit.mean.loc[name.replace("(Intercept)", "Intercept")]
        assert abs(row["estimate"] - value) < NLME_ESTIMATE * row["se"]
    alpha = fit.log_variance
    for name, value in expected_log_variance(case).items():
        assert abs(alpha.loc[name, "estimate"] - value) < NLME_ESTIMATE * alpha.loc[name, "se"]
    assert np.allclose(fit.random.to_numpy(), case["tau"], rtol=1e-3, atol=1e-5)
    rows = pd.read_csv(path).iloc[::400]
    expected = sum(
        value * (1.0 if name == "Intercept" else rows[name])
        for name, value in expected_log_variance(case).items()
    )
    z = np.column_stack([np.ones(len(rows)), *(rows[name] for name in fit.effects[1:])])
    between = np.einsum("iq,qr,ir->i", z, np.atleast_2d(case["tau"]), z)
    icc = between / (between + np.exp(expected))
    assert np.allclose(fit.icc_at(rows)["estimate"], icc, rtol=1e-3)
    assert np.allclose(fit.predict(rows, random=False)["sd"] ** 2, np.exp(expected), rtol=1e-3)


def expected_log_variance(case):
    """From nlme's relative SDs of groups and its exponent."""
    struct = {name.split(".")[-1]: value for name, value in case["struct"].items()}
    out = {"Intercept": 2 * np.log(case["sigma"] * struct.get("0", 1.0))}
    for term in case["variance"].lstrip("~ ").split(" + "):
        is_group = "varIdent" in case["weights"] and f"| {term}" in case["weights"]
        log_ratio = np.log(struct["1"] / struct["0"]) if is_group else struct["expon"]
        out[term] = 2 * log_ratio
    return out


def test_without_a_variance_function_it_is_the_mixed_model(london):
    formula = "score16 ~ score11 + girl + (1 + score11 | school)"
    fit, mixed = (
        fit_location_scale(formula, "~ 1", london),
        mt.fit_mixed(formula, london, reml=False),
    )
    assert abs(fit.deviance - mixed.deviance) < 1e-6
    assert fit.n_parameters == mixed.n_parameters
    assert np.allclose(fit.mean["estimate"], mixed.params, rtol=1e-6)
    assert np.allclose(fit.mean["se"], mixed.bse, rtol=1e-2)
    assert np.isclose(
        np.exp(fit.log_variance.loc["Intercept", "estimate"]), mixed.sigma2, rtol=1e-6
    )
    assert np.allclose(fit.random, mixed.tau, rtol=1e-4)
    assert np.allclose(fit.ranef(), mixed.ranef(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("points", [11, 31])
def test_points_do_not_matter(points, schools):
    default = fit_location_scale(HSB2, "~ catholic + (1 | school)", schools)
    other = fit_location_scale(HSB2, "~ catholic + (1 | school)", schools, points=points)
    assert abs(default.llf - other.llf) < QUADRATURE
    for part in ("mean", "log_variance"):
        assert np.allclose(
            getattr(default, part)["estimate"], getattr(other, part)["estimate"], atol=QUADRATURE
        )
    assert np.allclose(default.random, other.random, atol=QUADRATURE)


def test_two_scale_effects(london):
    formula = "score16 ~ score11 + girl + (1 + score11 | school)"
    fit = fit_location_scale(formula, "~ score11 + girl + (1 + score11 | school)", london)
    smaller = fit_location_scale(formula, "~ score11 + girl + (1 | school)", london)
    assert fit.converged
    assert fit.n_parameters - smaller.n_parameters == 4
    assert fit.llf > smaller.llf
    assert fit.effects == ["Intercept", "score11", "scale:Intercept", "scale:score11"]
    more = fit_location_scale(
        formula, "~ score11 + girl + (1 + score11 | school)", london, points=13
    )
    assert abs(fit.llf - more.llf) < 1e-3


def test_average_and_median_variance(hsb_scale):
    omega = hsb_scale.random.loc["scale:Intercept", "scale:Intercept"]
    average = hsb_scale.average_variance
    assert np.isclose(average["average"] / average["median"], np.exp(omega / 2))
    by_sector = hsb_scale.predicted_variance(pd.DataFrame({"catholic": [0, 1]}), average=True)
    alpha = hsb_scale.log_variance["estimate"]
    assert np.allclose(by_sector, np.exp([alpha.iloc[0] + omega / 2, alpha.sum() + omega / 2]))


def test_clusters(hsb_scale, hsb):
    table = hsb_scale.cluster_variances()
    assert table.index.tolist() == sorted(hsb["school"].unique())
    assert (table["lower"] < table["variance"]).all()
    assert (table["variance"] < table["upper"]).all()
    assert table["icc"].between(0.1, 0.25).all()
    # Shrunken variances follow those of the data, and vary less.
    schools = hsb.groupby("school").agg(raw=("math", "var"), catholic=("catholic", "first"))
    logs = np.log(pd.DataFrame({"raw": schools["raw"], "shrunken": table["variance"]}))
    inside = logs - logs.groupby(schools["catholic"]).transform("mean")
    assert inside["shrunken"].std() < 0.6 * inside["raw"].std()
    assert inside["shrunken"].corr(inside["raw"]) > 0.85


def test_almost_no_variance_within_clusters_is_a_fit():
    """Rows of a cluster agree to three digits: the deviance lies far below zero, and ends."""
    rng, g = np.random.default_rng(8), np.repeat(np.arange(40), 6)
    data = pd.DataFrame({"y": rng.normal(size=40)[g] + 1e-3 * rng.normal(size=240), "g": g})
    fit = fit_location_scale("y ~ 1 + (1 | g)", "~ 1", data)
    mixed = mt.fit_mixed("y ~ 1 + (1 | g)", data, reml=False)
    assert fit.llf == pytest.approx(mixed.llf, abs=1e-5)
    assert fit.predicted_variance()[0] == pytest.approx(mixed.sigma2, rel=1e-5)


def test_no_association(hsb, hsb_scale):
    fit = fit_location_scale(
        "math ~ catholic + (1 | school)", "~ catholic + (1 | school)", hsb, association=False
    )
    assert fit.random.loc["Intercept", "scale:Intercept"] == 0
    assert "Intercept:scale:Intercept" not in fit.components.index
    assert fit.n_parameters == hsb_scale.n_parameters - 1
    assert 0 < hsb_scale.lr_test(fit).statistic < 10


def truth(seed, J=150, n=25):
    """Return data with two location and two scale effects and a known Omega."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    x, w = rng.normal(size=J * n), rng.normal(size=J)[g]
    sd = np.array([0.8, 0.4, 0.4, 0.25])
    R = np.array([[1, 0.3, 0.5, 0], [0.3, 1, 0.2, -0.3], [0.5, 0.2, 1, 0.2], [0, -0.3, 0.2, 1]])
    omega = R * np.outer(sd, sd)
    u = rng.multivariate_normal(np.zeros(4), omega, J)[g]
    log_variance = 0.5 + 0.2 * w - 0.15 * x + u[:, 2] + u[:, 3] * x
    y = 3 + 0.5 * x + u[:, 0] + u[:, 1] * x + np.exp(log_variance / 2) * rng.normal(size=J * n)
    return pd.DataFrame({"g": g, "x": x, "w": w, "y": y}), omega


def test_recovers_a_known_omega_of_order_four():
    data, omega = truth(7)
    fit = fit_location_scale("y ~ x + (1 + x | g)", "~ w + x + (1 + x | g)", data)
    for table, expected in ((fit.mean, [3, 0.5]), (fit.log_variance, [0.5, 0.2, -0.15])):
        assert (np.abs(table["estimate"] - expected) < 4 * table["se"]).all()
    for row, a in enumerate(fit.effects):
        for col, b in enumerate(fit.effects[: row + 1]):
            part = fit.components.loc[a if row == col else f"{b}:{a}"]
            assert abs(part["estimate"] - omega[row, col]) < 4 * part["se"]


@settings(max_examples=8)
@given(st.integers(0, 100), st.floats(-1e3, 1e3), st.floats(1e-2, 1e2))
def test_units_and_order_do_not_matter(seed, shift, scale):
    data, _ = truth(seed, J=25, n=12)
    moved = data.assign(y=shift + scale * data["y"]).sample(frac=1, random_state=seed)
    one, two = (fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", d) for d in (data, moved))
    assert np.isclose(two.llf, one.llf - len(data) * np.log(scale), atol=1e-4)
    assert np.allclose(two.mean["t"][1:], one.mean["t"][1:], atol=1e-3)
    intercept = one.log_variance["estimate"].to_numpy() + np.array([2 * np.log(scale), 0])
    assert np.allclose(two.log_variance["estimate"], intercept, atol=1e-3)


def test_a_shifted_slope_predictor_is_the_same_model(london):
    moved = london.assign(score11=london["score11"] + 50)
    formula = "score16 ~ score11 + (1 + score11 | school)"
    one, two = (fit_location_scale(formula, "~ score11 + (1 | school)", d) for d in (london, moved))
    assert np.isclose(one.llf, two.llf, atol=1e-6)
    assert np.isclose(one.random.loc["score11", "score11"], two.random.loc["score11", "score11"])


def test_no_heterogeneity_is_an_answer():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 15)
    data = pd.DataFrame({"g": g, "y": rng.normal(size=40)[g] + rng.normal(size=600)})
    fit = fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data)
    assert fit.converged
    assert fit.random.loc["scale:Intercept", "scale:Intercept"] < 0.02
    mixed = mt.fit_mixed("y ~ 1 + (1 | g)", data, reml=False)
    assert -1e-6 < fit.llf - mixed.llf < 2


def test_missing_rows_are_counted(hsb):
    data = hsb.copy()
    data.loc[:9, "ses"] = np.nan
    with pytest.warns(mt.DataWarning, match=r"10 of 7185 rows are left out.*ses \(10\)"):
        fit = fit_location_scale("math ~ 1 + (1 | school)", "~ ses", data)
    assert fit.nobs == 7175
    assert any("10 of 7185 rows" in note for note in fit.notes)


@pytest.mark.parametrize(
    ("formula", "variance", "error", "message"),
    [
        ("math ~ 1", "~ 1", mt.FormulaError, "no random part"),
        ("math ~ 1 + (1 | school)", "sector", mt.FormulaError, "right-hand side"),
        ("math ~ 1 + (1 | school)", 3, mt.FormulaError, "right-hand side"),
        ("math ~ 1 + (1 | school)", "~ 0 + ses", mt.FormulaError, "needs its intercept"),
        ("math ~ 1 + (1 | school)", "~ 1 + (1 | sector)", mt.FormulaError, "must have the same"),
        ("math ~ 1 + (1 | school)", "~ sess", mt.DataError, "Did you mean 'ses'"),
        (
            "math ~ 1 + (1 | school)",
            "~ ses + (1 + ses + female | school)",
            mt.ModelError,
            "has 3 random effects",
        ),
        ("math ~ 1 + (1 | school)", "~ one", mt.ModelError, "'one' is constant"),
    ],
)
def test_bad_requests_are_named(formula, variance, error, message, hsb):
    with pytest.raises(error, match=message):
        fit_location_scale(formula, variance, hsb.assign(one=1.0))


def test_clusters_of_one_row_cannot_have_a_variance(hsb):
    single = hsb.groupby("school").head(1)
    data = pd.concat([single, hsb[hsb["school"] == 1224]])
    with pytest.raises(mt.ModelError, match="clusters have one row .first 1288"):
        fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", data)


@pytest.mark.parametrize("points", [2, 15.0, True, 500])
def test_points_are_checked(points, hsb):
    with pytest.raises(mt.ModelError, match="points="):
        fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", hsb, points=points)


def test_shows_itself(hsb_scale):
    text = str(hsb_scale)
    for part in ("Mean function", "Log variance function", "Random effects", "median cluster"):
        assert part in text
    assert "<table" in hsb_scale._repr_html_()


def test_reml_without_a_variance_function_is_the_mixed_model(hsb):
    formula = "math ~ catholic + ses + (1 + ses | school)"
    fit = fit_location_scale(formula, "~ 1", hsb, reml=True)
    mixed = mt.fit_mixed(formula, hsb)
    assert abs(fit.deviance - mixed.deviance) < 1e-5
    assert np.allclose(fit.random, mixed.tau, rtol=1e-3, atol=1e-4)
    assert np.allclose(fit.mean["estimate"], mixed.params, rtol=1e-5)
    assert "REML" in str(fit)


def test_reml_needs_a_fixed_variance_function(hsb):
    with pytest.raises(mt.ModelError, match="REML is for variance functions without random"):
        fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", hsb, reml=True)


def test_row_labels_may_repeat(hsb):
    data = hsb.set_axis(np.zeros(len(hsb), int))
    data.iloc[:5, data.columns.get_loc("ses")] = np.nan
    with pytest.warns(mt.DataWarning, match="5 of 7185"):
        one = fit_location_scale("math ~ ses + (1 | school)", "~ ses", data)
    two = fit_location_scale("math ~ ses + (1 | school)", "~ ses", hsb[5:])
    assert np.isclose(one.llf, two.llf)
