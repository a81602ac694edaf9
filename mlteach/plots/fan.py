"""The fan of lines: one predicted line a cluster along a level-1 predictor, and their average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from mlteach.core.arguments import checked
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.plots.base import (
    PALETTE,
    SERIES,
    axes_or_new,
    counted,
    described,
    label,
    need_fit,
    number,
    sample_clusters,
)
from mlteach.plots.caterpillar import cluster_categories
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.slopes import DASHES
from mlteach.questions.slope_line import columns_with


@checked
def cluster_lines(
    fit: MixedResult,
    x: str,
    *,
    n_clusters: int | None = None,
    seed: int = 0,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted line of each cluster along a level-1 predictor, and their average.

    A cluster's line uses its predicted random effects and, where x interacts with level-2
    predictors, their values; everything else is at the cluster's mean. If x acts along a curve or
    interacts with a level-1 predictor, the line is the least-squares line through the predictions.

    Parameters
    ----------
    fit : MixedResult
    x : str
        A predictor that varies within clusters and has a column of its own in the model.
    n_clusters : int, optional
        Draw a random sample of so many clusters; averages are of all of them.
    seed : int, default 0
        Which sample.
    color_by : str or Series, optional
        Colour by a level-2 characteristic, a column of ``data`` or a Series indexed by cluster; at
        most six values. Each gets its own average line.
    data : DataFrame, optional
        The data that hold the column ``color_by`` (and, in ``attrs``, the words for columns).
    labels : mapping of str to str, optional
        Words for columns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        The average lines are of the fixed part: clusters count alike.

    Raises
    ------
    ModelError
        If x has no column in the model, or does not vary within clusters.
    DataError
        As :func:`caterpillar` for ``color_by``.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
    >>> ax = plots.cluster_lines(fit, "score11", n_clusters=20)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['cluster line', 'average: slope 0.56']
    """
    need_fit(fit, "cluster_lines")
    lines = predicted_lines(fit, x)
    chosen = sample_clusters(lines.index, n_clusters, seed)
    groups = pd.Series("", index=fit.design.labels)
    if color_by is not None:
        groups = cluster_categories(fit, color_by, data, "cluster_lines").astype(str)
    ax = axes_or_new(ax)
    for k, name in enumerate(sorted(groups.unique())):
        members = lines[groups == name]
        color = PALETTE["sky"] if color_by is None else SERIES[k][0]
        shown = members[members.index.isin(chosen)].dropna()
        _draw_fan(ax, shown, color, name or "cluster line", color_by is None)
        average = PALETTE["black"] if color_by is None else SERIES[k][0]
        _draw_average(ax, members, average, f"{name or 'average'}", DASHES[k])
    ax.set(xlabel=label(x, labels, data), ylabel=f"Predicted {label(fit.outcome, labels, data)}")
    legend_with_headroom(ax)
    count = counted(len(chosen), len(lines), fit.cluster)
    return described(ax, _describe_lines(fit, x, lines, groups, count))


def predicted_lines(fit: MixedResult, x: str) -> pd.DataFrame:
    """Line of each cluster along x: where it starts, ends, passes, and how steep it is.

    Returns
    -------
    DataFrame, shape (J, 7)
        Index: cluster ids. Columns start, end (smallest and largest x), middle (mean of x), height
        and slope (of the predictions with random effects), fixed_height and fixed_slope (without).
        Slopes are NaN in clusters where x does not vary.
    """
    d = fit.design
    columns = {
        **d.inside,
        **dict(zip(d.z_names, d.Z.T, strict=True)),
        **dict(zip(d.x_names, d.X.T, strict=True)),
    }
    if x not in columns:
        known = ", ".join(name for name in columns if name != "Intercept")
        raise ModelError(f"'{x}' is no column of '{fit.formula}'. It has: {known}.")
    in_x, in_z = columns_with(d, x)
    fixed = d.X[:, in_x] @ fit.params.to_numpy()[in_x]
    blups = fit.ranef()[list(d.z_names)].to_numpy()
    both = fixed + np.einsum("iq,iq->i", d.Z[:, in_z], blups[:, in_z][d.codes])
    grouped = pd.DataFrame({"x": columns[x], "height": fit.fitted.to_numpy()}).groupby(d.codes)
    table = grouped["x"].agg(start="min", end="max", middle="mean")
    deviation = columns[x] - table["middle"].to_numpy()[d.codes]
    square = np.bincount(d.codes, weights=deviation**2)
    varies = (table["end"] > table["start"]).to_numpy()
    if not varies.any():
        raise ModelError(f"'{x}' is constant in every cluster of '{fit.cluster}': no lines.")
    square = np.where(varies, square, np.nan)
    fixed_part = fit.predict(random=False).to_numpy()
    return table.assign(
        height=grouped["height"].mean(),
        slope=np.bincount(d.codes, weights=deviation * both) / square,
        fixed_height=np.bincount(d.codes, weights=fixed_part) / np.bincount(d.codes),
        fixed_slope=np.bincount(d.codes, weights=deviation * fixed) / square,
    ).set_axis(d.labels, axis=0)


def _draw_fan(ax: Axes, lines: pd.DataFrame, color: str, text: str, in_legend: bool) -> None:
    ends = lines[["start", "end"]].to_numpy()
    heights = lines[["height"]].to_numpy() + lines[["slope"]].to_numpy() * (
        ends - lines[["middle"]].to_numpy()
    )
    many = len(lines) > 40
    fan = LineCollection(
        np.stack([ends, heights], axis=2),
        colors=color,
        linewidths=0.7 if many else 1.2,
        alpha=0.55 if many else 0.9,
        zorder=2,
        gid=text,
    )
    ax.add_collection(fan)
    ax.autoscale_view()
    if in_legend:
        ax.plot([], [], color=color, lw=1.2, label=text)


def _draw_average(ax: Axes, lines: pd.DataFrame, color: str, text: str, dashes) -> None:
    slope, ends = lines["fixed_slope"].mean(), np.array([lines["start"].min(), lines["end"].max()])
    # Each cluster's line, at each of the two ends: the average of the heights there.
    varying = lines.dropna()
    heights = [
        (varying["fixed_height"] + varying["fixed_slope"] * (end - varying["middle"])).mean()
        for end in ends
    ]
    ax.plot(
        ends,
        heights,
        color=color,
        ls=dashes,
        lw=2.8,
        zorder=4,
        path_effects=[withStroke(linewidth=4.8, foreground="white")],
        label=f"{text}: slope {number(slope)}",
    )


def _describe_lines(fit, x: str, lines: pd.DataFrame, groups: pd.Series, count: str) -> str:
    slope = lines["slope"].dropna()
    text = (
        f"Predicted lines of {fit.outcome} along {x} in {count}. Slopes run from "
        f"{number(slope.min())} (cluster {slope.idxmin()}) to {number(slope.max())} (cluster "
        f"{slope.idxmax()})."
    )
    constant = len(lines) - len(slope)
    if constant:
        text += f" {constant} clusters have no line, because {x} does not vary in them."
    means = [
        f"{number(lines.loc[groups == name, 'fixed_slope'].mean())}{' in ' + name if name else ''}"
        for name in sorted(groups.unique())
    ]
    return f"{text} The average slope is {', '.join(means)}."
