"""Keys of problem set 3, slopes, shrinkage, tests; what typical mistakes give."""

from __future__ import annotations

import pandas as pd
from common import Task, around, data, fit, variances
from draw import student_numbers

LEVEL = "score16 ~ score11 + (1 | school)"
LINES = "score16 ~ score11 + (1 + score11 | school)"
MEANS = "score16 ~ 1 + (1 | school)"


def slope(name: str) -> tuple[float, float, float]:
    """Average slope, its standard error, and the variance of slopes."""
    lines = fit("ps3", name, LINES)
    tau11 = lines.variances.loc["score11", "estimate"]
    return float(lines.params["score11"]), float(lines.bse["score11"]), float(tau11)


def between_at(name: str, cross: float = 2.0, square: float = 1.0, residual: float = 0.0) -> float:
    """Variance of the lines of schools at the student's own value of the score at 11."""
    v = fit("ps3", name, LINES).variances["estimate"]
    c = student_numbers("ps3", name)["score11"]
    mixed = v["Intercept"] + cross * c * v["Intercept:score11"] + square * c**2 * v["score11"]
    return float(mixed + residual * v["Residual"])


def top_school(name: str) -> tuple[float, float, float]:
    """Own mean of the school with the highest one, grand mean, weight of the own mean."""
    schools = data("ps3", name).groupby("school")["score16"].agg(["mean", "size"])
    mean, n = schools.loc[schools["mean"].idxmax()]
    tau2, sigma2 = variances("ps3", name, MEANS)
    return (
        float(mean),
        float(fit("ps3", name, MEANS).params["Intercept"]),
        tau2 / (tau2 + sigma2 / n),
    )


def pooled(name: str, turned: bool = False) -> float:
    own, grand, weight = top_school(name)
    weight = 1 - weight if turned else weight
    return weight * own + (1 - weight) * grand


def new_school(name: str, of: str = "outcome") -> tuple[float, float]:
    c = student_numbers("ps3", name)["score11"]
    asked = pd.DataFrame({"school": [-1], "score11": [c]})
    row = fit("ps3", name, LINES).prediction_interval(asked, of=of).iloc[0]
    return float(row["lower"]), float(row["upper"])


def slope_drop(name: str, reml: bool = True) -> float:
    return fit("ps3", name, LEVEL, reml).deviance - fit("ps3", name, LINES, reml).deviance


def ml_tau2(name: str, per_patient: bool = True, coefficients: int | None = None) -> float:
    c = student_numbers("ps3", name)
    p = c["coefficients"] + 1 if coefficients is None else coefficients
    noise = c["sigma2"] / (c["patients"] if per_patient else 1)
    return c["tau2"] - p / c["clinics"] * (c["tau2"] + noise)


PS3 = {
    "slopes": Task(
        lambda n: around(slope(n)[0], slope(n)[2] ** 0.5),
        {
            "interval of the average slope": lambda n: around(*slope(n)[:2]),
            "variance for standard deviation": lambda n: around(slope(n)[0], slope(n)[2]),
        },
    ),
    "there": Task(
        between_at,
        {
            "intercept variance": lambda n: between_at(n, 0, 0),
            "covariance forgotten": lambda n: between_at(n, cross=0),
            "covariance once": lambda n: between_at(n, cross=1),
            "residual variance added": lambda n: between_at(n, residual=1),
        },
    ),
    "pooled": Task(
        pooled,
        {
            "own mean": lambda n: top_school(n)[0],
            "weights turned round": lambda n: pooled(n, turned=True),
        },
    ),
    "new": Task(new_school, {"mean of a school": lambda n: new_school(n, "mean")}),
    "drop": Task(
        slope_drop,
        {
            "ML for REML": lambda n: slope_drop(n, reml=False),
            "difference of log-likelihoods": lambda n: slope_drop(n) / 2,
        },
    ),
    "bias": Task(
        ml_tau2,
        {
            "σ² not divided": lambda n: ml_tau2(n, per_patient=False),
            "intercept not counted": lambda n: ml_tau2(
                n, coefficients=student_numbers("ps3", n)["coefficients"]
            ),
        },
    ),
}
