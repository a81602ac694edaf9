"""Checking a reader's answers: right, a typical mistake, or wrong, and never the answer itself.

Exercises, in ``mlteach.exercises.chapter_NN``, are read when a chapter is first asked about; their
numbers are computed from the data then. ``sealed`` makes data of them, for pages without Python.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlteach.core.arguments import checked
from mlteach.core.palette import PALETTE
from mlteach.errors import DataError
from mlteach.exercises import answers, record
from mlteach.exercises.exercise import Exercise, chapter_exercises, computed

# An answer this many tolerances away is rounded too much rather than wrong.
NEARLY = 5.0
RIGHT = "Right."
NEAR = "Very close. Keep more decimals, and round only at the end."
NO_ANSWER = "No answer yet: put your answer in place of ..."
PERCENT = "That looks like a percentage. Asked is a number between 0 and 1."
SIGN = "The size is right. Look at the sign: which is subtracted from which?"
ORDER = "The right values in the wrong order."
_ROLES = {True: "right", False: "wrong", None: "waiting"}
_MARKS = {True: "✓", False: "✗", None: "…"}
_COLOURS = {True: PALETTE["green"], False: PALETTE["vermillion"], None: PALETTE["grey"]}


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
            f'<div class="mlteach-check mlteach-check-{_ROLES[self.ok]}" role="status" '
            f'style="border-left:4px solid {_COLOURS[self.ok]};padding-left:0.8em">'
            f'<span aria-hidden="true">{_MARKS[self.ok]}</span> '
            f"<strong>Exercise {html.escape(self.key)}:</strong> {html.escape(self.message)}</div>"
        )


class Silence(Feedback):
    """The feedback to a solution: the exercise above has said its line, so it shows nothing."""

    def _ipython_display_(self) -> None:
        pass


@checked
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
    given = answers.values_of(answer)
    if given and all(map(answers.is_missing, given)):
        return Feedback(key, None, NO_ANSWER)
    right = computed(exercise.answer)
    if record.in_solution(exercise.key):
        return Silence(key, *_verdict(exercise, right, given))
    feedback = Feedback(key, *_verdict(exercise, right, given))
    record.note(exercise.key, bool(feedback))
    return feedback


def _verdict(exercise: Exercise, right: tuple, given: tuple) -> tuple[bool, str]:
    """Whether an answer is right, and what to say."""
    given = answers.understood(right, given, exercise.synonyms)
    if complaint := answers.unsuitable(right, given, exercise.parts, exercise.choices):
        return False, complaint
    if answers.agree(right, given, exercise.tolerance):
        return True, RIGHT
    return False, _advice(exercise, right, given)


def _advice(exercise: Exercise, right: tuple, given: tuple) -> str:
    """Find what to say about a wrong answer."""
    for values, tolerance, hint in mistakes_of(exercise):
        if not answers.unsuitable(values, given) and answers.agree(values, given, tolerance):
            return hint
    if answers.agree(right, given, exercise.tolerance, slack=NEARLY):
        return NEAR
    return _partly(exercise, right, given) + _stage(exercise, given)


def mistakes_of(exercise: Exercise) -> Iterator[tuple[tuple, float | None, str]]:
    """Yield what typical mistakes give, with their hints: those listed, then those of every kind.

    Parameters
    ----------
    exercise : Exercise

    Yields
    ------
    values : tuple of number, str or bool
    tolerance : float or None
        As in :class:`Exercise`.
    hint : str
    """
    tolerance = exercise.tolerance
    for mistake, hint in exercise.mistakes:
        yield computed(mistake), tolerance, hint
    right = computed(exercise.answer)
    if all(isinstance(value, float) for value in right):
        if all(abs(value) < 1 for value in right):
            percent = tuple(100 * value for value in right)
            yield percent, tolerance and 100 * tolerance, PERCENT
        yield tuple(-value for value in right), tolerance, SIGN
    if len(right) > 1:
        yield right[::-1], tolerance, ORDER


def _partly(exercise: Exercise, right: tuple, given: tuple) -> str:
    """Say which values of several are right already."""
    pairs = enumerate(zip(right, given, strict=True))
    found = [
        answers.label(exercise.parts, k)
        for k, pair in pairs
        if answers.matches(*pair, exercise.tolerance)
    ]
    return f"Right already: {', '.join(found)}. " if found else ""


#: Wrong answers of this session by exercise: a new one brings the next stage, an old one does not.
_wrong: dict[str, list[tuple]] = {}


def _stage(exercise: Exercise, given: tuple) -> str:
    told = _wrong.setdefault(exercise.key, [])
    if given not in told:
        told.append(given)
    return exercise.stages[min(told.index(given), 2)]


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
