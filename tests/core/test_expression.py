"""A formula computes what is on the list; anything else is refused before it runs."""

import os
import random

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core import expression
from mlteach.core.expression import CONTRASTS, LOGICAL, NUMERIC, TRANSFORMS
from mlteach.errors import FormulaError

rng = np.random.default_rng(11)
N = 120
TABLE = pd.DataFrame(
    {
        "g": np.repeat(np.arange(20), 6),
        "x": rng.uniform(0.1, 3, N),
        "k": rng.integers(1, 6, N),
        "f": rng.choice(list("abc"), N),
        "b": rng.random(N) > 0.5,
        "y": rng.normal(size=N),
    }
)
# One place for a formula to stand in, each a way of its own into the package.
PLACES = {
    "mean": lambda text: mt.fit_mixed(f"y ~ {text} + (1 | g)", TABLE),
    "random part": lambda text: mt.fit_mixed(f"y ~ x + (1 + {text} | g)", TABLE),
    "outcome": lambda text: mt.fit_mixed(f"{text} ~ x + (1 | g)", TABLE),
    "variance function": lambda text: mt.fit_location_scale("y ~ 1 + (1 | g)", f"~ {text}", TABLE),
    "between": lambda text: mt.fit_location_scale(
        "y ~ 1 + (1 | g)", "~ 1 + (1 | g)", TABLE, between=f"~ {text}"
    ),
    "centring": lambda text: mt.fit_centering(f"y ~ x + {text}", TABLE, cluster="g"),
    "slopes": lambda text: mt.fit_random_slope("y ~ x", TABLE, cluster="g", slopes=[text]),
    "pooling": lambda text: mt.compare_pooling(f"y ~ {text}", TABLE, cluster="g"),
    "hypothesis": lambda text: mt.fit_mixed("y ~ x + (1 | g)", TABLE).test(f"{text} = 0"),
}
UNSAFE = {
    "an attribute chain": "I(np.f2py.os.system('touch PWNED'))",
    "writing": "np.save('PWNED', x)",
    "a method that writes": "x.to_csv('PWNED')",
    "an import": "__import__('os').mkdir('PWNED')",
    "dunders": "I(x.__class__.__base__.__subclasses__())",
    "a lambda": "I((lambda: open('PWNED', 'w'))())",
    "a comprehension": "I([open('PWNED', 'w') for v in [1]])",
    "a format string": 'I(f\'{open("PWNED", "w")}\')',
    "an assignment": "I((z := open('PWNED', 'w')))",
    "the seed": "np.random.seed(1)",
    "random numbers": "np.random.normal(x)",
    "an evaluation": 'eval(\'open("PWNED", "w")\')',
    "a file": "open('PWNED', 'w')",
    "the state of a generator": "np.random.default_rng(x)",
    "another module": "pd.read_pickle('PWNED')",
    "braces": "{open('PWNED', 'w')}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", UNSAFE)
