"""The lesson on spread: variances against the package's fit and drawn schools; its answer holds."""

import numpy as np
import pytest
from scipy import stats

import mlteach as mt
from mlteach.widgets.lessons.location_scale import (
    HALF,
    KINDS,
    MOST,
    RANKS,
    SCHOOLS,
    TAU,
    WIDGET,
    below_average,
    median_and_average,
    standard_effects,
)

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
DRAWS = 1_000_000
PLACES = [(0.0, 0.0, 0.0, 0.0), (-0.32, 0.5, 0.8, -0.8), (0.2, -0.5, 0.4, 0.8)]
EVERYWHERE = pytest.mark.parametrize("place", PLACES)


def panel_at(place):
    return WIDGET.panel(**dict(zip(WIDGET.start, place, strict=True)))


def test_median_and_average_are_those_of_a_fit():
    london = mt.load("london")
    fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)", london)
    alpha0 = float(fit.log_variance.loc["Intercept", "estimate"])
    sigma_v = float(fit.random.loc["scale:Intercept", "scale:Intercept"]) ** 0.5
    found = median_and_average(alpha0, sigma_v)
    assert found == pytest.approx([fit.average_variance[k] for k in ("median", "average")])
    shown = WIDGET.panel(alpha0=alpha0, sigma_v=sigma_v).readouts
    assert shown["median variance, w = 0"] == "0.81"
    assert shown["average variance, w = 0"] == "0.85"


@EVERYWHERE
def test_average_and_share_below_it_are_those_of_drawn_schools(place):
    alpha0, alpha1, sigma_v, _ = place
    rng = np.random.default_rng(1)
    for w in (0, 1):
        alpha = alpha0 + alpha1 * w
        variances = np.exp(alpha + sigma_v * rng.standard_normal(DRAWS))
        median, average = median_and_average(alpha, sigma_v)
        assert median == pytest.approx(np.median(variances), rel=0.005)
        assert average == pytest.approx(variances.mean(), rel=0.005)
        if sigma_v:
            assert below_average(sigma_v) == pytest.approx((variances < average).mean(), abs=0.003)


def test_effects_are_exact():
    u, v, w = standard_effects()
    both = np.column_stack([u, v])
    assert both.mean(axis=0) == pytest.approx([0, 0], abs=ROUNDING)
    assert both.T @ both / SCHOOLS == pytest.approx(np.eye(2), abs=ROUNDING)
    assert v @ w == pytest.approx(0, abs=ROUNDING)
    assert (np.diff(u) > 0).all() and w.sum() == SCHOOLS / 2


@EVERYWHERE
def test_bars_have_the_spread_of_their_school(place):
    """From the drawn bars back to the parameters."""
    alpha0, alpha1, sigma_v, correlation = place
    left = panel_at(place).figure.axes[0]
    bars = [np.array(lines.get_segments()) for lines in left.collections]
    for wide, narrow in zip(bars[::2], bars[1::2], strict=True):
        ratio = np.ptp(wide[:, :, 1], axis=1) / np.ptp(narrow[:, :, 1], axis=1)
        assert ratio == pytest.approx(np.full(SCHOOLS // 2, MOST / HALF))
    assert pytest.approx([0.25, 0.1], abs=1e-4) == stats.norm.sf([HALF, MOST])
    order = np.argsort(np.concatenate([b[:, 0, 0] for b in bars[::2]]))
    ends = np.concatenate([b[:, :, 1] for b in bars[::2]])[order]
    u, log_variance = ends.mean(axis=1), 2 * np.log(np.ptp(ends, axis=1) / 2 / MOST)
    w = standard_effects()[2]
    v = log_variance - alpha0 - alpha1 * w
    assert u.std() == pytest.approx(TAU)
    assert v.std() == pytest.approx(sigma_v, abs=ROUNDING)
    if sigma_v:
        assert np.corrcoef(u, v)[0, 1] == pytest.approx(correlation, abs=ROUNDING)


@EVERYWHERE
def test_curves_are_quantiles_and_hold_both_marks(place):
    alpha0, alpha1, sigma_v, _ = place
    lines = panel_at(place).figure.axes[1].lines
    for w in range(len(KINDS)):
        curve, median, average = lines[3 * w : 3 * w + 3]
        alpha = alpha0 + alpha1 * w
        if sigma_v:
            exact = stats.lognorm.ppf(RANKS, sigma_v, scale=np.exp(alpha))
            assert curve.get_ydata() == pytest.approx(exact)
            (x, y) = (float(v[0]) for v in average.get_data())
            assert y == pytest.approx(stats.lognorm.ppf(x, sigma_v, scale=np.exp(alpha)))
        assert float(median.get_ydata()[0]) == pytest.approx(np.exp(alpha))


@EVERYWHERE
def test_readouts(place):
    alpha0, alpha1, sigma_v, _ = place
    median, average, factor, below = panel_at(place).readouts.values()
    assert float(median) == pytest.approx(np.exp(alpha0), abs=PRINTED)
    assert float(average) == pytest.approx(np.exp(alpha0 + sigma_v**2 / 2), abs=PRINTED)
    assert float(factor[2:]) == pytest.approx(np.exp(alpha1), abs=PRINTED)
    assert float(below.rstrip("%")) / 100 == pytest.approx(stats.norm.cdf(sigma_v / 2), abs=PRINTED)


def test_the_question_has_an_answer():
    """α₀ follows σ²_v at half its pace, the median falls, and corr(u, v) leaves all this alone."""
    medians = []
    for sigma_v, alpha0 in ((0.0, 0.0), (0.4, -0.08), (0.6, -0.18), (0.8, -0.32)):
        here = {"alpha0": alpha0, "sigma_v": sigma_v}
        assert WIDGET.place(WIDGET.start | here) >= 0
        shown = WIDGET.panel(**here).readouts
        assert shown["average variance, w = 0"] == "1.00"
        medians.append(float(shown["median variance, w = 0"]))
        tilted = WIDGET.panel(**here, correlation=0.8)
        assert tilted.readouts == shown
        still, moved = (p.figure.axes[1].lines for p in (WIDGET.panel(**here), tilted))
        for a, b in zip(still, moved, strict=True):
            assert np.array_equal(a.get_xydata(), b.get_xydata())
    assert medians == sorted(medians, reverse=True)
