"""Sliders and choices: what they offer, accept and refuse, and how they write a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlteach.errors import ModelError
from mlteach.widgets import Choice, Slider

SHARE = Slider("share", "share", 0.0, 0.5, 0.01, 0.18, grid=(0.0, 0.18, 0.5))
COUNT = Slider("count", "count", 2, 10, 2, 4, unit="schools")


def test_default_grid_is_every_step() -> None:
    assert COUNT.values == (2, 4, 6, 8, 10)
    assert Slider("x", "x", 0.0, 0.3, 0.1, 0.1).values == (0.0, 0.1, 0.2, 0.3)
    assert Slider("x", "x", -1, 1, 0.5, 0).values == (-1.0, -0.5, 0.0, 0.5, 1.0)


@given(start=st.integers(-50, 50), steps=st.integers(1, 60), decimals=st.integers(0, 3))
def test_every_step_has_no_noise(start: int, steps: int, decimals: int) -> None:
    """0.1 + 0.1 + 0.1 must be 0.3 on the slider, in the text and for the drawing function."""
    step = 10.0**-decimals
    slider = Slider("x", "x", float(start), start + steps * step, step, float(start))
    assert len(slider.values) == steps + 1
    assert all(float(f"{v:.{decimals}f}") == v for v in slider.values)


def test_whole_numbers_stay_whole() -> None:
    assert COUNT.is_whole and not SHARE.is_whole
    assert [type(v) for v in COUNT.values] == [int] * 5
    assert type(COUNT.checked(4.0)) is int
    assert type(SHARE.checked(0)) is float
    assert [type(v) for v in Slider("x", "x", 0.0, 2.0, 0.5, 1.0, grid=(0, 1, 2)).values] == [
        float
    ] * 3


def test_texts() -> None:
    assert COUNT.text(4) == "4 schools"
    assert SHARE.text(0.5) == "0.50"
    assert Slider("x", "x", -1000, 1000, 1, 0).text(-1000) == "−1,000"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.6, "share=0.6 is outside of its range, 0.0 to 0.5"),
        (float("nan"), "outside of its range"),
        ("0.2", "share='0.2' is not a number"),
        (True, "not a number"),
        (None, "not a number"),
    ],
)
def test_slider_refuses(value: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        SHARE.checked(value)


def test_whole_slider_refuses_a_fraction() -> None:
    with pytest.raises(ModelError, match=r"count=4.5 is not a whole number"):
        COUNT.checked(4.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x y", "x", 0, 1, 1, 0), "named like an argument"),
        (("x", "x", 1, 1, 1, 1), "is no range"),
        (("x", "x", 0, 1, 0, 0), "is no range"),
        (("x", "x", 0, 10, 2, 3), "must increase and hold the value at the start, 3"),
        (("x", "x", 0, 10, 1, 3, "", (0, 20)), "outside of its range"),
        (("x", "x", 0, 10, 1, 3, "", (0, 3, 3)), "must increase"),
        (("x", "x", 0, 10, 1, 3, "", (3, 0)), "must increase"),
        (("x", "x", 0.0, 1.0, 0.1, 0.1, "", (0.1, 0.25)), "0.25 is not on a step of 0.1"),
    ],
)
def test_bad_declaration(arguments: tuple, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Slider(*arguments)


def test_choice() -> None:
    view = Choice("view", "look at", ("raw", "means"), "means")
    assert view.value == "means"
    assert view.values == ("raw", "means")
    assert view.text("raw") == "raw"
    with pytest.raises(ModelError, match="view='median' is none of 'raw', 'means'"):
        view.checked("median")


@pytest.mark.parametrize("options", [("one",), ("a", "a"), "ab"])
def test_choice_needs_options(options: object) -> None:
    with pytest.raises(ModelError, match="two or more different options"):
        Choice("view", "look at", options)
