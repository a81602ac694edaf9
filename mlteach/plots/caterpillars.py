"""Caterpillars: one mark with its interval a cluster, sorted, coloured by what the cluster is."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, one_of, whole
from mlteach.core.columns import cluster_means
from mlteach.core.distributions import normal_quantile
from mlteach.core.palette import PALETTE
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import cluster_groups, group_title, need_effects
from mlteach.plots.legend import finished
from mlteach.plots.look import DASHES, SERIES
from mlteach.plots.marks import axes_or_new, cluster_axis, size_in_points
from mlteach.plots.words import ends, label, number

#: What may be drawn of each cluster, and the words for it.
QUANTITIES = {
    "variance": "Level-1 variance",
    "icc": "Intraclass correlation",
    "mean": "Predicted mean",
}
# Averages of groups that differ by less than this part are one average, and rounding.
SAME = 1e-9

# ------------------------------------------------------------------------------ predicted effects


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
    need_effects(fit, "caterpillar", effect)
    blups = fit.ranef()
    groups = cluster_groups(fit, color_by, data, "caterpillar")
    table = _sorted(_around(blups[effect], blups[f"{effect}_sd"], level), groups)
    count = f"{len(table)} clusters ({fit.cluster})"
    ax = axes_or_new(ax)
    share = f"{level:.0%} interval"
    zeros = dict.fromkeys(groups.cat.categories, 0.0)
    _draw(ax, table, zeros, (f"{share} leaves out 0", f"{share} includes 0"))
    ax.set_ylabel(_effect_label(fit, effect, level, labels, data))
    _name_clusters(ax, table, f"{count}, sorted by predicted effect", label_extremes)
    text = (
        f"Predicted random effects ({effect}) of {count} on {fit.outcome}, sorted, with "
        f"{level:.0%} intervals. They run {ends(table['value'])}; "
        f"{_leaves_out(table, 0.0).sum()} of {len(table)} intervals leave out zero."
    )
    if color_by is not None:
        means = table.groupby("group", observed=True)["value"].mean()
        said = [f"{name} {number(mean)}" for name, mean in means.items()]
        text += f" Mean effect by {groups.name}: {', '.join(said)}."
    return finished(ax, text, title=group_title(groups, labels, data))


def _effect_label(fit: MixedResult, effect: str, level: float, labels, data) -> str:
    what, place = label(fit.outcome, labels, data), effect.removeprefix(SCALE)
    if effect.startswith(SCALE):
        what = f"the log variance of {what}"
    if place != "Intercept":
        slope = label(place, labels, data)
        what = f"{what}:\nslope of {slope}" if place != effect else f"the slope of {slope}"
    return f"Cluster effect on {what}\n(BLUP, {level:.0%} interval)"


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
    groups = cluster_groups(fit, color_by, data, "cluster_variances")
    table = _sorted(_quantities(fit, of, level), groups)
    averages, count = _averages(fit, of, groups), f"{len(table)} clusters ({fit.cluster})"
    ax = axes_or_new(ax)
    _draw(ax, table, averages, ("leaves out the average", "includes it"), "average ({})")
    words = fill(f"{QUANTITIES[of]} of {label(fit.outcome, labels, data)}", 40)
    ax.set_ylabel(f"{words}\n({level:.0%} interval)")
    if of != "mean":
        ax.set_ylim(bottom=0)
    _name_clusters(ax, table, f"{count}, sorted", label_extremes)
    text = (
        f"{QUANTITIES[of]} of {fit.outcome} in {count}, sorted, with {level:.0%} intervals. "
        f"They run {ends(table['value'])}. The average is {_describe_averages(table, averages)}."
    )
    return finished(ax, text, title=group_title(groups, labels, data))


def _describe_averages(table: pd.DataFrame, averages: Mapping[str, float]) -> str:
    average = _common(averages)
    if average is None:
        return ", ".join(f"{number(value)} in {name}" for name, value in averages.items())
    outside = _leaves_out(table, average).sum()
    return f"{number(average)}; {outside} of {len(table)} intervals leave it out"


def _quantities(fit: LocationScaleResult, of: str, level: float) -> pd.DataFrame:
    """Variance, ICC or predicted mean of each cluster: columns value, lower, upper."""
    if of == "mean":
        d, codes = fit.design, fit.design.mean.codes
        parts = (_fixed_mean(fit)[:, None], d.mean.Z, d.S)
        fixed, Z, S = (cluster_means(part, codes) for part in parts)
        moments, covariances = fit.known_moments(Z, S, np.arange(len(Z)))
        value = pd.Series(fixed[:, 0] + moments[:, 0], d.mean.labels)
        return _around(value, np.sqrt(covariances[:, 0, 0]), level)
    columns = {"variance": ["variance", "lower", "upper"], "icc": ["icc", "icc_lower", "icc_upper"]}
    found = fit.cluster_variances(level)[columns[of]]
    return found.set_axis(["value", "lower", "upper"], axis=1)


def _fixed_mean(fit: LocationScaleResult) -> np.ndarray:
    return fit.design.mean.X @ fit.mean["estimate"].to_numpy()


def _averages(fit: LocationScaleResult, of: str, groups: pd.Series) -> dict[str, float]:
    """Population average over the rows of each group of clusters."""
    d = fit.design
    if of == "mean":
        rows = pd.DataFrame({"value": _fixed_mean(fit)})
    else:
        between = fit.new_moments(d.mean.Z, d.S, fit.omega_of_rows(None))[1][:, 0, 0]
        within = fit.predicted_variance(average=True).to_numpy()
        rows = pd.DataFrame({"between": between, "value": within})
    means = rows.groupby(groups.array[d.mean.codes], observed=True).mean()
    if of == "icc":
        means["value"] = means["between"] / (means["between"] + means["value"])
    return means["value"].to_dict()


# ---------------------------------------------------------------------------- marks and intervals


def _around(value: pd.Series, sd: np.ndarray, level: float) -> pd.DataFrame:
    half = normal_quantile(level) * sd
    return pd.DataFrame({"value": value, "lower": value - half, "upper": value + half})


def _sorted(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Clusters by ascending ``value``, with their group and their place on the axis."""
    table = table.assign(group=groups).sort_values("value", kind="stable")
    return table.assign(position=np.arange(len(table)))


