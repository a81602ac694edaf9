"""Latent centering: within and between regressions with error-free cluster means.

The observed mean of a cluster is its true mean plus the average of n_j deviations, so a regression
on observed means mixes the between effect with the within effect. In the two-level normal model the
true means are a latent variable, and the effects are read off its covariance matrices:

    beta_within  = Within_xx^-1  Within_xy
    beta_between = Between_xx^-1 Between_xy
    contextual   = beta_between - beta_within

(Ludtke et al. 2008). Standard errors are by the delta method from the observed information.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.two_level_normal import TwoLevelNormal


@dataclass(frozen=True)
class LatentRegression:
    """Regressions of the first variable of a two-level normal model on the k others.

    Attributes
    ----------
    model : TwoLevelNormal
        With the (co)variances on both levels.
    within, between : ndarray, shape (k,)
        ``between`` is NaN where the predictors' covariance matrix between clusters is not positive
        definite: then there are no latent means to regress on. Both are if the model did not
        converge.
    cov : ndarray, shape (2 k, 2 k)
        Covariance matrix of ``within``, then ``between``.
    reliability : ndarray, shape (k,)
        Share of the true variance in the variance of the observed cluster means,
        ``b / (b + w / n_j)``, averaged over clusters; NaN where b is not positive.
    """

    model: TwoLevelNormal
    within: np.ndarray
    between: np.ndarray
    cov: np.ndarray
    reliability: np.ndarray

    @property
    def contextual(self) -> np.ndarray:
        """Between minus within, shape (k,)."""
        return self.between - self.within

    @property
    def se(self) -> dict[str, np.ndarray]:
        """Standard errors of within, between and contextual, each of shape (k,)."""
        k = len(self.within)
        ww, wb, bb = self.cov[:k, :k], self.cov[:k, k:], self.cov[k:, k:]
        covs = {"within": ww, "between": bb, "contextual": ww + bb - wb - wb.T}
        return {name: np.sqrt(np.diag(cov)) for name, cov in covs.items()}


def latent_regression(model: TwoLevelNormal) -> LatentRegression:
    """Regress the first variable on the others, within and between clusters.

    Parameters
    ----------
    model : TwoLevelNormal
        From :func:`mlteach.two_level_normal.fit_two_level_normal`; p = 1 + k variables.

    Returns
    -------
    LatentRegression

    References
    ----------
    Ludtke, Marsh, Robitzsch, Trautwein, Asparouhov & Muthen (2008), Psychological Methods 13(3),
    doi:10.1037/a0012869.
    """
    within, by_within = _regression(model.within)
    between, by_between = _regression(model.between)
    m = by_within.shape[1]
    jacobian = np.zeros((2 * len(within), 2 * m))
    jacobian[: len(within), :m], jacobian[len(within) :, m:] = by_within, by_between
    # Where the search stopped short there is no estimate: the likelihood may have no maximum.
    known = 1.0 if model.optimizer.converged else np.nan
    return LatentRegression(
        model=model,
        within=known * within,
        between=known * between,
        cov=known * (jacobian @ model.cov_within_between @ jacobian.T),
        reliability=known * _reliability(model),
    )


def _reliability(model: TwoLevelNormal) -> np.ndarray:
    """Mean reliability of the cluster means of each predictor, shape (k,)."""
    w, b = np.diag(model.within)[1:], np.diag(model.between)[1:]
    b = np.where(b > 0.0, b, np.nan)
    return (b / (b + w / model.n[:, None])).mean(axis=0)


def _regression(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (k,) and their derivative by the lower triangle of S, shape (k, m)."""
    p = len(S)
    rows, cols = np.tril_indices(p)
    if np.linalg.eigvalsh(S[1:, 1:])[0] <= 0:
        return np.full(p - 1, np.nan), np.full((p - 1, len(rows)), np.nan)
    beta = np.linalg.solve(S[1:, 1:], S[1:, 0])
    basis = np.zeros((len(rows), p, p))
    basis[np.arange(len(rows)), rows, cols] = basis[np.arange(len(rows)), cols, rows] = 1.0
    change = basis[:, 1:] @ np.append(1.0, -beta)
    return beta, np.linalg.solve(S[1:, 1:], change.T)
