"""Within, between and contextual effect as one triangle, and which of them a model's slopes are.

Two schools whose means of x are one unit apart. A model with x and the mean of x holds two sides of
the triangle as coefficients; the third is their sum or difference. Which two depends on how x is
centred.
"""

from __future__ import annotations

from mlteach.core.palette import PALETTE
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

SCHOOL_MEAN, CONSTANT = LESSON.options("centred")
SIDES = ("within", "contextual", "between")
COLOURS = dict(zip(SIDES, ("blue", "black", "vermillion"), strict=True))
DASHES = dict(zip(SIDES, ("-", ":", "--"), strict=True))
#: What a model multiplies each side by, after the subtraction; the third side is no coefficient.
COEFFICIENTS = {
    CONSTANT: {"within": "x", "contextual": "mean"},
    SCHOOL_MEAN: {"within": "x − mean", "between": "mean"},
}
LIMIT = 4.6


def draw(left, right, within: float, between: float, centred: str) -> Drawn:
    """Draw the triangle beside the coefficients."""
    effects = dict(zip(SIDES, (within, between - within, between), strict=True))
    _draw_triangle(left, effects, centred)
    _draw_coefficients(right, effects, centred)
    readouts = {side: signed(effect) for side, effect in effects.items()}
    beside = "x itself" if centred == CONSTANT else "x minus the school's mean"
    _, of_mean = COEFFICIENTS[centred]
    return between == within, readouts | {"beside": beside, "of_mean": of_mean}


def _draw_triangle(ax, effects: dict[str, float], centred: str) -> None:
    within, _, between = effects.values()
    # Texts lie on the side of the line that is turned away from it.
    below, above = ("top", "bottom") if within > 0 else ("bottom", "top")
    ax.plot([-0.6, 1.2], [-0.6 * within, 1.2 * within], color=PALETTE["sky"], lw=1.6)
    ends = between - 0.6 * within, between + 0.6 * within
    ax.plot([0.4, 1.6], ends, color=PALETTE["sky"], lw=1.6)
    ax.text(-0.95, -0.6 * within, "school 1", va=below)
    ax.text(2.05, ends[1], "school 2", va=above, ha="right")
    legs = {
        "within": ([0, 1], [0, within]),
        "contextual": ([1, 1], [within, between]),
        "between": ([0, 1], [0, between]),
    }
    for side, (x, y) in legs.items():
        wide = 4.5 if side in COEFFICIENTS[centred] else 1.6
        ax.plot(x, y, DASHES[side], color=PALETTE[COLOURS[side]], lw=wide)
    ax.plot([0, 1, 1], [0, within, between], "o", ms=8, color=PALETTE["black"])
    ax.set(ylim=(-LIMIT, LIMIT))


def _draw_coefficients(ax, effects: dict[str, float], centred: str) -> None:
    for k, (side, effect) in enumerate(effects.items()):
        name = COEFFICIENTS[centred].get(side)
        ax.barh(-k, effect, height=0.36, color=PALETTE[COLOURS[side] if name else "light"])
        ax.plot([0, 0], [-k - 0.25, 0.25 - k], color=PALETTE["grey"], lw=1.5)
        text = f"{name}: {side} {signed(effect)}" if name else f"{side} {signed(effect)}"
        ax.text(-4.1, 0.34 - k, text, color=PALETTE[COLOURS[side] if name else "grey"])
    ax.spines["left"].set_visible(False)


WIDGET = LESSON.widget(draw)
