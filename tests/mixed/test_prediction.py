"""Prediction errors: Henderson's equations, the N x N covariance matrix, R, and coverage."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt
from mlteach.errors import DataError, ModelError
from mlteach.mixed.information import VarianceInformation
from mlteach.mixed.prediction import error_variance
from tests.dense import covariance, small_data
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "prediction.json").read_text())["cases"]

DENSE = {"rtol": 1e-8}  # inverses of small dense matrices
R_FIT = {"rtol": 1e-6}  # lme4 stops some 1e-7 of an SD ratio from the optimum
EXACT = {"rtol": 1e-12, "atol": 1e-12}
STEP = 1e-5  # of theta, which is of size one
NUMERIC = {"rtol": 1e-7}  # central differences: step squared, and rounding over step


@pytest.fixture(scope="module")
def slope(london):
    return mt.fit_mixed("score16 ~ score11 + girl + (1 + score11 | school)", london)


def small_fit(seed, q, reml=True):
    y, X, Z, codes = small_data(seed, J=7, q=q, sizes=(2, 8))
    data = pd.DataFrame(
        {
            "y": y,
            "x": X[:, 1],
            "w": X[:, 2],
            "z2": np.c_[Z, np.zeros((len(y), 2))][:, 2],
            "g": codes,
        }
    )
    random = ["1", "x", "z2"][:q]
    return mt.fit_mixed(f"y ~ x + w + ({' + '.join(random)} | g)", data, reml=reml), data


def henderson(fit):
    """Joint covariance matrix of (beta - beta_hat, u - u_hat), and the rows [X Z] of the fit."""
    d, tau, J = fit.design, fit.tau.to_numpy(), fit.n_clusters
    wide = np.where(d.codes[:, None, None] == np.arange(J)[:, None], d.Z[:, None], 0.0)
    XZ = np.hstack([d.X, wide.reshape(len(d.y), -1)])
    left = XZ.T @ XZ
    p = d.X.shape[1]
    left[p:, p:] += fit.sigma2 * np.kron(np.eye(J), np.linalg.inv(tau))
    return fit.sigma2 * np.linalg.inv(left), XZ


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(("seed", "q"), [(4, 1), (4, 2), (11, 2), (13, 3), (36, 3)])
def test_known_clusters_against_hendersons_equations(seed, q, reml):
    fit, data = small_fit(seed, q, reml)
    assert not fit.singular  # the equations need Tau's inverse
    C, XZ = henderson(fit)
    se = np.sqrt(np.einsum("ia,ab,ib->i", XZ, C, XZ))
    table = fit.prediction_interval(of="mean")
    np.testing.assert_allclose(table["se"], se, **DENSE)
    np.testing.assert_allclose(table["estimate"], fit.fitted, **EXACT)
    outcome = fit.prediction_interval(data)
    np.testing.assert_allclose(outcome["se"], np.sqrt(se**2 + fit.sigma2), **DENSE)


def test_error_is_that_of_the_joint_distribution_on_the_boundary_too():
    """By V of all rows, without Tau's inverse: a singular fit has none."""
    data = pd.read_csv(REFERENCE / "data" / "correlation_one.csv")
    fit = mt.fit_mixed("y ~ x + (1 + x | cluster)", data)
    assert fit.singular
    d, tau = fit.design, fit.tau.to_numpy()
    V = covariance(d.Z, d.codes, tau, fit.sigma2)
    Vi, D = np.linalg.inv(V), covariance(d.Z, d.codes, tau, 0.0)  # D: cov of z'u with y
    W = np.linalg.inv(d.X.T @ Vi @ d.X)
    K = d.X - D @ Vi @ d.X
    error = D - D @ Vi @ D + K @ W @ K.T
    se = fit.prediction_interval(of="mean")["se"]
    np.testing.assert_allclose(se, np.sqrt(np.diag(error)), rtol=1e-7)  # D - DViD cancels


def test_new_clusters_have_tau_and_the_coefficients(slope, london):
    rows = london.iloc[::500].assign(school=lambda d: d["school"] + 1000)
    table = slope.prediction_interval(rows, of="mean")
    X, Z = slope.design.X[::500], slope.design.Z[::500]
    variance = np.einsum("ia,ab,ib->i", X, slope.cov_params().to_numpy(), X)
    variance += np.einsum("ia,ab,ib->i", Z, slope.tau.to_numpy(), Z)
    np.testing.assert_allclose(table["se"] ** 2, variance, **EXACT)
    np.testing.assert_allclose(table["estimate"], X @ slope.params, **EXACT)
    assert table.attrs["new_clusters"] == list(dict.fromkeys(rows["school"]))
    outcome = slope.prediction_interval(rows)
    np.testing.assert_allclose(outcome["se"] ** 2, variance + slope.sigma2, **EXACT)


