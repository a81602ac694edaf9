"""The posterior's tables: what they are of the draws, and the door to them."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.location_scale.bayes.posterior import LocationScalePosterior

pytestmark = pytest.mark.sampler

SETTINGS = {"method": "bayes", "draws": 300, "tune": 400, "chains": 2, "progress": False}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(40), 15)
    x, v = rng.normal(size=600), rng.normal(0, 0.5, 40)[g]
    y = 2 + 0.5 * x + rng.normal(0, 0.7, 40)[g] + np.exp(0.5 * v) * rng.normal(size=600)
    return pd.DataFrame({"g": g, "x": x, "y": y})


@pytest.fixture(scope="module")
def fit(data):
    # 300 draws a chain are too few to be trusted, and the fit says so.
    with pytest.warns(mt.ConvergenceWarning):
        return mt.fit_location_scale("y ~ x + (1 | g)", "~ x + (1 | g)", data, seed=1, **SETTINGS)


def test_tables_are_of_the_draws(fit):
    assert isinstance(fit, LocationScalePosterior)
    beta = fit.idata.posterior["beta"].to_numpy()[..., 1].ravel()
    row = fit.mean.loc["x"]
    assert np.isclose(row["estimate"], beta.mean())
    assert np.isclose(row["sd"], beta.std(ddof=1))
    assert np.isclose(row["lower"], np.quantile(beta, 0.025))
    assert fit.log_variance.index.tolist() == ["Intercept", "x"]
    omega = fit.idata.posterior["Omega"].to_numpy()
    assert np.isclose(fit.components.loc["Intercept", "estimate"], omega[..., 0, 0].mean())
    pair = fit.components.loc["Intercept:scale:Intercept", "estimate"]
    assert np.isclose(fit.correlations.loc["Intercept", "scale:Intercept"], pair)
    assert np.isclose(fit.correlations.loc["scale:Intercept", "Intercept"], pair)
    assert np.allclose(fit.random, omega.mean(axis=(0, 1)))
    assert fit.params.index.tolist() == ["Intercept", "x", "scale:Intercept", "scale:x"]


def test_posterior_means_are_near_the_maximum(fit, data):
    ml = mt.fit_location_scale("y ~ x + (1 | g)", "~ x + (1 | g)", data)
    for ours, theirs in ((fit.mean, ml.mean), (fit.log_variance, ml.log_variance)):
        assert (np.abs(ours["estimate"] - theirs["estimate"]) < 0.5 * theirs["se"]).all()
        assert np.allclose(ours["sd"], theirs["se"], rtol=0.3)
    assert np.corrcoef(fit.ranef()["Intercept"], ml.ranef()["Intercept"])[0, 1] > 0.99
    assert np.allclose(fit.average_variance, ml.average_variance, rtol=0.1)


def test_average_variance_by_hand(fit, data):
    alpha = fit.idata.posterior["alpha"].to_numpy().reshape(-1, 2)
    omega = fit.idata.posterior["Omega"].to_numpy()[..., 1, 1].reshape(-1, 1)
    log_variance = alpha[:, :1] + alpha[:, 1:] * data["x"].to_numpy()
    assert np.isclose(fit.average_variance["median"], np.exp(log_variance).mean())
    assert np.isclose(fit.average_variance["average"], np.exp(log_variance + omega / 2).mean())


def test_variance_ratios_are_of_the_draws(fit):
    rows = pd.DataFrame({"x": [0.0, 1.0]}, index=["low", "high"])
    slope = np.exp(fit.idata.posterior["alpha"].to_numpy()[..., 1].ravel())
    row = fit.variance_ratios(rows).loc["high"]
    assert np.isclose(row["ratio"], slope.mean())
    assert np.isclose(row["ratio_lower"], np.quantile(slope, 0.025))
    median = fit.variance_ratios(rows, average=False).loc["low", "variance"]
    level = fit.idata.posterior["alpha"].to_numpy()[..., 0]
    assert np.isclose(median, np.exp(level).mean())


def test_it_says_that_draws_are_few(fit):
    assert not fit.converged
    assert fit.notes[-1] == "Do not use these draws yet."
    assert "Note: Do not use these draws yet." in str(fit)
    assert "<table" in fit._repr_html_()


@pytest.mark.filterwarnings("ignore:Estimated shape parameter:UserWarning")
def test_loo_is_within_reach(fit):
    import arviz as az

    loo = az.loo(fit.with_log_likelihood())
    assert abs(-2 * loo.elpd_loo - fit.dic.dic) < 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "mcmc"}, "method='mcmc' is not known"),
        ({"draws": 100}, "draws is for method='bayes' only"),
        ({"prior": "inverse-wishart"}, "prior is for method='bayes' only"),
        ({"method": "bayes", "points": 15}, "are for method='ml' only"),
        (
            {"method": "bayes", "between": "~ 1", "prior": "inverse-wishart"},
            "weak priors only",
        ),
        ({"method": "bayes", "association": "cubic"}, "association='cubic' is not known"),
        ({"method": "bayes", "reml": True}, "are for method='ml' only"),
        ({"method": "bayes", "burnin": 3}, "has no argument 'burnin'. It has: .*draws"),
        ({"method": "bayes", "prior": "strong"}, "prior must be 'weak', 'inverse-wishart'"),
    ],
)
def test_settings_of_the_other_method_are_refused(settings, message, data):
    with pytest.raises(mt.ModelError, match=message):
        mt.fit_location_scale("y ~ x + (1 | g)", "~ x + (1 | g)", data, **settings)


def test_shared_vocabulary_is_of_the_draws(fit):
    draws = np.column_stack([fit.draws_of("mean:x").ravel(), fit.draws_of("variance:x").ravel()])
    names = ["x", "scale:x"]
    assert np.allclose(fit.bse[names], draws.std(axis=0, ddof=1))
    assert np.allclose(fit.cov_params().loc[names, names], np.cov(draws.T))
    limits = fit.conf_int(0.9).loc[names]
    assert np.allclose(limits.T, np.quantile(draws, [0.05, 0.95], axis=0))
    variances = fit.conf_int(0.9, which="random").loc["Intercept"]
    assert np.allclose(variances, np.quantile(fit.draws_of("Intercept"), [0.05, 0.95]))
    assert fit.n_parameters == 2 + 2 + 3
    table = fit.tidy(0.9).set_index(["part", "term"])
    assert np.allclose(table.loc[("mean", "x"), ["lower", "upper"]].astype(float), limits.iloc[0])
    wider = fit.tidy(0.99).set_index(["part", "term"])
    assert (wider["upper"] > table["upper"]).all()
    variance = table.loc[("variance", "scale:Intercept"), "estimate"]
    assert variance == fit.components.loc["scale:Intercept", "estimate"]


@pytest.mark.parametrize("name", ["pvalues", "tvalues", "df", "llf", "aic", "bic", "optimizer"])
def test_what_a_posterior_has_not_says_why(fit, name):
    with pytest.raises(mt.ModelError, match=f"has no {name}: "):
        getattr(fit, name)


def test_predictive_data_have_the_moments_of_the_posterior(fit, data):
    y = fit.simulate(1, n=3000)
    assert y.index.equals(data.index)
    pd.testing.assert_frame_equal(y.iloc[:, :1], fit.simulate(1, n=3000).iloc[:, :1])
    fixed = fit.draws_of("mean:Intercept").mean() + fit.draws_of("mean:x").mean() * data["x"]
    error = np.sqrt(fit.random.loc["Intercept", "Intercept"] / 40 / 3000)
    assert abs(y.to_numpy().mean() - fixed.mean()) < 5 * error + 0.02
    total = fit.random.loc["Intercept", "Intercept"] + fit.average_variance["average"]
    away = y.to_numpy() - fixed.to_numpy()[:, None]
    # Uncertain coefficients add a few hundredths; the rest is Monte Carlo error.
    assert (away**2).mean() == pytest.approx(total, rel=0.08)
    with pytest.raises(mt.ModelError, match="n=0"):
        fit.simulate(1, n=0)
