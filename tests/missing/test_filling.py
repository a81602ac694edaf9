"""Rows added to clusters: how many, what they carry, and what becomes of the other columns."""

import numpy as np
import pandas as pd
import pytest

from mlteach.errors import DataError, ModelError
from mlteach.missing.filling import fill_clusters

TABLE = pd.DataFrame(
    {
        "school": ["a", "b", "b", "b", "c"],
        "country": ["X", "X", "X", "X", "Y"],
        "x": [1.0, 2.0, np.nan, 4.0, 5.0],
        "size": [10, 20, 20, 20, 30],
        "student": [1, 2, 3, 4, 5],
        "girl": [True, False, True, True, False],
        "name": ["k", "l", "m", None, "o"],
    }
)


def fill(data=TABLE, to="largest", group="country"):
    return fill_clusters(data, ["x"], "school", group, to)


def test_every_cluster_has_as_many_rows_as_the_largest():
    full = fill()
    assert full.groupby("school").size().tolist() == [3, 3, 3]
    assert full["added"].tolist() == [False] * 5 + [True] * 4
    assert full["school"].tolist()[5:] == ["a", "a", "c", "c"]
    assert fill(to=5).groupby("school").size().tolist() == [5, 5, 5]
    assert fill(to=2).groupby("school").size().tolist() == [2, 3, 2]


def test_the_rows_given_stay_as_they_are():
    full = fill()
    before = full[~full["added"]].drop(columns="added")
    pd.testing.assert_frame_equal(before, TABLE, check_dtype=False)
    assert full.index.tolist() == list(range(9))
    pd.testing.assert_frame_equal(TABLE, TABLE.copy())


def test_new_rows_know_what_holds_for_their_cluster_only():
    new = fill().iloc[5:]
    assert new["country"].tolist() == ["X", "X", "Y", "Y"]
    assert new["size"].tolist() == [10, 10, 30, 30]
    assert new[["x", "student", "girl", "name"]].isna().all(axis=None)


def test_types_of_columns():
    full = fill(TABLE.assign(school=TABLE["school"].astype("category")))
    types = full.dtypes.astype(str)
    assert types["school"] == "category" and types["size"] == "int64" and types["x"] == "float64"
    assert types["student"] == "Int64" and types["girl"] == "boolean" and types["added"] == "bool"


@pytest.mark.parametrize(
    ("index", "new"),
    [
        (range(10, 15), [15, 16, 17, 18]),
        (list("vwxyz"), ["added 1", "added 2", "added 3", "added 4"]),
        ([0, 0, 7, 7, 1], [8, 9, 10, 11]),
    ],
)
def test_labels_of_new_rows(index, new):
    assert fill(TABLE.set_axis(index)).index.tolist()[5:] == new


def test_a_column_of_lists_is_left_out_of_new_rows():
    full = fill(TABLE.assign(tags=[[1], [2], [3], [4], [5]]))
    assert full["tags"].isna().tolist() == [False] * 5 + [True] * 4


def test_nothing_to_add():
    full = fill(TABLE[TABLE["school"] == "b"])
    assert len(full) == 3 and not full["added"].any()


@pytest.mark.parametrize("to", [1, 0, 2.0, True, "all", [3]])
def test_refuses_other_sizes(to):
    with pytest.raises(ModelError, match="use 'largest'"):
        fill(to=to)


def test_refuses_tables_it_cannot_mark():
    with pytest.raises(DataError, match="column 'added'"):
        fill(TABLE.assign(added=1))
    with pytest.raises(DataError, match="reset_index"):
        fill(
            TABLE.set_index(["school", "student"], drop=False, append=True).rename_axis([None] * 3)
        )
