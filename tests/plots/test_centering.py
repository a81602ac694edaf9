"""The contextual triangle and the smushed slope: geometry from the estimates, words, bad input."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.errors import ModelError
from tests.plots.texts import overlapping

EXACT = {"rtol": 1e-12, "atol": 1e-14}  # the same numbers, only drawn
FOUR_CASES = [(0.0, 1.0), (1.0, 0.0), (0.5, 1.5), (-1.0, 1.4)]


@pytest.fixture(scope="module")
def ses(hsb):
    return mt.fit_centering("math ~ ses", hsb, cluster="school")


@pytest.fixture(scope="module")
def two(hsb):
    return mt.fit_centering("math ~ ses + minority", hsb, cluster="school")


def sides(ax):
    """Return start and end of each side of the triangle, shape (2, 2), by its name."""
    lines = [line for line in ax.lines if ": " in str(line.get_label())]
    return {line.get_label().split(":")[0]: np.array(line.get_xydata()) for line in lines}


@pytest.mark.parametrize(("within", "between"), FOUR_CASES)
def test_sides_are_the_effects_and_close(within, between):
    lines = sides(plots.contextual_triangle((within, between)))
    for name, rise in (("within", within), ("between", between)):
        start, end = lines[name]
        np.testing.assert_allclose([*start, *(end - start)], [0, 0, 1, rise], **EXACT)
    jump = lines["contextual"]
    np.testing.assert_allclose(jump[1] - jump[0], [0, between - within], **EXACT)
    np.testing.assert_allclose(jump[0], lines["within"][1], **EXACT)
    np.testing.assert_allclose(jump[1], lines["between"][1], **EXACT)


def test_triangle_of_a_result_has_its_estimates_and_names(ses):
    ax = plots.contextual_triangle(ses)
    estimate = ses.table["estimate"]
    lines = sides(ax)
    for name in ("within", "between", "contextual"):
        rise = lines[name][1, 1] - lines[name][0, 1]
        # The test of the contextual effect takes the difference in another order.
        np.testing.assert_allclose(rise, estimate[name], rtol=1e-10)
    assert ax.get_xlabel() == "ses, from the mean of school 1"
    assert "average member of school 2" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert f"a vertical step of {estimate['contextual']:.2f}" in plots.describe(ax)


def test_lines_of_the_clusters_are_parallel_and_a_contextual_effect_apart():
    ax = plots.contextual_triangle((0.5, 1.5))
    first, second = (np.array(line.get_xydata()) for line in ax.lines[:2])
    np.testing.assert_allclose(np.diff(first[:, 1]) / np.diff(first[:, 0]), 0.5, **EXACT)
    np.testing.assert_allclose(second - first, [[0, 1.0], [0, 1.0]], **EXACT)


def test_bar_is_cut_at_the_smushed_slope_in_the_weights(ses):
    ax = plots.smushing(ses)
    (borrowed,), (own,) = ax.containers
    estimate = ses.table["estimate"]
    np.testing.assert_allclose(borrowed.get_x(), estimate["within"], **EXACT)
    np.testing.assert_allclose(own.get_x(), estimate["smushed"], **EXACT)
    np.testing.assert_allclose(own.get_x() + own.get_width(), estimate["between"], **EXACT)
    # The weight is at the smushed model's variances, the two ends at those of the split model.
    share = own.get_width() / (own.get_width() + borrowed.get_width())
    assert share == pytest.approx(ses.phi["ses"], abs=5e-4)
    assert ax.get_title(loc="left") == "weight of within 0.946, of between 0.054"


def test_points_and_intervals_are_those_of_the_table(two):
    ax = plots.smushing(two, "minority")
    rows = two.table.loc["minority"].loc[["within", "smushed", "between"]]
    points = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points, rows["estimate"], **EXACT)
    intervals = [line.get_xdata() for line in ax.lines if line.get_marker() != "o"]
    np.testing.assert_allclose(intervals, rows[["lower", "upper"]], **EXACT)
    assert ax.get_xlabel() == "Slope of math on minority"


def test_no_bar_where_the_slope_lies_outside(two):
    """Minority borrows from ses: its smushed slope is beyond both of its own effects."""
    estimate = two.table.loc["minority", "estimate"]
    assert estimate["smushed"] < min(estimate["within"], estimate["between"])
    assert not plots.smushing(two, "minority").containers


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize(("within", "between"), FOUR_CASES)
def test_no_text_of_the_triangle_overlaps(within, between, half):
    with plots.style():
        ax = plt.subplots(1, 2, figsize=(11, 4.2))[1][1] if half else None
        assert overlapping(plots.contextual_triangle((within, between), ax=ax)) == []


@pytest.mark.parametrize("predictor", ["ses", "minority"])
def test_no_text_of_the_weights_overlaps(two, predictor):
    with plots.style():
        assert overlapping(plots.smushing(two, predictor)) == []


def test_draws_into_the_given_axes_and_changes_no_setting(ses):
    axes = plt.figure().subplots(1, 2)
    before = mpl.rcParams.copy()
    assert plots.contextual_triangle(ses, ax=axes[0]) is axes[0]
    assert plots.smushing(ses, "ses", ax=axes[1]) is axes[1]
    assert before == mpl.rcParams


@pytest.mark.parametrize("effects", [1.0, (1.0, 2.0, 3.0), None, "ses", ("a", "b")])
def test_triangle_refuses_what_is_not_two_slopes(effects):
    with pytest.raises(ModelError, match=r"or two slopes \(within, between\); it got"):
        plots.contextual_triangle(effects)


def test_triangle_refuses_a_slope_that_is_not_finite():
    with pytest.raises(ModelError, match=r"1\.0, inf are not finite"):
        plots.contextual_triangle((1.0, np.inf))


@pytest.mark.parametrize("draw", [plots.contextual_triangle, plots.smushing])
def test_asks_for_a_predictor_of_the_result(draw, two):
    with pytest.raises(ModelError, match="name one of the predictors ses, minority"):
        draw(two)
    with pytest.raises(ModelError, match="'female' in .* is not a predictor"):
        draw(two, "female")