def _leaves_out(table: pd.DataFrame, reference: float) -> pd.Series:
    """Whether the interval of each cluster does not reach to a value."""
    return (table["lower"] > reference) | (table["upper"] < reference)


def _common(references: Mapping[str, float]) -> float | None:
    """The reference of all groups, if they have the same."""
    *_, last = references.values()
    spread = np.ptp(list(references.values()))
    return last if spread <= SAME * abs(last) else None


def _draw(
    ax: Axes,
    table: pd.DataFrame,
    references: Mapping[str, float],
    words: tuple[str, str],
    line: str = "",
) -> None:
    """Draw the clusters and what they are compared with.

    Groups have a colour each; where there is one only, ``words`` says of the two colours whether
    an interval leaves out the reference. References of groups are one line where they are the
    same.
    """
    common = _common(references)
    if list(references) == [""]:
        outside, (out, inside) = _leaves_out(table, references[""]), words
        _draw_intervals(ax, table[outside], out, PALETTE["blue"], "o")
        _draw_intervals(ax, table[~outside], inside, PALETTE["grey"], "o")
    else:
        for k, (name, reference) in enumerate(references.items()):
            color, marker = SERIES[k]
            text = name if common is not None else f"{name} (average {number(reference)})"
            _draw_intervals(ax, table[table["group"] == name], text, color, marker)
            if common is None:
                ax.axhline(reference, color=color, lw=1.4, ls=DASHES[k], zorder=1)
    if common is not None:
        look = {"color": PALETTE["black"], "lw": 1, "ls": "--", "zorder": 1}
        ax.axhline(common, label=line.format(number(common)), **look)


def _draw_intervals(ax: Axes, table: pd.DataFrame, name: str, color: str, marker: str) -> None:
    """A mark and an upright interval at the position of each cluster of the table, if any."""
    if table.empty:
        return
    at, look = table["position"], {"lw": 0.9, "alpha": 0.65, "gid": name}
    ax.vlines(at, table["lower"], table["upper"], color=color, **look)
    ax.plot(at, table["value"], ls="", marker=marker, ms=3.2, color=color, label=name)


def _name_clusters(ax: Axes, table: pd.DataFrame, text: str, count: int) -> None:
    """Name the axis and so many clusters at either end of it, fanned out so that none overlap."""
    cluster_axis(ax, table.index, text)
    J = len(table)
    if whole("label_extremes", count, 0, J // 2) == 0:
        return
    low, high = ax.get_ylim()
    width, height = size_in_points(ax)
    names = [*table.index[:count], *table.index[-count:]]
    # In points: a name, written upright, and its leader, which must clear the intervals it passes.
    room, gap = 5.5 * max(len(str(i)) for i in names) + 6, 8 + 3 * count
    # The legend comes on top and takes about 15% of the height.
    scale = (high - low) / max(0.85 * height - 2 * (room + gap), 0.3 * height)
    room, gap = room * scale, gap * scale
    step = max(1.0, 14.0 * (J + 1) / width)
    passed = int(np.ceil((count - 0.5) * step)) + 1
    bottom = table["lower"].iloc[:passed].min() - gap
    top = table["upper"].iloc[-passed:].max() + gap
    for k in range(count):
        _name_one(ax, table.iloc[k], ((k + 0.5) * step - 0.5, bottom), below=True)
        _name_one(ax, table.iloc[-1 - k], (J - 0.5 - (k + 0.5) * step, top), below=False)
    ax.set_ylim(min(low, bottom - room), max(high, top + room))


def _name_one(ax: Axes, row: pd.Series, where: tuple[float, float], *, below: bool) -> None:
    at = (row["position"], row["lower"] if below else row["upper"])
    look = {"rotation": 90, "ha": "center", "va": "top" if below else "bottom", "fontsize": "small"}
    leader = {"arrowstyle": "-", "lw": 0.6, "color": PALETTE["grey"], "shrinkA": 0, "shrinkB": 1}
    leader["relpos"] = (0.5, 1.0 if below else 0.0)
    ax.annotate(str(row.name), at, where, arrowprops=leader, **look)
