"""The result object: its tables, what it predicts and simulates, what it says."""

import warnings

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.linalg import central_differences
from mlteach.errors import ConvergenceWarning, DataError, DataWarning, FormulaError, ModelError
from tests.dense import blups, small_data

RANDOM = {
    1: "(1 | g)",
    2: "(1 + x | g)",
    3: "(1 + x + z2 | g)",
    4: "(1 + x + z2 + z3 | g)",
}


def table(seed=11, J=30, sizes=(6, 14)):
    y, X, Z, codes = small_data(seed, J=J, q=4, sizes=sizes)
    return pd.DataFrame(
        {"y": y, "x": X[:, 1], "w": X[:, 2], "z2": Z[:, 2], "z3": Z[:, 3], "g": codes}
    )


@pytest.fixture(scope="module")
def fits():
    data = table()
    return {q: mt.fit_mixed(f"y ~ x + w + {part}", data) for q, part in RANDOM.items()}


# ------------------------------------------------------------------------------------- doors


def test_the_three_doors_are_the_general_fitter(hsb):
    assert mt.fit_empty("math", hsb, cluster="school").formula == "math ~ 1 + (1 | school)"
    a = mt.fit_random_intercept("math ~ sector", hsb, cluster="school", reml=False)
    assert a.formula == "math ~ sector + (1 | school)"
    assert not a.reml
    b = mt.fit_random_slope("math ~ ses", hsb, cluster="school", slopes=["ses"])
    assert b.formula == "math ~ ses + (1 + ses | school)"
    c = mt.fit_random_slope("math ~ ses", hsb, cluster="school", slopes="ses", correlated=False)
    assert c.formula == "math ~ ses + (1 + ses || school)"


def test_doors_refuse_a_random_part_or_no_slope(hsb):
    with pytest.raises(FormulaError, match="already has a random part"):
        mt.fit_random_intercept("math ~ 1 + (1 | school)", hsb, cluster="school")
    with pytest.raises(FormulaError, match="at least one"):
        mt.fit_random_slope("math ~ ses", hsb, cluster="school", slopes=[])
    with pytest.raises(FormulaError, match="no random part"):
        mt.fit_mixed("math ~ ses", hsb)


# -------------------------------------------------------------------------------- table shapes


@pytest.mark.parametrize("q", RANDOM)
def test_tables_have_their_contracted_shape(fits, q):
    fit = fits[q]
    names = ["Intercept", "x", "z2", "z3"][:q]
    assert fit.variances.columns.tolist() == ["estimate", "se", "sd", "correlation"]
    assert fit.variances.index[-1] == "Residual"
    assert set(names) <= set(fit.variances.index)
    assert len(fit.variances) == q * (q + 1) // 2 + 1
    assert fit.tau.index.tolist() == names
    if q > 1:
        assert fit.variances.loc["Intercept:x", "estimate"] == pytest.approx(
            fit.tau.loc["Intercept", "x"]
        )
    assert fit.ranef().columns.tolist() == [*names, *(f"{n}_sd" for n in names)]
    assert fit.ranef().index.name == "g"
    assert fit.coefficients.columns.tolist() == [
        "estimate", "se", "df", "t", "p", "lower", "upper",
    ]  # fmt: skip
    for series in (fit.params, fit.bse, fit.df, fit.tvalues, fit.pvalues):
        assert series.index.tolist() == ["Intercept", "x", "w"]
    assert fit.cov_params().shape == (3, 3)
    assert np.allclose(np.sqrt(np.diag(fit.cov_params())), fit.bse)
    assert fit.conf_int(0.9).columns.tolist() == ["lower", "upper"]


def test_uncorrelated_effects_have_no_covariance_row():
    fit = mt.fit_mixed("y ~ x + w + (x || g)", table())
    assert fit.variances.index.tolist() == ["Intercept", "x", "Residual"]
    assert fit.tau.loc["Intercept", "x"] == 0


# ---------------------------------------------------------------------- predictions of effects


