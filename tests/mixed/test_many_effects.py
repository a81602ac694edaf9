"""Every question to a fit, with one to four random effects, correlated or not."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import plots
from tests import dense

EXACT = {"rtol": 1e-8, "atol": 1e-9}  # an inverse of a 360 x 360 matrix stands on the other side
SLOPES = ("a", "b", "c")
MODELS = [(q, bar) for q in (1, 2, 3, 4) for bar in ("|", "||") if (q, bar) != (1, "||")]


def name_of(model):
    """Return a readable test id."""
    return f"q={model[0]}{'' if model[1] == '|' else ', uncorrelated'}"


@pytest.fixture(scope="module")
def data():
    """Forty clusters of nine; intercept and three slopes vary, and covary a little."""
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(40), 9)
    x = pd.DataFrame(rng.normal(size=(360, 3)), columns=list(SLOPES))
    w = rng.normal(size=40)[codes]
    root = np.linalg.cholesky(0.3 + np.diag([1.2, 0.9, 0.7, 0.8]))
    u = rng.standard_normal((40, 4)) @ root.T
    Z = np.c_[np.ones(360), x]
    y = 2 + x.sum(axis=1) + w * x["a"] + (Z * u[codes]).sum(axis=1) + rng.normal(size=360)
    return x.assign(g=codes + 1, w=w, y=y)


@pytest.fixture(scope="module", params=MODELS, ids=name_of)
def fit(request, data):
    q, bar = request.param
    random = " + ".join(["1", *SLOPES[: q - 1]])
    return mt.fit_mixed(f"y ~ a * w + b + c + ({random} {bar} g)", data)


def test_the_fit_is_inside_and_its_deviance_the_dense_one(fit):
    d = fit.design
    assert fit.converged and not fit.singular
    tau, sigma2 = fit.tau.to_numpy(), fit.sigma2
    wanted = dense.deviance(d.y, d.X, d.Z, d.codes, tau, sigma2, reml=True)
    assert fit.deviance == pytest.approx(wanted, rel=1e-10)


def test_variances_have_a_row_for_each_component(fit):
    q = len(fit.tau)
    correlated = len(fit.design.blocks) == 1
    components = q * (q + 1) // 2 if correlated else q
    table = fit.variances
    assert len(table) == components + 1 == len(fit.cov_variances)
    assert table["se"].gt(0).all()
    np.testing.assert_allclose(table["se"] ** 2, np.diag(fit.cov_variances), rtol=1e-9)
    assert list(table.index[table["sd"].notna()]) == [*fit.tau.index, "Residual"]
    assert table["correlation"].notna().sum() == components - q
    for name in table.index[table["correlation"].notna()]:
        one, two = name.split(":")
        size = table.loc[one, "sd"] * table.loc[two, "sd"]
        assert table.loc[name, "correlation"] == pytest.approx(fit.tau.loc[one, two] / size)


def test_effects_and_predictions(fit, data):
    d, names = fit.design, list(fit.tau.index)
    blups = dense.blups(
        d.y, d.X, d.Z, d.codes, fit.tau.to_numpy(), fit.sigma2, fit.params.to_numpy()
    )
    table = fit.ranef()
    np.testing.assert_allclose(table[names], blups, **EXACT)
    assert table[[f"{name}_sd" for name in names]].gt(0).all(axis=None)
    np.testing.assert_allclose(fit.predict(data.iloc[::7]), fit.fitted.iloc[::7], **EXACT)
    new = fit.predict(data.iloc[:3].assign(g=99))
    np.testing.assert_allclose(new, fit.predict(random=False).iloc[:3], **EXACT)
    np.testing.assert_allclose(fit.fitted + fit.resid, data["y"], **EXACT)


def test_simulated_outcomes_have_the_implied_covariance(fit, data):
    n = 4000
    draws = fit.simulate(np.random.default_rng(2), n=n).to_numpy()
    assert draws.shape == (360, n)
    rows = slice(7, 11)  # the last two of one cluster and the first two of the next
    V = fit.implied_covariance(data.iloc[rows]).to_numpy()
    d = fit.design
    wanted = dense.covariance(d.Z[rows], d.codes[rows], fit.tau.to_numpy(), fit.sigma2)
    np.testing.assert_allclose(V, wanted, **EXACT)
    assert (V[:2, 2:] == 0).all()
    # the standard error of a covariance of two normals, times five
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / n)
    assert (np.abs(np.cov(draws[rows]) - V) < 5 * error).all()


def test_variance_function_and_icc_of_each_slope(fit):
    names = list(fit.tau.index)
    for x in names[1:]:
        others = {name: 0.4 for name in names[1:] if name != x}
        table = fit.variance_function(x, at=[-1, 2], others=others)
        for value, row in table.iterrows():
            z = np.array([1.0 if n == "Intercept" else others.get(n, value) for n in names])
            assert row["between"] == pytest.approx(z @ fit.tau @ z, rel=1e-12)
            assert row["lower"] < row["variance"] < row["upper"]
            there = mt.icc(fit, at={x: value, **others})
            assert there.estimate == pytest.approx(row["icc"], rel=1e-12)
            assert there.se > 0


def test_limits_of_the_icc_hold_it(fit):
    there = mt.icc(fit, at=dict.fromkeys(fit.tau.index[1:], 0.5))
    assert 0 < there.lower < there.estimate < there.upper < 1


@pytest.mark.parametrize("method", ["wald", "profile"])
def test_intervals_hold_their_estimates(fit, method):
    table = fit.confint(method=method, which="all")
    assert len(table) == len(fit.params) + len(fit.variances)
    assert (table["lower"] < table["estimate"]).all()
    assert (table["estimate"] < table["upper"]).all()


def test_tests_under_every_method(fit):
    table = fit.tests(ddf="all")
    assert len(table) == 5 * len(fit.params)
    assert table.notna().all(axis=None) and table["df"].gt(0).all()
    joint = fit.test(["a = 1", "a:w = 0"])
    assert joint.df_num == 2 and 0 < joint.p < 1


def test_against_no_random_effects(fit, data):
    test = fit.lr_test_random
    d = fit.design
    none = dense.deviance(
        d.y, d.X, d.Z, d.codes, np.zeros_like(fit.tau), _ols_variance(fit), reml=True
    )
    assert test.statistic == pytest.approx(none - fit.deviance, rel=1e-9)
    assert test.df == len(fit.variances) - 1
    if test.weights:
        assert sum(test.weights) == pytest.approx(1.0)
        assert test.p_mixture < test.p


def _ols_variance(fit):
    X, y = fit.design.X, fit.design.y
    return np.linalg.lstsq(X, y, rcond=None)[1][0] / (len(y) - X.shape[1])


def test_r_squared_shares_out_all_of_the_variance(fit):
    table = mt.r_squared(fit).decomposition
    d, tau = fit.design, fit.tau.to_numpy()
    fixed = np.var(fit.predict(random=False), ddof=1)
    means = pd.DataFrame(d.Z).groupby(d.codes).transform("mean").to_numpy()
    within = d.Z - means
    slopes = np.einsum("ia,ab,ib->", within, tau, within) / (len(d.y) - 1)
    between = np.einsum("ia,ab,ib->i", means, tau, means).mean()
    wanted = fixed + slopes + between + fit.sigma2
    assert table["variance"].sum() == pytest.approx(wanted, rel=1e-9)
    assert table["total"].sum() == pytest.approx(1.0)


def test_simple_slopes_and_bounds(fit):
    table = mt.simple_slopes(fit, "a", by="w", at=[0.0, 1.0])
    np.testing.assert_allclose(table["estimate"].diff().iloc[1], fit.params["a:w"], **EXACT)
    assert len(mt.johnson_neyman(fit, "a", by="w").bounds) == 2


def test_it_can_be_told_and_drawn(fit):
    plt.switch_backend("agg")
    assert all(name in str(fit.summary()) for name in fit.variances.index)
    assert fit.equation().count("u_") >= len(fit.tau)
    assert "40 clusters" in plots.describe(plots.cluster_lines(fit, "a"))
    assert "residual (within)" in plots.describe(plots.variance_bar(fit))
    plt.close("all")
