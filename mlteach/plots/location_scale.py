"""Figures of location-scale models: what each cluster has, and which effects go together."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from mlteach.core.arguments import checked, one_of
from mlteach.core.columns import cluster_means
from mlteach.core.distributions import normal_quantile
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import need_effect
from mlteach.plots.groups import cluster_groups, group_title
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import axes_or_new
from mlteach.plots.ranked import draw_about, draw_intervals, finish_ranked, leaves_out, ranked
from mlteach.plots.style import DASHES, SERIES
from mlteach.plots.words import described, ends, label, number

#: What may be drawn of each cluster, and the words for it.
QUANTITIES = {
    "variance": "Level-1 variance",
    "icc": "Intraclass correlation",
    "mean": "Predicted mean",
}
# Averages of groups that differ by less than this part are one average, and rounding.
SAME = 1e-9


# -------------------------------------------------------------------- a variance for each cluster


@checked
def cluster_variances(
    fit: LocationScaleResult,
    of: str = "variance",
    *,
    level: float = 0.95,
    label_extremes: int = 0,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the level-1 variance, ICC or mean of each cluster, sorted, each with its interval.

    All are at the cluster's own predictors. The dashed line is the population average at the rows
    of the fit, ``fit.average_variance["average"]`` and the ICC that goes with it, or the mean of
    the fixed part. Intervals hold the estimated parameters fixed.

    Parameters
    ----------
    fit : LocationScaleResult
    of : {"variance", "icc", "mean"}, default "variance"
    level : float, default 0.95
        Level of the intervals.
    label_extremes : int, default 0
        Write the names of so many clusters at either end.
    color_by : str or Series, optional
        Colour by a level-2 characteristic, a column of ``data`` or a Series indexed by cluster; at
        most six values, each with its own average. By default the colour says whether the interval
        leaves out the average.
    data : DataFrame, optional
        The data that hold the column ``color_by`` (and, in ``attrs``, the words for columns).
    labels : mapping of str to str, optional
        Words for columns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError, ModelError
        If an option names nothing there, or the column varies within clusters.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)",
    ...                             mt.load("london"))
    >>> ax = plots.cluster_variances(fit)
    >>> [text.get_text() for text in ax.get_legend().get_texts()][-1]
    'average (0.85)'
    """
    one_of("of", of, QUANTITIES)
    table = cluster_quantities(fit, of, level)
    groups = cluster_groups(fit, color_by, data, "cluster_variances")
    averages = _averages(fit, of, groups)
    table = ranked(table)
    ax = axes_or_new(ax)
    if color_by is None:
        draw_about(ax, table, averages[""], "leaves out the average", "includes it")
        _draw_common(ax, averages[""])
    else:
        _draw_by_group(ax, table, groups[table.index], averages)
    words = fill(f"{QUANTITIES[of]} of {label(fit.outcome, labels, data)}", 40)
    ax.set_ylabel(f"{words}\n({level:.0%} interval)")
    if of != "mean":
        ax.set_ylim(bottom=0)
    title = group_title(color_by, labels, data)
    finish_ranked(ax, table, fit.cluster, "", label_extremes, title)
    return described(ax, _describe_quantities(fit, of, level, table, averages))


def cluster_quantities(fit: LocationScaleResult, of: str, level: float) -> pd.DataFrame:
    """Variance, ICC or predicted mean of each cluster.

    Returns
    -------
    DataFrame, shape (J, 3)
        Index: cluster ids. Columns value, lower, upper.
    """
    if of == "mean":
        return _predicted_means(fit, level)
    columns = {"variance": ["variance", "lower", "upper"], "icc": ["icc", "icc_lower", "icc_upper"]}
    found = fit.cluster_variances(level)[columns[of]]
    return found.set_axis(["value", "lower", "upper"], axis=1)


