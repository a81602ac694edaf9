"""The lesson on OLS with clusters: formula, simulated studies and picture say the same."""

import numpy as np
import pytest
from scipy import stats

import mlteach as mt
from mlteach.widgets.lessons import moulton
from mlteach.widgets.lessons.moulton import CLUSTERS, STUDIES, WIDGET, simulated

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
#: A simulated SD has a relative standard error of 1 / sqrt(2 x 2,000) = 0.016; three of them.
SD_NOISE = 0.05
#: Three standard errors of a share of 2,000, and what OLS's own estimate of the residual variance,
#: a little too small in clustered data, adds to the formula's.
SHARE_NOISE = 0.035 + 0.02
PLACES = [(20, 1.0, 0.1), (100, 1.0, 0.3), (1, 1.0, 0.3), (5, 0.5, 0.2), (20, 0.0, 0.3)]


def share(text):
    return float(text.rstrip("%")) / 100


@pytest.mark.parametrize("place", PLACES)
def test_readouts_are_the_factor_and_what_follows_from_it(place):
    shown = WIDGET.panel(**dict(zip(WIDGET.start, place, strict=True))).readouts
    factor = mt.moulton_factor(*place)
    assert float(shown["true SE / OLS SE"]) == pytest.approx(factor, abs=PRINTED)
    rate = 2 * stats.norm.sf(stats.norm.ppf(0.975) / factor)
    assert share(shown["expected by the formula"]) == pytest.approx(rate, abs=0.0005 + ROUNDING)


@pytest.mark.parametrize("place", PLACES)
def test_simulated_studies_agree_with_the_formula(place):
    shown = WIDGET.panel(**dict(zip(WIDGET.start, place, strict=True))).readouts
    factor = mt.moulton_factor(*place)
    assert float(shown["in the simulation"]) == pytest.approx(factor, rel=SD_NOISE, abs=PRINTED)
    expected = share(shown["expected by the formula"])
    assert share(shown["false alarms"]) == pytest.approx(expected, abs=SHARE_NOISE)


@pytest.mark.parametrize(("n", "icc_x", "icc_y"), [(1, 0.4, 0.2), (6, 0.7, 0.3), (6, 1.0, 0.0)])
def test_slope_and_se_are_those_of_a_regression(monkeypatch, n, icc_x, icc_y):
    """From raw data of three studies, by scipy, and from their sums of products."""
    rng = np.random.default_rng(1)
    parts = rng.standard_normal((3, CLUSTERS, n, 4))
    parts[:, :, :, [0, 2]] = parts[:, :, :1, [0, 2]]
    flat = parts.reshape(3, CLUSTERS * n, 4)
    centred = flat - flat.mean(axis=1, keepdims=True)
    monkeypatch.setattr(moulton, "products", lambda n: centred.transpose(0, 2, 1) @ centred)
    slope, se = simulated(n, icc_x, icc_y)
    for study, b, claimed in zip(flat, slope, se, strict=True):
        x = icc_x**0.5 * study[:, 0] + (1 - icc_x) ** 0.5 * study[:, 1]
        y = icc_y**0.5 * study[:, 2] + (1 - icc_y) ** 0.5 * study[:, 3]
        line = stats.linregress(x, y)
        assert (b, claimed) == pytest.approx((line.slope, line.stderr), rel=ROUNDING)


def test_drawn_sums_are_those_of_drawn_people():
    """Mean and variance of each sum of products, against studies drawn person by person."""
    n, rng = 3, np.random.default_rng(2)
    parts = rng.standard_normal((STUDIES, CLUSTERS, n, 4))
    parts[..., [0, 2]] = parts[:, :, :1, [0, 2]]
    flat = parts.reshape(STUDIES, -1, 4)
    flat = flat - flat.mean(axis=1, keepdims=True)
    people, sums = flat.transpose(0, 2, 1) @ flat, moulton.products(n)
    noise = people.std(axis=0) * (2 / STUDIES) ** 0.5
    assert (np.abs(people.mean(axis=0) - sums.mean(axis=0)) < 3.5 * noise).all()
    assert sums.std(axis=0) == pytest.approx(people.std(axis=0), rel=2 * SD_NOISE)


def test_bars_hold_all_studies_and_the_red_ones_are_the_alarms():
    panel = WIDGET.panel(n=100, icc_x=1.0, icc_y=0.3)
    kept, false, promise = (bar.get_data().values for bar in panel.figure.axes[1].patches)
    assert kept.sum() + false.sum() == pytest.approx(1.0)
    assert false.sum() == pytest.approx(share(panel.readouts["false alarms"]), abs=0.0005)
    inside = kept > 0
    assert promise[inside].sum() == pytest.approx(0.95, abs=ROUNDING)


def test_bar_between_the_curves_is_the_factor():
    left, _ = WIDGET.panel(n=50, icc_x=0.5, icc_y=0.2).figure.axes
    ((_, claimed), (_, true)) = left.collections[0].get_segments()[0]
    assert claimed == pytest.approx((CLUSTERS * 50) ** -0.5)
    assert true / claimed == pytest.approx(mt.moulton_factor(50, 0.5, 0.2))


def test_the_question_has_an_answer():
    """About half are false alarms here, and each slider alone can bring 5% back."""
    start = {"n": 50, "icc_x": 0.75, "icc_y": 0.2}
    assert share(WIDGET.panel(**start).readouts["false alarms"]) == pytest.approx(0.5, abs=0.03)
    for mended in ({"n": 1}, {"icc_x": 0.0}, {"icc_y": 0.0}):
        assert WIDGET.place(start | mended) >= 0
        shown = WIDGET.panel(**start | mended).readouts
        assert shown["true SE / OLS SE"] == "1.00"
        assert share(shown["false alarms"]) == pytest.approx(0.05, abs=3 * (0.05 / STUDIES) ** 0.5)
