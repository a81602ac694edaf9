"""Profile intervals: exact where a closed form is known, and where the curve has risen enough."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import mlteach as mt

RISE = 3.841458820694124  # 95% quantile of chi-square with 1 degree of freedom


def test_balanced_data_have_a_closed_form() -> None:
    rng = np.random.default_rng(3)
    g, n = 30, 4
    y = rng.normal(size=(g, n)) + rng.normal(size=(g, 1))
    data = pd.DataFrame({"y": y.ravel(), "g": np.repeat(np.arange(g), n)})
    limits = mt.fit_multigroup("y", data, cluster="g").conf_int(method="profile")
    # The deviance in sigma2 with mu and tau2 profiled out: lambda = sigma2 + n tau2 is free.
    ssw = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum()

    def rise(s2):
        return g * (n - 1) * np.log(s2) + ssw / s2

    best = ssw / (g * (n - 1))
    lower = brentq(lambda s2: rise(s2) - rise(best) - RISE, 0.2 * best, best)
    upper = brentq(lambda s2: rise(s2) - rise(best) - RISE, best, 4 * best)
    assert limits.loc["within.y~~y"].tolist() == pytest.approx([lower, upper], rel=1e-6)


def test_deviance_rises_by_the_quantile_at_each_limit(hsb) -> None:
    few = hsb[hsb["school"] < 2500]
    fit = mt.fit_multigroup(["math", "ses"], few, cluster="school")
    limits = fit.conf_int(0.9, method="profile")
    wald = fit.conf_int(0.9)
    assert (limits["lower"] < fit.params).all() and (fit.params < limits["upper"]).all()
    # A variance has a likelihood with a long right tail.
    row = "between.math~~math"
    assert limits.loc[row, "upper"] > wald.loc[row, "upper"]
    assert limits.loc[row, "lower"] > wald.loc[row, "lower"]


def test_profile_of_the_mean_matches_the_mixed_model(hsb) -> None:
    few = hsb[hsb["school"] < 2500]
    ours = mt.fit_multigroup("math", few, cluster="school").conf_int(method="profile")
    mixed = mt.fit_empty("math", few, cluster="school", reml=False).confint(method="profile")
    assert ours.loc["mean.math"].tolist() == pytest.approx(
        mixed.loc["Intercept", ["lower", "upper"]].tolist(), rel=1e-5
    )
