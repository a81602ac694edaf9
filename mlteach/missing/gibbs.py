"""Gibbs sampler of the two-level multivariate normal model with missing values, for one group.

    y_ij = mu + u_j + e_ij,   u_j ~ N(0, Between),   e_ij ~ N(0, Within)

N rows with at least one of p variables, J clusters with at least one such row. One round draws

    mu and u given Within and Between, from the observed values alone: mu without u, then u
    Between given u: inverse Wishart
    Between and u together, given the standardised effects L^-1 u_j, with Between = L L' (left out
        where a variable is observed in p clusters or fewer, too few to regress on p effects)
    the missing y given mu, u and Within, then Within given e = y - mu - u: inverse Wishart.

This is the model of Schafer & Yucel (2002) without predictors, and the third step is what is added
to their round: where clusters differ little, u and Between hold each other fast, and u / sqrt(tau2)
does not (interweaving, Yu & Meng 2011). Priors: mu flat; Within ~ IW(p, p W0) and
Between ~ IW(p, p B0) with diagonal guesses W0 and B0, each worth p rows or p clusters (the fewest
integer degrees of freedom of a proper prior, and those that R's mice gives pan).

References: Schafer & Yucel (2002), doi:10.1198/106186002760180608. Yu & Meng (2011), Journal of
Computational and Graphical Statistics 20(3), doi:10.1198/jcgs.2011.203main.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mlteach.core.columns import anova_variances
from mlteach.core.linalg import batched_solve_lower
from mlteach.core.patterns import block_inverses, each_times, numbered, padded, patterns_of

# The guess of a variance between clusters is at least this part of that within them.
LEAST_BETWEEN = 0.01


@dataclass(frozen=True)
class Prior:
    """Guesses of the variances within and between clusters, each of shape (p,)."""

    within: np.ndarray
    between: np.ndarray


class IncompleteRows:
    """Rows of one group, each with at least one value, sorted by pattern.

    Parameters
    ----------
    y : ndarray, shape (N, p)
        NaN where missing.
    codes : ndarray of int, shape (N,)
        Cluster of each row, 0 to J - 1.

    Attributes
    ----------
    y, codes
        As given, but sorted.
    order : ndarray of int, shape (N,)
        Where the rows stood before.
    number : ndarray of int, shape (N,)
        Pattern of each row, 0 to R - 1; a complete one is the last.
    masks : ndarray of bool, shape (R, p)
        Variables observed in each pattern.
    zeroed : ndarray, shape (N, p)
        Values with zero where missing.
    missing : ndarray of bool, shape (M, p)
        Which values of the rows that are not complete are missing.
    counts : sparse array, shape (J, R)
        Rows of each cluster and pattern.
    sums : ndarray, shape (K, p)
        Sums of the values, zero where missing, of each pair of a cluster and a pattern it has.
    pair : ndarray of int, shape (K,)
        Pattern of each pair.
    of_cluster : sparse array, shape (J, K)
        One where a pair belongs to a cluster.
    regressable : bool
        Whether every variable is observed in more clusters than there are variables.
    J, p : int
        Number of clusters and of variables.
    """

    def __init__(self, y: np.ndarray, codes: np.ndarray) -> None:
        self.masks, number = patterns_of(~np.isnan(y))
        self.order = np.argsort(number, kind="stable")
        self.y, self.codes, self.number = (x[self.order] for x in (y, codes, number))
        self.zeroed, missing = np.nan_to_num(self.y), np.isnan(self.y)
        self.missing = missing[: missing.any(axis=1).sum()]
        self.J, (R, self.p) = codes.max() + 1, self.masks.shape
        pairs, at = numbered(self.codes * R + self.number)
        K, cluster, self.pair = len(pairs), pairs // R, pairs % R
        n = np.bincount(at, minlength=K).astype(float)
        self.sums = np.stack([np.bincount(at, column, K) for column in self.zeroed.T], axis=1)
        self.counts = sparse.csr_array((n, (cluster, self.pair)), shape=(self.J, R))
        self.of_cluster = sparse.csr_array((np.ones(K), (cluster, np.arange(K))), shape=(self.J, K))
        clusters_of_variable = (self.counts @ self.masks.astype(float) > 0).sum(axis=0)
        self.regressable = bool(clusters_of_variable.min() > self.p)

    def seen(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the observed values of a cluster say about t = mu + u_j: A and c of c't - t'A t / 2.

        P are the inverses of the blocks of Within. A is a precision, shape (J, p, p), and c a
        precision times a mean, shape (J, p).
        """
        A = (self.counts @ P.reshape(len(P), -1)).reshape(-1, *P.shape[1:])
        return A, self.of_cluster @ each_times(P, self.pair, self.sums)


