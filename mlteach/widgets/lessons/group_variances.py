"""Variances of two groups of clusters, and the ICC that each group gets from its two.

Group 1 has a variance of 10 in total, of which the ICC is between clusters. Group 2 has the
variances of group 1, divided by the variance ratios within and between. Both groups have the same
fixed draws, exactly standardised and only stretched: what looks alike in them is alike.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

CLUSTERS, MEMBERS = 8, 7
SEED = 14
TOTAL = 10.0
#: Scores stay inside at the largest variances, and so do the bars.
LIMIT, LONGEST = 13.0, 22.0
NAMES = ("group 1", "group 2")


def _unit_draws() -> tuple[np.ndarray, np.ndarray]:
    """Cluster effects (8) and deviations (8, 7), standardised over clusters and in each cluster."""
    rng = np.random.default_rng(SEED)
    u = np.sort(rng.standard_normal(CLUSTERS))
    e = rng.standard_normal((CLUSTERS, MEMBERS))
    e -= e.mean(axis=1, keepdims=True)
    return (u - u.mean()) / u.std(), e / e.std(axis=1, keepdims=True)


def variances(icc: float, vr_within: float, vr_between: float) -> tuple[tuple[float, float], ...]:
    """Variance between and within clusters in group 1, then in group 2."""
    tau2, sigma2 = TOTAL * icc, TOTAL * (1 - icc)
    return (tau2, sigma2), (tau2 / vr_between, sigma2 / vr_within)


def draw(left, right, icc: float, vr_within: float, vr_between: float) -> Drawn:
    """Draw members and means of the clusters of both groups beside their variances."""
    parts = variances(icc, vr_within, vr_between)
    iccs = [tau2 / (tau2 + sigma2) for tau2, sigma2 in parts]

    for k, (tau2, sigma2) in enumerate(parts):
        _draw_clusters(left, k, tau2, sigma2)
        _draw_bar(right, k, tau2, sigma2, iccs[k])
    left.set(xlim=(0, 2 * CLUSTERS + 2), ylim=(-LIMIT, LIMIT))
    right.text(0, 1.6, "■ between", color=PALETTE["vermillion"])
    right.text(13.2, 1.6, "■ within", color=PALETTE["sky"])
    right.set(xlim=(0, LONGEST))
    between, within = ("{:.1f} and {:.1f}".format(*pair) for pair in zip(*parts, strict=True))
    return vr_within == vr_between != 1, dict(
        one=iccs[0], two=iccs[1], between=between, within=within, clusters=CLUSTERS, members=MEMBERS
    )


def _draw_clusters(ax, group: int, tau2: float, sigma2: float) -> None:
    u, e = _unit_draws()
    means = tau2**0.5 * u
    scores = means[:, None] + sigma2**0.5 * e
    at = np.arange(1, CLUSTERS + 1) + group * (CLUSTERS + 1)
    ax.plot(np.repeat(at, MEMBERS), scores.ravel(), "o", ms=4.5, mew=0, color=PALETTE["sky"])
    ax.hlines(means, at - 0.42, at + 0.42, color=PALETTE["vermillion"], lw=3.5)
    ax.text(at.mean(), -12.3, NAMES[group], ha="center")


def _draw_bar(ax, group: int, tau2: float, sigma2: float, icc: float) -> None:
    ax.barh(group, tau2, height=0.4, color=PALETTE["vermillion"])
    ax.barh(group, sigma2, left=tau2, height=0.4, color=PALETTE["sky"])
    ax.text(0, group - 0.28, f"{NAMES[group]}, ICC {icc:.2f}")


WIDGET = LESSON.widget(draw)
