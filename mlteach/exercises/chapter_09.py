"""Exercises of chapter 9, testing: bias of ML, a mixture, a joint F-test, a BIC, an interval.

tau2 is the variance between clusters, sigma2 the variance within, J the number of clusters.
"""

from __future__ import annotations

import numpy as np

from mlteach.exercises.fits import fit
from mlteach.mixed.fit import MixedResult
from mlteach.questions.compare import compare

CLINICS, PATIENTS, TAU2, SIGMA2 = 12, 10, 0.3, 0.7
DUMMIES = ["school_gender[T.girls]", "school_gender[T.mixed]"]


def _expected(p2: int, spread: float = TAU2 + SIGMA2 / PATIENTS) -> float:
    """Expected ML estimate of tau2 with p2 level-2 coefficients."""
    return TAU2 - p2 / CLINICS * spread


def _slope_test(column: str, reml: bool = True) -> float:
    fits = (fit("language", "language ~ iq_verbal", part, reml) for part in ("1", "1 + iq_verbal"))
    return float(compare(*fits)[column].iloc[1])


def _gender(reml: bool = True) -> MixedResult:
    return fit("london", "score16 ~ score11 + school_gender", reml=reml)


def _gender_lr() -> float:
    """Likelihood-ratio test by ML: its p."""
    small = fit("london", "score16 ~ score11", reml=False)
    return float(compare(small, _gender(reml=False))["p"].iloc[1])


def _one_dummy(name: str) -> float:
    return float(_gender().tests("kenward-roger").loc[name, "p"])


def _main(random: str = "1 + ses_within", reml: bool = True) -> MixedResult:
    return fit("hsb", "math ~ ses_within + mean_ses + catholic", random, reml)


def _bic_change(log_n: float, parameters: int = 2, reml: bool = True) -> float:
    """Change of the BIC when the slope of ses_within may vary."""
    return parameters * log_n - (_main("1", reml).deviance - _main(reml=reml).deviance)


def _ratio(method: str = "profile", row: str = "ses_within", reml: bool = True) -> float:
    """Part of an interval above the estimate, over the part below."""
    estimate, lower, upper = _main(reml=reml).confint(method, "random").loc[row]
    return float((upper - estimate) / (estimate - lower))


VALUES = {
    "9.1": {
        "right": lambda: _expected(4),
        "without_intercept": lambda: _expected(3),
        "tau2_alone": lambda: _expected(4, spread=TAU2),
        "bias": lambda: _expected(4) - TAU2,
        "reml": lambda: TAU2,
    },
    "9.2": {
        "right": lambda: _slope_test("p_mixture"),
        "naive": lambda: _slope_test("p"),
        "half_of_naive": lambda: _slope_test("p") / 2,
        "ml": lambda: _slope_test("p_mixture", reml=False),
    },
    "9.3": {
        "right": lambda: _gender().test(DUMMIES, ddf="kenward-roger").p,
        "wald": lambda: _gender().test(DUMMIES, ddf="kenward-roger").p_chi2,
        "satterthwaite": lambda: _gender().test(DUMMIES).p,
        "likelihood_ratio": _gender_lr,
        "girls_alone": lambda: _one_dummy(DUMMIES[0]),
        "mixed_alone": lambda: _one_dummy(DUMMIES[1]),
    },
    "9.4": {
        "right": lambda: _bic_change(np.log(160)),
        "students": lambda: _bic_change(np.log(7185)),
        "one_parameter": lambda: _bic_change(np.log(160), parameters=1),
        "aic": lambda: _bic_change(2.0),
        "ml": lambda: _bic_change(np.log(160), reml=False),
    },
    "9.5": {
        "right": _ratio,
        "wald": lambda: _ratio("wald"),
        "intercepts": lambda: _ratio(row="Intercept"),
        "ml": lambda: _ratio(reml=False),
    },
}
