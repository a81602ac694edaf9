"""Models that are sampled: level-2 functions, association, many scale effects, t effects."""

import json

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import plots
from tests.places import REFERENCE, ROOT

pytest.importorskip("pymc")
pytestmark = [
    pytest.mark.sampler,
    # ArviZ announces its next version.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Short chains are enough to find a mistake, and say that they are short.
    pytest.mark.filterwarnings("ignore::mlteach.ConvergenceWarning"),
]

# A posterior mean and a maximum differ by a part of the standard error where the prior is weak.
NEAR = 0.5
# In Monte Carlo standard errors, for five quantities.
MOST_ERRORS = 4.0
SETTINGS = {"method": "bayes", "draws": 600, "tune": 500, "chains": 2, "seed": 1, "progress": False}


def simulated(seed, slopes=0, gamma=(0.0, 0.0), J=60, n=20):
    """Data with a random intercept and ``1 + slopes`` scale effects, and the latter's SDs."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    x = rng.normal(size=(J * n, max(slopes, 1)))
    sd = np.array([0.5, 0.4, 0.3])[: 1 + slopes]
    u, v = rng.normal(size=J), sd * rng.normal(size=(J, 1 + slopes))
    log_variance = 0.3 + v[g, 0] + gamma[0] * u[g] + gamma[1] * u[g] ** 2
    for k in range(slopes):
        log_variance = log_variance + (0.2 + v[g, k + 1]) * x[:, k]
    y = 2.0 + u[g] + np.exp(0.5 * log_variance) * rng.normal(size=J * n)
    columns = {f"x{k + 1}": x[:, k] for k in range(x.shape[1])}
    return pd.DataFrame({"y": y, "g": g, **columns}), sd


def covered(draws, true) -> bool:
    """Whether a value lies among the draws: a right model misses it once in some hundred times."""
    return draws.min() < true < draws.max()


def test_level_two_functions_agree_with_maximum_likelihood(hsb):
    """High School and Beyond, Model 1; the correlation of public schools is at the edge by ML."""
    model = ("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", hsb)
    ml = mt.fit_location_scale(*model, between="~ catholic")
    fit = mt.fit_location_scale(*model, between="~ catholic", **SETTINGS)
    for ours, theirs in ((fit.mean, ml.mean), (fit.log_variance, ml.log_variance)):
        assert (np.abs(ours["estimate"] - theirs["estimate"]) < NEAR * theirs["se"]).all()
    assert fit.between.index.tolist() == ml.between.index.tolist()
    ours, theirs = fit.between.loc["Intercept"], ml.between.loc["Intercept"]
    assert (np.abs(ours["estimate"] - theirs["estimate"]) < NEAR * theirs["se"]).all()
    ours, theirs = fit.between.loc["scale:Intercept"], ml.between.loc["scale:Intercept"]
    # Half-normal: where the variance is nearly zero the prior counts.
    assert (np.abs(ours["estimate"] - theirs["estimate"]) < 1.5 * theirs["se"]).all()
    sectors = pd.DataFrame({"catholic": [0, 1]})
    for ours, theirs in zip(fit.random_at(sectors), ml.random_at(sectors), strict=True):
        assert ours.iloc[0, 0] == pytest.approx(theirs.iloc[0, 0], rel=0.15)
        assert ours.iloc[1, 1] == pytest.approx(theirs.iloc[1, 1], abs=0.015)
        assert np.sign(ours.iloc[0, 1]) == np.sign(theirs.iloc[0, 1])
    # Draws of the coefficients give those of the matrices.
    b = fit.idata.posterior["between"].sel(function="Intercept | catholic").to_numpy().ravel()
    omega = fit.omega_draws(sectors)[:, :, 0, 0]
    assert np.log(omega[:, 1] / omega[:, 0]) == pytest.approx(b)
    ratio = fit.variance_ratios(sectors).loc[1]
    expected = ml.variance_ratios(sectors).loc[1]
    assert ratio["ratio"] == pytest.approx(expected["ratio"], abs=0.02)
    assert "Level-2 functions" in str(fit)
    with pytest.raises(mt.ModelError, match="level-2 functions, whose prior"):
        plots.prior_posterior(fit, "Intercept")


def test_level_two_functions_of_three_effects():
    """Proposals outside the cone have no density: every draw is a covariance matrix."""
    data, _ = simulated(5, J=40, n=12)
    data["w"] = (data["g"] % 2).astype(float)
    fit = mt.fit_location_scale(
        "y ~ x1 + (1 + x1 | g)",
        "~ w + (1 | g)",
        data,
        between={"scale:Intercept": "~ w"},
        **{**SETTINGS, "draws": 200, "tune": 300},
    )
    omega = fit.omega_draws(pd.DataFrame({"w": [0.0, 1.0]}))
    assert np.linalg.eigvalsh(omega).min() > 0
    assert covered(fit.draws_of("Intercept"), 1.0)


def test_association_agrees_with_maximum_likelihood():
    data, _ = simulated(3, gamma=(0.3, -0.2), J=100)
    model = ("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data)
    ml = mt.fit_location_scale(*model, association="quadratic")
    fit = mt.fit_location_scale(*model, association="quadratic", **SETTINGS)
    assert fit.association.index.tolist() == ml.association.index.tolist()
    gap = np.abs(fit.association["estimate"] - ml.association["estimate"])
    assert (gap < NEAR * ml.association["se"]).all()
    assert np.allclose(fit.association["sd"], ml.association["se"], rtol=0.3)
    assert np.corrcoef(fit.ranef()["Intercept"], ml.ranef()["Intercept"])[0, 1] > 0.99
    assert fit.average_variance["average"] == pytest.approx(
        ml.average_variance["average"], rel=0.05
    )
    assert fit.dic.p_d < 2 * 100
    assert fit.idata.posterior.attrs["collapsed"] == 0
    assert fit.components.index.tolist() == ["Intercept", "scale:Intercept"]
    assert fit.random.loc["Intercept", "scale:Intercept"] == 0
    assert "Association" in str(fit)


def test_three_scale_effects_are_recovered():
    """More than quadrature can do."""
    data, sd = simulated(7, slopes=2, J=60, n=30)
    formula, variance = "y ~ 1 + (1 | g)", "~ x1 + x2 + (1 + x1 + x2 | g)"
    with pytest.raises(mt.ModelError, match="by maximum likelihood there may be 2. Use method="):
        mt.fit_location_scale(formula, variance, data)
    fit = mt.fit_location_scale(formula, variance, data, **{**SETTINGS, "draws": 400})
    assert fit.effects == ["Intercept", "scale:Intercept", "scale:x1", "scale:x2"]
    for name, true in zip(fit.effects[1:], sd, strict=True):
        assert covered(fit.draws_of(name), true**2), name
    truth = pd.Series({"Intercept": 0.3, "x1": 0.2, "x2": 0.2})
    away = (fit.log_variance["estimate"] - truth) / fit.log_variance["sd"]
    assert np.abs(away).max() < 3.5
    assert (fit.components["rhat"].dropna() < 1.05).all()


def test_t_effects_find_the_outlying_clusters():
    """Three of sixty clusters lie ten standard deviations away."""
    data, _ = simulated(9)
    data.loc[data["g"] < 3, "y"] += 10.0
    model = ("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data)
    normal = mt.fit_location_scale(*model)
    heavy = mt.fit_location_scale(*model, student_t=True, **SETTINGS)
    nu = heavy.draws_of("nu")
    assert np.median(nu) < 10
    # The scale of most clusters no longer has to cover the three.
    assert heavy.random.iloc[0, 0] < 0.6 * normal.random.iloc[0, 0]
    gap = np.abs(heavy.mean["estimate"].iloc[0] - 2.0)
    assert gap < np.abs(normal.mean["estimate"].iloc[0] - 2.0)


def test_london_model_1(london):
    """One variance for all: no scale effects at all, and still published numbers to meet."""
    fit = mt.fit_location_scale(
        "score16 ~ 1 + (1 | school)", "~ 1", london, prior="inverse-wishart", **SETTINGS
    )
    table = pd.read_csv(ROOT / "data" / "published_london_location_scale.csv").query("model == 1")
    printed = table.set_index(["part", "parameter"])
    # Within 0.15 posterior SD, after half a printed digit.
    for place, row in (
        (("mean", "intercept_variance"), fit.components.loc["Intercept"]),
        (("mean", "intercept"), fit.mean.loc["Intercept"]),
        (("log_variance", "intercept"), fit.log_variance.loc["Intercept"]),
    ):
        mean, sd = printed.loc[place, ["posterior_mean", "posterior_sd"]]
        assert abs(row["estimate"] - mean) < 0.15 * sd + 0.005, place
    alpha = fit.log_variance.loc["Intercept", "estimate"]
    assert fit.dic.dic == pytest.approx(printed.loc[("fit", "dic"), "posterior_mean"], abs=5)
    assert fit.effects == ["Intercept"]
    ml = mt.fit_mixed("score16 ~ 1 + (1 | school)", london, reml=False)
    assert np.exp(alpha) == pytest.approx(ml.sigma2, rel=0.01)


def test_brms_has_the_same_posterior(london):
    """London, Model 2, with the same priors: reference/make_brms.R."""
    stored = json.loads((REFERENCE / "brms.json").read_text())["quantities"]
    fit = mt.fit_location_scale(
        "score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)", london, **SETTINGS
    )
    names = {
        "beta[Intercept]": "mean:Intercept",
        "alpha[Intercept]": "variance:Intercept",
        "var(u)": "Intercept",
        "var(v)": "scale:Intercept",
        "corr(u, v)": "Intercept:scale:Intercept",
    }
    tables = {"mean:": fit.mean, "variance:": fit.log_variance}
    for theirs, ours in names.items():
        kind = next((k for k in tables if ours.startswith(k)), None)
        table = fit.components if kind is None else tables[kind]
        row = table.loc[ours if kind is None else ours.removeprefix(kind)]
        error = np.hypot(stored[theirs]["mcse"], row["sd"] / np.sqrt(row["ess"]))
        assert abs(row["estimate"] - stored[theirs]["mean"]) < MOST_ERRORS * error, theirs
        assert row["sd"] == pytest.approx(stored[theirs]["sd"], rel=0.2)
