"""What figures say: their descriptions, numbers as one would say them, and words for columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlteach.core.arguments import checked
from mlteach.errors import DataError

_descriptions: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


@checked
def describe(figure: Axes | Figure) -> str:
    """Say in plain sentences what a figure shows; usable as its alternative text.

    Parameters
    ----------
    figure : Axes or Figure
        What a function of this module returned or drew into. A Figure gives the descriptions of
        its Axes in order. Drawing twice into the same Axes keeps the later description.

    Returns
    -------
    str

    Raises
    ------
    DataError
        If no function of this module has drawn there.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> ax = plots.within_between(mt.load("hsb"), "ses", "math", "school")
    >>> plots.describe(ax)[:57]
    'math against ses for 7,185 rows in 160 clusters (school).'
    """
    axes = figure.axes if isinstance(figure, Figure) else [figure]
    texts = [_descriptions[ax] for ax in axes if isinstance(ax, Axes) and ax in _descriptions]
    if not texts:
        raise DataError(
            f"There is no description for this {type(figure).__name__}: describe() takes an Axes "
            "that a function of mlteach.plots returned, or its Figure."
        )
    return " ".join(texts)


def described(ax: Axes, text: str) -> Axes:
    """Keep the description of what was drawn, and hand the Axes back."""
    _descriptions[ax] = text
    return ax


def number(value: float) -> str:
    """A number as one would say it.

    Examples
    --------
    >>> number(12.637), number(0.0341), number(-7185.2), number(float("nan"))
    ('12.64', '0.034', '-7,185', 'undefined')
    """
    if np.isnan(value):
        return "undefined"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.2g}"


def counted(count: int, total: int, cluster: str) -> str:
    """How many clusters are drawn, of how many."""
    shown = f"{total} clusters ({cluster})"
    return shown if count == total else f"{count} of {shown}"


def ends(values: pd.Series) -> str:
    """From the smallest to the largest value, each with its cluster."""
    ascending = values.sort_values(kind="stable")
    low, high = (f"{number(ascending.iloc[k])} (cluster {ascending.index[k]})" for k in (0, -1))
    return f"from {low} to {high}"


def with_limits(row: pd.Series) -> str:
    """An estimate and its interval."""
    return f"{number(row['estimate'])} ({number(row['lower'])} to {number(row['upper'])})"


def listed_by_name(parts: Mapping[str, Sequence[str]]) -> str:
    """A sentence of parts for each name; one without a name says its parts only."""
    sentences = (f"{name and name + ': '}{', '.join(said)}." for name, said in parts.items())
    return " ".join(sentences)


def span(values: pd.Series) -> str:
    """The smallest and the largest of whole numbers, or the only one."""
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def label(
    column: str, labels: Mapping[str, str] | None = None, data: pd.DataFrame | None = None
) -> str:
    """What to write beside an axis: the caller's words, else the codebook's with the unit."""
    if labels is not None and column in labels:
        return fill(str(labels[column]), 48)
    attrs = getattr(data, "attrs", {})
    text = str(attrs.get("codebook", {}).get(column, column))
    unit = attrs.get("units", {}).get(column)
    return fill(f"{text} ({unit})" if unit else text, 48)
