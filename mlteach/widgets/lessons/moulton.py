"""Three numbers that make a standard error wrong: cluster size and the ICCs of x and of y.

In each of many simulated studies y has nothing to do with x, and OLS tests the slope as if all
persons were independent. Of a study OLS needs sums of squares and products only. They are drawn
themselves, means of clusters as normal and sums within clusters as Wishart, so that thousands of
studies of any size take a moment.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.distributions import t_quantile, two_sided_t
from mlteach.core.palette import PALETTE
from mlteach.questions.design_effects import moulton_factor
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

CLUSTERS, STUDIES = 40, 2000
SEED = 1986
LEVEL = 0.95
SIZES = np.geomspace(1, 100, 30)
#: Of the bars, in critical values: one of them ends where the test begins to reject.
EDGES = np.arange(-12, 13) / 2


@cache
def products(n: int) -> np.ndarray:
    """Sums of squares and products in each study, shape (STUDIES, 4, 4).

    Of four independent standard normal parts: clusters' and members' part of x, then of y.
    """
    rng = np.random.default_rng(SEED)
    means = rng.standard_normal((STUDIES, CLUSTERS, 4))
    means[:, :, [1, 3]] /= n**0.5
    means -= means.mean(axis=1, keepdims=True)
    found = n * means.transpose(0, 2, 1) @ means
    df = CLUSTERS * (n - 1)
    if df:
        # Bartlett: the Cholesky root of a Wishart matrix of two independent variables.
        root = np.zeros((STUDIES, 2, 2))
        root[:, 1, 0] = rng.standard_normal(STUDIES)
        root[:, [0, 1], [0, 1]] = rng.chisquare([df, df - 1], (STUDIES, 2)) ** 0.5
        found[:, 1::2, 1::2] += root @ root.transpose(0, 2, 1)
    return found


def simulated(n: int, icc_x: float, icc_y: float) -> tuple[np.ndarray, np.ndarray]:
    """OLS slope of each study and the standard error that OLS claims for it."""
    x = np.array([icc_x**0.5, (1 - icc_x) ** 0.5, 0.0, 0.0])
    y = np.array([0.0, 0.0, icc_y**0.5, (1 - icc_y) ** 0.5])
    sums = products(n)
    xx, xy, yy = x @ (sums @ x).T, x @ (sums @ y).T, y @ (sums @ y).T
    slope = xy / xx
    return slope, ((yy - slope * xy) / (CLUSTERS * n - 2) / xx) ** 0.5


def expected_alarms(factor: float) -> float:
    """Share of rejections if a slope varies ``factor`` times as much as its standard error says."""
    return float(two_sided_t(t_quantile(LEVEL, np.inf) / factor, np.inf))


def promised(edges: np.ndarray, df: int) -> np.ndarray:
    """Shares of the bars if t has the distribution that OLS takes for granted."""
    tail = two_sided_t(edges, df) / 2
    return np.diff(np.where(edges < 0, tail, 1 - tail))


def draw(left, right, n: int, icc_x: float, icc_y: float) -> Drawn:
    """Draw standard errors by the size of the clusters, beside the tests of simulated studies."""
    factor = moulton_factor(n, icc_x, icc_y)
    slope, se = simulated(n, icc_x, icc_y)
    df = CLUSTERS * n - 2
    alarms = float((np.abs(slope / se) > t_quantile(LEVEL, df)).mean())

    _draw_errors(left, n, icc_x, icc_y)
    _draw_tests(right, slope / se, df, alarms)
    return 0.45 < alarms < 0.55, dict(
        factor=factor, alarms=alarms, ratio=slope.std() / (se**2).mean() ** 0.5,
        expected=expected_alarms(factor), clusters=CLUSTERS, studies=STUDIES,
    )  # fmt: skip


def _draw_errors(ax, n: int, icc_x: float, icc_y: float) -> None:
    ols = (CLUSTERS * SIZES) ** -0.5
    factors = [moulton_factor(size, icc_x, icc_y) for size in SIZES]
    ax.plot(SIZES, ols * factors, color=PALETTE["blue"], label="true")
    ax.plot(SIZES, ols, "--", color=PALETTE["grey"], label="OLS")
    claimed = (CLUSTERS * n) ** -0.5
    true = claimed * moulton_factor(n, icc_x, icc_y)
    ax.vlines(n, claimed, true, color=PALETTE["vermillion"], lw=3.5)
    ax.plot(n, true, "o", ms=10, color=PALETTE["blue"])
    ax.plot(n, claimed, "o", ms=8, color=PALETTE["grey"])
    ax.legend(loc="upper right", ncols=2, borderaxespad=0, handlelength=1.4, columnspacing=1)


def _draw_tests(ax, t: np.ndarray, df: int, alarms: float) -> None:
    edges = EDGES * t_quantile(LEVEL, df)
    # The outermost bars hold what lies beyond them, too.
    shares = np.histogram(np.clip(t, edges[0], edges[-1]), edges)[0] / len(t)
    false = np.abs(EDGES[:-1] + EDGES[1:]) / 2 > 1
    for which, colour in ((~false, "sky"), (false, "vermillion")):
        ax.stairs(np.where(which, shares, 0.0), edges, fill=True, color=PALETTE[colour])
    ax.stairs(promised(edges, df), edges, baseline=None, color=PALETTE["grey"], ls="--", lw=2.4)
    ax.text(0.6, 0.86, f"{alarms:.0%}", color=PALETTE["vermillion"], fontsize=22,
            transform=ax.transAxes)  # fmt: skip
    ax.text(0.6, 0.77, "false alarms", color=PALETTE["vermillion"], transform=ax.transAxes)


WIDGET = LESSON.widget(draw)
