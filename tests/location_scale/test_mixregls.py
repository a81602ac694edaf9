"""The model that MIXREGLS fits (Hedeker & Nordgren 2013), on a table of the shape of its example.

Patients over six weeks with gaps, a group of patients that differs in level, in the variance
between and in the variance within, and a random effect of the log variance that is independent of
the level. The log-likelihood is written out here without anything of the package.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlteach.location_scale.fit import fit_location_scale

MEAN = "hamdep ~ week + endog + endweek + (1 | id)"
VARIANCE = "~ week + endog + (1 | id)"
NODES = np.linspace(-6.0, 6.0, 401)  # standard deviations of v: far into both tails


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    rng = np.random.default_rng(66)
    table = pd.DataFrame({"id": np.repeat(np.arange(66), 6), "week": np.tile(np.arange(6), 66)})
    table["endog"] = (table["id"] >= 29).astype(int)
    table["endweek"] = table["endog"] * table["week"]
    u = rng.normal(0, np.exp(0.5 * (2.2 + 0.5 * (np.arange(66) >= 29))))
    v = rng.normal(0, 0.7, 66)
    spread = np.exp(0.5 * (2.1 + 0.18 * table["week"] + 0.3 * table["endog"] + v[table["id"]]))
    mean = 22.2 - 2.24 * table["week"] + 1.86 * table["endog"] - 0.015 * table["endweek"]
    table["hamdep"] = mean + u[table["id"]] + spread * rng.standard_normal(len(table))
    return table[rng.random(len(table)) > 21 / 396]


@pytest.fixture(scope="module")
def fit(patients):
    return fit_location_scale(
        MEAN, VARIANCE, patients, between={"Intercept": "~ endog"}, association=False
    )


def log_likelihood(patients, beta, kappa, alpha, sd_v) -> float:
    """Integrate over v on a fine grid; given v the scores of a patient are multivariate normal."""
    total = 0.0
    for _, rows in patients.groupby("id"):
        one = np.ones(len(rows))
        X = np.column_stack([one, rows[["week", "endog", "endweek"]]])
        W = np.column_stack([one, rows[["week", "endog"]]])
        tau2 = np.exp(kappa @ [1.0, rows["endog"].iloc[0]])
        V = tau2 + np.exp(W @ alpha + sd_v * NODES[:, None])[:, :, None] * np.eye(len(rows))
        e = rows["hamdep"].to_numpy() - X @ beta
        squares = (
            np.linalg.solve(V, np.broadcast_to(e[:, None], (len(NODES), len(e), 1)))[..., 0] @ e
        )
        logs = -0.5 * (squares + np.linalg.slogdet(2 * np.pi * V)[1])
        total += np.log(np.trapezoid(np.exp(logs) * stats.norm.pdf(NODES), NODES))
    return total


def parameters(fit):
    kappa = fit.between.loc["Intercept", "estimate"].to_numpy()
    sd_v = np.sqrt(fit.random.loc["scale:Intercept", "scale:Intercept"])
    return fit.mean["estimate"].to_numpy(), kappa, fit.log_variance["estimate"].to_numpy(), sd_v


def test_log_likelihood_by_plain_integration(fit, patients):
    assert fit.llf == pytest.approx(log_likelihood(patients, *parameters(fit)), abs=1e-5)


def test_no_neighbour_is_better(fit, patients):
    """The optimum is one of the integral, not of its approximation."""
    best = parameters(fit)
    for k in range(4):
        for step in (-1e-2, 1e-2):
            other = list(best)
            other[k] = other[k] + step
            assert log_likelihood(patients, *other) < fit.llf


def test_what_the_book_promises_of_the_call(fit):
    assert fit.converged
    assert list(fit.mean.index) == ["Intercept", "week", "endog", "endweek"]
    assert list(fit.log_variance.index) == ["Intercept", "week", "endog"]
