"""Covariance matrices drawn from the priors by textbook recipes."""

import numpy as np
from scipy import stats

from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.priors import InverseWishart, WeakPrior


def prior_draws(prior: WeakPrior | InverseWishart, effects: Effects, n: int, seed: int):
    """Return draws of Omega in natural units, scale effects first, shape (n, d, d)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n, effects.d, effects.d))
    for block in effects.blocks:
        if isinstance(prior, InverseWishart):
            scale, df = prior.natural(effects, block)
            draws = stats.invwishart(df, scale).rvs(n, random_state=rng)
        else:
            C = lkj_factors(rng, len(block), prior.lkj, n)
            sd = np.abs(rng.standard_normal((n, len(block)))) * prior.sizes(effects)[list(block)]
            L = sd[:, :, None] * C
            draws = L @ L.transpose(0, 2, 1)
        out[np.ix_(range(n), block, block)] = draws.reshape(n, len(block), len(block))
    return out


def lkj_factors(rng: np.random.Generator, d: int, eta: float, n: int):
    """Return Cholesky factors of LKJ correlation matrices: rows of an onion (n, d, d)."""
    C = np.zeros((n, d, d))
    C[:, 0, 0] = 1.0
    for i in range(1, d):
        # Squared length of the part of row i off the diagonal, and its direction.
        radius2 = rng.beta(0.5 * i, eta + 0.5 * (d - 1 - i), n)
        z = rng.standard_normal((n, i))
        C[:, i, :i] = np.sqrt(radius2)[:, None] * z / np.linalg.norm(z, axis=1, keepdims=True)
        C[:, i, i] = np.sqrt(1.0 - radius2)
    return C