def _predicted_means(fit: LocationScaleResult, level: float) -> pd.DataFrame:
    """Fixed part plus random effects, at the cluster's mean predictors."""
    d = fit.design.mean
    q = len(d.z_names)
    fixed = cluster_means(_fixed_mean(fit)[:, None], d.codes)[:, 0]
    Z = cluster_means(d.Z, d.codes)
    value = fixed + np.einsum("jq,jq->j", Z, fit.ranef()[list(d.z_names)].to_numpy())
    variance = np.einsum("jq,jqr,jr->j", Z, fit.cov_ranef[:, :q, :q], Z)
    half = normal_quantile(level) * np.sqrt(variance)
    columns = {"value": value, "lower": value - half, "upper": value + half}
    return pd.DataFrame(columns, index=d.labels)


def _fixed_mean(fit: LocationScaleResult) -> np.ndarray:
    return fit.design.mean.X @ fit.mean["estimate"].to_numpy()


def _averages(fit: LocationScaleResult, of: str, groups: pd.Series) -> dict[str, float]:
    """Population average over the rows of each group of clusters."""
    d = fit.design.mean
    if of == "mean":
        rows = pd.DataFrame({"value": _fixed_mean(fit)})
    else:
        omega_u = fit.omega[:, : d.Z.shape[1], : d.Z.shape[1]]
        between = np.einsum("iq,iqr,ir->i", d.Z, omega_u[d.codes], d.Z)
        within = fit.predicted_variance(average=True).to_numpy()
        rows = pd.DataFrame({"between": between, "value": within})
    means = rows.groupby(groups.array[d.codes], observed=True).mean()
    if of == "icc":
        means["value"] = means["between"] / (means["between"] + means["value"])
    return means["value"].to_dict()


def _draw_by_group(ax: Axes, table: pd.DataFrame, groups: pd.Series, averages) -> None:
    """A colour a group; one average where the model has the same for all groups, else one each."""
    common = _common(averages)
    for k, (name, average) in enumerate(averages.items()):
        color, marker = SERIES[k]
        text = name if common else f"{name} (average {number(average)})"
        draw_intervals(ax, table[groups == name], text, color, marker)
        if not common:
            ax.axhline(average, color=color, lw=1.4, ls=DASHES[k], zorder=1)
    if common:
        _draw_common(ax, average)


def _common(averages: dict[str, float]) -> bool:
    return bool(np.ptp(list(averages.values())) < SAME * abs(next(iter(averages.values()))))


def _draw_common(ax: Axes, average: float) -> None:
    text = f"average ({number(average)})"
    ax.axhline(average, color=PALETTE["black"], lw=1, ls="--", zorder=1, label=text)


def _describe_quantities(fit, of: str, level: float, table: pd.DataFrame, averages) -> str:
    text = (
        f"{QUANTITIES[of]} of {fit.outcome} in {len(table)} clusters ({fit.cluster}), sorted, with "
        f"{level:.0%} intervals. {ends(table['value'])}."
    )
    if not _common(averages):
        parts = [f"{number(value)} in {name}" for name, value in averages.items()]
        return f"{text} The average is {', '.join(parts)}."
    average = next(iter(averages.values()))
    outside = leaves_out(table, average).sum()
    average = number(average)
    return f"{text} The average is {average}; {outside} of {len(table)} intervals leave it out."


# ------------------------------------------------------------------------- two effects together


