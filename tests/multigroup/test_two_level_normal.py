"""The saturated two-level normal model: against the plain likelihood, and against lavaan."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.multigroup.deviance import GroupDeviance
from mlteach.multigroup.moments import group_moments
from mlteach.multigroup.two_level_normal import fit_two_level_normal
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "lavaan.json").read_text())["cases"]

# Tolerances with their reasons. lavaan stops on the change of its objective, so its estimates are
# good to about the root of its precision; its standard errors are numerical second derivatives.
LOGL = 1e-8  # relative
COVARIANCE = 1e-5  # of the geometric mean of the two variances
STANDARD_ERROR = 1e-5  # relative
DERIVATIVE = 1e-6  # relative to the largest; central differences with step 1e-6
PLAIN = 1e-10  # relative; the plain likelihood inverts matrices of cluster size


def problem(seed=0, J=12, p=3):
    """Return rows, cluster predictors, codes, the deviance and a possible parameter vector."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(J), rng.integers(1, 6, J))
    Y = rng.normal(size=(J, p))[codes] + rng.normal(size=(len(codes), p)) @ rng.normal(size=(p, p))
    W = np.column_stack([np.ones(J), rng.normal(size=J)])
    deviance = GroupDeviance(group_moments(Y, codes, np.zeros(len(Y), int), W[:, 1:]))
    root = rng.normal(size=(2, p, p))
    within, between = root @ root.transpose(0, 2, 1) + 0.3 * np.eye(p)
    theta = packed(rng.normal(size=(2, p)), within, between)
    return Y, W, codes, deviance, theta


def packed(Gamma, within, between):
    """Write the three matrices into one vector."""
    at = np.tril_indices(len(within))
    return np.concatenate([Gamma.ravel(), within[at], between[at]])


def plain_deviance(Y, W, codes, Gamma, within, between):
    """Minus twice the log-likelihood, cluster by cluster, with matrices of size p n_j."""
    total = 0.0
    for j in range(len(W)):
        rows = Y[codes == j]
        n, p = rows.shape
        V = np.kron(np.eye(n), within) + np.kron(np.ones((n, n)), between)
        d = (rows - W[j] @ Gamma).ravel()
        total += n * p * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + d @ np.linalg.solve(V, d)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_deviance_is_the_plain_one(seed):
    Y, W, codes, deviance, theta = problem(seed)
    Gamma, (within,), between = deviance.unpack(theta)
    expected = plain_deviance(Y, W, codes, Gamma, within, between)
    assert np.isclose(deviance.value_and_gradient(theta)[0], expected, rtol=PLAIN)


def test_deviance_allows_a_negative_variance_between():
    Y, W, codes, deviance, theta = problem(1)
    Gamma, (within,), _ = deviance.unpack(theta)
    between = -0.02 * np.eye(3)
    theta = packed(Gamma, within, between)
    expected = plain_deviance(Y, W, codes, Gamma, within, between)
    assert np.isclose(deviance.value_and_gradient(theta)[0], expected, rtol=PLAIN)
    impossible = packed(Gamma, within, -10 * np.eye(3) - 10 * within)
    assert deviance.value_and_gradient(impossible)[0] == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_derivatives(seed):
    *_, deviance, theta = problem(seed)
    gradient, hessian = deviance.value_and_gradient(theta)[1], deviance.hessian(theta)
    steps = 1e-6 * np.eye(len(theta))
    ahead, back = ([deviance.value_and_gradient(theta + s * e) for e in steps] for s in (1, -1))
    by_value = np.array([(a[0] - b[0]) / 2e-6 for a, b in zip(ahead, back, strict=True)])
    by_gradient = np.array([(a[1] - b[1]) / 2e-6 for a, b in zip(ahead, back, strict=True)])
    assert np.abs(by_value - gradient).max() < DERIVATIVE * np.abs(gradient).max()
    assert np.abs(by_gradient - hessian).max() < DERIVATIVE * np.abs(hessian).max()


def fit_case(case):
    """Fit the saturated model of a reference case; level-2 predictors enter as variables there."""
    path = REFERENCE / case["data"]
    # A different data file would make the comparison meaningless.
    assert hashlib.sha256(path.read_bytes()).hexdigest() == case["sha256"]
    data = pd.read_csv(path)
    codes, labels = pd.factorize(data[case["cluster"]])
    level2 = data.groupby(codes)[case["level2"]].first().to_numpy(float)
    W = np.column_stack([np.ones(len(labels)), level2])
    names = (case["y"], *case["both"])
    return fit_two_level_normal(data[list(names)].to_numpy(float), W, codes, names)


@pytest.mark.parametrize("case", [c for c in CASES if not c["level2"]], ids=lambda c: c["id"])
def test_against_lavaan(case):
    fit, expected = fit_case(case), case["saturated"]
    assert fit.optimizer.converged
    assert np.isclose(fit.llf, expected["logl"], rtol=LOGL)
    se = np.sqrt(np.diag(fit.cov_within_between)).reshape(2, -1)
    rows, cols = np.tril_indices(len(fit.names))
    for level, S, level_se in zip(
        ("within", "between"), (fit.within, fit.between), se, strict=True
    ):
        for k, (r, c) in enumerate(zip(rows, cols, strict=True)):
            a, b = fit.names[r], fit.names[c]
            size = np.sqrt(abs(S[r, r] * S[c, c]))
            assert abs(S[r, c] - expected[level][a][b]) < COVARIANCE * size
            known = expected["se"]
            key = next(k for k in (f"{a} ~~ {b} @ {level}", f"{b} ~~ {a} @ {level}") if k in known)
            assert np.isclose(level_se[k], known[key], rtol=STANDARD_ERROR)
    means = [expected["mean"][name] for name in fit.names]
    assert np.allclose(fit.Gamma[:, 0], means, atol=COVARIANCE * np.sqrt(np.diag(fit.within)).max())


def test_cluster_predictors_leave_the_within_part(hsb):
    codes = pd.factorize(hsb["school"])[0]
    Y = hsb[["math", "ses"]].to_numpy(float)
    catholic = hsb.groupby(codes)["catholic"].first().to_numpy(float)
    W = np.column_stack([np.ones(160), catholic])
    fit = fit_two_level_normal(Y, W, codes, ("math", "ses"))
    plain = fit_two_level_normal(Y, W[:, :1], codes, ("math", "ses"))
    assert fit.llf > plain.llf + 10
    assert fit.between[0, 0] < plain.between[0, 0] - 1


@given(st.integers(0, 1000), st.floats(-1e4, 1e4), st.floats(0.01, 100))
def test_shift_scale_and_order(seed, shift, scale):
    Y, W, codes, *_ = problem(seed, J=30, p=2)
    fit = fit_two_level_normal(Y, W, codes, ("y", "x"))
    order = np.random.default_rng(seed).permutation(len(Y))
    moved = fit_two_level_normal((shift + scale * Y)[order], W, codes[order], ("y", "x"))
    size = np.abs(fit.within).max() + np.abs(fit.between).max()
    for part in ("within", "between"):
        assert np.allclose(
            getattr(moved, part), scale**2 * getattr(fit, part), atol=1e-6 * scale**2 * size
        )
    assert np.isclose(moved.llf, fit.llf - 2 * len(Y) * np.log(scale), rtol=1e-8, atol=1e-6)


def test_too_few_clusters_are_refused():
    Y, W, codes, *_ = problem(0, J=4)
    with pytest.raises(mt.ModelError, match="4 clusters with .* cannot determine 3 variances"):
        fit_two_level_normal(Y, W, codes, ("a", "b", "c"))
