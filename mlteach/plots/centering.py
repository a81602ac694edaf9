"""What the slope of a level-1 predictor is made of: the contextual triangle, and the smushed slope.

Blue is within clusters, vermillion between them and black what lies in between, as in
:func:`mlteach.plots.within_between`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.centering.result import CenteringResult
from mlteach.core.arguments import checked, refuse_others
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.plots.legend import finished
from mlteach.plots.marks import axes_or_new, beside
from mlteach.plots.words import described, number

# How far the lines of the two clusters reach to either side of the triangle.
REACH = 0.35


@checked
def contextual_triangle(
    effects: CenteringResult | tuple[float, float],
    predictor: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the within, the between and the contextual effect as the sides of one triangle.

    Two clusters have means of the predictor that are one unit apart. From the average member of the
    first one can go straight to the average member of the second, along the between line. Or one
    stays in the first cluster, goes to the member with that value of the predictor, along the
    within line, and then changes the cluster: that jump is the contextual effect.

    Parameters
    ----------
    effects : CenteringResult or (within, between)
        What ``mt.fit_centering`` returns, or two slopes.
    predictor : str, optional
        Which predictor, where the result has several; for two slopes its name on the axis.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Both axes start at the average member of the first cluster.

    Raises
    ------
    ModelError
        If the effects are neither, a slope is not finite, or the predictor is not in the result.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ses = mt.fit_centering("math ~ ses", mt.load("hsb"), cluster="school")
    >>> ax = plots.contextual_triangle(ses)
    >>> [text.get_text() for text in ax.get_legend().get_texts()][:3]
    ['within: 2.19', 'contextual: 3.68', 'between: 5.87']
    """
    if isinstance(effects, CenteringResult):
        x, rows = _rows(effects, predictor, "contextual_triangle")
        fit = effects.fits["within_between"]
        within, between = rows.loc["within", "estimate"], rows.loc["between", "estimate"]
        y, cluster = fit.outcome, fit.cluster
    else:
        within, between = _two_slopes(effects)
        x, y, cluster = predictor or "x", "y", "cluster"
    ax = axes_or_new(ax)
    _draw_lines(ax, within, between, cluster)
    _draw_sides(ax, within, between)
    _draw_members(ax, within, between, x, cluster)
    ax.set(
        xlim=(-REACH - 0.05, 1 + REACH + 0.05),
        xlabel=f"{x}, from the mean of {cluster} 1",
        ylabel=f"Expected {y}, from the\naverage member of {cluster} 1",
    )
    ax.set_xticks([0, 1])
    ax.margins(y=0.12)
    return finished(ax, _describe_triangle(within, between, x, y, cluster))