def test_random_false_takes_every_row_as_of_a_new_cluster(slope, london):
    rows = london.iloc[::400]
    new = slope.prediction_interval(rows.assign(school=-1), of="mean")
    without = slope.prediction_interval(rows.drop(columns="school"), of="mean", random=False)
    np.testing.assert_allclose(without, new, **EXACT)
    assert without.attrs["new_clusters"] == []
    of_the_fit = slope.prediction_interval(of="mean", random=False)
    np.testing.assert_allclose(of_the_fit.iloc[::400], without, **EXACT)


def test_known_and_new_rows_in_one_table(slope, london):
    rows = london.iloc[[0, 1, 2]].copy()
    rows["school"] = [rows["school"].iloc[0], 999, rows["school"].iloc[2]]
    rows.index = ["a", "b", "c"]
    table = slope.prediction_interval(rows)
    assert table.index.tolist() == ["a", "b", "c"]
    assert list(table) == ["estimate", "se", "df", "lower", "upper"]
    assert table.attrs == {"of": "outcome", "level": 0.95, "new_clusters": [999]}
    np.testing.assert_allclose(table["estimate"], slope.predict(rows), **EXACT)
    single = pd.concat([slope.prediction_interval(rows.iloc[[k]]) for k in range(3)])
    np.testing.assert_allclose(table, single, **EXACT)


def test_limits_are_those_of_t(slope):
    table = slope.prediction_interval(level=0.8)
    half = stats.t.ppf(0.9, table["df"]) * table["se"]
    np.testing.assert_allclose(table["upper"] - table["estimate"], half, **EXACT)
    np.testing.assert_allclose(table["estimate"] - table["lower"], half, **EXACT)


def test_knowing_the_cluster_helps(slope):
    known = slope.prediction_interval(of="mean")["se"]
    new = slope.prediction_interval(of="mean", random=False)["se"]
    assert (known < new).all()


