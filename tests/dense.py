"""The two-level likelihood written out in full, N x N: slow, literal, and so a reference."""

import numpy as np


def covariance(Z, codes, tau, sigma2):
    """V = Z_j Tau Z_j' within clusters, plus sigma2 on the diagonal."""
    same = codes[:, None] == codes[None]
    return np.where(same, Z @ tau @ Z.T, 0.0) + sigma2 * np.eye(len(codes))


def deviance(y, X, Z, codes, tau, sigma2, reml):
    """Minus twice the (restricted) log-likelihood at given variances, beta by GLS."""
    V = covariance(Z, codes, tau, sigma2)
    Vi = np.linalg.inv(V)
    XVX = X.T @ Vi @ X
    beta = np.linalg.solve(XVX, X.T @ Vi @ y)
    r = y - X @ beta
    df = len(y) - X.shape[1] if reml else len(y)
    out = np.linalg.slogdet(V)[1] + r @ Vi @ r + df * np.log(2 * np.pi)
    return out + np.linalg.slogdet(XVX)[1] if reml else out


def blups(y, X, Z, codes, tau, sigma2, beta):
    """E(u_j | y) from the joint normal distribution, shape (J, q)."""
    Vi = np.linalg.inv(covariance(Z, codes, tau, sigma2))
    weighted = Vi @ (y - X @ beta)
    J = codes.max() + 1
    return np.array([tau @ Z[codes == j].T @ weighted[codes == j] for j in range(J)])


def small_data(seed, J=6, q=2, sizes=(1, 8), x_cluster_constant=()):
    """Thirty-odd unbalanced rows: y, X, Z, codes."""
    rng = np.random.default_rng(seed)
    n = rng.integers(sizes[0], sizes[1] + 1, J)
    n[0] = max(n[0], 4)
    codes = np.repeat(np.arange(J), n)
    N = len(codes)
    x = rng.normal(size=N)
    for j in x_cluster_constant:
        x[codes == j] = 0.7
    Z = np.column_stack([np.ones(N), x, rng.normal(size=N), rng.normal(size=N)])[:, :q]
    X = np.column_stack([np.ones(N), x, rng.normal(size=J)[codes]])
    u = rng.normal(size=(J, q))
    y = 3.0 + X[:, 1] + np.einsum("iq,iq->i", Z, u[codes]) + rng.normal(size=N)
    return y, X, Z, codes
