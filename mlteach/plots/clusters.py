"""Figures with one mark a cluster: their means, and the effects predicted for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

from mlteach.design import check_columns
from mlteach.errors import DataError
from mlteach.mixed_result import MixedResult
from mlteach.plots.base import (
    PALETTE,
    SERIES,
    axes_or_new,
    cluster_axis,
    complete_rows,
    counted,
    described,
    label,
    legend_with_headroom,
    need_effect,
    need_fit,
    need_share,
    number,
    sample_clusters,
    size_in_points,
)

# ------------------------------------------------------------------------------------ cluster dots


def cluster_dots(
    source: pd.DataFrame | MixedResult,
    y: str | None = None,
    cluster: str | None = None,
    *,
    shrinkage: bool = False,
    points: bool | None = None,
    n_clusters: int | None = None,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of each cluster, sorted, with its rows behind it or with its shrinkage.

    Parameters
    ----------
    source : DataFrame or MixedResult
        Data (then ``y`` and ``cluster`` are needed), or a fit: its outcome and clusters are drawn.
    y, cluster : str, optional
        Columns of the data.
    shrinkage : bool, default False
        Draw, for a fit, a line from each raw mean to the mean of the cluster's fitted values, which
        use the BLUPs. For the empty model this is the estimated mean plus the BLUP.
    points : bool, optional
        Draw the rows as well; by default unless ``shrinkage`` is asked for.
    n_clusters : int, optional
        Draw a random sample of so many clusters; means and fits still use all of them.
    seed : int, default 0
        Which sample.
    labels : mapping of str to str, optional
        Words for columns, for example ``hsb.attrs["codebook"]``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Areas of the dots are proportional to the cluster sizes.

    Raises
    ------
    DataError, ModelError
        If a column, a fit or an option is missing or of the wrong kind.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ax = plots.cluster_dots(mt.fit_empty("math", mt.load("hsb"), cluster="school"))
    >>> ax.get_xlabel()
    '160 clusters (school), sorted by mean'
    """
    if shrinkage:
        need_fit(source, "cluster_dots(shrinkage=True)")
    rows, y, cluster = _rows(source, y, cluster)
    table = _cluster_table(rows)
    chosen = sample_clusters(table.index, n_clusters, seed)
    shown = table.loc[chosen].sort_values("mean", kind="stable")
    ax = axes_or_new(ax)
    points = not shrinkage if points is None else points
    if points:
        _draw_rows(ax, rows, shown.index)
    handles = _draw_shrinkage(ax, shown) if shrinkage else _draw_means(ax, shown)
    handles = _draw_centre(ax, source, shown, rows["y"].mean(), shrinkage) + handles
    ax.set_ylabel(label(y, labels, source if isinstance(source, pd.DataFrame) else None))
    count = counted(len(shown), len(table), cluster)
    cluster_axis(ax, shown.index, f"{count}, sorted by mean")
    legend_with_headroom(ax, handles)
    describe_ = _describe_shrinkage if shrinkage else _describe_means
    return described(ax, describe_(y, count, shown, rows["y"].mean()))


def _rows(source, y: str | None, cluster: str | None) -> tuple[pd.DataFrame, str, str]:
    """Outcome, cluster, fitted value and fixed part of every row."""
    if isinstance(source, pd.DataFrame):
        if y is None or cluster is None:
            raise DataError("cluster_dots needs y= and cluster= to know the columns of the data.")
        rows = complete_rows(source, [y], cluster, "cluster_dots", stacklevel=4)
        return rows.set_axis(["y", "cluster"], axis=1), y, cluster
    fit = need_fit(source, "cluster_dots (with data: pass a DataFrame, y= and cluster=)")
    if y is not None or cluster is not None:
        raise DataError("cluster_dots takes y= and cluster= with a DataFrame only, not with a fit.")
    columns = {
        "y": fit.design.y,
        "cluster": fit.design.labels[fit.design.codes],
        "fitted": fit.fitted.to_numpy(),
        "fixed": fit.predict(random=False).to_numpy(),
    }
    return pd.DataFrame(columns), fit.outcome, fit.cluster


