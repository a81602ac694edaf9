"""The drop in deviance when a variance is zero, and two answers to how unusual it is.

A random effect is added to k others: one variance and k covariances. Were all k + 1 parameters free
to go either way, the drop would be χ² with k + 1 degrees of freedom, the naive reference. The
variance stops at zero, and with many clusters the drop is a mixture, half χ² with k degrees of
freedom and half with k + 1 (Self and Liang, 1987, doi:10.1080/01621459.1987.10478472; Stram and
Lee, 1994, doi:10.2307/2533455). χ² with 0 degrees of freedom is zero itself.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from mlteach.core.distributions import chi2_quantile, chi2_sf
from mlteach.core.lr_test import likelihood_ratio_test
from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

LEVEL = 0.05
WIDTH = 0.5
LOWEST_P = 2e-4
HIGHEST = 12.0
EDGES = np.arange(0, HIGHEST + WIDTH, WIDTH)
#: Effects that are there already, by what is tested.
TESTED = {tested: k for k, tested in enumerate(LESSON.options("tested"))}
#: Which of both tests reject: none, one, two.
REJECTED = (
    "neither rejects",
    "the mixture rejects and the naive test does not",
    "both reject",
)


def naive_tail(values: np.ndarray, k: int) -> np.ndarray:
    """Probability of a drop of at least some values, by χ² with k + 1 degrees of freedom."""
    return chi2_sf(values, k + 1)


def mixture_tail(values: np.ndarray, k: int) -> np.ndarray:
    """The same by the mixture; at zero itself it is 1."""
    lower = chi2_sf(values, k) if k else np.where(np.greater(values, 0), 0.0, 1.0)
    return (lower + naive_tail(values, k)) / 2


def limits(k: int) -> tuple[float, float]:
    """Drops that the naive reference and the mixture exceed with a probability of 5%."""
    naive = chi2_quantile(1 - LEVEL, k + 1)
    return naive, optimize.brentq(lambda drop: mixture_tail(drop, k) - LEVEL, 0.0, naive)


def shown_p(p: float) -> str:
    """A p-value with three decimals."""
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


def draw(left, right, tested: str, drop: float) -> Drawn:
    """Draw the null distribution with the observed drop, beside both p-values."""
    k = TESTED[tested]
    test = likelihood_ratio_test(drop, k + 1, (*[0.0] * k, 0.5, 0.5))
    _draw_null(left, k, drop)
    _draw_p(right, k, drop)
    naive, mixture = limits(k)
    return test.p_mixture < LEVEL < test.p, dict(
        naive=naive, mixture=mixture, naive_p=shown_p(test.p), mixture_p=shown_p(test.p_mixture),
        rejected=REJECTED[(test.p < LEVEL) + (test.p_mixture < LEVEL)],
    )  # fmt: skip


def _draw_null(ax, k: int, drop: float) -> None:
    above = mixture_tail(EDGES, k)
    shares = -np.diff(above)
    if k == 0:  # the drops of exactly zero have a bar of their own
        shares[0] = 0.5 - above[1]
        at_zero = "vermillion" if drop == 0 else "sky"
        ax.stairs([0.5], [-WIDTH, 0], fill=True, color=PALETTE[at_zero])
        ax.text(0.8, 0.48, "← exactly zero")
    # A bar that the observed drop divides has two colours.
    for start, stop, colour in ((0.0, drop, "sky"), (drop, HIGHEST, "vermillion")):
        left, right = np.clip(EDGES[:-1], start, stop), np.clip(EDGES[1:], start, stop)
        kept = right > left
        ax.bar(left[kept], shares[kept], right[kept] - left[kept], align="edge", lw=0,
               color=PALETTE[colour])  # fmt: skip
    naive = -np.diff(naive_tail(EDGES, k))
    ax.stairs(naive, EDGES, baseline=None, color=PALETTE["grey"], ls="--", lw=2)
    ax.plot([drop, drop], [0, 0.2], color=PALETTE["black"], lw=2)
    ax.plot(drop, 0.2, "v", ms=11, color=PALETTE["black"])
    ax.text(5.4, 0.33, "bars: mixture", color=PALETTE["vermillion"])
    ax.text(5.4, 0.28, "dashed: naive", color=PALETTE["grey"])
    ax.set(xlim=(-0.7, HIGHEST + 0.4))


def _draw_p(ax, k: int, drop: float) -> None:
    at = np.linspace(0, HIGHEST, 61)[1:]
    for tail, colour, style in ((mixture_tail, "vermillion", "-"), (naive_tail, "grey", "--")):
        ax.plot(at, tail(at, k), style, color=PALETTE[colour])
        ax.plot(drop, tail(drop, k), "o", ms=9, color=PALETTE[colour])
    ax.axhline(LEVEL, color=PALETTE["blue"], ls=":", lw=2)
    ax.vlines(drop, LOWEST_P, naive_tail(drop, k), color=PALETTE["black"], lw=2, zorder=1)
    ax.text(0.2, 0.035, "5%", color=PALETTE["blue"], va="top")
    ax.set(xlim=(-0.4, HIGHEST + 0.3), ylim=(LOWEST_P, 1.5))


WIDGET = LESSON.widget(draw)
