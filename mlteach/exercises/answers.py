"""A reader's answer and the right one: as plain values, whether they can be compared, and agree.

An answer is a tuple of values here, also when it is one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
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

# A number as people type it: sign, digits, exponent, percent. The website's script reads alike.
_NUMBER = re.compile(
    r"([+-]?) ?([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+[.,]?[0-9]*|[.,][0-9]+)"
    r"(e[+-]?[0-9]+)?( ?%)?"
)
_EITHER = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_MINUS = str.maketrans("\u2212\u2013", "--")


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


def values_of(answer: object) -> tuple:
    """The plain values of an answer: one, or those of a tuple."""
    found = plain(answer)
    return found if isinstance(found, tuple) else (found,)


def is_missing(value: object) -> bool:
    """Whether a place was left empty."""
    return value is None or value is ... or value == ""


def kind(value: object) -> str:
    """Name the kind of a plain value: bool, number, text, tuple, or other."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Real):
        return "number"
    return {str: "text", tuple: "tuple"}.get(type(value), "other")


_ASKED = {"bool": "True or False is", "number": "a number is", "text": "a text in quotes is"}


def unsuitable(
    right: tuple, given: tuple, parts: Sequence[str] = (), choices: Sequence[str] = ()
) -> str:
    """Say in what way an answer cannot be compared with the right one; empty if it can."""
    if len(given) != len(right):
        if len(right) == 1:
            return f"Your answer holds {len(given)} values; {_ASKED[kind(*right)]} asked for."
        if len(given) == 1:
            return f"{len(right)} values are asked for: give them in order, as in (a, b)."
        return f"{len(right)} values are asked for; your answer holds {len(given)}."
    for place, pair in enumerate(zip(right, given, strict=True)):
        if complaint := _complaint(*pair):
            return f"{label(parts, place)}: {complaint}" if len(right) > 1 else complaint
    unknown = [value for value in given if choices and str(value).casefold() not in choices]
    return f"Choose from: {', '.join(choices)}." if unknown else ""


def _complaint(right: object, given: object) -> str:
    if is_missing(given):
        return "Not given yet."
    wanted = kind(right)
    if wanted == "number" and kind(given) == "text":
        return str(number_in(given, is_share(right)))
    if wanted == "bool" and str(given).casefold() in _YES_NO:
        return ""
    if kind(given) != wanted:
        asked = _ASKED[wanted]
        return f"{asked[0].upper()}{asked[1:]} asked for, not {_told(given)}."
    if wanted == "number" and math.isnan(given):
        return "Your answer is NaN (not a number): something in your computation is missing."
    return ""


def _told(given: object) -> str:
    named = {"bool": repr(given), "number": "a number", "text": "a text", "tuple": "several values"}
    return named.get(kind(given), f"an object of type {type(given).__name__}")


def is_share(right: object) -> bool:
    """Whether a number may be typed in percent: it lies between -1 and 1."""
    return kind(right) == "number" and abs(right) < 1


def understood(right: tuple, given: tuple, synonyms: Mapping[str, str]) -> tuple:
    """Replace other words for a choice by those of the book, and texts that hold a number by it."""
    given = tuple(synonyms.get(v.casefold(), v) if isinstance(v, str) else v for v in given)
    return tuple(map(_read, right, given)) if len(right) == len(given) else given


def _read(right: object, given: object) -> object:
    if kind(right) != "number" or kind(given) != "text":
        return given
    found = number_in(given, is_share(right))
    return given if isinstance(found, str) else found


def number_in(text: str, share: bool) -> float | str:
    """Read a number as people type it, or say why it cannot be read.

    Parameters
    ----------
    text : str
    share : bool
        Whether it may be in percent.

    Returns
    -------
    float or str
        The number, or a sentence. "7,185" is refused: its comma may be either mark.

    Examples
    --------
    >>> number_in("0,32", True), number_in("32 %", True), number_in("1,234.5", False)
    (0.32, 0.32, 1234.5)
    """
    parts = _NUMBER.fullmatch(text.translate(_MINUS).lower())
    if parts is None:
        return f"A number is asked for, as in 0.32 or 1e-3: \u201c{text}\u201d is none."
    sign, digits, exponent, percent = parts.groups()
    if _EITHER.fullmatch(digits):
        plainly = f"{digits.replace(',', '')} or {digits.replace(',', '.')}"
        return f"Is the comma in \u201c{text}\u201d a decimal point? Write {plainly}."
    if percent and not share:
        return "What is asked for is no share: give the number itself, without %."
    grouped = digits.count(",") > 1 or ("," in digits and "." in digits)
    number = float(sign + digits.replace(",", "" if grouped else ".") + (exponent or ""))
    return number / 100 if percent else number


def label(parts: Sequence[str], place: int) -> str:
    """Name one of several values, from 0."""
    return parts[place] if parts else f"Value {place + 1}"


def agree(right: tuple, given: tuple, tolerance: float | None, slack: float = 1.0) -> bool:
    """Whether a suitable answer equals the right one."""
    return all(matches(*pair, tolerance, slack) for pair in zip(right, given, strict=True))


def matches(right: object, given: object, tolerance: float | None, slack: float = 1.0) -> bool:
    """Whether a suitable value equals the right one up to its tolerance, times a slack."""
    if isinstance(right, bool):
        return _YES_NO.get(str(given).casefold()) is right
    if isinstance(right, str):
        return given.casefold() == " ".join(right.split()).casefold()
    if math.isinf(right) or math.isinf(given):
        return right == given
    if tolerance is not None:
        off = tolerance * slack
    else:
        # A count that does not round to the right one is wrong, however near.
        off = COUNT_TOLERANCE if isinstance(right, int) else RELATIVE_TOLERANCE * abs(right) * slack
    return abs(given - right) <= off + ROUNDING * abs(right)
