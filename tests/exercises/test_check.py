"""Answer checks: what counts as right, what is said otherwise, and every exercise of the book."""

import math

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.exercises import check as checks
from mlteach.exercises import record
from mlteach.exercises.exercise import (
    READ_AGAIN,
    Exercise,
    chapter_exercises,
    chapters_with_exercises,
    joined,
)

EXERCISES = [
    exercise
    for number in chapters_with_exercises()
    for exercise in chapter_exercises(number).values()
]
HINT = "Look again."
ASK = "What is asked?"


@pytest.fixture(autouse=True)
def nothing_answered_yet(monkeypatch):
    monkeypatch.setattr(checks, "_wrong", {})
    monkeypatch.setattr(record, "_session", {})


@pytest.fixture
def ask(monkeypatch):
    """Check an answer against an exercise made up on the spot."""
    check = mt.check  # found by the import that is replaced below

    def ask(right, given, **options):
        exercise = Exercise("77.1", "What?", lambda: right, hint=HINT, ask=ASK, **options)
        monkeypatch.setattr(checks, "chapter_exercises", lambda number: {exercise.key: exercise})
        return check("77.1", given)

    return ask


# ------------------------------------------------------------------------------ right answers


@pytest.mark.parametrize(
    "given",
    [
        0.18,
        np.float64(0.18),
        np.float32(0.18),
        np.array(0.18),
        np.array([0.18]),
        pd.Series([0.18], index=["math"]),
        pd.DataFrame({"a": [0.18]}),
        [0.18],
        (0.18,),
        mt.ICC(0.18, 0.02, lambda: (0.15, 0.22)),
    ],
    ids=lambda given: type(given).__name__,
)
def test_one_number_in_any_container(ask, given):
    assert ask(0.18, given).ok is True


@pytest.mark.parametrize("given", ["public", " PUBLIC ", np.str_("Public"), pd.Series(["Public"])])
def test_text_ignores_case_and_outer_spaces(ask, given):
    assert ask("Public", given)


def test_inner_spaces_count_once(ask):
    assert ask("random slope", "Random  slope")


@pytest.mark.parametrize("given", [True, np.bool_(True), "yes", "TRUE"])
def test_true(ask, given):
    assert ask(np.bool_(True), given)
    assert ask(False, given).ok is False


@pytest.mark.parametrize("given", [(160, 12.64), [160, 12.64], np.array([160, 12.64])])
def test_several_values_in_order(ask, given):
    assert ask((160, 12.637), given)
    assert not ask((12.637, 160), given)


def test_infinity(ask):
    assert ask(np.inf, np.inf)
    assert not ask(np.inf, -np.inf)
    assert not ask(1.0, np.inf)


# --------------------------------------------------------------------------------- tolerance


@pytest.mark.parametrize(
    ("right", "near", "far"),
    [(0.18, 0.1817, 0.1819), (-2.0, -2.019, -2.021), (160, 160.4, 161), (0, 0.4, 1)],
)
def test_default_tolerance(ask, right, near, far):
    """1% of a number; a count has to round to the right one."""
    assert ask(right, near)
    assert not ask(right, far)


def test_own_tolerance_includes_its_edge(ask):
    assert ask(0.1, 0.3, tolerance=0.2)
    assert not ask(0.1, 0.301, tolerance=0.2)


def test_own_tolerance_holds_for_each_value(ask):
    assert ask((1.0, 200.0), (1.4, 199.6), tolerance=0.5)
    assert not ask((1.0, 200.0), (1.4, 199.0), tolerance=0.5)


# ------------------------------------------------------------------------- wrong and no answers


@pytest.mark.parametrize("given", [..., None, (..., ...)])
def test_no_answer_yet(ask, given):
    feedback = ask(1.0, given)
    assert feedback.ok is None
    assert not feedback
    assert feedback.message == "No answer yet: put your answer in place of ..."


def test_no_answer_does_not_compute_the_right_one(monkeypatch):
    def explode():
        raise AssertionError("computed")

    exercise = Exercise("77.1", "What?", explode)
    monkeypatch.setattr(checks, "_find", lambda key: exercise)
    assert mt.check("77.1").ok is None


def test_typical_mistake_has_its_own_hint(ask):
    mistakes = ((lambda: 0.82, "That is the part within schools."), (lambda: 18, "A proportion."))
    assert ask(0.18, 0.8203, mistakes=mistakes).message == "That is the part within schools."
    assert ask(0.18, 18, mistakes=mistakes).message == "A proportion."
    assert ask(0.18, 0.5, mistakes=mistakes).message == ASK


