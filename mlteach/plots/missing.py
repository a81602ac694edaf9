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
# A tile is so wide that a bar with its number has 1.5 inches.
TILE_INCHES = 1.5 / BARS
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
    names = list(table.columns[: table.columns.get_loc("missing")])
    shown = _most_frequent(table, MOST_PATTERNS)
    columns = _columns(table)
    width = TILE_INCHES * (len(names) + len(columns) * (BARS + GAP))
    ax = axes_or_new(ax, height=1.8 + 0.36 * len(shown), width=width)
    _draw_tiles(ax, shown[names])
    widest = max(shown[share].max() for _, _, share in columns)
    end = len(names)
    for title, rows, share in columns:
        _draw_bars(ax, title, shown[rows], shown[share], end + GAP, widest)
        end += GAP + BARS
    _name_axes(ax, names, labels, end, len(shown))
    handles = [Patch(**look, label=name) for name, look in LOOKS.items()]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=2)
    return described(ax, _describe(table, names, columns))


def _most_frequent(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """So many patterns, in their order in the table."""
    return table.loc[table["rows"].nlargest(count).sort_index().index]


def _columns(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Title, column of counts and column of shares of each column of bars."""
    groups = [name[5:-1] for name in map(str, table.columns) if name.startswith("rows[")]
    named = [(group, f"rows[{group}]", f"share[{group}]") for group in groups]
    return named or [("rows", "rows", "share")]


def _draw_tiles(ax: Axes, observed: pd.DataFrame) -> None:
    for (y, x), seen in np.ndenumerate(observed.to_numpy()):
        name = "observed" if seen else "missing"
        ax.add_patch(Rectangle((x + 0.04, y - 0.42), 0.92, 0.84, gid=name, **LOOKS[name]))


def _draw_bars(
    ax: Axes, title: str, rows: pd.Series, shares: pd.Series, start: float, widest: float
) -> None:
    """A column of bars as long as the shares, each with its rows and share beside it."""
    beside(ax, title, (start, 1.0), (0, 4), xycoords=("data", "axes fraction"), fontsize="medium")
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


def _name_axes(ax: Axes, names, labels, end: float, count: int) -> None:
    words = [fill(str((labels or {}).get(name, name)), LETTERS) for name in names]
    ax.set(xlim=(0, end), ylim=(count - 0.5, -0.5), yticks=[], ylabel="pattern")
    # A letter is about 6 points wide.
    longest = max(len(line) for word in words for line in word.splitlines())
    upright = 6 * longest > 0.95 * size_in_points(ax)[0] / end
    ax.set_xticks(np.arange(len(names)) + 0.5, words, rotation=90 if upright else 0)
    ax.xaxis.tick_top()
    ax.tick_params(axis="both", length=0)
    ax.spines[:].set_visible(False)


def _describe(table: pd.DataFrame, names: list[str], columns) -> str:
    total = table["rows"].sum()
    parts = [f"Patterns of missing values of {listed(map(str, names))} in {total:,} rows."]
    said = _most_frequent(table, MOST_SAID)
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
