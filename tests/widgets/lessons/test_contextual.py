"""The lesson on the contextual triangle: its sides, and coefficients of models that hold them."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.widgets.lessons.aggregation import points
from mlteach.widgets.lessons.contextual import CONSTANT, LIMIT, SCHOOL_MEAN, WIDGET

ROUNDING = 1e-9
#: Coefficients of a fit to exact data: what the search for the variances leaves.
FITTED = 1e-6
PLACES = [(1.0, 3.0), (-1.0, -2.0), (0.0, 0.5), (2.0, -2.0), (1.3, 1.3)]


def number(text):
    return float(text.replace("−", "-"))


def coefficients(ax):
    """Name and height of the two bars that are coefficients, from the texts beside them."""
    texts = [text.get_text() for text in ax.texts]
    return {
        text.partition(":")[0]: bar.get_width()
        for text, bar in zip(texts, ax.patches, strict=True)
        if ":" in text
    }


@pytest.mark.parametrize(("within", "between"), PLACES)
def test_readouts(within, between):
    shown = {k: number(v) for k, v in WIDGET.panel(within=within, between=between).readouts.items()}
    assert shown == pytest.approx(
        {"within": within, "contextual": between - within, "between": between}
    )


@pytest.mark.parametrize(("within", "between"), PLACES)
def test_sides_close_to_a_triangle(within, between):
    ax = WIDGET.panel(within=within, between=between).figure.axes[0]
    own, context, direct = (line.get_xydata() for line in ax.lines[2:5])
    walk = np.diff(own, axis=0) + np.diff(context, axis=0)
    assert walk == pytest.approx(np.diff(direct, axis=0), abs=ROUNDING)
    assert np.diff(own, axis=0)[0] == pytest.approx([1.0, within])
    assert np.diff(direct, axis=0)[0] == pytest.approx([1.0, between])
    # The third student is the average one of school 2, on its line with the same slope.
    (x0, y0), (x1, y1) = ax.lines[1].get_xydata()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(within, abs=ROUNDING)
    assert np.interp(1.0, [x0, x1], [y0, y1]) == pytest.approx(between, abs=ROUNDING)


@pytest.mark.parametrize(("within", "between"), PLACES)
def test_bars_are_the_coefficients_of_fitted_models(within, between):
    """Both centrings, fitted to data whose effects are exactly these."""
    x, y, _, _ = points(within, between, icc_x=0.5)
    data = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    data["cluster"] = np.repeat(np.arange(len(x)), x.shape[1])
    fits = mt.fit_centering("y ~ x", data, cluster="cluster").fits
    for centred, name, level1 in (
        (SCHOOL_MEAN, "within_between", "x − mean"),
        (CONSTANT, "contextual", "x"),
    ):
        ax = WIDGET.panel(within=within, between=between, centred=centred).figure.axes[1]
        found = coefficients(ax)
        assert list(found) == [level1, "mean"]
        assert list(found.values()) == pytest.approx(fits[name].params[1:].tolist(), abs=FITTED)


def test_the_question_has_an_answer():
    """Without a within effect the coefficient of the mean is the same under both centrings."""
    for within, same in ((0.0, True), (1.0, False)):
        means = [
            coefficients(WIDGET.panel(within=within, centred=centred).figure.axes[1])["mean"]
            for centred in (SCHOOL_MEAN, CONSTANT)
        ]
        assert bool(means[0] == pytest.approx(means[1])) == same


def test_nothing_leaves_the_axes():
    for within in (-1.0, 2.0):
        for between in (-2.0, 3.0):
            left, right = WIDGET.panel(within=within, between=between).figure.axes
            assert max(np.abs(line.get_ydata()).max() for line in left.lines) < LIMIT
            low, high = right.get_xlim()
            assert all(low < bar.get_width() < high for bar in right.patches)
