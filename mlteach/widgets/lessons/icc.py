"""Two variances and what follows from them: the clusters, the ICC, the correlation of two members.

The draws are fixed and made exact: cluster effects and members' deviations have the variances that
the sliders say, and the two members of a pair share nothing but their cluster. So the correlation
in the right picture equals the ICC to the last digit, at every position of the sliders.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

CLUSTERS, MEMBERS, PAIRS = 12, 9, 100
SEED = 318
#: Both scores and pairs stay inside at the largest variances.
LIMIT = 12.0


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


def draw(left, right, tau2: float, sigma2: float) -> Drawn:
    """Draw the clusters beside the pairs of their members."""
    u, e, pairs = _unit_draws()
    tau, sigma = tau2**0.5, sigma2**0.5
    means, scores = tau * u, (tau * u)[:, None] + sigma * e
    first, second = (tau * pairs[:, 0] + sigma * pairs[:, k] for k in (1, 2))
    icc, r = tau2 / (tau2 + sigma2), np.corrcoef(first, second)[0, 1]

    at = np.arange(1, CLUSTERS + 1)
    left.plot(np.repeat(at, MEMBERS), scores.ravel(), "o", ms=4.5, mew=0, color=PALETTE["sky"])
    left.hlines(means, at - 0.42, at + 0.42, color=PALETTE["vermillion"], lw=3.5)
    left.set(xlim=(0.3, CLUSTERS + 0.7))
    right.plot(first, second, "o", ms=4.5, mew=0, color=PALETTE["blue"])
    right.set(xlim=(-LIMIT, LIMIT))
    for ax in (left, right):
        ax.set(ylim=(-LIMIT, LIMIT), yticks=[-10, -5, 0, 5, 10])
    return f"{icc:.2f}" == "0.20", dict(
        icc=icc, r=abs(r), tau=tau, sigma=sigma, cloud=_cloud(icc), clusters=CLUSTERS,
        members=MEMBERS, pairs=PAIRS,
    )  # fmt: skip


def _cloud(icc: float) -> str:
    """The shape of a cloud of pairs with this correlation."""
    if icc < 0.05:
        return "a round cloud"
    return "a cloud that is a little longer than wide" if icc < 0.5 else "a cloud along a line"


WIDGET = LESSON.widget(draw)
