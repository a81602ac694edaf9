"""Confidence intervals of a variance function that leaves out the schools' own variances.

Half of the schools have w = 0, half w = 1, and log Var(e_ij) = α₀ + α₁ w_j + v_j with
Var(v) = σ²_v. Model A has no v. Its estimate of α₁ is then the log ratio of two pooled variances,
log(SSW₁ / SSW₀), with the standard error √(2/df₁ + 2/df₀) that normal persons of equal variance
would have; school means cost a degree of freedom each. Sums of squares are drawn themselves, given
the school's variance as χ² with n − 1 degrees of freedom, so that a hundred studies take a moment.
The curves are the two factors of the chapter: heavier tails, times Moulton's for squares.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.distributions import normal_quantile, two_sided_t
from mlteach.core.palette import PALETTE
from mlteach.questions.design_effects import moulton_factor
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Slider
from mlteach.widgets.look import figure

STUDIES, LEVEL = 100, 0.95
SEED = 12
SIZES = np.geomspace(2, 100, 25)
#: Shares of the predictor between schools, each with a colour.
PREDICTORS = {0.0: "green", 0.2: "orange", 1.0: "blue"}
LIMIT = 13.0


def too_small(n: float, icc_x: float, sigma2_v: float) -> float:
    """True standard error over that of Model A, in many schools of n."""
    variance = 3 * np.exp(sigma2_v) - 1
    icc_squares = (np.exp(sigma2_v) - 1) / variance
    return float((variance / 2) ** 0.5 * moulton_factor(n, icc_x, icc_squares))


def coverage(n: float, icc_x: float, sigma2_v: float) -> float:
    """Share of Model A's intervals that hold the truth."""
    z = normal_quantile(LEVEL) / too_small(n, icc_x, sigma2_v)
    return 1 - float(two_sided_t(z, np.inf))


@cache
def curves(sigma2_v: float) -> tuple[list[float], ...]:
    """Coverage at each size of the schools, for each kind of predictor."""
    return tuple([coverage(n, icc_x, sigma2_v) for n in SIZES] for icc_x in PREDICTORS)


@cache
def draws(schools: int, n: int, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal v and sums of squares of unit variance, shape (STUDIES, 2, schools / 2)."""
    rng = np.random.default_rng([SEED, schools, n, sample])
    shape = (STUDIES, 2, schools // 2)
    return rng.standard_normal(shape), rng.chisquare(n - 1, shape)


def distances(schools: int, n: int, sigma2_v: float, sample: int) -> np.ndarray:
    """Estimate minus truth of each study, in standard errors of Model A, in increasing order."""
    v, squares = draws(schools, n, sample)
    pooled = (np.exp(sigma2_v**0.5 * v) * squares).sum(axis=2)
    se = (2 * 2 / (schools // 2 * (n - 1))) ** 0.5
    return np.sort(np.log(pooled[:, 1] / pooled[:, 0]) / se)


def draw(sigma2_v: float, n: int, schools: int, sample: int) -> Panel:
    """Draw the coverage that the formula promises, beside a hundred intervals."""
    z = distances(schools, n, sigma2_v, sample)
    held = np.abs(z) <= normal_quantile(LEVEL)
    shown, (left, right) = figure((1, 1.15))
    _draw_coverage(left, n, sigma2_v)
    _draw_intervals(right, z, held)
    readouts = {
        "true SE / SE of Model A": f"{too_small(n, 1.0, sigma2_v):.2f}",
        "coverage by the formula": f"{coverage(n, 1.0, sigma2_v):.0%}",
        f"of these {STUDIES} studies": f"{held.mean():.0%}",
        "SE that Model A reports": f"{(4 / (schools // 2 * (n - 1))) ** 0.5:.3f}",
    }
    solved = readouts["coverage by the formula"] == f"{LEVEL:.0%}"
    return Panel(shown, readouts, _description(schools, n, readouts), solved)


def _draw_coverage(ax, n: int, sigma2_v: float) -> None:
    ax.axhline(LEVEL, color=PALETTE["grey"], ls=":", lw=2)
    styles = zip(curves(sigma2_v), PREDICTORS.values(), (":", "--", "-"), strict=True)
    for values, colour, dash in styles:
        ax.plot(SIZES, values, dash, color=PALETTE[colour])
    ax.plot(n, coverage(n, 1.0, sigma2_v), "o", ms=10, color=PALETTE["blue"])
    names = ("ρₓ = 0", "ρₓ = 0.2", "ρₓ = 1: w")
    for k, (name, colour) in enumerate(zip(names, PREDICTORS.values(), strict=True)):
        ax.text(2.2, 0.2 - 0.075 * k, name, color=PALETTE[colour])
    ax.set(title="Coverage by the formula", xlabel="students per school, n")
    ax.set(xscale="log", xlim=(1.8, 112), ylim=(0, 1.02), yticks=[0, 0.5, LEVEL])
    ax.set_yticklabels(["0", "50%", "95%"])
    ax.set_xticks([2, 5, 10, 25, 100], ["2", "5", "10", "25", "100"])
    ax.minorticks_off()


def _draw_intervals(ax, z: np.ndarray, held: np.ndarray) -> None:
    half, at = normal_quantile(LEVEL), np.arange(len(z))
    # The rare ones that lie farther out stand at the edge.
    shown = np.clip(z, -LIMIT + half, LIMIT - half)
    for colour, these in (("light", held), ("vermillion", ~held)):
        ax.vlines(
            at[these], shown[these] - half, shown[these] + half, color=PALETTE[colour], lw=1.35
        )
    ax.axhline(0, color=PALETTE["black"], lw=1.6)
    ax.text(2, 10.6, f"{(~held).sum()} of {len(z)} miss", color=PALETTE["vermillion"], fontsize=15)
    ax.set(title="Intervals of A, in SE", xlabel="studies, by estimate")
    ax.set(xlim=(-2, STUDIES + 1), xticks=[])
    ax.set(ylim=(-LIMIT, LIMIT), yticks=[-10, -5, 0, 5, 10])


def _description(schools: int, n: int, readouts: dict[str, str]) -> str:
    factor, promised, found, _ = readouts.values()
    return (
        f"Left, coverage against students per school for predictors that lie between schools not "
        f"at all, in part and altogether: for the last, w, with {n} students the standard error "
        f"is {factor} times too small and {promised} of the intervals hold the truth. Right, "
        f"{STUDIES} studies of {schools} schools, ordered by estimate: {found} of the intervals "
        "hold it."
    )


WIDGET = Widget(
    name="spurious_precision",
    title="A hundred studies that know too much",
    question=(
        "The intervals promise 95%. Try to mend them with more schools, then with more students. "
        "What do both do to the standard error that Model A reports, and what to its coverage?"
    ),
    controls=(
        Slider(
            "sigma2_v",
            "variance of v, σ²ᵥ",
            0.0,
            0.3,
            0.01,
            0.2,
            grid=(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
        ),
        Slider("n", "students per school, n", 2, 100, 1, 25, grid=(5, 10, 25, 50, 100)),
        Slider("schools", "schools, J", 20, 500, 10, 50, grid=(20, 50, 500)),
        Slider("sample", "sample of 100 studies", 1, 20, 1, 1, grid=(1, 2, 3)),
    ),
    draw=draw,
    chapter=12,
    answer=(
        "Only where schools hardly differ in their variance do the intervals keep the promise: "
        "more schools do not mend the coverage, and more students make it worse."
    ),
)
