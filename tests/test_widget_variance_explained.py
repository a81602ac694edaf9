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
)

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9


def tau2(**values):
    return explained(formula_of(**(WIDGET.start | values)))[0]


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
    empty = explained("math ~ 1")
    for values in ({"mean_ses": IN}, {"sector": IN}):
        found = explained(formula_of(**(WIDGET.start | values)))
        assert found[0] < 0.8 * empty[0]
        assert found[1] == pytest.approx(empty[1], rel=1e-3)


def test_the_question_has_answers():
    """τ² grows with SES minus the school's mean, and with minority or SES beside the mean SES."""
    assert tau2(ses=DEVIATION) > tau2()
    assert tau2(mean_ses=IN, minority=IN) > tau2(mean_ses=IN)
    assert tau2(mean_ses=IN, ses=AS_IT_IS) > tau2(mean_ses=IN)
    assert tau2(minority=IN) < tau2(minority=OUT)


def test_with_the_mean_in_both_codings_of_ses_are_one_model():
    """Chapter 6: the two formulas are two spellings."""
    one, other = (
        explained(formula_of(**(WIDGET.start | {"mean_ses": IN, "ses": how})))
        for how in (AS_IT_IS, DEVIATION)
    )
    assert one == pytest.approx(other, rel=1e-5)


def test_percent_has_no_minus_zero():
    assert percent(-0.0002) == "0.0%"
    assert percent(-0.0067) == "−0.7%"
    assert percent(0.694) == "69.4%"
