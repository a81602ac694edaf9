"""Schools of ``hsb`` judged by a part of their students, and by how much to trust that part.

The model shrinks the mean of n_j students by τ² / (τ² + σ²/n_j) towards the mean of all schools.
Here both variances are guesses. The students that were not drawn open the envelope: how far off are
the three kinds of pooling from what these score?
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.data.shipped import load
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

SEED = 8
#: Every fourth of the 160 schools, ordered by size, has an arrow; the errors are those of all.
EVERY = 4
LOWEST, HIGHEST = -4.0, 28.0
#: Ratios of both variances among which the best is looked for, and what is as good, in points.
RATIOS, AS_GOOD = np.geomspace(0.02, 5.0, 60), 0.02


@cache
def schools() -> tuple[np.ndarray, ...]:
    """Scores of each school, from the smallest to the largest."""
    groups = load("hsb").groupby("school")["math"]
    return tuple(sorted((rows.to_numpy() for _, rows in groups), key=len))


@cache
def parts(share: int, sample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Students drawn in each school, their mean, and the mean of the others."""
    rng = np.random.default_rng([SEED, sample])
    n = np.array([max(1, round(len(scores) * share / 100)) for scores in schools()])
    order = zip(map(rng.permutation, schools()), n, strict=True)
    own, others = zip(*((scores[:k].mean(), scores[k:].mean()) for scores, k in order), strict=True)
    return n, np.array(own), np.array(others)


def pooled(
    own: np.ndarray, n: np.ndarray, tau2: float, sigma2: float
) -> tuple[np.ndarray, float, np.ndarray]:
    """Weights of the schools' own means, mean of all schools, and shrunken means."""
    variance = tau2 + sigma2 / n
    weight, grand = tau2 / variance, np.average(own, weights=1 / variance)
    return weight, float(grand), grand + weight * (own - grand)


def error(guess: float | np.ndarray, others: np.ndarray) -> float:
    """How far guesses are from the mean of the other students, root mean square over schools."""
    return float(((guess - others) ** 2).mean() ** 0.5)


@cache
def least_error(share: int, sample: int) -> float:
    """The error of shrunken means at the best variances, of which only the ratio counts."""
    n, own, others = parts(share, sample)
    return min(error(pooled(own, n, ratio, 1.0)[2], others) for ratio in RATIOS)


def draw(left, right, tau2: float, sigma2: float, share: int, sample: int) -> Drawn:
    """Draw the arrows of a quarter of the schools, and the errors of all of them."""
    n, own, others = parts(share, sample)
    weight, grand, partial = pooled(own, n, tau2, sigma2)
    guesses = {"grand mean": grand, "own mean": own, "shrunken mean": partial}
    miss = {name: error(g, others) for name, g in guesses.items()}

    _draw_arrows(left, own[::EVERY], partial[::EVERY], grand)
    _draw_errors(right, miss)
    return miss["shrunken mean"] <= least_error(share, sample) + AS_GOOD, dict(
        weight=weight.mean(), fewest=n.min(), most=n.max(), best=min(miss, key=miss.get),
        **{name.partition(" ")[0]: value for name, value in miss.items()},
    )  # fmt: skip


def _draw_arrows(ax, own: np.ndarray, partial: np.ndarray, grand: float) -> None:
    at = np.arange(len(own))
    ax.axhline(grand, color=PALETTE["grey"], ls="--", lw=1.6)
    ax.vlines(at, own, partial, color=PALETTE["light"], lw=2)
    ax.plot(at, own, "o", ms=4.5, mew=0, color=PALETTE["sky"])
    ax.plot(at, partial, "D", ms=5.5, mew=0, color=PALETTE["vermillion"])
    ax.text(0, 25.7, "● own mean", color=PALETTE["sky"])
    ax.text(17, 25.7, "◆ shrunken mean", color=PALETTE["vermillion"])
    ax.set(xlim=(-1, len(own)), ylim=(LOWEST, HIGHEST))


def _draw_errors(ax, miss: dict[str, float]) -> None:
    colours = [PALETTE[c] for c in ("grey", "sky", "vermillion")]
    ax.barh(range(3), list(miss.values()), height=0.42, color=colours)
    for k, (name, value) in enumerate(miss.items()):
        ax.text(0.05, k + 0.3, f"{name}: {value:.2f}")


WIDGET = LESSON.widget(draw)
