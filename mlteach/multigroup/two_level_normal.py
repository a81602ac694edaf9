"""Several variables at once on two levels: the multivariate normal model, by maximum likelihood.

    y_ij = Gamma w_j + b_j + e_ij,   b_j ~ N(0, Between),   e_ij ~ N(0, Within)

y has p variables, w k cluster-level predictors (the first is 1). All means and all (co)variances on
both levels are free, so this is the saturated two-level model; the regressions inside it are read
off by :mod:`mlteach.multigroup.latent`. Its deviance is that of a multigroup model of one group
(:mod:`mlteach.multigroup.deviance`; Muthen 1990, Yuan & Bentler 2007). Between need not be positive
definite as long as the covariance matrix of every cluster is: a negative variance between clusters
is an estimate like another, and says that cluster means differ less than sampling within clusters
would make them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.core.optim import OptRecord, minimize
from mlteach.errors import ModelError
from mlteach.multigroup.deviance import GroupDeviance
from mlteach.multigroup.moments import group_moments
from mlteach.multigroup.search import own_start


@dataclass(frozen=True)
class TwoLevelNormal:
    """A fitted saturated two-level model, in the user's units.

    Attributes
    ----------
    names : tuple of str
        The p variables.
    Gamma : ndarray, shape (p, k)
    within, between : ndarray, shape (p, p)
    cov_within_between : ndarray, shape (2 m, 2 m)
        Covariance matrix (observed information) of the lower triangles of ``within``, then of
        ``between``; m = p (p + 1) / 2.
    llf : float
        Log-likelihood of all p variables together.
    n : ndarray of int, shape (J,)
        Cluster sizes.
    optimizer : OptRecord
    """

    names: tuple[str, ...]
    Gamma: np.ndarray
    within: np.ndarray
    between: np.ndarray
    cov_within_between: np.ndarray
    llf: float
    n: np.ndarray
    optimizer: OptRecord


def fit_two_level_normal(
    Y: np.ndarray, W: np.ndarray, codes: np.ndarray, names: tuple[str, ...]
) -> TwoLevelNormal:
    """Fit the saturated two-level normal model to complete data.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
    W : ndarray, shape (J, k)
        Cluster-level predictors of the means; the first column is 1.
    codes : ndarray of int, shape (N,)
    names : tuple of str
        Names of the columns of Y.

    Returns
    -------
    TwoLevelNormal

    Raises
    ------
    ModelError
        If there are too few clusters, or none with more than one row, for the covariance matrices.
    """
    J, p = len(W), Y.shape[1]
    n = np.bincount(codes)
    if len(Y) - J < p or p + W.shape[1] > J:
        raise ModelError(
            f"{J} clusters with {len(Y)} rows cannot determine {p} variances and their covariances "
            "on both levels; use fewer variables."
        )
    spread = np.where(W.std(axis=0) > 0, W.std(axis=0), 1.0)
    # From the regression on the predictors, at which the search begins, to what is left of it.
    offset = np.linalg.lstsq(W[codes], Y)[0]
    scaled, one_cell = Y - (W @ offset)[codes], np.zeros(len(Y), int)
    size = scaled.std(axis=0)
    scaled /= size
    objective = GroupDeviance(group_moments(scaled, codes, one_cell, (W / spread)[:, 1:]))
    record = minimize(objective, own_start(objective))
    Gamma, (within,), between = objective.unpack(record.end)
    unit = np.outer(size, size)
    cov = 2.0 * np.linalg.inv(objective.hessian(record.end))[Gamma.size :, Gamma.size :]
    triangle = np.tile(unit[objective.rows, objective.cols], 2)
    Gamma = (Gamma * size / spread[:, None] + offset).T
    return TwoLevelNormal(
        names=tuple(names),
        Gamma=Gamma,
        within=within * unit,
        between=between * unit,
        cov_within_between=cov * np.outer(triangle, triangle),
        llf=-0.5 * record.f_end - len(Y) * float(np.log(size).sum()),
        n=n,
        optimizer=record,
    )
