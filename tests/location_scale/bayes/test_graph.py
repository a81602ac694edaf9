"""The element-by-element likelihood against the engine of maximum likelihood and dense algebra."""

import numpy as np
import pytest

from mlteach.location_scale.bayes.graph import (
    cholesky,
    condition,
    location_effects,
    products,
    solve_lower,
    solve_upper,
    spread,
)
from mlteach.location_scale.likelihood import Rows, collapse, weigher

# Two orders of the same sums, of log-likelihoods of size 10 to 100.
SAME = 1e-8
# Central differences of a log-likelihood with steps of 1e-5.
NUMERICAL = 1e-5

KINDS = ("none", "constant", "level1", "slope")


def make_rows(kind: str, rng: np.random.Generator, q: int = 2) -> Rows:
    n = rng.integers(2, 6, 7)
    N, J = n.sum(), len(n)
    starts = np.concatenate([[0], np.cumsum(n)[:-1]])
    x, w = rng.standard_normal(N), np.repeat(rng.standard_normal(J), n)
    one = np.ones(N)
    W = np.column_stack([one, x if kind in ("level1", "slope") else w])
    S = {
        "none": np.zeros((N, 0)),
        "constant": one[:, None],
        "level1": one[:, None],
        "slope": np.column_stack([one, x]),
    }[kind]
    Z = np.column_stack([one, x, x**2])[:, :q]
    return Rows(rng.standard_normal(N), np.column_stack([one, x, w]), Z, W, S, starts, n)


def make_parameters(rows: Rows, rng: np.random.Generator):
    d, r, J = rows.S.shape[1] + rows.Z.shape[1], rows.S.shape[1], len(rows.n)
    L = np.tril(rng.standard_normal((d, d)) * 0.5)
    t = rng.standard_normal((J, r))
    return rng.standard_normal(3), 0.5 * rng.standard_normal(2), L, t


def element_wise(xp, rows, beta, alpha, L, t):
    weigh, q, d = products(rows), rows.Z.shape[1], len(L)
    R = [[L[a, b] for b in range(d)] for a in range(d)]
    v, mu, Lu = spread(xp, R, [t[:, k] for k in range(t.shape[1])], q, len(rows.n))
    return condition(xp, weigh(xp, beta, alpha, v), weigh.n, mu, Lu)


def engine(rows, beta, alpha, L, t):
    r = rows.S.shape[1]
    J, q = len(rows.n), rows.Z.shape[1]
    v, mu = (t @ L[:r, :r].T)[:, None], (t @ L[r:, :r].T)[:, None]
    weighed = weigher(rows).weigh(beta, alpha, v)
    return collapse(weighed, mu, np.broadcast_to(L[r:, r:], (J, q, q)))


def dense(rows, beta, alpha, L, t, j):
    """Covariance of y, residual and Z of cluster j given t."""
    r, at = rows.S.shape[1], slice(rows.starts[j], rows.starts[j] + rows.n[j])
    v, mu = L[:r, :r] @ t[j], L[r:, :r] @ t[j]
    Z, noise = rows.Z[at], np.exp(rows.W[at] @ alpha + rows.S[at] @ v)
    V = Z @ L[r:, r:] @ L[r:, r:].T @ Z.T + np.diag(noise)
    return V, rows.y[at] - rows.X[at] @ beta - Z @ mu, Z, mu


@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_is_that_of_the_engine(kind, q):
    rng = np.random.default_rng(1)
    rows = make_rows(kind, rng, q)
    given = make_parameters(rows, rng)
    ours = element_wise(np, rows, *given).logf
    assert np.abs(ours - engine(rows, *given).logf[:, 0]).max() < SAME


