"""Figures that question a fit: normality at both levels, and the spread of the residuals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import need_effects
from mlteach.plots.legend import finished
from mlteach.plots.marks import axes_or_new, row_cloud
from mlteach.plots.words import described, label, number

# With more rows than this single rows are a cloud.
FEW_ROWS = 200
# Share of the points of a normal sample that lie inside the band.
ENVELOPE = 0.95

# ---------------------------------------------------------------------------------------- QQ plots


@checked
def qq(
    fit: MixedResult | LocationScaleResult,
    level: int = 1,
    effect: str = "Intercept",
    *,
    ax: Axes | None = None,
) -> Axes:
    """Compare level-1 residuals or level-2 effects with the normal distribution.

    Each residual or BLUP is divided by the standard deviation that it has under the model; in a
    location-scale model a residual by that of its row, with the predicted effects of its cluster.
    Predicted effects are shrunk, the more so the smaller the cluster: not Var(u_j) but Var(u_j)
    minus the conditional variance is the variance to divide by (the fixed coefficients are taken
    as known). The band is pointwise: where the model holds, each point lies in it with the stated
    probability, as the order statistics of a normal sample do.

    Parameters
    ----------
    fit : MixedResult or LocationScaleResult
    level : {1, 2}, default 1
        Level-1 residuals, or level-2 random effects.
    effect : str, default "Intercept"
        Which random effect, at level 2; ``"scale:Intercept"`` is one of the log variance.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If there is no such level or effect, or its variance is zero.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, chapter 10, for diagnostic standard deviations.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> ax = plots.qq(fit, level=2)
    >>> ax.get_ylabel()
    'Standardised BLUP of Intercept'
    """
    need_effects(fit, "qq")
    if level not in (1, 2):
        raise ModelError(f"level={level!r}: a two-level model has level=1 and level=2.")
    if level == 1:
        values, what = standardised_residuals(fit), "level-1 residual"
    else:
        values, what = standardised_effects(fit, effect), f"BLUP of {effect}"
    values = np.sort(values)
    normal, lower, upper = normal_band(len(values))
    ax = axes_or_new(ax)
    _draw_qq(ax, normal, values, lower, upper)
    ax.set(xlabel="Quantile of the normal distribution", ylabel=f"Standardised {what}")
    ax.legend(loc="upper left")
    outside = (values < lower) | (values > upper)
    return described(ax, _describe_qq(fit, what, values, outside))


def standardised_residuals(fit: MixedResult | LocationScaleResult) -> np.ndarray:
    """Level-1 residuals over their own standard deviation, shape (N,)."""
    d = fit.design
    # Given y, the residual is uncertain exactly as Z u is: so much of its variance is lost.
    if isinstance(fit, MixedResult):
        resid, sigma2 = fit.resid.to_numpy(), fit.sigma2
        lost = np.einsum("iq,iqr,ir->i", d.Z, fit.cov_ranef[d.codes], d.Z)
    else:
        known, cov = fit.known_moments(d.mean.Z, d.S, d.mean.codes)
        resid = d.mean.y - d.mean.X @ fit.mean["estimate"].to_numpy() - known[:, 0]
        sigma2 = fit.predicted_variance().to_numpy() * np.exp(known[:, 1])
        lost = cov[:, 0, 0]
    return _over_sd(resid, sigma2 - lost, sigma2)


def standardised_effects(fit: MixedResult | LocationScaleResult, effect: str) -> np.ndarray:
    """BLUPs over their own standard deviation, shape (J,) or less where there are none."""
    k = need_effects(fit, "qq", effect).index(effect)
    omega = fit.tau.to_numpy()[None] if isinstance(fit, MixedResult) else fit.omega
    tau2 = omega[:, k, k]
    if (tau2 == 0).all():
        raise ModelError(
            f"The variance of '{effect}' is estimated as zero, so all its BLUPs are zero: there is "
            "nothing to compare with a normal distribution."
        )
    return _over_sd(fit.ranef()[effect].to_numpy(), tau2 - fit.cov_ranef[:, k, k], tau2)


def _over_sd(values: np.ndarray, variance: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Leave out what carries no information: its predicted value is a constant zero."""
    known = variance > 1e-10 * scale
    return values[known] / np.sqrt(variance[known])


