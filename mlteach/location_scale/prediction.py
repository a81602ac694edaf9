"""Mean and standard deviation of rows, in known clusters and in new ones, with limits.

A row has a mean ``m = x'beta + z'u`` and a log variance ``h = w'alpha + s'v``. Given the data both
are uncertain: as the random effects are (in a new cluster as much as clusters differ), and as the
parameters are, from which they are predicted. The covariance matrix of (m, h) is the sum of the two

    B C B' + D V D'

with C the covariance matrix of (u, v) given data and parameters, B = [z 0; 0 s], V that of the
parameters and D the derivatives of the predicted (m, h) by them (Booth & Hobert 1998). The limits
take (m, h) as normal; an outcome is then a mixture of normals, whose quantiles are found by
bisection.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.design import new_rows
from mlteach.core.distributions import normal_cdf, normal_quantile
from mlteach.core.lazy import lazy_import
from mlteach.core.result import as_generator
from mlteach.core.summary import check_level
from mlteach.errors import ModelError
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.mixed.ranef import positions

pd = lazy_import("pandas")

# Of the log variance, of each row: enough for four digits of a quantile.
POINTS = 21
# Of the bisection: the bracket is halved to 1e-9 of a standard deviation.
HALVINGS = 40


def predict(
    fit: LocationScaleEstimates, data: pd.DataFrame | None, random: bool, level: float
) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.predict`."""
    check_level(level)
    X, Z, W, S, place, index, new = _rows(fit, data, random)
    omega = np.broadcast_to(fit.omega_of_rows(data), (len(X), *(len(fit.effects),) * 2))
    known = place >= 0

    def centres(e: LocationScaleEstimates) -> np.ndarray:
        beta, alpha = np.split(e.coefficients, [X.shape[1]])
        out = np.stack([X @ beta, W @ alpha], axis=1)
        out[known] += e.known_moments(Z[known], S[known], place[known])[0]
        return out

    centre, slopes = centres(fit), fit.slopes(centres)
    shift, cov = fit.new_moments(Z, S, omega)
    cov = np.where(known[:, None, None], 0.0, cov)
    centre[~known] += shift[~known]
    cov = cov + np.einsum("mra,mn,nrb->rab", slopes, fit.cov_scaled, slopes)
    cov[known] += fit.known_moments(Z[known], S[known], place[known])[1]
    z, se = normal_quantile(level), np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    low, high = centre - z * se, centre + z * se
    tails = [outcome_quantile(centre, cov, 0.5 + side * 0.5 * level) for side in (-1.0, 1.0)]
    columns = {
        "mean": centre[:, 0],
        "mean_se": se[:, 0],
        "mean_lower": low[:, 0],
        "mean_upper": high[:, 0],
        "sd": np.exp(0.5 * centre[:, 1]),
        "sd_lower": np.exp(0.5 * low[:, 1]),
        "sd_upper": np.exp(0.5 * high[:, 1]),
        "lower": tails[0],
        "upper": tails[1],
    }
    table = pd.DataFrame(columns, index=index)
    table.attrs = {"level": level, "new_clusters": new}
    return table


def _rows(fit: LocationScaleEstimates, data: pd.DataFrame | None, random: bool) -> tuple:
    """Columns of both functions, places of the clusters (-1: new), row labels, new ids."""
    d = fit.design
    if data is None:
        codes = d.mean.codes if random else np.full(fit.nobs, -1)
        return d.mean.X, d.mean.Z, d.W, d.S, codes, d.mean.index, []
    X, Z = new_rows(d.mean, data)
    W, S = d.new_variance_rows(data)
    if not random:
        return X, Z, W, S, np.full(len(X), -1), data.index, []
    place = positions(d.mean, data, "predict")
    new = list(dict.fromkeys(data[fit.cluster][place < 0]))
    return X, Z, W, S, place, data.index, new


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
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise ModelError(f"n={n!r} data sets: it must be a whole number of 1 or more.")
    beta, alpha = np.split(fit.coefficients, [d.mean.X.shape[1]])
    effects = fit.draw_effects(rng, n)[:, d.mean.codes]
    location, scale = np.split(effects, [d.mean.Z.shape[1]], axis=2)
    mean = d.mean.X @ beta + np.einsum("iq,niq->ni", d.mean.Z, location)
    log_variance = d.W @ alpha + np.einsum("ir,nir->ni", d.S, scale)
    log_variance += fit.entered(location[:, :, 0])
    y = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape)
    names = [f"sim_{k + 1}" for k in range(n)]
    return pd.DataFrame(y.T, index=d.mean.index, columns=names)
