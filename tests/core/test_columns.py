"""Any table, any numeric or text type, any name: the same numbers; anything else is named."""

from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.core.formula import written
from mlteach.errors import DataError

rng = np.random.default_rng(5)
N = 200
TABLE = pd.DataFrame(
    {
        "g": np.repeat(np.arange(20), 10),
        "x": rng.normal(size=N),
        "k": rng.integers(0, 13, N),
        "f": rng.choice(list("abc"), N),
        "b": rng.random(N) > 0.5,
        "w": np.repeat(rng.integers(0, 2, 20), 10),
    }
)
TABLE["y"] = TABLE.x + 0.3 * TABLE.k + np.repeat(rng.normal(size=20), 10) + rng.normal(size=N)
NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint64", "float16", "float32"),
    *("Int8", "UInt8", "Int64", "Float32", "Float64", "Sparse[int8]"),
    *("int8[pyarrow]", "uint8[pyarrow]", "int64[pyarrow]", "double[pyarrow]", "longdouble"),
)
TEXTS = (
    *("object", "str", "string", "string[python]", "string[pyarrow]", "category"),
    pd.ArrowDtype(pa.large_string()),
    pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())),
)
TRUTHS = ("bool", "boolean", "bool[pyarrow]", "object")


@cache
def fitted() -> tuple:
    mixed = mt.fit_mixed("y ~ k + f + (1 + k | g)", TABLE)
    return mixed, mt.fit_location_scale("y ~ k + (1 | g)", "~ k", TABLE)


# Every public function that reads a table, as one number.
READERS = {
    "fit_mixed": lambda t: mt.fit_mixed("y ~ k + I(k**2) + x:k + f + (1 + x | g)", t).llf,
    "fit_random_slope": lambda t: mt.fit_random_slope("y ~ k", t, cluster="g", slopes=["x"]).llf,
    "fit_empty": lambda t: mt.fit_empty("k", t, cluster="g").llf,
    "fit_centering": lambda t: mt.fit_centering("y ~ k", t, cluster="g").table.iloc[1, 0],
    "fit_location_scale": lambda t: (
        mt.fit_location_scale("y ~ k + (1 | g)", "~ I(k**2)", t, between="~ w").llf
    ),
    "fit_multigroup": lambda t: mt.fit_multigroup(["y", "k"], t, cluster="g").llf,
    "center": lambda t: mt.center(t, ["k"], cluster="g")["k_between"].iloc[3],
    "column_icc": lambda t: mt.column_icc(t, "k", cluster="g"),
    "compare_pooling": lambda t: mt.compare_pooling(
        "y ~ k", t, cluster="g", slopes=["x"], folds=2
    ).table.iloc[0, 0],
    "to_wide": lambda t: float(mt.to_wide(t, ["k"], cluster="g").iloc[2, 3]),
    "wide_requirement": lambda t: mt.wide_requirement(t, ["y", "k"], cluster="g").iloc[0, 0],
    "missing_patterns": lambda t: mt.missing_patterns(t, ["k", "f"])["rows"].iloc[0],
    "little_mcar": lambda t: mt.little_mcar(t, ["y", "k"])["rows"].iloc[0],
    "predict": lambda t: fitted()[0].predict(t).sum(),
    "implied_covariance": lambda t: fitted()[0].implied_covariance(t).iloc[0, 1],
    "predict scale": lambda t: fitted()[1].predict(t)["lower"].sum(),
    "variance_ratios": lambda t: fitted()[1].variance_ratios(t)["upper"].sum(),
    "icc_at": lambda t: fitted()[1].icc_at(t)["upper"].sum(),
    "within_between": lambda t: len(plots.within_between(t, "k", "y", "g").lines),
    "cluster_dots": lambda t: plots.cluster_dots(t, "k", "g").lines[0].get_ydata()[0],
}


@pytest.fixture(scope="module")
def numbers() -> dict:
    return {name: read(TABLE) for name, read in READERS.items()}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type(kind, numbers) -> None:
    for name in ("fit_mixed", "center", "to_wide"):
        assert READERS[name](TABLE.assign(k=TABLE.k.astype(kind))) == pytest.approx(numbers[name])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["int8", "UInt8", "int8[pyarrow]"])
def test_small_integers_overflow_nowhere(name, kind, numbers) -> None:
    assert READERS[name](TABLE.assign(k=TABLE.k.astype(kind))) == pytest.approx(numbers[name])


@pytest.mark.parametrize("name", ["fit_mixed", "missing_patterns", "predict"])
@pytest.mark.parametrize("kind", TEXTS, ids=str)
def test_text_of_every_type(name, kind, numbers) -> None:
    assert READERS[name](TABLE.assign(f=TABLE.f.astype(kind))) == pytest.approx(numbers[name])


