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

from dataclasses import dataclass

import numpy as np

from mlteach.core.arguments import whole
from mlteach.core.design import new_rows
from mlteach.core.distributions import normal_cdf, normal_quantile, t_quantile
from mlteach.core.lazy import lazy_import
from mlteach.core.result import as_generator
from mlteach.core.summary import check_level
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.mixed.ranef import positions

pd = lazy_import("pandas")

# With fewer degrees of freedom an estimated variance is no more than a guess.
LEAST_DF = 2.0
# Of the log variance, of each row: enough for four digits of a quantile.
POINTS = 21
# Of the bisection: the bracket is halved to 1e-9 of a standard deviation.
HALVINGS = 40


@dataclass(frozen=True)
class _Rows:
    """Columns of both functions at some rows, their clusters, and Omega's level-2 predictors.

    Attributes
    ----------
    X, Z, W, S : ndarray, shapes (N, p), (N, q), (N, k), (N, r)
    place : ndarray of int, shape (N,)
        Which cluster of the fit a row belongs to; -1 for a new one.
    data : DataFrame or None
    """

    X: np.ndarray
    Z: np.ndarray
    W: np.ndarray
    S: np.ndarray
    place: np.ndarray
    data: pd.DataFrame | None

    def moments(self, fit: LocationScaleEstimates) -> tuple[np.ndarray, np.ndarray]:
        """Means (N, 2) and covariances (N, 2, 2) of m and h given data and parameters."""
        beta, alpha = np.split(fit.coefficients, [self.X.shape[1]])
        omega = fit.omega_of_rows(self.data)
        omega = np.broadcast_to(omega, (len(self.X), *omega.shape[1:]))
        known, place = self.place >= 0, np.maximum(self.place, 0)
        own, new = fit.known_moments(self.Z, self.S, place), fit.new_moments(self.Z, self.S, omega)
        mean, cov = (
            np.where(known.reshape(-1, *[1] * (a.ndim - 1)), a, b)
            for a, b in zip(own, new, strict=True)
        )
        return mean + np.stack([self.X @ beta, self.W @ alpha], axis=1), cov


def predict(
    fit: LocationScaleEstimates, data: pd.DataFrame | None, random: bool, level: float
) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.predict`."""
    check_level(level)
    rows, index, new = _rows(fit, data, random)
    centre, cov, df = _with_parameters(fit, rows)
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


def _with_parameters(fit: LocationScaleEstimates, rows: _Rows) -> tuple:
    """Means (N, 2), covariances (N, 2, 2) and degrees of freedom (N, 2), all uncertainty in."""
    centre, cov = rows.moments(fit)

    def moved(e: LocationScaleEstimates) -> np.ndarray:
        mean, cov = rows.moments(e)
        return np.stack([mean, np.diagonal(cov, axis1=1, axis2=2)])

    by_mean, by_variance = np.moveaxis(fit.slopes(moved), 1, 0)
    cov = cov + np.einsum("mra,mn,nrb->rab", by_mean, fit.cov_scaled, by_mean)
    doubt = np.einsum("mra,mn,nra->ra", by_variance, fit.cov_scaled, by_variance)
    variance = np.diagonal(cov, axis1=1, axis2=2)
    df = np.divide(2.0 * variance**2, doubt, out=np.full_like(doubt, np.inf), where=doubt > 0.0)
    return centre, cov, np.maximum(df, LEAST_DF)


def _rows(fit: LocationScaleEstimates, data: pd.DataFrame | None, random: bool) -> tuple:
    """The rows, their labels, and ids of clusters that the fit does not know."""
    d, new = fit.design, []
    if data is None:
        place = d.mean.codes if random else np.full(fit.nobs, -1)
        return _Rows(d.mean.X, d.mean.Z, d.W, d.S, place, None), d.mean.index, new
    columns = (*new_rows(d.mean, data), *d.new_variance_rows(data))
    place = np.full(len(data), -1)
    if random:
        place = positions(d.mean, data, "predict")
        new = list(dict.fromkeys(data[fit.cluster][place < 0]))
    return _Rows(*columns, place, data), data.index, new


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


def simulate(fit: LocationScaleEstimates, seed: int | np.random.Generator, n: int) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.simulate`."""
    rng, d = as_generator(seed), fit.design
    n = whole("n", n, 1)
    beta, alpha = np.split(fit.coefficients, [d.mean.X.shape[1]])
    effects = fit.draw_effects(rng, n)[:, d.mean.codes]
    location, scale = np.split(effects, [d.mean.Z.shape[1]], axis=2)
    mean = d.mean.X @ beta + np.einsum("iq,niq->ni", d.mean.Z, location)
    log_variance = d.W @ alpha + np.einsum("ir,nir->ni", d.S, scale)
    log_variance += fit.entered(location[:, :, 0])
    y = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape)
    names = [f"sim_{k + 1}" for k in range(n)]
    return pd.DataFrame(y.T, index=d.mean.index, columns=names)
