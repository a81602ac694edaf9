"""Intercepts and slopes that vary: the fan of the clusters' lines, and the variance that follows.

The lines' heights at x = 0 have the variance τ₀₀, their slopes τ₁₁, and the two correlate ρ. Moving
the zero of x to another place changes nothing that is seen, and all that is said of intercepts.
The draws are fixed and made exact: in these very lines the variances are those of the sliders.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

CLUSTERS = 14
SEED = 7
#: Slope of the average cluster, and variance of y around the line of a cluster.
SLOPE, SIGMA2 = 0.5, 1.0
REACH = 2.0
PLACES = np.linspace(-REACH, REACH, 41)


def unit_draws() -> np.ndarray:
    """Two rows of CLUSTERS numbers, uncorrelated, with mean zero and variance one."""
    draws = np.random.default_rng(SEED).uniform(-1, 1, (CLUSTERS, 2))
    return np.linalg.qr(draws - draws.mean(axis=0))[0].T * CLUSTERS**0.5


def effects(tau00: float, tau11: float, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of the clusters' heights at zero, and of their slopes."""
    first, second = unit_draws()
    return tau00**0.5 * first, tau11**0.5 * (rho * first + (1 - rho**2) ** 0.5 * second)


def between(x, tau00: float, tau11: float, rho: float):
    """Variance of the heights of the lines at x."""
    return np.maximum(tau00 + 2 * x * rho * (tau00 * tau11) ** 0.5 + x**2 * tau11, 0.0)


def draw(left, right, tau00: float, tau11: float, rho: float, zero: float) -> Drawn:
    """Draw the lines beside the variance along x, with a mark where zero is."""
    tau01 = rho * (tau00 * tau11) ** 0.5
    lowest = -tau01 / tau11 if tau11 else None
    here = float(between(zero, tau00, tau11, rho))
    correlation = None
    if here * tau11 > 1e-12:  # else one of the two is zero, or its rounding
        correlation = (tau01 + zero * tau11) / (here * tau11) ** 0.5

    _draw_lines(left, *effects(tau00, tau11, rho), zero, here)
    curve = SIGMA2 + between(PLACES, tau00, tau11, rho)
    bottom = None if lowest is None else (lowest, SIGMA2 + tau00 * (1 - rho**2))
    _draw_variance(right, curve, bottom, zero, here)
    for ax in (left, right):
        ax.axvline(zero, ls=":", color=PALETTE["grey"], lw=1.8)
    low = "nowhere" if lowest is None else f"x = {signed(lowest)}"
    r = "none" if correlation is None else signed(correlation)
    return abs(rho) == 1 and tau00 * tau11 > 0, dict(
        here=here, share=here / (here + SIGMA2), correlation=r, lowest=low, zero=signed(zero),
        clusters=CLUSTERS, first=curve[0], middle=curve[len(curve) // 2], last=curve[-1],
        is_lowest="the same everywhere" if lowest is None else f"lowest at {low}",
        correlated="no correlation" if correlation is None else f"a correlation of {r}",
    )  # fmt: skip


def _draw_lines(ax, heights: np.ndarray, slopes: np.ndarray, zero: float, here: float) -> None:
    ends = np.array([[-REACH], [REACH]])
    ax.plot(
        np.tile(ends, CLUSTERS), heights + (SLOPE + slopes) * ends, color=PALETTE["sky"], lw=1.6
    )
    ax.plot(ends[:, 0], SLOPE * ends[:, 0], color=PALETTE["black"], lw=2.8)
    spread = SLOPE * zero + here**0.5 * np.array([-1, 1])
    ax.plot([zero, zero], spread, color=PALETTE["vermillion"], lw=4.5)


def _draw_variance(ax, curve: np.ndarray, bottom: tuple | None, zero: float, here: float) -> None:
    ax.axhline(SIGMA2, ls="--", color=PALETTE["grey"], lw=1.8)
    ax.text(1.5, 0.2, "σ²", ha="center", color=PALETTE["grey"])
    ax.plot(PLACES, curve, color=PALETTE["blue"], lw=3)
    ax.plot([zero, zero], [SIGMA2, SIGMA2 + here], color=PALETTE["vermillion"], lw=4.5)
    if bottom and abs(bottom[0]) <= REACH:
        ax.plot(*bottom, "o", ms=11, mew=2.6, mec=PALETTE["blue"], mfc="white")


WIDGET = LESSON.widget(draw)
