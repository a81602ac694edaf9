"""Variances of two groups of clusters, and the ICC that each group gets from its two.

Group 1 has a variance of 10 in total, of which the ICC is between clusters. Group 2 has the
variances of group 1, divided by the variance ratios within and between. Both groups have the same
fixed draws, exactly standardised and only stretched: what looks alike in them is alike.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure

CLUSTERS, MEMBERS = 8, 7
SEED = 14
TOTAL = 10.0
#: Scores stay inside at the largest variances, and so do the bars.
LIMIT, LONGEST = 13.0, 22.0
NAMES = ("group 1", "group 2")


@cache
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


def draw(icc: float, vr_within: float, vr_between: float) -> Panel:
    """Draw members and means of the clusters of both groups beside their variances."""
    parts = variances(icc, vr_within, vr_between)
    iccs = [tau2 / (tau2 + sigma2) for tau2, sigma2 in parts]

    shown, (left, right) = figure((1.7, 1))
    for k, (tau2, sigma2) in enumerate(parts):
        _draw_clusters(left, k, tau2, sigma2)
        _draw_bar(right, k, tau2, sigma2, iccs[k])
    left.set(title="Members and true cluster means", xlabel="clusters", ylabel="score")
    left.set(xlim=(0, 2 * CLUSTERS + 2), xticks=[])
    left.set(ylim=(-LIMIT, LIMIT), yticks=[-10, -5, 0, 5, 10])
    right.text(0, 1.6, "■ between", color=PALETTE["vermillion"])
    right.text(13.2, 1.6, "■ within", color=PALETTE["sky"])
    right.set(title="Their variances", xlabel="τ² + σ²")
    right.set(xlim=(0, LONGEST), xticks=[0, 10, 20], ylim=(1.75, -0.5), yticks=[])
    readouts = {
        "ICC, group 1": f"{iccs[0]:.2f}",
        "ICC, group 2": f"{iccs[1]:.2f}",
        "between, τ²": " and ".join(f"{tau2:.1f}" for tau2, _ in parts),
        "within, σ²": " and ".join(f"{sigma2:.1f}" for _, sigma2 in parts),
    }
    solved = vr_within == vr_between != 1
    return Panel(shown, readouts, _description(readouts, vr_within, vr_between), solved)


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


def _description(readouts: dict[str, str], vr_within: float, vr_between: float) -> str:
    one, two, between, within = readouts.values()
    return (
        f"Left, {CLUSTERS} clusters of {MEMBERS} members in each of two groups: the variances "
        f"between clusters are {between}, those within {within}. The ratios, group 1 to group 2, "
        f"are {vr_between:.2f} between and {vr_within:.2f} within. Right, a bar for each group of "
        f"the variance between and within; the part between is {one} of the bar of group 1 and "
        f"{two} of that of group 2."
    )


WIDGET = Widget(
    name="group_variances",
    title="An ICC is a quotient",
    question=(
        "Here clusters of both groups differ equally, and yet the ICCs are not equal. Now give "
        "the groups equal ICCs although nothing else is equal, and then a group whose clusters "
        "differ less than those of the other, but whose ICC is larger."
    ),
    controls=(
        Slider("icc", "ICC of group 1", 0.05, 0.5, 0.01, 0.16, grid=(0.05, 0.1, 0.16, 0.3, 0.5)),
        Slider(
            "vr_within",
            "ratio within, group 1 / 2",
            0.5,
            5.0,
            0.05,
            0.8,
            grid=(0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0),
        ),
        Slider(
            "vr_between",
            "ratio between, group 1 / 2",
            0.5,
            5.0,
            0.05,
            1.0,
            grid=(0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0),
        ),
    ),
    draw=draw,
    chapter=14,
    answer=(
        "Equal ICCs, and neither variance is equal: both ratios are the same, and an ICC is a "
        "quotient."
    ),
)
