"""Figure of missing values: which variables are missing together, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from mlteach.core.arguments import checked
from mlteach.core.notes import listed
from mlteach.core.palette import PALETTE
from mlteach.missing.patterns import missing_patterns as count_patterns
from mlteach.plots.marks import axes_or_new, beside, size_in_points
from mlteach.plots.words import described

# Width of the bars' columns, and the gap before each, in tiles.
BARS = 1.7
GAP = 0.35
# More patterns than this cannot be read, and more cannot be said; the rarest are added up.
MOST_PATTERNS = 20
MOST_SAID = 8
# Names of variables are broken into lines of so many letters.
LETTERS = 16
# Room for a tile and for a bar with its number, in inches.
TILE_INCHES, BAR_INCHES = 0.45, 1.5
# A full tile for observed values, a hatched one for missing values.
LOOKS = {
    "observed": {"fc": PALETTE["blue"], "ec": PALETTE["blue"]},
    "missing": {"fc": "white", "ec": PALETTE["vermillion"], "hatch": "////"},
}


@checked
def missing_patterns(
    data: pd.DataFrame,
    variables: Sequence[str],
    *,
    group: str | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the patterns of missing values as rows of tiles, with the rows that have each pattern.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    variables : sequence of str
        Columns of any type.
    group : str, optional
        Column of groups: one column of bars each, with shares of the group's own rows.
    labels : mapping of str to str, optional
        Words for the variables; by default their names.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes
        With more than 20 patterns the 20 with most rows are drawn; the description names eight and
        says how many rows the others have.

    Raises
    ------
    DataError
        As :func:`mlteach.missing_patterns`.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> hsb = mt.load("hsb")
    >>> hsb["math"] = hsb["math"].where(hsb["ses"] > -1)
    >>> ax = plots.missing_patterns(hsb, ["math", "ses"], group="sector")
    >>> plots.describe(ax)[:75]
    'Patterns of missing values of math and ses in 7,185 rows. Nothing missing: '

    See Also
    --------
    mlteach.missing_patterns : The numbers.
    """
    table = count_patterns(data, variables, group=group)
    names = [name for name in table.columns[: list(table.columns).index("missing")]]
    shown = table.loc[table["rows"].nlargest(MOST_PATTERNS).sort_index().index]
    columns = _columns(table)
    ax = _new_axes(len(names), len(columns), len(shown)) if ax is None else axes_or_new(ax)
    _draw_tiles(ax, shown[names])
    widest = max(shown[share].max() for _, _, share in columns)
    for k, (_, rows, share) in enumerate(columns):
        start = len(names) + GAP + k * (BARS + GAP)
        _draw_bars(ax, shown[rows], shown[share], start, widest)
    _name_axes(ax, names, [title for title, _, _ in columns], labels, len(shown))
    _add_legend(ax)
    return described(ax, _describe(table, shown, names, columns))


def _columns(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Title, column of counts and column of shares of each column of bars."""
    groups = [name for name in table.columns if str(name).startswith("rows[")]
    if not groups:
        return [("rows", "rows", "share")]
    return [(name[5:-1], name, f"share{name[4:]}") for name in groups]


def _new_axes(variables: int, columns: int, patterns: int) -> Axes:
    """Axes of a new figure in which tiles, bars and their numbers have room."""
    ax = axes_or_new(None, height=1.8 + 0.36 * patterns)
    unit = max(TILE_INCHES, BAR_INCHES / BARS)
    width = unit * (variables + columns * (BARS + GAP))
    ax.figure.set_figwidth(max(width, ax.figure.get_figwidth()))
    return ax


def _draw_tiles(ax: Axes, observed: pd.DataFrame) -> None:
    for y, row in enumerate(observed.to_numpy()):
        for x, seen in enumerate(row):
            ax.add_patch(_tile(x + 0.04, y - 0.42, 0.92, 0.84, seen))


def _tile(x: float, y: float, width: float, height: float, seen: bool) -> Rectangle:
    name = "observed" if seen else "missing"
    return Rectangle((x, y), width, height, gid=name, **LOOKS[name])


def _draw_bars(ax: Axes, rows: pd.Series, shares: pd.Series, start: float, widest: float) -> None:
    # The bar takes half of its column at most: the number stands to the right of it.
    widths = (shares / widest * BARS * 0.45).to_numpy()
    ax.barh(np.arange(len(rows)), widths, left=start, height=0.62, color=PALETTE["light"], zorder=2)
    for y, (width, count, share) in enumerate(zip(widths, rows, shares, strict=True)):
        ax.text(start + width + 0.05, y, f"{count:,} ({percent(share)})", va="center", fontsize=9)


def percent(share: float) -> str:
    """A share in percent, with a decimal where it is small.

    Examples
    --------
    >>> percent(0.7), percent(0.0267), percent(0.0)
    ('70%', '2.7%', '0%')
    """
    return f"{share:.0%}" if share == 0 or share >= 0.095 else f"{share:.1%}"


def _name_axes(ax: Axes, names, titles, labels: Mapping[str, str] | None, count: int) -> None:
    words = [fill(str((labels or {}).get(name, name)), LETTERS) for name in names]
    places = [k + 0.5 for k in range(len(names))]
    starts = [len(names) + GAP + k * (BARS + GAP) for k in range(len(titles))]
    end = starts[-1] + BARS
    ax.set_xlim(0, end)
    ax.set_ylim(count - 0.5, -0.5)
    # A letter is about 6 points wide.
    longest = max(len(line) for word in words for line in word.splitlines())
    upright = 6 * longest > 0.95 * size_in_points(ax)[0] / end
    ax.set_xticks(places, words, rotation=90 if upright else 0)
    ax.xaxis.tick_top()
    ax.tick_params(axis="both", length=0)
    ax.set_yticks([])
    ax.set_ylabel("pattern")
    for start, title in zip(starts, titles, strict=True):
        where = ("data", "axes fraction")
        beside(ax, title, (start, 1.0), (0, 4), xycoords=where, fontsize="medium")
    ax.spines[:].set_visible(False)


def _add_legend(ax: Axes) -> None:
    handles = [Patch(**look, label=name) for name, look in LOOKS.items()]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=2)


def _describe(table, shown, names, columns) -> str:
    total = table["rows"].sum()
    parts = [f"Patterns of missing values of {listed(map(str, names))} in {total:,} rows."]
    said = shown.loc[shown["rows"].nlargest(MOST_SAID).sort_index().index]
    for _, row in said.iterrows():
        absent = [name for name in names if not row[name]]
        what = f"{listed(map(str, absent))} missing" if absent else "Nothing missing"
        counted = f"{percent(row['share'])} ({row['rows']:,} rows"
        if len(columns) > 1:
            shares = (f"{title} {percent(row[share])}" for title, _, share in columns)
            counted += f"; {', '.join(shares)}"
        parts.append(f"{what}: {counted}).")
    others = len(table) - len(said)
    if others:
        left = total - said["rows"].sum()
        parts.append(f"{others} other patterns: {percent(left / total)} ({left:,} rows).")
    return " ".join(parts)
