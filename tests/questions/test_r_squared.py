"""Explained variance: against Rights and Sterba's formulas, Nakagawa's R², and simulation."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import REFERENCE

EXTRAS = json.loads((REFERENCE / "extras.json").read_text())["cases"]

R_VARIANCE = 1e-5  # lme4 stops 1e-7 of deviance above our optimum: its R² are good to this
DIVISOR = 0.25  # largest effect of N - 1 for N in one part of a share, p (1 - p), times N
PROPER = 1e-10  # sums over 7,185 rows in another order

SCHOOL = "math ~ catholic * ses_within + mean_ses + (1 + ses_within | school)"


@pytest.fixture(scope="module")
def data(hsb):
    mean = hsb.groupby("school")["ses"].transform("mean")
    return hsb.assign(ses_within=hsb["ses"] - mean, mean_ses=mean)


@pytest.fixture(scope="module")
def full(data):
    return mt.fit_mixed(SCHOOL, data)


# -------------------------------------------------------------------------- pseudo-R² and total R²


def test_pseudo_r2_is_the_proportional_reduction(data, hsb_empty):
    """Published HSB variances 8.61 (empty) and 6.68 (sector): 1.94 / 8.61 = .225 (lme4 REML)."""
    sector = mt.fit_random_intercept("math ~ sector", data, cluster="school")
    pseudo = mt.r_squared(sector, hsb_empty).pseudo
    assert list(pseudo.columns) == ["baseline", "model", "r2"]
    before, after = hsb_empty.variances["estimate"], sector.variances["estimate"]
    expected = 1 - after["Intercept"] / before["Intercept"]
    assert pseudo.loc["Intercept", "r2"] == pytest.approx(expected, rel=1e-12)
    assert pseudo.loc["Intercept", "r2"] == pytest.approx(0.2249, abs=5e-5)


def test_negative_pseudo_r2_is_kept_and_explained(data, hsb_empty):
    """A pure level-1 predictor: sigma2 falls, so tau2 has to rise."""
    within = mt.fit_random_intercept("math ~ ses_within", data, cluster="school")
    result = mt.r_squared(within, hsb_empty)
    assert result.pseudo.loc["Intercept", "r2"] < 0
    assert result.pseudo.loc["Residual", "r2"] > 0.05
    assert len(result.notes) == 1
    assert "negative" in result.notes[0]
    assert "negative" in repr(result)
    assert "negative" in result._repr_html_()


def test_tau2_rises_by_the_fall_of_sigma2_over_n():
    """Balanced data, predictor without between variance: tau2 + sigma2 / n stays the same."""
    rng = np.random.default_rng(6)
    J, n = 40, 4
    x = rng.normal(size=(J, n))
    x -= x.mean(axis=1, keepdims=True)
    y = rng.normal(size=(J, 1)) + 2 * x + rng.normal(size=(J, n))
    table = pd.DataFrame({"y": y.ravel(), "x": x.ravel(), "g": np.repeat(np.arange(J), n)})
    m0 = mt.fit_empty("y", table, cluster="g")
    m1 = mt.fit_random_intercept("y ~ x", table, cluster="g")
    sums = [f.variances.loc["Intercept", "estimate"] + f.sigma2 / n for f in (m0, m1)]
    # The variances of both fits are known to about eight digits.
    assert sums[0] == pytest.approx(sums[1], rel=1e-7)
    assert mt.r_squared(m1, m0).pseudo.loc["Intercept", "r2"] < 0


def test_zero_baseline_variance_is_missing_not_infinite():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"g": np.repeat(np.arange(10), 5), "x": rng.normal(size=50)})
    table["y"] = 3.0 * table["x"] + rng.normal(size=50)
    table["y"] -= table.groupby("g")["y"].transform("mean")
    # The outcome does not follow the predictor between clusters: the model has a variance there.
    table["x"] += rng.normal(size=10)[table["g"]]
    m0 = mt.fit_empty("y", table, cluster="g")
    m1 = mt.fit_random_intercept("y ~ x", table, cluster="g")
    result = mt.r_squared(m1, m0)
    assert m1.variances.loc["Intercept", "estimate"] > 0.0
    assert np.isnan(result.pseudo.loc["Intercept", "r2"])
    assert any("nothing to explain" in note for note in result.notes)


def test_slope_variance_is_compared_where_both_have_it(data):
    m0 = mt.fit_mixed("math ~ ses_within + (1 + ses_within | school)", data)
    m1 = mt.fit_mixed("math ~ ses_within * catholic + (1 + ses_within | school)", data)
    assert list(mt.r_squared(m1, m0).pseudo.index) == ["Intercept", "ses_within", "Residual"]
    assert mt.r_squared(m1, m0).pseudo.loc["ses_within", "r2"] > 0.3


def test_other_random_effects_are_noted(hsb_empty, full):
    result = mt.r_squared(full, hsb_empty)
    assert list(result.pseudo.index) == ["Intercept", "Residual"]
    assert any("different random effects" in note for note in result.notes)


def test_total_r2_is_the_squared_correlation(full, hsb_empty, data):
    expected = np.corrcoef(data["math"], full.predict(random=False))[0, 1] ** 2
    result = mt.r_squared(full, hsb_empty)
    assert result.total == pytest.approx(expected, rel=PROPER)
    assert result.total_baseline == 0.0


def test_without_baseline(full):
    result = mt.r_squared(full)
    assert result.pseudo.empty
    assert np.isnan(result.total_baseline)
    assert "Baseline" not in repr(result)


# -------------------------------------------------------------------------------- decomposition


def rights_sterba(fit, data):
    """Return f1, f2, v, m, sigma2 by the matrix expressions of Rights & Sterba (2019).

    f1 = g_w' Phi_w g_w and f2 = g_b' Phi_b g_b with the covariance matrices of the predictors of
    each level, v = tr(T Sigma) with that of the columns with random slopes, m = m' T m with their
    means; for cluster-mean-centred level-1 predictors.
    """
    inside = pd.DataFrame(
        {"ses_within": data["ses_within"], "x": data["catholic"] * data["ses_within"]}
    )
    beta = fit.params
    g_w = beta[["ses_within", "catholic:ses_within"]].to_numpy()
    g_b = beta[["catholic", "mean_ses"]].to_numpy()
    random = np.column_stack([np.ones(len(data)), data["ses_within"]])
    T, means = fit.tau.to_numpy(), random.mean(axis=0)
    return {
        "fixed_within": g_w @ np.cov(inside.to_numpy().T) @ g_w,
        "fixed_between": g_b @ np.cov(data[["catholic", "mean_ses"]].to_numpy().T) @ g_b,
        "slope_variation": np.trace(T @ np.cov(random.T)),
        "mean_variation": means @ T @ means,
        "residual": fit.sigma2,
    }


def test_decomposition_is_that_of_rights_and_sterba(full, data):
    variance = mt.r_squared(full).decomposition["variance"]
    for part, value in rights_sterba(full, data).items():
        assert variance[part] == pytest.approx(value, rel=1e-9)


def test_shares_add_up(full):
    table = mt.r_squared(full).decomposition
    for of in ("total", "within", "between"):
        assert table[of].sum() == pytest.approx(1.0, rel=1e-12)
    assert table["within"].notna().sum() == 3
    assert table["between"].notna().sum() == 2


def test_twelve_measures(full, data):
    measures = mt.r_squared(full).measures
    assert measures.notna().to_numpy().sum() == 12
    f1, f2, v, m, s = rights_sterba(full, data).values()
    total, within, between = f1 + f2 + v + m + s, f1 + v + s, f2 + m
    expected = {
        "total": {
            "f1": f1, "f2": f2, "v": v, "m": m, "f": f1 + f2,
            "fv": f1 + f2 + v, "fvm": f1 + f2 + v + m,
        },
        "within": {"f1": f1, "v": v, "f1v": f1 + v},
        "between": {"f2": f2, "m": m},
    }  # fmt: skip
    for of, whole in (("total", total), ("within", within), ("between", between)):
        for source, explained in expected[of].items():
            assert measures.loc[source, of] == pytest.approx(explained / whole, rel=1e-9)


def nakagawa(fit):
    """Return the five parts as R package performance adds them up.

    Both take the variance of x'beta over rows with the divisor N - 1. The mean variance of the
    random effects over rows (Johnson 2014) has the divisor N there; here its part inside clusters
    has N - 1, as all that goes on inside clusters (Rights & Sterba 2019).
    """
    parts = mt.r_squared(fit).decomposition["variance"].copy()
    parts["slope_variation"] *= (fit.nobs - 1) / fit.nobs
    return parts


@pytest.mark.parametrize("case", EXTRAS, ids=lambda case: case["id"])
def test_nakagawa_against_performance(case):
    """Marginal R² is what fixed effects explain of the total, conditional what random ones do too.

    They are f and fvm, whatever the centring. The unadjusted ICC is vm; the adjusted one leaves
    the fixed part out of the total, and is mt.icc where only the intercept varies.
    """
    table = pd.read_csv(REFERENCE / case["data"])
    for column, expression in (case["derive"] or {}).items():
        table[column] = table.eval(expression)
    fit = mt.fit_mixed(case["formula"], table)
    parts, theirs = nakagawa(fit), case["explained"]
    f = parts["fixed_within"] + parts["fixed_between"]
    random = parts["slope_variation"] + parts["mean_variation"]
    total = parts.sum()
    assert f / total == pytest.approx(theirs["r2_marginal"], abs=R_VARIANCE)
    assert (f + random) / total == pytest.approx(theirs["r2_conditional"], abs=R_VARIANCE)
    assert random / total == pytest.approx(theirs["icc_unadjusted"], abs=R_VARIANCE)
    assert random / (total - f) == pytest.approx(theirs["icc_adjusted"], abs=R_VARIANCE)
    if len(fit.tau) == 1:
        assert mt.icc(fit) == pytest.approx(theirs["icc_adjusted"], abs=R_VARIANCE)
    # The two divisors make no difference that anyone would report.
    assert mt.r_squared(fit).measures.loc["fvm", "total"] == pytest.approx(
        theirs["r2_conditional"], abs=DIVISOR / fit.nobs
    )


def test_total_is_the_variance_that_the_model_implies(data):
    """Mean square of simulated outcomes around the mean of x'beta; raw predictor, random slope."""
    table = data.iloc[:2000].assign(ses=lambda d: d["ses"] + 3.0)
    fit = mt.fit_mixed("math ~ ses + (1 + ses | school)", table)
    y = fit.simulate(np.random.default_rng(12), n=600).to_numpy()
    squares = ((y - fit.predict(random=False).mean()) ** 2).mean(axis=0)
    # Four standard errors of the mean over 600 samples.
    allowed = 4 * squares.std() / np.sqrt(600)
    implied = mt.r_squared(fit).decomposition["variance"].sum()
    assert implied == pytest.approx(squares.mean(), abs=allowed)
    assert allowed < 0.02 * implied


