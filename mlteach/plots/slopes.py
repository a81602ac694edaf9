"""Figures of slopes that differ, by a moderator, and of the variance that random slopes imply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.plots.legend import finished
from mlteach.plots.look import DASHES, SERIES
from mlteach.plots.marks import axes_or_new, beside, shade
from mlteach.plots.words import label, number, with_limits
from mlteach.questions.simple_slopes import JohnsonNeyman, contrast_table
from mlteach.questions.simple_slopes import johnson_neyman as bounds_of
from mlteach.questions.simple_slopes import simple_slopes as slopes_of
from mlteach.questions.slope_line import SlopeLine

# Points of a curve or band; bounds are shown if they lie at most this share of the observed range
# outside it.
POINTS, MARGIN = 161, 0.15

# ----------------------------------------------------------------------------------- simple slopes


@checked
def simple_slopes(
    fit: MixedResult,
    x: str,
    by: str,
    *,
    at: Sequence | None = None,
    hold: Mapping[str, object] | None = None,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted outcome along a predictor, one line for each value of its moderator.

    Terms of the model without x and its moderators stand at their mean over the rows.

    Parameters
    ----------
    fit : MixedResult
    x, by : str
        Predictor and moderator.
    at : sequence, optional
        Values of the moderator, at most six; by default those of
        :func:`mlteach.questions.simple_slopes`.
    hold : mapping of str to value, optional
        Values of other moderators of x.
    level : float, default 0.95
        Level of the bands, which are intervals of the mean outcome.
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
        As :func:`mlteach.questions.simple_slopes`, and for more than six values.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    >>> fit = mt.fit_mixed("math ~ ses_within * sector + (1 + ses_within | school)", hsb)
    >>> ax = plots.simple_slopes(fit, "ses_within", by="sector")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Catholic: slope 1.46', 'Public: slope 2.80']
    """
    table = slopes_of(fit, x, by, at=at, hold=hold, level=level)
    if len(table) > len(SERIES):
        raise ModelError(f"simple_slopes can show {len(SERIES)} lines; at= has {len(table)}.")
    line = SlopeLine(fit, x, by, dict(hold or {}))
    seen = line.observed(x)
    along = np.linspace(seen.min(), seen.max(), POINTS)
    ax = axes_or_new(ax)
    for k, (value, slope) in enumerate(table["estimate"].items()):
        band = contrast_table(fit, line.predictions(along, value), level=level)
        text = f"{_value_text(value)}: slope {number(slope)}"
        _draw_band(ax, along, band, SERIES[k][0], text, DASHES[k])
    ax.set(xlabel=label(x, labels), ylabel=f"Predicted {label(fit.outcome, labels)}")
    # A number needs to be told what it is a value of; the name of a category says so itself.
    title = label(by, labels) if pd.api.types.is_numeric_dtype(table.index) else None
    return finished(ax, _describe_slopes(fit, x, by, table, level, line.notes), title=title)


def _draw_band(ax: Axes, x: np.ndarray, band: pd.DataFrame, color, text, dashes) -> None:
    shade(ax, x, band, color)
    ax.plot(x, band["estimate"], color=color, ls=dashes, lw=2.2, label=text)


def _value_text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if value.is_integer() else number(value)


def _describe_slopes(fit, x, by, table: pd.DataFrame, level: float, notes) -> str:
    parts = [f"{with_limits(row)} at {by} = {_value_text(v)}" for v, row in table.iterrows()]
    text = (
        f"Predicted {fit.outcome} against {x}, one line for each value of {by}, with {level:.0%} "
        f"bands. The slope is {', '.join(parts)}."
    )
    return " ".join([text, *notes])


# ---------------------------------------------------------------------------------- Johnson-Neyman


