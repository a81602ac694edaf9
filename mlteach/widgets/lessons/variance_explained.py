"""Predictors enter a model of students in schools, and take their part of each variance.

Every figure is a fit by REML to the data ``hsb``, or to the first students of each school in a
fixed random order; means of schools are those of the students who are in. The proportions are those
of ``r_squared``: of both variances against the empty model, and the squared correlation of scores
and predictions.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from mlteach.core.palette import PALETTE
from mlteach.data.shipped import load
from mlteach.mixed.fit import fit_random_intercept
from mlteach.mixed.result import MixedResult
from mlteach.questions.r_squared import r_squared
from mlteach.widgets.lesson import Drawn, Lesson
from mlteach.widgets.look import signed

LESSON = Lesson.beside(__file__)

OUT, IN = LESSON.options("sector")
EMPTY = "math ~ 1"
SEED = 1982
#: Of τ², so that it is seen in two decimals.
GROWN = 0.005
_, AS_IT_IS, DEVIATION = LESSON.options("ses")
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


def draw(left, right, mean_ses: str, sector: str, ses: str, minority: str, students: int) -> Drawn:
    """Draw the two variances, and beside them the explained shares."""
    values = {"ses": ses, "minority": minority, "mean_ses": mean_ses, "sector": sector}
    formula = formula_of(**values)
    tau2, sigma2, r2_tau, r2_sigma, total = explained(students, formula)
    before = fit_to(students, EMPTY).variances["estimate"]

    _draw_variances(left, (tau2, sigma2), before)
    _draw_shares(right, (r2_tau, r2_sigma, total))
    smaller = (formula_of(**values | {name: OUT}) for name in values)
    grown = any(explained(students, one)[0] < tau2 - GROWN for one in smaller)
    return grown, dict(
        model=formula, tau2=tau2, sigma2=sigma2, empty_tau2=before.iloc[0],
        empty_sigma2=before.iloc[1], r2_tau=percent(r2_tau), r2_sigma=percent(r2_sigma),
        total=percent(total),
    )  # fmt: skip


def _draw_variances(ax, now: tuple[float, float], before) -> None:
    names = ("between schools, τ²", "within schools, σ²")
    for k, (name, value, empty) in enumerate(zip(names, now, before, strict=True)):
        colour = PALETTE[("vermillion", "blue")[k]]
        ax.barh(-k, empty, height=0.42, color=PALETTE["light"])
        ax.barh(-k, value, height=0.42, color=colour)
        ax.text(0, 0.34 - k, f"{name}: {value:.2f}", color=colour)
    ax.spines["left"].set_visible(False)


def _draw_shares(ax, shares: tuple[float, ...]) -> None:
    names, colours = ("of τ²", "of σ²", "total R²"), ("vermillion", "blue", "black")
    for k, (name, share, colour) in enumerate(zip(names, shares, colours, strict=True)):
        ax.barh(-k, share, height=0.42, color=PALETTE[colour])
        ax.text(0.02, 0.34 - k, f"{name}: {percent(share)}", color=PALETTE[colour])
    ax.axvline(0, color=PALETTE["grey"], lw=1.5)
    ax.spines["left"].set_visible(False)


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{signed(100 * share, 1)}%"


WIDGET = LESSON.widget(draw)
