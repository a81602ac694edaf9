"""Two variances and what follows from them: the clusters, the ICC, the correlation of two members.

The draws are fixed and made exact: cluster effects and members' deviations have the variances that
the sliders say, and the two members of a pair share nothing but their cluster. So the correlation
in the right picture equals the ICC to the last digit, at every position of the sliders.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure

CLUSTERS, MEMBERS, PAIRS = 12, 9, 100
SEED = 318
#: Both scores and pairs stay inside at the largest variances.
LIMIT = 12.0


@cache
def _unit_draws() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cluster effects (12), deviations (12, 9), and pairs (100, 3), all exactly standardised."""
    rng = np.random.default_rng(SEED)
    u = np.sort(rng.standard_normal(CLUSTERS))
    u = (u - u.mean()) / u.std()
    e = rng.standard_normal((CLUSTERS, MEMBERS))
    e -= e.mean()
    pairs = rng.standard_normal((PAIRS, 3))
    # Orthonormal columns: effect and both deviations are uncorrelated in these very pairs.
    pairs = np.linalg.qr(pairs - pairs.mean(axis=0))[0] * PAIRS**0.5
    return u, e / e.std(), pairs


def draw(tau2: float, sigma2: float) -> Panel:
    """Draw the clusters beside the pairs of their members."""
    u, e, pairs = _unit_draws()
    tau, sigma = tau2**0.5, sigma2**0.5
    means, scores = tau * u, (tau * u)[:, None] + sigma * e
    first, second = (tau * pairs[:, 0] + sigma * pairs[:, k] for k in (1, 2))
    icc, r = tau2 / (tau2 + sigma2), np.corrcoef(first, second)[0, 1]

    shown, (left, right) = figure((1.25, 1))
    at = np.arange(1, CLUSTERS + 1)
    left.plot(np.repeat(at, MEMBERS), scores.ravel(), "o", ms=4.5, mew=0, color=PALETTE["sky"])
    left.hlines(means, at - 0.42, at + 0.42, color=PALETTE["vermillion"], lw=3.5)
    left.set(title="Scores and true cluster means", xlabel="cluster", ylabel="score")
    left.set(xlim=(0.3, CLUSTERS + 0.7), xticks=[1, 4, 8, 12])
    right.plot(first, second, "o", ms=4.5, mew=0, color=PALETTE["blue"])
    right.set(title="Members of one cluster", xlabel="one member", ylabel="another member")
    right.set(xlim=(-LIMIT, LIMIT), xticks=[-10, 0, 10])
    for ax in (left, right):
        ax.set(ylim=(-LIMIT, LIMIT), yticks=[-10, -5, 0, 5, 10])
    readouts = {
        "ICC": f"{icc:.2f}",
        "correlation of two members": f"{abs(r):.2f}",  # it may be a rounding error below zero
        "SD between, τ": f"{tau:.2f}",
        "SD within, σ": f"{sigma:.2f}",
    }
    return Panel(shown, readouts, _description(icc, tau, sigma), readouts["ICC"] == "0.20")


def _description(icc: float, tau: float, sigma: float) -> str:
    return (
        f"Left, {CLUSTERS} clusters of {MEMBERS} members: the true means spread with a standard "
        f"deviation of {tau:.2f}, the members around their mean with {sigma:.2f}. Right, {PAIRS} "
        f"pairs of members of one cluster: {_cloud(icc)}, with a correlation of {icc:.2f}."
    )


def _cloud(icc: float) -> str:
    """The shape of a cloud of pairs with this correlation."""
    if icc < 0.05:
        return "a round cloud"
    return "a cloud that is a little longer than wide" if icc < 0.5 else "a cloud along a line"


WIDGET = Widget(
    name="icc",
    title="Two variances, one share",
    question=(
        "Make the ICC 0.20 in three different ways. What changes in the left picture from one way "
        "to the next, and what stays the same in the right one?"
    ),
    controls=(
        Slider(
            "tau2", "variance between, τ²", 0.0, 8.0, 0.1, 2.0, grid=np.arange(0, 8.5, 0.5).tolist()
        ),
        Slider(
            "sigma2",
            "variance within, σ²",
            0.5,
            8.0,
            0.1,
            4.0,
            grid=np.arange(0.5, 8.5, 0.5).tolist(),
        ),
    ),
    draw=draw,
    chapter=3,
    surprise=True,
    answer=(
        "Three ways to an ICC of 0.20: σ² is four times τ² in each. The spread of the scores "
        "changes, the correlation of two members does not."
    ),
    ways=3,
)
