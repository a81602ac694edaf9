"""Draws from the sampler's units to the user's; location effects from their exact conditional."""

import numpy as np
import pandas as pd
import pytest

from mlteach.location_scale.bayes.draws import CHUNK, Draws, _drawn_effects, chunks, inference_data
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.design import location_scale_design

az = pytest.importorskip("arviz")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # ArviZ announces its next version

# Moments of 4,000 draws: four standard errors.
MOMENTS = 4.0 / np.sqrt(4000)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 5)
    x = rng.normal(3.0, 2.0, 30)
    y = 100.0 + 5.0 * x + 10.0 * rng.normal(size=6)[g] + 8.0 * rng.normal(size=30)
    return pd.DataFrame({"g": [f"g{k}" for k in g], "x": x, "y": y})


def raw_draws(effects, shape, seed=0, **more):
    """Return sampler's output: one value repeated, or several, for each parameter."""
    rng = np.random.default_rng(seed)
    arrays = {
        "beta_s": rng.standard_normal((*shape, 2)),
        "alpha_s": 0.3 * rng.standard_normal((*shape, 2)),
        "factor": 0.4 * rng.standard_normal((*shape, len(effects.places))),
        **{f"t_{k}": rng.standard_normal((*shape, 6)) for k in range(effects.r)},
        **more,
    }
    raw = az.from_dict(arrays)
    raw.add_groups({"sample_stats": raw.posterior})
    return raw


def model(data, variance="~ x + (1 | g)"):
    d = location_scale_design("y ~ x + (1 + x | g)", variance, data)
    return d, Effects.of(d, True)


def test_units_and_names(data):
    d, effects = model(data)
    raw = raw_draws(effects, (2, 3))
    post = inference_data(d, Draws.of(raw, effects), raw, np.random.default_rng(1)).posterior
    assert list(post["effect"].to_numpy()) == ["Intercept", "x", "scale:Intercept"]
    beta_s = raw.posterior["beta_s"].to_numpy()[1, 2]
    fitted = d.mean.X @ post["beta"].to_numpy()[1, 2]
    moved = d.mean.X @ d.scaling.b0 + d.scaling.scale * (d.mean.X @ d.scaling.A @ beta_s)
    assert fitted == pytest.approx(moved)
    alpha_s = raw.posterior["alpha_s"].to_numpy()[1, 2]
    log_variance = d.rows.W @ alpha_s + 2.0 * np.log(d.scaling.scale)
    assert (d.W @ post["alpha"].to_numpy()[1, 2])[d.order] == pytest.approx(log_variance)
    Omega = post["Omega"].to_numpy()[1, 2]
    L = effects.factors(raw.posterior["factor"].to_numpy()[1, 2][None])[0]
    unit = effects.unit[effects.mean_first]
    expected = (L @ L.T)[np.ix_(effects.mean_first, effects.mean_first)] * np.outer(unit, unit)
    assert pytest.approx(expected) == Omega


def test_scale_effects_are_the_factor_times_t(data):
    d, effects = model(data)
    raw = raw_draws(effects, (1, 4))
    post = inference_data(d, Draws.of(raw, effects), raw, np.random.default_rng(1)).posterior
    sd = np.sqrt(post["Omega"].to_numpy()[..., 2, 2])
    expected = sd[..., None] * raw.posterior["t_0"].to_numpy()
    assert post["v"].to_numpy()[..., 0] == pytest.approx(expected)


