"""Whether several Markov chains tell the same story: R-hat and effective sample size.

Chains are compared in halves, so that one that still drifts disagrees with itself. With W the mean
variance inside the half chains of n draws and B/n the variance of their means,

    R-hat^2 = ((n - 1)/n W + B/n) / W.

Source: Gelman et al. (2013), Bayesian Data Analysis, sections 11.4 and 11.5.
"""

from __future__ import annotations

import numpy as np


def split_rhat(draws: np.ndarray) -> np.ndarray:
    """Potential scale reduction of each quantity.

    Parameters
    ----------
    draws : ndarray, shape (chains, n, k)
        Four draws a chain, or more.

    Returns
    -------
    ndarray, shape (k,)
        Near 1 where all half chains agree.
    """
    within, total = _variances(halves(draws))
    return np.sqrt(total / within)


def effective_size(draws: np.ndarray) -> np.ndarray:
    """Number of independent draws that would know each mean as well.

    Autocorrelations are combined over the half chains and added up in pairs as long as these are
    positive and do not grow (Geyer 1992).

    Parameters
    ----------
    draws : ndarray, shape (chains, n, k)

    Returns
    -------
    ndarray, shape (k,)
        At most C n log10(C n), for C n draws in all: negative autocorrelation can make draws better
        than independent ones, and the bound keeps noise from claiming it.

    References
    ----------
    Geyer (1992), Statistical Science 7(4), doi:10.1214/ss/1177011137.
    """
    parts = halves(draws)
    chains, n, k = parts.shape
    within, total = _variances(parts)
    covariance = autocovariance(parts).mean(axis=0)
    rho = 1.0 - (within - covariance * n / (n - 1.0)) / total
    rho[0] = 1.0
    pairs = rho[: n // 2 * 2].reshape(n // 2, 2, k).sum(axis=1)
    pairs[np.cumsum(pairs <= 0.0, axis=0) > 0] = 0.0
    pairs = np.minimum.accumulate(pairs, axis=0)
    tau = 2.0 * pairs.sum(axis=0) - 1.0
    size = chains * n
    return size / np.maximum(tau, 1.0 / np.log10(size))


def autocorrelation(draws: np.ndarray, lag: int) -> np.ndarray:
    """Correlation of draws that are ``lag`` rounds apart, over all chains, shape (k,)."""
    about = draws - draws.mean(axis=(0, 1))
    products = (about[:, :-lag] * about[:, lag:]).mean(axis=(0, 1))
    return products / (about**2).mean(axis=(0, 1))


def halves(draws: np.ndarray) -> np.ndarray:
    """Each chain as two of half the length; a middle draw is left out."""
    n = draws.shape[1] // 2
    return np.concatenate([draws[:, :n], draws[:, -n:]])


def autocovariance(draws: np.ndarray) -> np.ndarray:
    """Autocovariances of each chain at all lags (divisor n), by fast Fourier transform."""
    n = draws.shape[1]
    about = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(about, 2 * n, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :n] / n


def _variances(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean variance within chains, and the estimate of the whole variance."""
    n = parts.shape[1]
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    return within, (n - 1) / n * within + parts.mean(axis=1).var(axis=0, ddof=1)
