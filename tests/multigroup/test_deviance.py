"""The deviance against the normal density of whole clusters, and its derivatives against steps."""

import numpy as np
import pytest

from mlteach.core.linalg import central_differences
from mlteach.multigroup.deviance import GroupDeviance, MultigroupDeviance
from mlteach.multigroup.moments import group_moments

SAME = 1e-11  # relative: the same sums in another order
NUMERIC = 1e-6  # relative error of a central difference of a deviance of some hundred


def draw(seed: int, p: int, cells: int, missing: float, J: int = 25):
    """Rows, clusters, cells and a point in the parameter space with an indefinite Between."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(J), rng.integers(1, 7, J))
    Y = rng.normal(size=(len(codes), p)) + rng.normal(size=(J, p))[codes]
    Y[rng.random(Y.shape) < missing] = np.nan
    Y[np.isnan(Y).all(axis=1), 0] = 0.3
    of_row = rng.integers(0, cells, len(codes))
    mu = rng.normal(size=(cells, p))
    L = rng.normal(size=(cells, p, p))
    within = L @ L.transpose(0, 2, 1) + np.eye(p)
    half = rng.normal(size=(p, p)) * 0.4
    return Y, codes, of_row, mu, within, half @ half.T - 0.02 * np.eye(p)


def dense(Y, codes, of_row, mu, within, between) -> float:
    """Minus twice the log-likelihood, a cluster at a time, all its rows in one vector."""
    total, p = 0.0, Y.shape[1]
    for j in range(codes.max() + 1):
        own = codes == j
        n, cell = own.sum(), of_row[own]
        V = np.kron(np.ones((n, n)), between)
        for i, c in enumerate(cell):
            V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[c]
        gap = (Y[own] - mu[cell]).ravel()
        here = ~np.isnan(gap)
        V, gap = V[np.ix_(here, here)], gap[here]
        total += np.linalg.slogdet(2 * np.pi * V)[1] + gap @ np.linalg.solve(V, gap)
    return total


CASES = [
    (1, 1, 1, 0.0),
    (2, 2, 1, 0.0),
    (3, 2, 1, 0.3),
    (4, 3, 2, 0.3),
    (5, 4, 3, 0.5),
    (6, 7, 1, 0.4),
]


@pytest.mark.parametrize("case", CASES)
def test_value_is_the_density_of_whole_clusters(case) -> None:
    Y, codes, of_row, mu, within, between = draw(*case)
    group = GroupDeviance(group_moments(Y, codes, of_row))
    theta = packed(group, mu, within, between)
    expected = dense(Y, codes, of_row, mu, within, between)
    assert group.value_and_gradient(theta)[0] == pytest.approx(expected, rel=SAME)


@pytest.mark.parametrize("case", CASES)
def test_derivatives(case) -> None:
    Y, codes, of_row, *point = draw(*case)
    group = GroupDeviance(group_moments(Y, codes, of_row))
    theta, step = packed(group, *point), 1e-5
    gradient, hessian = (
        central_differences(lambda t, k=k: group.value_and_gradient(t)[k], theta, step)
        for k in (0, 1)
    )
    ours = group.value_and_gradient(theta)[1]
    np.testing.assert_allclose(ours, gradient, atol=NUMERIC * np.abs(ours).max())
    ours = group.hessian(theta)
    np.testing.assert_allclose(ours, hessian, atol=NUMERIC * np.abs(ours).max())


def packed(group, mu, within, between) -> np.ndarray:
    at = (group.rows, group.cols)
    return np.concatenate([mu.ravel(), within[:, at[0], at[1]].ravel(), between[at]])


def test_many_clusters_of_a_type_become_few_units() -> None:
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(1000), 5)
    Y = rng.normal(size=(5000, 2)) + rng.normal(size=(1000, 2))[codes]
    moments = group_moments(Y, codes, np.zeros(5000, int))
    assert moments.sums.shape == (3, 2)
    group = GroupDeviance(moments)
    theta = np.array([0.1, -0.2, 1.1, 0.2, 0.9, 0.8, 0.1, 1.2])
    expected = dense(Y, codes, np.zeros(5000, int), *group.unpack(theta))
    assert group.value_and_gradient(theta)[0] == pytest.approx(expected, rel=SAME)


def test_clusters_with_the_same_patterns_are_of_one_type() -> None:
    """Two types, one of many clusters with three patterns each, one of a single cluster."""
    rng = np.random.default_rng(9)
    codes = np.append(np.repeat(np.arange(200), 4), [200, 200])
    Y = rng.normal(size=(802, 2)) + rng.normal(size=(201, 2))[codes]
    Y[0:800:4, 0] = Y[1:800:4, 1] = np.nan
    shuffled = rng.permutation(802)
    moments = group_moments(Y[shuffled], codes[shuffled], np.zeros(802, int))
    assert len(moments.rows) == 3
    assert sorted(moments.count) == [1, 200]
    assert len(moments.weight) == 1 + (1 + 3 * 2)
    theta = np.array([0.1, -0.2, 1.1, 0.2, 0.9, 0.8, 0.1, 1.2])
    group = GroupDeviance(moments)
    expected = dense(Y, codes, np.zeros(802, int), *group.unpack(theta))
    assert group.value_and_gradient(theta)[0] == pytest.approx(expected, rel=SAME)


def test_chunks_of_clusters_do_not_matter(monkeypatch) -> None:
    Y, codes, of_row, *point = draw(3, 2, 1, 0.3)
    group = GroupDeviance(group_moments(Y, codes, of_row))
    theta = packed(group, *point)
    whole = group.hessian(theta)
    monkeypatch.setattr("mlteach.multigroup.deviance.CHUNK", 1)
    np.testing.assert_allclose(group.hessian(theta), whole, rtol=1e-12, atol=1e-12)


def test_impossible_covariance_matrices() -> None:
    Y, codes, of_row, *_ = draw(2, 2, 1, 0.0)
    group = GroupDeviance(group_moments(Y, codes, of_row))
    possible = np.array([0, 0, 1, 0, 1, -0.1, 0, -0.1])
    assert np.isfinite(group.value_and_gradient(possible)[0])
    # Two negative eigenvalues of I + A Between have a positive determinant all the same.
    assert group.value_and_gradient(np.array([0, 0, 1, 0, 1, -2.0, 0, -2.0]))[0] == np.inf
    assert group.value_and_gradient(np.array([0, 0, 1, 1.5, 1, 0.1, 0, 0.1]))[0] == np.inf


def test_shared_parameters_add_up() -> None:
    parts = [draw(seed, 2, 1, 0.2) for seed in (2, 3)]
    groups = [GroupDeviance(group_moments(*part[:3])) for part in parts]
    index = [np.array([0, 1, 4, 5, 6, 10, 11, 12]), np.array([2, 3, 7, 8, 9, 10, 11, 12])]
    both = MultigroupDeviance(groups, index)
    theta = np.array([0, 0.1, 0.2, 0, 1, 0.1, 1, 1.2, 0, 0.9, 0.3, 0.1, 0.4])
    value, gradient = both.value_and_gradient(theta)
    assert value == pytest.approx(
        sum(g.value_and_gradient(theta[at])[0] for g, at in zip(groups, index, strict=True))
    )
    np.testing.assert_allclose(
        gradient[10:],
        sum(g.value_and_gradient(theta[at])[1][5:] for g, at in zip(groups, index, strict=True)),
    )
    hessian = both.hessian(theta)
    np.testing.assert_allclose(hessian[2:4, 7:10], groups[1].hessian(theta[index[1]])[:2, 2:5])
    assert (hessian[:2, 2:4] == 0).all()
