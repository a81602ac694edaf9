"""Figures with one mark a cluster: their means, and the effects predicted for them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mlteach.core.arguments import checked
from mlteach.errors import DataError
from mlteach.mixed.result import MixedResult
from mlteach.plots.base import (
    PALETTE,
    axes_or_new,
    cluster_axis,
    complete_rows,
    counted,
    described,
    label,
    legend_with_headroom,
    need_fit,
    number,
    sample_clusters,
)

# ------------------------------------------------------------------------------------ cluster dots


@checked
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
        rows = complete_rows(source, [y], cluster, "cluster_dots")
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
