"""Patterns of missing values: counts by hand, in any type of column, and bad input."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.missing.patterns import incomplete_values

TABLE = pd.DataFrame(
    {
        "g": ["b", "b", "a", "a", "a", "b"],
        "x": [1.0, np.nan, np.nan, 4.0, np.nan, np.nan],
        "y": [1.0, 2.0, np.nan, 3.0, np.nan, np.nan],
        "z": [1, 2, 3, 4, 5, 6],
    }
)


def test_counts_by_hand():
    table = mt.missing_patterns(TABLE, ["x", "y", "z"], group="g")
    assert table.index.tolist() == [1, 2, 3] and table.index.name == "pattern"
    assert table[["x", "y", "z"]].to_numpy().tolist() == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]
    assert table["missing"].tolist() == [0, 1, 2]
    assert table["rows"].tolist() == [2, 1, 3]
    assert table["share"].tolist() == [2 / 6, 1 / 6, 3 / 6]
    assert table["rows[a]"].tolist() == [1, 0, 2] and table["rows[b]"].tolist() == [1, 1, 1]
    assert table["share[a]"].tolist() == [1 / 3, 0.0, 2 / 3]


def test_published_counts_of_pisa():
    """Patterns of the PISA-style data (Walther et al., github.com/demianJK/WFmultigroup)."""
    table = mt.missing_patterns(mt.load("pisa_style"), ["CREATAS", "GROSAGR"])
    assert table["rows"].tolist() == [8137, 1182, 312, 2067]


def test_rarer_patterns_of_as_many_missing_values_come_later():
    table = mt.missing_patterns(TABLE.assign(z=[np.nan, 1, np.nan, np.nan, np.nan, 1]), ["x", "z"])
    assert table["missing"].tolist() == [1, 1, 2]
    assert table["rows"].tolist() == [2, 2, 2]
    assert table[["x", "z"]].to_numpy().tolist()[:2] == [[True, False], [False, True]]


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3, None, 5, 6], dtype="Int64"),
        pd.array([True, None, False, None, True, True], dtype="boolean"),
        pd.array(["a", None, "c", None, "e", "f"], dtype="string"),
        pd.Categorical(["a", None, "c", None, "a", "a"], categories=["a", "c", "unused"]),
        pd.to_datetime(["2020-01-01", None, "2021-01-01", None, "2022-01-01", "2022-01-02"]),
        np.array([1, None, "x", np.nan, [2], 3], dtype=object),
        np.array([1, np.nan, 3, np.nan, 5, 6], dtype="float32"),
    ],
)
def test_any_type_of_column(column):
    table = mt.missing_patterns(pd.DataFrame({"x": column}), ["x"])
    assert table["rows"].tolist() == [4, 2]


def test_a_single_variable_may_be_given_as_text_and_groups_may_be_categories():
    table = mt.missing_patterns(
        TABLE.assign(g=pd.Categorical(TABLE["g"], ["b", "a", "unused"])), "x", group="g"
    )
    assert list(table.columns) == [
        "x", "missing", "rows", "share", "rows[b]", "share[b]", "rows[a]", "share[a]"
    ]  # fmt: skip
    assert table["rows[b]"].tolist() == [1, 2]


def test_the_table_given_stays_as_it_was():
    before = TABLE.copy()
    mt.missing_patterns(TABLE, ["x", "y"], group="g")
    pd.testing.assert_frame_equal(TABLE, before)


@pytest.mark.parametrize(
    ("data", "variables", "group", "said"),
    [
        (TABLE, ["x", "w"], None, "'w'"),
        (TABLE, ["x", "x"], None, "'x' more than once"),
        (TABLE, ["x", "g"], "g", "'g' more than once"),
        (TABLE, [], None, "no variables"),
        (TABLE.iloc[:0], ["x"], None, "no rows"),
        (TABLE, ["y"], "x", "'x' is missing in 4 of 6 rows .the first is row 1."),
        (TABLE.rename(columns={"x": "rows"}), ["rows"], None, "rename the variable"),
        ([1, 2], ["x"], None, "DataFrame"),
    ],
)
def test_refuses(data, variables, group, said):
    with pytest.raises(mt.DataError, match=said):
        mt.missing_patterns(data, variables, group=group)


# ------------------------------------------------------------------------- numbers with holes


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int16", "uint8"])
def test_numbers_of_any_type_become_floats(dtype):
    holes = [3, 1, 2] if dtype in ("int16", "uint8") else [3, None, 2]
    data = pd.DataFrame({"x": pd.array(holes, dtype=dtype)})
    values = incomplete_values(data, ["x"], "a test")
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values[:, 0], np.array(holes, dtype=float))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["1", "2", "3"], "of type (str|object) and holds '1'"),
        (np.array([1, 2, None], dtype=object), "numbers, but as Python objects"),
        ([True, False, True], "true or false"),
        (pd.array([True, None, False], dtype="boolean"), "true or false"),
        (pd.Categorical([1, 2, 3]), "type category"),
        (pd.to_datetime(["2020-01-01"] * 3), "holds datetime"),
        ([1.0, np.inf, np.nan], r"1 infinite value\(s\), first in row\(s\) 1"),
        ([1 + 1j, 2, 3], "holds complex"),
    ],
)
def test_what_is_no_number_is_refused(column, said):
    with pytest.raises(mt.DataError, match=said):
        incomplete_values(pd.DataFrame({"x": column}), ["x"], "a test")
