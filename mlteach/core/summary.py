"""How results look: coefficient tables and the two-sided summary, as text and as HTML.

Nothing is estimated here. A summary is a title, a few facts, and named tables: the model for the
means, the model for the variance, and notes for the reader.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from mlteach.core.arguments import check_level
from mlteach.core.distributions import t_quantile, two_sided_t

# Names that every table gives the constant, and the level-1 variance.
INTERCEPT, RESIDUAL = "Intercept", "Residual"
# What stands over the tables of a fit that stopped before its maximum.
NOT_CONVERGED = " - NOT CONVERGED, do not use these numbers"


def pair_name(effects: Sequence[str], first: int, second: int) -> str:
    """Name of a variance component: that of its effect, or ``a:b`` for a covariance.

    Where an interaction has that name, as in ``(a * b | g)``, covariances are ``cov(a, b)``.

    Examples
    --------
    >>> pair_name(["a", "b"], 0, 1), pair_name(["a", "b", "a:b"], 0, 1)
    ('a:b', 'cov(a, b)')
    """
    if first == second:
        return effects[first]
    a, b = effects[first], effects[second]
    return f"cov({a}, {b})" if _is_ambiguous(tuple(effects)) else f"{a}:{b}"


@lru_cache(maxsize=64)
def _is_ambiguous(effects: tuple[str, ...]) -> bool:
    names = [*effects, *map(":".join, combinations(effects, 2))]
    return len(set(names)) < len(names)


def coefficient_table(
    estimate: Sequence, se: Sequence, df: Sequence | float, level: float = 0.95, index=None
) -> pd.DataFrame:
    """Estimates with their t-tests and confidence limits.

    Parameters
    ----------
    estimate, se : array-like, shape (p,)
    df : array-like, shape (p,), or float
        Degrees of freedom; infinite ones make t a z.
    level : float, default 0.95
        Confidence level of ``lower`` and ``upper``.
    index : sequence, optional
        Names of the rows, where Series do not bring them along.

    Returns
    -------
    DataFrame
        One row a coefficient; columns estimate, se, df, t, p, lower, upper.

    Examples
    --------
    >>> one = pd.Series([2.0], index=["x"])
    >>> coefficient_table(one, one / 2, one * np.inf).round(3).loc["x", "p"]
    np.float64(0.0)
    """
    check_level(level)
    estimate, se = pd.Series(estimate, index), pd.Series(se, index)
    t = estimate / se
    half = t_quantile(level, df) * se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "df": df,
            "t": t,
            "p": two_sided_t(t, df),
            "lower": estimate - half,
            "upper": estimate + half,
        }
    )


def format_p(p: float) -> str:
    """A p-value to three decimals, with a floor instead of a zero.

    Examples
    --------
    >>> format_p(0.0412), format_p(1e-9)
    ('0.041', '<0.001')
    """
    if np.isnan(p):
        return ""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def format_number(value: float, digits: int = 4) -> str:
    """A number with a fixed count of decimals where that shows it, otherwise in short form."""
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value != 0 and not 10.0**-digits * 5 <= abs(value) < 1e6:
        return f"{value:.{digits}g}"
    return f"{value:.{digits}f}"


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The same table as text, each column formatted for reading."""
    out = {}
    for name, column in table.items():
        if column.dtype.kind != "f":
            out[name] = column.astype(str)
            continue
        short = 1 if name == "df" else 2 if name in ("t", "z") else 4
        is_p = name == "p" or str(name).startswith("p_")
        out[name] = [format_p(v) if is_p else format_number(v, short) for v in column]
    return pd.DataFrame(out, index=table.index)


def notes_html(notes: Sequence[str]) -> str:
    """Notes as a list; empty if there are none."""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


class NotedTable(pd.DataFrame):
    """A table whose ``attrs["notes"]`` a reader sees; parts and rounded copies keep them."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return NotedTable

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *(f"Note: {note}" for note in self._notes)])

    def _repr_html_(self) -> str:
        return super()._repr_html_() + notes_html(self._notes)

    @property
    def _notes(self) -> Sequence[str]:
        return self.attrs.get("notes", ())


def noted(table: pd.DataFrame, notes: Sequence[str]) -> NotedTable:
    """The same table with notes, which replace those it has."""
    out = NotedTable(table)
    out.attrs = {**table.attrs, "notes": tuple(notes)}
    return out


@dataclass(frozen=True)
class Summary:
    """A printable account of a fit; shows as text in a terminal and as HTML in a notebook.

    Attributes
    ----------
    title : str
    facts : dict of str to str
        Short facts about the fit, in order.
    tables : dict of str to DataFrame
        Caption to table.
    notes : sequence of str
        What the reader should know.
    converged : bool
        Whether the fit behind it ended at a maximum; if not, every caption says so.
    """

    title: str
    facts: dict[str, str]
    tables: dict[str, pd.DataFrame]
    notes: Sequence[str] = ()
    converged: bool = True

    def __post_init__(self) -> None:
        if not self.converged:
            tables = {caption + NOT_CONVERGED: table for caption, table in self.tables.items()}
            object.__setattr__(self, "tables", tables)

    def __str__(self) -> str:
        width = max(len(k) for k in self.facts) + 2
        lines = [self.title, "=" * len(self.title)]
        lines += [f"{k + ':':<{width}}{v}" for k, v in self.facts.items()]
        for caption, table in self.tables.items():
            lines += ["", caption, format_table(table).to_string()]
        if self.notes:
            lines += [""] + [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        facts = "".join(
            f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in self.facts.items()
        )
        tables = "".join(
            f"<h5>{html.escape(caption)}</h5>{format_table(table).to_html(border=0)}"
            for caption, table in self.tables.items()
        )
        return (
            f'<div class="mlteach-summary"><p class="title">{html.escape(self.title)}</p>'
            f"<dl>{facts}</dl>{tables}{notes_html(self.notes)}</div>"
        )
