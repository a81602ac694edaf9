"""Exercises of chapter 5, level-2 predictors: R², a prediction, a partial r, a test of two dummies.

tau2 is the variance of the school intercepts, sigma2 the residual variance. All fits are REML,
those of the likelihood-ratio test ML.
"""

from __future__ import annotations

from functools import partial
from operator import itemgetter

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import components, fit, ols
from mlteach.questions.effect_sizes import cohens_d, partial_r
from mlteach.questions.r_squared import r_squared

TAU2, SIGMA2 = itemgetter(0), itemgetter(1)
SECTORS = "math ~ mean_ses + catholic"
CLUBS = "gpa ~ ses_z + clubs"


def _fall(data: str, outcome: str, predictor: str, of=TAU2, reml: bool = True) -> float:
    """Proportion by which a variance falls when a predictor enters the empty model."""
    empty, after = (of(components(data, f"{outcome} ~ {x}", reml)) for x in ("1", predictor))
    return 1.0 - after / empty


_pracad = partial(_fall, "hsb", "math", "pracad")
_london = partial(_fall, "london", "score16", "score11_within")
_by_ml = partial(fit, "london", reml=False)


def _mean_and_se(fitted, catholic: int = 1, covariances: bool = True) -> tuple[float, float]:
    """Expected mean and its standard error for schools of one sector with mean_ses of .5."""
    x, V = np.array([1.0, 0.5, catholic]), fitted.cov_params().to_numpy()
    V = V if covariances else np.diag(np.diag(V))
    return float(x @ fitted.params), float(np.sqrt(x @ V @ x))


def _school(**options: object) -> tuple[float, float]:
    return _mean_and_se(fit("hsb", SECTORS), **options)


def _clubs(formula: str = CLUBS, ddf: str = "satterthwaite") -> tuple[float, float]:
    """Test statistic t of clubs and its degrees of freedom."""
    row = fit("language", formula).tests(ddf).loc["clubs"]
    return float(row["t"]), float(row["df"])


def _clubs_ols() -> float:
    fitted = ols(CLUBS, load("language"))
    return float(partial_r(fitted.tvalues["clubs"], fitted.df_resid))


def _gender(base: str = "score11", fitted=_by_ml) -> float:
    """Twice the gain in log-likelihood when school_gender is added."""
    small, big = (fitted(f"score16 ~ {x}") for x in (base, f"{base} + school_gender"))
    return float(2 * (big.llf - small.llf))


VALUES = {
    "5.1": {
        "right": _pracad,
        "both_variances": lambda: _pracad(of=sum),
        "total": lambda: r_squared(fit("hsb", "math ~ pracad")).total,
        "sds": lambda: 1.0 - float(np.sqrt(1.0 - _pracad())),
        "observed_means": lambda: float(
            load("hsb").groupby("school")[["math", "pracad"]].mean().corr().iloc[0, 1] ** 2
        ),
        "ml": lambda: _pracad(reml=False),
    },
    "5.2": {
        "right": _school,
        "variances_only": lambda: _school(covariances=False),
        "public": lambda: _school(catholic=0),
        "variance": lambda: (_school()[0], _school()[1] ** 2),
        "errors_added": lambda: (_school()[0], float(fit("hsb", SECTORS).bse.sum())),
        "ols": lambda: _mean_and_se(ols(SECTORS, load("hsb"))),
    },
    "5.3": {
        "right": lambda: partial_r(*_clubs()),
        "df_of_pupils": lambda: partial_r(*_clubs(ddf="residual")),
        "d": lambda: cohens_d(*_clubs()),
        "without_ses": lambda: partial_r(*_clubs("gpa ~ clubs")),
        "ols": _clubs_ols,
    },
    "5.4": {"right": _london, "residual": lambda: _london(of=SIGMA2)},
    "5.5": {
        "right": _gender,
        "reml": lambda: _gender(fitted=partial(fit, "london")),
        "ols": lambda: _gender(fitted=lambda formula: ols(formula, load("london"))),
        "without_score11": lambda: _gender("1"),
    },
}