def test_parts_between_clusters_are_those_of_simulated_cluster_means(data):
    """Mean square of cluster means, less the residual's share, is f2 + m."""
    table = data.iloc[:2000]
    fit = mt.fit_mixed("math ~ ses + (1 + ses | school)", table)
    y = fit.simulate(np.random.default_rng(13), n=600).to_numpy()
    means = pd.DataFrame(y).groupby(table["school"].to_numpy()).transform("mean").to_numpy()
    squares = ((means - fit.predict(random=False).mean()) ** 2).mean(axis=0)
    residual = fit.sigma2 * fit.n_clusters / fit.nobs
    parts = mt.r_squared(fit).decomposition["variance"]
    between = parts["fixed_between"] + parts["mean_variation"]
    allowed = 4 * squares.std() / np.sqrt(600)
    assert between == pytest.approx(squares.mean() - residual, abs=allowed)


@pytest.mark.parametrize("units", [1e-12, 1e-3, 1e4])
def test_units_do_not_matter(data, full, units):
    other = mt.fit_mixed(
        SCHOOL, data.assign(math=data["math"] * units, mean_ses=data["mean_ses"] / units)
    )
    # Variances of both fits are known to about eight digits.
    np.testing.assert_allclose(mt.r_squared(other).measures, mt.r_squared(full).measures, rtol=1e-5)