@checked
def smushing(
    result: CenteringResult, predictor: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw where the smushed slope lies between the within and the between effect.

    Parameters
    ----------
    result : CenteringResult
        What ``mt.fit_centering`` returns.
    predictor : str, optional
        Which one, where the result has several.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Dots are estimates, thin lines their confidence intervals. The bar reaches from the within
        to the between effect; its parts, on both sides of the smushed slope, are as long as the
        weights: the blue part, *beyond* the slope, that of the within effect. With several
        predictors the slope of one borrows from the others and may lie outside of the bar.

    Raises
    ------
    ModelError
        If it is no such result, or the predictor is not in it.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ses = mt.fit_centering("math ~ ses", mt.load("hsb"), cluster="school")
    >>> ax = plots.smushing(ses)
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['within', 'smushed', 'between']
    """
    x, rows = _rows(result, predictor, "smushing")
    rows, phi = rows.loc[["within", "smushed", "between"]], result.phi[x]
    ax = axes_or_new(ax, height=2.6)
    _draw_weights(ax, *rows["estimate"])
    colors = (PALETTE["blue"], PALETTE["black"], PALETTE["vermillion"])
    for at, (row, color) in enumerate(zip(rows.itertuples(), colors, strict=True)):
        ax.plot([row.lower, row.upper], [at, at], color=color, lw=1.6, ls="-", zorder=3)
        ax.plot(row.estimate, at, "o", color=color, ms=7, mec="white", zorder=4)
        shift = (0, 11 if at == 1 else 7)
        beside(ax, number(row.estimate), (row.estimate, at), shift, ha="center")
    ax.set_yticks(range(3), rows.index)
    ax.set_ylim(2.5, -0.7)
    ax.set_xlabel(f"Slope of {result.fits['smushed'].outcome} on {x}")
    ax.set_title(f"weight of within {phi:.3f}, of between {1 - phi:.3f}", loc="left")
    return described(ax, _describe_smushing(x, rows["estimate"], phi))


# ------------------------------------------------------------------------------------------ drawing


def _draw_lines(ax: Axes, within: float, between: float, cluster: str) -> None:
    """The within lines of both clusters, beyond the triangle, each named at one of its ends."""
    ends = np.array([-REACH, 1 + REACH])
    up = within >= 0
    for k, (offset, end) in enumerate([(0.0, 1), (between - within, 0)], start=1):
        y = offset + within * ends
        ax.plot(ends, y, color=PALETTE["sky"], lw=1.4, ls="-", zorder=1)
        # On that side of the line from which it runs away.
        above = up == bool(end)
        look = {"ha": "right" if end else "left", "va": "bottom" if above else "top"}
        shift = (0, 3 if above else -3)
        beside(ax, f"{cluster} {k}", (ends[end], y[end]), shift, fontsize="small", **look)


def _draw_sides(ax: Axes, within: float, between: float) -> None:
    sides = {
        "within": ((0, 1), (0, within), PALETTE["blue"], "-"),
        "contextual": ((1, 1), (within, between), PALETTE["black"], (0, (1, 1.2))),
        "between": ((0, 1), (0, between), PALETTE["vermillion"], (0, (5, 1.2))),
    }
    for name, (x, y, color, dashes) in sides.items():
        text = f"{name}: {number(y[1] - y[0])}"
        ax.plot(x, y, color=color, ls=dashes, lw=3, zorder=2, label=text)


def _draw_members(ax: Axes, within: float, between: float, x: str, cluster: str) -> None:
    """Numbered corners; the legend says who stands there."""
    corners = {
        f"average member of {cluster} 1": (0, 0),
        f"member of {cluster} 1 with {x} one higher": (1, within),
        f"average member of {cluster} 2": (1, between),
    }
    for k, (text, at) in enumerate(corners.items(), start=1):
        ax.plot(*at, "o", ms=15, mfc="white", mec=PALETTE["black"], mew=1.2, zorder=3)
        ax.plot(
            *at, ls="", marker=f"${k}$", ms=7, mew=0, color=PALETTE["black"], zorder=4, label=text
        )


def _draw_weights(ax: Axes, within: float, smushed: float, between: float) -> None:
    """The bar from within to between, cut where the smushed slope is."""
    if not min(within, between) <= smushed <= max(within, between):
        return
    look = {"height": 0.34, "alpha": 0.45, "zorder": 1}
    ax.barh(1, smushed - within, left=within, color=PALETTE["vermillion"], hatch="//", **look)
    ax.barh(1, between - smushed, left=smushed, color=PALETTE["blue"], **look)


# -------------------------------------------------------------------------------------------- input


def _rows(result: CenteringResult, predictor: str | None, where: str) -> tuple[str, pd.DataFrame]:
    """Name of the predictor, and its rows of the result's table."""
    names = list(result.phi.index)
    if predictor is None and len(names) > 1:
        raise ModelError(f"{where}: name one of the predictors {', '.join(names)}.")
    name = names[0] if predictor is None else predictor
    refuse_others([name], names, f"in {where} is not a predictor of this result", "It has")
    return name, result.table if len(names) == 1 else result.table.loc[name]


def _two_slopes(effects: object) -> tuple[float, float]:
    try:
        within, between = (float(effect) for effect in effects)
    except (TypeError, ValueError):
        raise ModelError(
            "contextual_triangle takes what mt.fit_centering(...) returns, or two slopes "
            f"(within, between); it got {effects!r}."
        ) from None
    if not np.isfinite([within, between]).all():
        raise ModelError(f"contextual_triangle: the slopes {within}, {between} are not finite.")
    return within, between


# ----------------------------------------------------------------------------------------- in words


def _describe_triangle(within: float, between: float, x: str, y: str, cluster: str) -> str:
    w, c, b = (number(value) for value in (within, between - within, between))
    return (
        f"Triangle of the effects of {x} on {y}. From the average member of {cluster} 1 the within "
        f"line leads to a member of the same {cluster} with {x} one higher, a difference of {w}. "
        f"From there a vertical step of {c}, the contextual effect, leads to the average member of "
        f"{cluster} 2. The straight way between the average members is the between effect, {b}."
    )


def _describe_smushing(x: str, estimates: pd.Series, phi: float) -> str:
    within, smushed, between = (number(value) for value in estimates)
    return (
        f"Slopes of {x} on one scale: within {within}, smushed {smushed}, between {between}. The "
        f"within effect has a weight of {phi:.3f} in the smushed one."
    )
