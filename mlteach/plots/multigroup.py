"""Multigroup models: the groups' distributions on one level, and derived quantities by group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from mlteach.core.arguments import checked
from mlteach.errors import ModelError
from mlteach.multigroup.result import MultigroupResult
from mlteach.plots.base import (
    PALETTE,
    SERIES,
    axes_or_new,
    described,
    label,
    legend_with_headroom,
    need_share,
    number,
)

LEVELS = ("within", "between")
RATIO_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0)
TABLES = {
    "icc": "ICC",
    "variance_ratios": "ratio of variances",
    "correlations": "correlation",
}


@checked
def level_ellipses(
    fit: MultigroupResult,
    level: str = "within",
    x: str | None = None,
    y: str | None = None,
    *,
    share: float = 0.5,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what the model says of two variables on one level: an ellipse a group around its mean.

    Within, the ellipse holds that share of the members of an average cluster; between, that share
    of the clusters' true means. A group whose matrix is not positive definite has none.

    Parameters
    ----------
    fit : MultigroupResult
        With two variables or more, without positions.
    level : {"within", "between"}, default "within"
    x, y : str, optional
        Variables along the axes; the first two by default.
    share : float, default 0.5
        Share of the distribution inside an ellipse.
    data : DataFrame, optional
        Whose ``attrs`` hold words for the columns. Its rows, or between its cluster means, are
        drawn as points.
    labels : mapping of str to str, optional
        Words for the variables.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the model has no such pair of variables, or the level is unknown.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_multigroup(["math", "ses"], mt.load("hsb"), cluster="school", group="sector")
    >>> ax = plots.level_ellipses(fit, "between", "ses", "math")
    >>> len(ax.patches)
    2
    """
    _need(fit, "level_ellipses")
    if level not in LEVELS:
        raise ModelError(f'level={level!r} is neither "within" nor "between".')
    need_share(share, "share")
    pair = _pair(fit, x, y)
    ax = axes_or_new(ax)
    radius = np.sqrt(-2.0 * np.log1p(-share))
    said = []
    for k, group in enumerate(fit.groups):
        color, marker = SERIES[k % len(SERIES)]
        centre = fit.means.loc[group, pair].to_numpy()
        S = getattr(fit, level)[group].loc[pair, pair].to_numpy()
        if data is not None:
            ax.plot(*_points(fit, data, group, level, pair).T, ls="", marker=marker, ms=3, mew=0,
                    color=color, alpha=0.25, zorder=1)  # fmt: skip
        said.append(_draw_ellipse(ax, centre, S, radius, color, marker, str(group)))
    ax.autoscale_view()
    ax.set(xlabel=label(pair[0], labels, data), ylabel=label(pair[1], labels, data))
    legend_with_headroom(ax, title=f"{level} clusters, {share:.0%} of each group")
    return described(ax, f"Ellipses that hold {share:.0%} of {pair[1]} against {pair[0]} {level} "
                         f"clusters. {' '.join(said)}")  # fmt: skip


