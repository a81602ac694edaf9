"""Maps from parameters to covariance matrices: their scores numerically, and their limits."""

import numpy as np
import pytest

from mlteach.location_scale.deviance import LocationScaleDeviance
from mlteach.location_scale.effects import (
    CholeskyMap,
    FunctionMap,
    free_pattern,
    functions_to_omega,
)
from tests.location_scale.test_likelihood import make

SCORE = 1e-6  # of the largest; central differences with step 1e-5


def function_map(J, r=1, q=2, seed=0):
    """Return a map with one level-2 predictor in every function."""
    G = np.column_stack([np.ones(J), np.random.default_rng(seed).normal(size=J)])
    rows, cols = np.nonzero(np.tril(np.ones((r + q, r + q))))
    return FunctionMap(r, q, rows, cols, (G,) * len(rows))


def test_pattern():
    free = free_pattern([(0,)], [(0,), (1,)], correlated=True)
    assert free.tolist() == [[True, True, True], [True, True, False], [True, False, True]]
    assert not free_pattern([(0,)], [(0, 1)], correlated=False)[0, 1:].any()


def test_omega_by_hand():
    omega = functions_to_omega(
        [np.log([4.0]), np.arctanh([0.5]), np.log([9.0])], [0, 1, 1], [0, 0, 1], 2
    )
    assert np.allclose(omega, [[[4, 3], [3, 9]]])


def test_matrices_that_are_none_are_refused():
    map_ = function_map(4)
    theta = np.zeros(map_.m)
    assert map_.factors(theta, 4) is not None
    # Correlations of .9, .9 and -.9 exclude each other.
    at = {(r, c): 2 * k for k, (r, c) in enumerate(zip(map_.rows, map_.cols, strict=True))}
    theta[[at[1, 0], at[2, 0]]], theta[at[2, 1]] = np.arctanh(0.9), -np.arctanh(0.9)
    assert map_.factors(theta, 4) is None


@pytest.mark.parametrize("kind", ["level-2 predictor", "level-1 predictor", "intercept and slope"])
def test_score_of_the_deviance(kind):
    rows, beta, alpha, _, _ = make(kind)
    map_ = function_map(len(rows.n), r=rows.S.shape[1])
    deviance = LocationScaleDeviance(rows, map_, 9)
    theta = np.concatenate([beta, alpha, 0.1 * np.random.default_rng(1).normal(size=map_.m)])
    deviance.settle(theta)
    gradient = deviance.value_and_gradient(theta)[1]
    steps = 1e-5 * np.eye(len(theta))
    expected = [
        (deviance.value_and_gradient(theta + s)[0] - deviance.value_and_gradient(theta - s)[0])
        / 2e-5
        for s in steps
    ]
    assert np.abs(gradient - expected).max() < SCORE * np.abs(expected).max()


def test_impossible_parameters_have_no_likelihood():
    rows, beta, alpha, _, _ = make("level-2 predictor")
    map_ = function_map(len(rows.n))
    deviance = LocationScaleDeviance(rows, map_, 9)
    theta = np.concatenate([beta, alpha, np.full(map_.m, 1e4)])
    assert deviance.value_and_gradient(theta)[0] == np.inf


def test_constant_functions_are_one_matrix():
    map_ = function_map(5)
    theta = np.zeros(map_.m)
    theta[::2] = 0.1 * np.arange(len(map_.rows))
    L = map_.factors(theta, 5)
    common = CholeskyMap.from_blocks([(0,)], [(0, 1)], True)
    assert np.allclose(L, common.factors(common_theta(common, L[0]), 5))


def common_theta(map_, L):
    return L[map_.rows, map_.cols]


def test_off_edges():
    """An estimate at the boundary becomes a start: variances above zero, no correlation across."""
    map_ = CholeskyMap.from_blocks([(0,)], [(0, 1)], True)
    L = np.array([[1e-9, 0.0, 0.0], [0.6, -0.5, 0.0], [0.8, 0.3, 0.0]])
    start = map_.L(map_.off_edges(common_theta(map_, L), 0.1))
    expected = L @ L.T
    expected[0] = expected[:, 0] = [0.01, 0.0, 0.0]
    assert np.allclose(start @ start.T, expected)
    flat = map_.off_edges(np.zeros(map_.m), 0.1)
    assert np.allclose(map_.L(flat), 0.1 * np.eye(3))
    assert map_.least_sd(flat) == pytest.approx(0.1)
    assert map_.least_sd(common_theta(map_, L)) == pytest.approx(0.0, abs=1e-12)