def test_nothing_else_runs_anywhere(place, kind, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = random.getstate()
    with pytest.raises(mt.MLTeachError):
        PLACES[place](UNSAFE[kind])
    assert os.listdir(tmp_path) == []
    assert random.getstate() == state


@pytest.mark.parametrize("kind", UNSAFE)
def test_the_error_shows_the_place_and_names_what_is_allowed(kind) -> None:
    with pytest.raises(FormulaError) as error:
        PLACES["mean"](UNSAFE[kind])
    assert "y ~ " in str(error.value)
    assert "^" in str(error.value)
    if "not on the list" in str(error.value):
        assert all(name in str(error.value) for name in ("log", "center", "contr.sum", "where"))


@pytest.mark.parametrize("call", ["", ".str", ".foo", ".str.foo", ".str.upper.x", ".isin.x"])
@pytest.mark.parametrize("column", ["`x`", "Q('x')", "`f`"])
def test_a_column_is_no_function_and_has_few_methods(column, call) -> None:
    for arguments in ("", "k", "2"):
        with pytest.raises(FormulaError, match=r"\(\) is not on the list of functions"):
            mt.fit_mixed(f"y ~ {column}{call}({arguments}) + (1 | g)", TABLE)


@pytest.mark.parametrize("name", NUMERIC)
def test_numeric_functions_are_those_of_numpy(name) -> None:
    arguments = {"minimum": ", k", "maximum": ", k", "clip": ", 0.5, 2"}.get(name, "")
    others = {"minimum": (TABLE.k,), "maximum": (TABLE.k,), "clip": (0.5, 2)}.get(name, ())
    expected = getattr(np, name)(TABLE.x, *others)
    for written in (name, f"np.{name}"):
        fit = mt.fit_mixed(f"I({written}(x{arguments}) + y) ~ k + (1 | g)", TABLE)
        np.testing.assert_allclose(fit.design.y, expected + TABLE.y)


def test_a_choice_of_texts_is_a_category_wherever_it_stands() -> None:
    shuffled = TABLE.set_index(np.arange(len(TABLE))[::-1])
    made = TABLE.assign(c=np.where(TABLE.x > 1, TABLE.f, "b"))
    expected = mt.fit_mixed("y ~ k + c + (1 | g)", made).params.to_numpy()
    for text in ("where(x > 1, f, 'b')", "I(where(x > 1, f, 'b'))", "C(where(x > 1, f, 'b'))"):
        fit = mt.fit_mixed(f"y ~ k + {text} + (1 | g)", shuffled)
        np.testing.assert_allclose(fit.params, expected, rtol=1e-9)
        np.testing.assert_allclose(fit.predict(shuffled.tail(5)), fit.predict().tail(5))


def column(text: str) -> np.ndarray:
    """Values of an expression that makes one column."""
    return mt.fit_mixed(f"I(0 * x + {text}) ~ 1 + (1 | g)", TABLE.assign()).design.y


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where(x > 1, k, -1)", np.where(TABLE.x > 1, TABLE.k, -1)),
        ("where((x > 1) & ~b | (f == 'a'), 1, 0)", (TABLE.x > 1) & ~TABLE.b | (TABLE.f == "a")),
        ("where(isin(k, [1, 4]), 1, 0)", TABLE.k.isin([1, 4])),
        ("where(f.isin(['a', 'b']), 1, 0)", TABLE.f.isin(["a", "b"])),
        ("where(f.str.upper() == 'A', 1, 0)", TABLE.f == "a"),
        ("b + b", 2.0 * TABLE.b),
        ("k - b", TABLE.k - TABLE.b.astype(int)),
        ("sqrt(x > 1)", (TABLE.x > 1).astype(float)),
        ("exp(b)", np.exp(TABLE.b.astype(float))),
        ("k ** 2 // 3 % 4", TABLE.k.astype(float) ** 2 // 3 % 4),
    ],
)
def test_truth_and_choice(text, expected) -> None:
    np.testing.assert_allclose(column(text), np.asarray(expected, float), rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("I(k ^ 2)", r"write \*\*"),
        ("I(k & 2)", "compare first"),
        ("I(k | x)", "compare first"),
        ("I(~k)", "compare first"),
        ("I(k << 2)", "moves bits"),
        ("I(k >> 2)", "moves bits"),
        ("I(b ^ b)", r"write \*\*"),
        ("I((x > 1) and b)", "& and |"),
        ("I(not b)", r"~\(...\)"),
        ("I(0 < x < 1)", r"\(1 < x\) & \(x < 2\)"),
        ("I((x > 1) + (k > 2))", r"where\(x > 1, 1, 0\)"),
        ("I(x if b else k)", "where"),
        ("I(k in [1, 2])", r"isin\(x, \[1, 2\]\)"),
        ("x[0]", "picked out"),
        ("x.mean()", r"center\(x\)"),
        ("mean(x)", r"center\(x\)"),
        ("I(9 ** 9 ** 9 * x)", "power of constants"),
        ("log(x, 2)", "log2"),
        ("log(f)", "text cannot be calculated with"),
        ("poly(x, 10000)", "at most 100"),
        ("poly(x, 0)", "makes no column"),
        ("C(f, contr.treatment('zz'))", "not among the provided levels"),
        ("C(f, contr.custom([[1, 2]]))", "columns of the table"),
        ("C(f, levels=['a', 'b'])", "'c'"),
        ("{None}", "None"),
        ("factor(f)", r"write C\(...\)"),
        ("as.factor(f)", r"write C\(...\)"),
        ("offset(x)", r"I\(y - x\)"),
        ("TRUE", "True"),
        ("poly(x, 2, raw=TRUE)", "True"),
        ("ifelse(x > 1, 1, 0)", "where"),
        ("x == 1", r"I\(x == 1\)"),
        ("x$y", "named alone"),
        ("k %in% x", "isin"),
        (".", "name the predictors"),
        ("2 * x", r"I\(2 \* x\)"),
        ("log", "needs its parentheses"),
        ("(x + k) ** 99", "power"),
        ("x\0", "has no place"),
    ],
)
def test_habits_get_the_spelling_that_works(text, says) -> None:
    with pytest.raises(mt.FormulaError, match=says):
        PLACES["mean"](text)


@pytest.mark.parametrize("name", CONTRASTS)
def test_contrasts_span_the_same_space(name) -> None:
    plain = mt.fit_mixed("y ~ f + (1 | g)", TABLE, reml=False)
    coded = mt.fit_mixed(f"y ~ C(f, contr.{name}) + (1 | g)", TABLE, reml=False)
    assert coded.llf == pytest.approx(plain.llf, abs=1e-9)


def test_the_list_in_the_error_is_complete() -> None:
    for name in (*NUMERIC, *LOGICAL, *TRANSFORMS):
        assert name in expression.ALLOWED
        assert name in expression.context()


@pytest.mark.parametrize("power", ["x**2", "x^2", "I(x)**3"])
def test_a_power_of_one_term_says_what_it_means(power) -> None:
    fit = mt.fit_mixed(f"y ~ {power} + (1 | g)", TABLE)
    assert fit.llf == pytest.approx(mt.fit_mixed("y ~ x + (1 | g)", TABLE).llf)
    assert any("write I(" in note for note in fit.notes)
