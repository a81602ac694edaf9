"""Schools that differ in level and in spread, and the two ways to say how large "the" variance is.

    level   u_j ~ N(0, 0.36),    spread   log σ²_j = α₀ + α₁ w_j + v_j,   v_j ~ N(0, σ²_v)

w_j is 0 or 1, a kind of school. The left picture has fixed draws of twelve schools, made exact: u
and v have their variances and their correlation in these very schools, and v has none with w. The
right one has no draws: the variance of every school of the population, from the narrowest to the
widest.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

SCHOOLS, TAU = 12, 0.6
SEED = 43
#: Half of a normal distribution lies within the first, 80% within the second, in SDs.
HALF, MOST = 0.6745, 1.2816
LIMIT = 5.4
RANKS = np.linspace(0.02, 0.98, 49)
KINDS = (("blue", "o", "-"), ("orange", "D", "--"))


def standard_effects() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two uncorrelated standard effects of the schools, the first in order, and their w."""
    w = np.arange(SCHOOLS) % 2
    scores = special.ndtri((np.arange(SCHOOLS) + 0.5) / SCHOOLS)
    other = np.random.default_rng(SEED).permutation(scores)
    z = np.linalg.qr(np.column_stack([scores, w - w.mean(), other]))[0] * SCHOOLS**0.5
    first, _, second = (z * np.sign(z[-1])).T
    return first, second, w


def median_and_average(alpha: float, sigma_v: float) -> tuple[float, float]:
    """Variance in the median school, and the average of the schools' variances."""
    return float(np.exp(alpha)), float(np.exp(alpha + sigma_v**2 / 2))


def below_average(sigma_v: float) -> float:
    """Share of the schools whose variance is less than the average: Φ(σᵥ / 2)."""
    return float(special.ndtr(sigma_v / 2))


def draw(left, right, alpha0: float, alpha1: float, sigma_v: float, correlation: float) -> Drawn:
    """Draw twelve schools by their mean, and all schools by their variance."""
    first, second, w = standard_effects()
    v = sigma_v * (correlation * first + (1 - correlation**2) ** 0.5 * second)
    sigma = np.exp((alpha0 + alpha1 * w + v) / 2)
    _draw_schools(left, TAU * first, sigma, w)
    _draw_variances(right, alpha0, alpha1, sigma_v)
    median, average = median_and_average(alpha0, sigma_v)
    return sigma_v > 0.4 and f"{average:.2f}" == "1.00", dict(
        median=median, average=average, factor=np.exp(alpha1), below=below_average(sigma_v),
        schools=SCHOOLS, least=sigma.min(), most=sigma.max(),
    )  # fmt: skip


def _draw_schools(ax, u: np.ndarray, sigma: np.ndarray, w: np.ndarray) -> None:
    at = np.arange(1, SCHOOLS + 1)
    for kind, (colour, marker, _) in enumerate(KINDS):
        x, y, s = (values[w == kind] for values in (at, u, sigma))
        ax.vlines(x, y - MOST * s, y + MOST * s, color=PALETTE[colour], lw=1.6)
        ax.vlines(x, y - HALF * s, y + HALF * s, color=PALETTE[colour], lw=8)
        ax.plot(x, y, marker, ms=5, color="white")
        ax.text(1 + 3 * kind, 4.6, f"w = {kind}", color=PALETTE[colour])
    ax.set(xlim=(0.3, SCHOOLS + 0.7), ylim=(-LIMIT, LIMIT))


def _draw_variances(ax, alpha0: float, alpha1: float, sigma_v: float) -> None:
    for kind, (colour, _, dash) in enumerate(KINDS):
        alpha = alpha0 + alpha1 * kind
        variance = np.exp(alpha + sigma_v * special.ndtri(RANKS))
        ax.plot(RANKS, variance, dash, color=PALETTE[colour])
        median, average = median_and_average(alpha, sigma_v)
        ax.plot(0.5, median, "o", ms=9, color=PALETTE[colour])
        ax.plot(below_average(sigma_v), average, "^", ms=11, color=PALETTE[colour])
    ax.text(0.03, 4.6, "● median  ▲ average")


WIDGET = LESSON.widget(draw)
