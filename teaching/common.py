"""What the keys of all problem sets share: what a task is, when an answer is right, a few fits.

For instructors only. A key takes another way than the model solution where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Real

import pandas as pd
from draw import student_data

import mlteach as mt
from mlteach.exercises.answers import plain

#: An answer may be off by this part of its size: three digits, and less than any mistake.
TOLERANCE = 0.003
Z = 1.96


@dataclass(frozen=True)
class Task:
    """What is right, and what mistakes give, each a function of the student's name."""

    key: Callable[[str], object]
    mistakes: Mapping[str, Callable[[str], object]] = field(default_factory=dict)


def same(key: object, answer: object) -> bool:
    """Whether an answer is the key, up to the tolerance; counts and words exactly."""
    key, answer = plain(key), plain(answer)
    if isinstance(key, tuple):
        suits = isinstance(answer, tuple) and len(answer) == len(key)
        return suits and all(same(*pair) for pair in zip(key, answer, strict=True))
    if isinstance(key, str):
        return isinstance(answer, str) and answer.casefold() == key
    if not isinstance(answer, Real):
        return False
    return abs(answer - key) <= (0 if isinstance(key, int) else TOLERANCE * abs(key))


EMPTY = "math ~ 1 + (1 | school)"


@cache
def data(problem_set: str, name: str) -> pd.DataFrame:
    """A student's data, with SES or the score at 11 split."""
    column = "ses" if problem_set in ("ps1", "ps2", "ps5") else "score11"
    return mt.center(student_data(problem_set, name), column, cluster="school")


@cache
def fit(problem_set: str, name: str, formula: str, reml: bool = True) -> mt.MixedResult:
    return mt.fit_mixed(formula, data(problem_set, name), reml=reml, smushed_note=False)


def variances(problem_set: str, name: str, formula: str, reml: bool = True) -> tuple[float, float]:
    """Return τ² and σ² of a model with random intercepts."""
    table = fit(problem_set, name, formula, reml).variances["estimate"]
    return float(table["Intercept"]), float(table["Residual"])


def icc(problem_set: str, name: str, reml: bool = True) -> float:
    tau2, sigma2 = variances(problem_set, name, EMPTY, reml)
    return tau2 / (tau2 + sigma2)


def around(center: float, sd: float) -> tuple[float, float]:
    return center - Z * sd, center + Z * sd