@checked
def effects_pairs(
    fit: MixedResult | LocationScaleResult,
    a: str = "Intercept",
    b: str = "scale:Intercept",
    *,
    level: float = 0.95,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw two sets of predicted random effects against each other, with the model's ellipse.

    The ellipse holds that share of the *true* effects under the model. Predicted effects are
    shrunk, so fewer of them lie outside it, and their correlation is not the model's.

    Parameters
    ----------
    fit : MixedResult or LocationScaleResult
    a, b : str
        Random effects along the horizontal and the vertical axis.
    level : float, default 0.95
        Share of the ellipse.
    color_by : str or Series, optional
        Colour by a level-2 characteristic, as in :func:`caterpillar`.
    data : DataFrame, optional
        The data that hold the column ``color_by`` (and, in ``attrs``, the words for columns).
    labels : mapping of str to str, optional
        Words for effects.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError, ModelError
        If there is no such effect, both are the same, or one has no variance.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)",
    ...                             mt.load("london"))
    >>> ax = plots.effects_pairs(fit)
    >>> ax.get_legend().get_texts()[-1].get_text()
    '95% ellipse, r = 0.39'
    """
    for effect in (a, b):
        need_effect(fit, effect, "effects_pairs")
    if a == b:
        raise ModelError(f"effects_pairs needs two different effects; both are '{a}'.")
    omega = (fit.random if isinstance(fit, LocationScaleResult) else fit.tau).loc[[a, b], [a, b]]
    flat = [effect for effect in (a, b) if omega.loc[effect, effect] <= 0]
    if flat:
        raise ModelError(
            f"The variance of '{flat[0]}' is estimated as zero: all its predicted effects are zero."
        )
    blups = fit.ranef()
    groups = cluster_groups(fit, color_by, data, "effects_pairs", alone="predicted effects")
    ax = axes_or_new(ax)
    for name, (color, marker) in zip(groups.cat.categories, SERIES, strict=False):
        members = blups[groups == name]
        ax.plot(members[a], members[b], ls="", marker=marker, ms=4.5, color=color, label=name)
    rho = _draw_ellipse(ax, omega.to_numpy(), level)
    for line in (ax.axhline, ax.axvline):
        line(0, color=PALETTE["light"], lw=1, zorder=0)
    ax.set(xlabel=_effect_text(fit, a, labels), ylabel=_effect_text(fit, b, labels))
    legend_with_headroom(ax, title=group_title(color_by, labels, data), ground=True)
    return described(ax, _describe_pairs(fit, a, b, level, rho, blups, omega.to_numpy()))


def _draw_ellipse(ax: Axes, omega: np.ndarray, level: float) -> float:
    """Contour of the normal distribution that holds a share of it; returns the correlation."""
    # Squared distances of two normal variables are exponential with mean 2.
    radius = np.sqrt(-2.0 * np.log1p(-level))
    values, vectors = np.linalg.eigh(omega)
    width, height = 2.0 * radius * np.sqrt(np.maximum(values[::-1], 0.0))
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    rho = float(np.clip(omega[0, 1] / np.sqrt(omega[0, 0] * omega[1, 1]), -1.0, 1.0))
    look = {"angle": angle, "fill": False, "ec": PALETTE["black"], "ls": "--", "lw": 1.4}
    text = f"{level:.0%} ellipse, r = {number(rho)}"
    ax.add_patch(Ellipse((0.0, 0.0), width, height, label=text, **look))
    ax.autoscale_view()
    return rho


def _effect_text(fit, effect: str, labels) -> str:
    if labels is not None and effect in labels:
        return labels[effect]
    place = effect.removeprefix(SCALE)
    what = f"log variance of {fit.outcome}" if place != effect else fit.outcome
    return (
        f"Effect on {what}" if place == "Intercept" else f"Effect on the slope of {place}, {what}"
    )


def _describe_pairs(fit, a, b, level: float, rho: float, blups, omega: np.ndarray) -> str:
    both = blups[[a, b]].to_numpy()
    distance = np.einsum("ja,ja->j", both, both @ np.linalg.pinv(omega))
    outside = int((distance > -2.0 * np.log1p(-level)).sum())
    return (
        f"Predicted effects {b} against {a} of {len(blups)} clusters ({fit.cluster}). The model's "
        f"correlation is {number(rho)}, that of the predictions {number(np.corrcoef(both.T)[0, 1])}"
        f". {outside} of {len(blups)} lie outside the {level:.0%} ellipse of the model."
    )
