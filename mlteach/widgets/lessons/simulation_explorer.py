"""The 36 conditions of the multigroup simulation: criteria of both studies, and estimates behind.

Ours is the stored run of the package, 1,000 replications of each condition, with Monte Carlo
intervals; the authors' numbers are those that they published. Of a condition's estimates every
25th is drawn with its interval, by size, so that forty stand for the thousand.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from mlteach.core.distributions import normal_quantile
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.published.wf_criteria import agreement, criteria
from mlteach.published.wf_simulation import BETWEEN, VR, G, N, conditions, stored_run, true_groups
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

#: Name in the stored table, ticks in percent, and ends. RMSE and bias are relative to the truth.
CRITERIA = {
    "RMSE, variances between": ("relRMSE_var_B", (5, 10, 20, 50, 100), (4, 120)),
    "RMSE, covariance between": ("relRMSE_cov_B", (10, 20, 50, 100, 200), (9, 290)),
    "RMSE, variances within": ("relRMSE_var_W", (1, 2, 5, 10), (0.9, 17)),
    "RMSE, ICC": ("relRMSE_ICC", (5, 10, 20, 50, 100), (2.2, 120)),
    "bias, variances between": ("relBias_var_B", (-10, -5, 0, 5), (-11, 5)),
    "coverage, between": ("coverage_B", (92, 93, 94, 95, 96, 97), (91.5, 97)),
    "coverage, within": ("coverage_W", (92, 93, 94, 95, 96, 97), (91.5, 97)),
    "negative variances": ("negVar_B", (0, 10, 20, 30), (-1, 33)),
}
#: The scale of relative errors is logarithmic.
LOGARITHMIC = "RMSE"
#: Where a criterion should be, if anywhere.
IDEAL = {"bias, variances between": 0, "coverage, between": 95, "coverage, within": 95}
#: Two ways to spend 2,000 members, (n, g), and the criterion by which they are compared at first.
SPENT, FIRST = ((2, 1000), (10, 200)), next(iter(CRITERIA))
SHOWN = 40
ESTIMATE = "between.x1~~x1"
#: Colour, symbol and shift of the conditions with n members a cluster.
LINES = {2: ("vermillion", "o", 0.87), 10: ("blue", "s", 1.0), 30: ("green", "D", 1.15)}
#: The published symbols, beside ours.
ASIDE, HOLLOW = 1.075, {"ms": 6, "mfc": "white", "mew": 1.8}
LOWEST, HIGHEST = -3.5, 5.5


run = cache(stored_run)


@cache
def results() -> pd.DataFrame:
    """Of each condition and criterion: ours and its mcse, the published value, and z."""
    table = criteria(run())
    return agreement(table).join(table["mcse"])


@cache
def intervals(condition: int) -> pd.DataFrame:
    """Every 25th of the estimates of a variance between clusters, by size, over the true value."""
    table = run().estimates.loc[condition].xs(ESTIMATE, level="parameter")
    by_size = table.sort_values("estimate")
    step = len(by_size) // SHOWN
    return by_size.iloc[step // 2 :: step] / true_groups()[condition, ESTIMATE]


@cache
def number(**settings: float) -> int:
    """The number of a condition.

    Raises
    ------
    ModelError
        If the study has no such condition.
    """
    table = conditions()
    found = table.index[(table[list(settings)] == list(settings.values())).all(axis=1)]
    if len(found) != 1:
        raise ModelError(
            f"The simulation has no condition with {settings}. It crosses vr {VR}, between "
            f"{BETWEEN}, n {N} and g {G}."
        )
    return int(found[0])


def better(criterion: str, vr: int, between: float) -> tuple[int, int]:
    """Members and clusters of the better one of both ways to spend 2,000 members."""
    ours = results()["ours"].xs(CRITERIA[criterion][0], level="criterion")
    return min(SPENT, key=lambda way: ours[number(vr=vr, between=between, n=way[0], g=way[1])])


def height(criterion: str, value: float | np.ndarray) -> float | np.ndarray:
    """Where a value stands on the axis, which runs from 0 to 1 for every criterion."""
    scale = np.log if criterion.startswith(LOGARITHMIC) else np.asarray
    low, high = scale(CRITERIA[criterion][2])
    return (scale(value) - low) / (high - low)


def draw(left, right, criterion: str, vr: int, between: float, n: str, g: str) -> Drawn:
    """Draw a criterion in nine conditions, and estimates of one of them with their intervals."""
    setting = {"vr": vr, "between": between}
    chosen = number(**setting, n=int(n), g=int(g))
    here = results().loc[chosen, CRITERIA[criterion][0]]

    _draw_criterion(left, criterion, setting)
    at = int(g) * LINES[int(n)][2], height(criterion, here["ours"])
    left.plot(*at, "o", ms=17, mfc="none", mec=PALETTE["black"], mew=2)
    covered = _draw_intervals(right, intervals(chosen))
    half = normal_quantile(0.95) * here["mcse"]
    is_asked = criterion == FIRST and vr == VR[0]  # so that each variance counts once
    return is_asked and (int(n), int(g)) == better(criterion, vr, between), dict(
        ours=signed(here["ours"], 1), low=signed(here["ours"] - half, 1),
        high=signed(here["ours"] + half, 1), published=signed(here["published"]),
        z=signed(here["z"], 1), chosen=chosen, n=int(n), g=int(g), covered=covered, shown=SHOWN,
    )  # fmt: skip


def _draw_criterion(ax, criterion: str, setting: dict[str, float]) -> None:
    name, ticks, ends = CRITERIA[criterion]
    table = results().xs(name, level="criterion")
    if criterion in IDEAL:
        ax.axhline(height(criterion, IDEAL[criterion]), color=PALETTE["grey"], ls="--", lw=1.6)
    for n, (colour, symbol, shift) in LINES.items():
        rows = table.loc[[number(**setting, n=n, g=g) for g in G]]
        ours, half = rows["ours"].to_numpy(), 1.96 * rows["mcse"].to_numpy()
        x, color = np.array(G) * shift, PALETTE[colour]
        ax.plot(x, height(criterion, ours), f"{symbol}-", ms=7, lw=2.4, color=color)
        low, high = np.clip([ours - half, ours + half], *ends)
        ax.vlines(x, height(criterion, low), height(criterion, high), color=color, lw=2)
        there = height(criterion, rows["published"].to_numpy())
        ax.plot(x * ASIDE, there, symbol, **HOLLOW, mec=color)
    _write_key(ax)
    ax.set(title=f"{criterion[0].upper()}{criterion[1:]}")
    ax.set_xticks(G, [f"{g:,}" for g in G])
    ax.set_yticks(height(criterion, np.array(ticks)), [signed(t, 0) for t in ticks])


def _write_key(ax) -> None:
    style = {"transform": ax.transAxes, "clip_on": False}
    for x, n in zip((0.03, 0.17, 0.36), LINES, strict=True):
        colour, symbol, _ = LINES[n]
        ax.plot(x, 0.95, symbol, ms=7, color=PALETTE[colour], **style)
        ax.text(x + 0.035, 0.922, str(n), color=PALETTE[colour], transform=ax.transAxes)
    ax.plot(0.56, 0.95, "o", **HOLLOW, mec=PALETTE["black"], **style)
    ax.text(0.61, 0.922, "published", transform=ax.transAxes)


def _draw_intervals(ax, table: pd.DataFrame) -> int:
    """Draw estimates with intervals, and count those that hold the true value."""
    y = np.arange(len(table))
    covers = ((table["lower"] <= 1) & (table["upper"] >= 1)).to_numpy()
    ax.axvspan(LOWEST, 0, color=PALETTE["light"], alpha=0.35, lw=0)
    ax.axvline(1, color=PALETTE["grey"], ls="--", lw=1.6)
    for is_in, colour, wide in ((True, "sky", 1.6), (False, "vermillion", 3.2)):
        rows = table[covers == is_in]
        ax.hlines(y[covers == is_in], rows["lower"], rows["upper"], color=PALETTE[colour], lw=wide)
    ax.plot(table["estimate"], y, "o", ms=3.5, mew=0, color=PALETTE["blue"])
    ax.text(LOWEST + 0.15, 37, "negative")
    ax.set(xlim=(LOWEST, HIGHEST))
    return int(covers.sum())


WIDGET = LESSON.widget(draw)
