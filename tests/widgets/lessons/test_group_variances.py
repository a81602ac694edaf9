"""The lesson on variances by group: what is drawn has the variances, and the ICCs are quotients."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.widgets.lessons.group_variances import CLUSTERS, MEMBERS, TOTAL, WIDGET, variances

#: Coordinates are computed from exact draws; only float64 is lost.
ROUNDING = 1e-9
PRINTED, ONE_DECIMAL = 0.005 + 1e-9, 0.05 + 1e-9
PLACES = [(0.16, 0.8, 1.0), (0.05, 0.5, 5.0), (0.5, 5.0, 0.5), (0.31, 1.35, 2.4)]
AT = pytest.mark.parametrize(("icc", "vr_within", "vr_between"), PLACES)


def panel(icc, vr_within, vr_between):
    return WIDGET.panel(icc=icc, vr_within=vr_within, vr_between=vr_between)


def iccs(icc, vr_within, vr_between):
    return [t / (t + s) for t, s in variances(icc, vr_within, vr_between)]


def drawn(ax, group):
    """Means (8) and scores (8, 7) of a group in the picture."""
    means = np.array([bar[0, 1] for bar in ax.collections[group].get_segments()])
    return means, ax.lines[group].get_ydata().reshape(CLUSTERS, MEMBERS)


@AT
def test_ratios_and_icc_are_those_of_the_sliders(icc, vr_within, vr_between):
    (tau1, sigma1), (tau2, sigma2) = variances(icc, vr_within, vr_between)
    assert tau1 + sigma1 == pytest.approx(TOTAL)
    assert tau1 / (tau1 + sigma1) == pytest.approx(icc)
    assert (sigma1 / sigma2, tau1 / tau2) == pytest.approx((vr_within, vr_between))
    # With r = (1 - ICC) / ICC in group 1, that of group 2 is r times a ratio of ratios.
    r = (1 - icc) / icc * vr_between / vr_within
    assert tau2 / (tau2 + sigma2) == pytest.approx(1 / (1 + r))


@AT
def test_the_picture_has_these_variances(icc, vr_within, vr_between):
    left, right = panel(icc, vr_within, vr_between).figure.axes
    for group, (tau2, sigma2) in enumerate(variances(icc, vr_within, vr_between)):
        means, scores = drawn(left, group)
        assert means.mean() == pytest.approx(0, abs=ROUNDING)
        assert means.var() == pytest.approx(tau2, abs=ROUNDING)
        assert (scores - means[:, None]).var(axis=1) == pytest.approx(sigma2, abs=ROUNDING)
        between, within = right.patches[2 * group : 2 * group + 2]
        assert (between.get_x(), between.get_width()) == pytest.approx((0, tau2))
        assert (within.get_x(), within.get_width()) == pytest.approx((tau2, sigma2))


@AT
def test_readouts_say_the_same(icc, vr_within, vr_between):
    shown = panel(icc, vr_within, vr_between).readouts
    found = [float(shown[f"ICC, group {k}"]) for k in (1, 2)]
    assert found == pytest.approx(iccs(icc, vr_within, vr_between), abs=PRINTED)
    for place, name in enumerate(("between, τ²", "within, σ²")):
        true = [part[place] for part in variances(icc, vr_within, vr_between)]
        printed = [float(text) for text in shown[name].split(" and ")]
        assert printed == pytest.approx(true, abs=ONE_DECIMAL)


def test_nothing_leaves_the_axes():
    for icc in (0.05, 0.5):
        for ratio in (0.5, 5.0):
            for other in (0.5, 5.0):
                left, right = panel(icc, ratio, other).figure.axes
                scores = np.concatenate([drawn(left, group)[1] for group in (0, 1)])
                assert np.abs(scores).max() < left.get_ylim()[1]
                ends = [bar.get_x() + bar.get_width() for bar in right.patches]
                assert max(ends) < right.get_xlim()[1]


def test_the_start_is_mathematics_in_both_sectors():
    """Catholic and public schools of hsb, with what is equal between them as the chapter has it."""
    fit = mt.fit_multigroup(
        "math", mt.load("hsb"), cluster="school", group="sector", between="equal"
    )
    tau2 = fit.between["Catholic"].iloc[0, 0]
    sigma2 = [fit.within[sector].iloc[0, 0] for sector in ("Catholic", "Public")]
    start = WIDGET.start
    assert sigma2[0] / sigma2[1] == pytest.approx(start["vr_within"], abs=0.05)
    theirs = [tau2 / (tau2 + s) for s in sigma2]
    assert theirs == pytest.approx(iccs(**start), abs=0.01)


def test_the_question_has_an_answer():
    one, two = iccs(**WIDGET.start)
    assert WIDGET.start["vr_between"] == 1 and one - two > 0.02
    grid = WIDGET.controls[1].values
    assert grid == WIDGET.controls[2].values
    for ratio in grid:
        one, two = iccs(0.16, ratio, ratio)
        assert one == pytest.approx(two)
    # Clusters of group 2 differ less, and still its ICC is larger.
    (tau1, _), (tau2, _) = variances(0.16, 5.0, 2.0)
    one, two = iccs(0.16, 5.0, 2.0)
    assert tau2 < tau1 and two > one + 0.1
    assert {2.0, 5.0} <= set(grid)
