"""Exercises as data: what is accepted, to the last bit. The website's tests open the boxes."""

import math

import pytest

from mlteach.exercises.answers import matches
from mlteach.exercises.sealed import CELLS, _boxes, _interval, _locked


@pytest.mark.parametrize("right", [0.18, -2.0, 1e-7, 5e9, 160, 0, 0.3, -164.9])
@pytest.mark.parametrize("tolerance", [None, 0.3, 1e-6])
@pytest.mark.parametrize("slack", [1.0, 5.0])
def test_an_interval_ends_where_the_comparison_changes(right, tolerance, slack):
    low, high = _interval(float(right), lambda x: matches(right, x, tolerance, slack))
    assert matches(right, low, tolerance, slack)
    assert matches(right, high, tolerance, slack)
    assert not matches(right, math.nextafter(low, -math.inf), tolerance, slack)
    assert not matches(right, math.nextafter(high, math.inf), tolerance, slack)
    _, boxes, _ = _boxes("salt", right, tolerance, slack)
    assert CELLS <= len(boxes) <= 2 * CELLS + 1


def test_salts_make_other_boxes():
    assert not set(_boxes("a", 0.18, None, 1.0)[1]) & set(_boxes("b", 0.18, None, 1.0)[1])


def test_a_locked_text_shows_no_letter():
    words = "That is the part within schools. " * 5
    assert "schools" not in _locked(b"key", words)
    assert _locked(b"key", words) != _locked(b"other", words)
