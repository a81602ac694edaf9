"""Variances as stacked bars: the components of a model, and the parts that a model explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import Fits, named_fits
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import axes_or_new, names_downwards
from mlteach.plots.words import described, listed_by_name, number
from mlteach.questions.r_squared import r_squared as decompose

#: Fill, hatch, and the colour of a number on it.
Fill = tuple[str, str, str]
# What is between clusters is blue, what is a slope green, the residual orange.
BLUE, GREEN, ORANGE = (
    (PALETTE["blue"], "", "white"),
    (PALETTE["green"], "///", "black"),
    (PALETTE["orange"], "", "black"),
)
COMPONENTS: dict[str, Fill] = {
    "between clusters": BLUE,
    "slopes": GREEN,
    "residual (within)": ORANGE,
    "predictors": ("#E4E4E4", "...", "black"),
}
# Part of the decomposition to the words of the legend and its fill.
EXPLAINED: dict[str, tuple[str, Fill]] = {
    "fixed_within": ("f1: predictors, within", (PALETTE["yellow"], "xx", "black")),
    "fixed_between": ("f2: predictors, between", (PALETTE["sky"], "...", "black")),
    "slope_variation": ("random slopes", GREEN),
    "mean_variation": ("random intercepts", BLUE),
    "residual": ("residual", ORANGE),
}

# ------------------------------------------------------------------------------------ variance bar


@checked
def variance_parts(fit: MixedResult) -> pd.Series:
    """Variance of the outcome by where it comes from.

    With ``z`` a row's random-effect predictors, ``m`` their mean and ``S`` their covariance matrix
    over the rows, random effects contribute m'Tm + trace(TS): what clusters differ in at the
    average of the predictors, and what their slopes add (Rights & Sterba 2019,
    doi:10.1037/met0000184). ``predictors`` is the variance of the fixed part. Variances of
    predictors have the divisor N - 1, as in ``mt.r_squared``.

    Parameters
    ----------
    fit : MixedResult

    Returns
    -------
    Series
        Index: "between clusters", "slopes", "residual (within)", "predictors".

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> variance_parts(fit).round(2).tolist()
    [8.61, 0.0, 39.15, 0.0]
    """
    T, Z = fit.tau.to_numpy(), fit.design.Z
    mean = Z.mean(axis=0)
    spread = (Z - mean).T @ (Z - mean) / (len(Z) - 1)
    # Centred by column, so that an intercept alone has a variance of exactly zero.
    X = fit.design.X - fit.design.X.mean(axis=0)
    fixed = float(np.var(X @ fit.params.to_numpy(), ddof=1))
    values = [float(mean @ T @ mean), float(np.trace(T @ spread)), fit.sigma2, fixed]
    return pd.Series(values, index=list(COMPONENTS), name="variance")


@checked
def variance_bar(
    fits: Fits, *, predictors: bool = False, share: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw variance components as stacked bars, one bar a model.

    Parameters
    ----------
    fits : MixedResult, list of them, or dict from name to MixedResult
        Lists are named "Model 1", "Model 2", ...
    predictors : bool, default False
        Add the variance of the fixed part, so that a bar is the whole variance of the outcome.
    share : bool, default False
        Draw shares of each bar's total instead of variances.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        Random slopes enter as the variance that they add, see :func:`variance_parts`.

    Raises
    ------
    ModelError
        If something is not a fit, or outcomes differ while variances are asked for.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> hsb = mt.load("hsb")
    >>> fits = {"empty": mt.fit_empty("math", hsb, cluster="school"),
    ...         "sector": mt.fit_random_intercept("math ~ sector", hsb, cluster="school")}
    >>> [text.get_text() for text in plots.variance_bar(fits).texts]
    ['8.61', '6.68', '39.15', '39.15']
    """
    fits = named_fits(fits, "variance_bar")
    outcomes = _outcomes(fits)
    if len(outcomes) > 1 and not share:
        raise ModelError(
            f"The fits have different outcomes ({', '.join(outcomes)}), whose variances have "
            "different units. Compare shares instead: share=True."
        )
    table = pd.DataFrame({name: variance_parts(fit) for name, fit in fits.items()})
    if not predictors:
        table = table.drop("predictors")
    shares, of = table / table.sum(), " and ".join(outcomes)
    if share:
        ax = _draw_bars(ax, shares, COMPONENTS, "{:.0%}".format, 1.4)
        ax.set_xlabel("Share of the variance")
    else:
        ax = _draw_bars(ax, table, COMPONENTS, number, 1.4)
        ax.set_xlabel(f"Variance of {of} (its unit, squared)")
    parts = {
        name: [f"{p} {number(v)} ({shares.loc[p, name]:.0%})" for p, v in values.items() if v > 0]
        for name, values in table.items()
    }
    return described(ax, f"Stacked bars of the variance of {of}. {listed_by_name(parts)}")


# ------------------------------------------------------------------------------ explained variance


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
    table = _shares(fits).rename(index={part: words for part, (words, _) in EXPLAINED.items()})
    ax = _draw_bars(ax, table, dict(EXPLAINED.values()), "{:.0%}".format, 1.7)
    ax.set_xlim(0, 1)
    kind = "" if len(fits) == 1 else "total "
    ax.set_xlabel(f"Share of the {kind}variance")
    parts = {
        name: [f"{p} {share:.1%}" for p, share in shares.items() if share > 0] or ["no variance"]
        for name, shares in table.items()
    }
    what = f"shares of the {kind}variance of {' and '.join(_outcomes(fits))}"
    return described(ax, f"Stacked bars of {what}. {listed_by_name(parts)}")


def _shares(fits: Mapping[str, MixedResult]) -> pd.DataFrame:
    """Shares of the five parts; a column a bar."""
    tables = {name: decompose(fit).decomposition for name, fit in fits.items()}
    if len(tables) == 1:
        (only,) = tables.values()
        return only[["total", "within", "between"]].fillna(0.0)
    return pd.DataFrame({name: table["total"] for name, table in tables.items()})


# ----------------------------------------------------------------------------------------- drawing


def _outcomes(fits: Mapping[str, MixedResult]) -> list[str]:
    """Their different outcomes."""
    return list(dict.fromkeys(fit.outcome for fit in fits.values()))


def _draw_bars(
    ax: Axes | None,
    table: pd.DataFrame,
    fills: Mapping[str, Fill],
    text: Callable[[float], str],
    height: float,
) -> Axes:
    """Draw each column as a bar of its rows end to end; rows that no bar has are left out.

    ``text`` says a number, ``height`` is that of a figure without a bar, in inches.
    """
    ax = axes_or_new(ax, height + 0.6 * table.shape[1])
    table = table[(table > 0).any(axis=1)]
    position, left = np.arange(table.shape[1]), np.zeros(table.shape[1])
    widest = table.sum().max()
    for part, values in table.iterrows():
        color, hatch, ink = fills[part]
        look = {"height": 0.62, "color": color, "hatch": hatch, "edgecolor": "white"}
        ax.barh(position, values, left=left, label=part, **look)
        box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1} if hatch else None
        for at, start, value in zip(position, left, values, strict=True):
            # Narrower segments have no room for their number; the description gives it.
            if value > 0.075 * widest:
                middle = start + value / 2
                ax.text(middle, at, text(value), ha="center", va="center", color=ink, bbox=box)
        left += values.to_numpy()
    names_downwards(ax, list(table.columns))
    legend_with_headroom(ax)
    return ax