@pytest.mark.parametrize("q", RANDOM)
def test_blups_are_conditional_expectations(fits, q):
    fit, d = fits[q], fits[q].design
    literal = blups(d.y, d.X, d.Z, d.codes, fit.tau.to_numpy(), fit.sigma2, fit.params.to_numpy())
    assert np.allclose(fit.ranef().iloc[:, :q], literal, atol=1e-8)


@pytest.mark.parametrize("q", RANDOM)
def test_conditional_sds_are_those_of_the_posterior(fits, q):
    fit, d = fits[q], fits[q].design
    tau = fit.tau.to_numpy()
    for j in (0, 7):
        Z = d.Z[d.codes == j]
        V = Z @ tau @ Z.T + fit.sigma2 * np.eye(len(Z))
        conditional = tau - tau @ Z.T @ np.linalg.solve(V, Z @ tau)
        sd = fit.ranef().iloc[j, q:]
        assert np.allclose(sd, np.sqrt(np.diag(conditional)), atol=1e-8)


@pytest.mark.parametrize("q", RANDOM)
def test_rows_add_up(fits, q):
    fit = fits[q]
    assert np.allclose(fit.fitted + fit.resid, fit.design.y)
    assert fit.fitted.index.equals(fit.design.index)


def test_predict_uses_the_random_effects_of_known_clusters():
    data = table()
    fit = mt.fit_mixed("y ~ x + w + (1 + x | g)", data)
    pd.testing.assert_series_equal(fit.predict(data), fit.predict())
    new = data.iloc[[0, 50, 0]].assign(g=[0, data.g[50], 99])
    predicted = fit.predict(new)
    assert predicted.iloc[0] == pytest.approx(fit.fitted.iloc[0])
    assert predicted.iloc[1] == pytest.approx(fit.fitted.iloc[50])
    assert predicted.iloc[2] == pytest.approx(fit.predict(new, random=False).iloc[2])
    assert predicted.attrs["new_clusters"] == [99]
    assert abs(predicted.iloc[0] - predicted.iloc[2]) > 1e-3


def test_predict_does_not_take_ids_of_another_type_for_new_clusters():
    data = table()
    fit = mt.fit_mixed("y ~ x + w + (1 | g)", data)
    with pytest.raises(DataError, match="numbers there .such as 0. but text here"):
        fit.predict(data.assign(g=data.g.astype(str)))
    assert np.allclose(fit.predict(data.assign(g=data.g.astype(float))), fit.fitted)


def test_predict_checks_its_rows():
    data = table()
    fit = mt.fit_mixed("y ~ x + w + (1 | g)", data)
    with pytest.raises(DataError, match="Column 'g'"):
        fit.predict(data[["x", "w"]])
    assert len(fit.predict(data[["x", "w"]], random=False)) == len(data)
    for ids in (np.nan, data["g"].where(data.index > 0)):
        with pytest.raises(DataError, match="'g' has missing values"):
            fit.predict(data.assign(g=ids))
    with pytest.raises(DataError, match="Column 'w'"):
        fit.predict(data[["x", "g"]])


def test_simulated_data_have_the_moments_of_the_model(hsb, hsb_empty):
    fit = hsb_empty
    y = fit.simulate(np.random.default_rng(1), 400)
    assert y.shape == (fit.nobs, 400)
    assert y.index.equals(hsb.index)
    assert list(y.columns[:2]) == ["sim_1", "sim_2"]
    means = y.groupby(fit.design.codes).mean()
    total = fit.tau.iloc[0, 0] + fit.sigma2
    # Monte Carlo error of a variance over 400 x 160 clusters: about 0.6%; three of those.
    assert y.var(axis=0).mean() == pytest.approx(total, rel=0.01)
    expected = fit.tau.iloc[0, 0] + fit.sigma2 * (1 / fit.cluster_sizes).mean()
    assert means.var().mean() == pytest.approx(expected, rel=0.02)
    again = fit.simulate(np.random.default_rng(1), 400)
    assert y.equals(again)
    assert y.equals(fit.simulate(1, 400))


