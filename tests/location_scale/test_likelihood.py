"""The collapsed location-scale likelihood: against plain densities, its scores numerically."""

import numpy as np
import pytest

from mlteach.location_scale.likelihood import (
    ClusterConstant,
    RowNodes,
    Rows,
    RowWeights,
    collapse,
    weigher,
)
from mlteach.location_scale.quadrature import MarginalLikelihood, settle

PLAIN = 1e-9  # the plain density inverts matrices of cluster size
SCORE = 1e-6  # of the largest score; central differences with step 1e-5

# Name: which columns the variance function has (fixed, random), and how the rows are weighed.
KINDS = {
    "level-2 predictor": ("1w", "1", ClusterConstant),
    "level-1 predictor": ("1x", "1", RowWeights),
    "fixed only": ("1x", "", RowWeights),
    "constant": ("1", "", ClusterConstant),
    "slope only": ("1x", "x", RowNodes),
    "intercept and slope": ("1wx", "1x", RowNodes),
}


def make(kind, q=2, seed=0, J=5):
    """Return rows, parameters (beta, alpha, L) and what should weigh them."""
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 7, J)
    codes = np.repeat(np.arange(J), n)
    N = len(codes)
    columns = {"1": np.ones(N), "x": rng.normal(size=N), "w": rng.normal(size=J)[codes]}
    fixed, random, expected = KINDS[kind]
    W = np.column_stack([columns[c] for c in fixed])
    S = np.column_stack([columns[c] for c in random]) if random else np.zeros((N, 0))
    X = np.column_stack([columns[c] for c in "1xw"])
    Z = X[:, :q]
    starts = np.concatenate([[0], np.cumsum(n)[:-1]])
    rows = Rows(rng.normal(size=N) + columns["x"], X, Z, W, S, starts, n)
    d = q + S.shape[1]
    L = np.tril(0.4 * rng.normal(size=(d, d))) + 0.3 * np.eye(d)
    beta, alpha = 0.3 * rng.normal(size=3), 0.3 * rng.normal(size=W.shape[1])
    return rows, beta, alpha, np.broadcast_to(L, (J, d, d)), expected


def plain_logf(rows, beta, alpha, L, t):
    """Log density of each cluster given t, with V written out, shape (J,)."""
    r = rows.S.shape[1]
    out = []
    for j, (first, n) in enumerate(zip(rows.starts, rows.n, strict=True)):
        at = slice(first, first + n)
        variance = np.exp(rows.W[at] @ alpha + rows.S[at] @ (L[j, :r, :r] @ t))
        root = rows.Z[at] @ L[j, r:, r:]
        V = np.diag(variance) + root @ root.T
        e = rows.y[at] - rows.X[at] @ beta - rows.Z[at] @ (L[j, r:, :r] @ t)
        out.append(n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + e @ np.linalg.solve(V, e))
    return -0.5 * np.array(out)


@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_density_given_t(kind, q):
    rows, beta, alpha, L, expected = make(kind, q)
    ways = weigher(rows)
    assert isinstance(ways, expected)
    r = rows.S.shape[1]
    T = np.random.default_rng(1).normal(size=(4, r))
    v = np.einsum("jab,kb->jka", L[:, :r, :r], T)
    mu = np.einsum("jab,kb->jka", L[:, r:, :r], T)
    got = collapse(ways.weigh(beta, alpha, v), mu, L[:, r:, r:]).logf
    for k, t in enumerate(T):
        assert np.allclose(got[:, k], plain_logf(rows, beta, alpha, L, t), rtol=PLAIN, atol=PLAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_of_weighing_agree(kind):
    """What a cheap way can do, the dear one can do as well."""
    rows, beta, alpha, L, _ = make(kind)
    r = rows.S.shape[1]
    v = np.einsum("jab,kb->jka", L[:, :r, :r], np.random.default_rng(2).normal(size=(3, r)))
    cheap, dear = weigher(rows), RowNodes(rows)
    a, b = cheap.weigh(beta, alpha, v), dear.weigh(beta, alpha, v)
    assert np.allclose(a.G, b.G, rtol=1e-12, atol=1e-12)
    assert np.allclose(a.log_variance, b.log_variance)


@pytest.mark.parametrize("kind", KINDS)
def test_scores(kind):
    rows, beta, alpha, L, _ = make(kind)
    likelihood = MarginalLikelihood(rows, 15)
    settle([likelihood], [(beta, alpha, L)])
    e = likelihood.evaluate(beta, alpha, L)
    p, k, at = len(beta), len(alpha), np.tril_indices(L.shape[1])

    def loglik(theta):
        root = np.zeros(L.shape[1:])
        root[at] = theta[p + k :]
        L_moved = np.broadcast_to(root, L.shape)
        return likelihood.evaluate(theta[:p], theta[p : p + k], L_moved).loglik

    theta = np.concatenate([beta, alpha, L[0][at]])
    steps = 1e-5 * np.eye(len(theta))
    expected = np.array([(loglik(theta + s) - loglik(theta - s)) / 2e-5 for s in steps]).T
    got = np.hstack([e.by_beta, e.by_alpha, e.by_L[:, at[0], at[1]]])
    assert np.abs(got - expected).max() < SCORE * np.abs(expected).max()
