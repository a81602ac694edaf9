"""Arrows of shrinkage: from what a cluster's own rows say to what partial pooling says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import need_effects, sample_clusters
from mlteach.plots.legend import finished
from mlteach.plots.marks import axes_or_new, dot, ellipse_axes
from mlteach.plots.words import counted, label, number, span
from mlteach.questions.shrinkage import shrinkage as pooled

# The ellipse holds this share of the clusters of the estimated distribution.
SHARE = 0.95
# Space between clusters of different sizes, and how many sizes are written at the axis.
GAP, MOST_TICKS = 0.5, 12
# Fixed parts that differ by less than this, relative to tau, are one point.
SAME_POINT = 1e-9


@checked
def shrinkage(
    fit: MixedResult,
    effects: str | Sequence[str] | None = None,
    *,
    n_clusters: int | None = None,
    seed: int = 0,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an arrow for each cluster from its own estimate to partial pooling.

    One effect is drawn over the cluster sizes, two in the plane of both, with the complete-pooling
    point and an ellipse that holds 95% of the estimated distribution of clusters. Where the fixed
    part differs between clusters (level-2 predictors), differences from it are drawn.

    Parameters
    ----------
    fit : MixedResult
    effects : str or sequence of str, optional
        One or two random effects; the first two (or the only one) by default.
    n_clusters : int, optional
        Draw a random sample of so many clusters.
    seed : int, default 0
        Which sample.
    labels : mapping of str to str, optional
        Words for effects.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        The numbers are those of ``mt.shrinkage(fit)``. Clusters that have no estimate of their own
        are drawn at partial pooling, without an arrow.

    Raises
    ------
    ModelError
        If ``effects`` are not one or two different random effects of the fit.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ax = plots.shrinkage(mt.fit_empty("math", mt.load("hsb"), cluster="school"))
    >>> ax.get_xlabel()
    'Rows in the cluster; 160 clusters (school)'

    References
    ----------
    After Bates (2010), lme4: Mixed-effects modeling with R, chapter 3 (shrinkage plot).
    """
    names = _names(fit, effects)
    table = pooled(fit)
    several = isinstance(table.columns, pd.MultiIndex)
    parts = {name: table[name] if several else table for name in names}
    differ = _fixed_parts_differ(fit, parts)
    if differ:
        parts = {name: part.sub(part["complete"], axis=0) for name, part in parts.items()}
    chosen = sample_clusters(table.index, n_clusters, seed)
    shown = {name: part.loc[chosen] for name, part in parts.items()}
    ax = axes_or_new(ax)
    words = [_words(fit, name, differ, labels) for name in names]
    count = counted(len(chosen), len(table), fit.cluster)
    n = table["n"].loc[chosen]
    draw = _over_sizes if len(names) == 1 else _in_the_plane
    handles = draw(ax, fit, shown, n, words, count)
    return finished(ax, _describe(shown, n, count), handles=handles)


def _names(fit: MixedResult, effects: str | Sequence[str] | None) -> list[str]:
    if effects is None:
        return list(fit.design.z_names[:2])
    names = [effects] if isinstance(effects, str) else list(effects)
    need_effects(fit, "shrinkage", *names)
    if len(names) not in (1, 2) or len(set(names)) < len(names):
        raise ModelError(f"shrinkage draws one or two different effects; it got {names}.")
    return names


def _fixed_parts_differ(fit: MixedResult, parts: Mapping[str, pd.DataFrame]) -> bool:
    """Whether clusters have different complete-pooling points."""
    spread = max(np.ptp(part["complete"]) for part in parts.values())
    return bool(spread > SAME_POINT * max(np.sqrt(np.diag(fit.tau)).max(), np.sqrt(fit.sigma2)))


def _words(fit: MixedResult, name: str, differ: bool, labels: Mapping[str, str] | None) -> str:
    text = f"Intercept of {fit.outcome}" if name == "Intercept" else f"Slope of {name}"
    text = label(name, {name: text} | dict(labels or {}))
    return f"{text}, minus its fixed part" if differ else text


# --------------------------------------------------------------------------------------- the marks


def _over_sizes(ax, fit, parts, n: pd.Series, words, count: str) -> list:
    """One effect: the arrows stand upright at the cluster's size."""
    (part,) = parts.values()
    x = _side_by_side(n)
    handles = _arrows(ax, x, part["none"], x, part["partial"])
    ax.axhline(part["complete"].iloc[0], color=PALETTE["black"], ls="--", lw=1.2, zorder=1)
    ax.set(xlabel=f"Rows in the cluster; {count}", ylabel=words[0])
    _size_ticks(ax, n)
    return [*handles, Line2D([], [], color=PALETTE["black"], ls="--", label="complete pooling")]


