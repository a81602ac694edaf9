"""Figures with one mark a cluster: their means, and the effects predicted for them."""

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
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import axes_or_new, cluster_axis, dot, row_cloud
from mlteach.plots.words import counted, described, label, number, span

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
    _draw_rows(ax, rows, shown.index)
    line = ax.axhline(mean, color=PALETTE["black"], lw=1.2, ls="--", zorder=2)
    line.set_label(f"mean of all rows ({number(mean)})")
    handles = [line, _draw_means(ax, shown)]
    ax.set_ylabel(label(y, labels, source if isinstance(source, pd.DataFrame) else None))
    count = counted(len(shown), len(table), cluster)
    cluster_axis(ax, shown.index, f"{count}, sorted by mean")
    legend_with_headroom(ax, handles)
    return described(ax, _describe(y, count, shown, mean))


def _rows(source, y: str | None, cluster: str | None) -> tuple[pd.DataFrame, str, str]:
    """Outcome and cluster of every row, and their names."""
    table = isinstance(source, pd.DataFrame) or not (hasattr(source, "design") or y is None)
    if table:
        if y is None or cluster is None:
            raise DataError("cluster_dots needs y= and cluster= to know the columns of the data.")
        rows = complete_rows(source, [y], cluster, "cluster_dots")
        return rows.set_axis(["y", "cluster"], axis=1), y, cluster
    fit = need_fit(source, "cluster_dots (with data: pass a DataFrame, y= and cluster=)")
    if y is not None or cluster is not None:
        raise DataError("cluster_dots takes y= and cluster= with a DataFrame only, not with a fit.")
    rows = pd.DataFrame({"y": fit.design.y, "cluster": fit.design.labels[fit.design.codes]})
    return rows, fit.outcome, fit.cluster


def _areas(n: np.ndarray) -> np.ndarray:
    """Marker areas (points²) proportional to cluster size, smaller where there are many."""
    largest = np.clip(7000 / len(n), 40, 110)
    return np.maximum(largest * n / n.max(), 3)


def _draw_rows(ax: Axes, rows: pd.DataFrame, order: pd.Index) -> None:
    position = order.get_indexer(rows["cluster"])
    shown = position >= 0
    row_cloud(ax, position[shown], rows["y"][shown], 5, 0.55)


def _draw_means(ax: Axes, table: pd.DataFrame) -> Line2D:
    blue, areas = PALETTE["blue"], _areas(table["n"].to_numpy())
    look = {"color": blue, "edgecolors": "white", "linewidths": 0.4, "zorder": 3}
    ax.scatter(range(len(table)), table["mean"], s=areas, gid="means", **look)
    text = f"cluster mean, area ∝ rows ({span(table['n'])})"
    return dot(blue, blue, text)


def _describe(y: str, count: str, table: pd.DataFrame, mean: float) -> str:
    low, high = table.iloc[0], table.iloc[-1]
    return (
        f"Means of {y} in {count}, sorted. They run from {number(low['mean'])} in cluster "
        f"{table.index[0]} to {number(high['mean'])} in cluster {table.index[-1]}; the mean of all "
        f"rows is {number(mean)}. The clusters have {span(table['n'])} rows."
    )
