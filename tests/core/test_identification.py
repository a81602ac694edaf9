"""Components that the data cannot tell apart: against the rank of the covariances written out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.identification import null_directions


def stacked(Z, codes, rows, cols, residual):
    """Each component's covariance matrix, all clusters, as one long column."""
    q = Z.shape[1]
    columns = []
    for r, c in zip(rows, cols, strict=True):
        E = np.zeros((q, q))
        E[r, c] = E[c, r] = 1.0
        V = np.where(codes[:, None] == codes, Z @ E @ Z.T, 0.0)
        columns.append(V.ravel())
    return np.column_stack([*columns, np.eye(len(Z)).ravel()] if residual else columns)


RNG = np.random.default_rng(4)
CODES = np.repeat(np.arange(6), 4)
SEX = np.repeat([0.0, 1.0, 0.0, 1.0, 1.0, 0.0], 4)
X = RNG.normal(size=24)
ARM = np.tile([0.0, 0.0, 1.0, 1.0], 6)
CASES = {
    "intercept and slope": [np.ones(24), X],
    "levels of a level-2 category": [1 - SEX, SEX],
    "intercept and levels of level 2": [np.ones(24), 1 - SEX, SEX],
    "intercept and levels of level 1": [np.ones(24), 1 - ARM, ARM],
    "twice the same": [X, 3 * X],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("residual", [True, False])
def test_null_directions_are_those_of_the_covariance_matrices(name, residual):
    Z = np.column_stack(CASES[name])
    rows, cols = np.nonzero(np.tril(np.ones((Z.shape[1],) * 2)))
    G = np.array([Z[own].T @ Z[own] for own in np.split(np.arange(24), 6)])
    found = null_directions(G, rows, cols, n_rows=24 if residual else None)
    D = stacked(Z, CODES, rows, cols, residual)
    assert found.shape == (D.shape[1], D.shape[1] - np.linalg.matrix_rank(D))
    np.testing.assert_allclose(D @ found, 0.0, atol=1e-9)


def test_one_row_of_each_kind_in_a_cluster_takes_the_residual_along():
    """Two conditions, one row each: their variances and sigma2 are one matrix of 2 x 2."""
    G = np.broadcast_to(np.eye(2), (5, 2, 2))
    rows, cols = np.tril_indices(2)
    (direction,) = null_directions(G, rows, cols, n_rows=10).T
    assert np.flatnonzero(direction).tolist() == [0, 2, 3]


@pytest.fixture(scope="module")
def redundant():
    """Level-1 dummies beside a random intercept: one direction too many."""
    rng = np.random.default_rng(9)
    g = np.repeat(np.arange(40), 12)
    f = np.array(["a", "b"])[np.arange(480) % 2]
    y = rng.normal(size=40)[g] + 0.7 * rng.normal(size=(40, 2))[g, np.arange(480) % 2]
    table = pd.DataFrame({"y": y + rng.normal(size=480), "f": f, "g": g})
    formulas = "y ~ 1 + (0 + f | g)", "y ~ 1 + (1 | g) + (0 + f | g)"
    return table, *(mt.fit_mixed(formula, table) for formula in formulas)


def test_no_standard_error_for_what_the_data_cannot_tell(redundant):
    _, good, bad = redundant
    assert bad.deviance == pytest.approx(good.deviance, abs=1e-6)
    lost = ["Intercept", "f[a]", "f[a]:f[b]", "f[b]"]
    assert bad.undetermined == [lost]
    assert bad.variances.loc[lost, "se"].isna().all()
    assert bad.cov_variances.loc[lost].isna().all(axis=None)
    assert bad.variances.loc["Residual", "se"] == pytest.approx(
        good.variances.loc["Residual", "se"], rel=1e-5
    )
    assert any("cannot tell Intercept, f[a], f[a]:f[b] and f[b] apart" in n for n in bad.notes)
    assert np.isnan(mt.icc(bad).se)
    assert good.undetermined == []
    assert not any("apart" in note for note in good.notes)
    assert good.variances["se"].notna().all()


def test_sums_of_components_that_are_known_keep_their_standard_error(redundant):
    """Intercept + f[a] is the variance of f[a] in the model without the redundant intercept."""
    _, good, bad = redundant
    weights = np.zeros((1, len(bad.variances)))
    weights[0, [list(bad.variances.index).index(name) for name in ("Intercept", "f[a]")]] = 1.0
    assert bad.delta_se(weights)[0] == pytest.approx(good.variances.loc["f[a]", "se"], rel=1e-4)


def test_location_scale_says_the_same(redundant):
    table, *fits = redundant
    good, bad = (mt.fit_location_scale(fit.formula, "~ 1", table) for fit in fits)
    assert bad.llf == pytest.approx(good.llf, abs=1e-5)
    assert bad.components[["se", "lower", "upper"]].isna().all(axis=None)
    assert any("cannot tell Intercept, f[a], f[a]:f[b] and f[b] apart" in n for n in bad.notes)
    assert good.components[["se", "lower", "upper"]].notna().all(axis=None)
    assert not any("apart" in note for note in good.notes)


def test_what_cannot_be_told_does_not_hang_on_the_name_of_the_form(redundant):
    """association="linear" is the correlated model: its covariances across are undetermined too."""
    table, _, bad = redundant
    fit = mt.fit_location_scale(bad.formula, "~ 1 + (1 | g)", table)
    across = [f"{effect}:scale:Intercept" for effect in ("Intercept", "f[a]", "f[b]")]
    assert fit.undetermined == [["Intercept", "f[a]", "f[a]:f[b]", "f[b]"], across]
    assert replace(fit, form="linear").undetermined == fit.undetermined


def test_a_zero_among_what_cannot_be_told_apart_is_no_finding(redundant):
    """Any other value is as good: the intercept's variance may be moved to those of f."""
    table, good, bad = redundant
    for formula, told in ((bad.formula, False), (good.formula, True)):
        fit = mt.fit_location_scale(formula, "~ 1", table)
        end = fit.optimizer.end.copy()
        end[2] = 0.0
        moved = replace(fit, optimizer=replace(fit.optimizer, end=end))
        assert moved.no_variance[0]
        assert any("exactly zero" in note for note in moved.notes) == told
