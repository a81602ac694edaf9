"""Likelihood-ratio tests of location-scale models: degrees of freedom, mixtures, refusals."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale
from mlteach.location_scale.nesting import not_nested


@pytest.fixture(scope="module")
def some(hsb):
    """The first 40 schools, with a second grouping of the same rows."""
    table = hsb[hsb["school"].isin(sorted(hsb["school"].unique())[:40])].reset_index(drop=True)
    return table.assign(other=np.arange(len(table)) % 30)


@pytest.fixture(scope="module")
def model1(some):
    return fit_location_scale("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", some)


def test_lr_tests(model1, some):
    mixed = mt.fit_mixed("math ~ catholic + (1 | school)", some, reml=False)
    fixed = fit_location_scale("math ~ catholic + (1 | school)", "~ catholic", some)
    test = model1.lr_test(fixed)
    assert test.df == 2
    assert test.weights == (0.0, 0.5, 0.5)
    assert np.isclose(test.statistic, 2 * (model1.llf - fixed.llf))
    assert fixed.lr_test(mixed).p_mixture == fixed.lr_test(mixed).p
    with pytest.raises(mt.ModelError, match="goes into the brackets"):
        fixed.lr_test(model1)
    with pytest.raises(mt.ModelError, match="by REML and the other by ML"):
        fixed.lr_test(mt.fit_mixed("math ~ catholic + (1 | school)", some))
    with pytest.raises(mt.ModelError, match="use .* rows"):
        fixed.lr_test(mt.fit_mixed("math ~ 1 + (1 | school)", some[10:], reml=False))


@pytest.mark.parametrize(
    ("mean", "variance", "why"),
    [
        ("math ~ ses + (1 | school)", "~ catholic", "fixed effects that are no combination"),
        ("math ~ catholic + (1 | school)", "~ ses", "predictors of the variance"),
        ("math ~ 1 + (0 + ses | school)", "~ 1", "random effects"),
        ("math ~ 1 + (1 | other)", "~ 1", "clusters differ"),
    ],
)
def test_models_that_are_not_nested_are_refused(model1, some, mean, variance, why):
    with pytest.raises(mt.ModelError, match=why):
        model1.lr_test(fit_location_scale(mean, variance, some))
    if variance == "~ 1":
        with pytest.raises(mt.ModelError, match=why):
            model1.lr_test(mt.fit_mixed(mean, some, reml=False))


def test_forms_of_association_are_nested_in_order(model1, some):
    mean, variance = "math ~ catholic + (1 | school)", "~ catholic + (1 | school)"
    none = fit_location_scale(mean, variance, some, association=False)
    quadratic = fit_location_scale(mean, variance, some, association="quadratic")
    alone = fit_location_scale(mean, "~ catholic", some, association="quadratic")
    assert model1.lr_test(none).weights == (0.0, 1.0)
    assert quadratic.lr_test(model1).df == 1
    assert quadratic.lr_test(alone).weights == (0.5, 0.5)
    bigger = fit_location_scale(mean, "~ catholic + ses + (1 | school)", some)
    with pytest.raises(mt.ModelError, match="location effect enters"):
        bigger.lr_test(alone)


def test_level_two_functions_are_nested_by_their_predictors(model1, some):
    mean, variance = "math ~ catholic + (1 | school)", "~ catholic + (1 | school)"
    functions = fit_location_scale(mean, variance, some, between={"Intercept": "~ catholic"})
    assert functions.lr_test(model1).df == 1
    bigger = fit_location_scale("math ~ catholic + ses + (1 | school)", "~ catholic + ses"
                                " + (1 | school)", some)  # fmt: skip
    with pytest.raises(mt.ModelError, match="level-2 functions"):
        bigger.lr_test(functions)
    with pytest.raises(mt.ModelError, match="needs a mixed or a location-scale"):
        bigger.lr_test("math ~ 1")


def test_an_effect_of_u_alone_is_a_scale_effect_that_correlates_perfectly(model1, some):
    mean = "math ~ catholic + (1 | school)"
    alone = fit_location_scale(mean, "~ catholic", some, association="linear")
    assert model1.lr_test(alone).weights == (0.5, 0.5)
    assert alone.lr_test(fit_location_scale(mean, "~ catholic", some)).weights == (0.0, 1.0)


def test_effects_that_correlate_through_others_only(some):
    """Uncorrelated location effects that both go with v: their covariance is what v makes it."""
    variance = "~ 1 + (1 | school)"
    apart = fit_location_scale("math ~ ses + (1 + ses || school)", variance, some)
    together = fit_location_scale("math ~ ses + (1 + ses | school)", variance, some)
    one = fit_location_scale("math ~ ses + (1 | school)", variance, some)
    assert together.lr_test(apart).df == 1
    assert apart.lr_test(one).weights == (0.0, 0.5, 0.5)
    assert "random effects" in not_nested(together, apart)
