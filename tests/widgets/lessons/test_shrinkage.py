"""The lesson on shrinkage: arrows and errors are the package's, and the best place exists."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.widgets.lessons.shrinkage import EVERY, WIDGET, parts, pooled, schools

ROUNDING = 1e-9
#: The fit stops where the deviance changes no more.
FITTED = 1e-6
PRINTED = 0.005 + 1e-9
HSB_TAU2, HSB_SIGMA2 = 8.614, 39.148
SHARES = pytest.mark.parametrize("share", [10, 25, 50])


def error(guess, others):
    return float(((guess - others) ** 2).mean() ** 0.5)


def errors(share, sample, sigma2=40.0):
    """Error of the shrunken means by τ², on the grid of the website."""
    n, own, others = parts(share, sample)
    tau2 = WIDGET.controls[0].values
    return {t: error(pooled(own, n, t, sigma2)[2], others) for t in tau2}


@SHARES
def test_shrunken_means_are_those_of_the_package(share):
    """At the variances that a fit to the drawn students finds."""
    rng = np.random.default_rng([8, 1])
    n, own, _ = parts(share, 1)
    drawn = [rng.permutation(s)[:k] for s, k in zip(schools(), n, strict=True)]
    rows = pd.DataFrame({"math": np.concatenate(drawn), "school": np.repeat(np.arange(len(n)), n)})
    fit = mt.fit_empty("math", rows, cluster="school")
    table = mt.shrinkage(fit)
    weight, grand, partial = pooled(own, n, *fit.variances["estimate"])
    assert table["none"].to_numpy() == pytest.approx(own)
    assert weight == pytest.approx(table["weight"].to_numpy(), rel=FITTED)
    assert grand == pytest.approx(fit.params["Intercept"], rel=FITTED)
    assert partial == pytest.approx(table["partial"].to_numpy(), rel=FITTED)


@SHARES
def test_drawn_and_other_students_make_up_the_school(share):
    n, own, others = parts(share, 2)
    size = np.array([len(scores) for scores in schools()])
    whole = np.array([scores.mean() for scores in schools()])
    assert (n >= 1).all() and (n < size).all()
    assert (n * own + (size - n) * others) / size == pytest.approx(whole)
    assert n.sum() / size.sum() == pytest.approx(share / 100, abs=0.01)


def test_arrows_bars_and_readouts_show_the_same_numbers():
    panel = WIDGET.panel(tau2=8.0, sigma2=40, share=25, sample=3)
    n, own, others = parts(25, 3)
    weight, grand, partial = pooled(own, n, 8.0, 40)
    left, right = panel.figure.axes
    segments = np.array(left.collections[0].get_segments())
    assert segments[:, 0, 1] == pytest.approx(own[::EVERY])
    assert segments[:, 1, 1] == pytest.approx(partial[::EVERY])
    widths = [bar.get_width() for bar in right.patches]
    assert widths == pytest.approx([error(g, others) for g in (grand, own, partial)])
    shown = [float(text.split()[0]) for text in panel.readouts.values()]
    assert shown == pytest.approx([weight.mean(), widths[1], widths[2]], abs=PRINTED)


def test_extremes():
    n, own, _ = parts(10, 1)
    weight, grand, partial = pooled(own, n, 0.0, 20)
    assert not weight.any()
    assert partial == pytest.approx(np.full(len(own), grand), abs=ROUNDING)
    assert grand == pytest.approx(np.average(own, weights=n))


def test_all_drawn_means_of_all_samples_are_inside_of_the_picture():
    low, high = WIDGET.panel().figure.axes[0].get_ylim()
    slider = WIDGET.controls[3]
    for share in range(10, 51, 5):
        for sample in range(slider.start, slider.stop + 1):
            shown = parts(share, sample)[1][::EVERY]
            assert low < shown.min() and shown.max() < high - 3, (share, sample)


def test_only_the_ratio_of_the_variances_counts():
    n, own, _ = parts(10, 1)
    one, other = (pooled(own, n, 2.0 * k, 10.0 * k) for k in (1, 4))
    assert one[2] == pytest.approx(other[2])
    for k in (1, 2, 4, 8):
        assert WIDGET.place(WIDGET.start | {"tau2": 2.0 * k, "sigma2": 10 * k}) >= 0


@SHARES
@pytest.mark.parametrize("sample", [1, 2, 3])
def test_the_question_has_an_answer(share, sample):
    """The best of the grid has the ratio that is next to the one estimated from all students."""
    found = errors(share, sample)
    best = min(found, key=found.get)
    assert best / 40 / (HSB_TAU2 / HSB_SIGMA2) == pytest.approx(1, abs=1)
    assert found[8.0] < found[64.0] and found[8.0] < found[0.0]


@pytest.mark.parametrize("sample", [1, 2, 3])
def test_little_is_left_to_gain_with_half_of_the_students(sample):
    gains = []
    for share in (10, 25, 50):
        _, own, others = parts(share, sample)
        gains.append(error(own, others) - errors(share, sample)[8.0])
    assert gains[0] > gains[1] > gains[2] > 0
    assert gains[0] > 0.7 and gains[2] < 0.15
