"""New data from a posterior: parameters from the draws, effects of new clusters, new residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.location_scale.bayes.checks import entered
from mlteach.location_scale.design import LocationScaleDesign
from mlteach.location_scale.prediction import outcomes


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
    more = np.zeros((n, J))
    if "association" in draws:
        more = entered(draws["association"], effects[:, :, :q])
    return outcomes(d, draws["beta"], draws["alpha"], effects, more, rng)
