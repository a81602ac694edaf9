"""Members, clusters and ICC: how much a clustered sample is worth, and what more money would buy.

With J clusters of n members, N = Jn, a mean is known as well as from N / (1 + (n − 1)ρ) independent
people. A cluster costs as much as ``price`` members. Twice the money opens twice as many clusters
of n, or it enlarges the J clusters to 2n + price members each (Raudenbush, 1997,
doi:10.1037/1082-989X.2.2.173).
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

SIZES = np.geomspace(2, 100, 40)
# Two ways of spending are as good as each other if their gains differ by less than this part.
NO_DIFFERENCE = 0.02


def worth(n: np.ndarray | float, clusters: int, icc: float) -> np.ndarray | float:
    """Effective sample size of clusters with n members each."""
    return clusters * n / (1 + (n - 1) * icc)


def draw(left, right, n: int, clusters: int, icc: float, price: int) -> Drawn:
    """Draw what a sample is worth by the size of its clusters, and what twice the money buys."""
    now = worth(n, clusters, icc)
    gain = {"members": worth(2 * n + price, clusters, icc) / now, "clusters": 2.0}
    left.plot(SIZES, clusters * SIZES, "--", color=PALETTE["grey"], lw=1.8, label="members, N")
    left.plot(SIZES, worth(SIZES, clusters, icc), color=PALETTE["blue"], label="effective N")
    left.vlines(n, now, clusters * n, color=PALETTE["vermillion"], lw=3.5)
    left.plot(n, now, "o", ms=10, color=PALETTE["blue"])
    left.plot(n, clusters * n, "o", ms=8, color=PALETTE["grey"])
    left.legend(loc="upper left", borderaxespad=0.0, labelspacing=0.2)
    colors = [PALETTE["orange"], PALETTE["green"]]
    right.barh(list(gain), [v - 1 for v in gain.values()], left=1, height=0.55, color=colors)
    for k, (what, factor) in enumerate(gain.items()):
        right.text(1.05, k + 0.36, f"more {what}: × {factor:.2f}")
    better = f"more {max(gain, key=gain.get)} pay more"
    if round(gain["members"], 2) == gain["clusters"]:
        better = "it makes no difference"
    return abs(gain["members"] / gain["clusters"] - 1) < NO_DIFFERENCE, dict(
        deff=1 + (n - 1) * icc, N=clusters * n, worth=now, gain=gain["members"], better=better,
        ceiling=f"{clusters / icc:,.0f}" if icc else "none",
    )  # fmt: skip


WIDGET = LESSON.widget(draw)
