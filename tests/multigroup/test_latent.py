"""Latent within, between and contextual effects: against lavaan, and by hand."""

import json

import numpy as np
import pytest

from mlteach.core.optim import OptRecord
from mlteach.multigroup.latent import regress_first
from mlteach.multigroup.two_level_normal import TwoLevelNormal
from tests.multigroup.test_two_level_normal import CASES, fit_case
from tests.places import REFERENCE

# The project's promise is 1e-5 for estimates; relative to the larger of estimate and SE.
EFFECT = 1e-5
STANDARD_ERROR = 1e-5  # relative; lavaan's are numerical second derivatives

assert json.loads((REFERENCE / "lavaan.json").read_text())["cases"]


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] != "repelled"], ids=lambda c: c["id"])
def test_against_lavaan(case):
    ours, expected = regress_first(fit_case(case)), case["path"]["effects"]
    for part in ("within", "between", "contextual"):
        for k, x in enumerate(case["both"]):
            estimate, se = (expected[what][f"{part} {x}"] for what in ("estimate", "se"))
            assert abs(getattr(ours, part)[k] - estimate) < EFFECT * max(abs(estimate), se)
            assert np.isclose(ours.se[part][k], se, rtol=STANDARD_ERROR)


def test_no_variance_between_leaves_no_latent_mean():
    case = next(c for c in CASES if c["id"] == "repelled")
    ours = regress_first(fit_case(case))
    assert ours.model.between[1, 1] < 0
    assert np.isnan(ours.between).all()
    assert np.isnan(ours.reliability).all()
    assert np.isnan(ours.se["between"]).all()
    expected = case["path"]["effects"]
    assert np.isclose(ours.within[0], expected["estimate"]["within x"], rtol=EFFECT)
    assert np.isclose(ours.se["within"][0], expected["se"]["within x"], rtol=STANDARD_ERROR)


def record(converged):
    """Return what is known of a search."""
    at = np.zeros(1)
    return OptRecord(at, at, 0.0, 0.0, 1, 0.0, 0.0, converged, "", [])


def model(within, between, n=(4, 4), converged=True):
    """Return a model with these matrices and a unit covariance of its parameters."""
    within, between = np.array(within, float), np.array(between, float)
    m = 2 * len(np.tril_indices(len(within))[0])
    names = tuple("yxz"[: len(within)])
    return TwoLevelNormal(
        names, np.zeros((2, 1)), within, between, np.eye(m), 0.0, np.array(n), record(converged)
    )


def test_by_hand():
    fit = regress_first(model([[5, 2], [2, 4]], [[3, 1.5], [1.5, 1]]))
    assert np.allclose([fit.within, fit.between, fit.contextual], [[0.5], [1.5], [1.0]])
    # One over one plus four fourths.
    assert np.allclose(fit.reliability, 0.5)
    # d beta = (d s_xy - beta d s_xx) / s_xx, with unit variances of all elements.
    assert np.isclose(fit.se["within"][0], np.sqrt(1 + 0.25) / 4)
    assert np.isclose(fit.se["contextual"][0], np.sqrt((1 + 0.25) / 16 + 1 + 2.25))


def test_delta_method_numerically():
    rng = np.random.default_rng(1)
    within, between = (A @ A.T + np.eye(3) for A in rng.normal(size=(2, 3, 3)))
    fit = regress_first(model(within, between))
    rows, cols = np.tril_indices(3)
    columns = []
    for level in range(2):
        for r, c in zip(rows, cols, strict=True):
            effects = []
            for step in (1e-6, -1e-6):
                parts = [within.copy(), between.copy()]
                parts[level][r, c] += step
                parts[level][c, r] = parts[level][r, c]
                moved = regress_first(model(*parts))
                effects.append(np.concatenate([moved.within, moved.between, moved.contextual]))
            columns.append((effects[0] - effects[1]) / 2e-6)
    jacobian = np.array(columns).T
    assert np.allclose(fit.cov, jacobian @ jacobian.T, rtol=1e-6, atol=1e-8)


def test_where_the_search_stopped_short_there_is_no_estimate():
    fit = regress_first(model([[5, 2], [2, 4]], [[3, 1.5], [1.5, 1]], converged=False))
    assert np.isnan([fit.within, fit.between, fit.reliability]).all()
    assert np.isnan(list(fit.se.values())).all()
