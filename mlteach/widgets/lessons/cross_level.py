"""A slope that depends on the school: simple slopes, and where they differ from zero.

The model of the slopes of SES in ``hsb``, math ~ ses_within * (mean_ses + catholic) with a random
slope, fitted by REML to all 160 schools, or to the first of them in a fixed random order. Slopes,
intervals and bounds are those of ``simple_slopes`` and ``johnson_neyman``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mlteach.centering.center import center
from mlteach.core.palette import PALETTE
from mlteach.data.shipped import load
from mlteach.mixed.fit import fit_mixed
from mlteach.mixed.result import MixedResult
from mlteach.questions.simple_slopes import (
    JohnsonNeyman,
    contrast_table,
    johnson_neyman,
    simple_slopes,
)
from mlteach.questions.slope_line import SlopeLine
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Choice, Slider
from mlteach.widgets.look import figure, signed

if TYPE_CHECKING:
    import pandas as pd

FORMULA = "math ~ ses_within * (mean_ses + catholic) + (1 + ses_within | school)"
SLOPE, MODERATOR = "ses_within", "mean_ses"
SEED = 1
SECTORS = {"public": 0, "Catholic": 1}
COLOURS = {"public": "blue", "Catholic": "orange"}
LEVELS = {"80%": 0.80, "95%": 0.95, "99%": 0.99}
#: SES within a school, and the range of mean SES, in the pictures.
OWN, MEANS = np.linspace(-2, 2, 9), (-1.35, 1.0)
ALONG = np.linspace(*MEANS, 25)


@cache
def students(schools: int) -> pd.DataFrame:
    """The students of some schools, with SES split into its parts."""
    hsb = center(load("hsb"), ["ses"], cluster="school")
    order = np.random.default_rng(SEED).permutation(np.sort(hsb["school"].unique()))
    return hsb[hsb["school"].isin(order[:schools])]


@cache
def fit_to(schools: int) -> MixedResult:
    """The model for so many schools."""
    return fit_mixed(FORMULA, students(schools))


@cache
def regions(schools: int, sector: str, level: str) -> tuple[JohnsonNeyman, pd.DataFrame]:
    """Where the slope differs from zero in a sector, and the slope with its band along mean SES."""
    ask = {"by": MODERATOR, "hold": {"catholic": SECTORS[sector]}, "level": LEVELS[level]}
    fit = fit_to(schools)
    return johnson_neyman(fit, SLOPE, **ask), simple_slopes(fit, SLOPE, at=ALONG.tolist(), **ask)


def predicted(schools: int, sector: str, mean_ses: float) -> np.ndarray:
    """Contrasts that predict math along SES within a school of this kind, shape (9, 6)."""
    line = SlopeLine(fit_to(schools), SLOPE, MODERATOR, {"catholic": SECTORS[sector]})
    return line.predictions(OWN.tolist(), mean_ses)


def draw(sector: str, mean_ses: float, schools: int, level: str) -> Panel:
    """Draw the lines of a kind of school beside the slope along mean SES."""
    found, band = regions(schools, sector, level)
    here = simple_slopes(
        fit_to(schools), SLOPE, by=MODERATOR, at=[mean_ses],
        hold={"catholic": SECTORS[sector]}, level=LEVELS[level],
    ).iloc[0]  # fmt: skip
    shown, (left, right) = figure((1, 1.15))
    _draw_lines(left, sector, mean_ses, schools, level)
    _draw_slopes(right, sector, schools, found, band)
    right.plot([mean_ses] * 2, here[["lower", "upper"]], color=PALETTE["black"], lw=2.4)
    right.plot(mean_ses, here["estimate"], "o", ms=10, color=PALETTE["black"])
    bounds = [bound for bound in found.bounds if MEANS[0] < bound < MEANS[1]]
    readouts = {
        "slope": signed(here["estimate"]),
        "interval": f"{signed(here['lower'])} to {signed(here['upper'])}",
        "interval touches zero at": " and ".join(map(signed, bounds)) or "none",
    }
    solved = sector == "Catholic" and here["lower"] < 0 < here["upper"]
    return Panel(shown, readouts, _description(sector, mean_ses, schools, level, readouts), solved)


def _draw_lines(ax, sector: str, mean_ses: float, schools: int, level: str) -> None:
    fit = fit_to(schools)
    for name, colour in COLOURS.items():
        C, is_chosen = predicted(schools, name, mean_ses), name == sector
        heights = C @ fit.params.to_numpy()
        if is_chosen:
            table = contrast_table(fit, C, level=LEVELS[level])
            _band(ax, OWN, table, PALETTE[colour])
        dashes, wide = ("-", 3.5) if is_chosen else ("--", 1.8)
        ax.plot(OWN, heights, dashes, color=PALETTE[colour], lw=wide)
    ax.text(-1.9, 25, "Catholic", color=PALETTE[COLOURS["Catholic"]])
    ax.text(-1.9, 22, "public", color=PALETTE[COLOURS["public"]])
    ax.set(title="Expected math", xlabel="SES, from the school's mean", ylabel="points")
    ax.set(xlim=(OWN[0], OWN[-1]), xticks=[-2, 0, 2], ylim=(-5, 28), yticks=[0, 10, 20])


def _band(ax, x: np.ndarray, table: pd.DataFrame, colour: str) -> None:
    ax.fill_between(x, table["lower"], table["upper"], color=colour, alpha=0.3, lw=0)


def _draw_slopes(ax, sector: str, schools: int, found: JohnsonNeyman, band: pd.DataFrame) -> None:
    for low, high, slope in found.table[["from", "to", "slope"]].itertuples(index=False):
        low, high = max(low, MEANS[0]), min(high, MEANS[1])
        if slope != "undecided" and low < high:
            ax.axvspan(low, high, color=PALETTE["light"], alpha=0.45, lw=0)
    colour = PALETTE[COLOURS[sector]]
    _band(ax, ALONG, band, colour)
    ax.plot(ALONG, band["estimate"], color=colour, lw=3)
    ax.axhline(0, color=PALETTE["grey"], lw=1.5)
    ax.text(MEANS[0] + 0.06, -2.85, "shaded: differs from 0")
    # One line for all schools of the sector in the sample, broken between them.
    chosen = students(schools).query("catholic == @SECTORS[@sector]")
    at = np.repeat(np.unique(chosen[MODERATOR]), 3)
    ax.plot(at, np.tile([-3.5, -3.2, np.nan], len(at) // 3), color=PALETTE["grey"], lw=1)
    ax.set(title="Slope of SES", xlabel="mean SES of the school", ylabel="points for one unit")
    ax.set(xlim=MEANS, xticks=[-1, -0.5, 0, 0.5], ylim=(-3.5, 6), yticks=[-2, 0, 2, 4, 6])


def _description(
    sector: str, mean_ses: float, schools: int, level: str, readouts: dict[str, str]
) -> str:
    slope, interval, bounds = readouts.values()
    where = f"touches zero at a mean SES of {bounds}"
    if bounds == "none":
        where = f"does not touch zero between {signed(MEANS[0])} and {signed(MEANS[1])}"
    return (
        f"Left, expected math against SES from the school's mean, in {sector} schools with a mean "
        f"SES of {signed(mean_ses)}, a line with its {level} band, and dashed the same for the "
        f"other sector. Right, the slope along the mean SES: here {slope}, {level} interval "
        f"{interval}; the band {where}, and the region where it leaves out zero is shaded. Fitted "
        f"to {schools} schools."
    )


WIDGET = Widget(
    name="cross_level",
    title="Where does the slope differ from zero?",
    question=(
        "In which Catholic schools may SES make no difference? Which way does the bound of their "
        "region move with fewer schools, and which way with less confidence?"
    ),
    controls=(
        Choice("sector", "sector", ("Catholic", "public")),
        Slider("mean_ses", "mean SES of the school", -1.2, 0.8, 0.1, 0.0,
               grid=[k / 5 for k in range(-6, 5)]),
        Slider("schools", "schools in the sample", 40, 160, 20, 160, grid=(40, 80, 160)),
        Choice("level", "confidence level", tuple(LEVELS), "95%"),
    ),
    draw=draw,
    chapter=7,
    answer=(
        "Here the interval holds zero: in Catholic schools of a low mean SES it may make no "
        "difference. Fewer schools move the bound up, less confidence moves it down."
    ),
)  # fmt: skip
