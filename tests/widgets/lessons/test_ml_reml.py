"""The lesson on ML and REML: the exact distribution against fits, simulation and the formula."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach.mixed.bootstrap import Refitter
from mlteach.widgets.lessons.ml_reml import EDGES, METHODS, WIDGET, Estimate

#: SSW is taken at 200 quantiles: the tails between them are left out.
QUANTILES = 2e-3
PRINTED = 0.005 + 1e-9
DRAWS = 400_000
#: Four Monte Carlo standard errors.
NOISE = 4.0
#: Schools, n, ICC, p2.
PLACES = [(5, 5, 0.05, 1), (5, 20, 0.2, 2), (10, 5, 0.1, 4), (50, 20, 0.5, 1), (7, 50, 0.05, 2)]
EVERYWHERE = pytest.mark.parametrize("place", PLACES)


def drawn(method, schools, n, icc, p2):
    """Estimates in multiples of τ², from drawn sums of squares."""
    rng = np.random.default_rng(9)
    tau2, sigma2 = icc, 1 - icc
    ssb = (sigma2 + n * tau2) * rng.chisquare(schools - p2, DRAWS)
    within = schools * (n - 1)
    msw = sigma2 * rng.chisquare(within, DRAWS) / within
    df = schools if method == "ML" else schools - p2
    return np.maximum(ssb / df - msw, 0) / n / tau2


@EVERYWHERE
@pytest.mark.parametrize("method", METHODS)
def test_distribution_is_that_of_drawn_sums_of_squares(method, place):
    found, draws = Estimate(method, *place), drawn(method, *place)
    assert found.mean == pytest.approx(
        draws.mean(), abs=NOISE * draws.std() / DRAWS**0.5 + QUANTILES
    )
    above = (draws[:, None] > EDGES).mean(axis=0)
    assert found.above(EDGES) == pytest.approx(above, abs=NOISE * 0.5 / DRAWS**0.5 + QUANTILES)


@EVERYWHERE
@pytest.mark.parametrize("method", METHODS)
def test_zeros_are_the_tail_of_an_f_distribution(method, place):
    schools, n, icc, p2 = place
    df = schools if method == "ML" else schools - p2
    limit = df / (schools - p2) * (1 - icc) / (1 - icc + n * icc)
    exact = stats.f.cdf(limit, schools - p2, schools * (n - 1))
    assert Estimate(method, *place).zero == pytest.approx(exact, abs=QUANTILES)


@pytest.mark.parametrize("reml", [False, True])
def test_fits_of_the_package_have_this_distribution(reml):
    """One level-2 predictor beside the intercept, 600 data sets of six schools of five."""
    rng = np.random.default_rng(6)
    J, n, icc, draws = 6, 5, 0.1, 600
    school = np.repeat(np.arange(J), n)
    u, e = rng.normal(0, icc**0.5, (draws, J)), rng.normal(0, (1 - icc) ** 0.5, (draws, J * n))
    outcomes = u[:, school] + e
    data = pd.DataFrame({"y": outcomes[0], "w": school % 2, "school": school})
    refit = Refitter(mt.fit_mixed("y ~ w + (1 | school)", data, reml=reml))
    found = np.array([refit(y).tau.iloc[0, 0] for y in outcomes]) / icc
    exact = Estimate("REML" if reml else "ML", J, n, icc, 2)
    assert found.mean() == pytest.approx(exact.mean, abs=NOISE * found.std() / draws**0.5)
    share = exact.zero
    assert (found < 1e-6).mean() == pytest.approx(
        share, abs=NOISE * (share * (1 - share) / draws) ** 0.5
    )


def test_formula_of_the_chapter_holds_where_zeros_are_rare():
    J, n, icc, p2 = 50, 20, 0.2, 2
    expected = 1 - p2 / J * (1 + (1 - icc) / icc / n)
    assert Estimate("ML", J, n, icc, p2).mean == pytest.approx(expected, abs=1e-4)
    assert Estimate("REML", J, n, icc, p2).mean == pytest.approx(1, abs=1e-4)


@EVERYWHERE
def test_bars_readouts_and_means(place):
    panel = WIDGET.panel(**dict(zip(WIDGET.start, place, strict=True)))
    shown = [float(text.rstrip("%")) for text in panel.readouts.values()]
    for k, (method, ax) in enumerate(zip(METHODS, panel.figure.axes, strict=True)):
        exact = Estimate(method, *place)
        bars, zero = (patch.get_data().values for patch in ax.patches)
        assert bars.sum() + zero.sum() == pytest.approx(1)
        assert zero == pytest.approx([exact.zero])
        assert ax.lines[0].get_xdata() == pytest.approx([exact.mean] * 2)
        assert (shown[k], shown[2 + k]) == pytest.approx(
            (exact.mean, 100 * exact.zero), abs=0.05 + PRINTED
        )


def test_means_stay_inside_of_the_picture():
    for values in WIDGET.grid():
        for method in METHODS:
            assert 0 < Estimate(method, *values.values()).mean < EDGES[-1], values


def test_the_question_has_an_answer():
    """The chapter's study of five schools loses about half; with many zeros REML gains."""
    half = {"schools": 5, "n": 20, "icc": 0.2, "p2": 2}
    assert WIDGET.place(half) >= 0
    assert Estimate("ML", *half.values()).mean == pytest.approx(0.5, abs=0.05)
    biased = {"schools": 5, "n": 5, "icc": 0.05, "p2": 1}
    assert WIDGET.place(biased) >= 0
    reml = Estimate("REML", *biased.values())
    assert reml.mean > 1.5 and reml.zero > 0.3
    # Without the cut at zero the mean would be right: what is lacking below pays for it.
    negative = reml.slope * reml.df - reml.shift.mean()
    assert negative == pytest.approx(1, abs=QUANTILES)
