"""Limits on the log, logit and Fisher-z scales: what they do to the scale, and at boundaries."""

import numpy as np
import pytest

from mlteach.core.distributions import fisher_limits, log_limits, logit_limits

Z = 1.959963984540054


@pytest.mark.parametrize(
    ("limits", "scale", "slope"),
    [
        (log_limits, np.log, lambda x: 1 / x),
        (logit_limits, lambda x: np.log(x / (1 - x)), lambda x: 1 / (x * (1 - x))),
        (fisher_limits, np.arctanh, lambda x: 1 / (1 - x**2)),
    ],
)
@pytest.mark.parametrize("value", [0.02, 0.4, 0.93])
def test_limits_are_symmetric_on_their_scale(limits, scale, slope, value):
    lower, upper = limits(value, 0.05)
    half = Z * 0.05 * slope(value)
    assert scale(lower) == pytest.approx(scale(value) - half)
    if scale(value) + half < 15:  # beyond, the upper limit is 1 to the last digit
        assert scale(upper) == pytest.approx(scale(value) + half)


def test_arrays_and_levels():
    value, se = np.array([0.2, 0.5]), np.array([0.05, 0.1])
    for limits in (log_limits, logit_limits, fisher_limits):
        lower, upper = limits(value, se, 0.9)
        assert lower[1], upper[1] == limits(0.5, 0.1, 0.9)
        assert (lower > limits(value, se)[0]).all()


def test_a_correlation_of_one_has_no_limits():
    assert np.isnan(fisher_limits(-1.0, 0.1)).all()