@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_and_effects_are_those_of_dense_algebra(kind):
    rng = np.random.default_rng(2)
    rows = make_rows(kind, rng)
    beta, alpha, L, t = make_parameters(rows, rng)
    r, q, J = rows.S.shape[1], 2, len(rows.n)
    given = element_wise(np, rows, beta, alpha, L, t)
    R = [[L[a, b] for b in range(r + q)] for a in range(r + q)]
    _, mu, Lu = spread(np, R, list(t.T), q, J)
    mean = np.stack(location_effects(given, mu, Lu, [0.0] * q), axis=-1)
    # A draw is linear in the noise: its columns give the covariance matrix.
    root = [np.stack(location_effects(given, mu, Lu, list(e)), -1) - mean for e in np.eye(q)]
    for j in range(J):
        V, e, Z, prior_mean = dense(rows, beta, alpha, L, t, j)
        logf = -0.5 * (len(e) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1])
        logf -= 0.5 * e @ np.linalg.solve(V, e)
        assert given.logf[j] == pytest.approx(logf, abs=SAME)
        Tau = L[r:, r:] @ L[r:, r:].T
        K = Tau @ Z.T @ np.linalg.inv(V)
        assert mean[j] == pytest.approx(prior_mean + K @ e, abs=SAME)
        half = np.column_stack([column[j] for column in root])
        assert half @ half.T == pytest.approx(Tau - K @ Z @ Tau, abs=SAME)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_in_front_are_worked_on_at_once(kind):
    rng = np.random.default_rng(3)
    rows = make_rows(kind, rng)
    several = [make_parameters(rows, rng) for _ in range(4)]
    beta, alpha, L, t = (np.stack(x) for x in zip(*several, strict=True))
    weigh, d = products(rows), L.shape[1]
    R = [[L[:, a, b, None] for b in range(d)] for a in range(d)]
    v, mu, Lu = spread(np, R, list(t.transpose(2, 0, 1)), 2, len(rows.n))
    together = condition(np, weigh(np, beta, alpha, v), weigh.n, mu, Lu).logf
    apart = np.stack([element_wise(np, rows, *one).logf for one in several])
    assert np.abs(together - apart).max() < SAME


@pytest.mark.filterwarnings("ignore::FutureWarning")  # ArviZ announces its next version
@pytest.mark.parametrize("kind", KINDS)
def test_pytensor_computes_the_same_and_its_gradient(kind):
    pytensor = pytest.importorskip("pytensor")
    from pytensor import tensor as pt

    rng = np.random.default_rng(4)
    rows = make_rows(kind, rng)
    given = make_parameters(rows, rng)
    symbols = [pt.dvector(), pt.dvector(), pt.dmatrix(), pt.dmatrix()]
    graph = _symbolic(pt, rows, *symbols)
    gradients = pytensor.grad(graph.sum(), symbols, disconnected_inputs="ignore")
    f = pytensor.function(
        symbols, [graph, *gradients], mode="FAST_COMPILE", on_unused_input="ignore"
    )
    logf, *ours = f(*given)
    assert np.abs(logf - engine(rows, *given).logf[:, 0]).max() < SAME
    for k, gradient in enumerate(ours):
        for place in np.ndindex(gradient.shape):
            difference = _difference(rows, given, k, place)
            assert gradient[place] == pytest.approx(difference, abs=NUMERICAL, rel=NUMERICAL)


def _symbolic(pt, rows, beta, alpha, L, t):
    d, r = rows.S.shape[1] + rows.Z.shape[1], rows.S.shape[1]
    weigh = products(rows)
    R = [[L[a, b] if b <= a else 0.0 for b in range(d)] for a in range(d)]
    v, mu, Lu = spread(pt, R, [t[:, k] for k in range(r)], rows.Z.shape[1], len(rows.n))
    return condition(pt, weigh(pt, beta, alpha, v), weigh.n, mu, Lu).logf


def _difference(rows, given, k, place, step=1e-5):
    ends = []
    for sign in (1.0, -1.0):
        moved = [x.copy() for x in given]
        moved[k][place] += sign * step
        moved[2] = np.tril(moved[2])
        ends.append(engine(rows, *moved).logf.sum())
    return (ends[0] - ends[1]) / (2.0 * step)


def test_small_solves():
    rng = np.random.default_rng(5)
    root = np.tril(rng.standard_normal((3, 3))) + 2.0 * np.eye(3)
    M, b = root @ root.T, rng.standard_normal(3)
    ours = cholesky(M.tolist())
    assert [row[-1] for row in ours] == pytest.approx(np.diag(root))
    half = solve_lower(ours, list(b))
    assert solve_upper(ours, half) == pytest.approx(np.linalg.solve(M, b))
