"""What clustering costs: design effects, effective sample sizes, Moulton factors.

n is a cluster size, N the number of rows, J the number of clusters.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlteach.core.arguments import checked
from mlteach.errors import ModelError


@checked
def design_effect(n: ArrayLike, icc: ArrayLike) -> float | np.ndarray:
    """Design effect ``1 + (n - 1) icc``: what clusters of size n do to the variance of a mean.

    Parameters
    ----------
    n : float or array
        Cluster size, at least 1. Several sizes are several designs, each with its own answer
        (while :func:`moulton_factor` takes a list as the clusters of one design). For one design
        whose sizes differ, ``sum(n_j**2) / sum(n_j)``, the size of the cluster of a random row,
        gives the design effect of the mean of all rows.
    icc : float or array
        Intraclass correlation, from -1/(n - 1) (rows of a cluster differ more than at random;
        an ANOVA estimate can say so) to 1.

    Returns
    -------
    float or array
        Broadcast over n and icc: variance of the mean over that of a simple random sample.

    Raises
    ------
    ModelError
        For a size below 1 or a correlation that cannot be.

    Examples
    --------
    >>> design_effect(5, 0.30), design_effect(20, 0.05)
    (2.2, 1.95)

    References
    ----------
    Kish (1965), Survey Sampling, chapter 5. Eldridge, Ashby & Kerry (2006), International Journal
    of Epidemiology 35(5), doi:10.1093/ije/dyl129, for unequal sizes.
    """
    n, icc = as_numbers("n", n), as_numbers("icc", icc)
    _check_size(n)
    _check_icc("icc", icc)
    effect = 1.0 + (n - 1.0) * icc
    # Rounding of -1/(n - 1) itself must not refuse the smallest possible value.
    if (np.asarray(effect) < -1e-12).any():
        raise ModelError(
            "icc lies below -1/(n - 1), which no correlation of n rows with each other can do."
        )
    return scalar(np.maximum(effect, 0.0))


@checked
def effective_n(N: ArrayLike, n: ArrayLike, icc: ArrayLike) -> float | np.ndarray:
    """Effective sample size: independent rows that would know a mean as well as N clustered ones.

    Parameters
    ----------
    N : float or array
        Rows in all.
    n, icc : float or array
        As in :func:`design_effect`.

    Returns
    -------
    float or array
        ``N / (1 + (n - 1) icc)``.

    Raises
    ------
    ModelError
        As :func:`design_effect`, and if there are fewer rows than one cluster holds.

    Examples
    --------
    >>> round(effective_n(500, 5, 0.30)), round(effective_n(1000, 20, 0.05))
    (227, 513)
    """
    N, size = as_numbers("N", N), as_numbers("n", n)
    if np.any(np.asarray(size > N)):
        raise ModelError("N is the number of rows in all and n that of one cluster: N >= n.")
    effect = design_effect(n, icc)
    if np.any(np.asarray(effect) == 0.0):
        raise ModelError("icc = -1/(n - 1): the mean has no variance, so no size equals it.")
    return scalar(N / effect)


@checked
def moulton_factor(n: ArrayLike, icc_x: ArrayLike, icc_y: ArrayLike) -> float | np.ndarray:
    """Moulton factor: how many times too small the OLS standard error of a slope is.

    The variance is too small by its square, ``1 + (V(n) / mean(n) + mean(n) - 1) icc_x icc_y``;
    with equal clusters that is ``1 + (n - 1) icc_x icc_y``, and a predictor that is constant in
    each cluster (icc_x = 1) makes it the :func:`design_effect`.

    Parameters
    ----------
    n : float or sequence
        Cluster size; or, if they differ, the sizes of all clusters of one design, such as
        ``fit.cluster_sizes`` (while :func:`design_effect` takes an array as so many designs).
    icc_x : float or array
        Intraclass correlation of the predictor; ``column_icc(..., method="pairs")`` makes the
        formula exact.
    icc_y : float or array
        Intraclass correlation of the residual of the outcome.

    Returns
    -------
    float or array
        Correct over OLS standard error, broadcast over icc_x and icc_y.

    Raises
    ------
    ModelError
        For a size below 1 or correlations that cannot be.

    Examples
    --------
    >>> round(moulton_factor(20, 1, 0.05) ** 2, 2)
    1.95
    >>> round(moulton_factor([10, 30], 1, 0.05) ** 2, 2)
    2.2

    References
    ----------
    Moulton (1986), Journal of Econometrics 32(3), doi:10.1016/0304-4076(86)90021-7; Angrist &
    Pischke (2009), Mostly Harmless Econometrics, equation 8.2.5.
    """
    sizes = np.asarray(as_numbers("n", n))
    _check_size(sizes)
    if sizes.ndim > 1 or sizes.size == 0:
        raise ModelError("n is one cluster size, or one list with the sizes of all clusters.")
    x, y = as_numbers("icc_x", icc_x), as_numbers("icc_y", icc_y)
    others = float(sizes.var() / sizes.mean() + sizes.mean() - 1.0)
    # With unequal sizes a predictor's pairwise correlation can pass 1, up to this limit.
    _check_icc("icc_x", x, limit=(sizes.max() - 1.0) / others if others else 1.0)
    _check_icc("icc_y", y)
    ratio = 1.0 + others * x * y
    if (np.asarray(ratio) < 0.0).any():
        raise ModelError("icc_x and icc_y cannot be this far apart in sign for these sizes.")
    return scalar(np.sqrt(ratio))


def as_numbers(name: str, values: ArrayLike) -> np.ndarray | pd.Series:
    """Arrays of floats; a Series stays one, so that its labels reach the result."""
    try:
        values = values if isinstance(values, pd.Series) else np.asarray(values)
        numbers = values.astype(float)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} must be a number or an array of numbers.") from error
    if not np.isfinite(np.asarray(numbers)).all():
        raise ModelError(f"{name} has missing or infinite values.")
    return numbers


def _check_size(n: np.ndarray | pd.Series) -> None:
    if (np.asarray(n) < 1.0).any():
        raise ModelError("A cluster has at least one row: n must be 1 or more.")


def _check_icc(name: str, icc: np.ndarray | pd.Series, limit: float = 1.0) -> None:
    if (np.abs(np.asarray(icc)) > limit * (1.0 + 1e-12)).any():
        raise ModelError(
            f"{name} is a correlation, at most {limit:.4g} in size; write 18% as 0.18."
        )


def scalar(values: np.ndarray | pd.Series) -> float | np.ndarray | pd.Series:
    """A number where there is one only."""
    return float(values) if np.ndim(values) == 0 else values
