"""Fans: a predicted line or variance curve a cluster along a level-1 predictor, and the average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, one_of, refuse_others
from mlteach.core.columns import cluster_means
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import cluster_groups, line_looks, sample_clusters
from mlteach.plots.legend import finished
from mlteach.plots.marks import axes_or_new, bold_line, thin_lines
from mlteach.plots.words import counted, ends, label, number
from mlteach.questions.slope_line import columns_with

# Places along x at which a variance is drawn.
POINTS = 41

# ------------------------------------------------------------------------------------------ lines


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
    count = counted(len(chosen), len(lines), fit.cluster)
    return finished(ax, _describe_lines(fit, x, lines, groups, count))


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
    columns = dict.fromkeys([*d.inside, *d.z_names, *d.x_names])
    known = [name for name in columns if name != "Intercept"]
    refuse_others([x], known, f"is no column of '{fit.formula}'", "It has")
    in_x, in_z = columns_with(d, x)
    fixed = d.X[:, in_x] @ fit.params.to_numpy()[in_x]
    blups = fit.ranef()[list(d.z_names)].to_numpy()
    both = fixed + np.einsum("iq,iq->i", d.Z[:, in_z], blups[:, in_z][d.codes])
    table, slope = _lines_along(d.column(x), d.codes, x, fit.cluster)
    heights = np.column_stack([fit.predict(), fit.predict(random=False)])
    height, fixed_height = cluster_means(heights, d.codes).T
    table = table.assign(height=height, slope=slope(both))
    table = table.assign(fixed_height=fixed_height, fixed_slope=slope(fixed))
    return table.set_axis(d.labels)


def _draw_fan(ax: Axes, lines: pd.DataFrame, color: str, name: str) -> None:
    start, end, middle, height, slope, *_ = lines.to_numpy().T[:, :, None]
    at = np.hstack([start, end])
    places = np.stack([at, height + slope * (at - middle)], axis=2)
    width, alpha = (0.7, 0.55) if len(lines) > 40 else (1.2, 0.9)
    thin_lines(ax, places, color, width, alpha, gid=name or "cluster line")
    if not name:
        ax.plot([], [], color=color, lw=1.2, label="cluster line")


def _average_line(lines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Its two ends: at each the average of the heights there of each cluster's line."""
    at, varying = np.array([lines["start"].min(), lines["end"].max()]), lines.dropna()
    slope = varying["fixed_slope"]
    at_zero = varying["fixed_height"] - slope * varying["middle"]
    return at, at_zero.mean() + slope.mean() * at


def _describe_lines(fit, x: str, lines: pd.DataFrame, groups: pd.Series, count: str) -> str:
    means = [
        f"{number(lines.loc[groups == name, 'fixed_slope'].mean())}{' in ' + name if name else ''}"
        for name in groups.cat.categories
    ]
    return (
        f"Predicted lines of {fit.outcome} along {x} in {count}. Slopes run "
        f"{ends(lines['slope'].dropna())}.{_without_line(lines, x)} The average slope is "
        f"{', '.join(means)}."
    )


# ---------------------------------------------------------------------------------------- variances


