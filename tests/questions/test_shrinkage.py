"""The three poolings: identities, regressions in clusters, and the textbook's reliability."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.questions.shrinkage import shrinkage
from tests.dense import covariance
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "prediction.json").read_text())["cases"]

EXACT = {"rtol": 1e-9, "atol": 1e-9}  # the same algebra by another route
R_FIT = {"rtol": 1e-6}  # lme4 stops some 1e-7 of an SD ratio from the optimum
HLM_PRINTED = 5e-4  # three decimals


@pytest.fixture(scope="module")
def crossed(hsb_centred):
    formula = "math ~ ses_within * catholic + mean_ses + female + (1 + ses_within | school)"
    return mt.fit_mixed(formula, hsb_centred)


def stacked(table, part):
    """Values of one part for all effects, shape (J, q)."""
    names = [name for name in dict.fromkeys(table.columns.get_level_values(0)) if name != "n"]
    return np.column_stack([table[name][part] for name in names])


# ------------------------------------------------------------------------------- the empty model


def test_empty_model_is_the_textbook(hsb, hsb_empty):
    fit, table = hsb_empty, mt.shrinkage(hsb_empty)
    groups = hsb.groupby("school")["math"]
    assert list(table) == ["n", "complete", "none", "partial", "weight"]
    assert table.index.name == "school"
    pd.testing.assert_series_equal(table["n"], groups.size(), check_names=False)
    np.testing.assert_allclose(table["none"], groups.mean(), **EXACT)
    np.testing.assert_allclose(table["complete"], fit.params["Intercept"], **EXACT)
    tau2, sigma2 = fit.tau.iloc[0, 0], fit.sigma2
    np.testing.assert_allclose(table["weight"], tau2 / (tau2 + sigma2 / groups.size()), **EXACT)
    mix = table["weight"] * table["none"] + (1 - table["weight"]) * table["complete"]
    np.testing.assert_allclose(table["partial"], mix, **EXACT)
    blups = fit.ranef()["Intercept"]
    np.testing.assert_allclose(table["partial"], fit.params["Intercept"] + blups, **EXACT)


def test_reliability_that_hlm_prints(hsb_empty):
    """HLM 6 prints 0.901 for this model."""
    table = shrinkage(hsb_empty)
    assert table.attrs["reliability"]["Intercept"] == pytest.approx(0.901, abs=HLM_PRINTED)
    assert table.attrs["notes"] == ()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reliability_against_r(case):
    data = pd.read_csv(REFERENCE / case["data"])
    for name, expression in dict(case["derive"] or {}).items():
        data[name] = data.eval(expression)
    fit = mt.fit_mixed(case["formula"], data, reml=case["reml"])
    got = list(shrinkage(fit).attrs["reliability"].values())
    np.testing.assert_allclose(got, case["reliability"], **R_FIT)


# -------------------------------------------------------------------------------- several effects


def test_no_pooling_is_a_regression_in_each_cluster(hsb_slopes, hsb_centred):
    table = shrinkage(hsb_slopes)
    for school in (1224, 1288, 8367):
        rows = hsb_centred[hsb_centred["school"] == school]
        X = np.column_stack([np.ones(len(rows)), rows["ses_within"]])
        own = np.linalg.lstsq(X, rows["math"], rcond=None)[0]
        row = table.loc[school]
        np.testing.assert_allclose([row[k, "none"] for k in hsb_slopes.tau], own, **EXACT)


@pytest.mark.parametrize("which", ["hsb_slopes", "crossed"])
def test_matrix_identity(which, request):
    fit = request.getfixturevalue(which)
    table, d, tau = shrinkage(fit), fit.design, fit.tau.to_numpy()
    G = [d.Z[d.codes == j].T @ d.Z[d.codes == j] for j in range(fit.n_clusters)]
    # tau / (tau + error), with the error's inverse in place of an error that may be infinite.
    W = [tau @ g @ np.linalg.inv(tau @ g + fit.sigma2 * np.eye(len(tau))) for g in G]
    complete, none, partial = (stacked(table, part) for part in ("complete", "none", "partial"))
    mix = complete + np.einsum("jab,jb->ja", W, none - complete)
    np.testing.assert_allclose(partial, mix, **EXACT)
    blups = fit.ranef()[list(fit.tau)].to_numpy()
    np.testing.assert_allclose(partial - complete, blups, **EXACT)


def test_weight_is_tau_over_tau_plus_error(hsb_slopes):
    d, tau = hsb_slopes.design, hsb_slopes.tau.to_numpy()
    weights = stacked(shrinkage(hsb_slopes), "weight")
    for j in (0, 17, 159):
        Z = d.Z[d.codes == j]
        error = hsb_slopes.sigma2 * np.linalg.inv(Z.T @ Z)
        np.testing.assert_allclose(weights[j], np.diag(tau) / np.diag(tau + error), **EXACT)


def test_weights_are_shares(crossed, london):
    two = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london)
    for fit in (crossed, two):
        weights = stacked(shrinkage(fit), "weight")
        values = weights[~np.isnan(weights)]
        assert ((values > 0) & (values < 1)).all()


def test_uncorrelated_effects(hsb_centred):
    fit = mt.fit_mixed("math ~ ses_within + (1 + ses_within || school)", hsb_centred)
    table = shrinkage(fit)
    # Centred predictor, uncorrelated effects: W is diagonal, and the weights are exact.
    for name in fit.tau:
        part = table[name]
        mix = part["weight"] * part["none"] + (1 - part["weight"]) * part["complete"]
        np.testing.assert_allclose(part["partial"], mix, **EXACT)


# ---------------------------------------------------------------------- the complete-pooling point


def test_fixed_part_has_level_two_predictors_and_average_covariates(crossed, hsb_centred):
    table, b = shrinkage(crossed), crossed.params
    schools = hsb_centred.groupby("school")[["catholic", "mean_ses"]].first()
    intercept = b["Intercept"] + b["catholic"] * schools["catholic"]
    intercept += b["mean_ses"] * schools["mean_ses"] + b["female"] * hsb_centred["female"].mean()
    slope = b["ses_within"] + b["ses_within:catholic"] * schools["catholic"]
    np.testing.assert_allclose(table["Intercept"]["complete"], intercept, **EXACT)
    np.testing.assert_allclose(table["ses_within"]["complete"], slope, **EXACT)


def test_value_added_is_at_the_average_intake(london):
    fit = mt.fit_mixed("score16 ~ score11 + (1 | school)", london)
    table = shrinkage(fit)
    average = fit.params["Intercept"] + fit.params["score11"] * london["score11"].mean()
    np.testing.assert_allclose(table["complete"], average, **EXACT)
    left = (london["score16"] - fit.predict(random=False)).groupby(london["school"]).mean()
    np.testing.assert_allclose(table["none"], average + left, **EXACT)


def test_without_random_intercept_only_slopes_are_told(hsb_centred):
    fit = mt.fit_mixed("math ~ ses_within + mean_ses + (0 + ses_within | school)", hsb_centred)
    table = shrinkage(fit)
    assert list(table) == ["n", "complete", "none", "partial", "weight"]
    np.testing.assert_allclose(table["complete"], fit.params["ses_within"], **EXACT)


def test_complete_is_the_gls_mean_so_the_weighted_residuals_cancel(hsb_empty):
    table = shrinkage(hsb_empty)
    # GLS weights are n / (sigma2 + n tau2), in proportion to the reliabilities.
    gls = np.average(table["none"], weights=table["weight"])
    assert table["complete"].iloc[0] == pytest.approx(gls, rel=1e-9)
    assert abs((table["partial"] - table["complete"]).sum()) < 1e-8


def test_partial_pooling_is_the_conditional_mean(london):
    """From the N x N covariance matrix of fourteen schools."""
    few = london[london["school"] < 15]
    fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", few)
    d, tau = fit.design, fit.tau.to_numpy()
    left = np.linalg.solve(
        covariance(d.Z, d.codes, tau, fit.sigma2), d.y - d.X @ fit.params.to_numpy()
    )
    table = shrinkage(fit)
    for j in (0, 5, 13):
        u = tau @ d.Z[d.codes == j].T @ left[d.codes == j]
        partial = [table[name]["partial"].iloc[j] for name in fit.tau]
        np.testing.assert_allclose(partial, fit.params.to_numpy() + u, **EXACT)


# --------------------------------------------------------------------------------- odd clusters


def odd_data():
    """Clusters of one row, of two rows, with a constant x, and ordinary ones."""
    rng = np.random.default_rng(3)
    sizes = [1, 2, 5, *[6] * 12]
    g = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(g))
    x[g == 2] = 0.4
    u = rng.normal(size=(len(sizes), 2)) @ np.diag([1.5, 0.8])
    w = rng.normal(size=len(sizes))[g]
    y = 3 + x + w + u[g, 0] + u[g, 1] * x + rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "x": x, "w": w, "y": y})


def test_clusters_that_cannot_tell_have_partial_pooling_only():
    data = odd_data()
    fit = mt.fit_mixed("y ~ x + w + (1 + x | g)", data)
    table = shrinkage(fit)
    unknown = [True, False, True] + [False] * 12
    for name in ("Intercept", "x"):
        part = table[name]
        assert part["none"].isna().tolist() == unknown
        assert part["weight"].isna().tolist() == unknown
        assert part[["complete", "partial"]].notna().all(axis=None)
        np.testing.assert_allclose(part["partial"] - part["complete"], fit.ranef()[name], **EXACT)
    assert "2 of 15 clusters cannot determine their own estimates" in table.attrs["notes"][0]
    assert "first: 0, 2" in table.attrs["notes"][0]
    own = table["x"]["weight"]
    assert table.attrs["reliability"]["x"] == pytest.approx(own[own.notna()].mean(), rel=1e-12)


def test_cross_level_interactions_in_such_clusters_are_not_guessed():
    fit = mt.fit_mixed("y ~ x * w + (1 + x | g)", odd_data())
    part = shrinkage(fit)["x"]
    assert part["complete"].isna().tolist() == [True, False, True] + [False] * 12
    w = odd_data().groupby("g")["w"].first()
    known = fit.params["x"] + fit.params["x:w"] * w
    np.testing.assert_allclose(part["complete"].dropna(), known[part["complete"].notna()], **EXACT)


def test_no_variance_no_weight(hsb):
    shuffled = hsb.assign(school=np.arange(len(hsb)) % 160)
    data = shuffled.assign(
        math=shuffled["math"] - shuffled.groupby("school")["math"].transform("mean")
    )
    table = shrinkage(mt.fit_empty("math", data, cluster="school"))
    assert (table["weight"] == 0).all()
    np.testing.assert_allclose(table["partial"], table["complete"], **EXACT)
    assert "estimated as zero" in table.attrs["notes"][0]


@given(shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_shift_and_unit_of_the_outcome(london, shift, scale):
    few = london[london["school"] < 25]
    formula = "score16 ~ score11 + (1 | school)"
    wanted = shrinkage(mt.fit_mixed(formula, few))
    got = shrinkage(mt.fit_mixed(formula, few.assign(score16=shift + scale * few["score16"])))
    close = {"rtol": 1e-6, "atol": 1e-6}  # two fits
    parts = ["complete", "none", "partial"]
    np.testing.assert_allclose(got[parts], shift + scale * wanted[parts], **close)
    np.testing.assert_allclose(got["weight"], wanted["weight"], **close)