def test_mistake_of_another_kind_is_passed_over(ask):
    mistakes = ((lambda: "schools", "Not the name."), (lambda: 7185, "Those are the students."))
    assert ask(160, 7185, mistakes=mistakes).message == "Those are the students."


def test_hints_come_in_stages(ask):
    """A new wrong answer brings the next stage; the cell run once more does not."""
    said = [ask(2.0, given, place="Where?").message for given in (5, 5, 6, 5, 7, 8)]
    place = "Read again: \u201cWhere?\u201d."
    assert said == [ASK, ASK, HINT, ASK, place, place]
    assert ask(2.0, 9).message == READ_AGAIN


@pytest.mark.parametrize(
    ("right", "given", "said"),
    [
        (0.18, 18.01, checks.PERCENT),
        ((0.18, 0.5), (18, 50), checks.PERCENT),
        (1.18, 118, ASK),
        (0.18, -0.18, checks.SIGN),
        ((1.0, 3.0), (3, 1), checks.ORDER),
        ((3, 1), (1, 3), checks.ORDER),
        ((1.0, 3.0), (1, 7), f"Right already: Value 1. {ASK}"),
        (("within", "between"), ("between", "within"), checks.ORDER),
    ],
)
def test_mistakes_of_every_kind_need_no_list(ask, right, given, said):
    assert ask(right, given).message == said


def test_values_have_names(ask):
    names = {"parts": ("Slope", "SE")}
    assert ask((1.0, 3.0), (1, 7), **names).message == f"Right already: Slope. {ASK}"
    assert ask((1.0, 3.0), (1, ...), **names).message == "SE: Not given yet."


def test_percentage_may_be_as_rough_as_the_proportion(ask):
    assert ask(0.118, 12, tolerance=0.002).message == checks.PERCENT


def test_choices_and_their_other_words(ask):
    words = {"choices": ("smushed", "within"), "synonyms": {"conflated": "smushed"}}
    assert ask("smushed", "Conflated", **words)
    assert ask("smushed", "within", **words).message == ASK
    assert ask("smushed", "mixed", **words).message == "Choose from: smushed, within."


@pytest.mark.parametrize(
    ("right", "given"),
    [
        (0.32, " .32"),
        (0.32, "0,32"),
        (0.32, "32%"),
        (-0.32, "\u221232,0 %"),
        (0.001, "1E-3"),
        (1234.5, "1,234.5"),
        (2345678, "2,345,678"),
        (5, "+5."),
        ((0.32, 5.0), ("32 %", "5")),
    ],
)
def test_numbers_as_people_type_them(ask, right, given):
    assert ask(right, given)


def test_rounded_too_much(ask):
    assert "decimals" in ask(0.1804, 0.185).message
    assert ask(0.1804, 0.2).message == ASK


@pytest.mark.parametrize(
    ("right", "given", "said"),
    [
        (0.18, "a fifth", "as in 0.32 or 1e-3: \u201ca fifth\u201d is none"),
        (7185, "7,185", "Write 7185 or 7.185."),
        (1.5, "150%", "without %"),
        (0.18, True, "a number is asked for"),
        (0.18, {"icc": 0.18}, "dict"),
        (0.18, 0.18 + 0j, "complex"),
        (0.18, mt.load, "function"),
        (0.18, [0.1, 0.2], "holds 2 values"),
        (0.18, [[0.18]], "not several values"),
        (0.18, np.array([]), "holds 0 values"),
        (0.18, np.nan, "NaN"),
        (0.18, pd.NA, "NaN"),
        ("Public", 1, "text in quotes"),
        (True, 1, "True or False"),
        (True, "maybe", "True or False"),
        ((1.0, 2.0), 1.0, "2 values"),
        ((1.0, 2.0), (1.0, 2.0, 3.0), "holds 3"),
        ((1.0, 2.0), (1.0, "two"), "Value 2"),
        ((1.0, 2.0), (1.0, ""), "Value 2: Not given yet."),
        ((1.0, 2.0), (1.0, ...), "Value 2"),
        ((1.0, 2.0), {1.0, 2.0}, "2 values"),
    ],
)
def test_unsuitable_answer_gets_a_message(ask, right, given, said):
    feedback = ask(right, given)
    assert feedback.ok is False
    assert said.casefold() in feedback.message.casefold()


# ---------------------------------------------------------------------------------- how it looks


