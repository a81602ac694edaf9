"""The exercises of the book: what a chapter's module computes, joined with the words about it.

``chapter_NN.VALUES`` names functions that compute the right answer to an exercise, ``"right"``, and
what typical mistakes give. ``chapter_NN.toml`` has the question, the hints, and under ``mistakes``
what to say to each of them, by the same names. Names in :data:`MADE_OF_RIGHT` need words only.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from mlteach.errors import DataError
from mlteach.exercises.answers import values_of

QUESTION_BACK = "Not yet. What exactly is asked for: which quantity, of which model, in which unit?"
READ_AGAIN = "Read the section again. A solution is folded below the exercise."

Compute = Callable[[], object]

#: Mistakes that are made with the values of the right answer itself.
MADE_OF_RIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "half": lambda right: right / 2.0,
    "left_over": lambda right: 1.0 - right,
    "log": np.log,
    "percent": lambda right: 100.0 * right,
    "percent_more": lambda right: 100.0 * (right - 1.0),
    "reversed": np.flip,
    "root": np.sqrt,
    "sign": np.negative,
    "squared": np.square,
    "twice": lambda right: 2.0 * right,
    "upside_down": lambda right: 1.0 / right,
}


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
        What a typical mistake gives, and the hint for a reader who gives it. A percentage for a
        proportion, a wrong sign and a wrong order are known without being listed.
    ask : str
        For the first wrong answer that is no typical mistake: a question back.
    hint : str
        For the second one: the idea.
    place : str
        For all others: the heading of the section to read again.
    choices : sequence of str
        The texts to choose from; any other text is answered with their list.
    parts : sequence of str
        What the values of a tuple are, in a word or two each; labels of the fields to fill in.
    synonyms : mapping of str to str
        Other words for a choice, each with the word that stands for it.
    """

    key: str
    question: str
    answer: Compute
    tolerance: float | None = None
    mistakes: tuple[tuple[Compute, str], ...] = ()
    hint: str = READ_AGAIN
    ask: str = QUESTION_BACK
    place: str = ""
    choices: Sequence[str] = ()
    parts: Sequence[str] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)

    @property
    def stages(self) -> tuple[str, str, str]:
        """What is said to the first, the second and every later wrong answer."""
        last = f"Read again: \u201c{self.place}\u201d." if self.place else READ_AGAIN
        return self.ask, self.hint, last


@cache
def computed(compute: Compute) -> tuple:
    """Compute the values of a right or a mistaken answer, once a session."""
    return values_of(compute())


@cache
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
    name = f"chapter_{number:02d}"
    values = importlib.import_module(f"mlteach.exercises.{name}").VALUES
    words = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    return joined(values, tomllib.loads(words))


def chapters_with_exercises() -> tuple[int, ...]:
    """Numbers of the chapters whose answers can be checked."""
    words = Path(__file__).parent.glob("chapter_*.toml")
    return tuple(sorted(int(path.stem.removeprefix("chapter_")) for path in words))


def joined(
    values: Mapping[str, Mapping[str, Compute]], words: Mapping[str, Mapping[str, Any]]
) -> dict[str, Exercise]:
    """Make exercises of values and words.

    Parameters
    ----------
    values, words : mapping of str to mapping
        By key of the exercise.

    Returns
    -------
    dict of str to Exercise

    Raises
    ------
    ValueError
        If something has a value without words, or words without a value; the message names it.
    """
    _demand_same("exercises", set(values), set(words))
    return {key: _exercise(key, values[key], words[key]) for key in words}


def _exercise(key: str, values: Mapping[str, Compute], words: Mapping[str, Any]) -> Exercise:
    right, said = values["right"], words.get("mistakes", {})
    made = {name: partial(_made_of, right, name) for name in said.keys() & MADE_OF_RIGHT.keys()}
    known = {**made, **values}
    _demand_same(f"mistakes of {key}", set(known) - {"right"}, set(said))
    mistakes = tuple((known[name], hint) for name, hint in said.items())
    return Exercise(key=key, answer=right, **{**words, "mistakes": mistakes})


def _made_of(right: Compute, name: str) -> np.ndarray:
    return MADE_OF_RIGHT[name](np.array(computed(right)))


def _demand_same(what: str, valued: set[str], worded: set[str]) -> None:
    if valued != worded:
        raise ValueError(
            f"{what}: values without words {sorted(valued - worded)}, "
            f"words without values {sorted(worded - valued)}."
        )
