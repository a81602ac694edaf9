"""Parts of a formula are read with a table, and coded the same way for other rows."""

import formulaic
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.coded import coded
from mlteach.core.part import read_part
from mlteach.errors import DataError, FormulaError

rng = np.random.default_rng(3)
N = 240
TABLE = pd.DataFrame(
    {
        "g": np.repeat(np.arange(24), 10),
        "x": rng.normal(size=N),
        "k": rng.integers(0, 4, N),
        "f": rng.choice(list("abc"), N),
        "q": rng.choice(list("uv"), N),
        "y": rng.normal(size=N),
    }
)


@pytest.mark.parametrize(
    ("part", "columns"),
    [
        ("x", ["x"]),
        ("x * k", ["k", "x"]),
        ("center(x) + poly(k, 2)", ["k", "x"]),
        ("np.log(x) + C(f, contr.treatment('b'))", ["f", "x"]),
        ("f.str.upper():q", ["f", "q"]),
        ("Q('x') + `k`", ["k", "x"]),
        ("1", []),
    ],
)
def test_columns_that_a_part_reads(part, columns) -> None:
    assert read_part(f"y ~ {part}", part, TABLE).columns == columns


def test_dots_are_names_where_there_is_such_a_column() -> None:
    table = TABLE.assign(**{"f.str": TABLE.x, "x.y": TABLE.k})
    assert read_part("", "f.str.upper() + x.y + log(x.y)", table).columns == ["f", "x.y"]
    assert read_part("", "f.str", table).columns == ["f.str"]
    with pytest.raises(DataError, match=r"'x.z'.*Did you mean 'x.y'"):
        read_part("y ~ x.z", "x.z", table)


@pytest.mark.parametrize(
    "text", ["y ~ x + x** + (1 | g)", "y ~ k : + (1 | g)", "y ~ x k + (1 | g)"]
)
def test_errors_are_placed_in_the_whole_formula(text) -> None:
    with pytest.raises(FormulaError) as error:
        mt.fit_mixed(text, TABLE)
    assert text in str(error.value)
    assert "^" in str(error.value)
    assert "\x1b" not in str(error.value)
    assert "ǀ" not in str(error.value)


COMPUTED = {
    "f": {"f": "z"},
    "C(f)": {"f": "z"},
    "C(f, contr.sum)": {"f": "z"},
    "C(f, levels=['a', 'b', 'c'])": {"f": "z"},
    "C(f.str.upper())": {"f": "z"},
    "f.str.upper()": {"f": "z"},
    "f.str.upper():x": {"f": "z"},
    "C(np.floor(x))": {"x": 1e6},
    "C(k)": {"k": 99},
    "C(k * 2)": {"k": 99},
    "C(where(k > 2, 'many', f))": {"f": "z"},
}


@pytest.mark.parametrize("factor", COMPUTED)
@pytest.mark.parametrize("part", ["mean", "slope"])
def test_a_level_that_the_fit_never_saw(factor, part) -> None:
    formula = {"mean": f"y ~ {factor} + (1 | g)", "slope": f"y ~ 1 + ({factor} | g)"}[part]
    few = TABLE[TABLE["x"].abs() < 1.5] if part == "slope" else TABLE
    fit = mt.fit_mixed(formula, few, smushed_note=False)
    known = few.head(5).assign(k=2, f="b")
    assert np.isfinite(fit.predict(known)).all()
    with pytest.raises(DataError, match=r"holds .* not in the data of the fit .known: "):
        fit.predict(known.assign(**COMPUTED[factor]))


@pytest.mark.parametrize(
    ("formula", "new", "says"),
    [
        ("y ~ x", {"x": "a"}, "'x' holds text or categories here"),
        ("y ~ center(x)", {"x": "a"}, "'x' holds text or categories here"),
        ("y ~ f", {"f": 1}, "'f' holds numbers here"),
        ("y ~ x", {"x": pd.Timestamp("2020-01-01")}, "'x' holds datetime64"),
        ("y ~ bs(x, df=4)", {"x": 100.0}, "beyond upper and/or lower bounds"),
        ("y ~ log(k + 1)", {"k": -5}, "not a finite number"),
    ],
)
def test_new_rows_of_another_kind(formula, new, says) -> None:
    fit = mt.fit_mixed(f"{formula} + (1 | g)", TABLE)
    with pytest.raises(DataError, match=says):
        fit.predict(TABLE.head(3).assign(**new))


