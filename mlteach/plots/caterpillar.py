"""Caterpillars: one mark with its interval a cluster, sorted, coloured by what the cluster is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from mlteach.core.arguments import checked
from mlteach.core.columns import table_with
from mlteach.errors import DataError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.base import (
    PALETTE,
    SERIES,
    axes_or_new,
    cluster_axis,
    counted,
    described,
    label,
    need_effect,
    need_random_effects,
    need_share,
    number,
    size_in_points,
)
from mlteach.plots.legend import legend_with_headroom


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
    need_random_effects(fit, "caterpillar")
    need_effect(fit, effect, "caterpillar")
    need_share(level, "level")
    table = _effects(fit, effect, level)
    groups = _groups(fit, table, color_by, data, level)
    ax = axes_or_new(ax)
    for (name, members), (color, marker) in zip(groups.items(), _colors(color_by), strict=False):
        draw_intervals(ax, table[members], "effect", name, color, marker)
    ax.axhline(0, color=PALETTE["black"], lw=1, ls="--", zorder=1)
    ax.set_ylabel(_effect_label(fit, effect, level, labels, data))
    count = counted(len(table), len(table), fit.cluster)
    cluster_axis(ax, table.index, f"{count}, sorted by predicted effect")
    label_ends(ax, table, label_extremes)
    title = None if color_by is None else label(name_of(color_by), labels, data)
    legend_with_headroom(ax, title=title)
    return described(ax, _describe_effects(fit, effect, level, table, groups, color_by))


def _effects(fit: MixedResult, effect: str, level: float) -> pd.DataFrame:
    """BLUP and limits of each cluster, sorted, with its place on the axis."""
    blups = fit.ranef()
    half = stats.norm.ppf(0.5 + level / 2) * blups[f"{effect}_sd"]
    table = pd.DataFrame(
        {
            "effect": blups[effect],
            "lower": blups[effect] - half,
            "upper": blups[effect] + half,
        }
    ).sort_values("effect", kind="stable")
    return table.assign(position=np.arange(len(table)))


def _groups(fit, table, color_by, data, level: float) -> dict[str, pd.Series]:
    """Legend text to the members of each colour (boolean, aligned with the table)."""
    if color_by is None:
        outside = (table["lower"] > 0) | (table["upper"] < 0)
        share = f"{level:.0%} interval"
        groups = {f"{share} leaves out 0": outside, f"{share} includes 0": ~outside}
        return {name: members for name, members in groups.items() if members.any()}
    values = cluster_categories(fit, color_by, data, "caterpillar")
    return {str(c): values[table.index] == c for c in sorted(values.unique())}


def cluster_categories(
    fit: MixedResult | LocationScaleResult,
    color_by: str | pd.Series,
    data: pd.DataFrame | None,
    where: str,
) -> pd.Series:
    """Level-2 characteristic to colour by, one value a cluster of the fit, in their order.

    Raises
    ------
    DataError
        If it is incomplete, varies within clusters, or has more values than there are colours.
    """
    values = _level_two(fit, color_by, data, where)
    different = values.nunique()
    if different > len(SERIES):
        raise DataError(
            f"'{name_of(color_by)}' has {different} values in {len(values)} clusters; colours "
            f"can show {len(SERIES)}. Cut it into bands first, for example with pd.qcut."
        )
    return values


def _level_two(fit, color_by: str | pd.Series, data, where: str) -> pd.Series:
    """One value a cluster, from a column or a Series, complete."""
    name = name_of(color_by)
    if isinstance(color_by, pd.Series):
        values = color_by
        if values.index.has_duplicates:
            raise DataError(f"The index of '{name}' must hold each cluster once; it has repeats.")
    elif data is None:
        raise DataError(f"color_by='{name}' is a column: say of which table with data=.")
    else:
        data = table_with(data, [name, fit.cluster], where)
        grouped = data.groupby(fit.cluster, observed=True)[name]
        varying = grouped.nunique(dropna=False) > 1
        if varying.any():
            raise DataError(
                f"'{name}' varies within {varying.sum()} clusters (first: {varying.idxmax()}); "
                "color_by needs a level-2 column, constant in each cluster."
            )
        values = grouped.first()
    values = values.reindex(fit.ranef().index)
    if values.isna().any():
        raise DataError(f"'{name}' has no value for cluster {values.index[values.isna()][0]}.")
    return values


def name_of(color_by: str | pd.Series) -> str:
    """What to call the characteristic that colours."""
    if isinstance(color_by, pd.Series):
        return str(color_by.name) if color_by.name is not None else "group"
    return str(color_by)


def _colors(color_by) -> tuple[tuple[str, str], ...]:
    return SERIES if color_by is not None else ((PALETTE["blue"], "o"), (PALETTE["grey"], "o"))


def draw_intervals(
    ax: Axes, table: pd.DataFrame, value: str, name: str, color: str, marker: str
) -> None:
    """A mark and an upright interval at the position of each cluster of the table."""
    ax.vlines(
        table["position"], table["lower"], table["upper"], color=color, lw=0.9, alpha=0.65, gid=name
    )
    ax.plot(table["position"], table[value], ls="", marker=marker, ms=3.2, color=color, label=name)


def label_ends(ax: Axes, table: pd.DataFrame, count: int) -> None:
    """Names under the lowest and above the highest clusters, fanned out so that none overlap."""
    if not 0 <= count <= len(table) // 2:
        raise DataError(f"label_extremes={count} is not between 0 and {len(table) // 2}.")
    if count == 0:
        return
    J = len(table)
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
    leader = {
        "arrowstyle": "-",
        "lw": 0.6,
        "color": PALETTE["grey"],
        "shrinkA": 0,
        "shrinkB": 1,
        "relpos": (0.5, 1.0 if below else 0.0),
    }
    ax.annotate(
        str(row.name),
        xy=(row["position"], row["lower"] if below else row["upper"]),
        xytext=where,
        rotation=90,
        ha="center",
        va="top" if below else "bottom",
        fontsize="small",
        arrowprops=leader,
    )


def _effect_label(fit: MixedResult, effect: str, level: float, labels, data) -> str:
    what, place = label(fit.outcome, labels, data), effect.removeprefix(SCALE)
    if effect.startswith(SCALE):
        what = f"the log variance of {what}"
    if place != "Intercept":
        slope = label(place, labels, data)
        what = f"{what}:\nslope of {slope}" if place != effect else f"the slope of {slope}"
    return f"Cluster effect on {what}\n(BLUP, {level:.0%} interval)"


def _describe_effects(fit, effect, level, table, groups, color_by) -> str:
    outside = int(((table["lower"] > 0) | (table["upper"] < 0)).sum())
    text = (
        f"Predicted random effects ({effect}) of {len(table)} clusters ({fit.cluster}) on "
        f"{fit.outcome}, sorted, with {level:.0%} intervals. They run from "
        f"{number(table['effect'].iloc[0])} (cluster {table.index[0]}) to "
        f"{number(table['effect'].iloc[-1])} (cluster {table.index[-1]}); {outside} of "
        f"{len(table)} intervals leave out zero."
    )
    if color_by is None:
        return text
    means = [
        f"{name} {number(table.loc[members, 'effect'].mean())}" for name, members in groups.items()
    ]
    return f"{text} Mean effect by {name_of(color_by)}: {', '.join(means)}."
