"""Predictors enter a model of 7,185 students, and take their part of each variance.

Every figure is a fit to the data ``hsb`` by REML. The proportions are those of ``r_squared``: of
both variances against the empty model, and the squared correlation of scores and predictions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mlteach.data import load
from mlteach.mixed import fit_empty, fit_random_intercept
from mlteach.mixed_result import MixedResult
from mlteach.palette import PALETTE
from mlteach.r_squared import r_squared
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Choice
from mlteach.widgets.look import figure

if TYPE_CHECKING:
    import pandas as pd

OUT, IN = "out", "in"
AS_IT_IS, DEVIATION = "in, as it is", "in, as deviation"
#: Column by control and option.
COLUMNS = {
    "ses": {AS_IT_IS: "ses", DEVIATION: "ses_within"},
    "minority": {IN: "minority"},
    "mean_ses": {IN: "mean_ses"},
    "sector": {IN: "catholic"},
}


@cache
def students() -> pd.DataFrame:
    """The data with SES minus the school's mean."""
    hsb = load("hsb")
    return hsb.assign(ses_within=hsb["ses"] - hsb["mean_ses"])


@cache
def empty_model() -> MixedResult:
    """The model without predictors."""
    return fit_empty("math", students(), cluster="school")


@cache
def explained(formula: str) -> tuple[float, float, float, float, float]:
    """Variances τ² and σ² of a model, the share of each that it explains, and its total R²."""
    fit = fit_random_intercept(formula, students(), cluster="school")
    found = r_squared(fit, empty_model())
    return (*found.pseudo["model"], *found.pseudo["r2"], found.total)


def formula_of(**values: str) -> str:
    """The model in which these predictors are."""
    names = [COLUMNS[name][value] for name, value in values.items() if value != OUT]
    return f"math ~ {' + '.join(names) or '1'}"


def draw(ses: str, minority: str, mean_ses: str, sector: str) -> Panel:
    """Draw the two variances, and beside them the explained shares."""
    formula = formula_of(ses=ses, minority=minority, mean_ses=mean_ses, sector=sector)
    tau2, sigma2, r2_tau, r2_sigma, total = explained(formula)
    before = empty_model().variances["estimate"]

    shown, (left, right) = figure((1.1, 1))
    _draw_variances(left, (tau2, sigma2), before)
    _draw_shares(right, (r2_tau, r2_sigma, total))
    readouts = {
        "τ², between schools": f"{tau2:.2f}",
        "σ², within schools": f"{sigma2:.2f}",
        "total R²": percent(total),
        "model": formula,
    }
    shares = [percent(share) for share in (r2_tau, r2_sigma, total)]
    return Panel(shown, readouts, _description(formula, tau2, sigma2, before, shares))


def _draw_variances(ax, now: tuple[float, float], before) -> None:
    names = ("between schools, τ²", "within schools, σ²")
    for k, (name, value, empty) in enumerate(zip(names, now, before, strict=True)):
        colour = PALETTE[("vermillion", "blue")[k]]
        ax.barh(-k, empty, height=0.42, color=PALETTE["light"])
        ax.barh(-k, value, height=0.42, color=colour)
        ax.text(0, 0.34 - k, f"{name}: {value:.2f}", color=colour)
    ax.set(title="Variance of math", xlabel="points² (grey: empty)", xlim=(0, 41))
    ax.set(xticks=[0, 10, 20, 30, 40], ylim=(-1.5, 0.75), yticks=[])
    ax.spines["left"].set_visible(False)


def _draw_shares(ax, shares: tuple[float, ...]) -> None:
    names, colours = ("of τ²", "of σ²", "total R²"), ("vermillion", "blue", "black")
    for k, (name, share, colour) in enumerate(zip(names, shares, colours, strict=True)):
        ax.barh(-k, share, height=0.42, color=PALETTE[colour])
        ax.text(0.02, 0.34 - k, f"{name}: {percent(share)}", color=PALETTE[colour])
    ax.axvline(0, color=PALETTE["grey"], lw=1.5)
    ax.set(title="Explained share", xlabel="R²", xlim=(-0.06, 0.9))
    ax.set_xticks([0, 0.25, 0.5, 0.75], ["0", "25%", "50%", "75%"])
    ax.set(ylim=(-2.5, 0.75), yticks=[])
    ax.spines["left"].set_visible(False)


def percent(share: float) -> str:
    """A share with one decimal; no minus before zero."""
    return f"{round(100 * share, 1) + 0.0:.1f}%".replace("-", "−")


def _description(formula: str, tau2: float, sigma2: float, before, shares: list[str]) -> str:
    empty_tau2, empty_sigma2 = before
    return (
        f"Left, the two variances of the model {formula} as bars, before those of the empty model "
        f"in grey: {tau2:.2f} of {empty_tau2:.2f} are left between schools, {sigma2:.2f} of "
        f"{empty_sigma2:.2f} within schools. Right, the shares explained: {shares[0]} of the "
        f"variance between, {shares[1]} of that within, and a total R² of {shares[2]}."
    )


WIDGET = Widget(
    name="variance_explained",
    title="What explains what?",
    question=(
        "Which predictors lower σ², which τ², which both? Find two cases in which τ² grows when a "
        "predictor enters."
    ),
    controls=(
        Choice("mean_ses", "school: mean SES", (OUT, IN)),
        Choice("sector", "school: sector", (OUT, IN)),
        Choice("ses", "student: SES", (OUT, AS_IT_IS, DEVIATION)),
        Choice("minority", "student: minority", (OUT, IN)),
    ),
    draw=draw,
    chapter=5,
)
