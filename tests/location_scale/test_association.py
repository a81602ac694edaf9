"""Location effects in the variance function: against a dense grid and the closed form."""

from itertools import product

import numpy as np
import pytest

from mlteach.location_scale.association import (
    AssociationLikelihood,
    AssociationMap,
    start_association,
)
from mlteach.location_scale.likelihood import Rows
from mlteach.location_scale.quadrature import MarginalLikelihood, settle

GRID = 5e-6  # clusters of two rows have wide posteriors, and far nodes are left out
SCORE = 1e-6  # of the largest score; central differences with step 1e-5

CASES = [(scale, degree) for scale in (0, 1) for degree in (1, 2)]


def make(level1, seed=0, J=4):
    """Return rows with random intercepts, and beta and alpha."""
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 7, J)
    N = n.sum()
    one, x = np.ones(N), rng.normal(size=N)
    w = x if level1 else np.repeat(rng.normal(size=J), n)
    starts = np.concatenate([[0], np.cumsum(n)[:-1]])
    X, W = np.column_stack([one, x]), np.column_stack([one, w])
    rows = Rows(x + rng.normal(size=N), X, one[:, None], W, one[:, None], starts, n)
    return rows, np.array([0.1, 0.8]), np.array([-0.2, 0.3])


def parameters(scale, degree):
    return np.array([0.5, 0.7, 0.4, -0.3])[1 - scale : 3 + degree - 1]


def by_dense_grid(rows, beta, alpha, theta, map_):
    """Integrate the plain normal densities of the rows by the trapezoidal rule."""
    t = np.linspace(-8, 8, 161)
    g1, g2 = map_.gamma(theta)
    total = np.zeros(len(rows.n))
    for point in product(t, repeat=map_.r):
        u, v = theta[map_.r - 1] * point[-1], theta[0] * point[0] if map_.scale else 0.0
        log_var = rows.W @ alpha + g1 * u + g2 * u**2 + v
        squares = (rows.y - rows.X @ beta - u) ** 2
        density = rows.sums(-0.5 * (np.log(2 * np.pi) + log_var + squares / np.exp(log_var)))
        phi = np.exp(-0.5 * np.dot(point, point)) / (2 * np.pi) ** (map_.r / 2)
        total += phi * np.exp(density)
    return np.log(total * (t[1] - t[0]) ** map_.r)


@pytest.mark.parametrize("level1", [False, True])
@pytest.mark.parametrize(("scale", "degree"), CASES)
def test_against_a_dense_grid(level1, scale, degree):
    rows, beta, alpha = make(level1)
    map_, theta = AssociationMap(scale, degree), parameters(scale, degree)
    likelihood = AssociationLikelihood(rows, map_, 41)
    settle([likelihood], [(beta, alpha, theta)])
    ours = likelihood.evaluate(beta, alpha, theta).loglik
    assert ours == pytest.approx(by_dense_grid(rows, beta, alpha, theta, map_), abs=GRID)


@pytest.mark.parametrize("level1", [False, True])
@pytest.mark.parametrize(("scale", "degree"), CASES)
def test_scores(level1, scale, degree):
    rows, beta, alpha = make(level1)
    map_ = AssociationMap(scale, degree)
    likelihood = AssociationLikelihood(rows, map_, 9)
    theta = np.concatenate([beta, alpha, parameters(scale, degree)])
    settle([likelihood], [np.split(theta, [2, 4])])
    e = likelihood.evaluate(*np.split(theta, [2, 4]))
    steps = 1e-5 * np.eye(len(theta))
    expected = [
        (
            likelihood.evaluate(*np.split(theta + s, [2, 4])).loglik
            - likelihood.evaluate(*np.split(theta - s, [2, 4])).loglik
        )
        / 2e-5
        for s in steps
    ]
    got = np.hstack([e.by_beta, e.by_alpha, e.by_L])
    assert np.abs(got - np.array(expected).T).max() < SCORE * np.abs(expected).max()


def test_without_a_square_it_is_the_closed_form():
    """v = gamma_1 u + rest is a pair of correlated effects, whose u is integrated exactly."""
    rows, beta, alpha = make(True, J=12)
    sigma, tau, g1 = parameters(1, 1)
    omega = np.array([[sigma**2 + (g1 * tau) ** 2, g1 * tau**2], [g1 * tau**2, tau**2]])
    L = np.broadcast_to(np.linalg.cholesky(omega), (12, 2, 2))
    closed = MarginalLikelihood(rows, 41)
    settle([closed], [(beta, alpha, L)])
    map_ = AssociationMap(1, 1)
    ours = AssociationLikelihood(rows, map_, 41)
    settle([ours], [(beta, alpha, parameters(1, 1))])
    expected = closed.evaluate(beta, alpha, L).loglik
    assert ours.evaluate(beta, alpha, parameters(1, 1)).loglik == pytest.approx(expected, abs=GRID)
    assert start_association(map_, L[0]) == pytest.approx([sigma, tau, g1])


def test_start_is_off_zero():
    flat = start_association(AssociationMap(1, 2), np.array([[0.0, 0.0], [0.0, 0.5]]))
    assert flat[0] > 0
    assert flat[1:] == pytest.approx([0.5, 0.0, 0.0])
    assert start_association(AssociationMap(0, 2), np.array([[0.5]])) == pytest.approx([0.5, 0, 0])
