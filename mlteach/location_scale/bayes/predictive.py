"""New data from a posterior: parameters from the draws, effects of new clusters, new residuals."""

from __future__ import annotations

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.location_scale.bayes.checks import entered
from mlteach.location_scale.design import LocationScaleDesign

pd = lazy_import("pandas")


def predictive(
    d: LocationScaleDesign,
    draws: dict[str, np.ndarray],
    omega: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Outcomes of the rows used, one data set a draw.

    Parameters
    ----------
    d : LocationScaleDesign
    draws : dict of str to ndarray
        beta (n, p), alpha (n, k), and association (n, a) and nu (n,) where the model has them.
    omega : ndarray, shape (n, J, d, d) or (n, 1, d, d)
        Covariance matrix of the random effects, mean effects first.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame, shape (N, n)
        Columns ``sim_1``, ``sim_2``, ...
    """
    n, J, q = len(omega), len(d.mean.labels), d.mean.Z.shape[1]
    root = np.linalg.cholesky(omega)
    effects = (root @ rng.standard_normal((n, J, root.shape[-1], 1)))[..., 0]
    if "nu" in draws:
        half = 0.5 * draws["nu"][:, None]
        effects = effects / np.sqrt(rng.gamma(half, 1.0 / half, size=(n, J)))[..., None]
    log_variance = draws["alpha"] @ d.W.T
    if "association" in draws:
        log_variance += entered(draws["association"], effects[:, :, :q])[:, d.mean.codes]
    u, v = np.split(effects[:, d.mean.codes], [q], axis=2)
    log_variance += np.einsum("ir,nir->ni", d.S, v)
    mean = draws["beta"] @ d.mean.X.T + np.einsum("iq,niq->ni", d.mean.Z, u)
    y = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape)
    return pd.DataFrame(y.T, index=d.mean.index, columns=[f"sim_{k + 1}" for k in range(n)])