@pytest.mark.parametrize(("given", "state"), [(0.18, "right"), (0.5, "wrong"), (..., "waiting")])
def test_html_is_announced_and_says_the_same(ask, given, state):
    feedback = ask(0.18, given)
    html = feedback._repr_html_()
    assert 'role="status"' in html
    assert f'class="mlteach-check mlteach-check-{state}"' in html
    assert feedback.message in html
    assert feedback.message in repr(feedback)
    assert "Exercise 77.1" in repr(feedback)


def test_html_is_escaped(monkeypatch):
    exercise = Exercise("77.1", "What?", lambda: 1.0, ask="a < b & c")
    monkeypatch.setattr(checks, "_find", lambda key: exercise)
    assert "a &lt; b &amp; c" in mt.check("77.1", 5.0)._repr_html_()


# ------------------------------------------------------------------------------------------ keys


def test_unknown_number_names_those_of_the_chapter():
    number = chapters_with_exercises()[0]
    keys = list(chapter_exercises(number))
    with pytest.raises(mt.DataError, match=", ".join(keys)):
        mt.check(f"{number}.99", 1)


def test_unknown_chapter_names_those_that_exist():
    with pytest.raises(mt.DataError, match=str(chapters_with_exercises()[-1])):
        mt.check("99.1", 1)


@pytest.mark.parametrize("key", [3.2, "three", "3", "", None, "3.2.1"])
def test_malformed_key(key):
    with pytest.raises(mt.DataError, match="in quotes"):
        mt.check(key, 1)


# ------------------------------------------------------------------------------ values and words


def values(*names):
    return {"77.1": {"right": lambda: 0.2, **{name: lambda: 5.0 for name in names}}}


def words(*names):
    return {"77.1": {"question": "What?", "mistakes": {name: f"{name}!" for name in names}}}


def test_mistakes_are_joined_in_the_order_of_their_words():
    exercise = joined(values("sum", "mean"), words("mean", "left_over", "sum"))["77.1"]
    assert [(compute(), said) for compute, said in exercise.mistakes] == [
        (5.0, "mean!"),
        (0.8, "left_over!"),
        (5.0, "sum!"),
    ]


@pytest.mark.parametrize(
    ("valued", "worded", "said"),
    [
        (values("sum"), words(), r"mistakes of 77.1: values without words \['sum'\]"),
        (values(), words("sum"), r"words without values \['sum'\]"),
        (values(), {}, r"values without words \['77.1'\]"),
        ({}, words(), r"words without values \['77.1'\]"),
    ],
)
def test_nothing_lacks_its_words_or_its_value(valued, worded, said):
    """Also for every chapter of the book: this module has read them all above."""
    with pytest.raises(ValueError, match=said):
        joined(valued, worded)


# --------------------------------------------------------------------------- exercises of the book


def test_keys_are_unique_and_of_their_chapter():
    for number in chapters_with_exercises():
        keys = [*chapter_exercises(number)]
        assert keys == [f"{number}.{k}" for k in range(1, len(keys) + 1)]
        assert 4 <= len(keys) <= (6 if number else 10)  # the quiz before the course


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.key)
class TestEveryExercise:
    def test_has_words(self, exercise):
        assert exercise.question.strip()
        assert "\n" not in exercise.question
        assert all(stage.strip() for stage in exercise.stages)
        assert len(set(exercise.stages)) == 3
        hints = [hint.strip() for _, hint in exercise.mistakes]
        assert all(hints)
        assert len(set(hints)) == len(hints)

    def test_right_answer_is_accepted(self, exercise):
        right = exercise.answer()
        assert len(exercise.parts) == (len(right) if isinstance(right, tuple) else 0)
        assert mt.check(exercise.key, right).ok is True
        for value in right if isinstance(right, tuple) else (right,):
            assert not (isinstance(value, float) and math.isnan(value))

    def test_each_mistake_gets_its_own_hint(self, exercise):
        for mistake, hint in exercise.mistakes:
            feedback = mt.check(exercise.key, mistake())
            assert feedback.ok is False
            assert feedback.message == hint

    def test_messages_do_not_give_the_answer_away(self, exercise):
        right = exercise.answer()
        if isinstance(right, bool | np.bool_ | tuple | str):
            return
        spellings = {f"{right:.{digits}f}" for digits in (2, 3, 4)} | {f"{right:.4g}"}
        text = " ".join([*exercise.stages, *(hint for _, hint in exercise.mistakes)])
        words = {word.strip(".,;:()=") for word in text.split()}
        assert not spellings & words
