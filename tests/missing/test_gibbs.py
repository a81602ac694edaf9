"""The sampler: its pieces against dense matrices, its posterior against pan and calibration."""

import json
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from mlteach.core.patterns import block_inverses
from mlteach.missing.chains import effective_size
from mlteach.missing.gibbs import (
    IncompleteRows,
    Prior,
    State,
    complete_residuals,
    default_prior,
    draw_inverse_wishart,
    draw_means,
    gibbs,
    log_prior_of_factor,
)
from tests.places import REFERENCE

EXACT = {"rtol": 1e-9, "atol": 1e-12}
MC = 4.0  # Monte Carlo standard errors; of some hundred comparisons none is this far by chance
WITHIN = np.array([[1.0, 0.5, 0.2], [0.5, 1.2, 0.3], [0.2, 0.3, 0.8]])
BETWEEN = np.array([[0.5, 0.2, 0.1], [0.2, 0.4, 0.1], [0.1, 0.1, 0.3]])


def incomplete(seed=1, J=5, p=3, share=0.3):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(J), rng.integers(1, 6, J))
    y = rng.normal(size=(J, p))[codes] + rng.normal(size=(len(codes), p)) + 3.0
    y[rng.random(y.shape) < share] = np.nan
    y[np.isnan(y).all(axis=1), 0] = 3.0
    # Every cluster keeps its rows, so that its code remains.
    return IncompleteRows(y, codes)


def dense(rows, within, between):
    """Mean-design, covariance matrix and values of all observed cells, in one long vector."""
    seen = ~np.isnan(rows.y)
    i, k = np.nonzero(seen)
    same_row = i[:, None] == i
    same_cluster = rows.codes[i][:, None] == rows.codes[i]
    V = same_row * within[np.ix_(k, k)] + same_cluster * between[np.ix_(k, k)]
    return np.eye(rows.p)[k], V, rows.y[seen], i, k


# ----------------------------------------------------------------------------------------- pieces


def test_rows_are_sorted_by_pattern_and_added_up_by_cluster():
    rows = incomplete()
    assert (~np.isnan(rows.y) == rows.masks[rows.number]).all()
    assert (np.diff(rows.number) >= 0).all() and sorted(rows.order) == list(range(len(rows.y)))
    counts, of_cluster = rows.counts.toarray(), rows.of_cluster.toarray()
    for j in range(rows.J):
        for r in range(len(rows.masks)):
            inside = (rows.codes == j) & (rows.number == r)
            assert counts[j, r] == inside.sum()
            pair = (of_cluster[j] == 1) & (rows.pair == r)
            total = rows.sums[pair].sum(axis=0)
            np.testing.assert_allclose(total, np.nan_to_num(rows.y[inside]).sum(axis=0))


def test_all_patterns_at_once_are_each_on_its_own():
    """The same random numbers, pattern after pattern, in the same order."""
    rows = incomplete(seed=3, J=40, share=0.4)
    e = np.nan_to_num(rows.y)
    plain, rng = e.copy(), np.random.default_rng(5)
    for r, mask in enumerate(rows.masks):
        at, o, m = np.flatnonzero(rows.number == r), np.flatnonzero(mask), np.flatnonzero(~mask)
        B = np.linalg.solve(WITHIN[np.ix_(o, o)], WITHIN[np.ix_(o, m)])
        if len(m):
            root = np.linalg.cholesky(WITHIN[np.ix_(m, m)] - WITHIN[np.ix_(m, o)] @ B)
            noise = rng.standard_normal((len(at), len(m))) @ root.T
            plain[np.ix_(at, m)] = e[np.ix_(at, o)] @ B + noise
    P = block_inverses(WITHIN, rows.masks)
    complete_residuals(rows, e, WITHIN, P, np.random.default_rng(5))
    np.testing.assert_allclose(e, plain, **EXACT)


