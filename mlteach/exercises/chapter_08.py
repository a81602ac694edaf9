"""Exercises of chapter 8, shrinkage and prediction: weights, comparisons, intervals, BLUPs as data.

tau2 is the variance of the school intercepts, sigma2 the residual variance, lambda the weight of a
school's own mean. All fits are REML.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_mixed


@cache
def _fit(data: str, formula: str) -> MixedResult:
    return fit_mixed(formula, load(data))


def _empty(data: str, outcome: str) -> MixedResult:
    return _fit(data, f"{outcome} ~ 1 + (1 | school)")


def _components(fit: MixedResult) -> tuple[float, float]:
    """tau2 and sigma2."""
    return float(fit.tau.iloc[0, 0]), fit.sigma2


# ------------------------------------------------------------------------------------ 8.1 a weight


def _language_weight(n: float = 10.0) -> float:
    tau2, sigma2 = _components(_empty("language", "language"))
    return tau2 / (tau2 + sigma2 / n)


def _language_weight_of_sds() -> float:
    tau, sigma = np.sqrt(_components(_empty("language", "language")))
    return float(tau / (tau + sigma / np.sqrt(10.0)))


# ------------------------------------------------------------------------------ 8.2 a larger school

SCHOOL, LARGER = 8367, 56


def _school(n: int | None) -> float:
    """Partial-pooling mean of the school with n students; its raw mean with None."""
    fit = _empty("hsb", "math")
    hsb = load("hsb")
    own = float(hsb.loc[hsb["school"] == SCHOOL, "math"].mean())
    if n is None:
        return own
    tau2, sigma2 = _components(fit)
    weight = tau2 / (tau2 + sigma2 / n)
    return weight * own + (1.0 - weight) * float(fit.params["Intercept"])


def _school_the_other_way() -> float:
    """The weights of the two means exchanged."""
    return _school(None) + float(_empty("hsb", "math").params["Intercept"]) - _school(LARGER)


# --------------------------------------------------------------------------------- 8.3 comparisons

BEST = 53


def _told_apart(add_errors: bool = False, zero: bool = False) -> int:
    """Schools that differ from the best one."""
    effects = _fit("london", "score16 ~ score11 + (1 | school)").ranef()
    best, others = effects.loc[BEST], effects.drop(BEST)
    s1, s2 = best["Intercept_sd"], others["Intercept_sd"]
    error = s1 + s2 if add_errors else np.sqrt(s1**2 + s2**2)
    error = s2 if zero else error
    return int((best["Intercept"] - others["Intercept"] > 1.96 * error).sum())


# --------------------------------------------------------------------------------- 8.4 an interval


def _new_student(
    of: str = "outcome", slope: bool = True, score11: float = 1.0
) -> tuple[float, float]:
    random = "1 + score11" if slope else "1"
    fit = _fit("london", f"score16 ~ score11 + ({random} | school)")
    row = pd.DataFrame({"school": [0], "score11": [score11]})
    limits = fit.prediction_interval(row, of=of).iloc[0]
    return float(limits["lower"]), float(limits["upper"])


def _residual_only() -> tuple[float, float]:
    """Limits that forget the school."""
    fit = _fit("london", "score16 ~ score11 + (1 + score11 | school)")
    middle, half = sum(_new_student()) / 2.0, 1.96 * float(np.sqrt(fit.sigma2))
    return middle - half, middle + half


# ------------------------------------------------------------------------------- 8.5 BLUPs as data


def _slope_of(values: pd.Series) -> float:
    """Slope of a value of each hsb school on its mean_ses."""
    intake = load("hsb").groupby("school")["mean_ses"].first()
    return float(np.polyfit(intake, values.loc[intake.index], 1)[0])


def _proper_slope() -> float:
    return float(_fit("hsb", "math ~ mean_ses + (1 | school)").params["mean_ses"])


def _blup_ratio() -> float:
    return _slope_of(_empty("hsb", "math").ranef()["Intercept"]) / _proper_slope()


def _raw_ratio() -> float:
    return _slope_of(load("hsb").groupby("school")["math"].mean()) / _proper_slope()


def _known_student() -> tuple[float, float]:
    fit = _fit("london", "score16 ~ score11 + (1 + score11 | school)")
    limits = fit.prediction_interval(pd.DataFrame({"school": [1], "score11": [1.0]})).iloc[0]
    return float(limits["lower"]), float(limits["upper"])


def _new_student_ols() -> tuple[float, float]:
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    fit = smf.ols("score16 ~ score11", load("london")).fit()
    limits = fit.get_prediction(pd.DataFrame({"score11": [1.0]})).summary_frame().iloc[0]
    return float(limits["obs_ci_lower"]), float(limits["obs_ci_upper"])


EXERCISES = (
    Exercise(
        key="8.1",
        question="Weight of the own mean of a language school with ten tested pupils?",
        answer=_language_weight,
        tolerance=0.003,
        mistakes=(
            (
                lambda: 1.0 - _language_weight(),
                "That is the weight of the grand mean. Asked is the weight of the school's own.",
            ),
            (
                lambda: _language_weight(1.0),
                "That is the ICC: the weight of a mean of one pupil. Divide sigma2 by ten.",
            ),
            (
                _language_weight_of_sds,
                "You used standard deviations. The weight is a ratio of variances.",
            ),
        ),
        ask="Whose mean gets this weight, the school's own or that of all?",
        place="What is the best guess for one school?",
        hint="tau2 / (tau2 + sigma2 / 10), with both variances from fit.variances.",
    ),
    Exercise(
        key="8.2",
        question="Partial-pooling mean of school 8367 if it had 56 students with the same mean?",
        answer=lambda: _school(LARGER),
        tolerance=0.01,
        mistakes=(
            (
                lambda: _school(14),
                "That is its mean with the 14 students it has. Compute the weight with 56.",
            ),
            (
                lambda: _school(None),
                "That is its raw mean. 56 students are many, but not infinitely many.",
            ),
            (
                _school_the_other_way,
                "You gave the weight lambda to the grand mean. It belongs to the school's own.",
            ),
        ),
        ask="What changes with the number of students, and what stays?",
        place="What is the best guess for one school?",
        hint="lambda = tau2 / (tau2 + sigma2 / 56); then lambda times the school's own mean plus "
        "1 - lambda times the intercept.",
    ),
    Exercise(
        key="8.3",
        question="From how many of the other 64 London schools does school 53 differ?",
        answer=_told_apart,
        mistakes=(
            (
                lambda: _told_apart(add_errors=True),
                "You asked whether two 95% intervals overlap: standard errors were added. The "
                "standard error of a difference is the root of the sum of their squares.",
            ),
            (
                lambda: _told_apart(zero=True),
                "You used the standard error of one school only. Both predictions are uncertain.",
            ),
        ),
        ask="What is the standard error of a difference of two independent numbers?",
        place="Who is first?",
        hint="Count the schools with u_53 - u_j > 1.96 sqrt(s_53² + s_j²); u and s are the columns "
        "Intercept and Intercept_sd of ranef().",
    ),
    Exercise(
        key="8.4",
        question="95% prediction interval of score16 for score11 = 1 in a new London school?",
        answer=_new_student,
        tolerance=0.01,
        mistakes=(
            (
                lambda: _new_student(of="mean"),
                "That is the interval of the mean of such students in a new school. Asked is one "
                "student: of='outcome'.",
            ),
            (
                _residual_only,
                "Your interval has the residual variance only. The school is not known either.",
            ),
            (
                lambda: _new_student(slope=False),
                "That is the model without a random slope.",
            ),
            (
                lambda: _new_student(score11=0.0),
                "That is a student with score11 = 0.",
            ),
            (_known_student, "That is for a school of the data. Give an id that they do not have."),
            (_new_student_ols, "That is from OLS, which knows no schools. Use the random slope."),
        ),
        ask="Is the school known? And is it the mean or one student?",
        place="What will a student score?",
        hint="fit.prediction_interval(rows) with one row: score11 = 1, and an id in the column "
        "school that the data do not have.",
    ),
    Exercise(
        key="8.5",
        question="Slope of BLUPs on mean_ses, divided by the coefficient of the model?",
        answer=_blup_ratio,
        tolerance=0.005,
        mistakes=(
            (
                lambda: 1.0 / _blup_ratio(),
                "Upside down: the slope of the BLUPs is the numerator.",
            ),
            (
                _raw_ratio,
                "That is the slope of the raw school means. Use the BLUPs of the empty model.",
            ),
            (
                lambda: _blup_ratio() * _proper_slope(),
                "That is the slope of the BLUPs. Divide it by the coefficient of the model.",
            ),
        ),
        ask="Do predicted effects vary as much as true ones? Which slope is on top?",
        place="What is the best guess for one school?",
        hint="One value a school: fit.ranef()['Intercept'] against mean_ses. Then the coefficient "
        "of math ~ mean_ses with a random intercept.",
    ),
)