def test_a_refit_to_simulated_data_recovers_the_parameters(hsb_centred, hsb_slopes):
    fit = hsb_slopes
    rng = np.random.default_rng(5)
    estimates = []
    for _, y in fit.simulate(rng, 60).items():
        refit = mt.fit_mixed(fit.formula, hsb_centred.assign(math=y))
        estimates.append(refit.variances["estimate"])
    mean = pd.DataFrame(estimates).mean()
    se = pd.DataFrame(estimates).std() / np.sqrt(60)
    assert (np.abs(mean - fit.variances["estimate"]) < 4 * se).all()


# --------------------------------------------------------------------------------- information


def test_information_criteria_and_likelihood(fits):
    fit = fits[2]
    assert fit.llf == -fit.deviance / 2
    assert fit.n_parameters == 3 + 3 + 1
    assert fit.aic == pytest.approx(fit.deviance + 14)
    assert fit.bic == pytest.approx(fit.deviance + 7 * np.log(fit.nobs))


def test_test_against_no_random_effects_is_ols(hsb):
    import statsmodels.formula.api as smf

    fit = mt.fit_random_intercept("math ~ ses", hsb, cluster="school", reml=False)
    ols = smf.ols("math ~ ses", hsb).fit()
    assert fit.lr_test_random.statistic == pytest.approx(fit.llf * 2 - ols.llf * 2, rel=1e-8)
    assert fit.lr_test_random.p_mixture == pytest.approx(fit.lr_test_random.p / 2)


def test_wald_intervals_of_sds_and_correlations(fits):
    table_ = fits[2].confint("wald", "random")
    v = fits[2].variances
    assert table_.loc["Intercept", "estimate"] == v.loc["Intercept", "sd"]
    assert table_.loc["Intercept:x", "estimate"] == v.loc["Intercept:x", "correlation"]
    width = v.loc["Residual", "se"] / (2 * v.loc["Residual", "sd"]) * 1.959964
    upper = v.loc["Residual", "sd"] + width
    assert table_.loc["Residual", "upper"] == pytest.approx(upper, rel=1e-6)

    def correlation(v):
        return v[1] / np.sqrt(v[0] * v[2])

    slopes = central_differences(correlation, v["estimate"].to_numpy(), 1e-6)
    half = 1.959963984540054 * np.sqrt(slopes @ fits[2].cov_variances.to_numpy() @ slopes)
    limits = v.loc["Intercept:x", "correlation"] + half * np.array([-1, 1])
    np.testing.assert_allclose(table_.loc["Intercept:x", ["lower", "upper"]], limits, rtol=1e-6)
    both = fits[2].confint("wald", "all")
    assert len(both) == 3 + 4


# ------------------------------------------------------------------------------ what it says


def test_summary_shows_both_sides_of_the_model(fits):
    text = str(fits[2].summary())
    for word in ("Model for the means", "Model for the variance", "REML", "Residual", "satterth"):
        assert word in text
    html = fits[2]._repr_html_()
    assert html.startswith('<div class="mlteach-summary">')
    assert html.count("<table") == 2
    assert repr(fits[2]) == text


def test_missing_rows_are_announced_and_kept_in_the_summary():
    data = table()
    data.loc[[0, 5, 9], "x"] = np.nan
    with pytest.warns(DataWarning, match=r"3 of \d+ rows are left out.*x \(3\)"):
        fit = mt.fit_mixed("y ~ x + (1 | g)", data)
    assert "3 of" in str(fit)
    assert fit.dropped.to_dict() == {"x": 3}


def test_a_complete_table_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mt.fit_mixed("y ~ x + (1 | g)", table())


def test_a_fit_stopped_short_says_so_loudly(monkeypatch):
    from mlteach.core.optim import minimize
    from mlteach.mixed import search

    monkeypatch.setattr(search, "minimize", lambda f, start: minimize(f, start, max_iter=0))
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        fit = mt.fit_mixed("y ~ x + w + (1 + x + z2 | g)", table())
    assert not fit.converged
    assert "NOT CONVERGED" in str(fit)