@pytest.mark.parametrize("kind", TEXTS, ids=str)
def test_ids_of_every_type_of_text(kind) -> None:
    table = TABLE.assign(g=("s" + TABLE.g.astype(str).str.zfill(2)).astype(kind))
    fit = mt.fit_mixed("y ~ x + (1 | g)", table)
    assert fit.llf == pytest.approx(mt.fit_mixed("y ~ x + (1 | g)", TABLE).llf)
    assert fit.ranef().index[0] == "s00"
    np.testing.assert_allclose(fit.predict(table.head(30)), fit.fitted.head(30))


@pytest.mark.parametrize("kind", TRUTHS)
def test_true_and_false_of_every_type(kind) -> None:
    table = TABLE.assign(b=TABLE.b.astype(kind))
    for formula in ("y ~ b + x:b", "y ~ C(b)", "y ~ I(~b & (x > 0))", "y ~ I(b + b - x)"):
        fit, plain = (mt.fit_mixed(f"{formula} + (1 | g)", t) for t in (table, TABLE))
        pd.testing.assert_series_equal(fit.params, plain.params)


def as_tables(table: pd.DataFrame) -> dict:
    columns = {name: table[name].tolist() for name in table}
    return {
        "polars": pl.DataFrame(columns),
        "polars categories": pl.DataFrame(columns).with_columns(pl.col("f").cast(pl.Categorical)),
        "arrow": pa.table(columns),
        "dict": columns,
        "nullable": table.convert_dtypes(),
        "arrow types": table.convert_dtypes(dtype_backend="pyarrow"),
    }


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", as_tables(TABLE))
def test_tables_of_every_kind(name, kind, numbers) -> None:
    assert READERS[name](as_tables(TABLE)[kind]) == pytest.approx(numbers[name])


def test_what_is_missing_is_missing_in_every_kind_of_table() -> None:
    holes = TABLE.astype({"k": "Int64", "f": object, "b": "boolean"})
    for row, column in enumerate(["k", "f", "b", "x", "y"]):
        holes.loc[row, column] = None
    columns = {name: [None if pd.isna(v) else v for v in holes[name]] for name in holes}
    tables = [holes, columns, pl.DataFrame(columns), pa.table(columns)]
    for table in tables:
        with pytest.warns(mt.DataWarning, match="5 of 200 rows"):
            fit = mt.fit_mixed("y ~ x + k + f + b + (1 | g)", table)
        assert fit.dropped.to_dict() == dict.fromkeys(["y", "b", "f", "k", "x"], 1)


@pytest.mark.parametrize("data", [None, 3, "a", [1], np.ones((3, 2)), TABLE.x, {"y": 1}])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_table(data, name) -> None:
    if "predict" in name and data is None:
        return  # the rows of the fit
    with pytest.raises(DataError, match=r"pd.DataFrame|dict cannot be made a table"):
        READERS[name](data)


def test_clusters_kept_as_categories_count_where_they_have_rows() -> None:
    plain = TABLE.assign(half=TABLE.g < 8)
    coded = plain.assign(g=plain.g.astype("category"))
    wide = [mt.wide_requirement(t, ["y", "k"], cluster="g", group="half") for t in (plain, coded)]
    pd.testing.assert_frame_equal(*wide)
    moments = [mt.wide_moments(t, ["y", "k"], cluster="g", group="half") for t in (plain, coded)]
    for group, own in moments[0].items():
        pd.testing.assert_frame_equal(own.cov, moments[1][group].cov)


def test_bytes_the_other_way_round() -> None:
    holes = TABLE.assign(y=TABLE.y.where(TABLE.x < 2))
    swapped = holes.astype({"y": ">f8", "k": ">i4", "g": ">i2"})
    with pytest.warns(mt.DataWarning, match="left out"):
        fits = [mt.fit_mixed("y ~ k + (1 | g)", table) for table in (holes, swapped)]
    assert fits[0].llf == fits[1].llf
    assert str(swapped.dtypes["y"]) == ">f8"


def test_a_type_that_only_another_library_has_is_named() -> None:
    table = pl.from_pandas(TABLE).with_columns(pl.col("k").cast(pl.Int128))
    with pytest.raises(DataError, match="'k' holds Int128"):
        mt.fit_mixed("y ~ k + (1 | g)", table)


@pytest.mark.parametrize("kind", ["string", "null[pyarrow]"])
def test_a_column_of_text_without_any_text(kind) -> None:
    with pytest.raises(DataError, match="'k'"):
        mt.center(TABLE.assign(k=pd.Series([None] * N, dtype=kind)), ["k"], cluster="g")


