"""Exercises of chapter 15, a PISA-style reanalysis: odds, mean imputation, a test, Rubin's rules.

All are about the synthetic data set pisa_style; the model is that of the chapter, with free
(co)variances within schools and equal ones between.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.result import MultigroupResult

SCALES = ["CREATAS", "GROSAGR"]
COVARIANCE = "within.CREATAS~~GROSAGR"
VARIANCE = "within.CREATAS~~CREATAS[Albania]"
MEAN = "mean.GROSAGR[Albania]"


@cache
def _fit(rows: str = "all", equal: tuple[str, ...] = ()) -> MultigroupResult:
    """Fit to all rows, to complete ones, or with means in place of missing values."""
    data = load("pisa_style")
    if rows == "complete":
        data = data.dropna(subset=SCALES)
    elif rows == "country means":
        data = data.fillna(data.groupby("country")[SCALES].transform("mean"))
    elif rows == "grand means":
        data = data.fillna(data[SCALES].mean())
    return fit_multigroup(SCALES, data, cluster="school", group="country", equal=equal)


# -------------------------------------------------------------------------------------- 15.1 odds


def _odds(scale: str = "CREATAS") -> tuple[float, float]:
    """Odds of a missing value in Albania and in Ireland."""
    counts = load("pisa_style").groupby("country")[scale].agg(["size", "count"])
    odds = (counts["size"] - counts["count"]) / counts["count"]
    return float(odds["Albania"]), float(odds["Ireland"])


def _odds_ratio(scale: str = "CREATAS") -> float:
    albania, ireland = _odds(scale)
    return albania / ireland


def _share_ratio() -> float:
    albania, ireland = (odds / (1.0 + odds) for odds in _odds())
    return albania / ireland


# --------------------------------------------------------------------------- 15.2 mean imputation


def _shrunken(rows: str = "country means") -> float:
    return float(_fit(rows).params[VARIANCE] / _fit().params[VARIANCE])


# ------------------------------------------------------------------------- 15.3 an equal covariance


def _lr(equal: str = COVARIANCE) -> float:
    return _fit(equal=(equal,)).deviance - _fit().deviance


# ------------------------------------------------------------------------------ 15.4 Rubin's rules

ESTIMATES = np.array([2.1, 2.6, 1.9, 2.4, 2.5])
ERRORS = np.array([0.30, 0.31, 0.29, 0.30, 0.30])


def _pooled(U: float, factor: float = 1.2, ddof: int = 1) -> float:
    """Root of U + factor B."""
    return float(np.sqrt(U + factor * np.var(ESTIMATES, ddof=ddof)))


def _mean_square() -> float:
    return float(np.mean(ERRORS**2))


# ---------------------------------------------------------------------------- 15.5 complete cases


def _error_ratio(mean: str = MEAN) -> float:
    return float(_fit("complete").bse[mean] / _fit().bse[mean])


EXERCISES = (
    Exercise(
        key="15.1",
        question="Odds ratio of a missing CREATAS, Albania to Ireland?",
        answer=_odds_ratio,
        tolerance=0.01,
        mistakes=(
            (
                _share_ratio,
                "That is the ratio of the shares of missing values. Odds are missing divided by "
                "not missing.",
            ),
            (
                lambda: float(np.log(_odds_ratio())),
                "That is its logarithm, the coefficient of a logistic model. Take exp of it.",
            ),
            (
                lambda: 1.0 / _odds_ratio(),
                "The other way round: that is Ireland to Albania.",
            ),
            (
                lambda: _odds_ratio("GROSAGR"),
                "That is the odds ratio for GROSAGR.",
            ),
        ),
        ask="Odds are one number divided by another: which, and by which?",
        hint="In each country, missing divided by observed; then one country by the other.",
        place="What is missing, and what predicts it?",
    ),
    Exercise(
        key="15.2",
        question="Factor by which imputing the country's mean changes the variance within schools?",
        answer=_shrunken,
        tolerance=0.005,
        mistakes=(
            (
                lambda: _shrunken("grand means"),
                "You imputed the mean of all students. Use the mean of the student's country.",
            ),
            (
                lambda: 1.0 / _shrunken(),
                "The other way round: divide the variance after imputing by FIML's.",
            ),
            (
                lambda: float(np.sqrt(_shrunken())),
                "That is the factor of the standard deviation.",
            ),
            (
                lambda: _shrunken("complete"),
                "That is the fit to complete rows. Keep all rows, with the mean in the gaps.",
            ),
        ),
        ask="How far does a value that was put at the mean lie from the mean?",
        hint="Fill each country's gaps with its own mean, fit with and without, and "
        "divide the two entries of within.",
        place="What does one completed file hide?",
    ),
    Exercise(
        key="15.3",
        question="Likelihood-ratio statistic of an equal covariance within schools?",
        answer=_lr,
        tolerance=0.01,
        mistakes=(
            (
                lambda: _lr() / 2.0,
                "That is the difference of the log-likelihoods. The statistic is twice that.",
            ),
            (
                lambda: -_lr(),
                "The size is right. The larger model has the larger log-likelihood.",
            ),
            (
                lambda: _lr("within.CREATAS~~CREATAS"),
                "That sets the variance of CREATAS equal. Asked is the covariance of the scales.",
            ),
        ),
        ask="Which of the two models is nested in the other?",
        hint="Fit with and without that one equality, and compare the deviances.",
        place="Are schools alike in the two countries?",
    ),
    Exercise(
        key="15.4",
        question="Pooled standard error of five completed files?",
        answer=lambda: _pooled(_mean_square()),
        tolerance=0.002,
        mistakes=(
            (
                lambda: _pooled(_mean_square(), factor=1.0),
                "You left out 1/m: five files are few, and their mean is uncertain itself.",
            ),
            (
                lambda: _pooled(_mean_square(), ddof=0),
                "B has the divisor m - 1; np.var divides by m unless told ddof=1.",
            ),
            (
                lambda: _pooled(_mean_square()) ** 2,
                "That is the variance T. Take the root.",
            ),
            (
                lambda: float(ERRORS.mean()),
                "That is the mean standard error, as if the files agreed. Add their disagreement.",
            ),
            (
                lambda: _pooled(_mean_square() / 5.0),
                "You divided U by the number of files, as for a mean of five samples. The files "
                "hold the same people five times.",
            ),
            (
                lambda: float(np.std(ESTIMATES, ddof=1)),
                "That is how much the files disagree. What each of them leaves open is missing.",
            ),
        ),
        ask="Two things are uncertain. Which?",
        hint="What each file would leave open if it were complete, and which file one "
        "happened to draw.",
        place="What does one completed file hide?",
    ),
    Exercise(
        key="15.5",
        question="Standard error of the mean of GROSAGR in Albania, complete rows to FIML?",
        answer=_error_ratio,
        tolerance=0.003,
        mistakes=(
            (
                lambda: 1.0 / _error_ratio(),
                "The other way round: divide that of the complete rows by FIML's.",
            ),
            (
                lambda: _error_ratio() ** 2,
                "That is the ratio of the variances.",
            ),
            (
                lambda: _error_ratio("mean.CREATAS[Albania]"),
                "That is the mean of CREATAS. Asked is GROSAGR, which more students answered.",
            ),
            (
                lambda: _error_ratio("mean.GROSAGR[Ireland]"),
                "That is Ireland, where few values are missing.",
            ),
            (
                lambda: 100.0 * (_error_ratio() - 1.0),
                "Right, but in percent more. Give the ratio.",
            ),
        ),
        ask="Which rows does each of the two fits use?",
        hint="Two fits, one entry of bse from each, and their ratio.",
        place="Must the holes be filled?",
    ),
)
