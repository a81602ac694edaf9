"""What a long table may look like, and what is said of one that cannot be used."""

import numpy as np
import pandas as pd
import pytest

from mlteach.errors import DataError, DataWarning
from mlteach.multigroup.design import multigroup_data


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "x": rng.normal(size=12),
            "y": rng.normal(size=12),
            "school": np.repeat([5, 3, 8, 1], 3),
            "land": np.repeat(["B", "A", "A", "B"], 3),
            "time": np.tile(["pre", "mid", "post"], 4),
        }
    )


def read(table, variables=("x", "y"), **more):
    return multigroup_data(variables, table, "school", "land", **more)


def test_groups_clusters_and_rows(table) -> None:
    got = read(table)
    assert got.groups == ("A", "B")
    assert [list(part.labels) for part in got.parts] == [[3, 8], [1, 5]]
    assert list(got.parts[1].index) == [0, 1, 2, 9, 10, 11]
    assert list(got.parts[1].codes) == [1, 1, 1, 0, 0, 0]
    values = got.parts[0].Y * got.scale + got.offset
    np.testing.assert_allclose(values, table.loc[3:8, ["x", "y"]])
    assert (len(got.values), got.notes) == (12, ())


def test_positions_keep_their_order(table) -> None:
    assert read(table, position="time").positions == ("pre", "mid", "post")
    levels = pd.Categorical(table["time"], ["post", "mid", "pre"])
    assert read(table.assign(time=levels), position="time").positions == ("post", "mid", "pre")
    codes = table["time"].map({"pre": 3, "mid": 1, "post": 2})
    assert read(table.assign(time=codes), position="time").positions == (1, 2, 3)


def test_rows_that_tell_nothing_are_counted(table) -> None:
    table = table.astype({"x": float})
    table.loc[0, ["x", "y"]] = np.nan
    table.loc[4, "x"] = np.nan
    table.loc[11, "land"] = None
    with pytest.warns(DataWarning, match=r"1 of 12 rows are left out .* land \(1\)"):
        got = read(table)
    assert len(got.values) == 10
    assert got.notes == (
        "1 of 12 rows are left out for missing values: land (1).",
        "1 of 12 rows have no value of any variable and tell nothing.",
        "Missing values in the rows that count: x (1). They are taken as missing at random (full "
        "information maximum likelihood).",
    )


def test_nullable_columns_are_numbers_too(table) -> None:
    nullable = table.astype({"x": "Float64"})
    nullable.loc[4, "x"] = pd.NA
    assert np.isnan(read(nullable).parts[0].Y[1, 0])


def edit(column, rows, value):
    def change(table):
        table = table.astype({column: object}) if isinstance(value, str) else table.copy()
        table.loc[rows, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            edit("land", [0], "A"),
            "1 cluster.s. of 'school' are in more than one group of 'land': 5",
        ),
        (
            edit("x", [0], "many"),
            "'x' holds objects that are neither",
        ),
        (edit("x", [2, 7], np.inf), "Column 'x' has 2 infinite value.s., first in row.s. 2, 7"),
        (edit("x", slice(3, 8), np.nan), "Variable 'x' has no value in group 'A'"),
        (edit("x", slice(0, 11), np.nan), "Variable 'x' has no value at all"),
        (edit("x", slice(3, 8), 2.0), "Variable 'x' is constant in group 'A'"),
        (edit("school", slice(3, 8), 3), "one cluster only in group 'A' .3."),
        (lambda t: t.groupby("school").head(1), "No cluster in group 'A' has two values of 'x'"),
        (
            lambda t: t.assign(x=t.groupby("school")["x"].transform("mean")),
            "Variable 'x' does not vary within clusters in group 'A'",
        ),
        (
            lambda t: t.assign(x=t["x"] - t.groupby("school")["x"].transform("mean")),
            "Variable 'x' has the same mean in every cluster in group 'A'",
        ),
        (
            lambda t: t.assign(y=2 * t["x"] + t["school"]),
            "Variable 'y' is a linear combination of 'x' within clusters in group 'A'",
        ),
        (lambda t: t.drop(columns="land"), "Column 'land', needed by the multigroup model"),
    ],
)
def test_tables_that_cannot_be_used(table, change, message) -> None:
    with pytest.raises(DataError, match=message):
        read(change(table))


def test_pairs_never_seen_together(table) -> None:
    table["x"] = table["x"].where(table["time"] != "pre")
    table["y"] = table["y"].where(table["time"] == "pre")
    more = pd.concat([table, table.assign(y=table["y"] + 1.0)])
    with pytest.raises(DataError, match="'x' and 'y' are never observed in the same row"):
        read(more)


def test_positions_that_cannot_be_used(table) -> None:
    with pytest.raises(DataError, match="repeat a time of their school.*'mid' of school 5"):
        read(table.replace({"time": {"pre": "mid"}}).iloc[[0, 1, *range(3, 12)]], position="time")
    with pytest.raises(DataError, match="one value only"):
        read(table.groupby("school").head(1), position="time")


def test_without_clusters_there_is_no_model(table) -> None:
    with pytest.raises(DataError, match="Column 'None', needed by the multigroup model"):
        multigroup_data(["x"], table, None)


@pytest.mark.parametrize("variables", [(), ("x", "x"), ("x", "school")])
def test_roles(table, variables) -> None:
    with pytest.raises(DataError, match="at least one variable|has two roles"):
        read(table, variables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t[(t["land"] == "B") | (t["time"] != "post")],
            "'x' has no value at time = 'post'",
        ),
        (
            lambda t: t.assign(y=t["y"].where(t["time"] != "pre", 1.0)),
            "'y' is constant at time = 'pre' in group 'A'",
        ),
    ],
)
def test_every_position_needs_values_that_differ(table, change, message) -> None:
    with pytest.raises(DataError, match=message):
        read(change(table), position="time")


def test_infinities_of_both_signs(table) -> None:
    table.loc[[0, 1], "x"] = [np.inf, -np.inf]
    with pytest.raises(DataError, match="2 infinite"):
        read(table)
