"""Figures of a posterior: its chains, and what the data have made of the prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain, cycle, permutations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.core.summary import pair_name
from mlteach.errors import DataError, ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.posterior import LocationScalePosterior
from mlteach.location_scale.bayes.priors import FlatPrior
from mlteach.plots.legend import finished
from mlteach.plots.look import DASHES, SERIES
from mlteach.plots.marks import axes_or_new
from mlteach.plots.words import described, label, number

# Places at which a density is drawn, and bars of a histogram.
POINTS, BARS = 400, 40
# Between which values a parameter of a kind can be.
SUPPORT = {"Variance": (0.0, np.inf), "Correlation": (-1.0, 1.0), "": (-np.inf, np.inf)}


# ------------------------------------------------------------------------------------------ chains


@checked
def chains(
    fit: LocationScalePosterior,
    parameter: str,
    *,
    labels: Mapping[str, str] | None = None,
    ax: tuple[Axes, Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw the chains of a parameter one upon the other: their paths, and a density of each.

    Where all chains explore the same distribution the paths overlap and the densities agree.

    Parameters
    ----------
    fit : LocationScalePosterior
        From ``fit_location_scale(..., method="bayes")``.
    parameter : str
        A row of ``fit.components`` (``"Intercept"``, ``"Intercept:scale:Intercept"``), a
        coefficient (``"mean:ses"``, ``"variance:ses"``), or whatever else ``fit.draws_of`` knows.
    labels : mapping of str to str, optional
        Words for parameters.
    ax : pair of matplotlib Axes, optional
        For paths and densities; a new figure by default.

    Returns
    -------
    tuple of two Axes

    Raises
    ------
    ModelError
        If the model has no such parameter, or was not fitted by Bayes.
    DataError
        If ``ax`` is not a pair of Axes.
    """
    draws = fit.draws_of(parameter)
    paths, densities = _pair_of_axes(ax)
    at = np.linspace(draws.min(), draws.max(), POINTS)
    for k, own in enumerate(draws):
        color, dashes = SERIES[k % len(SERIES)][0], DASHES[k % len(DASHES)]
        paths.plot(own, color=color, lw=0.5, ls="-", alpha=0.7)
        curve = _smooth(own, at, SUPPORT[_kind(fit, parameter)])
        densities.plot(at, curve, color=color, ls=dashes, lw=1.5, label=f"chain {k + 1}")
    words = _words(fit, parameter, labels)
    paths.set(xlabel="Draw", ylabel=words, xlim=(0, draws.shape[1] - 1))
    densities.set(xlabel=words, ylabel="Density", ylim=(0, None))
    means = ", ".join(number(own.mean()) for own in draws)
    finished(densities, f"Densities of the same draws, one curve for each of {len(draws)} chains.")
    text = f"{draws.shape[1]} draws of {parameter} in each of {len(draws)} chains; means {means}."
    return described(paths, text), densities


def _kind(fit: LocationScalePosterior, parameter: str) -> str:
    """Variance, Correlation, or nothing for any other parameter."""
    if parameter in fit.effects:
        return "Variance"
    return "Correlation" if parameter in fit.component_draws() else ""


def _words(fit: LocationScalePosterior, parameter: str, labels) -> str:
    """The caller's words, else what kind of parameter it is, and its name."""
    kind, words = _kind(fit, parameter), label(parameter, labels)
    return f"{kind} of {words}" if kind and parameter not in (labels or {}) else words


def _pair_of_axes(ax: object) -> tuple[Axes, Axes]:
    if ax is None:
        width = plt.rcParams["figure.figsize"][0]
        ax = plt.subplots(1, 2, figsize=(1.3 * width, 3.4), width_ratios=(3, 2))[1]
    several = isinstance(ax, tuple | list | np.ndarray) and len(ax) == 2
    if not several or not all(isinstance(one, Axes) for one in ax):
        raise DataError("chains draws into two Axes: fig, axes = plt.subplots(1, 2); ax=axes.")
    return ax[0], ax[1]


