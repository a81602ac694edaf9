"""Adaptive quadrature of the location-scale likelihood: against a dense grid of points."""

from itertools import product

import numpy as np
import pytest

from mlteach.location_scale.quadrature import NEGLIGIBLE, MarginalLikelihood, _grid, settle
from tests.location_scale.test_likelihood import KINDS, make, plain_logf


def by_dense_grid(rows, beta, alpha, L):
    """Integrate over t by the trapezoidal rule, which is exact beyond need for smooth tails."""
    r = rows.S.shape[1]
    t = np.linspace(-9, 9, 181)
    points = [np.array(p) for p in product(t, repeat=r)]
    phi = [np.exp(-0.5 * p @ p) / (2 * np.pi) ** (r / 2) for p in points]
    density = np.array([np.exp(plain_logf(rows, beta, alpha, L, p)) for p in points])
    return np.log(np.array(phi) @ density * (t[1] - t[0]) ** r)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "intercept and slope"])
def test_against_a_dense_grid(kind):
    rows, beta, alpha, L, _ = make(kind)
    likelihood = MarginalLikelihood(rows, 31)
    settle([likelihood], [(beta, alpha, L)])
    got = likelihood.evaluate(beta, alpha, L).loglik
    assert np.allclose(got, by_dense_grid(rows, beta, alpha, L), rtol=0, atol=1e-7)


def test_against_a_dense_grid_in_two_dimensions():
    rows, beta, alpha, L, _ = make("intercept and slope", q=1, J=2)
    likelihood = MarginalLikelihood(rows, 21)
    settle([likelihood], [(beta, alpha, L)])
    got = likelihood.evaluate(beta, alpha, L).loglik
    assert np.allclose(got, by_dense_grid(rows, beta, alpha, L), rtol=0, atol=1e-6)


def test_nodes_follow_the_posterior():
    rows, beta, alpha, L, _ = make("level-2 predictor")
    likelihood = MarginalLikelihood(rows, 15)
    settle([likelihood], [(beta, alpha, L)])
    weight = likelihood.weights(beta, alpha, L)
    mean, cov = likelihood.posterior_t(weight)
    assert np.allclose(mean, likelihood._centre, atol=0.02)
    assert np.allclose(np.sqrt(cov[:, 0, 0]), likelihood._spread[:, 0, 0], rtol=0.02)


def test_grid_integrates_polynomials():
    x, log_w = _grid(9, 2)
    w = np.exp(log_w)
    assert np.isclose(w.sum(), 1.0, atol=100 * NEGLIGIBLE)
    assert np.isclose(w @ (x[:, 0] ** 2 * x[:, 1] ** 4), 3.0, atol=1e-4)
    assert len(x) < 81
