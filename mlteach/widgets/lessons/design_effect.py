"""Members, clusters and ICC: how much a clustered sample is worth, and what more money would buy.

With J clusters of n members, N = Jn, a mean is known as well as from N / (1 + (n − 1)ρ) independent
people. A cluster costs as much as ``price`` members. Twice the money opens twice as many clusters
of n, or it enlarges the J clusters to 2n + price members each (Raudenbush, 1997,
doi:10.1037/1082-989X.2.2.173).
"""

from __future__ import annotations

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure

SIZES = np.geomspace(2, 100, 40)
# Two ways of spending are as good as each other if their gains differ by less than this part.
NO_DIFFERENCE = 0.02


def worth(n: np.ndarray | float, clusters: int, icc: float) -> np.ndarray | float:
    """Effective sample size of clusters with n members each."""
    return clusters * n / (1 + (n - 1) * icc)


def draw(n: int, clusters: int, icc: float, price: int) -> Panel:
    """Draw what a sample is worth by the size of its clusters, and what twice the money buys."""
    now = worth(n, clusters, icc)
    gain = {"members": worth(2 * n + price, clusters, icc) / now, "clusters": 2.0}

    shown, (left, right) = figure((1.5, 1))
    left.plot(SIZES, clusters * SIZES, "--", color=PALETTE["grey"], lw=1.8, label="members, N")
    left.plot(SIZES, worth(SIZES, clusters, icc), color=PALETTE["blue"], label="effective N")
    left.vlines(n, now, clusters * n, color=PALETTE["vermillion"], lw=3.5)
    left.plot(n, now, "o", ms=10, color=PALETTE["blue"])
    left.plot(n, clusters * n, "o", ms=8, color=PALETTE["grey"])
    left.legend(loc="upper left", borderaxespad=0.0, labelspacing=0.2)
    left.set(title="What the sample is worth", xlabel="members per cluster, n", ylabel="persons")
    left.set(xscale="log", xlim=(1.8, 112), yscale="log", ylim=(15, 25_000))
    left.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    left.set_yticks([20, 100, 1000, 10_000], ["20", "100", "1,000", "10,000"])
    colors = [PALETTE["orange"], PALETTE["green"]]
    right.barh(list(gain), [v - 1 for v in gain.values()], left=1, height=0.55, color=colors)
    for k, (what, factor) in enumerate(gain.items()):
        right.text(1.05, k + 0.36, f"more {what}: × {factor:.2f}")
    right.set(title="Twice the money on", xlabel="effective N, times")
    right.set(xscale="log", xlim=(1, 40), ylim=(-0.6, 1.8), yticks=[])
    right.set_xticks([1, 2, 5, 10, 30], ["1", "2", "5", "10", "30"])
    for ax in (left, right):
        ax.minorticks_off()
    readouts = {
        "design effect": f"{1 + (n - 1) * icc:.2f}",
        "N": f"{clusters * n:,}",
        "effective N": f"{now:,.0f}",
        "ceiling, J/ρ": f"{clusters / icc:,.0f}" if icc else "none",
    }
    solved = abs(gain["members"] / gain["clusters"] - 1) < NO_DIFFERENCE
    return Panel(shown, readouts, _description(readouts, clusters, n, gain), solved)


def _description(readouts: dict[str, str], clusters: int, n: int, gain: dict[str, float]) -> str:
    better = f"more {max(gain, key=gain.get)} pay more"
    if round(gain["members"], 2) == gain["clusters"]:
        better = "it makes no difference"
    return (
        f"Left, persons against members per cluster on logarithmic axes: {clusters} clusters of "
        f"{n} have {readouts['N']} members, on the dashed line, worth {readouts['effective N']} "
        f"independent persons, on the curve below; the bar between them is the design effect, "
        f"{readouts['design effect']}. Right, twice the money on more clusters multiplies the "
        f"effective N by 2.00, on more members by {gain['members']:.2f}: {better}."
    )


WIDGET = Widget(
    name="design_effect",
    title="More clusters or more members?",
    question=(
        "You get twice the money. When is it better spent on more members of the same clusters, "
        "and when on more clusters? Find a study for which it makes no difference."
    ),
    controls=(
        Slider("n", "members per cluster, n", 2, 100, 1, 20, grid=(2, 5, 10, 20, 40, 100)),
        Slider("clusters", "clusters, J", 10, 200, 1, 50, grid=(10, 20, 50, 200)),
        Slider("icc", "ICC, ρ", 0.0, 0.5, 0.01, 0.18, grid=(0.0, 0.01, 0.05, 0.1, 0.18, 0.3, 0.5)),
        Slider("price", "price of a cluster", 0, 50, 1, 25, "members", grid=(0, 25, 50)),
    ),
    draw=draw,
    chapter=4,
    answer="Here it makes no difference: both ways about double what the sample is worth.",
)
