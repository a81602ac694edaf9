"""What all figures share: colours, style, legends, descriptions, and checks of the input.

Colours are Okabe and Ito's, which readers with any common colour vision tell apart; wherever two
things must be told apart they also differ in marker, line or hatch, so that a greyscale print still
works. Nothing here changes matplotlib's settings unless :func:`use_style` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlteach.core.arguments import checked, whole
from mlteach.core.columns import numbers, table_with
from mlteach.core.palette import PALETTE
from mlteach.core.result import as_generator
from mlteach.errors import DataError, DataWarning, ModelError, warn
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult

# In this order neighbours differ in lightness too: dark, light, black, ...
SERIES = tuple(
    zip(
        [PALETTE[c] for c in ("blue", "orange", "black", "green", "purple", "sky")],
        ("o", "s", "D", "^", "v", "P"),
        strict=True,
    )
)

#: Fill, hatch, and the colour of a number on it.
Fill = tuple[str, str, str]

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALETTE["grey"],
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=[color for color, _ in SERIES])
    + cycler(linestyle=["-", "--", "-.", ":", (0, (6, 2)), (0, (1, 3))]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
    "figure.figsize": (6.8, 4.2),
    "font.size": 10.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "xtick.color": PALETTE["grey"],
    "xtick.labelcolor": PALETTE["black"],
    "ytick.color": PALETTE["grey"],
    "ytick.labelcolor": PALETTE["black"],
}

_descriptions: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


# ------------------------------------------------------------------------------------------ style


@checked
def use_style() -> None:
    """Give every later figure of this session the look of the book (changes ``rcParams``).

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with mpl.rc_context():
    ...     use_style()
    ...     mpl.rcParams["axes.spines.top"]
    False
    """
    plt.rcParams.update(_STYLE)


@checked
@contextmanager
def style() -> Iterator[None]:
    """Give the figures made inside a ``with`` block the look of the book.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> before = mpl.rcParams["font.size"]
    >>> with style():
    ...     print(mpl.rcParams["font.size"])
    10.5
    >>> mpl.rcParams["font.size"] == before
    True
    """
    with plt.rc_context(_STYLE):
        yield


# ----------------------------------------------------------------------------------- descriptions


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


# ---------------------------------------------------------------------------- labels and legends


def label(
    column: str, labels: Mapping[str, str] | None = None, data: pd.DataFrame | None = None
) -> str:
    """What to write beside an axis: the caller's words, else the codebook's with the unit."""
    if labels is not None and column in labels:
        return fill(labels[column], 48)
    attrs = getattr(data, "attrs", {})
    text = attrs.get("codebook", {}).get(column, column)
    unit = attrs.get("units", {}).get(column)
    return fill(f"{text} ({unit})" if unit else text, 48)


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height that the Axes will have, roughly: the layout comes after the drawing."""
    box = ax.get_window_extent()
    # A layout engine leaves less margin than the defaults, from which the extent is taken.
    points = 72 / ax.figure.dpi * (1.0 if ax.figure.get_layout_engine() is None else 1.1)
    return box.width * points, box.height * points


def cluster_axis(ax: Axes, ids: Sequence, text: str) -> None:
    """Name the clusters along the x-axis while there is room for their names."""
    ax.set_xlim(-1, len(ids))
    names = [str(i) for i in ids]
    if len(ids) <= 30:
        room = size_in_points(ax)[0] / (len(ids) + 1)
        upright = 7 * (max(map(len, names)) + 1) > room
        ax.set_xticks(range(len(ids)), names, rotation=90 if upright else 0)
    else:
        ax.set_xticks([])
    ax.set_xlabel(text)


# ------------------------------------------------------------------------------------ stacked bars


def stacked_bars(
    ax: Axes, table: pd.DataFrame, fills: Mapping[str, Fill], text: Callable[[float], str]
) -> None:
    """Draw each column as a bar of its rows end to end, with the number of each that has room."""
    position = np.arange(table.shape[1])
    left = np.zeros(table.shape[1])
    widest = table.sum().max()
    for part, values in table.iterrows():
        color, hatch, ink = fills[part]
        bars = ax.barh(
            position, values, left=left, height=0.62, color=color, hatch=hatch, edgecolor="white"
        )
        bars.set_label(part)
        for at, start, value in zip(position, left, values, strict=True):
            # Narrower segments have no room for their number; the description gives it.
            if value > 0.075 * widest:
                box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1} if hatch else None
                middle = start + value / 2
                ax.text(middle, at, text(value), ha="center", va="center", color=ink, bbox=box)
        left += values.to_numpy()
    ax.set_yticks(position, list(table.columns))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(position) - 0.5, -0.5)


