"""Mean and standard deviation of rows, in known clusters and in new ones, with limits.

A row has a mean ``m = x'beta + z'u`` and a log variance ``h = w'alpha + s'v``. Given the data both
are uncertain: as the random effects are (in a new cluster as much as clusters differ), and as the
parameters are, from which they are predicted. The covariance matrix of (m, h) is the sum of the two

    B C B' + D V D'

with C the covariance matrix of (u, v) given data and parameters, B = [z 0; 0 s], V that of the
parameters and D the derivatives of the predicted (m, h) by them (Booth & Hobert 1998). The first
is itself estimated: limits are those of a t distribution with Satterthwaite's degrees of freedom,
``2 v^2 / Var(v)`` for the variance v of m or of h. An outcome is a mixture of normals, whose
quantiles are found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.design import new_rows
from mlteach.core.distributions import normal_cdf, normal_quantile, t_quantile
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.mixed.ranef import places

# With fewer degrees of freedom an estimated variance is no more than a guess.
LEAST_DF = 2.0
# Of the log variance, of each row: enough for four digits of a quantile.
POINTS = 21
# Of the bisection: the bracket is halved to 1e-9 of a standard deviation.
HALVINGS = 40


@checked
def predict(
    fit: LocationScaleEstimates,
    data: pd.DataFrame | None = None,
    *,
    random: bool = True,
    level: float = 0.95,
) -> pd.DataFrame:
    """Predict mean, standard deviation and outcome of rows, in known or in new clusters.

    Parameters
    ----------
    data : DataFrame, optional
        Rows with the predictors of both functions and, if ``random``, the cluster column; the
        rows of the fit by default.
    random : bool, default True
        Use the predicted effects of known clusters. With False every row is taken as one of a
        new cluster.
    level : float, default 0.95

    Returns
    -------
    DataFrame
        Indexed like ``data``. mean (x'beta + z'u), mean_se, mean_lower, mean_upper: the mean of
        such rows of the cluster. sd, sd_lower, sd_upper: their standard deviation,
        exp((w'alpha + s'v) / 2); that of the median cluster for a new one. lower, upper: limits
        of the outcome of one more row. All limits have the uncertainty of the random effects
        (in a new cluster as much as clusters differ) and of the parameters;
        ``attrs["new_clusters"]`` lists ids that the fit does not know.

    Raises
    ------
    DataError
        Missing column or value, or a category that the fit never saw.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
    ...                             "~ catholic + (1 | school)", mt.load("hsb"))
    >>> rows = pd.DataFrame({"school": [1224, 9999], "catholic": 0}, index=["known", "new"])
    >>> fit.predict(rows)[["mean", "sd", "lower", "upper"]].round(1)
           mean   sd  lower  upper
    known   9.9  6.9   -3.9   23.6
    new    11.4  6.6   -2.7   25.3

    References
    ----------
    Booth & Hobert (1998), Journal of the American Statistical Association 93(441),
    doi:10.1080/01621459.1998.10474121.
    """
    moments, index, new = _moments_at(fit, data, random)
    centre, cov, df = _with_parameters(fit, moments)
    se = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    half = t_quantile(level, df) * se
    low, high = centre - half, centre + half
    columns = {
        "mean": centre[:, 0],
        "mean_se": se[:, 0],
        "mean_lower": low[:, 0],
        "mean_upper": high[:, 0],
        "sd": np.exp(0.5 * centre[:, 1]),
        "sd_lower": np.exp(0.5 * low[:, 1]),
        "sd_upper": np.exp(0.5 * high[:, 1]),
        "lower": outcome_quantile(centre, cov, 0.5 - 0.5 * level),
        "upper": outcome_quantile(centre, cov, 0.5 + 0.5 * level),
    }
    table = pd.DataFrame(columns, index=index)
    table.attrs = {"level": level, "new_clusters": new}
    return table


def _moments_at(fit: LocationScaleEstimates, data: pd.DataFrame | None, random: bool) -> tuple:
    """Moments of m and h at rows, as a function of estimates; labels of the rows, new clusters."""
    d = fit.design
    if data is None:
        X, Z, W, S = d.mean.X, d.mean.Z, d.W, d.S
    else:
        (X, Z), (W, S) = new_rows(d.mean, data), d.new_variance_rows(data)
    place, index, unknown = places(d.mean, data, random, "predict")
    is_known = (place >= 0)[:, None]

    def moments(e: LocationScaleEstimates) -> tuple[np.ndarray, np.ndarray]:
        """Means (N, 2) and covariances (N, 2, 2) given data and parameters."""
        beta, alpha = np.split(e.coefficients, [X.shape[1]])
        known = e.known_moments(Z, S, np.maximum(place, 0))
        new = e.new_moments(Z, S, e.omega_of_rows(data))
        mean = np.where(is_known, known[0], new[0]) + np.stack([X @ beta, W @ alpha], axis=1)
        return mean, np.where(is_known[:, :, None], known[1], new[1])

    return moments, index, unknown


def _with_parameters(fit: LocationScaleEstimates, moments: Callable) -> tuple:
    """Means (N, 2), covariances (N, 2, 2) and degrees of freedom (N, 2), all uncertainty in."""

    def moved(e: LocationScaleEstimates) -> np.ndarray:
        mean, cov = moments(e)
        return np.stack([mean, np.diagonal(cov, axis1=1, axis2=2)])

    centre, cov = moments(fit)
    by_mean, by_variance = np.moveaxis(fit.slopes(moved), 1, 0)
    cov = cov + np.einsum("mra,mn,nrb->rab", by_mean, fit.cov_scaled, by_mean)
    doubt = np.einsum("mra,mn,nra->ra", by_variance, fit.cov_scaled, by_variance)
    variance = np.diagonal(cov, axis1=1, axis2=2)
    df = np.divide(2.0 * variance**2, doubt, out=np.full_like(doubt, np.inf), where=doubt > 0.0)
    return centre, cov, np.maximum(df, LEAST_DF)


def outcome_quantile(centre: np.ndarray, cov: np.ndarray, share: float) -> np.ndarray:
    """Quantile of ``m + exp(h / 2) e`` with (m, h) normal and e standard normal, shape (N,).

    Parameters
    ----------
    centre, cov : ndarray, shapes (N, 2), (N, 2, 2)
        Of mean and log variance.
    share : float
        How much of the distribution lies below.
    """
    x, weight = np.polynomial.hermite_e.hermegauss(POINTS)
    weight = weight / weight.sum()
    sd_h = np.sqrt(cov[:, 1, 1])
    h = centre[:, 1:] + sd_h[:, None] * x
    # Given h the mean is normal too.
    by_h = np.divide(cov[:, 0, 1], sd_h, out=np.zeros_like(sd_h), where=sd_h > 0.0)
    mean = centre[:, :1] + by_h[:, None] * x
    sd = np.sqrt(np.maximum(cov[:, 0, 0] - by_h**2, 0.0)[:, None] + np.exp(h))
    reach = normal_quantile(max(share, 1.0 - share) * 2.0 - 1.0) + 1.0
    low, high = (mean - reach * sd).min(axis=1), (mean + reach * sd).max(axis=1)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = normal_cdf((middle[:, None] - mean) / sd) @ weight < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
