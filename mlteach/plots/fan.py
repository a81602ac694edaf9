"""The fan of lines: one predicted line a cluster along a level-1 predictor, and their average."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, refuse_others
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import sample_clusters
from mlteach.plots.groups import cluster_groups, line_looks
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import axes_or_new, bold_line, thin_lines
from mlteach.plots.words import counted, described, label, number
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
    lines = predicted_lines(fit, x)
    chosen = sample_clusters(lines.index, n_clusters, seed)
    groups = cluster_groups(fit, color_by, data, "cluster_lines")
    ax = axes_or_new(ax)
    for name, color, bold, dashes in line_looks(groups):
        members = lines[groups == name]
        _draw_fan(ax, members[members.index.isin(chosen)].dropna(), color, name)
        text = f"{name or 'average'}: slope {number(members['fixed_slope'].mean())}"
        bold_line(ax, *_average_line(members), bold, dashes, text)
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
    known = [name for name in columns if name != "Intercept"]
    refuse_others([x], known, f"is no column of '{fit.formula}'", "It has")
    in_x, in_z = columns_with(d, x)
    fixed = d.X[:, in_x] @ fit.params.to_numpy()[in_x]
    blups = fit.ranef()[list(d.z_names)].to_numpy()
    both = fixed + np.einsum("iq,iq->i", d.Z[:, in_z], blups[:, in_z][d.codes])
    table, slope = lines_along(columns[x], d.codes, x, fit.cluster)
    fixed_part = fit.predict(random=False).to_numpy()
    return table.assign(
        height=fit.fitted.groupby(d.codes).mean().to_numpy(),
        slope=slope(both),
        fixed_height=np.bincount(d.codes, weights=fixed_part) / np.bincount(d.codes),
        fixed_slope=slope(fixed),
    ).set_axis(d.labels, axis=0)


def lines_along(
    x: np.ndarray, codes: np.ndarray, name: str, cluster: str
) -> tuple[pd.DataFrame, Callable[[np.ndarray], np.ndarray]]:
    """Start, end and middle of x in each cluster, and least-squares slopes along it, from y (N,).

    Slopes are NaN in clusters where x does not vary.

    Raises
    ------
    ModelError
        If it varies in none.
    """
    table = pd.Series(x).groupby(codes).agg(start="min", end="max", middle="mean")
    varies = (table["end"] > table["start"]).to_numpy()
    if not varies.any():
        raise ModelError(f"'{name}' is constant in every cluster of '{cluster}': no lines.")
    deviation = x - table["middle"].to_numpy()[codes]
    square = np.where(varies, np.bincount(codes, weights=deviation**2), np.nan)
    return table, lambda y: np.bincount(codes, weights=deviation * y) / square


def _draw_fan(ax: Axes, lines: pd.DataFrame, color: str, name: str) -> None:
    start, end, middle, height, slope, *_ = lines.to_numpy().T[:, :, None]
    ends = np.hstack([start, end])
    places = np.stack([ends, height + slope * (ends - middle)], axis=2)
    width, alpha = (0.7, 0.55) if len(lines) > 40 else (1.2, 0.9)
    thin_lines(ax, places, color, width, alpha, gid=name or "cluster line")
    if not name:
        ax.plot([], [], color=color, lw=1.2, label="cluster line")


def _average_line(lines: pd.DataFrame) -> tuple[np.ndarray, list[float]]:
    """Its two ends: at each the average of the heights there of each cluster's line."""
    ends = np.array([lines["start"].min(), lines["end"].max()])
    varying = lines.dropna()
    return ends, [
        (varying["fixed_height"] + varying["fixed_slope"] * (end - varying["middle"])).mean()
        for end in ends
    ]


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
        for name in groups.cat.categories
    ]
    return f"{text} The average slope is {', '.join(means)}."
