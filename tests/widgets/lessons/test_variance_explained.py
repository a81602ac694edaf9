"""The lesson on explained variance: what it shows is a fit to the data, and its questions hold."""

import pytest

import mlteach as mt
from mlteach.widgets.lessons.variance_explained import (
    AS_IT_IS,
    DEVIATION,
    IN,
    OUT,
    WIDGET,
    explained,
    formula_of,
    percent,
    sample_of,
)

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9


ALL = 70


def found(students=ALL, **values):
    """What the lesson computes with some predictors in."""
    start = {name: value for name, value in WIDGET.start.items() if name != "students"}
    return explained(students, formula_of(**(start | values)))


def tau2(students=ALL, **values):
    return found(students, **values)[0]


def test_published_variances():
    """Raudenbush & Bryk (2002), chapter 4: 8.61 and 39.15; with the mean SES 2.64 and 39.16."""
    empty, with_ses = WIDGET.panel().readouts, WIDGET.panel(mean_ses=IN).readouts
    names = ("τ², between schools", "σ², within schools")
    assert [empty[n] for n in names] == ["8.61", "39.15"]
    assert [with_ses[n] for n in names] == ["2.64", "39.16"]
    assert empty["total R²"] == "0.0%"


def test_all_predictors_by_hand():
    """Variances and shares of the largest model, computed from its own fit."""
    hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    values = {"ses": DEVIATION, "minority": IN, "mean_ses": IN, "sector": IN}
    formula = "math ~ ses_within + minority + mean_ses + catholic"
    fit = mt.fit_random_intercept(formula, hsb, cluster="school")
    empty = mt.fit_empty("math", hsb, cluster="school")
    r = hsb["math"].corr(fit.predict(random=False))
    panel = WIDGET.panel(**values)
    assert float(panel.readouts["τ², between schools"]) == pytest.approx(
        fit.tau.iloc[0, 0], abs=PRINTED
    )
    assert float(panel.readouts["σ², within schools"]) == pytest.approx(fit.sigma2, abs=PRINTED)
    assert panel.readouts["total R²"] == f"{r**2:.1%}"
    left, right = panel.figure.axes
    assert [bar.get_width() for bar in left.patches] == pytest.approx(
        [empty.tau.iloc[0, 0], fit.tau.iloc[0, 0], empty.sigma2, fit.sigma2], rel=1e-6
    )
    shares = [1 - fit.tau.iloc[0, 0] / empty.tau.iloc[0, 0], 1 - fit.sigma2 / empty.sigma2, r**2]
    assert [bar.get_width() for bar in right.patches] == pytest.approx(shares, rel=1e-6)


def test_a_property_of_the_school_leaves_the_variance_within_alone():
    empty = found()
    for values in ({"mean_ses": IN}, {"sector": IN}):
        assert found(**values)[0] < 0.8 * empty[0]
        assert found(**values)[1] == pytest.approx(empty[1], rel=1e-3)


def test_the_question_has_answers():
    """τ² grows with SES minus the school's mean, and with minority or SES beside the mean SES."""
    assert tau2(ses=DEVIATION) > tau2()
    assert tau2(mean_ses=IN, minority=IN) > tau2(mean_ses=IN)
    assert tau2(mean_ses=IN, ses=AS_IT_IS) > tau2(mean_ses=IN)
    assert tau2(minority=IN) < tau2(minority=OUT)


def test_fewer_students_make_the_rise_larger():
    """What a predictor within schools takes from σ², divided by n, is what τ² gets."""
    rises = {n: -found(n, ses=DEVIATION)[2] for n in (5, 10, 20, 70)}
    assert sorted(rises.values(), reverse=True) == list(rises.values())
    empty, model = found(10), found(10, ses=DEVIATION)
    # All schools have ten students or more: the samples are balanced, and the formula is exact.
    assert set(sample_of(10).groupby("school").size()) == {10}
    assert model[0] - empty[0] == pytest.approx((empty[1] - model[1]) / 10, rel=1e-5)


def test_with_the_mean_in_both_codings_of_ses_are_one_model():
    """Chapter 6: the two formulas are two spellings."""
    one, other = (found(students=20, mean_ses=IN, ses=how) for how in (AS_IT_IS, DEVIATION))
    assert one == pytest.approx(other, rel=1e-5)


def test_percent_has_no_minus_zero():
    assert percent(-0.0002) == "0.0%"
    assert percent(-0.0067) == "−0.7%"
    assert percent(0.694) == "69.4%"
