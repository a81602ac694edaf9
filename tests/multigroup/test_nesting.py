"""When one multigroup model is a special case of another."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.multigroup.nesting import not_comparable, not_nested


@pytest.fixture(scope="module")
def fits(hsb):
    data = hsb.assign(half=np.where(hsb.groupby("school").cumcount() % 2, "b", "a"))
    settings = {
        "homogeneous": {"within": "equal"},
        "within": {},
        "between": {"within": "equal", "between": "free"},
        "both": {"between": "free"},
        "one": {"between": "free", "equal": ["between.math~~ses"]},
        "means": {"means": "equal"},
    }
    out = {
        name: mt.fit_multigroup(["math", "ses"], data, cluster="school", group="sector", **setting)
        for name, setting in settings.items()
    }
    out["ungrouped"] = mt.fit_multigroup(["ses", "math"], data, cluster="school")
    return out


@pytest.mark.parametrize(
    ("small", "big", "nested"),
    [
        ("homogeneous", "within", True),
        ("homogeneous", "both", True),
        ("within", "both", True),
        ("within", "one", True),
        ("one", "both", True),
        ("means", "within", True),
        ("ungrouped", "means", True),
        ("ungrouped", "both", True),
        ("within", "between", False),
        ("both", "one", False),
        ("means", "homogeneous", False),
        ("between", "one", False),
    ],
)
def test_pairs(fits, small, big, nested) -> None:
    assert (not_nested(fits[small], fits[big]) == "") is nested
    assert not_comparable(fits[small], fits[big]) == ""


def test_positions_extend_a_model_without(hsb) -> None:
    pairs = hsb.groupby("school").head(2)
    pairs = pairs.assign(t=pairs.groupby("school").cumcount())
    plain = mt.fit_multigroup("math", pairs, cluster="school")
    by_position = mt.fit_multigroup("math", pairs, cluster="school", position="t")
    assert not_nested(plain, by_position) == ""
    assert "apart" in not_nested(by_position, plain) or "positions" in not_nested(
        by_position, plain
    )
    assert mt.compare(plain, by_position)["df"].iloc[1] == 2


def test_other_rows_are_refused(hsb, fits) -> None:
    fewer = mt.fit_multigroup(["math", "ses"], hsb.iloc[5:], cluster="school")
    assert "7185 and 7180 rows" in not_comparable(fits["both"], fewer)
    moved = mt.fit_multigroup(["math", "ses"], hsb.assign(ses=hsb["ses"] + 1), cluster="school")
    assert "different values" in not_comparable(fits["both"], moved)
    other = mt.fit_multigroup(["math"], hsb, cluster="school")
    assert "variables differ" in not_comparable(fits["both"], other)


def test_row_labels_do_not_matter_and_clusters_do(hsb) -> None:
    twice = hsb.set_axis([0] * len(hsb))
    small = mt.fit_multigroup(["math", "ses"], twice, cluster="school")
    big = mt.fit_multigroup(["math", "ses"], twice.sample(frac=1.0, random_state=1),
                            cluster="school", group="sector")  # fmt: skip
    assert not_comparable(small, big) == ""
    moved = hsb.assign(school=np.roll(hsb["school"], 3))
    other = mt.fit_multigroup(["math", "ses"], moved, cluster="school")
    assert "other clusters" in not_comparable(small, other)
