"""Rows in their clusters: sorted means, and the slopes within clusters, between them and pooled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import DataError
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import complete_rows, need_fit, sample_clusters
from mlteach.plots.legend import finished
from mlteach.plots.marks import axes_or_new, bold_line, cluster_axis, dot, row_cloud, thin_lines
from mlteach.plots.words import counted, label, number, span

# ------------------------------------------------------------------------------------ cluster dots


@checked
def cluster_dots(
    source: pd.DataFrame | MixedResult,
    y: str | None = None,
    cluster: str | None = None,
    *,
    n_clusters: int | None = None,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of each cluster, sorted, with its rows behind it.

    Parameters
    ----------
    source : DataFrame or MixedResult
        Data (then ``y`` and ``cluster`` are needed), or a fit: its outcome and clusters are drawn.
    y, cluster : str, optional
        Columns of the data.
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
    rows, y, cluster = _rows(source, y, cluster)
    table = rows.groupby("cluster", observed=True)["y"].agg(mean="mean", n="size")
    chosen = sample_clusters(table.index, n_clusters, seed)
    shown = table.loc[chosen].sort_values("mean", kind="stable")
    ax = axes_or_new(ax)
    mean = rows["y"].mean()
    position = shown.index.get_indexer(rows["cluster"])
    row_cloud(ax, position[position >= 0], rows["y"][position >= 0], 5, 0.55)
    look = {"lw": 1.2, "ls": "--", "zorder": 2, "label": f"mean of all rows ({number(mean)})"}
    line = ax.axhline(mean, color=PALETTE["black"], **look)
    handles = [line, _draw_means(ax, shown)]
    ax.set_ylabel(label(y, labels, source if isinstance(source, pd.DataFrame) else None))
    count = counted(len(shown), len(table), cluster)
    cluster_axis(ax, shown.index, f"{count}, sorted by mean")
    return finished(ax, _describe_dots(y, count, shown, mean), handles=handles)


def _rows(source, y: str | None, cluster: str | None) -> tuple[pd.DataFrame, str, str]:
    """Outcome and cluster of every row, and their names."""
    table = isinstance(source, pd.DataFrame) or not (hasattr(source, "design") or y is None)
    if table:
        if y is None or cluster is None:
            raise DataError("cluster_dots needs y= and cluster= to know the columns of the data.")
        rows = complete_rows(source, [y], cluster, "cluster_dots")
        return rows.set_axis(["y", "cluster"], axis=1), y, cluster
    where = "cluster_dots (with data: pass a DataFrame, y= and cluster=)"
    fit = need_fit(source, where)
    if y is not None or cluster is not None:
        raise DataError("cluster_dots takes y= and cluster= with a DataFrame only, not with a fit.")
    rows = pd.DataFrame({"y": fit.design.y, "cluster": fit.design.labels[fit.design.codes]})
    return rows, fit.outcome, fit.cluster


def _draw_means(ax: Axes, table: pd.DataFrame) -> Line2D:
    """Dots with areas (points²) in proportion to cluster sizes, smaller where there are many."""
    blue, n = PALETTE["blue"], table["n"]
    areas = np.maximum(np.clip(7000 / len(n), 40, 110) * n / n.max(), 3)
    look = {"color": blue, "edgecolors": "white", "linewidths": 0.4, "zorder": 3}
    ax.scatter(range(len(table)), table["mean"], s=areas, gid="means", **look)
    return dot(blue, blue, f"cluster mean, area ∝ rows ({span(n)})")


def _describe_dots(y: str, count: str, table: pd.DataFrame, mean: float) -> str:
    low, high = table.iloc[0], table.iloc[-1]
    return (
        f"Means of {y} in {count}, sorted. They run from {number(low['mean'])} in cluster "
        f"{table.index[0]} to {number(high['mean'])} in cluster {table.index[-1]}; the mean of all "
        f"rows is {number(mean)}. The clusters have {span(table['n'])} rows."
    )


# ---------------------------------------------------------------------- slopes within and between


@checked
def within_between(
    data: pd.DataFrame,
    x: str,
    y: str,
    cluster: str,
    *,
    n_clusters: int | None = None,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw y against x with each cluster's own line and the within, between and pooled lines.

    All three are least squares: ``within`` on the deviations from the cluster means, ``between`` on
    the cluster means (each weighted by its rows), ``pooled`` on the rows as if there were no
    clusters. They meet at the grand mean, and the pooled slope is the mean of the other two,
    weighted by the share of the variance of x that lies within and between.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    x, y, cluster : str
        Columns.
    n_clusters : int, optional
        Draw the points, means and own lines of a random sample of so many clusters. The three
        slopes always use all of them.
    seed : int, default 0
        Which sample.
    labels : mapping of str to str, optional
        Words for columns; by default the codebook's, in ``data.attrs``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column is missing or not numeric, or x has no variation within or between clusters.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ax = plots.within_between(mt.load("hsb"), "ses", "math", "school", n_clusters=12)
    >>> [text.get_text() for text in ax.get_legend().get_texts()][-3:]
    ['within: slope 2.19', 'pooled: slope 3.18', 'between: slope 5.72']
    """
    rows = complete_rows(data, [x, y], cluster, "within_between")
    rows = rows.set_axis(["x", "y", "cluster"], axis=1)
    slopes = three_slopes(rows, x, cluster)
    means = rows.groupby("cluster", observed=True).mean()
    chosen = sample_clusters(means.index, n_clusters, seed)
    shown = rows[rows["cluster"].isin(chosen)]
    ax = axes_or_new(ax)
    _draw_clusters(ax, shown, means.loc[chosen])
    _draw_slopes(ax, slopes, shown, means.loc[chosen], rows[["x", "y"]].mean())
    ax.set(xlabel=label(x, labels, data), ylabel=label(y, labels, data))
    count = counted(len(chosen), len(means), cluster)
    return finished(ax, _describe_slopes(x, y, len(shown), count, slopes))