def test_mu_and_u_have_the_mean_and_covariance_of_the_dense_model():
    """Over many draws; the dense model conditions a vector of all means and effects at once."""
    rows = incomplete()
    X, V, y, _, _ = dense(rows, WITHIN, BETWEEN)
    Vi = np.linalg.inv(V)
    cov_mu = np.linalg.inv(X.T @ Vi @ X)
    mu_hat = cov_mu @ X.T @ Vi @ y
    rng = np.random.default_rng(1)
    seen = rows.seen(block_inverses(WITHIN, rows.masks))
    draws = [draw_means(*seen, BETWEEN, rng) for _ in range(8_000)]
    mu = np.array([m for m, _ in draws])
    u = np.array([u.ravel() for _, u in draws])
    error = np.sqrt(np.diag(cov_mu) / len(mu))
    assert np.all(np.abs(mu.mean(axis=0) - mu_hat) < MC * error)
    np.testing.assert_allclose(np.cov(mu.T), cov_mu, rtol=0.1, atol=0.05 * cov_mu.max())
    # Covariance of u with the observed cells, cluster by cluster.
    _, _, _, i, k = dense(rows, WITHIN, BETWEEN)
    C = np.zeros((rows.J * rows.p, len(y)))
    for j in range(rows.J):
        inside = rows.codes[i] == j
        C[j * rows.p : (j + 1) * rows.p, inside] = BETWEEN[:, k[inside]]
    P = Vi - Vi @ X @ cov_mu @ X.T @ Vi
    u_hat, cov_u = C @ P @ y, np.kron(np.eye(rows.J), BETWEEN) - C @ P @ C.T
    error = np.sqrt(np.diag(cov_u) / len(u))
    assert np.all(np.abs(u.mean(axis=0) - u_hat) < MC * error)
    np.testing.assert_allclose(np.cov(u.T), cov_u, rtol=0.1, atol=0.05 * cov_u.max())


def test_missing_residuals_are_the_conditional_normal():
    y = np.tile([1.0, np.nan, -0.5], (40_000, 1))
    rows = IncompleteRows(y, np.arange(len(y)) % 2)
    e = np.nan_to_num(rows.y)
    complete_residuals(
        rows, e, WITHIN, block_inverses(WITHIN, rows.masks), np.random.default_rng(2)
    )
    o = [0, 2]
    B = np.linalg.solve(WITHIN[np.ix_(o, o)], WITHIN[o, 1])
    variance = WITHIN[1, 1] - WITHIN[1, o] @ B
    assert (e[:, o] == y[:, o]).all()
    assert abs(e[:, 1].mean() - B @ [1.0, -0.5]) < MC * np.sqrt(variance / len(y))
    assert e[:, 1].var() == pytest.approx(variance, rel=MC * np.sqrt(2 / len(y)))


@pytest.mark.parametrize("df", [8, 20])
def test_inverse_wishart_has_its_moments(df):
    """Mean S / (df - p - 1); variances of Press (1982), section 5.2."""
    rng = np.random.default_rng(3)
    draws = np.array([draw_inverse_wishart(df, WITHIN, rng) for _ in range(20_000)])
    mean = WITHIN / (df - 4)
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < MC * error)
    inverse = np.linalg.inv(draws).mean(axis=0)
    np.testing.assert_allclose(inverse, df * np.linalg.inv(WITHIN), rtol=0.05, atol=0.05 * df)
    if df == 20:
        expected = 2 * np.diag(WITHIN) ** 2 / ((df - 4) ** 2 * (df - 6))
        variances = draws.var(axis=0)[np.diag_indices(3)]
        np.testing.assert_allclose(variances, expected, rtol=0.1)


def test_prior_of_the_factor_is_the_prior_of_the_matrix():
    """Density of L = density of L L' times the Jacobian, which is found numerically."""
    p, prior = 3, Prior(np.ones(3), np.array([0.5, 2.0, 1.0]))
    at = np.tril_indices(p)
    rng = np.random.default_rng(4)

    def log_density(L):
        Sigma = L @ L.T
        fit = np.trace(np.linalg.solve(Sigma, p * np.diag(prior.between)))
        return -0.5 * (2 * p + 1) * np.linalg.slogdet(Sigma)[1] - 0.5 * fit

    def log_jacobian(L, step=0.5):
        # L L' is quadratic in L: central differences are exact at any step.
        rows = []
        for r, c in zip(*at, strict=True):
            E = np.zeros((p, p))
            E[r, c] = step
            up, down = (L + E) @ (L + E).T, (L - E) @ (L - E).T
            rows.append((up - down)[at] / (2 * step))
        return np.linalg.slogdet(np.array(rows))[1]

    values = []
    for _ in range(5):
        L = np.eye(p) + 0.3 * np.tril(rng.normal(size=(p, p)))
        values.append(log_prior_of_factor(L, prior) - log_density(L) - log_jacobian(L))
    np.testing.assert_allclose(values, values[0], **EXACT)
    flipped = L * np.array([1.0, -1.0, 1.0])
    assert log_prior_of_factor(flipped, prior) == pytest.approx(log_prior_of_factor(L, prior))


