"""Predicted means, SDs and outcomes: known distributions, brute force, coverage; simulated data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.distributions import normal_cdf
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.prediction import outcome_quantile

OMEGA = np.array([[0.5, 0.1], [0.1, 0.15]])


def drawn(rng: np.random.Generator, J: int = 40, n: int = 15) -> pd.DataFrame:
    """Rows with their true mean m and log variance h."""
    g, x = np.repeat(np.arange(J), n), rng.normal(size=J * n)
    u, v = rng.multivariate_normal([0.0, 0.0], OMEGA, size=J).T
    table = pd.DataFrame({"g": g, "x": x, "w": g % 2.0})
    table["m"], table["h"] = 1 + 0.5 * x + u[g], -0.2 + 0.4 * table["w"] + v[g]
    return table.assign(y=table.m + np.exp(table.h / 2) * rng.normal(size=J * n))


@pytest.fixture(scope="module")
def data():
    return drawn(np.random.default_rng(7))


@pytest.fixture(scope="module")
def fit(data):
    return fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", data)


def test_quantiles_of_a_normal_outcome_are_exact():
    centre = np.array([[3.0, np.log(4.0)]])
    cov = np.array([[[2.25, 0.0], [0.0, 0.0]]])
    value = outcome_quantile(centre, cov, 0.975)
    assert value[0] == pytest.approx(3.0 + 1.959963984540054 * 2.5, abs=1e-7)


@pytest.mark.parametrize("share", [0.025, 0.5, 0.9])
def test_quantiles_against_brute_force(share):
    """The distribution function by a fine sum over the log variance."""
    centre, cov = np.array([[1.0, 0.3]]), np.array([[[0.5, 0.2], [0.2, 0.4]]])
    value = outcome_quantile(centre, cov, share)[0]
    h = np.linspace(-8, 8, 20_001)
    weight = np.exp(-(h**2) / 2)
    mean = 1.0 + 0.2 / np.sqrt(0.4) * h
    sd = np.sqrt(0.5 - 0.2**2 / 0.4 + np.exp(0.3 + np.sqrt(0.4) * h))
    below = weight @ normal_cdf((value - mean) / sd) / weight.sum()
    assert below == pytest.approx(share, abs=1e-5)


def test_known_clusters_have_their_effects_new_ones_none(fit, data):
    table, effects = fit.predict(), fit.ranef().loc[data["g"]]
    fixed = fit.mean.loc["Intercept", "estimate"] + fit.mean.loc["x", "estimate"] * data["x"]
    assert np.allclose(table["mean"], fixed + effects["Intercept"].to_numpy())
    log_sd = 0.5 * (np.log(fit.predicted_variance()) + effects["scale:Intercept"].to_numpy())
    assert np.allclose(table["sd"], np.exp(log_sd))
    new = fit.predict(data.assign(g=data["g"] + 1000))
    assert np.allclose(new["mean"], fixed)
    assert np.allclose(new["sd"] ** 2, fit.predicted_variance())
    assert new.attrs["new_clusters"] == list(range(1000, 1040))
    assert np.allclose(new, fit.predict(random=False))
    assert (new["mean_se"] > table["mean_se"]).all()
    both = fit.predict(pd.concat([data[:3], data[:3].assign(g=999)]))
    assert np.allclose(both[:3], table[:3])
    assert np.allclose(both[3:], new[:3])


def test_with_one_known_variance_it_predicts_as_the_mixed_model(data):
    """Henderson's standard errors take the variances as known."""
    fit = fit_location_scale("y ~ x + (1 | g)", "~ 1", data)
    mixed = mt.fit_mixed("y ~ x + (1 | g)", data, reml=False)
    certain = np.diag([0.0, 0.0, *[1e12] * (fit.n_parameters - 2)])
    known = replace(fit, hessian=fit.hessian + certain).predict()
    mean, outcome = mixed.prediction_interval(of="mean"), mixed.prediction_interval()
    assert np.allclose(known["mean"], mean["estimate"], atol=1e-5)
    assert np.allclose(known["mean_se"], mean["se"], rtol=1e-4)
    half = 1.959963984540054 * outcome["se"]
    assert np.allclose(known["upper"], outcome["estimate"] + half, atol=1e-3)
    assert (fit.predict()["mean_se"] > known["mean_se"]).all()


