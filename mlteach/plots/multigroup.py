"""Multigroup models: derived quantities by group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked, one_of
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.multigroup.result import MultigroupResult
from mlteach.plots.marks import axes_or_new, names_downwards
from mlteach.plots.style import SERIES
from mlteach.plots.words import described, number

RATIO_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 7.0, 10.0)
TABLES = {"icc": "ICC", "variance_ratios": "ratio of variances", "correlations": "correlation"}


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
    names_downwards(ax, names)
    ax.set_xlabel(f"{TABLES[what]} with 95% interval")
    _reference_line(ax, what)
    if len(kinds) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return described(ax, _describe(table, what, rows, series))


# ------------------------------------------------------------------------------------------ parts


def _rows_and_series(table: pd.DataFrame, what: str, labels) -> tuple[list[str], list[str]]:
    """Place along the axis, and group or level, of each row of a table."""
    if what == "icc":
        return [labels.get(v, v) for v, _ in table.index], [str(g) for _, g in table.index]
    if what == "correlations":
        rows = [f"{pair}, {level}" for level, pair, _ in table.index]
        return rows, [str(g) for *_, g in table.index]
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
