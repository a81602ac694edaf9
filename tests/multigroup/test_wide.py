"""Long to wide and back: nothing is lost, nothing moves to another cluster, faults are named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlteach.errors import DataError
from mlteach.multigroup.wide import to_long, to_wide

SMALL = pd.DataFrame(
    {
        "school": list("BBAAAC"),
        "sector": ["p", "p", "q", "q", "q", "p"],
        "x": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
        "y": [10, 20, 30, 40, 50, 60],
    }
)


def balanced(seed=1, g=12, n=3, p=2):
    """Return complete long data of g clusters with n members each."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(g * n, p)) + np.repeat(rng.normal(size=(g, p)), n, axis=0)
    long = pd.DataFrame(values, columns=[f"x{k}" for k in range(1, p + 1)])
    long.insert(0, "cluster", np.repeat(np.arange(g), n))
    long.insert(1, "group", np.where(long["cluster"] < g // 2, "a", "b"))
    long.insert(2, "place", np.tile(np.arange(1, n + 1), g))
    return long


# --------------------------------------------------------------------------------- long to wide


def test_by_hand():
    wide = to_wide(SMALL, ["x", "y"], cluster="school", group="sector")
    assert list(wide.columns) == ["sector", "x_1", "y_1", "x_2", "y_2", "x_3", "y_3"]
    assert list(wide.index) == ["B", "A", "C"]
    assert wide.index.name == "school"
    assert list(wide["sector"]) == ["p", "q", "p"]
    expected = [[1, 10, 2, 20, np.nan, np.nan], [3, 30, 4, 40, np.nan, 50], [6, 60] + [np.nan] * 4]
    np.testing.assert_array_equal(wide.drop(columns="sector").to_numpy(), expected)
    assert wide.attrs["n"] == 3
    assert wide.attrs["variables"] == ("x", "y")


def test_the_table_itself_stays_as_it_is():
    before = SMALL.copy()
    to_wide(SMALL, "x", cluster="school")
    pd.testing.assert_frame_equal(SMALL, before)


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([2, 10, 1, 2, 10, 1], ["y_1", "y_2", "y_10"]),
        ([2.0, 10.0, 1.0, 2.0, 10.0, 1.0], ["y_1", "y_2", "y_10"]),
        (["pre", "post", "late", "pre", "post", "late"], ["y_pre", "y_post", "y_late"]),
        (
            pd.Categorical(["b", "c", "a", "b", "c", "a"], categories=["c", "b", "a", "unused"]),
            ["y_c", "y_b", "y_a"],
        ),
    ],
)
def test_order_of_positions(values, columns):
    data = SMALL.assign(when=values, school=list("AAABBB"))
    assert list(to_wide(data, "y", cluster="school", position="when").columns) == columns


def test_with_positions_the_order_of_rows_does_not_matter():
    data = balanced()
    shuffled = data.sample(frac=1.0, random_state=np.random.RandomState(1))
    wide = to_wide(data, ["x1", "x2"], cluster="cluster", position="place")
    again = to_wide(shuffled, ["x1", "x2"], cluster="cluster", position="place")
    pd.testing.assert_frame_equal(again.sort_index(), wide)


# --------------------------------------------------------------------------------- wide to long


@st.composite
def long_tables(draw):
    """Draw unbalanced long data, some values missing, but no row without any value."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    p = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.normal(size=(sum(sizes), p))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[np.isnan(values).all(axis=1), 0] = 7.0
    data = pd.DataFrame(values, columns=list("xyz")[:p])
    data.insert(0, "id", np.repeat(np.arange(len(sizes)), sizes))
    data.insert(0, "land", np.where(data["id"] % 2, "odd", "even"))
    return data


@given(long_tables())
def test_round_trip(data):
    variables = [name for name in data if name in "xyz"]
    wide = to_wide(data, variables, cluster="id", group="land")
    back = to_long(wide)
    pd.testing.assert_frame_equal(back[data.columns], data, check_dtype=False)
    np.testing.assert_array_equal(back["position"], data.groupby("id").cumcount() + 1)
    assert back.attrs["left_out"] == len(wide) * wide.attrs["n"] - len(data)


def test_round_trip_through_a_file(tmp_path):
    """The attributes do not survive: then the columns' names say it all."""
    data = balanced(n=11)
    path = tmp_path / "wide.csv"
    to_wide(data, ["x1", "x2"], cluster="cluster", group="group").to_csv(path)
    back = to_long(pd.read_csv(path), ["x1", "x2"], cluster="cluster", group="group")
    pd.testing.assert_frame_equal(
        back.rename(columns={"position": "place"})[data.columns], data, check_dtype=False
    )