def default_prior(rows: IncompleteRows) -> Prior:
    """Guesses from the analysis of variance of the observed values of each variable.

    The variance between clusters is at least a hundredth of that within them, since its guess from
    mean squares can be negative, and a prior of zero would hold it there.
    """
    found = [
        anova_variances(y[seen], rows.codes[seen])
        for y, seen in zip(rows.y.T, ~np.isnan(rows.y.T), strict=True)
    ]
    within, between = np.array(found).T
    return Prior(within, np.maximum(between, LEAST_BETWEEN * within))


# ---------------------------------------------------------------------------------------- one round


@dataclass
class State:
    """Where a chain stands: mu (p,), u (J, p), within and between (p, p), residuals e (N, p)."""

    mu: np.ndarray
    u: np.ndarray
    within: np.ndarray
    between: np.ndarray
    e: np.ndarray

    def parameters(self) -> np.ndarray:
        """mu, then the lower triangles of Within and of Between, by rows."""
        triangle = np.tril_indices(len(self.mu))
        return np.concatenate([self.mu, self.within[triangle], self.between[triangle]])


def gibbs(
    rows: IncompleteRows, prior: Prior, factor: float, rng: np.random.Generator
) -> Iterator[State]:
    """Endless chain of rounds; the state is the same object each time.

    Parameters
    ----------
    rows : IncompleteRows
    prior : Prior
    factor : float
        The chain starts from the guesses, the variances between clusters so many times theirs.
    rng : numpy.random.Generator
    """
    p, within, between = rows.p, np.diag(prior.within), np.diag(factor * prior.between)
    state = State(np.zeros(p), np.zeros((rows.J, p)), within, between, rows.zeroed)
    while True:
        P = block_inverses(state.within, rows.masks)
        A, c = rows.seen(P)
        state.mu, state.u = draw_means(A, c, state.between, rng)
        scale = np.diag(p * prior.between) + state.u.T @ state.u
        state.between = draw_inverse_wishart(p + rows.J, scale, rng)
        if rows.regressable:
            draw_between_again(A, c, prior, state, rng)
        state.e = rows.zeroed - (state.mu + state.u)[rows.codes]
        complete_residuals(rows, state.e, state.within, P, rng)
        scale = np.diag(p * prior.within) + state.e.T @ state.e
        state.within = draw_inverse_wishart(p + len(rows.y), scale, rng)
        yield state