# ------------------------------------------------------------------------------ checks of the input


def axes_or_new(ax: Axes | None, height: float | None = None) -> Axes:
    """The caller's Axes, or those of a new figure, of a height (inches) of its own if given."""
    if ax is None:
        width, usual = plt.rcParams["figure.figsize"]
        return plt.subplots(figsize=(width, usual if height is None else height))[1]
    if not isinstance(ax, Axes):
        raise DataError(
            f"ax must be one matplotlib Axes, not {type(ax).__name__}. From plt.subplots(1, 2) "
            "take one element: fig, axes = plt.subplots(1, 2); ax=axes[0]."
        )
    return ax


def need(fit: object, kind: type, where: str, what: str) -> object:
    """Refuse anything but a fit of a kind; ``what`` says what returns one."""
    if not isinstance(fit, kind):
        raise ModelError(f"{where} needs {what}; it got {type(fit).__name__}.")
    return fit


def need_fit(fit: object, where: str) -> MixedResult:
    """Refuse anything but a fitted mixed model."""
    return need(fit, MixedResult, where, "a fitted model, such as mt.fit_empty(...) returns")


def need_random_effects(fit: object, where: str) -> MixedResult | LocationScaleResult:
    """Refuse anything but a fitted mixed or location-scale model."""
    return fit if isinstance(fit, LocationScaleResult) else need_fit(fit, where)


def need_location_scale(fit: object, where: str) -> LocationScaleResult:
    """Refuse anything but a fitted location-scale model."""
    what = "a location-scale model, such as mt.fit_location_scale(...) returns"
    return need(fit, LocationScaleResult, where, what)


def effect_names(fit: MixedResult | LocationScaleResult) -> list[str]:
    """Random effects of a fit; those of a variance function carry the prefix ``scale:``."""
    return fit.effects if isinstance(fit, LocationScaleResult) else list(fit.design.z_names)


def need_share(value: float, name: str) -> float:
    """Refuse a probability that is not strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise ModelError(f"{name}={value} is not between 0 and 1; 0.95, for example, is.")
    return value


def need_effect(fit: MixedResult | LocationScaleResult, effect: str, where: str) -> str:
    """Refuse an effect that does not vary over clusters in this model."""
    names = effect_names(fit)
    if effect not in names:
        raise ModelError(
            f"{where}: '{effect}' is not a random effect of '{fit.formula}'. "
            f"It has: {', '.join(names)}."
        )
    return effect


def named_fits(
    fits: object, where: str, need: Callable[[object, str], object] = need_fit
) -> dict[str, MixedResult | LocationScaleResult]:
    """One fit, a list or a dict of fits, as a dict from name to fit; ``need`` refuses others."""
    if isinstance(fits, MixedResult | LocationScaleResult):
        fits = {"": fits}
    elif isinstance(fits, Sequence) and not isinstance(fits, str):
        fits = {f"Model {k}": fit for k, fit in enumerate(fits, start=1)}
    if not isinstance(fits, Mapping):
        raise ModelError(
            f"{where} takes a fit, a list of fits or a dict from name to fit; it got "
            f"{type(fits).__name__}."
        )
    if not fits:
        raise ModelError(f"{where} got no fit at all.")
    return {str(name): need(fit, where) for name, fit in fits.items()}


def complete_rows(
    data: pd.DataFrame, numeric: Sequence[str], cluster: str, where: str
) -> pd.DataFrame:
    """The rows without a missing value in the columns of the figure, numbers as floats.

    Raises
    ------
    DataError
        If a column is missing, not numeric or infinite, or if no row is complete.
    """
    columns = [*numeric, cluster]
    data = table_with(data, columns, where)
    if len(set(columns)) < len(columns):
        raise DataError(f"{where} needs different columns; it got {', '.join(columns)}.")
    rows = data[columns].dropna()
    if rows.empty:
        raise DataError(f"{where}: no row has values in all of {', '.join(map(repr, columns))}.")
    if len(rows) < len(data):
        warn(
            f"{where} leaves out {len(data) - len(rows)} of {len(data)} rows with a missing value.",
            DataWarning,
        )
    for column in numeric:
        rows = rows.assign(**{column: numbers(rows[column], column)})
    return rows


def sample_clusters(ids: pd.Index, n_clusters: int | None, seed: int) -> pd.Index:
    """All clusters, or a random sample of them that the seed makes repeatable."""
    if n_clusters is None:
        return ids
    whole("n_clusters", n_clusters, 1, len(ids))
    chosen = as_generator(seed).choice(len(ids), n_clusters, replace=False)
    return ids[np.sort(chosen)]