def three_slopes(rows: pd.DataFrame, x: str, cluster: str) -> dict[str, float]:
    """Least-squares slopes within, between and pooled; columns of ``rows``: x, y, cluster."""
    means = rows.groupby("cluster", observed=True)[["x", "y"]].transform("mean")
    parts = {
        "within": rows[["x", "y"]] - means,
        "between": means - rows[["x", "y"]].mean(),
        "pooled": rows[["x", "y"]] - rows[["x", "y"]].mean(),
    }
    ss = {name: float(part["x"] @ part["x"]) for name, part in parts.items()}
    # Rounding leaves about 1e-16 of the total sum of squares where there is no variation.
    if ss["within"] <= 1e-12 * ss["pooled"]:
        raise DataError(
            f"'{x}' is constant within every cluster of '{cluster}': it has no slope within them."
        )
    if ss["between"] <= 1e-12 * ss["pooled"]:
        raise DataError(
            f"'{x}' has the same mean in every cluster of '{cluster}' (is it centred within "
            "clusters?): it has no between-cluster slope. Use the uncentred column."
        )
    return {name: float(part["x"] @ part["y"]) / ss[name] for name, part in parts.items()}


def own_lines(rows: pd.DataFrame) -> list[np.ndarray]:
    """End points of each cluster's least-squares line, over the cluster's range of x."""
    lines = []
    for _, part in rows.groupby("cluster", observed=True):
        dx = part["x"] - part["x"].mean()
        if dx.abs().max() > 1e-10 * part["x"].abs().max():
            slope = (dx @ part["y"]) / (dx @ dx)
            ends = np.array([part["x"].min(), part["x"].max()])
            lines.append(np.c_[ends, part["y"].mean() + slope * (ends - part["x"].mean())])
    return lines


def _draw_clusters(ax: Axes, rows: pd.DataFrame, means: pd.DataFrame) -> None:
    many = len(means) > 40
    row_cloud(ax, rows["x"], rows["y"], *((5, 0.4) if many else (9, 0.8)))
    width, alpha = (0.7, 0.6) if many else (1.2, 0.95)
    thin_lines(ax, own_lines(rows), PALETTE["sky"], width, alpha, label="cluster line")
    look = {"facecolors": "white", "edgecolors": PALETTE["black"], "linewidths": 0.8, "zorder": 3}
    ax.scatter(means["x"], means["y"], s=16 if many else 32, label="cluster mean", **look)


def _draw_slopes(ax: Axes, slopes, rows, means, centre: pd.Series) -> None:
    """The three lines; the between line only as far as there are cluster means."""
    wide, narrow = (np.array([part["x"].min(), part["x"].max()]) for part in (rows, means))
    looks = {
        "within": (wide, PALETTE["blue"], "-"),
        "pooled": (wide, PALETTE["black"], (0, (1, 1.2))),
        "between": (narrow, PALETTE["vermillion"], (0, (5, 1.2))),
    }
    for name, (ends, color, dashes) in looks.items():
        heights = centre["y"] + slopes[name] * (ends - centre["x"])
        text = f"{name}: slope {number(slopes[name])}"
        bold_line(ax, ends, heights, color, dashes, text, width=2.6, halo=4.4)


def _describe_slopes(x: str, y: str, n: int, count: str, slopes: dict[str, float]) -> str:
    within, between, pooled = (number(slopes[name]) for name in ("within", "between", "pooled"))
    comparison = "" if abs(slopes["between"]) > abs(slopes["within"]) else "not "
    return (
        f"{y} against {x} for {n:,} rows in {count}. The slope is {within} within clusters, "
        f"{between} between cluster means and {pooled} over all rows: the between line is "
        f"{comparison}steeper than the within line. Thin lines are the clusters' own regressions."
    )
