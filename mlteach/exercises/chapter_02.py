"""Exercises of chapter 2, clustering as a nuisance.

Each answer is the computation that the chapter teaches, each mistake the computation of a reader
who left a step out.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import fit_random_intercept
from mlteach.questions.design_effects import moulton_factor

# ------------------------------------------------------------- 2.1: two standard errors in `london`


@cache
def _london_se() -> tuple[float, float]:
    """Standard errors of `mean_score11`: multilevel, OLS."""
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")

    london, formula = load("london"), "score16 ~ mean_score11"
    multilevel = fit_random_intercept(formula, london, cluster="school")
    ols = smf.ols(formula, london).fit()
    return float(multilevel.bse["mean_score11"]), float(ols.bse["mean_score11"])


def _se_ratio() -> float:
    multilevel, ols = _london_se()
    return multilevel / ols


# ---------------------------------------------------- 2.3: the slope of the newspaper in `language`


@cache
def _language_slopes() -> dict[str, float]:
    """Slopes of language on verbal IQ; between schools each school counts once."""
    pupils = load("language")[["school", "iq_verbal", "language"]].set_index("school")
    means = pupils.groupby("school").mean()
    tables = {"between": means, "within": pupils - means, "total": pupils}
    # A mean for each pupil: schools count by size.
    tables["weighted"] = means.loc[pupils.index]
    return {name: _slope(table) for name, table in tables.items()}


def _slope(xy: pd.DataFrame) -> float:
    x, y = (xy - xy.mean()).to_numpy().T
    return float(x @ y / (x @ x))


def _newspaper_ratio() -> float:
    slopes = _language_slopes()
    return slopes["between"] / slopes["within"]


# ------------------------------------------------------------------ 2.5: ten schools, few clusters


@cache
def _minority_limits(kind: str) -> tuple[float, float]:
    """95% limits of the slope of `minority` in the last ten schools.

    `kind` is "t" (cluster-robust, J - 1 df), "normal" (cluster-robust) or "ols".
    """
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")

    hsb = load("hsb")
    ten = hsb[hsb["school"].isin(np.unique(hsb["school"])[-10:])]
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": ten["school"]}}
    options = {} if kind == "ols" else {**clusters, "use_t": kind == "t"}
    limits = smf.ols("math ~ minority", ten).fit(**options).conf_int()
    return tuple(limits.loc["minority"].tolist())


EXERCISES = (
    Exercise(
        key="2.1",
        question="How many times as large is the multilevel SE of mean_score11 as the OLS SE?",
        answer=_se_ratio,
        mistakes=(
            (
                lambda: 1 / _se_ratio(),
                "You divided the wrong way round: the question is how much larger the multilevel "
                "standard error is.",
            ),
            (
                lambda: _se_ratio() ** 2,
                "That is the ratio of the variances. The question is about standard errors.",
            ),
            (
                lambda: _london_se()[0],
                "That is the multilevel standard error itself. Divide it by the one of OLS.",
            ),
            (
                lambda: _london_se()[1],
                "That is the OLS standard error itself. The other one goes on top of the fraction.",
            ),
        ),
        ask="Which of the two standard errors do you expect to be larger, and which one is on top?",
        place="What if we forget the schools?",
        hint="Fit score16 ~ mean_score11 twice, with smf.ols and with mt.fit_random_intercept "
        '(cluster="school"), and divide .bse["mean_score11"] of the second by that of the first.',
    ),
    Exercise(
        key="2.2",
        question="By what number should the OLS standard error be multiplied?",
        answer=lambda: moulton_factor(25, 0.20, 0.10),
        # Two decimals are enough; without the "minus 1" the answer would be off by .008.
        tolerance=0.0035,
        mistakes=(
            (
                lambda: moulton_factor(25, 0.20, 0.10) ** 2,
                "That is the factor for the variance. A standard error is the root of a variance.",
            ),
            (
                lambda: moulton_factor(25, 1.0, 0.10),
                "You treated the predictor as constant in each class. Its own intraclass "
                "correlation belongs into the product.",
            ),
            (
                lambda: moulton_factor(26, 0.20, 0.10),
                "Each pupil has n - 1 classmates, not n.",
            ),
            (
                lambda: moulton_factor(60, 0.20, 0.10),
                "60 is the number of classes. The formula needs the size of a class.",
            ),
        ),
        ask="Is your number a factor for a variance or for a standard error? And how many "
        "classmates has a pupil?",
        place="How wrong is the standard error?",
        hint="Take the square root of 1 + (n - 1) times the two intraclass correlations, n being "
        "the number of pupils in a class.",
    ),
    Exercise(
        key="2.3",
        question="By what factor does the slope between schools exceed the slope within schools?",
        answer=_newspaper_ratio,
        mistakes=(
            (
                lambda: 1 / _newspaper_ratio(),
                "You divided the wrong way round: the slope of the newspaper goes on top.",
            ),
            (
                lambda: _language_slopes()["between"] / _language_slopes()["total"],
                "You compared with the slope over all pupils, which mixes both. For the slope "
                "within schools, subtract the school means from both variables first.",
            ),
            (
                lambda: _language_slopes()["weighted"] / _language_slopes()["within"],
                "You weighted the schools by their size. The newspaper counts each school once.",
            ),
            (
                lambda: _language_slopes()["between"],
                "That is the slope between schools. Divide it by the slope within schools.",
            ),
            (
                lambda: _language_slopes()["between"] - _language_slopes()["within"],
                "That is the difference of the two slopes. The question is for their ratio.",
            ),
        ),
        ask="Which two slopes do you compare, and does each school count once in the first?",
        place="What if we forget the students?",
        hint='Slope between: regress the means of language.groupby("school") on each other. Slope '
        "within: regress the deviations from these means on each other. Then divide.",
    ),
    Exercise(
        key="2.4",
        question="Which predictor can be estimated beside a dummy for every school?",
        answer=lambda: "minority",
        choices=("size", "minority", "mean_ses", "sector"),
        mistakes=(
            (
                lambda: "size",
                "The size of a school is the same for all its students, so the dummies explain it.",
            ),
            (
                lambda: "mean_ses",
                "It is made from students, but it is the same for all students of a school.",
            ),
            (
                lambda: "sector",
                "All students of a school are in one sector: it is a sum of dummies, as the "
                "section on fixed effects shows.",
            ),
        ),
        ask="Which of the four columns differ between two students of one school?",
        place="What does a dummy for every school do?",
        hint="Look for the column that takes different values within a school, and give its name "
        "in quotes.",
    ),
    Exercise(
        key="2.5",
        question="95% limits of the slope of minority in the last ten schools, cluster-robust, t.",
        answer=lambda: _minority_limits("t"),
        tolerance=0.02,
        mistakes=(
            (
                lambda: _minority_limits("normal"),
                "These are the limits of a normal distribution, the default. Ask for the t "
                "distribution with use_t=True.",
            ),
            (
                lambda: _minority_limits("ols"),
                "These are the OLS limits, which take the students as independent. Set "
                "cov_type and cov_kwds.",
            ),
            (
                lambda: _minority_limits("t")[::-1],
                "The two limits are in the wrong order: first the lower, then the upper one.",
            ),
        ),
        ask="Who is independent of whom in these data? And how many independent units are there?",
        place="How many clusters are enough?",
        hint='Use smf.ols("math ~ minority", ten) with cov_type="cluster", '
        'cov_kwds={"groups": ten.school} and use_t=True, then .conf_int().loc["minority"].',
    ),
)