def test_empty_model_has_only_mean_variation(hsb_empty):
    table = mt.r_squared(hsb_empty).decomposition
    assert (table.loc[["fixed_within", "fixed_between", "slope_variation"], "variance"] == 0).all()
    assert table.loc["mean_variation", "between"] == 1.0
    assert table.loc["mean_variation", "total"] == pytest.approx(mt.icc(hsb_empty), rel=1e-9)


def test_no_variance_between_clusters_at_all():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"g": np.repeat(np.arange(10), 5), "y": rng.normal(size=50)})
    table["y"] -= table.groupby("g")["y"].transform("mean")
    measures = mt.r_squared(mt.fit_empty("y", table, cluster="g")).measures
    assert measures["between"].isna().all()
    assert measures.loc["fvm", "total"] == 0.0


# ------------------------------------------------------------------------------------- refusals


def test_refuses_what_cannot_be_compared(data, hsb_empty, full):
    with pytest.raises(mt.ModelError, match="7184 and 7185 rows"):
        mt.r_squared(full, mt.fit_empty("math", data.iloc[:-1], cluster="school"))
    with pytest.raises(mt.ModelError, match="outcomes differ"):
        mt.r_squared(full, mt.fit_empty("ses", data, cluster="school"))
    with pytest.raises(mt.ModelError, match="REML and the other by ML"):
        mt.r_squared(full, mt.fit_empty("math", data, cluster="school", reml=False))
    with pytest.raises(mt.ModelError, match=r"r_squared\(model, baseline\)"):
        mt.r_squared(hsb_empty, full)


def test_says_what_has_not_converged(hsb_empty):
    assert "NOT CONVERGED" not in repr(mt.r_squared(hsb_empty))
    record = dataclasses.replace(
        hsb_empty.optimizer, converged=False, status="did not converge: asked"
    )
    stopped = mt.r_squared(dataclasses.replace(hsb_empty, optimizer=record))
    assert stopped.notes[0] == "NOT CONVERGED: did not converge: asked."
    for text in (repr(stopped), stopped._repr_html_()):
        assert text.count("NOT CONVERGED, do not use these numbers") == 2
