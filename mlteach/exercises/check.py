"""Checking a reader's answers: right, a typical mistake, or wrong, and never the answer itself.

An exercise keeps no number: its answer is a function that computes it from the data, and so is each
typical mistake. Exercises live in ``mlteach.exercises.chapter_NN`` and are imported when a chapter
is first asked about.
"""

from __future__ import annotations

import html
import importlib
import math
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from numbers import Real

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.errors import DataError

pd = lazy_import("pandas")

# An answer without a tolerance of its own may be off by this part of its size: three digits.
RELATIVE_TOLERANCE = 0.01
# Whole numbers (counts) are right if they round to the right one.
COUNT_TOLERANCE = 0.5
# An answer this many tolerances away is rounded too much rather than wrong.
NEARLY = 5.0
# What float64 loses when a reader's number reaches a tolerance of zero or its very edge.
ROUNDING = 1e-9

NO_ANSWER = "No answer yet: put your answer in place of ..."
_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_ROLES = {True: "right", False: "wrong", None: "waiting"}
_MARKS = {True: "✓", False: "✗", None: "…"}


@dataclass(frozen=True)
class Exercise:
    """One question of the book.

    Attributes
    ----------
    key : str
        Chapter and number, ``"3.2"``.
    question : str
        The question in one line.
    answer : callable
        No arguments; computes the right answer: a number, a text, a bool, or a tuple of those.
    tolerance : float, optional
        How far a number may be off. By default 1% of the answer; a whole number must round to the
        right one. Holds for every number of a tuple.
    mistakes : tuple of (callable, str)
        What a typical mistake gives, and the hint for a reader who gives it.
    hint : str
        For any other wrong answer.
    """

    key: str
    question: str
    answer: Callable[[], object]
    tolerance: float | None = None
    mistakes: tuple[tuple[Callable[[], object], str], ...] = ()
    hint: str = "Not yet. Read the section again and try once more."


@dataclass(frozen=True, repr=False)
class Feedback:
    """What :func:`check` has to say; true in an ``if`` or an ``assert`` when the answer is right.

    Attributes
    ----------
    key : str
        The exercise.
    ok : bool or None
        Whether the answer is right; None if there is none yet.
    message : str
    """

    key: str
    ok: bool | None
    message: str

    def __bool__(self) -> bool:
        return self.ok is True

    def __repr__(self) -> str:
        return f"{_MARKS[self.ok]} Exercise {self.key}: {self.message}"

    def _repr_html_(self) -> str:
        return (
            f'<div class="mlteach-check mlteach-check-{_ROLES[self.ok]}" role="status">'
            f'<span aria-hidden="true">{_MARKS[self.ok]}</span> '
            f"<strong>Exercise {html.escape(self.key)}:</strong> {html.escape(self.message)}</div>"
        )


def check(key: str, answer: object = ...) -> Feedback:
    """Check the answer to an exercise of the book.

    Parameters
    ----------
    key : str
        Chapter and number of the exercise, as in ``"3.2"``.
    answer : number, str, bool, or tuple of these
        NumPy and pandas objects that hold one value count as that value. Upper and lower case and
        outer spaces do not matter. ``...`` or None, or a tuple of nothing else, means that there
        is no answer yet.

    Returns
    -------
    Feedback
        Shows a message; its ``ok`` is True, False, or None. The right answer is never shown.

    Raises
    ------
    DataError
        If there is no exercise of that key; the message lists those of the chapter.

    Examples
    --------
    >>> import mlteach as mt
    >>> mt.check("3.2", ...)
    … Exercise 3.2: No answer yet: put your answer in place of ...
    """
    exercise = _find(key)
    parts = answer if isinstance(answer, tuple) else (answer,)
    if all(part is None or part is ... for part in parts):
        return Feedback(key, None, NO_ANSWER)
    right, given = _solution(exercise.answer), _plain(answer)
    complaint = _unsuitable(right, given)
    if complaint:
        return Feedback(key, False, complaint)
    if _matches(right, given, exercise.tolerance):
        return Feedback(key, True, "Right.")
    return Feedback(key, False, _advice(exercise, right, given))


