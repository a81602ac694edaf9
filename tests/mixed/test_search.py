"""The minimum is the global one, in the interior and on the boundary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from mlteach import fit_mixed
from mlteach.core.linalg import ThetaMap
from mlteach.core.optim import minimize
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.search import _settle, _starts, global_minimum
from tests.mixed.test_deviance import problem


def with_centred_ses(hsb):
    return hsb.assign(ses_within=hsb.ses - hsb.mean_ses)


CROSS_LEVEL = "math ~ mean_ses*ses_within + catholic*ses_within + (1 + ses_within | school)"


def test_a_false_optimum_on_the_boundary_is_left(hsb):
    """With correlation ±1 the gradient vanishes at 46503.84, but a lower deviance is inside."""
    f = fit_mixed(CROSS_LEVEL, with_centred_ses(hsb)).problem
    stuck = minimize(f, np.array([0.25, 0.01, 0.0]))
    assert stuck.end[2] == 0.0
    assert stuck.grad_norm < 1e-6
    assert stuck.f_end + f.constant == pytest.approx(46503.84, abs=0.005)
    assert not stuck.converged
    settled = _settle(f, stuck)
    assert settled.converged
    assert settled.f_end + f.constant == pytest.approx(46503.66287, abs=1e-5)


def starts(map_, rng):
    return [rng.normal(scale=s, size=map_.m) for s in (0.1, 1, 10) for _ in range(2)]


@pytest.mark.parametrize("reml", [True, False])
@given(st.integers(0, 300), st.integers(1, 3))
def test_no_other_start_finds_a_lower_deviance(reml, seed, q):
    _, f = problem(seed, q, reml)
    record = global_minimum(f)
    rng = np.random.default_rng(seed)
    others = [
        optimize.minimize(f.value_and_gradient, s, jac=True, method="BFGS").fun
        for s in starts(f.map, rng)
    ]
    assert record.f_end <= min(others) + 1e-6


def test_zero_variance_is_exactly_zero(hsb):
    shuffled = hsb.assign(school=np.random.default_rng(0).permutation(hsb.school))
    fit = fit_mixed("math ~ ses + (1 | school)", shuffled)
    assert fit.variances.loc["Intercept", "estimate"] == 0
    assert fit.singular
    assert fit.converged
    assert fit.deviance == pytest.approx(
        fit.problem.value_and_gradient(np.zeros(1))[0] + fit.problem.constant
    )


def test_a_ray_with_two_valleys_is_searched_in_both():
    """Two groups of clusters that want different variances give a deviance with two minima."""

    class Valleys:
        """Deviance whose ray has minima at ratios 1e-2 and 1e4, the second deeper."""

        map = ThetaMap.from_blocks([(0,)])
        moments = type("M", (), {"R": np.ones((1, 1, 1)), "N": 1})

        def along_ray(self, psi, ratios):
            x = np.log10(ratios)
            return np.minimum((x + 2) ** 2, (x - 4) ** 2 - 1)

    assert np.allclose(sorted(s[0] ** 2 for s in _starts(Valleys())), [1e-2, 1e4])


def test_uncorrelated_blocks_escape_block_by_block(hsb):
    fit = fit_mixed("math ~ sector*ses_within + (ses_within || school)", with_centred_ses(hsb))
    f: ProfiledDeviance = fit.problem
    assert fit.converged
    for theta in np.array([[0.3, 0.05], [0.3, 0.0], [0.5, 0.2]]):
        assert f.value_and_gradient(theta)[0] >= fit.optimizer.f_end
