"""The lesson on testing a variance: tails, limits and p-values against scipy and the package."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach.mixed.bootstrap import null_drops
from mlteach.widgets.lessons.mixture_test import (
    EDGES,
    TESTED,
    WIDGET,
    limits,
    mixture_tail,
    naive_tail,
)

ROUNDING = 1e-9
DROPS = np.array([0.1, 0.8, 2.7, 5.14, 11.9])
EACH = pytest.mark.parametrize("k", [0, 1, 2])


def tail(x, df):
    return stats.chi2.sf(x, df) if df else np.where(np.asarray(x) > 0, 0.0, 1.0)


@EACH
def test_tails_are_those_of_chi_square(k):
    assert naive_tail(DROPS, k) == pytest.approx(stats.chi2.sf(DROPS, k + 1))
    mixture = (tail(DROPS, k) + tail(DROPS, k + 1)) / 2
    assert mixture_tail(DROPS, k) == pytest.approx(mixture)
    assert mixture_tail(0.0, k) == naive_tail(0.0, k) == 1


@pytest.mark.parametrize(
    ("k", "published"), [(0, 2.71), (1, 5.14), (2, 7.05)]
)  # Fitzmaurice, Laird & Ware (2011), table of critical values of mixtures
def test_limits_are_the_published_ones(k, published):
    naive, mixture = limits(k)
    assert naive == pytest.approx(stats.chi2.isf(0.05, k + 1))
    assert mixture_tail(mixture, k) == pytest.approx(0.05, abs=ROUNDING)
    assert mixture == pytest.approx(published, abs=0.005)


@EACH
@pytest.mark.parametrize("drop", [0.0, 0.7, 3.2, 12.0])
def test_readouts_are_p_values(k, drop):
    panel = WIDGET.panel(tested=tuple(TESTED)[k], drop=drop)
    naive, mixture = tail(drop, k + 1), (tail(drop, k) + tail(drop, k + 1)) / 2
    shown = [f"{p:.3f}" if p >= 0.0005 else "<0.001" for p in (naive, mixture)]
    assert list(panel.readouts.values())[:2] == shown


def test_p_values_are_those_of_compare():
    """The test of a random slope in the chapter's data, and of an intercept."""
    hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    fixed = "math ~ ses_within * (mean_ses + catholic)"
    one, two = (mt.fit_mixed(f"{fixed} + ({r} | school)", hsb) for r in ("1", "1 + ses_within"))
    row = mt.compare(one, two).iloc[1]
    panel = WIDGET.panel(tested="a slope, with 1 covariance", drop=float(row["lr"]))
    assert panel.readouts["naive p"] == f"{row['p']:.3f}"
    assert panel.readouts["mixture p"] == f"{row['p_mixture']:.3f}"


def test_bars_are_the_shares_of_simulated_drops():
    """Drops of models fitted to 400 data sets in which no slope varies, 60 schools of 10."""
    rng, J, n = np.random.default_rng(5), 60, 10
    school, x = np.repeat(np.arange(J), n), np.tile(np.linspace(-1.5, 1.5, n), J)
    y = rng.normal(0, 0.5, J)[school] + rng.normal(0, 1, J * n)
    toy = pd.DataFrame({"y": y, "x": x, "school": school})
    small = mt.fit_mixed("y ~ x + (1 | school)", toy)
    big = mt.fit_mixed("y ~ x + (1 + x | school)", toy)
    drops = null_drops(small, big, n=400, seed=1, progress=False)
    shares = np.histogram(drops, EDGES)[0] / 400
    expected = -np.diff(mixture_tail(EDGES, 1))
    noise = (expected * (1 - expected) / 400) ** 0.5
    # Many clusters is an approximation: three standard errors and two percentage points.
    assert (np.abs(shares - expected) < 3 * noise + 0.02).all()


@EACH
@pytest.mark.parametrize("drop", [0.0, 3.2, 7.5])
def test_red_area_is_the_mixture_p(k, drop):
    left, right = WIDGET.panel(tested=tuple(TESTED)[k], drop=drop).figure.axes
    bars = [p for p in left.patches if hasattr(p, "get_width")]
    area = {"beyond": 0.0, "before": 0.0}
    for bar in bars:
        where = "beyond" if bar.get_x() >= drop - ROUNDING else "before"
        area[where] += bar.get_width() / 0.5 * bar.get_height()
    spike = 0.5 if k == 0 else 0.0
    assert sum(area.values()) + spike == pytest.approx(1 - mixture_tail(12.0, k))
    if drop in EDGES:
        assert area["beyond"] + spike * (drop == 0) == pytest.approx(
            mixture_tail(drop, k) - mixture_tail(12.0, k)
        )
    dots = [float(line.get_ydata()[0]) for line in right.lines[1:4:2]]
    assert dots == pytest.approx([mixture_tail(drop, k), naive_tail(drop, k)])


def test_the_question_has_an_answer():
    """Between the two limits only the mixture rejects; the mistake shrinks with each covariance."""
    gaps = []
    for k, tested in enumerate(TESTED):
        naive, mixture = limits(k)
        middle = round((naive + mixture) / 2, 1)
        assert "the mixture rejects and" in WIDGET.panel(tested=tested, drop=middle).description
        assert "neither" in WIDGET.panel(tested=tested, drop=round(mixture - 0.2, 1)).description
        assert "both" in WIDGET.panel(tested=tested, drop=round(naive + 0.2, 1)).description
        gaps.append(mixture_tail(naive, k) / 0.05)
    assert gaps[0] == pytest.approx(0.5)
    assert gaps == sorted(gaps)
