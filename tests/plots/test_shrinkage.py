"""Arrows of shrinkage: the numbers in the artists are those of the table, and words to match."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.patches import Ellipse
from matplotlib.quiver import Quiver
from scipy import stats

import mlteach as mt
from mlteach import plots
from mlteach.errors import ModelError

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # the same numbers, only drawn


@pytest.fixture(scope="module")
def crossed(hsb_centred):
    return mt.fit_mixed("math ~ ses_within * catholic + (1 + ses_within | school)", hsb_centred)


def dots(ax, gid):
    (found,) = [c for c in ax.collections if isinstance(c, PathCollection) and c.get_gid() == gid]
    return np.asarray(found.get_offsets())


def arrows(ax):
    (found,) = [c for c in ax.collections if isinstance(c, Quiver)]
    return found


def test_one_effect_stands_over_the_sizes(hsb_empty):
    ax = plots.shrinkage(hsb_empty)
    table = mt.shrinkage(hsb_empty)
    np.testing.assert_allclose(dots(ax, "none")[:, 1], table["none"], **EXACT)
    np.testing.assert_allclose(dots(ax, "partial")[:, 1], table["partial"], **EXACT)
    x = dots(ax, "none")[:, 0]
    assert (np.diff(table["n"].to_numpy()[np.argsort(x)]) >= 0).all()
    for tick, text in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
        own = x[table["n"] == int(text.get_text())]
        assert tick == pytest.approx(own.mean())
    np.testing.assert_allclose(dots(ax, "none")[:, 0], dots(ax, "partial")[:, 0], **EXACT)
    (line,) = ax.lines
    assert line.get_ydata()[0] == pytest.approx(hsb_empty.params["Intercept"])
    quiver = arrows(ax)
    np.testing.assert_allclose(quiver.V, table["partial"] - table["none"], **EXACT)
    np.testing.assert_allclose(quiver.U, 0.0, **EXACT)


@pytest.mark.parametrize("sizes", [[5] * 30, [2] + [40] * 30, [3, 3, 90]])
def test_clusters_have_equal_room_whatever_their_sizes(sizes):
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(len(sizes)), sizes)
    y = rng.normal(size=len(sizes))[g] + rng.normal(size=len(g))
    ax = plots.shrinkage(mt.fit_empty("y", pd.DataFrame({"y": y, "g": g}), cluster="g"))
    gaps = np.diff(np.sort(dots(ax, "none")[:, 0]))
    assert gaps.max() / gaps.min() <= 1.5
    assert [text.get_text() for text in ax.get_xticklabels()] == [str(n) for n in sorted({*sizes})]


def test_two_effects_are_a_plane_with_an_ellipse(hsb_slopes):
    ax = plots.shrinkage(hsb_slopes)
    table = mt.shrinkage(hsb_slopes)
    for k, name in enumerate(hsb_slopes.tau):
        np.testing.assert_allclose(dots(ax, "none")[:, k], table[name]["none"], **EXACT)
        np.testing.assert_allclose(dots(ax, "partial")[:, k], table[name]["partial"], **EXACT)
    (cross,) = ax.lines
    assert cross.get_xydata()[0] == pytest.approx(hsb_slopes.params.to_numpy())
    (ellipse,) = [patch for patch in ax.patches if isinstance(patch, Ellipse)]
    edge = ellipse.get_patch_transform().transform(ellipse.get_path().vertices)
    d = edge - hsb_slopes.params.to_numpy()
    distance = np.einsum("ia,ab,ib->i", d, np.linalg.inv(hsb_slopes.tau.to_numpy()), d)
    # vertices of a spline lie on the ellipse, its control points a little outside
    assert distance.min() == pytest.approx(stats.chi2.ppf(0.95, 2), rel=1e-3)


def test_differences_are_drawn_where_fixed_parts_differ(crossed):
    ax = plots.shrinkage(crossed)
    blups = crossed.ranef()
    np.testing.assert_allclose(dots(ax, "partial")[:, 0], blups["Intercept"], **EXACT)
    np.testing.assert_allclose(dots(ax, "partial")[:, 1], blups["ses_within"], **EXACT)
    assert ax.get_ylabel() == "Slope of ses_within, minus its fixed part"
    assert ax.lines[0].get_xydata()[0] == pytest.approx([0, 0])


def test_one_of_two_effects_and_other_order(hsb_slopes):
    table = mt.shrinkage(hsb_slopes)
    ax = plots.shrinkage(hsb_slopes, "ses_within")
    np.testing.assert_allclose(dots(ax, "partial")[:, 1], table["ses_within"]["partial"], **EXACT)
    ax = plots.shrinkage(hsb_slopes, ["ses_within", "Intercept"])
    np.testing.assert_allclose(dots(ax, "partial")[:, 0], table["ses_within"]["partial"], **EXACT)


def test_sample_of_clusters(hsb_slopes):
    ax = plots.shrinkage(hsb_slopes, n_clusters=20, seed=3)
    assert len(dots(ax, "none")) == 20
    assert ax.get_xlabel() == "Intercept of math; 20 of 160 clusters (school)"
    again = plots.shrinkage(hsb_slopes, n_clusters=20, seed=3)
    np.testing.assert_array_equal(dots(ax, "none"), dots(again, "none"))
    with pytest.raises(ModelError, match="n_clusters=0"):
        plots.shrinkage(hsb_slopes, n_clusters=0)


def test_clusters_without_an_own_estimate_have_no_arrow():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(13), [1, *[6] * 12])
    x, u = rng.normal(size=len(g)), rng.normal(size=(13, 2))
    frame = pd.DataFrame({"g": g, "x": x, "y": u[g, 0] + u[g, 1] * x + rng.normal(size=len(g))})
    ax = plots.shrinkage(mt.fit_mixed("y ~ x + (1 + x | g)", frame))
    assert np.isfinite(dots(ax, "partial")).all()
    assert "1 of 13 clusters have no estimate of their own, and no arrow." in plots.describe(ax)
    ax.figure.canvas.draw()


def test_words(hsb_empty):
    table = mt.shrinkage(hsb_empty)
    longest = (table["partial"] - table["none"]).abs().idxmax()
    text = plots.describe(plots.shrinkage(hsb_empty))
    assert "160 clusters (school) with 14 to 67 rows each" in text
    assert f"in cluster {longest} with {table.loc[longest, 'n']} rows" in text
    ax = plots.shrinkage(hsb_empty, labels={"Intercept": "School mean of math (points)"})
    assert ax.get_ylabel() == "School mean of math (points)"


def test_draws_into_given_axes(hsb_empty):
    _, axes = plt.subplots(1, 2)
    assert plots.shrinkage(hsb_empty, ax=axes[1]) is axes[1]


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ("ses", "'ses' is not a random effect"),
        ([], "one or two different effects"),
        (["Intercept", "Intercept"], "one or two different effects"),
    ],
)
def test_refuses(hsb_slopes, effects, words):
    with pytest.raises(ModelError, match=words):
        plots.shrinkage(hsb_slopes, effects)
