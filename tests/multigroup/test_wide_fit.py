"""Fit of the wide format: identities here, lavaan in test_multigroup_against_lavaan.py."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, ncx2

import mlteach as mt
from mlteach.errors import ModelError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    g, n = 120, 3
    y = rng.normal(size=(g, n, 2)) + 0.6 * rng.normal(size=(g, 1, 2))
    y[60:] *= 1.4
    table = pd.DataFrame(y.reshape(-1, 2), columns=["a", "b"])
    return table.assign(j=np.repeat(np.arange(g), n), k=np.repeat([0, 1], g * n // 2))


def test_saturated_and_baseline_likelihoods(data) -> None:
    fit = mt.fit_multigroup(["a", "b"], data, cluster="j", group="k")
    ours = fit.wide_fit()
    saturated = baseline = 0.0
    for _, rows in data.groupby("k"):
        wide = rows[["a", "b"]].to_numpy().reshape(60, 6)
        S = np.cov(wide.T, bias=True)
        saturated += multivariate_normal(wide.mean(axis=0), S).logpdf(wide).sum()
        baseline += multivariate_normal(wide.mean(axis=0), np.diag(np.diag(S))).logpdf(wide).sum()
    assert ours["llf_saturated"] == pytest.approx(saturated, rel=1e-12)
    assert ours["llf_baseline"] == pytest.approx(baseline, rel=1e-12)
    assert ours["chi2"] == pytest.approx(2 * (saturated - fit.llf))
    assert ours["df"] == 2 * (6 + 21) - fit.n_parameters
    assert ours["rmsea"] == pytest.approx(
        np.sqrt(2 * max(ours["chi2"] - ours["df"], 0) / (ours["df"] * 120))
    )


def test_limits_of_the_rmsea_are_quantiles(data) -> None:
    wrong = data.assign(b=data["b"] + 0.8 * data["a"].where(data.groupby("j").cumcount() == 0, 0))
    fit = mt.fit_multigroup(["a", "b"], wrong, cluster="j", group="k").wide_fit()
    for side, tail in (("lower", 0.95), ("upper", 0.05)):
        noncentrality = fit[f"rmsea_{side}"] ** 2 * fit["df"] * 120 / 2
        assert ncx2.cdf(fit["chi2"], fit["df"], noncentrality) == pytest.approx(tail, abs=1e-8)


def test_a_model_that_is_saturated_fits_exactly() -> None:
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=(50, 2)) + rng.normal(size=(50, 1))
    data = pd.DataFrame({"y": pairs.ravel(), "j": np.repeat(np.arange(50), 2)})
    data["t"] = np.tile([1, 2], 50)
    fit = mt.fit_multigroup("y", data, cluster="j", position="t").wide_fit()
    assert fit["df"] == 0 and fit["chi2"] == pytest.approx(0.0, abs=1e-8)
    assert np.isnan(fit["p"]) and fit["cfi"] == 1.0 and fit["srmr"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[1:], "Clusters in group 0 have 2 to 3 rows"),
        (lambda t: t.assign(a=t["a"].where(t.index != 5)), "1 rows in group 0 have missing values"),
        (lambda t: t[(t["j"] < 6) | (t["j"] >= 60)], "6 clusters in group 0 for 6 columns"),
        (
            lambda t: t[(t["k"] == 0) | (t.groupby("j").cumcount() < 2)],
            "clusters of different sizes",
        ),
    ],
)
def test_no_wide_format_to_compare_with(data, change, message) -> None:
    fit = mt.fit_multigroup(["a", "b"], change(data), cluster="j", group="k")
    with pytest.raises(ModelError, match=message):
        fit.wide_fit()


@pytest.mark.parametrize(
    "arguments", [{"rmsea_level": 95.0}, {"rmsea_level": "90%"}, {"level": 0.9}]
)
def test_what_is_no_level_is_refused(data, arguments) -> None:
    fit = mt.fit_multigroup(["a", "b"], data, cluster="j", group="k")
    with pytest.raises(ModelError, match="level"):
        fit.wide_fit(**arguments)
