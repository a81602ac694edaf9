"""Exercises of chapter 3, the empty model.

Notation: MSB and MSW are the mean squares between and within clusters of equal size n; with them
tau2 = (MSB - MSW) / n. All fits are REML unless a function says otherwise.
"""

from __future__ import annotations

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import components, fit
from mlteach.mixed.fit import fit_empty

# Half-width of a 95% range in standard deviations; readers may round it to 2.
NORMAL_95 = 1.96
IQ, LANGUAGE = ("language", "iq_verbal ~ 1"), ("language", "language ~ 1")
MATH = ("hsb", "math ~ 1")


def _share(first: float, second: float) -> float:
    return float(first / (first + second))


def _five(small_too: bool = False) -> tuple[float, float]:
    """MSB and MSW of the first five students of London's schools, without the smaller schools."""
    london = load("london")
    schools = london.groupby("school")["score16"]
    large = (schools.transform("size") >= 5) | small_too
    scores = london[large & (schools.cumcount() < 5)].groupby("school")["score16"]
    return 5.0 * float(scores.mean().var()), float(scores.var().mean())


def _tau2(msb: float, msw: float, factor: float = 1.0) -> float:
    return (factor * msb - msw) / 5.0


def _as_ml() -> float:
    """The factor on MSB that counts J schools and not J - 1."""
    J = int((load("london").groupby("school").size() >= 5).sum())
    return (J - 1) / J


def _range(sd: float) -> tuple[float, float]:
    center, half = float(fit(*LANGUAGE).params["Intercept"]), NORMAL_95 * sd
    return center - half, center + half


def _sixty(reml: bool = True):
    """Test of the first ten students of the first six schools of hsb."""
    hsb = load("hsb")
    ten = hsb[hsb.groupby("school").cumcount() < 10]
    sixty = ten[ten["school"].isin(hsb["school"].unique()[:6])]
    return fit_empty("math", sixty, cluster="school", reml=reml).lr_test_random


def _size_for_80(between: float, within: float) -> int:
    """Smallest n with between / (between + within / n) at or above .80."""
    return int(np.ceil(4.0 * within / between))


VALUES = {
    "3.1": {
        "right": lambda: _share(*components(*IQ)),
        "ratio": lambda: np.divide(*components(*IQ)),
        "sds": lambda: _share(*np.sqrt(components(*IQ))),
    },
    "3.2": {
        "right": lambda: _tau2(*_five()),
        "variance_of_means": lambda: _five()[0] / 5.0,
        "undivided": lambda: _five()[0] - _five()[1],
        "sigma2": lambda: _five()[1],
        "small_schools_too": lambda: _tau2(*_five(small_too=True)),
        "ml": lambda: _tau2(*_five(), _as_ml()),
    },
    "3.3": {
        "right": lambda: _range(components(*LANGUAGE)[0] ** 0.5),
        "of_the_mean": lambda: _range(float(fit(*LANGUAGE).bse["Intercept"])),
        "of_pupils": lambda: _range(sum(components(*LANGUAGE)) ** 0.5),
        "variance": lambda: _range(components(*LANGUAGE)[0]),
        "of_observed_means": lambda: _range(
            float(load("language").groupby("school")["language"].mean().std())
        ),
    },
    "3.4": {
        "right": lambda: _sixty().p_mixture,
        "naive": lambda: _sixty().p,
        "ml": lambda: _sixty(reml=False).p_mixture,
        "all_schools": lambda: fit(*MATH).lr_test_random.p_mixture,
    },
    "3.5": {
        "right": lambda: _size_for_80(*components(*MATH)),
        "rounded_down": lambda: _size_for_80(*components(*MATH)) - 1,
        "sds": lambda: _size_for_80(*np.sqrt(components(*MATH))),
    },
}