def normal_band(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantiles of a normal sample of size n and their pointwise band, three of shape (n,).

    The i-th smallest of n uniform numbers is Beta(i, n + 1 - i).

    Examples
    --------
    >>> middle, lower, upper = normal_band(1)
    >>> print(middle[0].round(2), lower[0].round(2), upper[0].round(2))
    0.0 -1.96 1.96
    """
    i = np.arange(1, n + 1)
    tail = (1 - ENVELOPE) / 2
    quantiles = [(i - 0.5) / n, *(stats.beta.ppf(p, i, n + 1 - i) for p in (tail, 1 - tail))]
    middle, lower, upper = stats.norm.ppf(quantiles)
    return middle, lower, upper


def _draw_qq(ax: Axes, normal, values, lower, upper) -> None:
    text, pale = f"{ENVELOPE:.0%} band if normal, pointwise", PALETTE["light"]
    ax.fill_between(normal, lower, upper, color=pale, alpha=0.6, linewidth=0, label=text)
    ax.plot(normal, normal, color=PALETTE["black"], lw=1, ls="--", label="normal")
    look = {"ms": 3 if len(values) > 500 else 4.5, "mfc": "none", "mew": 0.8}
    dots = ax.plot(normal, values, ls="", marker="o", color=PALETTE["blue"], gid="sample", **look)
    dots[0].set_rasterized(len(values) > 2000)


def _describe_qq(fit, what: str, values: np.ndarray, outside: np.ndarray) -> str:
    return (
        f"Normal quantile plot of {len(values):,} standardised values ({what}) of '{fit.formula}'. "
        f"They run from {number(values[0])} to {number(values[-1])}; skewness "
        f"{number(stats.skew(values))}, excess kurtosis {number(stats.kurtosis(values))}. "
        f"{outside.mean():.1%} of the points lie outside the pointwise {ENVELOPE:.0%} band, where "
        f"a normal sample has about {1 - ENVELOPE:.0%}."
    )


# --------------------------------------------------------------------------------- residual spread


@checked
def residual_spread(
    fit: MixedResult,
    *,
    bins: int | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw level-1 residuals against fitted values, with their mean and SD in bins.

    A homoscedastic model promises the same SD everywhere; the dashed lines are its ± sigma.

    Parameters
    ----------
    fit : MixedResult
    bins : int, optional
        Bins of equally many rows, at least two rows each; by default 10, or as many as leave some
        six rows in a bin.
    labels : mapping of str to str, optional
        Words for columns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the first argument is not a fit, or there are too many bins.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> plots.residual_spread(fit).get_xlabel()
    'Fitted value of math'
    """
    bins = min(10, max(1, fit.nobs // 6)) if bins is None else bins
    if bins not in range(1, fit.nobs // 2 + 1):
        raise ModelError(
            f"bins={bins!r} is not a whole number from 1 to {fit.nobs // 2}, half of the rows."
        )
    table = _binned(fit, bins)
    ax = axes_or_new(ax)
    _draw_spread(ax, fit, table)
    outcome = label(fit.outcome, labels)
    ax.set(xlabel=f"Fitted value of {outcome}", ylabel=f"Level-1 residual of {outcome}")
    first, last = table.iloc[0], table.iloc[-1]
    text = (
        f"Level-1 residuals against fitted values of '{fit.formula}', {fit.nobs:,} rows in {bins} "
        f"bins. The residual SD is {number(first['sd'])} in the lowest bin (fitted "
        f"{number(first['fitted'])}) and {number(last['sd'])} in the highest (fitted "
        f"{number(last['fitted'])}), between {number(table['sd'].min())} and "
        f"{number(table['sd'].max())} overall; the model's is {number(np.sqrt(fit.sigma2))}."
    )
    return finished(ax, text)


def _binned(fit: MixedResult, bins: int) -> pd.DataFrame:
    """Mean fitted value, mean and SD of the residuals in bins of equally many rows."""
    order = np.argsort(fit.fitted.to_numpy(), kind="stable")
    fitted, resid = fit.fitted.to_numpy(), fit.resid.to_numpy()
    rows = [
        (fitted[part].mean(), resid[part].mean(), resid[part].std(ddof=1))
        for part in np.array_split(order, bins)
    ]
    return pd.DataFrame(rows, columns=["fitted", "mean", "sd"])


def _draw_spread(ax: Axes, fit: MixedResult, table: pd.DataFrame) -> None:
    sigma = np.sqrt(fit.sigma2)
    row_cloud(ax, fit.fitted, fit.resid, *((5, 0.5) if fit.nobs > FEW_ROWS else (18, 1.0)))
    ax.axhline(0, color=PALETTE["black"], lw=0.8)
    for at, name in ((-sigma, None), (sigma, f"model: ± {number(sigma)}")):
        ax.axhline(at, color=PALETTE["black"], lw=1.2, ls="--", label=name)
    look = {"fmt": "o", "ms": 5, "capsize": 4, "lw": 1.6, "color": PALETTE["blue"]}
    text = f"mean ± SD in {len(table)} bins"
    ax.errorbar(table["fitted"], table["mean"], table["sd"], label=text, **look)