def test_limits_with_known_parameters_are_those_of_the_effects(fit, data):
    """Means on their own scale, SDs on that of logarithms, where v has half of its SD."""
    certain = replace(fit, hessian=fit.hessian + 1e14 * np.eye(fit.n_parameters))
    effects = fit.ranef().loc[data["g"], ["Intercept_sd", "scale:Intercept_sd"]].to_numpy()
    for random, sd in ((True, effects), (False, np.sqrt(np.diag(fit.random)) + 0.0 * effects)):
        p = certain.predict(random=random, level=0.9)
        half = 1.6448536269514722 * sd * [1.0, 0.5]
        for side, sign in (("lower", -1), ("upper", 1)):
            np.testing.assert_allclose(p[f"mean_{side}"] - p["mean"], sign * half[:, 0], rtol=1e-4)
            log = np.log(p[f"sd_{side}"] / p["sd"])
            np.testing.assert_allclose(log, sign * half[:, 1], rtol=1e-4)


def test_limits_cover():
    """Means, SDs and outcomes of 40 known and 40 new clusters in 40 data sets.

    Three standard errors of a coverage of .95, taken over data sets, are about .02 (.04 for the
    SDs of known clusters: where the variance of v is estimated as zero, all SDs are one).
    """
    rng, covered = np.random.default_rng(1), []
    for _ in range(40):
        table = drawn(rng)
        fit = fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", table)
        row = {}
        for kind, new in (("known", table), ("new", drawn(rng).assign(g=lambda d: d["g"] + 1000))):
            rows = new.groupby("g", as_index=False).first()
            y = rows.m + np.exp(rows.h / 2) * rng.normal(size=len(rows))
            p = fit.predict(rows)
            row[kind, "mean"] = rows.m.between(p.mean_lower, p.mean_upper).mean()
            row[kind, "sd"] = np.exp(rows.h / 2).between(p.sd_lower, p.sd_upper).mean()
            row[kind, "y"] = y.between(p.lower, p.upper).mean()
        covered.append(row)
    share = pd.DataFrame(covered).mean()
    assert (share.drop([("known", "sd"), ("new", "sd")]).sub(0.95).abs() < 0.02).all()
    assert (share.sub(0.95).abs() < 0.04).all()


def test_quadratic_association_predicts(data):
    fit = fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", data, association="quadratic")
    linear = fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", data)
    known, other = fit.predict(), linear.predict()
    # Nearly the same model: gamma_2 is zero where the data come from.
    assert np.allclose(known["mean"], other["mean"], atol=0.05)
    assert np.allclose(known["sd"], other["sd"], rtol=0.1)
    new, effects = fit.predict(random=False), fit.random.to_numpy()
    g1, g2 = fit.association["estimate"]
    shift = g2 * effects[0, 0]
    assert np.allclose(np.log(new["sd"] ** 2), np.log(fit.predicted_variance()) + shift)
    assert g1 != 0.0


def test_predictions_need_what_the_functions_need(fit, data):
    with pytest.raises(mt.DataError, match="'w'"):
        fit.predict(data[["g", "x"]])
    with pytest.raises(mt.DataError, match="'g'"):
        fit.predict(data[["w", "x"]])
    with pytest.raises(mt.ModelError, match="level"):
        fit.predict(level=95)


@pytest.mark.parametrize("association", [True, "quadratic"])
def test_simulated_outcomes_have_the_moments_of_the_model(data, association):
    fit = fit_location_scale("y ~ x + (1 | g)", "~ w + (1 | g)", data, association=association)
    y = fit.simulate(3, n=2000)
    assert y.index.equals(data.index)
    assert list(y.columns[:2]) == ["sim_1", "sim_2"]
    pd.testing.assert_frame_equal(y, fit.simulate(np.random.default_rng(3), n=2000))
    away = y.to_numpy() - fit.predict(random=False)["mean"].to_numpy()[:, None]
    within = fit.predicted_variance(average=True).to_numpy()
    total = fit.random.loc["Intercept", "Intercept"] + within
    # 2000 x 40 clusters: about 1% Monte Carlo error of a mean square; four of those.
    assert (away**2).mean() == pytest.approx(total.mean(), rel=0.04)
    means = pd.DataFrame(away).groupby(data["g"].to_numpy()).mean()
    tau2 = fit.random.loc["Intercept", "Intercept"]
    assert (means**2).mean().mean() == pytest.approx(tau2 + within.mean() / 15, rel=0.04)


def test_simulation_needs_a_seed_and_a_number(fit):
    with pytest.raises(mt.ModelError, match="seed"):
        fit.simulate("one")
    with pytest.raises(mt.ModelError, match="n=0"):
        fit.simulate(1, n=0)
