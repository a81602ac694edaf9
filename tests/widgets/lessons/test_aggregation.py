"""The lesson on aggregation: in the drawn points every slope is what the readers are told."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.widgets.lessons.aggregation import (
    CLUSTERS,
    MEANS,
    MEMBERS,
    WIDGET,
    X_LIMIT,
    Y_LIMIT,
    points,
)

#: Coordinates are computed from exact draws; only float64 is lost.
ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
PLACES = [(-0.5, 1.0, 0.5), (1.0, -1.5, 0.05), (0.0, 0.0, 0.95), (0.3, 0.7, 0.35)]
NAMES = ("within", "between", "icc_x")


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize("place", PLACES)
def test_points_have_the_slopes_of_the_controls(place):
    """By regressions on the points themselves, among them the package's own split."""
    within, between, icc_x = place
    x, y, mean_x, mean_y = points(*place)
    assert np.polyfit(mean_x, mean_y, 1)[0] == pytest.approx(between, abs=ROUNDING)
    total = icc_x * between + (1 - icc_x) * within
    assert np.polyfit(x.ravel(), y.ravel(), 1)[0] == pytest.approx(total, abs=ROUNDING)
    for own_x, own_y in zip(x, y, strict=True):
        assert np.polyfit(own_x, own_y, 1)[0] == pytest.approx(within, abs=ROUNDING)
    assert x.var() == pytest.approx(1.0)
    assert mean_x.var() == pytest.approx(icc_x)
    assert x.mean(axis=1) == pytest.approx(mean_x, abs=ROUNDING)


def test_points_have_the_slopes_that_the_model_finds():
    import pandas as pd

    x, y, _, _ = points(-0.5, 1.0, 0.5)
    data = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    data["cluster"] = np.repeat(np.arange(CLUSTERS), MEMBERS)
    found = mt.fit_centering("y ~ x", data, cluster="cluster").table["estimate"]
    assert found[["within", "between"]].tolist() == pytest.approx([-0.5, 1.0], abs=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_readouts_and_bars_are_those_of_the_points(place):
    panel = WIDGET.panel(**dict(zip(NAMES, place, strict=True)))
    left, right = panel.figure.axes
    x, y = left.lines[0].get_xydata().reshape(CLUSTERS, MEMBERS, 2).transpose(2, 0, 1)
    means = x.mean(axis=1), y.mean(axis=1)
    own = x - means[0][:, None], y - means[1][:, None]
    for text, pair in zip(panel.readouts.values(), (means, (x, y), own), strict=True):
        r = np.corrcoef(*map(np.ravel, pair))[0, 1]
        assert number(text) == pytest.approx(r, abs=PRINTED)
    widths = [bar.get_width() for bar in right.patches]
    assert widths == pytest.approx(
        [np.polyfit(*map(np.ravel, pair), 1)[0] for pair in (means, (x, y), own)], abs=ROUNDING
    )


def test_means_know_nothing_of_the_persons():
    """The slope within clusters may be anything: picture and numbers stay the same."""
    from mlteach.widgets.look import style
    from mlteach.widgets.svg import drawing

    with style():
        panels = [WIDGET.panel(within=w, view=MEANS) for w in (-1.0, 0.0, 1.0)]
        assert len({drawing(panel.figure).lines for panel in panels}) == 1
    assert len({tuple(panel.readouts.values()) for panel in panels}) == 1
    assert panels[0].readouts["within clusters"] == "unknown"
    assert panels[0].readouts != WIDGET.panel(between=-1.0, view=MEANS).readouts


def test_nothing_leaves_the_axes():
    for within in (-1.0, 1.0):
        for between in (-1.5, 1.5):
            for icc_x in (0.05, 0.5, 0.95):
                x, y, _, _ = points(within, between, icc_x)
                assert np.abs(x).max() < X_LIMIT
                assert np.abs(y).max() < Y_LIMIT


def test_the_question_has_an_answer():
    """A correlation of the means and one of all persons with opposite signs, on the website."""
    place = WIDGET.start | {"within": -1.0, "between": 1.0, "icc_x": 0.2}
    assert WIDGET.place(place) >= 0
    shown = WIDGET.panel(**place).readouts
    assert number(shown["correlation of the means"]) > 0.8
    assert number(shown["of all persons"]) < -0.4
