"""The profiled deviance against the N x N likelihood, its derivatives against differences."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlteach.core.design import design
from mlteach.core.formula import parse
from mlteach.core.linalg import ThetaMap
from mlteach.core.moments import cluster_moments
from mlteach.mixed.deviance import ProfiledDeviance
from tests.dense import deviance, small_data

RANDOM = {
    1: "(1 | g)",
    2: "(1 + x | g)",
    3: "(1 + x + z2 | g)",
    4: "(1 + x + z2 + z3 | g)",
}


def problem(seed, q, reml, random=None):
    y, X, Z, codes = small_data(seed, J=8, q=4, sizes=(1, 9), x_cluster_constant=(3,))
    data = pd.DataFrame(
        {"y": y, "x": X[:, 1], "w": X[:, 2], "z2": Z[:, 2], "z3": Z[:, 3], "g": codes}
    )
    d = design(parse(f"y ~ x + w + {random or RANDOM[q]}"), data)
    return d, ProfiledDeviance(cluster_moments(d), ThetaMap.from_blocks(d.blocks), reml)


@pytest.mark.parametrize("reml", [True, False])
@given(st.integers(0, 500), st.integers(1, 4))
def test_equals_the_dense_likelihood(reml, seed, q):
    d, f = problem(seed, q, reml)
    theta = np.random.default_rng(seed).normal(size=f.map.m)
    state, scaling = f.state(theta), f.moments.scaling
    sigma2 = state.rss / f.nu
    Lambda = f.map.Lambda(theta)
    tau = scaling.tau(sigma2 * Lambda @ Lambda.T)
    literal = deviance(d.y, d.X, d.Z, d.codes, tau, scaling.scale**2 * sigma2, reml)
    assert state.value + f.constant == pytest.approx(literal, rel=1e-10, abs=1e-8)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("random", [*RANDOM.values(), "(x || g)", "(1 | g) + (0 + x + z2 | g)"])
def test_derivatives_are_exact(reml, random):
    _, f = problem(7, None, reml, random)
    theta = 0.5 + np.random.default_rng(1).uniform(size=f.map.m)
    step = 1e-5 * np.eye(f.map.m)
    at = f.value_and_gradient
    gradient = np.array([at(theta + h)[0] - at(theta - h)[0] for h in step]) / 2e-5
    hessian = np.array([at(theta + h)[1] - at(theta - h)[1] for h in step]) / 2e-5
    # Central differences of step 1e-5 are good to about 1e-8 of the size of the derivative.
    assert np.allclose(at(theta)[1], gradient, rtol=1e-6, atol=1e-6)
    assert np.allclose(f.hessian(theta), hessian, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_the_ray_is_the_deviance_on_a_line(reml, q):
    _, f = problem(3, q, reml)
    psi, ratios = np.arange(1.0, q + 1), np.array([0.0, 0.3, 2.0, 50.0])
    values = [f.value_and_gradient(f.map.theta(np.diag(np.sqrt(c * psi))))[0] for c in ratios]
    assert np.allclose(f.along_ray(psi, ratios), values, rtol=1e-11)


def test_no_digits_are_lost_to_a_large_intraclass_correlation():
    # With Psi = 1e10 the between part outweighs the within part by ten digits; cross-products
    # alone would leave six digits of the residual sum of squares.
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), 5)
    e = rng.normal(size=100)
    data = pd.DataFrame({"y": 1e5 * rng.normal(size=20)[codes] + e, "g": codes})
    d = design(parse("y ~ 1 + (1 | g)"), data)
    f = ProfiledDeviance(cluster_moments(d), ThetaMap.from_blocks(d.blocks), True)
    # Exact within sum of squares from long doubles.
    y = data.y.to_numpy(np.longdouble).reshape(20, 5)
    within = float(((y - y.mean(axis=1, keepdims=True)) ** 2).sum())
    state = f.state(np.array([1e9]))
    # At this theta the between part adds less than 1e-7 of the residual sum of squares.
    assert f.moments.E[1, 1] * f.moments.scaling.scale**2 == pytest.approx(within, rel=1e-11)
    assert state.rss * f.moments.scaling.scale**2 == pytest.approx(within, rel=1e-6)