@given(shift=st.floats(-50, 50), scale=st.floats(0.1, 10))
def test_zero_point_and_unit_of_x_do_not_matter(london, shift, scale):
    formula = "score16 ~ score11 + (1 + score11 | school)"
    moved = london.assign(score11=shift + scale * london["score11"])
    wanted = mt.fit_mixed(formula, london).prediction_interval(london[::400], of="mean")
    got = mt.fit_mixed(formula, moved).prediction_interval(moved[::400], of="mean")
    # two fits, each at its optimum to about 1e-9; a shift of 500 SDs costs digits
    np.testing.assert_allclose(got["se"], wanted["se"], rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_against_r(case):
    data = pd.read_csv(REFERENCE / case["data"])
    for name, expression in dict(case["derive"] or {}).items():
        data[name] = data.eval(expression)
    fit = mt.fit_mixed(case["formula"], data, reml=case["reml"])
    rows = data.iloc[case["rows"]]
    known = fit.prediction_interval(rows, of="mean")
    new = fit.prediction_interval(rows, of="mean", random=False)
    np.testing.assert_allclose(known["estimate"], case["fitted"], **R_FIT)
    np.testing.assert_allclose(known["se"], case["se_known"], **R_FIT)
    np.testing.assert_allclose(new["estimate"], case["fixed"], **R_FIT)
    np.testing.assert_allclose(new["se"], case["se_new"], **R_FIT)
    outcome = np.sqrt(np.square(case["se_known"]) + case["sigma2"])
    np.testing.assert_allclose(fit.prediction_interval(rows)["se"], outcome, **R_FIT)


# ------------------------------------------------------------------------- degrees of freedom


def variance_at(fit, theta, X, Z, position, residual):
    """Variance of the prediction error over sigma2 at other parameters, scaled units."""
    s, Lambda = fit.problem.state(theta), fit.problem.map.Lambda(theta)
    Psi, scaling = Lambda @ Lambda.T, fit.problem.moments.scaling
    out = []
    for x, z, j in zip(X @ scaling.A, Z @ scaling.T, position, strict=True):
        w = Psi @ z if j >= 0 else np.zeros(len(z))
        d = x - s.F[j].T @ w
        out.append(z @ Psi @ z - w @ s.P[j] @ w + d @ s.S_inv @ d + residual)
    return np.array(out)


@pytest.mark.parametrize("residual", [False, True])
def test_df_are_satterthwaites_with_a_numeric_derivative(slope, residual):
    d, problem, theta = slope.design, slope.problem, slope.theta
    X, Z, position = d.X[::150], d.Z[::150], d.codes[::150].copy()
    position[::3] = -1
    variance, df = error_variance(slope, X, Z, position, residual)
    relative = variance_at(slope, theta, X, Z, position, residual)
    sigma2 = slope.sigma2 / problem.moments.scaling.scale**2
    np.testing.assert_allclose(variance, slope.sigma2 * relative, rtol=1e-10)
    steps = STEP * np.eye(len(theta))
    up, down = (
        [variance_at(slope, theta + sign * e, X, Z, position, residual) for e in steps]
        for sign in (1, -1)
    )
    gradient = np.c_[sigma2 * (np.array(up) - down).T / (2 * STEP), relative]
    cov = VarianceInformation(problem, theta).cov
    wanted = 2 * (sigma2 * relative) ** 2 / np.einsum("ia,ab,ib->i", gradient, cov, gradient)
    np.testing.assert_allclose(df, wanted, **NUMERIC)


def test_df_of_a_new_cluster_is_that_of_its_variance_in_balanced_data():
    """By Satterthwaite for tau2 (1 + 1/J) + sigma2 / (n J), from the two mean squares."""
    rng = np.random.default_rng(2)
    J, n = 12, 5
    g = np.repeat(np.arange(J), n)
    y = rng.normal(0, 2, J)[g] + rng.normal(size=J * n)
    fit = mt.fit_empty("y", pd.DataFrame({"g": g, "y": y}), cluster="g")
    tau2, sigma2 = fit.tau.iloc[0, 0], fit.sigma2
    # tau2 = (MSB - MSW) / n, so the variance is MSB (1 + 1/J) / n - MSW / n
    msb, msw = n * tau2 + sigma2, sigma2
    v = (msb * (1 + 1 / J) - msw) / n
    of_v = 2 * ((msb * (1 + 1 / J) / n) ** 2 / (J - 1) + (msw / n) ** 2 / (J * (n - 1)))
    row = fit.prediction_interval(pd.DataFrame({"g": [99]}), of="mean").iloc[0]
    assert row["se"] ** 2 == pytest.approx(v, rel=1e-6)  # REML's optimum, to 1e-7 of an SD ratio
    assert row["df"] == pytest.approx(2 * v**2 / of_v, rel=1e-5)


def test_intervals_cover():
    """Of 95% intervals some 95% hold what they predict, with estimated variances too."""
    rng = np.random.default_rng(8)
    J, new, n, shares = 25, 15, 6, []
    g = np.repeat(np.arange(J), n)
    for _ in range(100):
        x = rng.normal(size=J * n)
        u = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 0.5]], size=J + new)
        y = 2 + x + u[g, 0] + u[g, 1] * x + rng.normal(size=J * n)
        fit = mt.fit_mixed("y ~ x + (1 + x | g)", pd.DataFrame({"g": g, "x": x, "y": y}))
        at = rng.normal(size=J + new)
        rows = pd.DataFrame({"g": np.arange(J + new), "x": at})
        truth = {"mean": 2 + at + u[:, 0] + u[:, 1] * at}
        truth["outcome"] = truth["mean"] + rng.normal(size=J + new)
        tables = {of: fit.prediction_interval(rows, of=of) for of in truth}
        inside = {
            of: tables[of]["lower"].lt(t) & tables[of]["upper"].gt(t) for of, t in truth.items()
        }
        shares.append(pd.DataFrame(inside).groupby(np.arange(J + new) < J).mean().to_numpy())
    # 1,500 new and 2,500 known rows, correlated within data sets: three standard errors are .02
    np.testing.assert_allclose(np.mean(shares, axis=0), 0.95, atol=0.02)


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({}, {"of": "slope"}, ModelError, "of='slope' is not known"),
        ({"school": None}, {}, DataError, "'school' has missing values"),
        ({"school": "one"}, {}, DataError, "Convert one to the type of the other"),
        ({"score11": np.nan}, {}, DataError, "'score11' has 2 missing value"),
        ({}, {"level": 95}, ValueError, "between 0 and 1"),
    ],
)
def test_refuses(slope, london, change, options, error, words):
    with pytest.raises(error, match=words):
        slope.prediction_interval(london.head(2).assign(**change), **options)


def test_missing_cluster_column_is_named(slope, london):
    rows = london.head(2).drop(columns="school")
    with pytest.raises(DataError, match=r"'school', needed by prediction_interval\(random=True\)"):
        slope.prediction_interval(rows)
