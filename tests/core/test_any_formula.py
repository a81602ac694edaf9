"""Whatever is written, of whatever table: the right number, or an error of ours."""

import warnings

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mlteach as mt
from mlteach.core.design import design, new_rows
from mlteach.core.formula import parse

rng = np.random.default_rng(8)
N = 40
TABLE = pd.DataFrame(
    {
        "g": np.repeat(np.arange(8), 5),
        "x": rng.integers(-5, 60, N),
        "k": rng.integers(0, 120, N),
        "b": rng.random(N) > 0.4,
        "z": rng.normal(size=N).round(3),
        "f": rng.choice(list("abc"), N),
        "y": rng.normal(size=N),
    }
)
TYPES = {
    "x": ["int8", "int64", "Int16", "float32", "int8[pyarrow]", "double[pyarrow]"],
    "k": ["uint8", "int8", "UInt8", "uint64", "Float64", "uint8[pyarrow]"],
    "b": ["bool", "boolean", "bool[pyarrow]", object],
    "z": ["float64", "Float64", "double[pyarrow]"],
    "f": [object, "str", "string", "category", "string[pyarrow]"],
}
FLOATS = {name: TABLE[name].to_numpy(float) for name in "xkbz"}

# ----------------------------------------------------------------- right numbers, by a plain route

atom = st.sampled_from([(name, lambda t, n=name: t[n]) for name in "xkbz"]) | st.integers(
    -9, 9
).map(lambda n: (f"({n})", lambda t: np.full(N, float(n))))
ONE = {"abs": np.abs, "square": np.square, "sign": np.sign, "sin": np.sin, "np.floor": np.floor}
TWO = {
    "({} + {})": np.add,
    "({} - {})": np.subtract,
    "({} * {})": np.multiply,
    "minimum({}, {})": np.minimum,
    "where({0} > {1}, {0}, 1)": lambda a, b: np.where(a > b, a, 1.0),
    "abs({} <= {})": lambda a, b: (a <= b).astype(float),
}


def one(inner):
    return st.tuples(st.sampled_from(list(ONE)), inner).map(
        lambda p: (f"{p[0]}({p[1][0]})", lambda t: ONE[p[0]](p[1][1](t)))
    )


def two(inner):
    return st.tuples(st.sampled_from(list(TWO)), inner, inner).map(
        lambda p: (p[0].format(p[1][0], p[2][0]), lambda t: TWO[p[0]](p[1][1](t), p[2][1](t)))
    )


expressions = st.recursive(atom, lambda inner: one(inner) | two(inner), max_leaves=6)
tables = st.fixed_dictionaries({name: st.sampled_from(kinds) for name, kinds in TYPES.items()})


@given(expressions, tables)
@example(("(abs((0) <= (0)) + abs((0) <= (0)))", lambda _: np.full(N, 2.0)), {})
@settings(max_examples=300, deadline=None)
def test_an_expression_has_the_value_that_floats_give(expression, kinds) -> None:
    text, value = expression
    table = TABLE.astype(kinds)
    try:
        d = design(parse(f"y ~ I(z + {text}) + f + (1 | g)"), table)
    except mt.MLTeachError as error:
        assert "true or false" in str(error) or "no column in it" in str(error)
        return
    expected = FLOATS["z"] + value(FLOATS)
    column = next(k for k, name in enumerate(d.x_names) if name.startswith("I("))
    np.testing.assert_allclose(d.X[:, column], expected, rtol=1e-12, atol=1e-12)
    X, Z = new_rows(d, table.head(7))
    np.testing.assert_array_equal(X, d.X[:7])
    np.testing.assert_array_equal(Z, d.Z[:7])


# ------------------------------------------------------------------------------ or an error of ours

