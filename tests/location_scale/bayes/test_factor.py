"""Level-2 functions in a model that is sampled: algebra, prior, and the edge of the cone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate

import mlteach as mt
from mlteach.location_scale.bayes.draws import Draws, inference_data
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.factor import LEAST_LEFT, level_two_factor, level_two_values
from mlteach.location_scale.bayes.priors import WeakPrior
from mlteach.location_scale.bayes.sample import collapsed_model
from mlteach.location_scale.design import location_scale_design
from mlteach.location_scale.level_two import level_two_functions

SAME = 1e-9
MODELS = {
    "two": ("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", True),
    "three": ("math ~ ses + (1 + ses | school)", "~ catholic + (1 | school)", True),
    "apart": ("math ~ ses + (1 + ses | school)", "~ 1 + (1 | school)", False),
}


def build(kind, hsb, between="~ catholic"):
    formula, variance, association = MODELS[kind]
    d = location_scale_design(formula, variance, hsb, centre=False)
    effects = Effects.of(d, association)
    functions = level_two_functions(d, between, association)
    return d, effects, replace(functions, units=effects.unit)


@pytest.mark.parametrize("kind", MODELS)
def test_factor_is_that_of_the_matrices(kind, hsb):
    _, _, functions = build(kind, hsb)
    theta = 0.2 * np.random.default_rng(1).standard_normal((3, functions.map.m))
    L, left = level_two_factor(np, functions, theta)
    for s in range(3):
        expected = functions.map.factors(theta[s], 160)
        got = np.zeros_like(expected)
        for place, values in L.items():
            got[:, *place] = values[s]
        assert np.allclose(got, expected, atol=SAME)
    assert (left is None) == (kind != "three")
    if left is not None:
        assert (left > 0).all()
    assert len(level_two_values(functions, theta)) == len(functions.names)


def test_outside_the_cone_nothing_is_left(hsb):
    _, _, functions = build("three", hsb, "~ 1")
    theta = np.zeros(functions.map.m)
    rows, cols = functions.map.rows, functions.map.cols
    theta[rows != cols] = np.arctanh([0.9, 0.9, -0.9])
    assert functions.map.factors(theta, 160) is None
    assert level_two_factor(np, functions, theta)[1].max() < LEAST_LEFT
    theta[rows != cols] = np.arctanh([0.9, 0.9, 0.9])
    assert level_two_factor(np, functions, theta)[1].min() > 0.01


@pytest.mark.parametrize("kind", ["two", "three"])
def test_prior_of_constant_functions_is_the_weak_prior(kind, hsb):
    """Densities of log variances and atanh correlations follow from those of the effects."""
    _, effects, functions = build(kind, hsb, "~ 1")
    prior, differences = WeakPrior(lkj=1.7), []
    for seed in range(3):
        theta = np.random.default_rng(seed).standard_normal(functions.map.m)
        expected = 0.0
        for x, row, col in zip(theta, functions.map.rows, functions.map.cols, strict=True):
            if row == col:
                size = effects.unit[row] ** 2
                variance = size * np.exp(np.array([x]))
                expected += np.log(prior.variance_density(effects, row, variance) * variance)[0]
            else:
                rho = np.tanh(np.array([x]))
                density = prior.correlation_density(effects, row, col, rho)
                expected += np.log(density * (1.0 - rho**2))[0]
        got = prior.log_density_functions(np, functions, effects, theta)
        differences.append(got - expected)
    assert np.ptp(differences) < SAME


def test_prior_of_slopes_is_normal(hsb):
    _, effects, functions = build("two", hsb)
    assert functions.labels[1] == ("scale:Intercept", "catholic")
    theta = np.zeros(functions.map.m)
    log = []
    for x in (0.0, 1.0):
        theta[1] = x
        log.append(WeakPrior(between=0.5).log_density_functions(np, functions, effects, theta))
    assert log[0] - log[1] == pytest.approx(0.5 / 0.25)


def test_model_is_likelihood_times_prior_and_zero_outside(hsb):
    pytest.importorskip("pymc")
    d, effects, functions = build("three", hsb, "~ 1")
    model = collapsed_model(d, effects, WeakPrior(), functions=functions)
    density = model.compile_logp(mode="FAST_COMPILE", jacobian=False)
    point = model.initial_point()
    same = collapsed_model(d, effects, WeakPrior())
    start = same.initial_point()
    L = np.diag(np.exp(0.5 * point["functions"][functions.map.rows == functions.map.cols]))
    by_hand = float(same.compile_logp(mode="FAST_COMPILE", jacobian=False)(start))
    by_hand -= float(_prior_of(effects, start["factor"]))
    assert effects.factors(start["factor"][None])[0] == pytest.approx(L)
    by_hand += WeakPrior().log_density_functions(np, functions, effects, point["functions"])
    assert float(density(point)) == pytest.approx(by_hand, rel=1e-10)
    off = functions.map.rows != functions.map.cols
    point["functions"][off] = np.arctanh([0.9, 0.9, -0.9])
    assert float(density(point)) == -np.inf


def _prior_of(effects, free):
    L = effects.entries(np, free)
    return WeakPrior().log_density(np, L, effects, (0, 1, 2)) + effects.log_jacobian(np, L)


def test_correlation_densities_integrate_to_one(hsb):
    _, effects, _ = build("three", hsb)
    for lkj in (1.0, 2.0):
        prior = WeakPrior(lkj=lkj)

        def density(rho, prior=prior):
            return prior.correlation_density(effects, 0, 1, np.array([rho]))[0]

        assert integrate.quad(density, -1, 1)[0] == pytest.approx(1.0, abs=1e-5)


def test_draws_have_the_units_of_the_user(hsb):
    """Whatever the draws are, Omega and the coefficients say the same of every sector."""
    az = pytest.importorskip("arviz")
    d, effects, functions = build("two", hsb)
    rng = np.random.default_rng(5)
    between = 0.3 * rng.standard_normal((4, functions.map.m))
    fixed = {"beta_s": rng.standard_normal((4, 2)), "alpha_s": 0.1 * rng.standard_normal((4, 2))}
    arrays = {**fixed, "functions": between, "t_0": rng.standard_normal((4, 160))}
    raw = az.from_dict({k: x.reshape(2, 2, *x.shape[1:]) for k, x in arrays.items()})
    raw.add_groups({"sample_stats": raw.posterior})
    out = inference_data(d, Draws.of(raw, effects, functions), raw, rng).posterior
    assert out["function"].to_numpy()[0] == "scale:Intercept | Intercept"
    coefficients = out["between"].to_numpy().reshape(4, -1)
    log_variance = coefficients[:, 0] + coefficients[:, 1]
    natural = functions.map.omega(between[0])[:, 0, 0]
    first = pd.Series(d.mean.codes).drop_duplicates().index
    catholic = hsb["catholic"].to_numpy()[first] == 1
    assert natural[catholic] == pytest.approx(np.exp(log_variance[0]))
    # Unit of the location effect: the SD of the outcome.
    tau2 = np.exp(coefficients[:, -2] + coefficients[:, -1])
    expected = functions.map.omega(between[0])[:, 1, 1][catholic][0] * effects.unit[1] ** 2
    assert tau2[0] == pytest.approx(expected)
    assert mt.load("hsb")["math"].std(ddof=0) == pytest.approx(effects.unit[1])
