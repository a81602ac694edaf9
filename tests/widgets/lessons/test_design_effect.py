"""The lesson on clusters and members: readouts and bars against the package and the definition."""

import pytest

import mlteach as mt
from mlteach.widgets.lessons.design_effect import WIDGET, worth

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
PLACES = [
    {"n": 5, "clusters": 100, "icc": 0.30, "price": 10},
    {"n": 20, "clusters": 50, "icc": 0.05, "price": 25},
    {"n": 2, "clusters": 10, "icc": 0.5, "price": 0},
    {"n": 100, "clusters": 200, "icc": 0.01, "price": 50},
]


@pytest.mark.parametrize("place", PLACES)
def test_readouts_are_those_of_the_package(place):
    n, clusters, icc, _ = place.values()
    shown = WIDGET.panel(**place).readouts
    assert float(shown["design effect"]) == pytest.approx(mt.design_effect(n, icc), abs=PRINTED)
    assert shown["N"] == f"{n * clusters:,}"
    assert shown["effective N"] == f"{mt.effective_n(n * clusters, n, icc):,.0f}"


def test_published_examples():
    """The chapter's two studies: 227 and 513 effective members."""
    assert WIDGET.panel(**PLACES[0]).readouts["effective N"] == "227"
    assert WIDGET.panel(**PLACES[1]).readouts["effective N"] == "513"


@pytest.mark.parametrize("place", PLACES)
def test_bars_are_what_the_same_money_buys(place):
    """Both bars spend 2J(price + n); the effective N is counted from the two designs."""
    n, clusters, icc, price = place.values()
    _, right = WIDGET.panel(**place).figure.axes
    by_members, by_clusters = (bar.get_x() + bar.get_width() for bar in right.patches)
    money = 2 * clusters * (price + n)
    larger = money / clusters - price
    now = mt.effective_n(n * clusters, n, icc)
    assert by_members == pytest.approx(
        mt.effective_n(larger * clusters, larger, icc) / now, rel=ROUNDING
    )
    more = money / (price + n)
    assert by_clusters == pytest.approx(mt.effective_n(n * more, n, icc) / now, rel=ROUNDING)


def test_the_dot_is_the_effective_n_and_the_curve_goes_through_it():
    left, _ = WIDGET.panel(n=20, clusters=50, icc=0.18).figure.axes
    dots = [line for line in left.lines if line.get_marker() == "o"]
    assert dots[0].get_ydata() == pytest.approx([mt.effective_n(1000, 20, 0.18)])
    assert left.lines[1].get_ydata()[0] == pytest.approx(worth(2, 50, 0.18))


def test_no_ceiling_without_clustering():
    shown = WIDGET.panel(icc=0.0).readouts
    assert shown["ceiling, J/ρ"] == "none"
    assert shown["N"] == shown["effective N"]


def test_the_question_has_an_answer():
    """With n = 2, twice the money on members can be worth more than on clusters, and less."""
    gain = {icc: worth(2 * 2 + 25, 50, icc) / worth(2, 50, icc) for icc in (0.01, 0.5)}
    assert gain[0.01] > 2 > gain[0.5]
