"""Separate fits of the clusters, and the inverse-Wishart prior that is built on them.

Before anything is pooled, each cluster with enough rows has a regression and a log-linear variance
function of its own. How much these differ beyond sampling error is a first guess of Omega.
"""

from __future__ import annotations

import numpy as np

from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.priors import InverseWishart
from mlteach.location_scale.design import LocationScaleDesign

# Columns of a cluster count as dependent beyond this ratio of singular values.
WORST_CONDITION = 1e6


def inverse_wishart_from_separate_fits(d: LocationScaleDesign, effects: Effects) -> InverseWishart:
    """Inverse-Wishart prior with as many degrees of freedom as effects and a guess of Omega.

    S is the number of effects times a diagonal matrix of variances, each estimated on its own from
    separate fits of the clusters (:func:`cluster_estimates`): its posterior mean under a flat
    prior, with the sampling variances of the clusters taken as known.

    Parameters
    ----------
    d : LocationScaleDesign
    effects : Effects

    Returns
    -------
    InverseWishart

    Raises
    ------
    ModelError
        If too few clusters have enough rows for a fit of their own.

    Notes
    -----
    Published analyses use a prior of this kind and do not print its S (Leckie et al. 2014). That it
    is diagonal here is inferred from their results: with a full matrix the posterior correlations
    of High School and Beyond, Model 2, come out larger by half a posterior standard deviation. With
    this S not every published number is met; `tests/test_published_posterior.py` names those.
    """
    estimate, variance = cluster_estimates(d, effects)
    guess = [_between(b, v) for b, v in zip(estimate.T, variance.T, strict=True)]
    order = np.zeros(effects.d)
    for block in effects.blocks:
        order[list(block)] = len(block)
    shown = effects.mean_first
    return InverseWishart(np.diag((order * guess * effects.unit**2)[shown]))


def cluster_estimates(d: LocationScaleDesign, effects: Effects) -> tuple[np.ndarray, np.ndarray]:
    """Effects of each cluster from its own rows, and their sampling variances.

    Least squares within clusters for location effects, then a log-linear fit of the squared
    residuals for scale effects; both about the fixed parts as fitted to all rows at once.

    Returns
    -------
    ndarray, shape (J', d)
        In natural units, scale effects first; clusters with too few rows are left out.
    ndarray, shape (J', d)
    """
    rows, order, r = d.rows, d.order, effects.r
    Z = (d.mean.Z * effects.unit[r:])[order]
    S = (d.S * effects.unit[:r])[order]
    at = [slice(start, start + n) for start, n in zip(rows.starts, rows.n, strict=True)]
    at = [k for k in at if np.ptp(rows.y[k]) > 0.0 and _enough(Z[k], S[k])]
    if len(at) < 2 * effects.d:
        raise ModelError(
            f"The inverse-Wishart prior needs clusters that can be fitted one by one; {len(at)} "
            f"of {len(rows.n)} have enough rows. Use prior='weak', or InverseWishart with a matrix "
            "of your own."
        )
    y = rows.y * d.scaling.scale
    u, spread_u, squares = zip(*(_regress(Z[k], y[k]) for k in at), strict=True)
    kept = np.concatenate([np.arange(k.start, k.stop) for k in at])
    level = np.zeros(len(rows.y))
    level[kept] = rows.W[kept] @ _log_linear(rows.W[kept], np.concatenate(squares))
    ratios = [x / np.exp(level[k]) for x, k in zip(squares, at, strict=True)]
    v = [_log_linear(S[k], ratio) for k, ratio in zip(at, ratios, strict=True)]
    spread_v = [2.0 * np.diag(np.linalg.inv(S[k].T @ S[k])) for k in at]
    sigma2 = float(np.mean(np.concatenate(squares)))
    return np.hstack([v, u]), np.hstack([spread_v, sigma2 * np.array(spread_u)])


def _enough(Z: np.ndarray, S: np.ndarray) -> bool:
    """Whether a cluster can be fitted on its own: twice as many rows as effects, which vary."""
    several = len(Z) > 2 * (Z.shape[1] + S.shape[1])
    return several and all(np.linalg.cond(M) < WORST_CONDITION for M in (Z, S) if M.size)


def _regress(Z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares: coefficients, their variances over sigma2, squared residuals at full size."""
    inverse = np.linalg.inv(Z.T @ Z)
    u = inverse @ Z.T @ y
    share = 1.0 - np.einsum("ia,ab,ib->i", Z, inverse, Z)
    # A row that determines its own fitted value says nothing about the variance.
    return u, np.diag(inverse), (y - Z @ u) ** 2 / np.maximum(share, 0.01)


def _log_linear(S: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Coefficients of log E(squares) = S g: gamma regression by Fisher scoring, ten steps."""
    g = np.linalg.lstsq(S, np.full(len(S), np.log(squares.mean())), rcond=None)[0]
    for _ in range(10):
        excess = squares * np.exp(-S @ g) - 1.0
        # Short steps: a single large residual must not throw the coefficients far away.
        g = g + np.clip(np.linalg.lstsq(S, excess, rcond=None)[0], -1.0, 1.0)
    return g


def _between(estimate: np.ndarray, variance: np.ndarray) -> float:
    """Posterior mean of tau^2 for estimates ~ N(mean, tau^2 + variance), flat priors of both."""
    tau2 = np.linspace(0.0, 5.0 * estimate.var(), 2000)
    weight = 1.0 / (tau2[:, None] + variance)
    total = weight.sum(axis=1)
    mean = weight @ estimate / total
    squares = (weight * (estimate - mean[:, None]) ** 2).sum(axis=1)
    log_density = 0.5 * (np.log(weight).sum(axis=1) - np.log(total) - squares)
    density = np.exp(log_density - log_density.max())
    return float(tau2 @ density / density.sum())
