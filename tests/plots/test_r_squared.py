"""Bars of explained variance: the numbers of the decomposition in the artists, and words."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import mlteach as mt
from mlteach import plots
from mlteach.errors import ModelError
from tests.plots.texts import legend_texts

EXACT = {"rtol": 1e-12, "atol": 1e-14}  # the same numbers, only drawn
LIGHTNESS = 0.1  # least difference of neighbours without a hatch between them, of black to white
PARTS = [
    "f1: predictors, within",
    "f2: predictors, between",
    "random slopes",
    "random intercepts",
    "residual",
]


@pytest.fixture(scope="module")
def data(hsb):
    return hsb.assign(ses_within=hsb["ses"] - hsb["mean_ses"])


@pytest.fixture(scope="module")
def fits(data):
    formulas = {
        "empty": "math ~ 1 + (1 | school)",
        "intake": "math ~ mean_ses + (1 | school)",
        "slopes": "math ~ mean_ses + ses_within + (1 + ses_within | school)",
    }
    return {name: mt.fit_mixed(formula, data) for name, formula in formulas.items()}


def drawn(ax):
    """Return the widths of the bars and where they start, shape (parts, bars) each."""
    bars = [[(bar.get_width(), bar.get_x()) for bar in part] for part in ax.containers]
    return np.moveaxis(np.array(bars), -1, 0)


def test_one_fit_gives_its_decomposition(fits):
    ax = plots.r_squared(fits["slopes"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["total", "within", "between"]
    assert legend_texts(ax) == PARTS
    table = mt.r_squared(fits["slopes"]).decomposition
    shares = table[["total", "within", "between"]].fillna(0.0).to_numpy()
    widths, starts = drawn(ax)
    np.testing.assert_allclose(widths, shares, **EXACT)
    np.testing.assert_allclose(starts, np.cumsum(shares, axis=0) - shares, **EXACT)
    between = table["between"]
    assert (
        f"between: f2: predictors, between {between['fixed_between']:.1%}, "
        f"random intercepts {between['mean_variation']:.1%}." in plots.describe(ax)
    )


def test_several_fits_give_their_totals_side_by_side(fits):
    ax = plots.r_squared(fits)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["empty", "intake", "slopes"]
    totals = [mt.r_squared(fit).decomposition["total"] for fit in fits.values()]
    np.testing.assert_allclose(drawn(ax)[0], np.array(totals).T, **EXACT)
    assert ax.get_xlabel() == "Share of the total variance"
    names = [t.get_text() for t in plots.r_squared(list(fits.values())).get_yticklabels()]
    assert names == ["Model 1", "Model 2", "Model 3"]


def test_parts_that_no_bar_has_are_left_out(fits):
    assert legend_texts(plots.r_squared(fits["empty"])) == PARTS[3:]
    ax = plots.r_squared({"empty": fits["empty"], "intake": fits["intake"]})
    assert legend_texts(ax) == [PARTS[1], PARTS[3], PARTS[4]]


def test_no_variance_between_clusters_leaves_an_empty_bar():
    table = pd.DataFrame({"g": np.repeat(np.arange(10), 5), "y": np.tile([1.0, 2, 3, 4, 5], 10)})
    ax = plots.r_squared(mt.fit_empty("y", table, cluster="g"))
    np.testing.assert_allclose(drawn(ax)[0], [[1.0, 1.0, 0.0]], **EXACT)
    assert plots.describe(ax).endswith("between: no variance.")


def test_neighbours_differ_in_hatch_or_in_lightness(fits):
    """So that a greyscale print can be read (ITU-R BT.709 lightness)."""
    bars = [part[0] for part in plots.r_squared(fits["slopes"]).containers]
    for k, bar in enumerate(bars):
        for other in bars[k + 1 :]:
            tones = [
                np.array(b.get_facecolor()[:3]) @ [0.2126, 0.7152, 0.0722] for b in (bar, other)
            ]
            assert bar.get_hatch() != other.get_hatch() or abs(np.diff(tones)[0]) > LIGHTNESS


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("one", [True, False])
def test_no_text_overlaps_any_other(fits, one, half):
    with plots.style():
        ax = plt.subplots(1, 2, figsize=(9, 4))[1][1] if half else None
        ax = plots.r_squared(fits["slopes"] if one else fits, ax=ax)
        ax.figure.canvas.draw()
        texts = [*ax.texts, ax.xaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        boxes = [Text.get_window_extent(t) for t in [*texts, *ax.get_legend().get_texts()]]
        assert not any(
            box.overlaps(other) for k, box in enumerate(boxes) for other in boxes[k + 1 :]
        )


def test_draws_into_the_given_axes_and_changes_no_setting(fits):
    ax = plt.figure().subplots()
    before = mpl.rcParams.copy()
    assert plots.r_squared(fits["empty"], ax=ax) is ax
    assert before == mpl.rcParams


@pytest.mark.parametrize(
    ("bad", "words"),
    [([], "no fit at all"), ("empty", "it got str"), ([1], "got int"), ({"m": None}, "NoneType")],
)
def test_refuses_what_is_not_a_fit(bad, words):
    with pytest.raises(ModelError, match=f"r_squared.*{words}"):
        plots.r_squared(bad)