def _cluster_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Size and means of each cluster; index cluster."""
    grouped = rows.groupby("cluster", observed=True)
    means = grouped.mean().rename(columns={"y": "mean", "fitted": "prediction"})
    return means.assign(n=grouped.size())


def _areas(n: np.ndarray) -> np.ndarray:
    """Marker areas (points²) proportional to cluster size, smaller where there are many."""
    largest = np.clip(7000 / len(n), 40, 110)
    return np.maximum(largest * n / n.max(), 3)


def _draw_rows(ax: Axes, rows: pd.DataFrame, order: pd.Index) -> None:
    position = order.get_indexer(rows["cluster"])
    shown = position >= 0
    ax.scatter(
        position[shown],
        rows["y"][shown],
        s=5,
        color=PALETTE["light"],
        alpha=0.55,
        linewidths=0,
        zorder=1,
        rasterized=True,
        gid="rows",
    )


def _draw_means(ax: Axes, table: pd.DataFrame) -> list[Line2D]:
    blue = PALETTE["blue"]
    ax.scatter(
        range(len(table)),
        table["mean"],
        s=_areas(table["n"].to_numpy()),
        color=blue,
        edgecolors="white",
        linewidths=0.4,
        zorder=3,
        gid="means",
    )
    return [_dot(f"cluster mean, area ∝ rows ({_span(table['n'])})", blue, blue)]


def _draw_shrinkage(ax: Axes, table: pd.DataFrame) -> list[Line2D]:
    position, blue, orange = range(len(table)), PALETTE["blue"], PALETTE["orange"]
    area = _areas(table["n"].to_numpy())
    ax.vlines(
        position, table["mean"], table["prediction"], color=PALETTE["grey"], lw=0.9, gid="shrinkage"
    )
    ax.scatter(
        position,
        table["mean"],
        s=area,
        facecolors="white",
        edgecolors=orange,
        zorder=3,
        gid="means",
    )
    ax.scatter(
        position,
        table["prediction"],
        s=area,
        color=blue,
        edgecolors="white",
        linewidths=0.3,
        zorder=4,
        gid="predictions",
    )
    return [
        _dot(f"raw mean, area ∝ rows ({_span(table['n'])})", "white", orange),
        _dot("prediction with BLUP", blue, blue),
    ]


def _draw_centre(ax, source, table, mean: float, shrinkage: bool) -> list[Line2D]:
    """What the clusters are compared with: one mean, or the fixed part where that differs."""
    black = PALETTE["black"]
    if not shrinkage:
        line = ax.axhline(mean, color=black, lw=1.2, ls="--", zorder=2)
        line.set_label(f"mean of all rows ({number(mean)})")
        return [line]
    if list(source.params.index) == ["Intercept"]:
        target = source.params.iloc[0]
        line = ax.axhline(target, color=black, lw=1.2, ls="--", zorder=2)
        line.set_label(f"estimated mean ({number(target)})")
        return [line]
    ax.scatter(
        range(len(table)), table["fixed"], marker="_", s=14, color=black, zorder=2, gid="fixed part"
    )
    return [Line2D([], [], color=black, marker="_", ls="", label="fixed part alone")]


def _dot(text: str, face: str, edge: str, marker: str = "o") -> Line2D:
    return Line2D([], [], ls="", marker=marker, mfc=face, mec=edge, ms=6, label=text)


def _span(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _describe_means(y: str, count: str, table: pd.DataFrame, mean: float) -> str:
    low, high = table.iloc[0], table.iloc[-1]
    return (
        f"Means of {y} in {count}, sorted. They run from {number(low['mean'])} in cluster "
        f"{table.index[0]} to {number(high['mean'])} in cluster {table.index[-1]}; the mean of all "
        f"rows is {number(mean)}. The clusters have {_span(table['n'])} rows."
    )


def _describe_shrinkage(y: str, count: str, table: pd.DataFrame, mean: float) -> str:
    move = (table["prediction"] - table["mean"]).abs()
    top = move.idxmax()
    return (
        f"Raw means of {y} and predictions with BLUPs in {count}, sorted by raw mean. Raw means "
        f"run from {number(table['mean'].min())} to {number(table['mean'].max())}, predictions "
        f"from {number(table['prediction'].min())} to {number(table['prediction'].max())}. The "
        f"largest move is {number(move[top])}, in cluster {top} with {table.loc[top, 'n']} rows."
    )


# ------------------------------------------------------------------------------------- caterpillar


def caterpillar(
    fit: MixedResult,
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
    fit : MixedResult
    effect : str, default "Intercept"
        Which random effect.
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
    need_fit(fit, "caterpillar")
    need_effect(fit, effect, "caterpillar")
    need_share(level, "level")
    table = _effects(fit, effect, level)
    groups = _groups(fit, table, color_by, data, level)
    ax = axes_or_new(ax)
    for (name, members), (color, marker) in zip(groups.items(), _colors(color_by), strict=False):
        _draw_effects(ax, table[members], name, color, marker)
    ax.axhline(0, color=PALETTE["black"], lw=1, ls="--", zorder=1)
    ax.set_ylabel(_effect_label(fit, effect, level, labels, data))
    count = counted(len(table), len(table), fit.cluster)
    cluster_axis(ax, table.index, f"{count}, sorted by predicted effect")
    _label_extremes(ax, table, label_extremes)
    title = None if color_by is None else label(_name(color_by), labels, data)
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
    fit: MixedResult, color_by: str | pd.Series, data: pd.DataFrame | None, where: str
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
            f"'{_name(color_by)}' has {different} values in {len(values)} clusters; colours "
            f"can show {len(SERIES)}. Cut it into bands first, for example with pd.qcut."
        )
    return values


def _level_two(fit: MixedResult, color_by: str | pd.Series, data, where: str) -> pd.Series:
    """One value a cluster, from a column or a Series, complete."""
    name = _name(color_by)
    if isinstance(color_by, pd.Series):
        values = color_by
        if values.index.has_duplicates:
            raise DataError(f"The index of '{name}' must hold each cluster once; it has repeats.")
    elif data is None:
        raise DataError(f"color_by='{name}' is a column: say of which table with data=.")
    else:
        check_columns(data, [name, fit.cluster], where)
        grouped = data.groupby(fit.cluster, observed=True)[name]
        varying = grouped.nunique(dropna=False) > 1
        if varying.any():
            raise DataError(
                f"'{name}' varies within {varying.sum()} clusters (first: {varying.idxmax()}); "
                "color_by needs a level-2 column, constant in each cluster."
            )
        values = grouped.first()
    values = values.reindex(fit.design.labels)
    if values.isna().any():
        raise DataError(f"'{name}' has no value for cluster {values.index[values.isna()][0]}.")
    return values


def _name(color_by: str | pd.Series) -> str:
    if isinstance(color_by, pd.Series):
        return str(color_by.name) if color_by.name is not None else "group"
    return str(color_by)


def _colors(color_by) -> tuple[tuple[str, str], ...]:
    return SERIES if color_by is not None else ((PALETTE["blue"], "o"), (PALETTE["grey"], "o"))


def _draw_effects(ax: Axes, table: pd.DataFrame, name: str, color: str, marker: str) -> None:
    ax.vlines(
        table["position"], table["lower"], table["upper"], color=color, lw=0.9, alpha=0.65, gid=name
    )
    ax.plot(
        table["position"], table["effect"], ls="", marker=marker, ms=3.2, color=color, label=name
    )


def _label_extremes(ax: Axes, table: pd.DataFrame, count: int) -> None:
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
    outcome = label(fit.outcome, labels, data)
    if effect == "Intercept":
        return f"Cluster effect on {outcome}\n(BLUP, {level:.0%} interval)"
    slope = label(effect, labels, data)
    return f"Cluster effect on the slope of {slope}\n(BLUP, {level:.0%} interval)"


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
    return f"{text} Mean effect by {_name(color_by)}: {', '.join(means)}."
