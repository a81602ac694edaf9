"""The lesson on ceilings: equal schools before the limits, and what the limits make of them."""

import numpy as np
import pytest

from mlteach.widgets.lessons.ceiling import SIGMA, STUDENTS, WIDGET, correlation, cut_off, thirds

EVERYWHERE = (-1000.0, 1000.0)
PRINTED = 0.005 + 1e-9
PLACES = [(-12, 36), (-12, 22), (4, 36), (4, 22), (10, 14)]


def test_without_limits_no_school_differs_in_spread():
    scores = cut_off(*EVERYWHERE)
    assert scores.std(axis=1, ddof=1) == pytest.approx(SIGMA)
    assert correlation(scores) == 0.0


def test_a_ceiling_makes_high_schools_narrow_and_a_floor_low_ones():
    assert correlation(cut_off(-1000, 20)) < -0.5
    assert correlation(cut_off(6, 1000)) > 0.5


def test_both_make_an_arch():
    """Against the mean the standard deviation bends down on both sides."""
    scores = cut_off(2, 22)
    curve = np.polyfit(scores.mean(axis=1), scores.std(axis=1, ddof=1), 2)
    assert curve[0] < 0
    assert abs(correlation(scores)) < 0.3


@pytest.mark.parametrize(("floor", "ceiling"), PLACES)
def test_picture_and_readouts_show_the_same_scores(floor, ceiling):
    panel = WIDGET.panel(floor=floor, ceiling=ceiling)
    left, right = panel.figure.axes
    scores = cut_off(floor, ceiling)
    means, sd = left.lines[0].get_data()
    assert means == pytest.approx(scores.mean(axis=1))
    assert sd == pytest.approx(scores.std(axis=1, ddof=1), abs=1e-12)
    assert sum(bar.get_height() for bar in right.patches) == pytest.approx(100)
    assert scores.shape == (60, STUDENTS)
    shown = panel.readouts
    r = float(shown["correlation of mean and SD"].replace("−", "-"))
    assert r == pytest.approx(correlation(scores), abs=PRINTED)
    for name, share in (("ceiling", scores >= ceiling), ("floor", scores <= floor)):
        assert shown[f"students at the {name}"] == f"{share.mean():.0%}"
    assert all(value in panel.description for value in shown.values())


def test_every_point_and_bar_stays_inside():
    for floor in WIDGET.controls[0].values:
        for ceiling in WIDGET.controls[1].values:
            scores = cut_off(floor, ceiling)
            assert scores.mean(axis=1).min() > -3 and scores.mean(axis=1).max() < 27
            assert scores.std(axis=1).max() < 7


def test_the_answer_needs_both_limits():
    """What the widget says when it is solved, at all of its places."""
    solved = [v for v in WIDGET.grid() if WIDGET.draw(**v).solved]
    assert solved
    for place in solved:
        shown = WIDGET.draw(**place).readouts
        assert "0%" not in (shown["students at the ceiling"], shown["students at the floor"])
        low, middle, high = thirds(cut_off(**place))
        # The middle keeps most of its spread, and both ends keep less.
        assert middle > SIGMA / 2 and max(low, high) < middle