@checked
def johnson_neyman(
    fit: MixedResult,
    x: str,
    by: str,
    *,
    hold: Mapping[str, object] | None = None,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the slope of a predictor against its moderator, and where its interval leaves out zero.

    Parameters
    ----------
    fit : MixedResult
    x, by : str
        Predictor and numeric moderator.
    hold : mapping of str to value, optional
        Values of other moderators of x.
    level : float, default 0.95
        Level of the band, which holds for one value of the moderator at a time.
    labels : mapping of str to str, optional
        Words for columns.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Marks along the lower edge are the observed values of the moderator, one a cluster if it is
        constant in each.

    Raises
    ------
    ModelError
        As :func:`mlteach.johnson_neyman`.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    >>> formula = "math ~ ses_within * (mean_ses + sector) + (1 + ses_within | school)"
    >>> ax = plots.johnson_neyman(mt.fit_mixed(formula, hsb), "ses_within", by="mean_ses")
    >>> [text.get_text() for text in ax.texts]
    ['-0.69']
    """
    found = bounds_of(fit, x, by, hold=hold, level=level)
    along = _window(found)
    band = slopes_of(fit, x, by, at=along, hold=hold, level=level)
    ax = axes_or_new(ax)
    ax.set_xlim(along[0], along[-1])
    ax.axhline(0, color=PALETTE["black"], lw=1)
    _draw_band(ax, along, band, PALETTE["blue"], f"slope, {level:.0%} band", "-")
    _draw_regions(ax, found)
    ax.set(xlabel=label(by, labels), ylabel=f"Slope of {label(x, labels)}")
    handles = ax.get_legend_handles_labels()[0]
    if (found.table["slope"] != "undecided").any():
        handles.append(Patch(fc=PALETTE["orange"], alpha=0.22, label="interval leaves out 0"))
    _draw_rug(ax, np.unique(SlopeLine(fit, x, by, dict(hold or {})).observed(by)))
    return finished(ax, _describe_johnson_neyman(fit, found), handles=handles, ground=True)


def _window(found: JohnsonNeyman) -> np.ndarray:
    """Grid over the observed values and over bounds that are not far from them."""
    low, high = found.observed
    room = MARGIN * (high - low)
    near = [b for b in found.bounds if low - room <= b <= high + room]
    return np.linspace(min([low, *near]) - room / 3, max([high, *near]) + room / 3, POINTS)


def _draw_regions(ax: Axes, found: JohnsonNeyman) -> None:
    low, high = ax.get_xlim()
    for _, row in found.table.iterrows():
        start, end = max(row["from"], low), min(row["to"], high)
        if row["slope"] != "undecided" and start < end:
            ax.axvspan(start, end, color=PALETTE["orange"], alpha=0.22, lw=0, zorder=0)
    for bound in found.bounds:
        if low < bound < high:
            ax.axvline(bound, color=PALETTE["vermillion"], ls="--", lw=1.4)
            foot = (bound, ax.get_ylim()[0])
            beside(ax, number(bound), foot, (4, 10), color=PALETTE["vermillion"])


def _draw_rug(ax: Axes, ticks: np.ndarray) -> None:
    """Short marks on the lower edge."""
    look = {"ls": "", "marker": "|", "ms": 9, "mew": 0.7, "color": PALETTE["grey"]}
    edge = {"transform": ax.get_xaxis_transform(), "clip_on": False}
    ax.plot(ticks, np.zeros(len(ticks)), gid="rug", **look, **edge)


def _describe_johnson_neyman(fit, found: JohnsonNeyman) -> str:
    low, high = map(number, found.observed)
    text = (
        f"Slope of {found.x} on {fit.outcome} against {found.by}, with a {found.level:.0%} band. "
        f"{found.region} Observed values of {found.by} run from {low} to {high}."
    )
    return " ".join([text, *found.notes])


# ------------------------------------------------------------------------------- variance function


@checked
def variance_function(
    fit: MixedResult,
    x: str,
    *,
    others: Mapping[str, float] | None = None,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the variance of the outcome that a random slope implies, along its predictor.

    Parameters
    ----------
    fit : MixedResult
    x : str
        A random slope.
    others : mapping of str to float, optional
        Values of the other predictors with random slopes; zero by default.
    level : float, default 0.95
        Level of the band; a singular fit has none.
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
        As ``fit.variance_function``.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
    >>> plots.describe(plots.variance_function(fit, "score11"))[:46]
    'Variance of score16 given score11, with a 95% '
    """
    table = fit.variance_function(x, others=others, level=level)
    numeric = pd.api.types.is_numeric_dtype(table.index.dtype)
    if numeric:
        along = np.linspace(*table.index[[0, -1]], POINTS)
        table = fit.variance_function(x, along, others=others, level=level)
    ax = axes_or_new(ax)
    (_draw_variances if numeric else _draw_categories)(ax, table, level)
    sigma2, lowest_at = table.attrs["sigma2"], table.attrs["lowest_at"]
    ax.axhline(sigma2, color=PALETTE["orange"], ls="--", lw=1.8, label="residual (within), σ²")
    if numeric and along[0] <= lowest_at <= along[-1]:
        look = {"marker": "o", "ms": 7, "mfc": "white", "mec": PALETTE["blue"], "mew": 1.8}
        text = f"lowest, at {number(lowest_at)}"
        ax.plot(lowest_at, table.attrs["lowest"], ls="", label=text, **look)
    ax.set(xlabel=label(x, labels), ylabel=f"Variance of {label(fit.outcome, labels)}")
    ax.set_ylim(bottom=0)
    describe = _describe_variances if numeric else _describe_categories
    parts = describe(f"Variance of {fit.outcome} given {x}", x, table, level)
    return finished(ax, " ".join([*parts, *table.attrs["notes"]]))


def _draw_variances(ax: Axes, table: pd.DataFrame, level: float) -> None:
    blue, along = PALETTE["blue"], table.index.to_numpy()
    ax.plot(along, table["variance"], color=blue, lw=2.2, label="total variance")
    if not table["se"].isna().any():
        shade(ax, along, table, blue, f"{level:.0%} band")


def _draw_categories(ax: Axes, table: pd.DataFrame, level: float) -> None:
    """A point and its limits for each category."""
    place, v = np.arange(len(table)), table["variance"].to_numpy()
    if not table["se"].isna().any():
        limits = np.abs(table[["lower", "upper"]].to_numpy().T - v)
        text = f"{level:.0%} limits"
        ax.errorbar(place, v, limits, fmt="none", color=PALETTE["blue"], label=text)
    ax.plot(place, v, ls="", marker="o", color=PALETTE["blue"], label="total variance")
    ax.set_xticks(place, [str(value) for value in table.index])


def _describe_categories(what: str, x: str, table: pd.DataFrame, level: float) -> list[str]:
    each = ", ".join(f"{number(value)} for {name}" for name, value in table["variance"].items())
    return [f"{what}: {each}; the residual variance is {number(table.attrs['sigma2'])}."]


def _describe_variances(what: str, x: str, table: pd.DataFrame, level: float) -> list[str]:
    first, last = table.iloc[0], table.iloc[-1]
    sigma2, place = table.attrs["sigma2"], table.attrs["lowest_at"]
    band = "" if table["se"].isna().any() else f", with a {level:.0%} band"
    parts = [
        f"{what}{band}. It is {number(first['variance'])} at {x} = {number(first.name)} and "
        f"{number(last['variance'])} at {number(last.name)}; the residual variance is "
        f"{number(sigma2)} everywhere."
    ]
    if np.isfinite(place):
        where = "" if first.name <= place <= last.name else ", outside the data"
        parts.append(
            f"The variance is lowest, {number(table.attrs['lowest'])}, at {number(place)}{where}."
        )
    return parts
