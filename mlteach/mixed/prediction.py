"""Predictions with the standard error of what they miss: for known clusters and for new ones.

A row of a known cluster j is predicted by ``x'beta + z'u_j``, with estimates for both. What this
misses of ``x'beta + z'u_j`` itself has, given the variances, the variance

    v = z' C_j z + d' V d,     d = x - X_j' (Z_j Tau Z_j' + sigma2 I)^-1 Z_j Tau z

with C_j the conditional covariance matrix of u_j and V that of the coefficients: u_j is predicted
from residuals, so an error in beta comes back in it with the opposite sign (Henderson 1975). For a
row of a new cluster C_j is Tau and d is x. The outcome itself adds sigma2.

The variances are estimates, so the limits are those of a t distribution, with the degrees of
freedom that Satterthwaite's rule gives: ``df = 2 v^2 / Var(v)``. In the notation of
:mod:`mlteach.mixed.deviance`, with ``r = z - P_j Psi z`` (z itself for a new cluster), the
derivative of ``v / sigma2`` in the direction D of Psi is ``r'D r - 2 d'S^-1 F_j'D r + d'S^-1 M S^-1
d`` with ``M = sum_j F_j'D F_j``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of
from mlteach.core.design import new_rows
from mlteach.core.distributions import t_quantile
from mlteach.mixed import ranef
from mlteach.mixed.degrees_of_freedom import by_theta, satterthwaite_rule
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.estimates import MixedEstimates

OF = ("outcome", "mean")


@checked
def predict(
    fit: MixedEstimates, data: pd.DataFrame | None = None, *, random: bool = True
) -> pd.Series:
    """Predict the outcome of rows, in known or in new clusters.

    Parameters
    ----------
    data : DataFrame, optional
        Rows with the predictors and, if ``random``, the cluster column; the rows of the fit
        by default.
    random : bool, default True
        Add the predicted random effects of known clusters. New clusters get the fixed part,
        which is their expectation; their ids are listed in ``attrs["new_clusters"]``.

    Returns
    -------
    Series
        Indexed like ``data``.

    Raises
    ------
    DataError
        Missing column or value, or a category that the fit never saw.
    """
    X, Z, position, index, new = _rows(fit, data, random, "predict")
    values = X @ fit.params.to_numpy() + ranef.at_rows(Z, fit._blups, position)
    out = pd.Series(values, index=index, name=fit.outcome)
    out.attrs["new_clusters"] = new
    return out


@checked
def prediction_interval(
    fit: MixedEstimates,
    data: pd.DataFrame | None = None,
    level: float = 0.95,
    *,
    of: str = "outcome",
    random: bool = True,
) -> pd.DataFrame:
    """Predict rows, in known or in new clusters, with limits for what is predicted.

    Parameters
    ----------
    data : DataFrame, optional
        As in :meth:`predict`; the rows of the fit by default.
    level : float, default 0.95
    of : {"outcome", "mean"}
        The outcome of one more row like this, ``x'beta + z'u + e``, or the mean of such rows of
        its cluster, ``x'beta + z'u``.
    random : bool, default True
        Use the predicted random effects of known clusters. With False every row is taken as one
        of a new cluster.

    Returns
    -------
    DataFrame
        Indexed like ``data``; columns estimate, se, df, lower, upper. ``se`` is the standard
        deviation of the prediction error: it has the uncertainty of the coefficients, of the
        random effects (for a new cluster that is Tau) and of the residual, if the outcome is
        predicted. It takes the variances as known; the limits allow for their estimation by
        the t distribution with Satterthwaite's df. With fewer than some 10 clusters limits for
        new clusters are rather too wide. ``attrs["new_clusters"]`` lists ids that the fit does
        not know.

    Raises
    ------
    DataError
        Missing column or value, or a category that the fit never saw.
    ModelError
        If ``of`` is not known.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> rows = pd.DataFrame({"school": [1224, 9999]}, index=["known", "new"])
    >>> fit.prediction_interval(rows, of="mean").round(2)
           estimate    se       df  lower  upper
    known      9.97  0.87  5686.62   8.26  11.68
    new       12.64  2.95   127.69   6.81  18.46

    References
    ----------
    Henderson (1975), Biometrics 31(2), doi:10.2307/2529430. Robinson (1991), Statistical
    Science 6(1), doi:10.1214/ss/1177011926.
    """
    one_of("of", of, OF, " (the outcome of a row, or the mean of such rows of its cluster)")
    X, Z, position, index, new = _rows(fit, data, random, "prediction_interval")
    estimate = X @ fit.params.to_numpy() + ranef.at_rows(Z, fit._blups, position)
    variance, df = error_variance(fit, X, Z, position, of == "outcome")
    se = np.sqrt(variance)
    half = t_quantile(level, df) * se
    columns = {"estimate": estimate, "se": se, "df": df}
    limits = {"lower": estimate - half, "upper": estimate + half}
    table = pd.DataFrame({**columns, **limits}, index=index)
    table.attrs = {"of": of, "level": level, "new_clusters": new}
    return table


def error_variance(
    fit: MixedEstimates, X: np.ndarray, Z: np.ndarray, position: np.ndarray, residual: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of prediction errors, and its degrees of freedom by Satterthwaite's rule.

    Parameters
    ----------
    fit : MixedEstimates
    X, Z : ndarray, shapes (rows, p), (rows, q)
    position : ndarray of int, shape (rows,)
        Cluster of each row, -1 for a new one.
    residual : bool
        Whether the outcome is predicted, and not its mean.

    Returns
    -------
    variance, df : ndarray, shape (rows,)
    """
    problem, s = fit.problem, fit.problem.state(fit.theta)
    scaling, sigma2 = problem.moments.scaling, s.sigma2
    known = (position >= 0)[:, None]
    z = Z @ scaling.T
    Psi_z = np.where(known, z @ s.Psi, 0.0)
    d = X @ scaling.A - np.einsum("iq,iqp->ip", Psi_z, s.F[position])
    r = z - np.einsum("iab,ib->ia", s.P[position], Psi_z)
    # Variances as sums of squares: Psi - Psi P Psi would be a difference.
    C = np.where(known[:, :, None], fit.cov_ranef[position], fit.tau.to_numpy())
    own = np.einsum("ia,iab,ib->i", Z, C, Z).clip(min=0.0) / scaling.scale**2
    root = np.linalg.cholesky(s.S_inv)
    v = own + sigma2 * (np.square(d @ root).sum(axis=1) + residual)
    df = satterthwaite_rule(problem, fit.theta, v, _slopes(problem, fit.theta, r, d, position))
    return fit.if_converged(scaling.scale**2 * v), df


def _slopes(
    problem: ProfiledDeviance, theta: np.ndarray, r: np.ndarray, d: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Derivative of ``v / sigma2`` by each theta, scaled units, shape (rows, m)."""
    s, D = problem.state(theta), problem.psi_directions(theta)
    F = np.where((position >= 0)[:, None, None], s.F[position], 0.0)
    FSd = np.einsum("iqp,ip->iq", F, d @ s.S_inv)
    out = np.einsum("ib,mbc,ic->im", r, D, r) - 2.0 * np.einsum("ib,mbc,ic->im", FSd, D, r)
    return out + by_theta(problem, theta, d)


def _rows(fit: MixedEstimates, data: pd.DataFrame | None, random: bool, where: str):
    """X, Z, and what :func:`mlteach.mixed.ranef.places` says of the rows."""
    X, Z = (fit.design.X, fit.design.Z) if data is None else new_rows(fit.design, data)
    return X, Z, *ranef.places(fit.design, data, random, where)
