"""Within, between and contextual effect as one triangle, and which of them a model's slopes are.

Two schools whose means of x are one unit apart. A model with x and the mean of x holds two sides of
the triangle as coefficients; the third is their sum or difference. Which two depends on how x is
centred.
"""

from __future__ import annotations

from mlteach.core.palette import PALETTE
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Choice, Slider
from mlteach.widgets.look import figure, signed

CONSTANT, SCHOOL_MEAN = "constant", "school mean"
SIDES = ("within", "contextual", "between")
COLOURS = dict(zip(SIDES, ("blue", "black", "vermillion"), strict=True))
DASHES = dict(zip(SIDES, ("-", ":", "--"), strict=True))
#: What a model multiplies each side by, after the subtraction; the third side is no coefficient.
COEFFICIENTS = {
    CONSTANT: {"within": "x", "contextual": "mean"},
    SCHOOL_MEAN: {"within": "x − mean", "between": "mean"},
}
LIMIT = 4.6


def draw(within: float, between: float, centred: str) -> Panel:
    """Draw the triangle beside the coefficients."""
    effects = dict(zip(SIDES, (within, between - within, between), strict=True))
    shown, (left, right) = figure((1.25, 1))
    _draw_triangle(left, effects, centred)
    _draw_coefficients(right, effects, centred)
    readouts = {side: signed(effect) for side, effect in effects.items()}
    return Panel(shown, readouts, _description(readouts, centred), between == within)


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
    ax.set(
        title="From school to school", xlabel="x, from the mean of school 1", ylabel="expected y"
    )
    ax.set(xlim=(-1, 2.1), xticks=[0, 1], ylim=(-LIMIT, LIMIT), yticks=[-4, -2, 0, 2, 4])


def _draw_coefficients(ax, effects: dict[str, float], centred: str) -> None:
    for k, (side, effect) in enumerate(effects.items()):
        name = COEFFICIENTS[centred].get(side)
        ax.barh(-k, effect, height=0.36, color=PALETTE[COLOURS[side] if name else "light"])
        ax.plot([0, 0], [-k - 0.25, 0.25 - k], color=PALETTE["grey"], lw=1.5)
        text = f"{name}: {side} {signed(effect)}" if name else f"{side} {signed(effect)}"
        ax.text(-4.1, 0.34 - k, text, color=PALETTE[COLOURS[side] if name else "grey"])
    ax.set(title="Coefficients of", xlabel="y for one unit", xlim=(-4.3, 4.3))
    ax.set(xticks=[-4, -2, 0, 2, 4], ylim=(-2.45, 0.75), yticks=[])
    ax.spines["left"].set_visible(False)


def _description(readouts: dict[str, str], centred: str) -> str:
    within, contextual, between = readouts.values()
    beside = "x minus the school's mean" if centred == SCHOOL_MEAN else "x itself"
    is_of_mean = "between" if centred == SCHOOL_MEAN else "contextual"
    return (
        "Left, the lines of two schools whose means of x are one unit apart. From the average "
        f"student of school 1 to one with x one higher the expected y changes by {within}, within; "
        f"from there to the average student of school 2, at the same x, by {contextual}, "
        f"contextual; directly by {between}, between. Right, the coefficients of a model with "
        f"{beside} and the mean: that of the mean is the {is_of_mean} effect."
    )


WIDGET = Widget(
    name="contextual",
    title="The contextual triangle",
    question=(
        "Switch from one centering to the other: which side of the triangle is the coefficient of "
        "the mean, and what does it hold fixed? When do the two models have the same coefficients?"
    ),
    controls=(
        Choice("centred", "subtracted from x", (SCHOOL_MEAN, CONSTANT)),
        Slider(
            "within",
            "within effect",
            -1.0,
            2.0,
            0.1,
            1.0,
            grid=(-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, 1.5, 2.0),
        ),
        Slider(
            "between", "between effect", -2.0, 3.0, 0.1, 2.5, grid=[k / 2 for k in range(-4, 7)]
        ),
    ),
    draw=draw,
    chapter=6,
    answer="Without a contextual effect the triangle is flat, and both models say the same.",
)
