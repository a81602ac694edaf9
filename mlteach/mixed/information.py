"""Information of the data on the variance components: at the optimum, and where there are none.

At the optimum its inverse is the covariance matrix of the estimates; where all variances are zero
it is the metric in which a likelihood-ratio test against no random effects has its mixture.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.linalg import inverse_on_curved
from mlteach.core.lr_test import covariance_cone_weights, orthant_weights
from mlteach.mixed.deviance import ProfiledDeviance


class VarianceInformation:
    """How well ``(theta, sigma2)`` are known: observed information at the estimate.

    Attributes
    ----------
    cov : ndarray, shape (m + 1, m + 1)
        Inverse of half the Hessian of the deviance; directions without curvature (effects on the
        boundary) carry zero.
    jacobian : ndarray, shape (m + 1, m + 1)
        Derivative of the free elements of Tau, then sigma2, by ``(theta, sigma2)``.
    at_boundary : ndarray of bool, shape (m,)
        Elements of Tau whose standard error does not exist.
    """

    def __init__(self, problem: ProfiledDeviance, theta: np.ndarray) -> None:
        s, map_ = problem.state(theta), problem.map
        sigma2 = s.sigma2
        d_rss, d2_log, d2_rss = problem.second_derivatives(theta)
        hessian = np.empty((map_.m + 1,) * 2)
        hessian[:-1, :-1] = d2_log + d2_rss / sigma2
        hessian[:-1, -1] = hessian[-1, :-1] = -d_rss / sigma2**2
        hessian[-1, -1] = problem.nu / sigma2**2
        self.cov = 2.0 * inverse_on_curved(hessian)
        D = problem.psi_directions(theta)
        self.jacobian = np.eye(map_.m + 1)
        self.jacobian[:-1, :-1] = sigma2 * D[:, map_.rows, map_.cols].T
        self.jacobian[:-1, -1] = s.Psi[map_.rows, map_.cols]
        zero = np.diag(s.Lambda) == 0
        self.at_boundary = zero[map_.rows] & zero[map_.cols]


def no_variance_weights(problem: ProfiledDeviance) -> tuple[float, ...]:
    """Mixture weights for testing that there are no random effects at all.

    One variance on the boundary: half chi-square(0), half chi-square(1) (Self & Liang 1987,
    case 5). Intercept and slope with their covariance: the cone of 2 x 2 covariance matrices in
    three dimensions, whose weights are solid angles in the metric of the information (Shapiro
    1988). Two or three uncorrelated effects: an orthant in that metric. Otherwise the tuple is
    empty and the naive p-value is an upper bound.
    """
    sizes = [len(block) for block in problem.map.blocks]
    if sizes == [1]:
        return (0.5, 0.5)
    if sizes == [2]:
        return covariance_cone_weights(_information_at_zero(problem))
    if sizes in ([1, 1], [1, 1, 1]):
        return orthant_weights(_information_at_zero(problem))
    return ()


def _information_at_zero(problem: ProfiledDeviance) -> np.ndarray:
    """Information on the elements of Psi where Psi = 0, sigma2 and beta estimated (m, m)."""
    state = problem.state(np.zeros(problem.map.m))
    P, E = state.P, problem.map.tau_basis()
    PE = np.einsum("jxy,ayz->jaxz", P, E)
    trace = np.einsum("jxy,ayx->a", P, E)
    return 0.5 * (np.einsum("jaxy,jbyx->ab", PE, PE) - np.outer(trace, trace) / problem.moments.N)