@checked
def group_quantities(
    fit: MultigroupResult,
    what: str = "icc",
    *,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw ICCs, variance ratios or correlations with their 95% intervals.

    Parameters
    ----------
    fit : MultigroupResult
    what : {"icc", "variance_ratios", "correlations"}, default "icc"
        Ratios are drawn on a logarithmic axis.
    labels : mapping of str to str, optional
        Words for variables.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If the quantity is unknown, or the model leaves nothing to show.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_multigroup(["math", "ses"], mt.load("hsb"), cluster="school", group="sector")
    >>> ax = plots.group_quantities(fit)
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['math', 'ses']
    """
    _need(fit, "group_quantities")
    if what not in TABLES:
        raise ModelError(f"what={what!r} is unknown; use one of {', '.join(TABLES)}.")
    table = fit.icc_table if what == "icc" else getattr(fit, what)
    table = table.dropna(subset="estimate")
    if table.empty:
        raise ModelError(f"The model has no {TABLES[what]}s to show.")
    rows, series = _rows_and_series(table, what, labels or {})
    names, kinds = list(dict.fromkeys(rows)), list(dict.fromkeys(series))
    ax = axes_or_new(ax, 1.3 + 0.32 * len(names) * max(1, len(kinds)))
    for k, kind in enumerate(kinds):
        own = table[[name == kind for name in series]]
        at = np.array([names.index(r) for r, s in zip(rows, series, strict=True) if s == kind])
        at = at + 0.22 * (k - (len(kinds) - 1) / 2)
        color, marker = SERIES[k % len(SERIES)]
        ax.hlines(at, own["lower"], own["upper"], color=color, lw=2)
        ax.plot(own["estimate"], at, ls="", marker=marker, ms=7, color=color, label=kind)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"{TABLES[what]} with 95% interval")
    _reference_line(ax, what)
    if len(kinds) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return described(ax, _describe(table, what, rows, series))


# ------------------------------------------------------------------------------------------ parts


def _need(fit: object, where: str) -> None:
    if not isinstance(fit, MultigroupResult):
        raise ModelError(
            f"{where} needs a multigroup model, such as mt.fit_multigroup(...) returns; it got "
            f"{type(fit).__name__}."
        )


def _pair(fit: MultigroupResult, x: str | None, y: str | None) -> list[str]:
    if len(fit.variables) < 2 or fit.model.positions:
        raise ModelError("level_ellipses needs a model of two variables or more, no positions.")
    x = fit.variables[0] if x is None else x
    y = next(name for name in fit.variables if name != x) if y is None else y
    unknown = [name for name in (x, y) if name not in fit.variables]
    if unknown or x == y:
        raise ModelError(
            f"level_ellipses needs two different variables of the model "
            f"({', '.join(map(str, fit.variables))}); got {x!r} and {y!r}."
        )
    return [x, y]


def _points(fit: MultigroupResult, data: pd.DataFrame, group, level: str, pair) -> np.ndarray:
    """Rows of a group, or its cluster means."""
    rows = data if fit.data.group is None else data[data[fit.data.group] == group]
    if level == "within":
        return rows[pair].dropna().to_numpy(dtype=float)
    return rows.groupby(fit.data.cluster, observed=True)[pair].mean().dropna().to_numpy()


def _draw_ellipse(ax: Axes, centre, S, radius: float, color, marker, group: str) -> str:
    """Draw a group's ellipse and mean; what to say of it."""
    ax.plot(*centre, ls="", marker=marker, ms=8, color=color, mec="white", zorder=4, label=group)
    where = f"{group}: mean at ({number(centre[0])}, {number(centre[1])})"
    values, vectors = np.linalg.eigh(S)
    if values[0] <= 0:
        return f"{where}, no ellipse (the matrix is not positive definite)."
    width, height = 2.0 * radius * np.sqrt(values[::-1])
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    ax.add_patch(
        Ellipse(centre, width, height, angle=angle, fill=False, ec=color, lw=2.2, zorder=3)
    )
    sds, r = np.sqrt(np.diag(S)), S[0, 1] / np.sqrt(S[0, 0] * S[1, 1])
    return f"{where}, SDs {number(sds[0])} and {number(sds[1])}, correlation {number(r)}."


def _rows_and_series(table: pd.DataFrame, what: str, labels) -> tuple[list[str], list[str]]:
    """Place along the axis, and group or level, of each row of a table."""
    if what == "icc":
        return [labels.get(v, v) for v, _ in table.index], [str(g) for _, g in table.index]
    if what == "correlations":
        return [f"{pair}, {level}" for level, pair, _ in table.index], [
            str(g) for *_, g in table.index
        ]
    rows = [f"{labels.get(v, v)}, {groups}" for _, v, groups in table.index]
    return rows, [level for level, *_ in table.index]


def _reference_line(ax: Axes, what: str) -> None:
    """A line where the groups, or the clusters, do not differ; a logarithmic axis for ratios."""
    if what == "variance_ratios":
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        ticks = [t for t in RATIO_TICKS if low <= t <= high]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    ax.axvline(1.0 if what == "variance_ratios" else 0.0, color=PALETTE["light"], lw=1, zorder=0)


def _describe(table: pd.DataFrame, what: str, rows: list[str], series: list[str]) -> str:
    said = [
        f"{row} ({kind}): {number(e)}, from {number(low)} to {number(high)}."
        for row, kind, e, low, high in zip(
            rows, series, table["estimate"], table["lower"], table["upper"], strict=True
        )
    ]
    return f"Estimates of {TABLES[what]}s with 95% intervals. {' '.join(said)}"
