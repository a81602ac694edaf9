"""The clusters of a location-scale fit: predicted effects, variances and intraclass correlations.

Moments of the random effects given the data come from the quadrature: the scale effects are their
weighted nodes, the location effects have a closed form at each node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.distributions import normal_quantile
from mlteach.core.lazy import lazy_import
from mlteach.core.summary import check_level

pd = lazy_import("pandas")

if TYPE_CHECKING:
    from mlteach.location_scale.result import LocationScaleResult


def posterior(fit: LocationScaleResult) -> tuple[np.ndarray, np.ndarray]:
    """Means (J, d) and covariances (J, d, d) of the random effects, user's units."""
    deviance = fit.deviance_function
    likelihood, (beta, alpha, L) = deviance.likelihood, deviance.split(fit.optimizer.end)
    e = likelihood.evaluate(beta, alpha, L)
    r, q = likelihood.r, likelihood.q
    moment = e.inner.moment
    v = likelihood.T @ L[:, :r, :r].transpose(0, 2, 1)
    joint = np.concatenate([v, -moment[:, :, :q, q]], axis=2)
    mean = np.einsum("jk,jka->ja", e.weight, joint)
    second = np.einsum("jk,jka,jkb->jab", e.weight, joint, joint)
    # Given t the location effects still vary: their conditional covariance comes on top.
    u = joint[:, :, r:]
    conditional = moment[:, :, :q, :q] - u[..., :, None] * u[..., None, :]
    cov = second - mean[:, :, None] * mean[:, None]
    cov[:, r:, r:] += np.einsum("jk,jkab->jab", e.weight, conditional)
    units = fit._units
    return mean @ units.T, units @ cov @ units.T


def cluster_variances(fit: LocationScaleResult, level: float) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.cluster_variances`."""
    check_level(level)
    d = fit.design
    n = np.bincount(d.mean.codes)
    alpha = fit.log_variance["estimate"].to_numpy()
    fixed = np.bincount(d.mean.codes, weights=d.W @ alpha) / n
    q = len(d.mean.z_names)
    v, sd = fit._scale_moments(cluster_means(d.S, d.mean.codes, n))
    half = normal_quantile(level) * sd
    Z = cluster_means(d.mean.Z, d.mean.codes, n)
    between = np.einsum("jq,jqs,js->j", Z, fit._omega[:, :q, :q], Z)
    variance, lower, upper = (np.exp(fixed + v + step) for step in (0.0, -half, half))
    return pd.DataFrame(
        {
            "n": n,
            "variance": variance,
            "lower": lower,
            "upper": upper,
            "icc": between / (between + variance),
            "icc_lower": between / (between + upper),
            "icc_upper": between / (between + lower),
        },
        index=d.mean.labels,
    )


def cluster_means(columns: np.ndarray, codes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Mean of each column in each cluster of n rows, from (N, k) to (J, k)."""
    sums = [np.bincount(codes, weights=column) for column in columns.T]
    return np.stack(sums, axis=1) / n[:, None] if sums else np.zeros((len(n), 0))
