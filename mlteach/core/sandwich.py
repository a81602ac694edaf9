"""Cluster-robust (sandwich) covariance matrices of maximum-likelihood estimates.

    Cov(theta) = H^-1 [ sum_j s_j s_j' ] H^-1

H is the observed information, s_j the score of cluster j: the derivative of its log-likelihood, all
of its rows and outcomes together. It holds as long as clusters are independent and the mean and
variance structure that is asked about is right; what it does not need is that the clusters have the
distribution, or the common variance, that the model gives them (Huber 1967, White 1982). There is
no small-sample factor, as in lavaan's ``estimator="MLR"``: with few clusters the standard errors
are a little too small.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.arguments import one_of


def check_robust(robust: object) -> None:
    """Refuse what is not ``"cluster"`` or None.

    Raises
    ------
    ModelError
    """
    if robust is not None:
        whose = "from the scores of whole clusters, or leave it out for those of the model"
        one_of("robust", robust, ["cluster"], f" for standard errors {whose}")


def cluster_sandwich(model_cov: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Sandwich covariance matrix.

    Parameters
    ----------
    model_cov : ndarray, shape (m, m)
        Inverse observed information.
    scores : ndarray, shape (J, m)
        Derivative of each cluster's log-likelihood at the estimate.

    Returns
    -------
    ndarray, shape (m, m)

    References
    ----------
    White (1982), Econometrica 50(1), doi:10.2307/1912526.
    """
    moved = scores @ model_cov
    return moved.T @ moved


def robust_note(J: int) -> str:
    """What a reader of robust standard errors should know; J is the number of clusters."""
    return (
        f"Standard errors are cluster-robust: a sandwich of the scores of {J} whole clusters, "
        "without a small-sample factor. Likelihood-ratio tests, profiles, AIC and BIC stay those "
        "of the model."
    )
