"""Forests: estimates by name, each a mark on its interval, models or groups side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, one_of
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.multigroup.result import MultigroupResult
from mlteach.plots.checks import Fits, named_fits
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.look import SERIES
from mlteach.plots.marks import axes_or_new, estimates, names_downwards
from mlteach.plots.words import described, label, listed_by_name, number, with_limits

RATIO_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0)
TABLES = {"icc": "ICC", "variance_ratios": "ratio of variances", "correlations": "correlation"}

# ------------------------------------------------------------------------------------ coefficients


@checked
def coefficients(
    fits: Fits | LocationScaleResult | Sequence | Mapping,
    *,
    level: float = 0.95,
    intercept: bool = False,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw coefficients with their confidence intervals, models side by side.

    Parameters
    ----------
    fits : MixedResult or LocationScaleResult, list of them, or dict from name to fit
        At most six. Lists are named "Model 1", "Model 2", ... Coefficients of a log variance
        function stand below those of the means.
    level : float, default 0.95
        Level of the intervals (t, with each fit's own degrees of freedom).
    intercept : bool, default False
        Draw the intercept too; it often lies far from the other coefficients.
    labels : mapping of str to str, optional
        Words for coefficients; those of a log variance have the prefix ``scale:``.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ModelError
        If something is not a fit, there are too many, or there is no coefficient to draw.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_random_intercept("math ~ ses + sector", mt.load("hsb"), cluster="school")
    >>> [tick.get_text() for tick in plots.coefficients(fit).get_yticklabels()]
    ['ses', 'sector[T.Public]']
    """
    fits = named_fits(fits, "coefficients", MixedResult | LocationScaleResult)
    if len(fits) > len(SERIES):
        raise ModelError(f"coefficients can show {len(SERIES)} models at once; it got {len(fits)}.")
    tables = {
        name: fit.tests(level=level) if isinstance(fit, MixedResult) else fit.table(level)
        for name, fit in fits.items()
    }
    names = list(dict.fromkeys(name for table in tables.values() for name in table.index))
    names = [name for name in names if intercept or name.removeprefix(SCALE) != "Intercept"]
    names.sort(key=lambda name: name.startswith(SCALE))
    if not names:
        raise ModelError("These models have an intercept only: use intercept=True to draw it.")
    ax = axes_or_new(ax, height=1.2 + len(names) * max(0.45, 0.22 * len(fits)))
    said = {}
    for k, (model, table) in enumerate(tables.items()):
        table = table.reindex(names).dropna(subset="estimate")
        shift = 0.0 if len(fits) == 1 else 0.5 * (k / (len(fits) - 1) - 0.5)
        at = pd.Index(names).get_indexer(table.index) + shift
        estimates(ax, at, table, k, model, width=1.8, size=6.5)
        said[model] = [f"{name} {with_limits(row)}" for name, row in table.iterrows()]
    _finish_forest(ax, names, level, labels)
    if len(fits) > 1:
        legend_with_headroom(ax)
    return described(ax, f"Coefficients with {level:.0%} intervals. {listed_by_name(said)}")


def _finish_forest(ax: Axes, names: list[str], level: float, labels) -> None:
    ax.axvline(0, color=PALETTE["black"], lw=1, ls="--", zorder=1)
    for between in range(1, len(names)):
        ax.axhline(between - 0.5, color=PALETTE["light"], lw=0.6, zorder=0)
    scale = [name.startswith(SCALE) for name in names]
    if any(scale):
        ax.axhline(scale.index(True) - 0.5, color=PALETTE["black"], lw=1, zorder=0)
    names_downwards(ax, [_coefficient_label(name, labels) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(f"Coefficient, with {level:.0%} interval")


def _coefficient_label(name: str, labels: Mapping[str, str] | None) -> str:
    if not name.startswith(SCALE) or name in (labels or {}):
        return label(name, labels)
    return f"log variance: {label(name.removeprefix(SCALE), labels)}"


# -------------------------------------------------------------------------------- groups


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
    one_of("what", what, TABLES)
    table = fit.icc_table if what == "icc" else getattr(fit, what)
    table = table.dropna(subset="estimate")
    if table.empty:
        raise ModelError(f"The model has no {TABLES[what]}s to show.")
    table = _named(table, what, labels or {})
    names, kinds = pd.Index(table["row"].unique()), table["series"].unique()
    ax = axes_or_new(ax, 1.3 + 0.32 * len(names) * len(kinds))
    for k, kind in enumerate(kinds):
        own = table[table["series"] == kind]
        at = names.get_indexer(own["row"]) + 0.22 * (k - (len(kinds) - 1) / 2)
        estimates(ax, at, own, k, kind, width=2, size=7)
    names_downwards(ax, names)
    ax.set_xlabel(f"{TABLES[what]} with 95% interval")
    _reference_line(ax, what)
    if len(kinds) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    said = [
        f"{row['row']} ({row['series']}): {number(row['estimate'])}, from {number(row['lower'])} "
        f"to {number(row['upper'])}."
        for _, row in table.iterrows()
    ]
    return described(ax, f"Estimates of {TABLES[what]}s with 95% intervals. {' '.join(said)}")


def _named(table: pd.DataFrame, what: str, labels: Mapping[str, str]) -> pd.DataFrame:
    """The table with each estimate's name on the axis, and its series: a group or a level."""
    if what == "icc":
        names = [(labels.get(v, v), str(group)) for v, group in table.index]
    elif what == "correlations":
        names = [(f"{pair}, {level}", str(group)) for level, pair, group in table.index]
    else:
        names = [(f"{labels.get(v, v)}, {groups}", level) for level, v, groups in table.index]
    rows, series = zip(*names, strict=True)
    return table.assign(row=rows, series=series)


def _reference_line(ax: Axes, what: str) -> None:
    """A line where the groups, or the clusters, do not differ; a logarithmic axis for ratios."""
    if what == "variance_ratios":
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        ticks = [t for t in RATIO_TICKS if low <= t <= high]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    ax.axvline(1.0 if what == "variance_ratios" else 0.0, color=PALETTE["light"], lw=1, zorder=0)
