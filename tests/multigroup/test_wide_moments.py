"""Moments of wide columns: NumPy's, and clusters enough for their inverse."""

import numpy as np
import pytest

from mlteach.errors import DataError
from mlteach.multigroup.wide import to_wide
from mlteach.multigroup.wide_moments import wide_moments
from mlteach.multigroup.wide_requirement import wide_requirement
from tests.multigroup.test_wide import SMALL, balanced

# Means and cross-products of a few hundred numbers; what differs is the order of their sums.
ROUNDING = 1e-12


# ------------------------------------------------------------------------------------- moments


def test_moments_are_those_of_numpy():
    data = balanced()
    moments = wide_moments(data, ["x1", "x2"], cluster="cluster", group="group")
    assert list(moments) == ["a", "b"]
    wide = to_wide(data[data["group"] == "b"], ["x1", "x2"], cluster="cluster")
    b = moments["b"]
    assert (b.g, b.n) == (6, 3)
    np.testing.assert_allclose(b.mean, wide.mean(), rtol=ROUNDING)
    np.testing.assert_allclose(b.cov, np.cov(wide, rowvar=False, bias=True), rtol=ROUNDING)
    assert list(b.cov.columns) == list(b.mean.index) == list(wide.columns)


def test_groups_may_differ_in_the_number_of_members():
    data = balanced()
    moments = wide_moments(
        data[(data["group"] == "a") | (data["place"] < 3)],
        "x1",
        cluster="cluster",
        group="group",
    )
    assert [moments[g].n for g in "ab"] == [3, 2]


def test_reordering_members_reorders_the_columns_and_changes_nothing_else():
    data = balanced()
    turned = data.assign(place=4 - data["place"])
    here, there = (
        wide_moments(d, ["x1", "x2"], cluster="cluster", position="place")["all"].cov
        for d in (data, turned)
    )
    order = ["x1_3", "x2_3", "x1_2", "x2_2", "x1_1", "x2_1"]
    np.testing.assert_allclose(there, here.loc[order, order], rtol=ROUNDING)


# ---------------------------------------------------------------------------------- requirement


@pytest.mark.parametrize("g", [5, 6, 7])
def test_the_requirement_is_that_of_the_rank(g):
    """Six columns: five and six clusters give a singular matrix, seven do not."""
    data = balanced(g=g, n=3).assign(group="a")
    table = wide_requirement(data, ["x1", "x2"], cluster="cluster")
    cov = wide_moments(data, ["x1", "x2"], cluster="cluster")["all"].cov
    assert table.loc["all", "columns"] == 6
    assert table.loc["all", "rows"] == g
    assert table.loc["all", "enough"] == (np.linalg.matrix_rank(cov) == 6)


def test_the_requirement_is_explained():
    (note,) = wide_requirement(balanced(g=4), ["x1", "x2"], cluster="cluster").attrs["notes"]
    assert "6 columns (2 variable(s) of 3 members) from 4 clusters" in note
    assert "rank of at most 3" in note
    (fine,) = wide_requirement(balanced(g=7), ["x1", "x2"], cluster="cluster").attrs["notes"]
    assert "enough" in fine


def test_the_largest_cluster_counts():
    table = wide_requirement(SMALL, "y", cluster="school", group="sector")
    assert table[["n", "rows"]].to_numpy().tolist() == [[2, 2], [3, 1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (balanced().iloc[1:], "2 to 3 rows"),
        (balanced().assign(x1=lambda d: d["x1"].where(d.index != 4)), r"1 value\(s\) are missing"),
        (balanced().iloc[:3], "one cluster only"),
    ],
)
def test_moments_of_incomplete_data_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        wide_moments(data, ["x1", "x2"], cluster="cluster", group="group")


def test_clusters_of_one_size_at_different_positions_are_not_balanced():
    data = balanced()
    data.loc[0, "place"] = 4
    with pytest.raises(DataError, match="4 places"):
        wide_moments(data, "x1", cluster="cluster", position="place")