def draw_means(
    A: np.ndarray, c: np.ndarray, between: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw mu and the u of all clusters given the observed values and both covariance matrices.

    u_j given mu is normal with precision H_j = A_j + Between^-1; mu without u has the precision
    sum_j (A_j - A_j H_j^-1 A_j).
    """
    p = len(between)
    L = np.linalg.cholesky(A + np.linalg.inv(between))
    half = batched_solve_lower(L, np.concatenate([A, c[:, :, None]], axis=2))
    half_A, half_c = half[:, :, :p], half[:, :, p]
    flat = half_A.reshape(-1, p)
    M = A.sum(axis=0) - flat.T @ flat
    m = c.sum(axis=0) - half_c.ravel() @ flat
    mu = draw_normal(M, m, rng)
    noise = half_c - half_A @ mu + rng.standard_normal(c.shape)
    # With rows and columns in reverse, L' is a lower triangle.
    upper = L[:, ::-1, ::-1].transpose(0, 2, 1)
    return mu, batched_solve_lower(upper, noise[:, ::-1, None])[:, ::-1, 0]


def draw_between_again(
    A: np.ndarray, c: np.ndarray, prior: Prior, state: State, rng: np.random.Generator
) -> None:
    """Draw L, and with it Between = L L' and u_j = L z_j, given the standardised effects z_j.

    The observed values say about the free elements of L what they say about coefficients of a
    regression on z: a normal density. A draw from it is accepted with the ratio of the priors.
    """
    old = np.linalg.cholesky(state.between)
    z = np.linalg.solve(old, state.u.T).T
    rows, cols = np.tril_indices(len(old))
    squares = (z[:, :, None] * z[:, None]).reshape(len(z), -1)
    by_z = (A.reshape(len(z), -1).T @ squares).reshape((len(old),) * 4)
    precision = by_z[rows[:, None], rows, cols[:, None], cols]
    about_mu = c - A @ state.mu
    new = np.zeros_like(old)
    weighted = np.einsum("ja,ja->a", z[:, cols], about_mu[:, rows])
    new[rows, cols] = draw_normal(precision, weighted, rng)
    if np.log(rng.random()) < log_prior_of_factor(new, prior) - log_prior_of_factor(old, prior):
        state.between, state.u = new @ new.T, z @ new.T


def log_prior_of_factor(L: np.ndarray, prior: Prior) -> float:
    """Log density of L, up to a constant, where L L' ~ IW(p, p B0); signs of columns are free.

    The density of L L', times the derivative of L L' by L, which is a multiple of the product of
    the diagonal elements to the powers p, p - 1, ..., 1.
    """
    p = len(L)
    powers = np.arange(p, 0, -1) - (2 * p + 1)
    half = np.linalg.solve(L, np.diag(np.sqrt(p * prior.between)))
    return float(powers @ np.log(np.abs(np.diag(L))) - 0.5 * (half**2).sum())


def draw_normal(precision: np.ndarray, weighted: np.ndarray, rng) -> np.ndarray:
    """One draw from a normal distribution with a precision matrix P and mean P^-1 ``weighted``."""
    root = np.linalg.cholesky(precision)
    half = np.linalg.solve(root, weighted) + rng.standard_normal(len(weighted))
    return np.linalg.solve(root.T, half)


def complete_residuals(
    rows: IncompleteRows, e: np.ndarray, within: np.ndarray, P: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw the missing residuals, given those of the row that are observed, in place.

    P are the inverses of the observed blocks of Within, shape (R, p, p). Given the observed ones
    the missing residuals have the mean Within P e and the covariance Within - Within P Within.
    """
    missing = rows.missing
    M = len(missing)
    if not M:
        return
    number, P = rows.number[:M], P[: rows.number[M - 1] + 1]
    noise = np.zeros(missing.shape)
    noise[missing] = rng.standard_normal(int(missing.sum()))
    root = np.linalg.cholesky(padded(within - within @ P @ within, ~rows.masks[: len(P)]))
    known = np.where(missing, 0.0, e[:M])
    drawn = each_times(P, number, known) @ within + each_times(root.swapaxes(1, 2), number, noise)
    e[:M] = np.where(missing, drawn, known)


def draw_inverse_wishart(df: float, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw from IW(df, scale), whose mean is ``scale / (df - p - 1)``.

    By Bartlett's decomposition: with scale = C C' and A A' a Wishart(df, I) matrix, the draw is
    (C A'^-1)(C A'^-1)'.
    """
    p = len(scale)
    A = np.tril(rng.standard_normal((p, p)), -1)
    A[np.diag_indices(p)] = np.sqrt(rng.chisquare(df - np.arange(p)))
    X = np.linalg.solve(A, np.linalg.cholesky(scale).T)
    return X.T @ X
