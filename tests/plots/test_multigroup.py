"""Figures of multigroup models: what is drawn is what the model says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

import mlteach as mt
from mlteach import plots
from mlteach.errors import ModelError


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fit(hsb):
    return mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector", between="free")


@pytest.mark.parametrize("level", ["within", "between"])
def test_an_ellipse_holds_its_share(fit, level) -> None:
    ax = plots.level_ellipses(fit, level, "ses", "math", share=0.8)
    rng = np.random.default_rng(1)
    for ellipse, group in zip(ax.patches, fit.groups, strict=True):
        S = getattr(fit, level)[group].loc[["ses", "math"], ["ses", "math"]]
        draws = rng.multivariate_normal(fit.means.loc[group, ["ses", "math"]], S, 20_000)
        inside = ellipse.get_patch_transform().inverted().transform(draws)
        # Three Monte Carlo standard errors.
        assert np.mean((inside**2).sum(axis=1) <= 1) == pytest.approx(0.8, abs=0.0085)
    assert plots.describe(ax).startswith(f"Ellipses that hold 80% of math against ses {level}")


def test_points_are_rows_or_cluster_means(fit, hsb) -> None:
    counts = {}
    for level in ("within", "between"):
        ax = plots.level_ellipses(fit, level, data=hsb)
        counts[level] = sum(len(line.get_xdata()) for line in ax.lines) - 2
    assert counts == {"within": 7185, "between": 160}
    assert ax.get_xlabel() == "Mathematics achievement"


def test_impossible_matrix_has_no_ellipse(hsb) -> None:
    pairs = hsb.groupby("school").head(2).copy()
    pairs["x"] = np.tile([1.0, -1.0], 160) + np.random.default_rng(1).normal(size=320)
    fit = mt.fit_multigroup(["x", "ses"], pairs, cluster="school")
    ax = plots.level_ellipses(fit, "between")
    assert not ax.patches and "no ellipse" in plots.describe(ax)


@pytest.mark.parametrize("what", ["icc", "variance_ratios", "correlations"])
def test_quantities_are_those_of_the_tables(fit, what) -> None:
    ax = plots.group_quantities(fit, what)
    table = fit.icc_table if what == "icc" else getattr(fit, what)
    markers = [line for line in ax.lines if line.get_marker() not in ("None", None, "")]
    drawn = np.concatenate([line.get_xdata() for line in markers])
    assert sorted(drawn) == pytest.approx(sorted(table["estimate"]))
    ends = np.concatenate([c.get_segments() for c in ax.collections])[..., 0]
    expected = np.sort(table[["lower", "upper"]].to_numpy(), axis=0)
    np.testing.assert_allclose(np.sort(ends, axis=0), expected)
    assert len({to_hex(line.get_color()) for line in markers}) == len(markers)
    assert ax.get_xscale() == ("log" if what == "variance_ratios" else "linear")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda fit: plots.level_ellipses(fit, "inside"), "neither"),
        (lambda fit: plots.level_ellipses(fit, x="age"), "got 'age' and 'math'"),
        (lambda fit: plots.level_ellipses(fit, share=1.5), "share=1.5"),
        (lambda fit: plots.group_quantities(fit, "ratio"), "what='ratio' is unknown"),
        (lambda _: plots.group_quantities("fit"), "needs a multigroup model"),
    ],
)
def test_what_cannot_be_drawn(fit, draw, message) -> None:
    with pytest.raises(ModelError, match=message):
        draw(fit)


def test_nothing_to_show(hsb) -> None:
    fit = mt.fit_multigroup("math", hsb, cluster="school")
    with pytest.raises(ModelError, match="no ratio of variances"):
        plots.group_quantities(fit, "variance_ratios")
    with pytest.raises(ModelError, match="two variables"):
        plots.level_ellipses(fit)
