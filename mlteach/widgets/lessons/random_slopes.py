"""Intercepts and slopes that vary: the fan of the clusters' lines, and the variance that follows.

The lines' heights at x = 0 have the variance τ₀₀, their slopes τ₁₁, and the two correlate ρ. Moving
the zero of x to another place changes nothing that is seen, and all that is said of intercepts.
The draws are fixed and made exact: in these very lines the variances are those of the sliders.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure, signed

CLUSTERS = 14
SEED = 7
#: Slope of the average cluster, and variance of y around the line of a cluster.
SLOPE, SIGMA2 = 0.5, 1.0
REACH = 2.0
PLACES = np.linspace(-REACH, REACH, 41)


@cache
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


def draw(tau00: float, tau11: float, rho: float, zero: float) -> Panel:
    """Draw the lines beside the variance along x, with a mark where zero is."""
    tau01 = rho * (tau00 * tau11) ** 0.5
    lowest = -tau01 / tau11 if tau11 else None
    here = float(between(zero, tau00, tau11, rho))
    correlation = None
    if here * tau11 > 1e-12:  # else one of the two is zero, or its rounding
        correlation = (tau01 + zero * tau11) / (here * tau11) ** 0.5

    shown, (left, right) = figure((1, 1))
    _draw_lines(left, *effects(tau00, tau11, rho), zero, here)
    curve = SIGMA2 + between(PLACES, tau00, tau11, rho)
    bottom = None if lowest is None else (lowest, SIGMA2 + tau00 * (1 - rho**2))
    _draw_variance(right, curve, bottom, zero, here)
    readouts = {
        "intercept variance": f"{here:.2f}",
        "correlation with the slope": "none" if correlation is None else signed(correlation),
        "share between clusters": f"{here / (here + SIGMA2):.0%}",
        "variance lowest at": "nowhere" if lowest is None else f"x = {signed(lowest)}",
    }
    one_point = abs(rho) == 1 and tau00 * tau11 > 0
    return Panel(shown, readouts, _description(readouts, zero, curve), one_point)


def _draw_lines(ax, heights: np.ndarray, slopes: np.ndarray, zero: float, here: float) -> None:
    ends = np.array([[-REACH], [REACH]])
    ax.plot(
        np.tile(ends, CLUSTERS), heights + (SLOPE + slopes) * ends, color=PALETTE["sky"], lw=1.6
    )
    ax.plot(ends[:, 0], SLOPE * ends[:, 0], color=PALETTE["black"], lw=2.8)
    spread = SLOPE * zero + here**0.5 * np.array([-1, 1])
    ax.plot([zero, zero], spread, color=PALETTE["vermillion"], lw=4.5)
    ax.set(title="Lines of the clusters", ylabel="expected y", ylim=(-6.3, 6.3))
    ax.set(yticks=[-5, 0, 5])
    _mark_zero(ax, zero)


def _draw_variance(ax, curve: np.ndarray, bottom: tuple | None, zero: float, here: float) -> None:
    ax.axhline(SIGMA2, ls="--", color=PALETTE["grey"], lw=1.8)
    ax.text(1.5, 0.2, "σ²", ha="center", color=PALETTE["grey"])
    ax.plot(PLACES, curve, color=PALETTE["blue"], lw=3)
    ax.plot([zero, zero], [SIGMA2, SIGMA2 + here], color=PALETTE["vermillion"], lw=4.5)
    if bottom and abs(bottom[0]) <= REACH:
        ax.plot(*bottom, "o", ms=11, mew=2.6, mec=PALETTE["blue"], mfc="white")
    ax.set(title="Variance of y", ylabel="variance", ylim=(0, 8.5), yticks=[0, 2, 4, 6, 8])
    _mark_zero(ax, zero)


def _mark_zero(ax, zero: float) -> None:
    ax.axvline(zero, ls=":", color=PALETTE["grey"], lw=1.8)
    ax.set(xlabel="x", xlim=(-REACH - 0.15, REACH + 0.15), xticks=[-2, -1, 0, 1, 2])


def _description(readouts: dict[str, str], zero: float, curve: np.ndarray) -> str:
    variance, correlation, share, lowest = readouts.values()
    lowest = "the same everywhere" if lowest == "nowhere" else f"lowest at {lowest}"
    correlation = "no correlation" if correlation == "none" else f"a correlation of {correlation}"
    return (
        f"Left, the lines of {CLUSTERS} clusters and their average, from x = −2 to 2. Right, the "
        f"variance of y along x: {curve[0]:.2f} at −2, {curve[len(curve) // 2]:.2f} at 0, "
        f"{curve[-1]:.2f} at 2, {lowest}. With zero at x = {signed(zero)} the intercepts have the "
        f"variance {variance}, {share} of the whole, and {correlation} with the slopes."
    )


WIDGET = Widget(
    name="random_slopes",
    title="A fan of lines and its variance",
    question=(
        "Move only the zero of x: which numbers change, although the lines do not? Then let all "
        "lines meet in one point. What is the variance of y there?"
    ),
    controls=(
        Slider(
            "tau00", "variance of heights at x = 0, τ₀₀", 0.0, 1.5, 0.1, 0.6, grid=(0.2, 0.6, 1.2)
        ),
        Slider("tau11", "variance of slopes, τ₁₁", 0.0, 0.5, 0.05, 0.2, grid=(0.0, 0.2, 0.5)),
        Slider(
            "rho",
            "correlation at x = 0, ρ",
            -1.0,
            1.0,
            0.1,
            0.3,
            grid=(-1.0, -0.8, -0.6, -0.3, 0.0, 0.3, 0.6, 0.8, 1.0),
        ),
        Slider("zero", "zero of x moved to", -2.0, 2.0, 0.1, 0.0, grid=(-2.0, -1.0, 0.0, 1.0, 2.0)),
    ),
    draw=draw,
    chapter=7,
    answer="All lines meet in one point, and there the clusters differ no more: only σ² is left.",
)
