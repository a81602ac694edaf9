"""Where estimates of τ² fall, by ML and by REML, with few schools.

J schools of n. With SSB the sum of squares between schools, SSW that within them, and p₂
coefficients that describe schools,

    SSB ~ (σ² + nτ²) χ² with J − p₂ degrees of freedom,   SSW ~ σ² χ² with J(n − 1),

    τ̂² = max(0, SSB / d − SSW / (J(n − 1))) / n,   d = J for ML, d = J − p₂ for REML.

So the distribution of the estimate needs no simulation: given SSW it is a shifted χ², and SSW is
averaged over its quantiles. Everything is in multiples of the true τ².
"""

from __future__ import annotations

import numpy as np
from scipy import special

from mlteach.core.distributions import chi2_sf
from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

#: Midpoints of equal parts of probability, at which SSW is taken.
PROBABILITIES = (np.arange(200) + 0.5) / 200
EDGES = np.linspace(0, 4, 17)
#: The number of a mean stays that far from the ends of the axis.
MEANS_AT = (1.0, 3.0)
METHODS = {"ML": "vermillion", "REML": "blue"}


class Estimate:
    """Distribution of one method's estimate as a multiple of τ²: a SSB − b, cut off at zero."""

    def __init__(self, method: str, schools: int, n: int, icc: float, p2: int) -> None:
        self.df = schools - p2
        noise = (1 - icc) / icc / n
        divisor = schools if method == "ML" else self.df
        self.slope = (1 + noise) / divisor
        within = schools * (n - 1)
        self.shift = noise * special.chdtri(within, PROBABILITIES) / within

    @property
    def zero(self) -> float:
        """Probability of an estimate of exactly zero."""
        return 1 - self.above(np.zeros(1))[0]

    def above(self, values: np.ndarray) -> np.ndarray:
        """Probability of an estimate larger than some values, none of them negative."""
        return chi2_sf((values[:, None] + self.shift) / self.slope, self.df).mean(axis=1)

    @property
    def mean(self) -> float:
        """Expected value: that of a χ² above a limit, less the limit."""
        limit = self.shift / self.slope
        part = self.df * chi2_sf(limit, self.df + 2) - limit * chi2_sf(limit, self.df)
        return float(self.slope * part.mean())


def draw(left, right, schools: int, n: int, icc: float, p2: int) -> Drawn:
    """Draw both distributions with the share of zeros and the mean."""
    numbers = {}
    for ax, method in zip((left, right), METHODS, strict=True):
        estimate = Estimate(method, schools, n, icc, p2)
        _draw_distribution(ax, method, estimate)
        numbers |= {method: estimate.mean, f"{method}_zero": estimate.zero}
    return 0.45 < numbers["ML"] < 0.55, numbers


def _draw_distribution(ax, method: str, estimate: Estimate) -> None:
    above = estimate.above(EDGES)
    # The last bar holds what lies beyond it, too.
    shares = np.append(-np.diff(above)[:-1], above[-2])
    ax.stairs(shares, EDGES, fill=True, color=PALETTE[METHODS[method]])
    ax.stairs([estimate.zero], [-0.25, 0], fill=True, color=PALETTE["black"])
    ax.text(0.1, 0.9, f"exactly zero: {estimate.zero:.0%}")
    ax.vlines(1, 0, 0.7, color=PALETTE["grey"], ls="--", lw=1.8)
    ax.plot([estimate.mean] * 2, [0, 0.7], color=PALETTE["green"])
    ax.plot(estimate.mean, 0.7, "v", ms=11, color=PALETTE["green"])
    place = np.clip(estimate.mean, *MEANS_AT)
    ax.text(place, 0.76, f"mean {estimate.mean:.2f}", color=PALETTE["green"], ha="center")


WIDGET = LESSON.widget(draw)
