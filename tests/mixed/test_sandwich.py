"""Cluster-robust standard errors: against clubSandwich, and against the formulas in full."""

import functools
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.errors import ModelError
from mlteach.mixed.sandwich import KINDS, Sandwich
from tests.dense import covariance, small_data
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "extras.json").read_text())["cases"]

STANDARD_ERROR = 1e-7  # relative; lme4 stops a little before the optimum
DF = 1e-6  # relative; for the same reason
DENSE = 1e-7  # relative; the same formulas in another order, with roots of G of condition 1e4


@functools.cache
def fit(case_id):
    case = next(c for c in CASES if c["id"] == case_id)
    data = pd.read_csv(REFERENCE / case["data"])
    for column, expression in (case["derive"] or {}).items():
        data[column] = data.eval(expression)
    return mt.fit_mixed(case["formula"], data)


def by_name(values, index):
    """Return reference values in our order; R and formulaic order a:b differently."""
    values = {frozenset(name.split(":")): value for name, value in values.items()}
    return np.array([values[frozenset(name.split(":"))] for name in index])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_against_clubsandwich(case, kind):
    table = fit(case["id"]).tests(robust=kind)
    reference = case["robust"][kind]
    se, df = (by_name(reference[k], table.index) for k in ("se", "df_satterthwaite"))
    np.testing.assert_allclose(table["se"], se, rtol=STANDARD_ERROR)
    np.testing.assert_allclose(table["df"], df, rtol=DF)


# ------------------------------------------------------------------------- written out in full


def power(A, exponent):
    """Power of a symmetric matrix; of a singular one, on its range."""
    values, vectors = np.linalg.eigh(A)
    keep = values > 1e-9 * values[-1]
    return (vectors[:, keep] * values[keep] ** exponent) @ vectors[:, keep].T


def dense(fit, kind):
    """Covariance matrix, and the matrices P_c (p, J, J) of Pustejovsky & Tipton (2018)."""
    d = fit.design
    V = covariance(d.Z, d.codes, fit.tau.to_numpy(), fit.sigma2)
    W = np.linalg.inv(V)
    M = np.linalg.inv(d.X.T @ W @ d.X)
    left = np.eye(len(V)) - d.X @ M @ d.X.T @ W
    scores, weights = [], []
    for j in range(fit.n_clusters):
        at = d.codes == j
        A = np.eye(at.sum())
        if kind == "CR2":
            D = np.linalg.cholesky(V[np.ix_(at, at)]).T
            A = D.T @ power(D @ (left @ V)[np.ix_(at, at)] @ D.T, -0.5) @ D
        E = M @ d.X[at].T @ W[np.ix_(at, at)] @ A
        scores.append(E @ (d.y - d.X @ fit.params.to_numpy())[at])
        weights.append(E @ left[at])
    w = np.array(weights).transpose(1, 0, 2)
    return np.array(scores).T @ np.array(scores), w @ V @ w.transpose(0, 2, 1)


def table(seed, **options):
    y, X, _, codes = small_data(seed, J=12, q=2, **options)
    return pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "formula", ["y ~ x + w + (1 | g)", "y ~ x + w + (1 + x | g)", "y ~ 0 + w + x + (0 + x | g)"]
)
@given(seed=st.integers(0, 500), reml=st.booleans())
def test_equals_the_formulas_on_whole_matrices(formula, kind, seed, reml):
    fit = mt.fit_mixed(formula, table(seed, sizes=(1, 9)), reml=reml)
    cov, P = dense(fit, kind)
    ours = fit.tests(robust=kind)
    np.testing.assert_allclose(ours["se"], np.sqrt(np.diag(cov)), rtol=DENSE)
    np.testing.assert_allclose(fit.cov_params(robust=kind), cov, rtol=1e-5, atol=DENSE * cov.max())
    expected = np.trace(P, axis1=1, axis2=2) ** 2 / (P**2).sum(axis=(1, 2))
    np.testing.assert_allclose(ours["df"], expected, rtol=DENSE)


@given(st.integers(0, 500))
def test_cr2_is_unbiased_under_the_working_model(seed):
    """The trace of P_c is the expectation: the model-based variance of the coefficient."""
    fit = mt.fit_mixed("y ~ x + w + (1 | g)", table(seed, sizes=(3, 9)))
    s = Sandwich(fit.design, fit.problem, fit.theta, "CR2")
    expectation = (s.g**2).sum(axis=(0, 2)) - (s.h**2).sum(axis=(0, 2))
    np.testing.assert_allclose(expectation, np.diag(s.working), rtol=1e-9)


