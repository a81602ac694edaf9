"""Figure of explained variance: Rights and Sterba's decomposition as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import named_fits
from mlteach.plots.estimates import Fits
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import Fill, axes_or_new, stacked_bars
from mlteach.plots.words import described, listed_by_name
from mlteach.questions.r_squared import r_squared as decompose

# Part of the decomposition to the words of the legend and its fill. What is between clusters is
# blue, what is a slope green, the residual orange, as in variance_bar.
_WORDS = {
    "fixed_within": "f1: predictors, within",
    "fixed_between": "f2: predictors, between",
    "slope_variation": "random slopes",
    "mean_variation": "random intercepts",
    "residual": "residual",
}
_FILLS: dict[str, Fill] = {
    "f1: predictors, within": (PALETTE["yellow"], "xx", "black"),
    "f2: predictors, between": (PALETTE["sky"], "...", "black"),
    "random slopes": (PALETTE["green"], "///", "black"),
    "random intercepts": (PALETTE["blue"], "", "white"),
    "residual": (PALETTE["orange"], "", "black"),
}


@checked
def r_squared(fits: Fits, *, ax: Axes | None = None) -> Axes:
    """Draw where the variance of the outcome goes, after Rights and Sterba.

    One fit gives three bars: shares of the total, of the variance within clusters and of that
    between them. Several fits give one bar each: shares of the total.

    Parameters
    ----------
    fits : MixedResult, list of them, or dict from name to MixedResult
        Lists are named "Model 1", "Model 2", ...
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        The numbers are those of ``mt.r_squared(fit).decomposition``. Parts that no bar has are
        left out. A bar is empty if there is no variance of its kind.

    Raises
    ------
    ModelError
        If something is not a fit.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_random_intercept("math ~ ses + sector", mt.load("hsb"), cluster="school")
    >>> ax = plots.r_squared(fit)
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['total', 'within', 'between']

    References
    ----------
    Rights & Sterba (2019), Psychological Methods 24(3), doi:10.1037/met0000184.
    """
    fits = named_fits(fits, "r_squared")
    table = _shares(fits).rename(index=_WORDS)
    table = table[(table > 0).any(axis=1)]
    ax = axes_or_new(ax, height=1.7 + 0.6 * table.shape[1])
    stacked_bars(ax, table, _FILLS, "{:.0%}".format)
    legend_with_headroom(ax)
    ax.set_xlim(0, 1)
    ax.set_xlabel("Share of the variance" if len(fits) == 1 else "Share of the total variance")
    return described(ax, _describe(table, fits))


def _shares(fits: Mapping[str, MixedResult]) -> pd.DataFrame:
    """Shares of the five parts; a column a bar."""
    tables = {name: decompose(fit).decomposition for name, fit in fits.items()}
    if len(tables) == 1:
        (only,) = tables.values()
        return only[["total", "within", "between"]].fillna(0.0)
    return pd.DataFrame({name: table["total"] for name, table in tables.items()})


def _describe(table: pd.DataFrame, fits: Mapping[str, MixedResult]) -> str:
    outcomes = " and ".join(dict.fromkeys(fit.outcome for fit in fits.values()))
    kind = "" if len(fits) == 1 else "total "
    parts = {
        name: [f"{p} {share:.1%}" for p, share in shares.items() if share > 0] or ["no variance"]
        for name, shares in table.items()
    }
    return f"Stacked bars of shares of the {kind}variance of {outcomes}. {listed_by_name(parts)}"
