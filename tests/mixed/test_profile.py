"""Profile limits are where the refitted deviance has risen by the quantile."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from mlteach import fit_mixed
from mlteach.errors import ModelError
from tests.dense import deviance, small_data

TARGET = stats.chi2.ppf(0.95, 1)


@pytest.fixture(scope="module")
def data():
    y, X, _, codes = small_data(11, J=14, q=2, sizes=(4, 9))
    return pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})


def rise_at(fit, quantity, value):
    """Deviance above its minimum with one SD or correlation held, by a brute search (dense)."""
    d = fit.design

    def f(free):
        s0, s1, r, sigma = unpack(free, quantity, value)
        tau = np.array([[s0**2, r * s0 * s1], [r * s0 * s1, s1**2]])
        return deviance(d.y, d.X, d.Z, d.codes, tau, sigma**2, fit.reml)

    v = fit.variances
    start = [v.loc["Intercept", "sd"], v.loc["x", "sd"], v.loc["Intercept:x", "correlation"],
             v.loc["Residual", "sd"]]  # fmt: skip
    kept = [k for k in range(4) if k != quantity]
    run = optimize.minimize(
        f, [start[k] for k in kept], method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000},
    )  # fmt: skip
    return run.fun - fit.deviance


def unpack(free, quantity, value):
    out = list(free)
    out.insert(quantity, value)
    out[0], out[1], out[3] = abs(out[0]), abs(out[1]), abs(out[3])
    out[2] = np.clip(out[2], -0.999999, 0.999999)
    return out


def test_coefficients_of_a_reml_fit_say_that_their_profile_is_of_ml(data):
    fits = {reml: fit_mixed("y ~ x + w + (1 | g)", data, reml=reml) for reml in (True, False)}
    told = fits[True].confint("profile")
    assert "of the likelihood (ML), although the fit is by REML" in repr(told.round(2))
    quiet = [fits[True].confint("profile", "random"), fits[False].confint("profile"),
             fits[True].confint()]  # fmt: skip
    assert not any("Note" in repr(table) for table in quiet)
    np.testing.assert_allclose(told["lower"], quiet[1]["lower"], rtol=1e-6)


@pytest.mark.parametrize("seed", [3, 5, 8, 11])
def test_limits_of_a_residual_sd_where_the_variance_between_comes_and_goes(seed):
    """With an ICC near zero tau is zero on one side of a limit and above it on the other."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(20), 10)
    y = rng.normal(size=200) + 0.05 * rng.normal(size=20)[codes]
    fit = fit_mixed("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": codes}), reml=False)
    means = np.bincount(codes, y) / 10
    within = np.sum((y - means[codes]) ** 2)
    between = 10 * np.sum((means - means.mean()) ** 2)

    def rise(sigma):
        # Equal sizes: the best variance of a cluster mean is known in closed form.
        v = max(between / 20, sigma**2)
        out = 180 * np.log(sigma**2) + within / sigma**2 + 20 * np.log(v) + between / v
        return out + 200 * np.log(2 * np.pi) - fit.deviance

    limits = fit.confint("profile", "random").loc["Residual", ["lower", "upper"]]
    for limit in limits:
        assert rise(limit) == pytest.approx(TARGET, abs=1e-5)


@pytest.mark.parametrize("reml", [True, False])
def test_limits_of_sds_and_correlation(data, reml):
    fit = fit_mixed("y ~ x + w + (1 + x | g)", data, reml=reml)
    table = fit.confint("profile", "random")
    rows = ["Intercept", "x", "Intercept:x", "Residual"]
    for quantity, name in enumerate(rows):
        for side in ("lower", "upper"):
            limit = table.loc[name, side]
            if abs(limit) < 1:
                assert rise_at(fit, quantity, limit) == pytest.approx(TARGET, abs=2e-4), name


def test_limits_of_coefficients(data):
    fit = fit_mixed("y ~ x + w + (1 + x | g)", data, reml=False)
    table = fit.confint("profile", "fixed")
    for name in ("x", "w"):
        for limit in table.loc[name, ["lower", "upper"]]:
            shifted = data.assign(y=data.y - limit * data[name])
            rest = "w" if name == "x" else "x"
            refit = fit_mixed(f"y ~ {rest} + (1 + x | g)", shifted, reml=False)
            assert refit.deviance - fit.deviance == pytest.approx(TARGET, abs=1e-6)


def test_limits_are_in_the_units_of_the_data(data):
    a = fit_mixed("y ~ x + w + (1 + x | g)", data).confint("profile", "all")
    b = fit_mixed("y ~ x + w + (1 + x | g)", data.assign(y=1000 * data.y, x=data.x / 10)).confint(
        "profile", "all"
    )
    w = ("fixed", "w"), "upper"
    assert b.loc[w] == pytest.approx(1000 * a.loc[w], rel=1e-6)
    sd = ("random", "x"), "lower"
    assert b.loc[sd] == pytest.approx(10_000 * a.loc[sd], rel=1e-5)


def test_a_zero_variance_has_a_lower_limit_of_zero(hsb_centred):
    formula = "math ~ mean_ses*ses_within + sector*ses_within + (1 + ses_within | school)"
    fit = fit_mixed(formula, hsb_centred)
    table = fit.confint("profile", "random")
    assert table.loc["ses_within", "lower"] == 0.0
    assert 0.5 < table.loc["ses_within", "upper"] < 1.2
    assert table.loc["Residual", "lower"] > 0


def test_uncorrelated_effects_have_no_correlation_row(data):
    table = fit_mixed("y ~ x + w + (x || g)", data).confint("profile", "random")
    assert table.index.tolist() == ["Intercept", "x", "Residual"]


def test_options_are_checked(data):
    fit = fit_mixed("y ~ x + (1 | g)", data)
    with pytest.raises(ModelError, match="choose 'wald', 'profile' or 'bootstrap'"):
        fit.confint("bayes")
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit.confint(level=95)
