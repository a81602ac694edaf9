"""Predictors enter a model of students in schools, and take their part of each variance.

Every figure is a fit by REML to the data ``hsb``, or to the first students of each school in a
fixed random order; means of schools are those of the students who are in. The proportions are those
of ``r_squared``: of both variances against the empty model, and the squared correlation of scores
and predictions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.palette import PALETTE
from mlteach.data.shipped import load
from mlteach.mixed.fit import fit_random_intercept
from mlteach.mixed.result import MixedResult
from mlteach.questions.r_squared import r_squared
from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Choice, Slider
from mlteach.widgets.look import figure

if TYPE_CHECKING:
    import pandas as pd

OUT, IN = "out", "in"
EMPTY = "math ~ 1"
SEED = 1982
#: Of τ², so that it is seen in two decimals.
GROWN = 0.005
AS_IT_IS, DEVIATION = "in, as it is", "in, as deviation"
#: Column by control and option.
COLUMNS = {
    "ses": {AS_IT_IS: "ses", DEVIATION: "ses_within"},
    "minority": {IN: "minority"},
    "mean_ses": {IN: "mean_ses"},
    "sector": {IN: "catholic"},
}


@cache
def sample_of(most: int) -> pd.DataFrame:
    """At most so many students of each school, with the mean of SES and the deviation from it."""
    hsb = load("hsb")
    order = np.random.default_rng(SEED).permutation(len(hsb))
    chosen = hsb.iloc[order].groupby("school").head(most).sort_index()
    means = chosen.groupby("school")["ses"].transform("mean")
    return chosen.assign(mean_ses=means, ses_within=chosen["ses"] - means)


@cache
def fit_to(most: int, formula: str) -> MixedResult:
    """A model of these students' scores."""
    return fit_random_intercept(formula, sample_of(most), cluster="school")


@cache
def explained(most: int, formula: str) -> tuple[float, float, float, float, float]:
    """Variances τ² and σ² of a model, the share of each that it explains, and its total R²."""
    found = r_squared(fit_to(most, formula), fit_to(most, EMPTY))
    return (*found.pseudo["model"], *found.pseudo["r2"], found.total)


def formula_of(**values: str) -> str:
    """The model in which these predictors are."""
    names = [COLUMNS[name][value] for name, value in values.items() if value != OUT]
    return f"math ~ {' + '.join(names)}" if names else EMPTY


def draw(mean_ses: str, sector: str, ses: str, minority: str, students: int) -> Panel:
    """Draw the two variances, and beside them the explained shares."""
    formula = formula_of(ses=ses, minority=minority, mean_ses=mean_ses, sector=sector)
    tau2, sigma2, r2_tau, r2_sigma, total = explained(students, formula)
    before = fit_to(students, EMPTY).variances["estimate"]

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
    values = {"ses": ses, "minority": minority, "mean_ses": mean_ses, "sector": sector}
    smaller = (formula_of(**values | {name: OUT}) for name in values)
    grown = any(explained(students, one)[0] < tau2 - GROWN for one in smaller)
    return Panel(shown, readouts, _description(formula, tau2, sigma2, before, shares), grown)


def _draw_variances(ax, now: tuple[float, float], before) -> None:
    names = ("between schools, τ²", "within schools, σ²")
    for k, (name, value, empty) in enumerate(zip(names, now, before, strict=True)):
        colour = PALETTE[("vermillion", "blue")[k]]
        ax.barh(-k, empty, height=0.42, color=PALETTE["light"])
        ax.barh(-k, value, height=0.42, color=colour)
        ax.text(0, 0.34 - k, f"{name}: {value:.2f}", color=colour)
    ax.set(title="Variance of math", xlabel="points² (grey: empty)", xlim=(0, 43))
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
        f"in grey: {tau2:.2f} between schools instead of {empty_tau2:.2f}, {sigma2:.2f} within "
        f"schools instead of {empty_sigma2:.2f}. Right, the shares explained: {shares[0]} of the "
        f"variance between, {shares[1]} of that within, and a total R² of {shares[2]}."
    )


WIDGET = Widget(
    name="variance_explained",
    title="What explains what?",
    question=(
        "Which predictors lower σ², which τ², which both? Find two cases in which τ² grows when a "
        "predictor enters. Is it more with fewer students in a school?"
    ),
    controls=(
        Choice("mean_ses", "school: mean SES", (OUT, IN)),
        Choice("sector", "school: sector", (OUT, IN)),
        Choice("ses", "student: SES", (OUT, AS_IT_IS, DEVIATION)),
        Choice("minority", "student: minority", (OUT, IN)),
        Slider(
            "students",
            "students per school, at most",
            5,
            70,
            5,
            70,
            grid=(5, 10, 15, 20, 25, 30, 40, 50, 70),
        ),
    ),
    draw=draw,
    chapter=5,
    answer=(
        "Two cases in which τ² grows: the predictor lowers σ², and less chance is subtracted from "
        "the differences between the means of schools."
    ),
    ways=2,
)
