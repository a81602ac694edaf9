"""Which parameters are free, and what they are called."""

import pytest

from mlteach.errors import ModelError
from mlteach.multigroup.model import elements, multigroup_model


def model(**settings):
    return multigroup_model(("a", "b"), ("G", "H"), **settings)


@pytest.mark.parametrize(
    ("within", "between", "means", "count"),
    [("equal", "equal", "equal", 8), ("free", "equal", "free", 13), ("free", "free", "free", 16)],
)
def test_counts(within, between, means, count) -> None:
    got = model(within=within, between=between, means=means)
    assert len(got.table) == count
    assert all(len(at) == 8 for at in got.index)
    assert {int(k) for at in got.index for k in at} == set(range(count))


def test_names_say_what_a_parameter_is() -> None:
    table = model(equal=["within.b~~a"]).table
    assert list(table.index) == [
        "mean.a[G]", "mean.b[G]", "mean.a[H]", "mean.b[H]",
        "within.a~~a[G]", "within.a~~b", "within.b~~b[G]", "within.a~~a[H]", "within.b~~b[H]",
        "between.a~~a", "between.a~~b", "between.b~~b",
    ]  # fmt: skip
    assert table.loc["within.a~~b", "group"] == "all"
    assert table.loc["mean.a[G]", ["level", "left", "right", "group"]].tolist() == [
        "mean", "a", "", "G",
    ]  # fmt: skip


def test_index_points_at_its_own_parameter() -> None:
    got = model(between="free")
    for group, at in zip(got.groups, got.index, strict=True):
        for (level, left, right, _), k in zip(elements(("a", "b"), ()), at, strict=True):
            row = got.table.iloc[k]
            assert (row.level, row.left, row.group) == (level, left, group)
            assert row.right == ("" if level == "mean" else right)


def test_one_group_needs_no_brackets() -> None:
    table = multigroup_model(("a",), ("all",)).table
    assert list(table.index) == ["mean.a", "within.a~~a", "between.a~~a"]


def test_positions_have_means_and_within_of_their_own() -> None:
    table = multigroup_model(("a",), ("all",), ("pre", "post")).table
    assert list(table.index) == [
        "mean.a@pre", "mean.a@post", "within.a~~a@pre", "within.a~~a@post", "between.a~~a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"within": "same"}, "within='same' is not known"),
        ({"means": True}, "means=True is not known"),
        ({"equal": ["between a"]}, "does not understand"),
        ({"equal": [3]}, "does not understand"),
        ({"equal": ["between.a~~z"]}, "names z, which the model does not have"),
        ({"equal": ["between.a"]}, "a variance or covariance two"),
        ({"equal": ["mean.a~~b"]}, "a mean has one variable"),
    ],
)
def test_settings_that_make_no_sense(settings, message) -> None:
    with pytest.raises(ModelError, match=message):
        model(**settings)