def _smooth(values: np.ndarray, at: np.ndarray, support: tuple[float, float]) -> np.ndarray:
    """Kernel density; what would fall beyond the ends of the support is folded back."""
    if np.ptp(values) == 0.0:
        raise ModelError("A parameter that is the same in all draws has no density to show.")
    kernel = stats.gaussian_kde(values)
    return kernel(at) + sum(kernel(2.0 * end - at) for end in support if np.isfinite(end))


# ------------------------------------------------------------------------------ prior and posterior


@checked
def prior_posterior(
    fit: LocationScalePosterior,
    parameter: str,
    *,
    marks: Mapping[str, float] | None = None,
    upper: float | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior of a variance or a correlation with the prior it came from.

    Where the data say little, the posterior has the shape of its prior: then the prior is to be
    reported, and varied.

    Parameters
    ----------
    fit : LocationScalePosterior
        From ``fit_location_scale(..., method="bayes")``, without level-2 functions.
    parameter : str
        A row of ``fit.components``: an effect for its variance, ``"a:b"`` for a correlation.
    marks : mapping of str to float, optional
        Values to be marked on the axis by name, such as an estimate by maximum likelihood.
    upper : float, optional
        End of the horizontal axis for a variance; by default beyond nearly all of the posterior.
    labels : mapping of str to str, optional
        Words for parameters.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the model has no such variance or correlation, or its prior is flat.
    """
    draws = fit.draws_of(parameter).ravel()
    density, variance = _prior_density(fit, parameter), _kind(fit, parameter) == "Variance"
    if upper is not None and not (variance and 0.0 < upper < np.inf):
        raise ModelError(f"upper={upper} is no end of an axis of variances; it is above zero.")
    ends = (0.0, upper or 1.2 * float(np.quantile(draws, 0.995))) if variance else (-1.0, 1.0)
    # The prior of a variance is steep near zero: there the places are close to each other.
    share = np.linspace(0.0, 1.0, POINTS + 2)[1:-1]
    at = ends[0] + (ends[1] - ends[0]) * (share**2 if variance else share)
    counts, edges = np.histogram(draws, np.linspace(*ends, BARS + 1))
    height = counts / len(draws) / np.diff(edges)
    ax = axes_or_new(ax)
    ax.stairs(height, edges, fill=True, color=PALETTE["blue"], alpha=0.45, label="posterior")
    ax.plot(at, density(at), color=PALETTE["orange"], ls="-", lw=2, label="prior")
    words = _words(fit, parameter, labels)
    ax.set(xlabel=words, ylabel="Density", xlim=ends, ylim=(0, 1.15 * height.max()))
    for (name, value), marker in zip((marks or {}).items(), cycle("^sDovP"), strict=False):
        ax.plot(value, 0, marker, color="black", ms=7, ls="", clip_on=False, zorder=5, label=name)
    low, high = np.quantile(draws, (0.025, 0.975))
    text = (
        f"Posterior of {parameter}, mean {number(draws.mean())}, 95% from {number(low)} to "
        f"{number(high)}, with the density of its prior."
    )
    return finished(ax, text)


def _prior_density(fit: LocationScalePosterior, parameter: str) -> Callable:
    """Prior density of a variance or a correlation, user's units."""
    if fit.functions is not None:
        raise ModelError(
            "The variances and correlations of this model are level-2 functions, whose prior is "
            "that of their coefficients; prior_posterior is for models with one Omega."
        )
    if isinstance(fit.prior, FlatPrior):
        raise ModelError(
            "A flat prior has no density to be drawn: its integral is infinite. prior_posterior is "
            "for the priors 'weak' and 'inverse-wishart'."
        )
    effects = Effects.of(fit.design, fit.form == "correlated")
    if parameter in effects.names:
        return partial(fit.prior.variance_density, effects, effects.names.index(parameter))
    pairs = chain.from_iterable(permutations(block, 2) for block in effects.blocks)
    named = {pair_name(effects.names, *pair): pair for pair in pairs}
    if parameter in named:
        return partial(fit.prior.correlation_density, effects, *named[parameter])
    raise ModelError(
        f"'{parameter}' is no variance or correlation of this model. There are: "
        f"{', '.join(fit.components.index)}."
    )