def _advice(exercise: Exercise, right: object, given: object) -> str:
    """Find what to say about a wrong answer."""
    for mistake, hint in exercise.mistakes:
        value = _solution(mistake)
        if not _unsuitable(value, given) and _matches(value, given, exercise.tolerance):
            return hint
    if _matches(right, given, exercise.tolerance, slack=NEARLY):
        return "Very close. Keep more decimals, and round only at the end."
    return exercise.hint


@cache
def _solution(compute: Callable[[], object]) -> object:
    """Compute a right or a mistaken answer, once a session."""
    return _plain(compute())


# ---------------------------------------------------------------------------------- reading answers


def _plain(value: object) -> object:
    """Reduce what NumPy, pandas and the results of a fit hold to a number, a text or a tuple."""
    if isinstance(value, pd.Series | pd.Index | pd.DataFrame | np.ndarray | np.generic):
        items = np.asarray(value).ravel().tolist()
        return _plain(items[0]) if len(items) == 1 else tuple(_plain(v) for v in items)
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
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


def _unsuitable(right: object, given: object) -> str:
    """Say in what way an answer cannot be compared with the right one; empty if it can."""
    if isinstance(right, tuple):
        return _unsuitable_tuple(right, given)
    if isinstance(given, tuple):
        if len(given) == 1:
            return _unsuitable(right, given[0])
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
        part = "Not given yet." if pair[1] is None or pair[1] is ... else _unsuitable(*pair)
        if part:
            return f"Value {place} of your answer: {part}"
    return ""


# -------------------------------------------------------------------------------- comparing answers


def _matches(right: object, given: object, tolerance: float | None, slack: float = 1.0) -> bool:
    """Whether a suitable answer equals the right one up to its tolerance, times a slack."""
    if isinstance(right, tuple):
        pairs = zip(right, given, strict=True)
        return all(_matches(r, g, tolerance, slack) for r, g in pairs)
    if isinstance(given, tuple):
        given = given[0]
    if isinstance(right, bool):
        return _YES_NO.get(str(given).casefold()) is right
    if isinstance(right, str):
        return given.casefold() == " ".join(right.split()).casefold()
    return _near(float(right), float(given), _tolerance(right, tolerance, slack))


def _tolerance(right: Real, tolerance: float | None, slack: float) -> float:
    if tolerance is not None:
        return tolerance * slack
    # A count that does not round to the right one is wrong, however near.
    whole = isinstance(right, int)
    return COUNT_TOLERANCE if whole else RELATIVE_TOLERANCE * abs(right) * slack


def _near(right: float, given: float, tolerance: float) -> bool:
    if math.isinf(right) or math.isinf(given):
        return right == given
    return abs(given - right) <= tolerance + ROUNDING * abs(right)


# -------------------------------------------------------------------------------- finding exercises


def _find(key: str) -> Exercise:
    """Get an exercise by its key, or raise an error that names its chapter's keys."""
    match = re.fullmatch(r"\s*(\d+)\.(\d+)\s*", key) if isinstance(key, str) else None
    if match is None:
        raise DataError(
            f'An exercise is named by chapter and number in quotes, as in "3.2"; got {key!r}.'
        )
    number = int(match[1])
    exercises = chapter_exercises(number)
    wanted = f"{number}.{int(match[2])}"
    if wanted not in exercises:
        known = ", ".join(exercises)
        raise DataError(f"There is no exercise {key!r}. Chapter {number} has {known}.")
    return exercises[wanted]


def chapter_exercises(number: int) -> dict[str, Exercise]:
    """Exercises of one chapter by key, in order.

    Parameters
    ----------
    number : int

    Returns
    -------
    dict of str to Exercise

    Raises
    ------
    DataError
        If the chapter has none; the message names the chapters that do.
    """
    if number not in chapters_with_exercises():
        known = ", ".join(map(str, chapters_with_exercises()))
        raise DataError(f"Chapter {number} has no exercises to check. Chapters that have: {known}.")
    module = importlib.import_module(f"mlteach.exercises.chapter_{number:02d}")
    return {exercise.key: exercise for exercise in module.EXERCISES}


@cache
def chapters_with_exercises() -> tuple[int, ...]:
    """Numbers of the chapters whose answers can be checked."""
    package = importlib.import_module("mlteach.exercises")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    found = (re.fullmatch(r"chapter_(\d+)", name) for name in names)
    return tuple(sorted(int(match[1]) for match in found if match))