@given(st.integers(0, 500), st.floats(-3, 3), st.floats(-100, 100))
def test_units_change_nothing(seed, log_scale, shift):
    data, scale = table(seed, sizes=(3, 9)), 10.0**log_scale
    moved = data.assign(x=scale * data.x, y=scale * data.y + shift)
    fits = [mt.fit_mixed("y ~ x + w + (1 | g)", t) for t in (data, moved)]
    assume(not fits[0].singular)
    a, b = (f.tests(robust="CR2").loc[["x", "w"]] for f in fits)
    np.testing.assert_allclose(a[["df", "t"]], b[["df", "t"]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(b["se"] / a["se"], [1.0, scale], rtol=1e-5)


@given(st.integers(0, 500))
def test_order_of_rows_changes_nothing(seed):
    data = table(seed, sizes=(2, 9))
    fits = [mt.fit_mixed("y ~ x + (1 | g)", t) for t in (data, data.sample(frac=1, random_state=1))]
    a, b = (f.tests(robust="CR2") for f in fits)
    np.testing.assert_allclose(a["se"], b["se"], rtol=1e-6)
    np.testing.assert_allclose(a["df"], b["df"], rtol=1e-5)


# ------------------------------------------------------------------------------- hard clusters


def test_a_cluster_that_determines_a_coefficient_alone(hsb):
    """One school's dummy: no residual tells how variable it is, so there is no p-value.

    SE and the other df are clubSandwich's (0.5.8). Its own df of the dummy, 0.037, is rounding
    error: an eigenvalue of G that is zero comes out as 4e-11, above its bound of 1e-12. With a
    bound of 1e-8 it gives 155.7 and t = -9.6, no better: the SE leaves that school out.
    """
    data = hsb.assign(one=(hsb["school"] == 1224).astype(float))
    fit = mt.fit_mixed("math ~ ses + one + (1 | school)", data)
    tests = fit.tests(robust="CR2")
    se = [0.188817254255, 0.119772742458, 0.198642114319]
    np.testing.assert_allclose(tests["se"], se, rtol=STANDARD_ERROR)
    np.testing.assert_allclose(tests["df"][:2], [157.5840436056, 142.6790828674], rtol=DF)
    assert tests.loc["one", ["df", "p", "lower", "upper"]].isna().all()
    assert fit.tests(robust="CR0").loc["one", ["df", "p"]].isna().all()
    test = fit.test("one", robust="CR2")
    assert np.isnan(test.p)
    assert any("One cluster alone determines one" in note for note in test.notes)
    assert "not available" in str(test)


def test_cluster_dummies_leave_the_within_effect_known():
    """Every G is singular in the direction of the dummies, but x has no weight there."""
    data = table(3, sizes=(4, 9))
    dummies = pd.get_dummies(data["g"], prefix="g", dtype=float).iloc[:, 1:]
    terms = " + ".join(["x", *dummies])
    fit = mt.fit_mixed(f"y ~ {terms} + (1 | g)", data.join(dummies), reml=False)
    assert fit.tau.iloc[0, 0] == 0.0
    tests = fit.tests(robust="CR2")
    assert np.isfinite(tests.loc["x", "df"])
    assert tests["df"].drop("x").isna().all()
    cov, _ = dense(fit, "CR2")
    assert tests.loc["x", "se"] == pytest.approx(np.sqrt(cov[1, 1]), rel=DENSE)


def test_high_icc_and_a_large_cluster_keep_their_digits():
    """ICC .9999 and 1,000 rows in a cluster: eigenvalues of G from 1 to 1e14."""
    rng = np.random.default_rng(5)
    n = np.array([1000, 40, 3, 1, 25, 300, 8, 8])
    g = np.repeat(np.arange(8), n)
    x, w = rng.normal(size=len(g)), rng.normal(size=8)[g]
    y = 100 * rng.normal(size=8)[g] + x + rng.normal(size=len(g))
    fit = mt.fit_mixed("y ~ x + w + (1 | g)", pd.DataFrame({"y": y, "x": x, "w": w, "g": g}))
    s = Sandwich(fit.design, fit.problem, fit.theta, "CR2")
    expectation = (s.g**2).sum(axis=(0, 2)) - (s.h**2).sum(axis=(0, 2))
    np.testing.assert_allclose(expectation, np.diag(s.working), rtol=1e-6)


def test_nothing_has_the_size_of_rows_times_rows(hsb):
    """Not even of rows times clusters: CR2 and its df take one cluster after the other."""
    fit = mt.fit_mixed("math ~ ses * catholic + (1 + ses | school)", hsb)
    tracemalloc.start()
    fit.tests(robust="CR2")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < np.dtype(float).itemsize * fit.nobs * fit.n_clusters


# ------------------------------------------------------------------------------------ refusals


def test_unknown_sandwich_is_refused():
    with pytest.raises(ModelError, match="'CR0' or 'CR2'"):
        fit("sleepstudy").tests(robust="HC3")


@pytest.mark.parametrize("ddf", ["z", "kenward-roger", "all"])
def test_two_methods_for_the_df_are_refused(ddf):
    with pytest.raises(ModelError, match="Leave ddf= out"):
        fit("sleepstudy").tests(ddf=ddf, robust="CR2")
    with pytest.raises(ModelError, match="Leave ddf= out"):
        fit("sleepstudy").cov_params("z", robust="CR2")


def test_the_ordinary_table_is_untouched():
    result = fit("sleepstudy")
    before = result.tests()
    result.tests(robust="CR2")
    pd.testing.assert_frame_equal(result.tests(), before)
    assert not np.allclose(result.tests(robust="CR0")["se"], result.tests(robust="CR2")["se"])


def test_one_cluster_with_almost_all_of_the_information():
    """Its leverage is near 1 but not 1: CR2 must still use what little residual it has."""
    data = table(8, sizes=(4, 9))
    extreme = data["g"] == data["g"].iloc[0]
    data.loc[extreme, "x"] += 40.0
    fit = mt.fit_mixed("y ~ x + (1 | g)", data)
    cov, _ = dense(fit, "CR2")
    got = fit.cov_params(robust="CR2").to_numpy()
    np.testing.assert_allclose(got, cov, rtol=DENSE)