@pytest.mark.parametrize("power", ["(x + k)**0", "x**10", "(x + k + z + w)**7"])
def test_powers_that_are_not_small(power) -> None:
    """Of a sum: they cross its terms. Four to the seventh are more terms than a model has."""
    with pytest.raises(FormulaError, match="has no small whole power"):
        mt.fit_mixed(f"y ~ {power} + (1 | g)", TABLE.assign(z=1.0, w=2.0))


ONE_LEVEL = {
    "mean": lambda t: mt.fit_mixed("y ~ q + x + (1 | g)", t),
    "C()": lambda t: mt.fit_mixed("y ~ C(q) + x + (1 | g)", t),
    "no intercept": lambda t: mt.fit_mixed("y ~ 0 + q + x + (1 | g)", t),
    "interaction": lambda t: mt.fit_mixed("y ~ x:q + (1 | g)", t),
    "slope": lambda t: mt.fit_mixed("y ~ x + (q | g)", t),
    "variance": lambda t: mt.fit_location_scale("y ~ x + (1 | g)", "~ q", t),
    "centring": lambda t: mt.fit_centering("y ~ x + q", t, cluster="g"),
}


@pytest.mark.parametrize("place", ONE_LEVEL)
def test_a_category_with_one_level_is_named(place) -> None:
    with pytest.raises(DataError, match="'u' in all rows used"):
        ONE_LEVEL[place](TABLE[TABLE["q"] == "u"])


@pytest.mark.parametrize("terms", ["f*q", "f:q", "q*C(f)", "f/q", "f*q*x", "x*f*q"])
def test_an_empty_cell_is_named(terms) -> None:
    table = TABLE[(TABLE["f"] != "c") | (TABLE["q"] != "v")]
    with pytest.raises(DataError, match=r"No row has .*'c'|No row has .*'v'") as error:
        mt.fit_mixed(f"y ~ {terms} + (1 | g)", table)
    assert "Leave the interaction out" in str(error.value)


def test_double_bar_gives_each_category_its_own_variance() -> None:
    # As by dummy() in lme4: an uncorrelated effect a column of the design, not one block.
    dummies = TABLE.assign(fb=(TABLE.f == "b") * 1.0, fc=(TABLE.f == "c") * 1.0)
    by_hand = mt.fit_mixed("y ~ f + (1 | g) + (0 + fb | g) + (0 + fc | g)", dummies)
    fit = mt.fit_mixed("y ~ f + (f || g)", TABLE)
    assert fit.llf == pytest.approx(by_hand.llf, abs=1e-8)
    assert list(fit.variances.index) == ["Intercept", "f[T.b]", "f[T.c]", "Residual"]


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("y ~ x + (0 | g)", "Nothing varies"),
        ("y ~ x + (-1 | g)", "Nothing varies"),
        ("y ~ 0 + (1 | g)", "not even the intercept"),
        ("y ~ x + (1 | factor(g))", r"Clusters need no factor\(\)"),
        ("y ~ x + ((1 | g))", "parentheses of its own"),
        ("y - x ~ k + (1 | g)", r"Write I\(...\)"),
        ("y + x ~ k + (1 | g)", r"Write I\(...\)"),
        ("y:x ~ k + (1 | g)", r"Write I\(...\)"),
        ("C(f) ~ k + (1 | g)", "not one number a row"),
    ],
)
def test_parts_that_say_nothing(formula, says) -> None:
    with pytest.raises(mt.MLTeachError, match=says):
        mt.fit_mixed(formula, TABLE)


@pytest.mark.parametrize(
    "part", ["a:b:c + c", "(a + b + c)**2 - a", "0 + b:a", "a/b + c*a", "c:b:a - 1"]
)
def test_products_of_numbers_are_those_of_formulaic(part) -> None:
    data = pd.DataFrame(np.random.default_rng(4).normal(size=(30, 3)), columns=list("abc"))
    theirs = formulaic.model_matrix(part, data)
    values, made = coded(read_part(f"y ~ {part}", part, data), data)
    assert list(made.names) == list(theirs.columns)
    np.testing.assert_array_equal(values, theirs)
    np.testing.assert_array_equal(made.evaluate(data), theirs)


@pytest.mark.parametrize("text", ["y ~ age in years + (1 | g)", "y ~ k + age + (1 | g)"])
def test_a_part_of_a_name_is_told_the_whole(text) -> None:
    table = TABLE.rename(columns={"x": "age in years"})
    with pytest.raises(FormulaError, match="'age' is a part of a column's name: write `age in"):
        mt.fit_mixed(text, table)