def test_a_query_must_run_first() -> None:
    with pytest.raises(DataError, match=r"data.collect\(\)"):
        mt.fit_mixed("y ~ x + (1 | g)", pl.from_pandas(TABLE).lazy())


STRANGE = {
    "lists": [[1]] * N,
    "dicts": [{}] * N,
    "sets": [{1}] * N,
    "bytes": [b"a", b"b"] * (N // 2),
    "numbers and text": ["a", 1] * (N // 2),
    "decimals": [Decimal("1.5"), Decimal("2")] * (N // 2),
    "integers as objects": np.array([1, 2] * (N // 2), object),
    "complex": np.ones(N) * 1j,
    "dates": pd.date_range("2020", periods=N),
    "durations": pd.to_timedelta(np.arange(N), "D"),
    "periods": pd.period_range("2020", periods=N, freq="D"),
    "intervals": pd.arrays.IntervalArray.from_breaks(np.arange(N + 1)),
    "dates of arrow": pd.array(pd.date_range("2020", periods=N), "timestamp[ns][pyarrow]"),
    "lists of arrow": pd.array([[1]] * N, pd.ArrowDtype(pa.list_(pa.int64()))),
    "nothing": [None] * N,
}


@pytest.mark.parametrize("name", [n for n in READERS if n != "missing_patterns"])
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_neither_number_nor_text_is_named(name, kind) -> None:
    with pytest.raises(DataError, match=r"'k'|per column: k \(200\)"):
        READERS[name](TABLE.assign(k=STRANGE[kind]))


@pytest.mark.parametrize("kind", ["lists", "dicts", "lists of arrow", "tuples", "complex"])
def test_labels_that_cannot_be_sorted(kind) -> None:
    values = STRANGE.get(kind, [(1, 2)] * N)
    table = TABLE.assign(g=values, half=values, y=TABLE.y.where(TABLE.x < 1))
    with pytest.raises(DataError, match="'g'"):
        mt.fit_mixed("y ~ x + (1 | g)", table)
    for read in ("predict", "implied_covariance", "predict scale", "cluster_dots"):
        with pytest.raises(DataError, match="'g'"):
            READERS[read](table)
    table, names = table.assign(g=TABLE.g), ["y", "k"]
    for grouped in (
        lambda: mt.fit_multigroup(names, table, cluster="g", group="half"),
        lambda: mt.fit_multigroup(names, table, cluster="g", position="half"),
        lambda: mt.to_wide(table, names, cluster="g", group="half"),
        lambda: mt.to_wide(table, names, cluster="g", position="half"),
        lambda: mt.impute(table, names, cluster="g", group="half", seed=1),
        lambda: mt.little_mcar(table, names, group="half"),
        lambda: mt.missing_patterns(table, names, group="half"),
        lambda: plots.caterpillar(fitted()[0], color_by="half", data=table),
    ):
        with pytest.raises(DataError, match="'half'"):
            grouped()


@pytest.mark.parametrize("factor", [1.0, 1e15, 2.0**60, 1e19, -1e19, 1e300])
def test_ids_kept_as_floats_stay_apart(factor) -> None:
    fit = mt.fit_mixed("y ~ x + (1 | g)", TABLE.assign(g=TABLE.g * factor))
    assert fit.n_clusters == 20
    assert fit.llf == pytest.approx(mt.fit_mixed("y ~ x + (1 | g)", TABLE).llf)


# ------------------------------------------------------------------------------------------- names

NAMES = (
    *("IQ.verb", "x.1", "a.b.c", "a b", " a", "1x", "class", "lambda", "if", "True", "TRUE", "_"),
    *("é", "Größe", "变量", "😀", "a-b", "a+b", "a:b", "a|b", "a~b", "a(b", "a)b", "a[b]", "a{b}"),
    *("a'b", 'a"b', "a\\b", "a%b", "a,b", "a=b", "a\nb", "$a", "#a", "@a", "a`b", "log", "np"),
    *("C", "I", "Q", "contr", "center", "df", "x.mean", "f.str", "__class__", "ǀ1"),
)


FEW_NAMES = ("IQ.verb", "a b", "class", "变量", "a|b", "a`b", "log")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_predictor(name) -> None:
    table, w = TABLE.rename(columns={"x": name}), written(name)
    plain = mt.fit_mixed("y ~ x + I(x**2) + (1 + x | g)", TABLE)
    spellings = [w, f"Q({name!r})"]
    for spelling in spellings:
        text = f"y ~ {spelling} + I({spelling}**2) + (1 + {spelling} | g)"
        fit = mt.fit_mixed(text, table)
        np.testing.assert_array_equal(fit.params, plain.params)
        assert fit.params.index[1] == name
        assert list(fit.tau.index) == ["Intercept", name]
        np.testing.assert_array_equal(fit.predict(table.head()), plain.predict(TABLE.head()))


@pytest.mark.parametrize("name", FEW_NAMES)
def test_any_name_of_a_predictor_in_every_fitter(name) -> None:
    table, w = TABLE.rename(columns={"x": name}), written(name)
    slope = mt.fit_random_slope(f"y ~ {w}", table, cluster="g", slopes=[name])
    assert slope.llf == pytest.approx(
        mt.fit_random_slope("y ~ x", TABLE, cluster="g", slopes=["x"]).llf
    )
    split = mt.fit_centering(f"y ~ {w}", table, cluster="g")
    np.testing.assert_array_equal(split.table, mt.fit_centering("y ~ x", TABLE, cluster="g").table)
    scale = mt.fit_location_scale(f"y ~ {w} + (1 | g)", f"~ {w}", table)
    assert scale.llf == mt.fit_location_scale("y ~ x + (1 | g)", "~ x", TABLE).llf
    pooled = mt.compare_pooling(f"y ~ {w}", table, cluster="g", slopes=[name], folds=2)
    assert np.isfinite(pooled.table.iloc[2, 0])


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_cluster_and_of_an_outcome(name) -> None:
    table, w = TABLE.rename(columns={"g": name}), written(name)
    plain = mt.fit_mixed("y ~ x + (1 | g)", TABLE)
    for fit in (
        mt.fit_mixed(f"y ~ x + (1 | {w})", table),
        mt.fit_mixed(f"y ~ x + (1 | Q({name!r}))", table),
        mt.fit_random_intercept("y ~ x", table, cluster=name),
    ):
        assert (fit.llf, fit.cluster) == (plain.llf, name)
    outcome = TABLE.rename(columns={"y": name})
    fit = mt.fit_mixed(f"{w} ~ x + (1 | g)", outcome)
    assert (fit.llf, fit.outcome) == (plain.llf, name)
    assert mt.fit_empty(name, outcome, cluster="g").outcome == name


@pytest.mark.parametrize("name", FEW_NAMES)
def test_any_name_of_a_cluster_and_of_an_outcome_in_every_fitter(name) -> None:
    table, w = TABLE.rename(columns={"g": name}), written(name)
    mt.fit_centering("y ~ x", table, cluster=name)
    mt.fit_location_scale(f"y ~ x + (1 | {w})", "~ 1", table, between="~ w")
    mt.compare_pooling("y ~ x", table, cluster=name, folds=2)
    mt.fit_multigroup(["y", "x"], table, cluster=name)
    outcome = TABLE.rename(columns={"y": name})
    mt.fit_location_scale(f"{w} ~ x + (1 | g)", "~ x", outcome)
    mt.fit_centering(f"{w} ~ x", outcome, cluster="g")


def test_a_predictor_cannot_be_called_like_the_intercept() -> None:
    with pytest.raises(DataError, match="would be called 'Intercept'"):
        mt.fit_mixed("y ~ Intercept + (1 | g)", TABLE.rename(columns={"x": "Intercept"}))


# ------------------------------------------------------------------------------------------- units

UNITS = (1e-320, 1e-200, 1e-100, 1e-80, 1e-50, 1e-10, 1e10, 1e50, 1e80, 1e100, 1e200, 1e300)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("column", ["y", "x"])
def test_a_unit_changes_numbers_by_itself_or_is_refused(unit, column) -> None:
    plain = mt.fit_mixed("y ~ x + k + (1 | g)", TABLE)
    table = TABLE.assign(**{column: TABLE[column] * unit})
    if not 1e-70 < unit < 1e70:
        with pytest.raises(DataError, match=rf"'{column}' holds values up to .* Change the unit"):
            mt.fit_mixed("y ~ x + k + (1 | g)", table)
        return
    fit = mt.fit_mixed("y ~ x + k + (1 | g)", table)
    np.testing.assert_allclose(fit.tvalues, plain.tvalues, rtol=1e-6)
    assert (fit.bse > 0).all()


@pytest.mark.parametrize("name", ["fit_mixed", "center", "column_icc", "fit_multigroup", "to_wide"])
def test_absurd_units_are_refused_everywhere(name) -> None:
    with pytest.raises(DataError, match="Change the unit"):
        READERS[name](TABLE.assign(k=TABLE.k * 1e90))


def test_a_function_may_not_leave_the_range_either() -> None:
    with pytest.raises(DataError, match=r"'I\(k \*\* 80\)' holds values up to"):
        mt.fit_mixed("y ~ I(k**80) + (1 | g)", TABLE)
