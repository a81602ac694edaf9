"""The lesson on two variances: its readouts are the formula and what the picture shows."""

import numpy as np
import pytest

from mlteach.widgets.lessons.icc import CLUSTERS, LIMIT, MEMBERS, WIDGET

#: Coordinates are computed from exact draws; only float64 is lost.
ROUNDING = 1e-9
#: Readouts have two decimals.
PRINTED = 0.005 + 1e-9
PLACES = [(0.0, 3.0), (2.0, 8.0), (8.0, 0.5), (1.7, 6.2)]


def points(ax):
    """Coordinates of the first set of points in an Axes."""
    return ax.lines[0].get_xydata()


@pytest.mark.parametrize(("tau2", "sigma2"), PLACES)
def test_readouts_are_the_formula(tau2, sigma2):
    shown = WIDGET.panel(tau2=tau2, sigma2=sigma2).readouts
    assert float(shown["ICC"]) == pytest.approx(tau2 / (tau2 + sigma2), abs=PRINTED)
    assert shown["correlation of two members"] == shown["ICC"]
    assert float(shown["SD between, τ"]) == pytest.approx(tau2**0.5, abs=PRINTED)
    assert float(shown["SD within, σ"]) == pytest.approx(sigma2**0.5, abs=PRINTED)


@pytest.mark.parametrize(("tau2", "sigma2"), PLACES)
def test_the_pictures_have_these_variances_and_this_correlation(tau2, sigma2):
    left, right = WIDGET.panel(tau2=tau2, sigma2=sigma2).figure.axes
    scores = points(left)[:, 1].reshape(CLUSTERS, MEMBERS)
    means = np.array([bar[0, 1] for bar in left.collections[0].get_segments()])
    assert means.var() == pytest.approx(tau2, abs=ROUNDING)
    assert (scores - means[:, None]).var() == pytest.approx(sigma2, abs=ROUNDING)
    first, second = points(right).T
    assert first.var() == pytest.approx(tau2 + sigma2, abs=ROUNDING)
    icc = tau2 / (tau2 + sigma2)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(icc, abs=ROUNDING)


def test_nothing_leaves_the_axes():
    for ax in WIDGET.panel(tau2=8.0, sigma2=8.0).figure.axes:
        assert np.abs(points(ax)[:, 1]).max() < LIMIT


def test_description_says_the_numbers():
    text = WIDGET.panel(tau2=4.0, sigma2=1.0).description
    assert "deviation of 2.00" in text
    assert "correlation of 0.80" in text
