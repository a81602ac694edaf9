"""Arguments are checked once, in one wording, and unknown ones are refused in our own words."""

from __future__ import annotations

import numpy as np
import pytest

import mlteach as mt
from mlteach.core.arguments import checked, one_of, whole
from mlteach.errors import ModelError


def test_whole_numbers_of_any_type() -> None:
    assert whole("n", np.int8(3), 1) == 3
    assert type(whole("n", np.int64(3), 1)) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None, np.nan, 12])
def test_what_is_no_whole_number_within_bounds(value) -> None:
    with pytest.raises(ModelError, match=r"n=.* is not a whole number from 1 to 11"):
        whole("n", value, 1, 11)


@pytest.mark.parametrize("value", ["c", None, 1, ["a"], np.array(["a"])])
def test_what_is_no_choice(value) -> None:
    one_of("kind", "a", "ab")
    with pytest.raises(ModelError, match="is not known; choose 'a' or 'b'"):
        one_of("kind", value, "ab")


@pytest.mark.parametrize(
    "fit",
    [
        lambda data: mt.fit_mixed("math ~ ses + (1 | school)", data),
        lambda data: mt.fit_centering("math ~ ses", data, cluster="school"),
        lambda data: mt.fit_multigroup(
            ["math", "ses"], data[["math", "ses", "school"]], cluster="school"
        ),
        lambda data: mt.compare_pooling("math ~ ses", data, cluster="school", folds=2),
        lambda data: mt.fit_location_scale("math ~ ses + (1 | school)", "~ 1", data),
        lambda data: mt.center(data, "ses", cluster="school"),
        lambda data: mt.column_icc(data, "math", cluster="school"),
        lambda data: mt.plots.within_between(data, "ses", "math", cluster="school"),
    ],
)
def test_warnings_point_at_the_caller(fit, hsb) -> None:
    data = hsb.assign(
        ses=hsb["ses"].where(hsb.index > 3), school=hsb["school"].where(hsb.index > 1)
    )
    with pytest.warns(mt.DataWarning) as caught:
        fit(data)
    assert {warning.filename for warning in caught} == {__file__}


def test_what_a_function_gathers_is_its_own_to_check() -> None:
    @checked
    def sums(first: float, *more: float, **named: float) -> float:
        return first + sum(more) + sum(named.values())

    assert sums(1, 2, 3, a=4) == 10
    with pytest.raises(ModelError, match="first='a' is not a number"):
        sums("a")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"weights": "w"}, "weights are not supported"),
        ({"REML": False}, "Did you mean 'reml'"),
        ({"groups": "school"}, r"\(1 \| school\)"),
        ({"family": "binomial"}, "bambi"),
        ({"zzz": 1}, "has no argument .zzz.. It has: "),
    ],
)
def test_arguments_of_other_packages(named, message, hsb) -> None:
    for fit, request in (
        (mt.fit_mixed, {"formula": "math ~ ses + (1 | school)"}),
        (mt.fit_centering, {"formula": "math ~ ses", "cluster": "school"}),
        (mt.fit_empty, {"outcome": "math", "cluster": "school"}),
    ):
        with pytest.raises(ModelError, match=message):
            fit(**request, data=hsb, **named)