@checked
def variance_lines(
    fit: LocationScaleResult,
    x: str,
    of: str = "variance",
    *,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted level-1 variance of each cluster along a predictor, and the average.

    A cluster's curve is exp(w'alpha + s'v_j), over the values of x in the cluster, other predictors
    at the cluster's mean. The average curve is the mean over clusters of
    exp(w'alpha + s'Omega_v s / 2), the variance with v_j integrated out. If x acts on the log
    variance along a curve or interacts with a level-1 predictor, the least-squares line through its
    part of the log variance is drawn.

    Parameters
    ----------
    fit : LocationScaleResult
    x : str
        A predictor of the variance function that varies within clusters.
    of : {"variance", "sd"}, default "variance"
        The variance, or its root.
    color_by : str or Series, optional
        Colour by a level-2 characteristic, a column of ``data`` or a Series indexed by cluster; at
        most six values. Each gets its own average curve.
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
    ModelError
        If x has no column in the variance function, or does not vary within clusters.
    DataError
        As :func:`caterpillar` for ``color_by``.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_location_scale("score16 ~ score11 + (1 | school)",
    ...                             "~ score11 + (1 | school)", mt.load("london"))
    >>> ax = plots.variance_lines(fit, "score11", of="sd")
    >>> ax.get_ylabel()
    'Level-1 SD of score16'
    """
    one_of("of", of, ("variance", "sd"))
    places, curves = variance_curves(fit, x)
    groups = cluster_groups(fit, color_by, data, "variance_lines")
    along = np.linspace(places["start"].min(), places["end"].max(), POINTS)
    ax = axes_or_new(ax)
    power = 0.5 if of == "sd" else 1.0
    averages = {}
    for name, color, bold, dashes in line_looks(groups):
        members = (groups == name).to_numpy()
        averages[name] = average_curve(fit, x, along, members)
        _draw_curves(ax, places[members], curves[members] ** power, color, not name)
        text = name or "population average"
        bold_line(ax, along, averages[name] ** power, bold, dashes, text)
    what = "SD" if of == "sd" else "variance"
    words = fill(f"Level-1 {what} of {label(fit.outcome, labels, data)}", 40)
    ax.set(xlabel=label(x, labels, data), ylabel=words)
    ax.set_ylim(bottom=0)
    return finished(ax, _describe_curves(fit, x, along, averages, curves))


def variance_curves(fit: LocationScaleResult, x: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Level-1 variance of each cluster along x, with its predicted effects.

    Returns
    -------
    places : DataFrame, shape (J, 2)
        Columns start and end: smallest and largest x in the cluster.
    curves : DataFrame, shape (J, POINTS)
        Variances at equally spaced places from start to end. NaN where x does not vary.
    """
    table, columns_at = _lines(fit, x)
    start, end = table["start"].to_numpy()[:, None], table["end"].to_numpy()[:, None]
    W, S = columns_at(start + np.linspace(0.0, 1.0, POINTS) * (end - start))
    v = fit.ranef()[[SCALE + name for name in fit.design.s_names]].to_numpy()
    log_variance = W @ fit.log_variance["estimate"].to_numpy() + np.einsum("jgr,jr->jg", S, v)
    curves = np.exp(log_variance + fit.cluster_shift[:, None])
    labels = fit.design.mean.labels
    curves = pd.DataFrame(np.where(end > start, curves, np.nan), index=labels)
    return table[["start", "end"]].set_axis(labels), curves


def average_curve(
    fit: LocationScaleResult, x: str, along: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """Level-1 variance along x with v integrated out, mean over some clusters (boolean, (J,))."""
    table, columns_at = _lines(fit, x)
    W, S = columns_at(np.broadcast_to(along, (len(table), len(along))))
    q = fit.design.mean.Z.shape[1]
    half = 0.5 * np.einsum("jgr,jrs,jgs->jg", S, fit.omega[:, q:, q:], S)
    log_variance = W @ fit.log_variance["estimate"].to_numpy() + half + fit.average_shift
    return np.exp(log_variance[members]).mean(axis=0)


def _lines(fit: LocationScaleResult, x: str) -> tuple[pd.DataFrame, Callable]:
    """Start, end and middle of x in each cluster, and the columns of W and S along it.

    Each column is a line in x in each cluster, level if x is not in it. The function takes G values
    of x in each cluster, (J, G), and returns W (J, G, k) and S (J, G, r).
    """
    d, codes = fit.design, fit.design.mean.codes
    known = [name for name in d.w_names if name != "Intercept"]
    what = f"is no column of the variance function '{d.variance_text.strip()}'"
    refuse_others([x], known, what, "It has")
    table, slope_of = _lines_along(d.W[:, d.w_names.index(x)], codes, x, fit.cluster)
    columns, k = np.hstack([d.W, d.S]), len(d.w_names)
    in_w, in_s = columns_with(d.variance, x)
    height, slope = cluster_means(columns, codes), np.zeros((len(table), columns.shape[1]))
    for c in [*in_w, *(k + c for c in in_s if c < d.S.shape[1])]:
        slope[:, c] = np.nan_to_num(slope_of(columns[:, c]))

    def columns_at(places: np.ndarray) -> list[np.ndarray]:
        moved = places - table["middle"].to_numpy()[:, None]
        both = height[:, None] + moved[:, :, None] * slope[:, None]
        return np.split(both, [k], axis=2)

    return table, columns_at


def _draw_curves(ax: Axes, places, curves: pd.DataFrame, color: str, in_legend: bool) -> None:
    start, end = places.to_numpy().T[:, :, None]
    at = start + np.linspace(0.0, 1.0, POINTS) * (end - start)
    varies = curves.notna().all(axis=1).to_numpy()
    thin_lines(ax, np.stack([at, curves], axis=2)[varies], color, 0.8, 0.6, gid="clusters")
    if in_legend:
        ax.plot([], [], color=color, lw=1.2, label="cluster")


def _describe_curves(fit, x: str, along, averages, curves: pd.DataFrame) -> str:
    said = [
        f"{number(curve[0])} at {x} = {number(along[0])} to {number(curve[-1])} at "
        f"{number(along[-1])}{' in ' + name if name else ''}"
        for name, curve in averages.items()
    ]
    text = (
        f"Predicted level-1 variance of {fit.outcome} along {x} in {len(curves)} clusters "
        f"({fit.cluster}). The average goes from {', from '.join(said)}.{_without_line(curves, x)}"
    )
    if SCALE + x not in fit.effects:
        return f"{text} In all clusters the variance changes with {x} by the same factor."
    return text


# -------------------------------------------------------------------------------------- predictors


def _lines_along(
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


def _without_line(lines: pd.DataFrame, x: str) -> str:
    """A sentence on the clusters whose row is not complete; empty if there are none."""
    count = lines.isna().any(axis=1).sum()
    return f" {count} clusters have no line, because {x} does not vary in them." if count else ""