@pytest.mark.parametrize("student_t", [False, True])
def test_location_effects_have_the_moments_of_dense_algebra(data, student_t):
    d, effects = model(data)
    S = 4000
    one = raw_draws(effects, (1, 1), precision=np.full((1, 1, 6), 1.7))
    same = {
        k: np.repeat(x.to_numpy(), S, axis=1)
        for k, x in one.posterior.items()
        if student_t or k != "precision"
    }
    raw = az.from_dict(same)
    raw.add_groups({"sample_stats": raw.posterior})
    draws = Draws.of(raw, effects)
    post = inference_data(d, draws, raw, np.random.default_rng(2)).posterior
    u = post["u"].to_numpy()[0]
    size2 = 1.0 / 1.7 if student_t else 1.0
    omega, v = post["Omega"].to_numpy()[0, 0] * size2, post["v"].to_numpy()[0, 0, :, 0]
    beta, alpha = post["beta"].to_numpy()[0, 0], post["alpha"].to_numpy()[0, 0]
    for j in range(6):
        at = d.mean.codes == j
        Z = d.mean.Z[at]
        noise = np.diag(np.exp(d.W[at] @ alpha + v[j]))
        # u given v, then given the data too.
        before = omega[:2, 2] / omega[2, 2] * v[j]
        prior = omega[:2, :2] - np.outer(omega[:2, 2], omega[2, :2]) / omega[2, 2]
        gain = prior @ Z.T @ np.linalg.inv(Z @ prior @ Z.T + noise)
        mean = before + gain @ (d.mean.y[at] - d.mean.X[at] @ beta - Z @ before)
        cov = prior - gain @ Z @ prior
        sd = np.sqrt(np.diag(cov))
        assert np.abs((u[:, j].mean(axis=0) - mean) / sd).max() < MOMENTS
        assert np.abs(np.cov(u[:, j].T) / np.outer(sd, sd) - cov / np.outer(sd, sd)).max() < (
            2.0 * MOMENTS
        )


def test_chunks_make_no_difference(data, monkeypatch):
    d, effects = model(data)
    raw = raw_draws(effects, (2, 5))
    draws = Draws.of(raw, effects)
    assert list(chunks(10, CHUNK)) == [slice(k, k + 1) for k in range(10)]
    whole = _drawn_effects(d, draws, _Still())
    monkeypatch.setattr("mlteach.location_scale.bayes.draws.CHUNK", 70)
    assert len(list(chunks(10, 30))) == 5
    assert _drawn_effects(d, draws, _Still()) == pytest.approx(whole)


class _Still:
    """A generator without noise: the draws are the conditional means."""

    def standard_normal(self, shape):
        return np.zeros(shape)


def test_without_scale_effects(data):
    d, effects = model(data, "~ x")
    raw = raw_draws(effects, (1, 3))
    post = inference_data(d, Draws.of(raw, effects), raw, np.random.default_rng(1)).posterior
    assert post["v"].shape == (1, 3, 6, 0)
    assert post["u"].shape == (1, 3, 6, 2)
    assert list(post["pair"].to_numpy()) == ["x, Intercept"]


def test_coefficients_of_the_association_have_units(data):
    """A coefficient of u^2 has the unit of one over the square of the outcome."""
    d = location_scale_design("y ~ x + (1 | g)", "~ 1 + (1 | g)", data)
    effects = Effects.of(d, False)
    rng = np.random.default_rng(1)
    shape = (1, 3)
    more = {
        "beta_s": rng.standard_normal((*shape, 2)),
        "alpha_s": rng.standard_normal((*shape, 1)),
        "L": np.broadcast_to(np.eye(2), (*shape, 2, 2)).copy(),
        "effect": rng.standard_normal((*shape, 6, 2)),
        "gamma": rng.standard_normal((*shape, 2)),
    }
    raw = az.from_dict(more)
    raw.add_groups({"sample_stats": raw.posterior})
    post = inference_data(d, Draws.of(raw, effects), raw, rng).posterior
    names = ["scale:Intercept on Intercept", "scale:Intercept on Intercept^2"]
    assert list(post["power"].to_numpy()) == names
    u, gamma = post["u"].to_numpy()[0, :, :, 0], post["association"].to_numpy()[0]
    natural = more["effect"][0, :, :, 1]
    ours = gamma[:, :1] * u + gamma[:, 1:] * u**2
    assert ours == pytest.approx(
        more["gamma"][0, :, :1] * natural + more["gamma"][0, :, 1:] * natural**2
    )
    assert data["y"].std(ddof=0) == pytest.approx(effects.unit[1])
