"""Exercises of chapter 6, centering: which effect a coefficient is, and what follows from it.

All fits are REML.
"""

from __future__ import annotations

from functools import cache, partial

from mlteach.centering.center import center
from mlteach.centering.fit import fit_centering
from mlteach.centering.result import CenteringResult
from mlteach.data.shipped import load
from mlteach.exercises.fits import ols

CHANGE = 0.5  # from as many girls as boys to girls only
N_SMALL = 5


@cache
def _fit(data: str, formula: str) -> CenteringResult:
    return fit_centering(formula, load(data), cluster="school")


def _effect(data: str, formula: str, name: str) -> float:
    return float(_fit(data, formula).table.loc[name, "estimate"])


_london = partial(_effect, "london", "score16 ~ score11")
_verbal = partial(_effect, "language", "language ~ iq_verbal")
_girls = partial(_effect, "hsb", "math ~ female")
_ses = partial(_effect, "hsb", "math ~ ses")


def _phi() -> float:
    return float(_fit("language", "language ~ iq_verbal").phi["iq_verbal"])


def _share_within() -> float:
    """Share of the predictor's sum of squares that lies within schools."""
    iq = load("language").groupby("school")["iq_verbal"]
    x = load("language")["iq_verbal"]
    return float(((x - iq.transform("mean")) ** 2).sum() / ((x - x.mean()) ** 2).sum())


def _girls_ols() -> float:
    hsb = center(load("hsb"), ["female"], cluster="school")
    return CHANGE * float(ols("math ~ female + female_between", hsb).params.iloc[2])


def _reliability() -> float:
    """Share of true variance in the variance of means of five students' ses."""
    model = _fit("hsb", "math ~ ses").latent.model
    within, between = model.within[1, 1], model.between[1, 1]
    return float(between / (between + within / N_SMALL))


def _attenuated(weight: float, kind: str = "latent_") -> float:
    return weight * _ses(f"{kind}between") + (1.0 - weight) * _ses(f"{kind}within")


VALUES = {
    "6.1": {
        "right": lambda: ("smushed", "between", "contextual"),
        "first_within": lambda: ("within", "between", "contextual"),
        "exchanged": lambda: ("smushed", "contextual", "between"),
        "twice_between": lambda: ("smushed", "between", "between"),
        "twice_contextual": lambda: ("smushed", "contextual", "contextual"),
    },
    "6.2": {
        "right": lambda: _london("contextual"),
        "between": lambda: _london("between"),
        "ols": lambda: _london("between") - _london("smushed"),
        "latent": lambda: _london("latent_contextual"),
        "within": lambda: _london("within"),
        "smushed": lambda: _london("smushed"),
    },
    "6.3": {
        "right": _phi,
        "ratio": lambda: _verbal("smushed") / _verbal("within"),
        "ols": _share_within,
    },
    "6.4": {
        "right": lambda: CHANGE * _girls("contextual"),
        "means": lambda: CHANGE * _girls("between"),
        "girls_minus_boys": lambda: _girls("between"),
        "latent": lambda: CHANGE * _girls("latent_contextual"),
        "ols": _girls_ols,
        "within": lambda: _girls("within"),
    },
    "6.5": {
        "right": lambda: _attenuated(_reliability()),
        "between": lambda: _ses("latent_between"),
        "second_part_left_out": lambda: _reliability() * _ses("latent_between"),
        "weights_exchanged": lambda: _attenuated(1.0 - _reliability()),
        "schools_as_they_are": lambda: _attenuated(
            float(_fit("hsb", "math ~ ses").latent.reliability[0])
        ),
        "observed": lambda: _attenuated(_reliability(), ""),
    },
}