def test_round_trip_with_named_positions():
    data = SMALL.assign(when=["pre", "post", "pre", "post", "late", "pre"])
    back = to_long(to_wide(data, ["x", "y"], cluster="school", position="when"))
    pd.testing.assert_frame_equal(back, data[["school", "when", "x", "y"]], check_dtype=False)


def test_a_member_without_any_value_is_left_out_and_counted():
    data = SMALL.assign(y=SMALL["y"].where(SMALL["x"].notna()))
    back = to_long(to_wide(data, ["x", "y"], cluster="school"))
    assert len(back) == len(SMALL) - 1
    assert back.attrs["left_out"] == 4


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": []}, "at least one variable"),
        ({"variables": ["x", "z"]}, "'z', needed by to_wide, is not in the data"),
        ({"variables": ["x", "x"]}, "has two roles"),
        ({"variables": ["x", "school"]}, "has two roles"),
        ({"variables": ["x", "sector"]}, "'sector' is not numeric"),
        ({"group": "school"}, "has two roles"),
        ({"cluster": "class"}, "'class'"),
        ({"position": "sector"}, "repeat a sector of their school"),
    ],
)
def test_a_request_that_cannot_be_met(arguments, message):
    request = {"variables": ["x", "y"], "cluster": "school"} | arguments
    with pytest.raises(DataError, match=message):
        to_wide(SMALL, **request)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SMALL.assign(sector=["p", "q", "q", "q", "q", "p"]), "one group of 'sector': 'B'"),
        (SMALL.assign(school=[None, "B", "A", "A", "A", "C"]), r"1 row\(s\) have no school.*0"),
        (SMALL.assign(sector=[None, "p", "q", "q", "q", "p"]), r"1 row\(s\) have no sector"),
        (SMALL.assign(x=[1, 2, np.inf, 4, 5, 6]), r"1 infinite value\(s\), first in row\(s\) 2"),
        (SMALL.iloc[:0], "no rows"),
        ([1], "must be a table"),
    ],
)
def test_data_that_cannot_be_spread(data, message):
    with pytest.raises(DataError, match=message):
        to_wide(data, ["x", "y"], cluster="school", group="sector")


def test_a_repeated_position_is_named():
    data = balanced()
    data.loc[1, "place"] = 1
    with pytest.raises(DataError, match=r"place 1 of cluster 0 \(row 1\)"):
        to_wide(data, "x1", cluster="cluster", position="place")


def test_two_columns_of_one_name_are_refused():
    data = SMALL.rename(columns={"sector": "x_1"})
    with pytest.raises(DataError, match="'x_1'"):
        to_wide(data, "x", cluster="school", group="x_1")


@pytest.mark.parametrize(
    ("wide", "arguments", "message"),
    [
        (pd.DataFrame({"x_1": [1.0]}), {}, "does not know the variables"),
        (pd.DataFrame({"x_1": [1.0]}), {"variables": "y"}, "no column 'y_1'"),
        (pd.DataFrame({"x_1": [1.0], "x_2": 1.0, "y_1": 1.0}), {"variables": ["x", "y"]}, "y_2"),
        (pd.DataFrame({"x_1": [1.0]}), {"variables": "x", "cluster": "id"}, "'id'"),
        (
            pd.DataFrame({"x_1": [1.0, 2.0], "id": ["A", "A"]}),
            {"variables": "x", "cluster": "id"},
            "'A' stand.s. in more than one row",
        ),
    ],
)
def test_a_wide_table_that_cannot_be_read(wide, arguments, message):
    with pytest.raises(DataError, match=message):
        to_long(wide, **arguments)
