"""Caterpillars: one mark with its interval a cluster, sorted, coloured by what the cluster is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.core.distributions import normal_quantile
from mlteach.core.palette import PALETTE
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import need_effect
from mlteach.plots.groups import cluster_groups, group_title, name_of
from mlteach.plots.marks import axes_or_new
from mlteach.plots.ranked import draw_about, draw_intervals, finish_ranked, leaves_out, ranked
from mlteach.plots.style import SERIES
from mlteach.plots.words import described, ends, label, number


@checked
def caterpillar(
    fit: MixedResult | LocationScaleResult,
    effect: str = "Intercept",
    *,
    level: float = 0.95,
    label_extremes: int = 0,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted random effects of the clusters, sorted, each with its interval.

    The interval is the BLUP ± z times the conditional standard deviation: it holds the estimated
    parameters fixed, and two overlapping intervals do not mean that two clusters do not differ.

    Parameters
    ----------
    fit : MixedResult or LocationScaleResult
    effect : str, default "Intercept"
        Which random effect; ``"scale:Intercept"`` is one of the log variance.
    level : float, default 0.95
        Level of the intervals.
    label_extremes : int, default 0
        Write the names of so many clusters at either end.
    color_by : str or Series, optional
        Colour by a level-2 characteristic: a column of ``data`` that is constant in each cluster,
        or a Series indexed by cluster; at most six values. By default the colour says whether the
        interval leaves out zero.
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
    >>> fit = mt.fit_empty("score16", mt.load("london"), cluster="school")
    >>> ax = plots.caterpillar(fit, label_extremes=2)
    >>> sorted(text.get_text() for text in ax.texts)
    ['28', '53', '59', '6']
    """
    need_effect(fit, effect, "caterpillar")
    table = _effects(fit, effect, level)
    groups = cluster_groups(fit, color_by, data, "caterpillar")[table.index]
    ax = axes_or_new(ax)
    if color_by is None:
        share = f"{level:.0%} interval"
        draw_about(ax, table, 0.0, f"{share} leaves out 0", f"{share} includes 0")
    else:
        for name, (color, marker) in zip(groups.cat.categories, SERIES, strict=False):
            draw_intervals(ax, table[groups == name], name, color, marker)
    ax.axhline(0, color=PALETTE["black"], lw=1, ls="--", zorder=1)
    ax.set_ylabel(_effect_label(fit, effect, level, labels, data))
    title = group_title(color_by, labels, data)
    finish_ranked(ax, table, fit.cluster, " by predicted effect", label_extremes, title)
    return described(ax, _describe_effects(fit, effect, level, table, groups, color_by))


def _effects(fit: MixedResult, effect: str, level: float) -> pd.DataFrame:
    """BLUP and limits of each cluster, sorted, with its place on the axis."""
    blups = fit.ranef()
    value, half = blups[effect], normal_quantile(level) * blups[f"{effect}_sd"]
    table = pd.DataFrame({"value": value, "lower": value - half, "upper": value + half})
    return ranked(table)


def _effect_label(fit: MixedResult, effect: str, level: float, labels, data) -> str:
    what, place = label(fit.outcome, labels, data), effect.removeprefix(SCALE)
    if effect.startswith(SCALE):
        what = f"the log variance of {what}"
    if place != "Intercept":
        slope = label(place, labels, data)
        what = f"{what}:\nslope of {slope}" if place != effect else f"the slope of {slope}"
    return f"Cluster effect on {what}\n(BLUP, {level:.0%} interval)"


def _describe_effects(fit, effect, level, table, groups, color_by) -> str:
    value = table["value"]
    text = (
        f"Predicted random effects ({effect}) of {len(table)} clusters ({fit.cluster}) on "
        f"{fit.outcome}, sorted, with {level:.0%} intervals. {ends(value)}; "
        f"{leaves_out(table, 0.0).sum()} of {len(table)} intervals leave out zero."
    )
    if color_by is None:
        return text
    means = [f"{name} {number(value[groups == name].mean())}" for name in groups.cat.categories]
    return f"{text} Mean effect by {name_of(color_by)}: {', '.join(means)}."
