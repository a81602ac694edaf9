"""Exercises of chapter 8, shrinkage and prediction: weights, comparisons, intervals, BLUPs as data.

tau2 is the variance of the school intercepts, sigma2 the residual variance, lambda the weight of a
school's own mean. All fits are REML.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.data.shipped import load
from mlteach.exercises.fits import components, fit, ols

SCHOOL, LARGER = 8367, 56
BEST = 53
LANGUAGE, MATH = ("language", "language ~ 1"), ("hsb", "math ~ 1")


def _weight(model: tuple[str, str], n: float, power: float = 1.0) -> float:
    tau2, sigma2 = np.power(components(*model), power)
    return float(tau2 / (tau2 + sigma2 / n**power))


def _own_mean() -> float:
    hsb = load("hsb")
    return float(hsb.loc[hsb["school"] == SCHOOL, "math"].mean())


def _grand_mean() -> float:
    return float(fit(*MATH).params["Intercept"])


def _pooled(n: int) -> float:
    """Partial-pooling mean of the school with n students."""
    weight = _weight(MATH, n)
    return weight * _own_mean() + (1.0 - weight) * _grand_mean()


def _told_apart(error=np.hypot) -> int:
    """Schools that differ from the best one, by an error made of the two standard errors."""
    effects = fit("london", "score16 ~ score11").ranef()
    best, others = effects.loc[BEST], effects.drop(BEST)
    errors = error(best["Intercept_sd"], others["Intercept_sd"])
    return int((best["Intercept"] - others["Intercept"] > 1.96 * errors).sum())


def _student(
    of: str = "outcome", random: str = "1 + score11", score11: float = 1.0, school: int = 0
) -> tuple[float, float]:
    """Limits of the prediction interval, by default in a school that is not in the data."""
    row = pd.DataFrame({"school": [school], "score11": [score11]})
    fitted = fit("london", "score16 ~ score11", random)
    limits = fitted.prediction_interval(row, of=of).iloc[0]
    return float(limits["lower"]), float(limits["upper"])


def _residual_only() -> tuple[float, float]:
    """Limits that forget the school."""
    sigma2 = fit("london", "score16 ~ score11", "1 + score11").sigma2
    middle, half = sum(_student()) / 2.0, 1.96 * float(np.sqrt(sigma2))
    return middle - half, middle + half


def _student_ols() -> tuple[float, float]:
    fitted = ols("score16 ~ score11", load("london"))
    limits = fitted.get_prediction(pd.DataFrame({"score11": [1.0]})).summary_frame().iloc[0]
    return float(limits["obs_ci_lower"]), float(limits["obs_ci_upper"])


def _slope_of(values: pd.Series) -> float:
    """Slope of a value of each hsb school on its mean_ses."""
    intake = load("hsb").groupby("school")["mean_ses"].first()
    return float(np.polyfit(intake, values.loc[intake.index], 1)[0])


def _slope_of_blups() -> float:
    return _slope_of(fit(*MATH).ranef()["Intercept"])


def _proper_slope() -> float:
    return float(fit("hsb", "math ~ mean_ses").params["mean_ses"])


VALUES = {
    "8.1": {
        "right": lambda: _weight(LANGUAGE, 10.0),
        "icc": lambda: _weight(LANGUAGE, 1.0),
        "sds": lambda: _weight(LANGUAGE, 10.0, power=0.5),
    },
    "8.2": {
        "right": lambda: _pooled(LARGER),
        "as_it_is": lambda: _pooled(14),
        "raw": _own_mean,
        "weights_exchanged": lambda: _own_mean() + _grand_mean() - _pooled(LARGER),
    },
    "8.3": {
        "right": _told_apart,
        "errors_added": lambda: _told_apart(np.add),
        "one_error": lambda: _told_apart(lambda best, other: other),
    },
    "8.4": {
        "right": _student,
        "mean": lambda: _student(of="mean"),
        "residual_only": _residual_only,
        "without_random_slope": lambda: _student(random="1"),
        "score11_of_0": lambda: _student(score11=0.0),
        "known_school": lambda: _student(school=1),
        "ols": _student_ols,
    },
    "8.5": {
        "right": lambda: _slope_of_blups() / _proper_slope(),
        "raw_means": lambda: (
            _slope_of(load("hsb").groupby("school")["math"].mean()) / _proper_slope()
        ),
        "undivided": _slope_of_blups,
    },
}
