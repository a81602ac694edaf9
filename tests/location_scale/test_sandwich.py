"""Robust standard errors of location-scale fits: scores of clusters by brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import mlteach as mt
from mlteach.errors import ModelError

SAME = 2e-4  # relative, of a standard error: both derivatives of the reference are numerical


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    J, n = 30, 8
    school, w = np.repeat(np.arange(J), n), np.repeat(np.arange(J) % 2, n)
    x = rng.normal(size=J * n)
    spread = np.exp(0.4 * rng.normal(size=J)[school] + 0.2 * x + 0.3 * w)
    u = rng.normal(size=(J, 2)) * [0.8, 0.4]
    y = 10 + x + w + u[school, 0] + u[school, 1] * x + spread * rng.normal(size=J * n)
    table = pd.DataFrame({"y": y, "x": x, "w": w, "school": school})
    return table.drop(index=[3, 4, 50, 51, 52])


def brute_force(table: pd.DataFrame, slope: bool, theta: np.ndarray) -> np.ndarray:
    """Sandwich of (beta, alpha, lower triangle of L) from clusters' densities written out."""

    def logf(theta):
        beta, alpha, triangle = theta[:3], theta[3:6], theta[6:]
        L = np.zeros((1 + slope,) * 2)
        L[np.tril_indices(1 + slope)] = triangle
        out = []
        for _, rows in table.groupby("school"):
            X = np.column_stack([np.ones(len(rows)), rows["x"], rows["w"]])
            Z = X[:, : 1 + slope]
            V = Z @ L @ L.T @ Z.T + np.diag(np.exp(X @ alpha))
            out.append(multivariate_normal(X @ beta, V).logpdf(rows["y"]))
        return np.array(out)

    scores = np.array(
        [(logf(theta + s) - logf(theta - s)) / 2e-5 for s in 1e-5 * np.eye(len(theta))]
    )

    def gradient(theta):
        moves = 1e-4 * np.eye(len(theta))
        return np.array([(logf(theta + m).sum() - logf(theta - m).sum()) / 2e-4 for m in moves])

    H = np.array(
        [(gradient(theta + m) - gradient(theta - m)) / 2e-3 for m in 1e-3 * np.eye(len(theta))]
    )
    bread = np.linalg.inv(-0.5 * (H + H.T))
    return bread @ scores @ scores.T @ bread


@pytest.mark.parametrize("slope", [False, True], ids=["intercept", "slope"])
def test_without_scale_effects(table, slope) -> None:
    random = "(1 + x | school)" if slope else "(1 | school)"
    fit = mt.fit_location_scale(f"y ~ x + w + {random}", "~ x + w", table, robust="cluster")
    L = np.linalg.cholesky(fit.random.to_numpy())[np.tril_indices(1 + slope)]
    cov = brute_force(table, slope, np.concatenate([fit.params, L]))
    np.testing.assert_allclose(fit.bse, np.sqrt(np.diag(cov))[:6], rtol=SAME)
    # A variance is the square of its root: its standard error is 2 L_00 that of L_00.
    expected = 2 * L[0] * np.sqrt(cov[6, 6])
    assert fit.components.loc["Intercept", "se"] == pytest.approx(expected, rel=SAME)


def test_a_scale_effect_takes_up_what_the_sandwich_repairs(hsb) -> None:
    """With v the model's standard errors are right, and the sandwich changes little."""
    mean, variance = "math ~ sector + (1 | school)", "~ sector"
    fits = {
        (v, robust): mt.fit_location_scale(mean, variance + v, hsb, robust=robust).log_variance.loc[
            "sector[T.Public]", "se"
        ]
        for v in ("", " + (1 | school)")
        for robust in (None, "cluster")
    }
    assert fits["", "cluster"] > 1.1 * fits["", None]
    assert fits["", "cluster"] == pytest.approx(fits[" + (1 | school)", None], rel=0.1)
    assert fits[" + (1 | school)", "cluster"] == pytest.approx(
        fits[" + (1 | school)", None], rel=0.1
    )


def test_what_it_says_and_refuses(table) -> None:
    fit = mt.fit_location_scale("y ~ x + (1 | school)", "~ x", table, robust="cluster")
    plain = mt.fit_location_scale("y ~ x + (1 | school)", "~ x", table)
    assert fit.llf == plain.llf
    assert any("30 whole clusters" in note for note in fit.notes)
    for settings in ({"reml": True}, {"method": "bayes"}):
        with pytest.raises(ModelError, match="robust"):
            mt.fit_location_scale(
                "y ~ x + (1 | school)", "~ x", table, robust="cluster", **settings
            )
