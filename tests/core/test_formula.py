"""Formulas are taken apart, and misuse is pointed at."""

import pytest

from mlteach.core.formula import RandomTerm, parse
from mlteach.errors import FormulaError

# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "fixed", "random"),
    [
        ("y ~ 1 + (1 | g)", "1", [("1", "g")]),
        ("y ~ x+(1|g)", "x", [("1", "g")]),
        ("y ~ (1 + x | g) + x", "x", [("1 + x", "g")]),
        ("y ~ (1 | g)", "1", [("1", "g")]),
        ("y ~ x + (x || g)", "x", [("x", "g", False)]),
        ("y ~ x + (1 | g) + (0 + x | g) + w", "x + w", [("1", "g"), ("0 + x", "g")]),
        ("y ~ a*(b + c) + (1 | g)", "a*(b + c)", [("1", "g")]),
        ("log(y) ~ np.sqrt(x) + (1 | g)", "np.sqrt(x)", [("1", "g")]),
        ("y ~ x", "x", []),
    ],
)
def test_parts_of_a_formula(text, fixed, random):
    model = parse(text)
    assert model.fixed.replace(" ", "") == fixed.replace(" ", "")
    assert model.random == tuple(RandomTerm(*pair) for pair in random)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("y x + (1 | g)", "exactly one '~'", 13),
        ("y ~ x ~ z + (1 | g)", "exactly one '~'", 6),
        (" ~ x + (1 | g)", "outcome is missing", 1),
        ("y ~ x + (1 | g", "never closed", 8),
        ("y ~ x) + (1 | g)", "closes nothing", 5),
        ("y ~ x + 1 | g", "stands in parentheses", 10),
        ("y ~ x + (| g)", "Nothing varies", 9),
        ("y ~ x + (1 | )", "cluster column is missing", 12),
        ("y ~ x + (1 | a | g)", "One '|' is enough", 15),
        ("y ~ x * (1 | g)", "only be added", 11),
        ("y ~ x + (1 | g) + (1 | h)", "one grouping factor", 22),
        ("y ~ x + (1 | g/h)", "one grouping factor", 12),
    ],
)
def test_the_message_points_at_the_place(text, message, place):
    with pytest.raises(FormulaError, match=message) as error:
        parse(text)
    shown, pointer = str(error.value).splitlines()[-2:]
    assert shown == "  " + text
    assert pointer.index("^") - 2 == place


@pytest.mark.parametrize("text", ["y ~ 1 + (1 | a) + (1 | b)", "y ~ 1 + (1 | a:b)"])
def test_more_than_two_levels_names_where_to_go(text):
    with pytest.raises(FormulaError, match="bambi or statsmodels .Python. or lme4"):
        parse(text)


@pytest.mark.parametrize("text", [None, 3, ["y ~ x"], {"y": "x"}])
def test_a_formula_must_be_text(text):
    with pytest.raises(FormulaError, match="A formula is a text"):
        parse(text)
