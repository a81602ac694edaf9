"""A slope that depends on the school: simple slopes, and where they differ from zero.

The model of the slopes of SES in ``hsb``, math ~ ses_within * (mean_ses + catholic) with a random
slope, fitted by REML to all 160 schools, or to the first of them in a fixed random order. Slopes,
intervals and bounds are those of ``simple_slopes`` and ``johnson_neyman``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

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
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

FORMULA = "math ~ ses_within * (mean_ses + catholic) + (1 + ses_within | school)"
SLOPE, MODERATOR = "ses_within", "mean_ses"
SEED = 1
SECTORS = {"public": 0, "Catholic": 1}
COLOURS = {"public": "blue", "Catholic": "orange"}
LEVELS = dict(zip(LESSON.options("level"), (0.80, 0.95, 0.99), strict=True))
#: SES within a school, and the range of mean SES, in the pictures.
OWN, MEANS = np.linspace(-2, 2, 9).tolist(), (-1.35, 1.0)
ALONG = np.linspace(*MEANS, 25).tolist()


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
    fit, asked = fit_to(schools), ask(sector, level)
    return johnson_neyman(fit, SLOPE, **asked), simple_slopes(fit, SLOPE, at=ALONG, **asked)


def ask(sector: str, level: str) -> dict[str, object]:
    """What simple slopes are to be: in which schools, with which intervals."""
    return {"by": MODERATOR, "hold": {"catholic": SECTORS[sector]}, "level": LEVELS[level]}


def predicted(schools: int, sector: str, mean_ses: float) -> np.ndarray:
    """Contrasts that predict math along SES within a school of this kind, shape (9, 6)."""
    line = SlopeLine(fit_to(schools), SLOPE, MODERATOR, {"catholic": SECTORS[sector]})
    return line.predictions(OWN, mean_ses)


def draw(left, right, sector: str, mean_ses: float, schools: int, level: str) -> Drawn:
    """Draw the lines of a kind of school beside the slope along mean SES."""
    found, band = regions(schools, sector, level)
    here = simple_slopes(fit_to(schools), SLOPE, at=[mean_ses], **ask(sector, level)).iloc[0]
    _draw_lines(left, sector, mean_ses, schools, level)
    _draw_slopes(right, sector, schools, found, band)
    right.plot([mean_ses] * 2, here[["lower", "upper"]], color=PALETTE["black"], lw=2.4)
    right.plot(mean_ses, here["estimate"], "o", ms=10, color=PALETTE["black"])
    bounds = [bound for bound in found.bounds if MEANS[0] < bound < MEANS[1]]
    touches = " and ".join(map(signed, bounds)) or "none"
    where = f"touches zero at a mean SES of {touches}"
    if not bounds:
        where = f"does not touch zero between {signed(MEANS[0])} and {signed(MEANS[1])}"
    slope, lower, upper = (signed(here[part]) for part in ("estimate", "lower", "upper"))
    return sector == "Catholic" and here["lower"] < 0 < here["upper"], dict(
        mean_ses=signed(mean_ses), slope=slope, lower=lower, upper=upper, touches=touches,
        where=where,
    )  # fmt: skip


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
    ax.set(xlim=(OWN[0], OWN[-1]))


def _band(ax, x: list[float], table: pd.DataFrame, colour: str) -> None:
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
    ax.set(xlim=MEANS)


WIDGET = LESSON.widget(draw)