WORDS = """
y x k b z f g zz 1 0 2 -1 1.5 'a' "b" `x` ~ + - * / : ** ^ | || ( ) [ ] { } , . = == < > & ~x %
%in% @ $ ! \\ ` ' " # ; I( C( log( poly( bs( center( Q( Q('x') np. np.log( where( f.str.upper()
x.mean() contr.sum C(f,contr. levels= df=4 lambda if factor(f) TRUE None True __class__ import é ǀ1
1e999
"""
PIECES = (*WORDS.split(), "\n", "\t", " ", "9" * 40)
noise = st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=12)


def own_or_finite(make) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", mt.ConvergenceWarning)
        warnings.simplefilter("always", mt.DataWarning)
        try:
            values = make()
        except mt.MLTeachError as error:
            values, said = np.zeros(0), [str(error)]
        else:
            said = []
    said += [str(one.message) for one in warned]
    assert all(text and ("ǀ" not in text or "ǀ1" in text) for text in said)
    assert np.isfinite(values).all()


@given(noise)
@example("'a'y")
@example("`x`y")
@example("`x`1")
@example("Q('x')v")
@example("where(x>0,'a','b')")
@settings(max_examples=400, deadline=None)
def test_any_text_in_the_fixed_part(text) -> None:
    own_or_finite(lambda: design(parse(f"y ~ x + {text} + (1 | g)"), TABLE).X)


@given(noise)
@settings(max_examples=200, deadline=None)
def test_any_text_in_the_random_part(text) -> None:
    own_or_finite(lambda: design(parse(f"y ~ x + ({text} | g)"), TABLE).Z)


@given(noise)
@example("%%y")
@settings(max_examples=200, deadline=None)
def test_any_text_as_outcome_or_whole_formula(text) -> None:
    own_or_finite(lambda: design(parse(f"{text} ~ x + (1 | g)"), TABLE).y)
    own_or_finite(lambda: mt.fit_mixed(text, TABLE).params)


@given(noise)
@example("9" * 40)
@example("\0")  # a ValueError in some versions of Python
@example("g")
@example("x·z")
@example("`x`2")
@example("+".join(["x"] * 5000))
@settings(max_examples=150, deadline=None)
def test_any_text_as_a_name_or_hypothesis(text) -> None:
    fit = mt.fit_mixed("y ~ x + z + (1 | g)", TABLE)
    own_or_finite(lambda: fit.test(text).statistic)
    for make in (
        lambda: mt.center(TABLE, [text], cluster="g")["x"],
        lambda: mt.center(TABLE, ["x"], cluster=text)["x"],
        lambda: mt.column_icc(TABLE, text, cluster="g"),
        lambda: mt.to_wide(TABLE, [text], cluster="g").iloc[:, 0],
        lambda: mt.fit_multigroup([text, "y"], TABLE, cluster="g").llf,
        lambda: mt.fit_random_slope("y ~ x", TABLE, cluster="g", slopes=[text]).params,
    ):
        own_or_finite(make)


CELLS = (
    *(None, np.nan, np.inf, -np.inf, 0, 1, 2**70, -1.5, 1e300, 1e-300, "a", "", True, 1j, b"a"),
    *(pd.NA, pd.NaT, pd.Timestamp("2020-01-01"), pd.Timedelta("1D"), [1], {}, (1, 2), object),
)
cells = st.sampled_from(CELLS)
columns = st.lists(cells, min_size=3, max_size=3).map(lambda three: (three * N)[:N]) | cells.map(
    lambda cell: [cell] * N
)


@given(columns, st.sampled_from(["x", "z", "f", "y", "g"]), st.sampled_from([object, None]))
@settings(max_examples=300, deadline=None)
def test_any_cells(values, where, kind) -> None:
    try:
        table = TABLE.assign(**{where: pd.Series(values, dtype=kind)})
    except (ValueError, TypeError, OverflowError):
        return  # pandas makes no column of these
    own_or_finite(lambda: design(parse("y ~ z + x + f + (1 + x | g)"), table).X)
    own_or_finite(lambda: mt.center(table.assign(c=TABLE["z"]), ["c"], cluster="g")["k"])