def test_guesses_are_those_of_the_mean_squares_and_never_zero():
    import mlteach as mt

    rows = incomplete(seed=5, J=30, p=2, share=0.2)
    prior = default_prior(rows)
    for k in range(2):
        table = pd.DataFrame({"y": rows.y[:, k], "g": rows.codes}).dropna()
        icc = mt.column_icc(table, "y", cluster="g", method="anova")
        share = prior.between[k] / (prior.between[k] + prior.within[k])
        assert share == pytest.approx(icc, rel=1e-10)
    y = np.tile([[-1.0], [1.0]], (10, 1))
    alike = default_prior(IncompleteRows(y, np.repeat(np.arange(10), 2)))
    assert alike.between[0] == pytest.approx(0.01 * alike.within[0])


def test_parameters_are_listed_by_rows_of_the_triangle():
    state = State(np.array([1.0, 2.0]), np.zeros((1, 2)), WITHIN[:2, :2], BETWEEN[:2, :2], None)
    assert state.parameters().tolist() == [1.0, 2.0, 1.0, 0.5, 1.2, 0.5, 0.2, 0.4]


# -------------------------------------------------------------------------------------- posterior


@pytest.fixture(scope="module")
def reference():
    return json.loads((REFERENCE / "imputation.json").read_text())["cases"]


def test_posterior_is_that_of_pan(reference):
    """Means within Monte Carlo error, SDs within 5%, with the priors given to pan."""
    data = pd.read_csv(REFERENCE / "data" / "incomplete.csv")
    data = data.dropna(how="all", subset=["x1", "x2", "x3"])
    codes = pd.factorize(data["cluster"])[0]
    rows = IncompleteRows(data[["x1", "x2", "x3"]].to_numpy(), codes)
    prior = Prior(*(np.array(reference["prior"][level]) for level in ("within", "between")))
    chain = gibbs(rows, prior, 1.0, np.random.default_rng(6))
    draws = np.array([state.parameters() for state in islice(chain, 5_000)])[50:]
    size = effective_size(draws[None])
    pairs = [f"x{c + 1}~~x{r + 1}" for r, c in zip(*np.tril_indices(3), strict=True)]
    names = [f"mean.x{k}" for k in (1, 2, 3)]
    names += [f"{level}.{pair}" for level in ("within", "between") for pair in pairs]
    theirs = {key: np.array([reference["posterior"][key][n] for n in names]) for key in
              ("mean", "sd", "error")}  # fmt: skip
    error = np.hypot(draws.std(axis=0) / np.sqrt(size), theirs["error"])
    assert np.all(np.abs(draws.mean(axis=0) - theirs["mean"]) < MC * error)
    np.testing.assert_allclose(draws.std(axis=0), theirs["sd"], rtol=0.05)
    # What drawing Between a second time is for: hardly any draw is wasted.
    assert size.min() > 1_000


def test_intervals_hold_parameters_drawn_from_the_prior_as_often_as_they_say():
    """Simulation-based calibration (Talts et al. 2018): ranks of the truth are uniform."""
    rng = np.random.default_rng(7)
    prior = Prior(np.array([1.0, 1.0]), np.array([0.2, 0.1]))
    codes = np.repeat(np.arange(12), 4)
    ranks, replications, kept = [], 80, 39
    for _ in range(replications):
        within = draw_inverse_wishart(2, np.diag(2 * prior.within), rng)
        between = draw_inverse_wishart(2, np.diag(2 * prior.between), rng)
        u = rng.normal(size=(12, 2)) @ np.linalg.cholesky(between).T
        y = u[codes] + rng.normal(size=(48, 2)) @ np.linalg.cholesky(within).T
        y[rng.random(48) < 0.3, 1] = np.nan
        chain = gibbs(IncompleteRows(y, codes), prior, 1.0, rng)
        draws = np.array([s.parameters() for s in islice(chain, 30, 30 + 4 * kept, 4)])
        at = np.tril_indices(2)
        truth = np.concatenate([np.zeros(2), within[at], between[at]])
        ranks.append((draws < truth).sum(axis=0))
    ranks = np.array(ranks)
    counts = np.array([np.bincount(column // 8, minlength=5) for column in ranks.T])
    chi2 = ((counts - replications / 5) ** 2 / (replications / 5)).sum(axis=1)
    # Chi-square with 4 df exceeds 23.5 once in 10,000 times.
    assert chi2.max() < 23.5
    uniform = (kept + 1) * np.sqrt(1 / 12 / replications)
    assert np.all(np.abs(ranks.mean(axis=0) - kept / 2) < MC * uniform)