def _side_by_side(n: pd.Series) -> pd.Series:
    """Where the clusters stand: in the order of their sizes, a gap between different sizes.

    By rank and not by size, so that one cluster of two rows does not squeeze all others.
    """
    ascending = n.sort_values(kind="stable")
    steps = 1.0 + GAP * (ascending.diff() > 0)
    return steps.cumsum()[n.index]


def _size_ticks(ax: Axes, n: pd.Series) -> None:
    """Cluster sizes below their clusters, as many as have room."""
    middle = _side_by_side(n).groupby(n).mean()
    room = np.ptp(middle) / MOST_TICKS
    chosen = [middle.index[0]]
    for size, at in middle.items():
        if at - middle[chosen[-1]] > room:
            chosen.append(size)
    ax.set_xticks(middle[chosen], [f"{size}" for size in chosen])


def _in_the_plane(ax, fit, parts, n: pd.Series, words, count: str) -> list:
    """Two effects: the arrows lead to the ellipse of the estimated distribution."""
    (first, x), (second, y) = parts.items()
    handles = _arrows(ax, x["none"], y["none"], x["partial"], y["partial"])
    centre = (x["complete"].iloc[0], y["complete"].iloc[0])
    lengths, angles = ellipse_axes(fit.tau.loc[[first, second], [first, second]], SHARE)
    black, text = PALETTE["black"], f"{SHARE:.0%} of clusters, estimated"
    look = {"fill": False, "ls": "--", "lw": 1.4, "ec": black, "zorder": 5, "gid": "ellipse"}
    ax.add_patch(Ellipse(centre, *lengths, angle=angles[0], **look))
    ax.plot(*centre, ls="", marker="X", ms=10, color=black, mec="white", zorder=6)
    ax.set(xlabel=f"{words[0]}; {count}", ylabel=words[1])
    point = Line2D([], [], ls="", marker="X", ms=8, color=black, label="complete pooling")
    return [*handles, point, Line2D([], [], color=black, ls="--", label=text)]


def _arrows(ax: Axes, x0, y0, x1, y1) -> list[Line2D]:
    """Arrows with a dot at either end; returns what stands for the dots in the legend."""
    x0, y0, x1, y1 = (np.asarray(values, float) for values in (x0, y0, x1, y1))
    many = len(x1) > 80
    units = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "inches"}
    heads = {"width": 0.012 if many else 0.018, "headwidth": 6, "headlength": 8, "minlength": 0}
    look = {"color": PALETTE["grey"], "zorder": 2, "gid": "arrows"}
    ax.quiver(x0, y0, x1 - x0, y1 - y0, **units, **heads, **look)
    own, partial = PALETTE["orange"], PALETTE["blue"]
    look = {"facecolors": "white", "edgecolors": own, "zorder": 3, "gid": "none"}
    ax.scatter(x0, y0, s=12 if many else 20, **look)
    look = {"color": partial, "edgecolors": "white", "linewidths": 0.3, "zorder": 4}
    ax.scatter(x1, y1, s=12 if many else 20, gid="partial", **look)
    return [dot("white", own, "no pooling (own rows)"), dot(partial, partial, "partial pooling")]


# --------------------------------------------------------------------------------------- the words


def _describe(parts: Mapping[str, pd.DataFrame], n: pd.Series, count: str) -> str:
    sentences = [f"Arrows from no pooling to partial pooling in {count} with {span(n)} rows each."]
    for name, part in parts.items():
        own, partial = part["none"].dropna(), _range(part["partial"])
        if own.empty:
            sentences.append(f"{name}: partial pooling runs from {partial}.")
            continue
        move = (part["partial"] - own).abs()
        sentences.append(
            f"{name}: own estimates run from {_range(own)}, partial pooling from {partial}; the "
            f"longest way is {number(move.max())}, in cluster {move.idxmax()} with "
            f"{n[move.idxmax()]} rows."
        )
    unknown = part["none"].isna().sum()
    if unknown:
        sentences.append(
            f"{unknown} of {len(n)} clusters have no estimate of their own, and no arrow."
        )
    return " ".join(sentences)


def _range(values: pd.Series) -> str:
    return f"{number(values.min())} to {number(values.max())}"
