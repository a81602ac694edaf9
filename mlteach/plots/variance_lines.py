"""The level-1 variance of a location-scale model along a predictor, one curve a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, one_of, refuse_others
from mlteach.core.columns import cluster_means
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.plots.fan import lines_along
from mlteach.plots.groups import cluster_groups, line_looks
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import axes_or_new, bold_line, thin_lines
from mlteach.plots.words import described, label, number
from mlteach.questions.slope_line import columns_with

# Places along x at which a curve is drawn.
POINTS = 41


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
    legend_with_headroom(ax)
    return described(ax, _describe_curves(fit, x, along, averages, curves))


def variance_curves(fit: LocationScaleResult, x: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Level-1 variance of each cluster along x, with its predicted effects.

    Returns
    -------
    places : DataFrame, shape (J, 2)
        Columns start and end: smallest and largest x in the cluster.
    curves : DataFrame, shape (J, POINTS)
        Variances at equally spaced places from start to end. NaN where x does not vary.
    """
    lines = _Lines.of(fit, x)
    share = np.linspace(0.0, 1.0, POINTS)
    at = lines.start[:, None] + share * (lines.end - lines.start)[:, None]
    W, S = lines.columns(at)
    v = fit.ranef()[[SCALE + name for name in fit.design.s_names]].to_numpy()
    log_variance = W @ fit.log_variance["estimate"].to_numpy() + np.einsum("jgr,jr->jg", S, v)
    log_variance += fit.cluster_shift[:, None]
    labels = fit.design.mean.labels
    places = pd.DataFrame({"start": lines.start, "end": lines.end}, index=labels)
    curves = np.where((lines.end > lines.start)[:, None], np.exp(log_variance), np.nan)
    return places, pd.DataFrame(curves, index=labels)


def average_curve(
    fit: LocationScaleResult, x: str, along: np.ndarray, members: np.ndarray
) -> np.ndarray:
    """Level-1 variance along x with v integrated out, mean over some clusters (boolean, (J,))."""
    lines = _Lines.of(fit, x)
    W, S = lines.columns(np.broadcast_to(along, (len(lines.start), len(along))))
    q = fit.design.mean.Z.shape[1]
    half = 0.5 * np.einsum("jgr,jrs,jgs->jg", S, fit.omega[:, q:, q:], S)
    log_variance = W @ fit.log_variance["estimate"].to_numpy() + half + fit.average_shift
    return np.exp(log_variance[members]).mean(axis=0)


@dataclass(frozen=True)
class _Lines:
    """Each column of W and S in each cluster as a line in x; columns without x are level.

    ``start``, ``end``, ``middle`` (J,) are the smallest, largest and mean x of a cluster;
    ``height`` (at the middle) and ``slope`` are (J, k + r).
    """

    start: np.ndarray
    end: np.ndarray
    middle: np.ndarray
    height: np.ndarray
    slope: np.ndarray
    k: int

    @classmethod
    def of(cls, fit: LocationScaleResult, x: str) -> _Lines:
        d, codes = fit.design, fit.design.mean.codes
        known = [name for name in d.w_names if name != "Intercept"]
        what = f"is no column of the variance function '{d.variance_text.strip()}'"
        refuse_others([x], known, what, "It has")
        values = d.W[:, d.w_names.index(x)]
        table, slope_of = lines_along(values, codes, x, fit.cluster)
        columns, k = np.hstack([d.W, d.S]), len(d.w_names)
        in_w, in_s = columns_with(d.variance, x)
        slope = np.zeros((len(table), columns.shape[1]))
        for c in [*in_w, *(k + c for c in in_s if c < d.S.shape[1])]:
            slope[:, c] = np.nan_to_num(slope_of(columns[:, c]))
        return cls(*table.to_numpy().T, cluster_means(columns, codes), slope, k)

    def columns(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W (J, G, k) and S (J, G, r) at G values of x in each cluster, (J, G)."""
        moved = at - self.middle[:, None]
        both = self.height[:, None] + moved[:, :, None] * self.slope[:, None]
        return both[:, :, : self.k], both[:, :, self.k :]


def _draw_curves(ax: Axes, places, curves: pd.DataFrame, color: str, in_legend: bool) -> None:
    start, end = places.to_numpy().T[:, :, None]
    at = start + np.linspace(0.0, 1.0, POINTS) * (end - start)
    varies = curves.notna().all(axis=1).to_numpy()
    thin_lines(ax, np.stack([at, curves], axis=2)[varies], color, 0.8, 0.6, gid="clusters")
    if in_legend:
        ax.plot([], [], color=color, lw=1.2, label="cluster")


def _describe_curves(fit, x: str, along, averages, curves: pd.DataFrame) -> str:
    count = f"{len(curves)} clusters ({fit.cluster})"
    ends = [
        f"{number(curve[0])} at {x} = {number(along[0])} to {number(curve[-1])} at "
        f"{number(along[-1])}{' in ' + name if name else ''}"
        for name, curve in averages.items()
    ]
    text = (
        f"Predicted level-1 variance of {fit.outcome} along {x} in {count}. The average goes from "
        f"{', from '.join(ends)}."
    )
    constant = int(curves.isna().any(axis=1).sum())
    if constant:
        text += f" {constant} clusters have no line, because {x} does not vary in them."
    if SCALE + x not in fit.effects:
        return f"{text} In all clusters the variance changes with {x} by the same factor."
    return text
