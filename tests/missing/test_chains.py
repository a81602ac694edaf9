"""R-hat and effective sample size: against ArviZ, chains of known autocorrelation, few draws."""

import numpy as np
import pytest

from mlteach.missing.chains import (
    autocorrelation,
    autocovariance,
    effective_size,
    halves,
    split_rhat,
)

SAME = 1e-10  # the same formulas in another order


def chains(rho, shape=(4, 500, 3), seed=1):
    """Stationary first-order autoregressive chains."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    out = np.empty(shape)
    out[:, 0] = noise[:, 0]
    for k in range(1, shape[1]):
        out[:, k] = rho * out[:, k - 1] + np.sqrt(1 - rho**2) * noise[:, k]
    return out


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("length", [500, 501])
def test_numbers_of_arviz(rho, length):
    az = pytest.importorskip("arviz")
    draws = chains(rho, (4, length, 3))
    draws[0] += 0.3
    ess, rhat = effective_size(draws), split_rhat(draws)
    for k in range(3):
        assert rhat[k] == pytest.approx(float(az.rhat(draws[:, :, k], method="split")), rel=SAME)
        # ArviZ ends the sum of pairs one term later.
        assert ess[k] == pytest.approx(float(az.ess(draws[:, :, k], method="mean")), rel=0.05)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_size_of_autoregressive_chains(rho):
    """Independent draws worth: (1 - rho) / (1 + rho) of them."""
    draws = chains(rho, (4, 5000, 8))
    expected = 20_000 * (1 - rho) / (1 + rho)
    assert effective_size(draws).mean() == pytest.approx(expected, rel=0.1)
    assert np.all(np.abs(split_rhat(draws) - 1.0) < 0.02)
    assert autocorrelation(draws, 3).mean() == pytest.approx(rho**3, abs=0.03)


def test_chains_apart_and_chains_that_drift():
    draws = chains(0.0)
    apart = draws + 2.0 * np.arange(4)[:, None, None]
    drifting = draws + np.linspace(0, 3, 500)[:, None]
    assert np.all(split_rhat(apart) > 1.5) and np.all(split_rhat(drifting) > 1.1)
    assert np.all(effective_size(apart) < 20)


def test_autocovariance_is_the_plain_sum():
    draws = chains(0.5, (2, 30, 1))
    about = draws - draws.mean(axis=1, keepdims=True)
    plain = [(about[:, : 30 - lag] * about[:, lag:]).sum(axis=1) / 30 for lag in range(30)]
    np.testing.assert_allclose(autocovariance(draws), np.stack(plain, axis=1), atol=1e-12)


def test_halves_leave_out_a_middle_draw():
    draws = np.arange(5.0).reshape(1, 5, 1)
    assert halves(draws)[:, :, 0].tolist() == [[0, 1], [3, 4]]
