"""Checks of long tables, which all their readers share."""

import numpy as np
import pandas as pd
import pytest

from mlteach.core.long_table import check_one_group, first_few, group_of_clusters, numeric_values
from mlteach.errors import DataError


def test_numbers_of_any_kind() -> None:
    data = pd.DataFrame({"a": [1, 2], "b": pd.array([1.5, None], "Float64"), "c": [True, False]})
    expected = [[1.0, 1.5, 1.0], [2.0, np.nan, 0.0]]
    np.testing.assert_array_equal(numeric_values(data, ["a", "b", "c"]), expected)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "2"], r"'x' is not numeric \(it is of type (str|object) and holds '1', '2'\)"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "'x' holds datetime64"),
        ([1j, 2], "'x' holds complex128"),
        (pd.Categorical([1, 2]), "'x' is not numeric"),
        ([np.inf, -np.inf], r"2 infinite value\(s\), first in row\(s\) 0, 1"),
    ],
)
def test_what_is_no_number(column, message) -> None:
    with pytest.raises(DataError, match=message):
        numeric_values(pd.DataFrame({"x": column}), ["x"])


def test_a_cluster_is_in_one_group() -> None:
    codes, of_group = np.array([0, 1, 1, 2]), np.array([1, 0, 0, 1])
    assert group_of_clusters(codes, list("abc"), of_group, "id", "g").tolist() == [1, 0, 1]
    data = pd.DataFrame({"id": list("abba"), "g": [1, 1, 2, 1]})
    with pytest.raises(DataError, match="1 cluster.s. of 'id' are in more than one .* 'g': 'b'"):
        check_one_group(data, "id", "g")


def test_few_of_many() -> None:
    assert first_few([1, 2]) == "1, 2"
    assert first_few(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e', ..."
