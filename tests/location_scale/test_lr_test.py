"""Likelihood-ratio tests of location-scale models: degrees of freedom, mixtures, refusals."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale


@pytest.fixture(scope="module")
def model1(hsb):
    return fit_location_scale("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", hsb)


def test_lr_tests(model1, hsb):
    mixed = mt.fit_mixed("math ~ catholic + (1 | school)", hsb, reml=False)
    fixed = fit_location_scale("math ~ catholic + (1 | school)", "~ catholic", hsb)
    test = model1.lr_test(fixed)
    assert test.df == 2
    assert test.weights == (0.0, 0.5, 0.5)
    assert np.isclose(test.statistic, 2 * (model1.llf - fixed.llf))
    assert fixed.lr_test(mixed).p_mixture == fixed.lr_test(mixed).p
    with pytest.raises(mt.ModelError, match="goes into the brackets"):
        fixed.lr_test(model1)
    with pytest.raises(mt.ModelError, match="by REML and the other by ML"):
        fixed.lr_test(mt.fit_mixed("math ~ catholic + (1 | school)", hsb))
    with pytest.raises(mt.ModelError, match="different rows"):
        fixed.lr_test(mt.fit_mixed("math ~ 1 + (1 | school)", hsb[10:], reml=False))