def test_singular_fits_are_answers_with_a_plain_note(hsb):
    rng = np.random.default_rng(0)
    shuffled = hsb.assign(school=rng.permutation(hsb.school))
    fit = mt.fit_mixed("math ~ ses + (1 | school)", shuffled)
    assert fit.singular
    assert fit.converged
    assert "exactly zero" in str(fit)
    assert np.isnan(fit.variances.loc["Intercept", "se"])
    assert (fit.ranef()["Intercept"] == 0).all()


def test_equation_knows_the_levels(hsb_centred):
    fit = mt.fit_mixed("math ~ sector * ses_within + (1 + ses_within | school)", hsb_centred)
    levels = fit.equation("levels")
    assert (
        r"\beta_{1j} &= \gamma_{10} + \gamma_{11}\,\mathrm{sector\ =\ Public}_{j} + u_{1j}"
        in levels
    )
    assert fit.equation()._repr_latex_().startswith("$$")


# ----------------------------------------------------------------------------- bad input


def test_one_cluster():
    with pytest.raises(ModelError, match="one value only .1.: with one cluster"):
        mt.fit_mixed("y ~ x + (1 | g)", table().assign(g=1))


def test_clusters_of_one_row_only():
    with pytest.raises(ModelError, match="exactly one row"):
        mt.fit_mixed("y ~ x + (1 | g)", table().assign(g=lambda t: range(len(t))))


def test_more_random_effects_than_rows_in_every_cluster():
    data = table().groupby("g").head(2)
    with pytest.raises(ModelError, match="3 random effects a cluster but no cluster has more"):
        mt.fit_mixed("y ~ x + w + (1 + x + z2 | g)", data)


def test_random_slope_of_a_level_2_predictor():
    with pytest.raises(ModelError, match="'w' is constant in every cluster"):
        mt.fit_mixed("y ~ x + w + (1 + w | g)", table())


def test_dummies_for_all_clusters_leave_nothing_random(hsb):
    some = hsb[hsb["school"].isin(hsb["school"].unique()[:8])]
    some = some.assign(name="s" + some["school"].astype(str))
    with pytest.raises(mt.ModelError, match="tell all 8 clusters in 'school' apart"):
        mt.fit_mixed("math ~ ses + name + (1 | school)", some)
    # By ML there is an answer: no variance.
    assert mt.fit_mixed("math ~ ses + name + (1 | school)", some, reml=False).tau.iloc[0, 0] == 0


def test_few_clusters_get_advice(hsb):
    some = hsb[hsb["school"].isin(hsb["school"].unique()[:9])]
    notes = mt.fit_mixed("math ~ 1 + (1 | school)", some).notes
    assert any("9 clusters say little" in note and "kenward-roger" in note for note in notes)
    assert not mt.fit_mixed("math ~ 1 + (1 | school)", hsb).notes


def test_reml_is_true_or_false(hsb):
    with pytest.raises(mt.ModelError, match="reml=.* is not True or False"):
        mt.fit_mixed("math ~ 1 + (1 | school)", hsb, reml="ML")


def test_variances_of_exactly_zero_have_no_correlation():
    """And no warning of a division by zero, which would be an error here."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(12), 6)
    data = pd.DataFrame({"g": g, "x": np.tile([-2.0, -1, 0, 0, 1, 2], 12)})
    noise = rng.normal(size=(12, 6))
    noise -= noise.mean(axis=1, keepdims=True)
    x = data["x"].to_numpy()[:6]
    noise -= np.outer(noise @ x / (x @ x), x)
    fit = mt.fit_mixed("y ~ x + (1 + x | g)", data.assign(y=data["x"] + noise.ravel()))
    table = fit.variances.drop(index="Residual")
    assert (table["estimate"] == 0.0).all()
    assert table["correlation"].isna().all()
