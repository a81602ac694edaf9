"""Figures of the two sides of a model: its variance components and its coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import named_fits
from mlteach.plots.legend import legend_with_headroom
from mlteach.plots.marks import Fill, axes_or_new, stacked_bars
from mlteach.plots.style import SERIES
from mlteach.plots.words import described, label, listed_by_name, number, with_limits

Fits = MixedResult | Sequence[MixedResult] | Mapping[str, MixedResult]

_PARTS: dict[str, Fill] = {
    "between clusters": (PALETTE["blue"], "", "white"),
    "slopes": (PALETTE["green"], "///", "black"),
    "residual (within)": (PALETTE["orange"], "", "black"),
    "predictors": ("#E4E4E4", "...", "black"),
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
    return pd.Series(values, index=list(_PARTS), name="variance")


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
    _same_outcome(fits, share)
    table = pd.DataFrame({name: variance_parts(fit) for name, fit in fits.items()})
    if not predictors:
        table = table.drop("predictors")
    table = table[(table > 0).any(axis=1)]
    drawn = table / table.sum() if share else table
    ax = axes_or_new(ax, height=1.4 + 0.6 * len(fits))
    stacked_bars(ax, drawn, _PARTS, "{:.0%}".format if share else number)
    legend_with_headroom(ax)
    outcomes = " and ".join(dict.fromkeys(fit.outcome for fit in fits.values()))
    variance = f"Variance of {outcomes} (its unit, squared)"
    ax.set_xlabel("Share of the variance" if share else variance)
    return described(ax, _describe_bars(table, outcomes))


def _same_outcome(fits: Mapping[str, MixedResult], share: bool) -> None:
    outcomes = sorted({fit.outcome for fit in fits.values()})
    if len(outcomes) > 1 and not share:
        raise ModelError(
            f"The fits have different outcomes ({', '.join(outcomes)}), whose variances have "
            "different units. Compare shares instead: share=True."
        )


def _describe_bars(table: pd.DataFrame, outcomes: str) -> str:
    shares = table / table.sum()
    parts = {
        name: [f"{p} {number(v)} ({shares.loc[p, name]:.0%})" for p, v in values.items() if v > 0]
        for name, values in table.items()
    }
    return f"Stacked bars of the variance of {outcomes}. {listed_by_name(parts)}"


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
    for k, (model, table) in enumerate(tables.items()):
        _draw_coefficients(ax, table.reindex(names), k, len(tables), model)
    _finish_forest(ax, fits, names, level, labels)
    return described(ax, _describe_coefficients(tables, names, level))


def _draw_coefficients(ax: Axes, table: pd.DataFrame, k: int, models: int, model: str) -> None:
    color, marker = SERIES[k]
    shift = 0.0 if models == 1 else 0.5 * (k / (models - 1) - 0.5)
    position = np.arange(len(table)) + shift
    there = table["estimate"].notna().to_numpy()
    table, position = table[there], position[there]
    ax.hlines(position, table["lower"], table["upper"], color=color, lw=1.8, gid=model or "fit")
    ax.plot(table["estimate"], position, ls="", marker=marker, ms=6.5, color=color, label=model)


def _finish_forest(ax: Axes, fits, names: list[str], level: float, labels) -> None:
    ax.axvline(0, color=PALETTE["black"], lw=1, ls="--", zorder=1)
    for between in range(1, len(names)):
        ax.axhline(between - 0.5, color=PALETTE["light"], lw=0.6, zorder=0)
    scale = [name.startswith(SCALE) for name in names]
    if any(scale):
        ax.axhline(scale.index(True) - 0.5, color=PALETTE["black"], lw=1, zorder=0)
    ax.set_yticks(range(len(names)), [_coefficient_label(name, labels) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(f"Coefficient, with {level:.0%} interval")
    if len(fits) > 1:
        legend_with_headroom(ax)


def _coefficient_label(name: str, labels: Mapping[str, str] | None) -> str:
    if not name.startswith(SCALE) or name in (labels or {}):
        return label(name, labels)
    return f"log variance: {label(name.removeprefix(SCALE), labels)}"


def _describe_coefficients(tables: Mapping[str, pd.DataFrame], names, level: float) -> str:
    drawn = {m: table.reindex(names).dropna(subset="estimate") for m, table in tables.items()}
    parts = {
        model: [f"{name} {with_limits(row)}" for name, row in table.iterrows()]
        for model, table in drawn.items()
    }
    return f"Coefficients with {level:.0%} intervals. {listed_by_name(parts)}"
