"""A reader's answer and the right one: as plain values, whether they can be compared, and agree."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import pandas as pd

# An answer without a tolerance of its own may be off by this part of its size: three digits.
RELATIVE_TOLERANCE = 0.01
# Whole numbers (counts) are right if they round to the right one.
COUNT_TOLERANCE = 0.5
# What float64 loses when a reader's number reaches a tolerance of zero or its very edge.
ROUNDING = 1e-9

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


def plain(value: object) -> object:
    """Reduce what NumPy, pandas and the results of a fit hold to a number, a text or a tuple."""
    if isinstance(value, pd.Series | pd.Index | pd.DataFrame | np.ndarray | np.generic):
        items = np.asarray(value).ravel().tolist()
        return plain(items[0]) if len(items) == 1 else tuple(plain(v) for v in items)
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, str):
        return " ".join(value.split())
    if value is pd.NA:
        return math.nan
    if not isinstance(value, Real) and hasattr(type(value), "__float__"):
        return float(value)
    return value


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Real):
        return "number"
    return {str: "text", tuple: "tuple"}.get(type(value), "other")


_ASKED = {"bool": "True or False is", "number": "a number is", "text": "a text in quotes is"}


def unsuitable(right: object, given: object) -> str:
    """Say in what way an answer cannot be compared with the right one; empty if it can."""
    if isinstance(right, tuple):
        return _unsuitable_tuple(right, given)
    if isinstance(given, tuple):
        if len(given) == 1:
            return unsuitable(right, given[0])
        return f"Your answer holds {len(given)} values; {_asked(right)} asked for."
    kind = _kind(right)
    if kind == "number" and _kind(given) == "text":
        return "A number is asked for and your answer is a text: write it without quotes."
    if kind == "bool" and str(given).casefold() in _YES_NO:
        return ""
    if _kind(given) != kind:
        article = _asked(right)
        return f"{article[0].upper()}{article[1:]} asked for, not {_told(given)}."
    if kind == "number" and math.isnan(given):
        return "Your answer is NaN (not a number): something in your computation is missing."
    return ""


def _asked(right: object) -> str:
    return _ASKED[_kind(right)]


def _told(given: object) -> str:
    named = {"bool": repr(given), "number": "a number", "text": "a text"}
    return named.get(_kind(given), f"an object of type {type(given).__name__}")


def _unsuitable_tuple(right: tuple, given: object) -> str:
    if not isinstance(given, tuple):
        return f"{len(right)} values are asked for: give them in order, as in (a, b)."
    if len(given) != len(right):
        return f"{len(right)} values are asked for; your answer holds {len(given)}."
    for place, pair in enumerate(zip(right, given, strict=True), start=1):
        part = "Not given yet." if pair[1] is None or pair[1] is ... else unsuitable(*pair)
        if part:
            return f"Value {place} of your answer: {part}"
    return ""


def reworded(given: object, synonyms: tuple[tuple[str, str], ...]) -> object:
    """Replace other words for a choice by the word of the book."""
    if isinstance(given, tuple):
        return tuple(reworded(part, synonyms) for part in given)
    return dict(synonyms).get(given.casefold(), given) if isinstance(given, str) else given


def not_a_choice(given: object, choices: tuple[str, ...]) -> str:
    """Name the choices to a reader who gives another text; empty if all is well."""
    parts = given if isinstance(given, tuple) else (given,)
    unknown = [part for part in parts if choices and str(part).casefold() not in choices]
    return f"Choose from: {', '.join(choices)}." if unknown else ""


def half_width(right: object, tolerance: float | None, slack: float = 1.0) -> float | None:
    """How far a number may be off, times a slack; None for what is no number."""
    if _kind(right) != "number":
        return None
    if tolerance is not None:
        return tolerance * slack
    # A count that does not round to the right one is wrong, however near.
    whole = isinstance(right, int)
    return COUNT_TOLERANCE if whole else RELATIVE_TOLERANCE * abs(right) * slack


def matches(right: object, given: object, tolerance: float | None, slack: float = 1.0) -> bool:
    """Whether a suitable answer equals the right one up to its tolerance, times a slack."""
    if isinstance(right, tuple):
        pairs = zip(right, given, strict=True)
        return all(matches(r, g, tolerance, slack) for r, g in pairs)
    if isinstance(given, tuple):
        given = given[0]
    if isinstance(right, bool):
        return _YES_NO.get(str(given).casefold()) is right
    if isinstance(right, str):
        return given.casefold() == " ".join(right.split()).casefold()
    return _near(float(right), float(given), half_width(right, tolerance, slack))


def _near(right: float, given: float, tolerance: float) -> bool:
    if math.isinf(right) or math.isinf(given):
        return right == given
    return abs(given - right) <= tolerance + ROUNDING * abs(right)
