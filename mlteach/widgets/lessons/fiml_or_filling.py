"""Confidence intervals of a variance ratio from incomplete data: as they are, or filled up.

Two groups of 200 places have the same variance; in a share of the places nothing was observed. FIML
takes the n values that are there: log(SS₁/n) − log(SS₂/n), standard error √(4/n). A completed file
has 200 values in each group, those that were there and draws for the others: σ²* from its
distribution given the data, then values with that variance. Analysed as if all were data, its
standard error is √(4/200). Pooled, twenty such files give Rubin's T. Sums of squares are drawn
themselves, as χ². The curve of one file is in closed form: with λ the share of the places that were
filled, its estimate has the variance 2[2/n + λ²(2/n + 2/(200 − n))].
"""

from __future__ import annotations

import numpy as np

from mlteach.core.distributions import normal_quantile, two_sided_t
from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import draw_intervals

LESSON = Lesson.beside(__file__)

PLACES, STUDIES, FILES, LEVEL = 200, 100, 20, 0.95
SEED = 15
FIML, ONE, POOLED = LESSON.options("method")
LIMIT = 1.3
#: So many standard errors are the spread of the estimates when filling has pretended too much.
PRETENDED = 2.0


def coverage_of_one_file(missing: float) -> float:
    """Share of the intervals of one completed file that hold the truth; missing in percent."""
    filled = PLACES * missing / 100.0
    if not filled:
        return LEVEL
    n, share = PLACES - filled, filled / PLACES
    variance = 2.0 * (2.0 / n + share**2 * (2.0 / n + 2.0 / filled))
    z = normal_quantile(LEVEL) * (4.0 / PLACES / variance) ** 0.5
    return 1.0 - float(two_sided_t(z, np.inf))


def estimates(missing: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Log ratio of the variances by FIML (S,) and in each file (FILES, S); the truth is 0."""
    rng = np.random.default_rng([SEED, missing, sample])
    filled = PLACES * missing // 100
    n = PLACES - filled
    seen = rng.chisquare(n, (STUDIES, 2))
    sigma2 = seen / rng.chisquare(n, (FILES, STUDIES, 2))
    invented = sigma2 * rng.chisquare(filled, sigma2.shape) if filled else 0.0 * sigma2
    return tuple(np.log(ss[..., 0] / ss[..., 1]) for ss in (seen, seen + invented))


def intervals(missing: int, method: str, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates, and standard errors as the method reports them, of each study."""
    seen, files = estimates(missing, sample)
    if method == FIML:
        return seen, np.full(STUDIES, (4.0 / (PLACES * (100 - missing) / 100)) ** 0.5)
    if method == ONE:
        return files[0], np.full(STUDIES, (4.0 / PLACES) ** 0.5)
    between = files.var(axis=0, ddof=1)
    return files.mean(axis=0), np.sqrt(4.0 / PLACES + (1 + 1 / FILES) * between)


def draw(left, right, missing: int, method: str, sample: int) -> Drawn:
    """Draw the coverage that each method promises, beside a hundred intervals."""
    estimate, se = intervals(missing, method, sample)
    held = np.abs(estimate) <= normal_quantile(LEVEL) * se
    _draw_coverage(left, missing, method)
    _draw_intervals(right, estimate, se, held)
    count = PLACES if method == ONE else PLACES * (100 - missing) // 100
    return estimate.std() >= PRETENDED * se.mean(), dict(
        count=count, se=se.mean(), spread=estimate.std(), holds=held.sum(), places=PLACES,
        studies=STUDIES,
    )  # fmt: skip


def _draw_coverage(ax, missing: int, method: str) -> None:
    shares = np.arange(0, 81, 2)
    ax.plot(shares, [coverage_of_one_file(s) for s in shares], "--", color=PALETTE["vermillion"])
    ax.axhline(LEVEL, color=PALETTE["blue"])
    one = method == ONE
    at = coverage_of_one_file(missing) if one else LEVEL
    ax.plot(missing, at, "o", ms=10, color=PALETTE["vermillion" if one else "blue"])
    ax.text(34, 0.965, "FIML, pooled", color=PALETTE["blue"])
    ax.text(3, 0.58, "one file", color=PALETTE["vermillion"])


def _draw_intervals(ax, estimate: np.ndarray, se: np.ndarray, held: np.ndarray) -> None:
    order = np.argsort(estimate)
    middle, half = estimate[order], normal_quantile(LEVEL) * se[order]
    low, high = np.maximum(middle - half, -LIMIT), np.minimum(middle + half, LIMIT)
    draw_intervals(ax, low, high, held[order], 1.1)
    ax.set_ylim(-LIMIT, LIMIT)


WIDGET = LESSON.widget(draw)
