"""The optimiser finds minima and does not claim ones it has not reached."""

import numpy as np
import pytest

from mlteach.core.optim import minimize


class Rosenbrock:
    """Banana valley with its minimum at (1, 1)."""

    def value_and_gradient(self, t):
        x, y = t
        value = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        return value, np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])

    def hessian(self, t):
        x, y = t
        return np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])


class Saddle:
    """x^2 - y^2 + y^4: a saddle at the origin, minima at y = ±1/sqrt(2)."""

    def value_and_gradient(self, t):
        x, y = t
        return x**2 - y**2 + y**4, np.array([2 * x, -2 * y + 4 * y**3])

    def hessian(self, t):
        return np.diag([2.0, -2 + 12 * t[1] ** 2])


def test_walks_a_curved_valley():
    record = minimize(Rosenbrock(), np.array([-1.2, 1.0]))
    assert record.converged
    assert np.allclose(record.end, 1.0, atol=1e-10)
    assert record.f_end < record.f_start
    assert record.n_eval == len(record.trace)


def test_leaves_a_saddle_along_negative_curvature():
    record = minimize(Saddle(), np.array([1.0, 1e-3]))
    assert record.converged
    assert np.isclose(abs(record.end[1]), np.sqrt(0.5))


def test_a_search_cut_short_is_not_called_converged():
    record = minimize(Rosenbrock(), np.array([-1.2, 1.0]), max_iter=3)
    assert not record.converged
    assert "did not converge" in record.status
    assert record.gain > 1e-3


def test_a_saddle_point_itself_is_not_called_converged():
    record = minimize(Saddle(), np.zeros(2))
    assert not record.converged


class Bowl:
    """Curvatures (steep, flat) at a point without slope."""

    def __init__(self, steep, flat):
        self.curvature = np.diag([steep, flat])

    def value_and_gradient(self, t):
        return 0.5 * t @ self.curvature @ t, self.curvature @ t

    def hessian(self, t):
        return self.curvature


@pytest.mark.parametrize("steep", [1e-3, 1.0, 1e10])
def test_curvature_below_rounding_of_the_steepest_is_none(steep):
    flat = max(1.0, steep)
    assert minimize(Bowl(steep, -1e-8 * flat), np.zeros(2)).converged
    assert not minimize(Bowl(steep, -1e-6 * flat), np.zeros(2)).converged


def test_a_search_that_ends_where_the_deviance_has_no_value_has_not_converged():
    class Cliff:
        def value_and_gradient(self, theta):
            return np.inf, np.zeros_like(theta)

        def hessian(self, theta):
            return np.eye(len(theta))

    record = minimize(Cliff(), np.ones(2))
    assert not record.converged and "no value" in record.status
