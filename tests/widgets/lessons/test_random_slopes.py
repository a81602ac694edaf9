"""The lesson on random slopes: the drawn lines have the variances that are drawn beside them."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.widgets.lessons.random_slopes import CLUSTERS, PLACES, SIGMA2, WIDGET, between, effects

#: Coordinates are computed from exact draws; only float64 is lost.
ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
SETTINGS = [(0.6, 0.3, 0.3), (1.5, 0.5, -1.0), (0.2, 0.1, 1.0), (0.7, 0.0, 0.4), (0.0, 0.4, -0.5)]
NAMES = ("tau00", "tau11", "rho")


def number(text):
    return float(text.replace("x = ", "").replace("−", "-"))


@pytest.mark.parametrize("setting", SETTINGS)
def test_lines_have_these_variances(setting):
    tau00, tau11, rho = setting
    heights, slopes = effects(*setting)
    assert heights.mean() == pytest.approx(0, abs=ROUNDING)
    assert slopes.mean() == pytest.approx(0, abs=ROUNDING)
    assert heights.var() == pytest.approx(tau00, abs=ROUNDING)
    assert slopes.var() == pytest.approx(tau11, abs=ROUNDING)
    covariance = (heights * slopes).mean()
    assert covariance == pytest.approx(rho * (tau00 * tau11) ** 0.5, abs=ROUNDING)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("zero", [-2.0, 0.0, 1.3])
def test_curve_bar_and_readouts_are_those_of_the_lines(setting, zero):
    panel = WIDGET.panel(**dict(zip(NAMES, setting, strict=True)), zero=zero)
    left, right = panel.figure.axes
    ends = np.array([line.get_xydata() for line in left.lines[:CLUSTERS]])
    slope = np.diff(ends[:, :, 1], axis=1)[:, 0] / np.diff(ends[:, :, 0], axis=1)[:, 0]
    height = ends[:, 0, 1] + slope * (zero - ends[:, 0, 0])
    share = height.var() / (height.var() + SIGMA2)
    shown = panel.readouts
    assert float(shown["intercept variance"]) == pytest.approx(height.var(), abs=PRINTED)
    assert float(shown["share between clusters"][:-1]) == pytest.approx(
        100 * share, abs=0.5 + ROUNDING
    )
    if shown["correlation with the slope"] == "none":
        assert min(height.var(), slope.var()) < 1e-9
    else:
        r = np.corrcoef(height, slope)[0, 1]
        assert number(shown["correlation with the slope"]) == pytest.approx(r, abs=PRINTED)
    curve, bar = right.lines[1], right.lines[2]
    heights = ends[:, :1, 1] + slope[:, None] * (PLACES - ends[:, :1, 0])
    assert curve.get_ydata() == pytest.approx(SIGMA2 + heights.var(axis=0), abs=ROUNDING)
    assert np.ptp(bar.get_ydata()) == pytest.approx(height.var(), abs=ROUNDING)


def test_curve_and_its_lowest_point_are_those_of_the_package():
    """The variance function of a fit to the data of the chapter."""
    fit = mt.fit_mixed(
        "score16 ~ score11 + (1 + score11 | school)", mt.load("london"), smushed_note=False
    )
    (tau00, tau01), (_, tau11) = fit.tau.to_numpy()
    rho = tau01 / (tau00 * tau11) ** 0.5
    table = fit.variance_function("score11", at=PLACES)
    assert between(PLACES, tau00, tau11, rho) == pytest.approx(table["between"], rel=1e-9)
    shown = WIDGET.panel(tau00=tau00, tau11=tau11, rho=rho).readouts
    assert number(shown["variance lowest at"]) == pytest.approx(
        table.attrs["lowest_at"], abs=PRINTED
    )


def test_moving_zero_moves_no_line():
    panels = [WIDGET.panel(zero=zero) for zero in (-2.0, 1.0)]
    first, second = (
        [line.get_xydata() for line in p.figure.axes[0].lines[: CLUSTERS + 1]] for p in panels
    )
    assert np.array_equal(first, second)
    assert panels[0].readouts["variance lowest at"] == panels[1].readouts["variance lowest at"]
    assert panels[0].readouts["intercept variance"] != panels[1].readouts["intercept variance"]


def test_the_question_has_an_answer():
    """With a correlation of −1 all lines meet, and only σ² is left there."""
    place = {"tau00": 0.6, "tau11": 0.2, "rho": -1.0, "zero": 0.0}
    assert WIDGET.place(place) >= 0
    meeting = number(WIDGET.panel(**place).readouts["variance lowest at"])
    assert -2 < meeting < 2
    assert between(3**0.5, 0.6, 0.2, -1.0) == pytest.approx(0, abs=ROUNDING)
    dot = WIDGET.panel(**place).figure.axes[1].lines[3]
    assert dot.get_xydata()[0] == pytest.approx([3**0.5, SIGMA2])


def test_nothing_leaves_the_axes():
    for setting in ((1.5, 0.5, 1.0), (1.5, 0.5, -1.0), (1.5, 0.5, 0.0)):
        for ax in WIDGET.panel(**dict(zip(NAMES, setting, strict=True)), zero=2.0).figure.axes:
            low, high = ax.get_ylim()
            tops = [
                line.get_ydata() for line in ax.lines[: CLUSTERS + 1] if len(line.get_ydata()) > 1
            ]
            assert all(low <= min(y) and max(y) <= high for y in tops)
