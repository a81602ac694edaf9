"""Delta-method errors of ICCs, ratios and correlations, against numerical differentiation."""

from types import SimpleNamespace

import numpy as np
import pytest

import mlteach as mt
from mlteach.multigroup.derived import correlations, icc_table, variance_ratios

Z = 1.959963984540054
RELATIVE = 1e-6  # a central difference of a smooth function


def known(elements: dict, cov: np.ndarray) -> SimpleNamespace:
    """Return what is asked of estimates."""
    return SimpleNamespace(elements=elements, cov=cov)


def numeric_se(fit, function) -> float:
    """Standard error of a function of the parameters (a Series), by numerical derivatives."""
    slopes = []
    for name, value in fit.params.items():
        step = 1e-5 * max(abs(value), fit.bse[name])
        moved = [
            function(fit.params + step * sign * (fit.params.index == name)) for sign in (1, -1)
        ]
        slopes.append((moved[0] - moved[1]) / (2 * step))
    return float(np.sqrt(slopes @ fit.cov_params().to_numpy() @ np.array(slopes)))


def test_icc(hsb_groups) -> None:
    row = hsb_groups.icc_table.loc["math", "Public"]
    names = ("between.math~~math[Public]", "within.math~~math[Public]")
    se = numeric_se(hsb_groups, lambda p: p[names[0]] / (p[names[0]] + p[names[1]]))
    assert row["se"] == pytest.approx(se, rel=RELATIVE)
    # The interval is made for log(1 - ICC), and so never reaches 1.
    log_se = numeric_se(hsb_groups, lambda p: np.log(p[names[1]] / (p[names[0]] + p[names[1]])))
    rest = 1.0 - row["estimate"]
    assert row["upper"] == pytest.approx(1 - rest * np.exp(-Z * log_se), rel=RELATIVE)
    assert row["lower"] == pytest.approx(1 - rest * np.exp(Z * log_se), rel=RELATIVE)


def test_ratio_has_its_interval_on_the_log_scale(hsb_groups) -> None:
    row = hsb_groups.variance_ratios.loc["within", "ses", "Catholic / Public"]
    names = [f"within.ses~~ses[{g}]" for g in hsb_groups.groups]
    log_se = numeric_se(hsb_groups, lambda p: np.log(p[names[0]] / p[names[1]]))
    assert row["estimate"] == hsb_groups.params[names[0]] / hsb_groups.params[names[1]]
    assert np.log(row["upper"] / row["estimate"]) == pytest.approx(Z * log_se, rel=RELATIVE)
    assert row["se"] == pytest.approx(row["estimate"] * log_se, rel=RELATIVE)


def test_correlation_has_its_interval_on_fishers_scale(hsb_groups) -> None:
    row = hsb_groups.correlations.loc["between", "math~~ses", "Catholic"]
    a, b, c = (f"between.{pair}[Catholic]" for pair in ("math~~math", "ses~~ses", "math~~ses"))

    def r(p):
        return p[c] / np.sqrt(p[a] * p[b])

    assert row["se"] == pytest.approx(numeric_se(hsb_groups, r), rel=RELATIVE)
    z_se = numeric_se(hsb_groups, lambda p: np.arctanh(r(p)))
    assert np.arctanh(row["upper"]) - np.arctanh(r(hsb_groups.params)) == pytest.approx(
        Z * z_se, rel=1e-5
    )


def test_a_ratio_of_estimates_that_covary() -> None:
    """Var log(a / b) = Var a / a² + Var b / b² - 2 Cov(a, b) / (a b)."""
    parameters = {
        ("between", "y", "y", None, g): (v, k) for k, (g, v) in enumerate([("a", 2.0), ("b", 3.0)])
    }
    row = variance_ratios(known(parameters, np.array([[0.04, 0.01], [0.01, 0.09]]))).iloc[0]
    log_se = np.sqrt(0.04 / 4 + 0.09 / 9 - 2 * 0.01 / 6)
    expected = [2 / 3, 2 / 3 * log_se, *(2 / 3 * np.exp([-Z * log_se, Z * log_se]))]
    np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_ratios_only_where_the_model_lets_variances_differ(hsb) -> None:
    fit = mt.fit_multigroup(["math"], hsb, cluster="school", group="sector")
    assert list(fit.variance_ratios.index) == [("within", "math", "Catholic / Public")]
    same = mt.fit_multigroup(["math"], hsb, cluster="school", group="sector", within="equal")
    assert fit.correlations.empty and same.variance_ratios.empty


def test_impossible_values_give_nan() -> None:
    cov = np.eye(6) * 0.01
    matrix = {("a", "a"): (1.0, 0), ("a", "b"): (1.2, 1), ("b", "b"): (1.0, 2)}
    negative = {("a", "a"): (-0.1, 3), ("a", "b"): (0.1, 4), ("b", "b"): (0.2, 5)}
    elements = {("within", *pair, None, "all"): value for pair, value in matrix.items()}
    elements |= {("between", *pair, None, "all"): value for pair, value in negative.items()}
    assert correlations(known(elements, cov)).isna().all(axis=None)
    assert icc_table(known(elements, cov)).loc["a", "all"]["estimate"] == pytest.approx(-0.1 / 0.9)
    two = {(*key[:4], g): value for key, value in elements.items() for g in ("all",)}
    assert variance_ratios(known(two, cov)).empty


@pytest.mark.parametrize("sign", [1, -1])
def test_a_correlation_is_on_the_boundary_where_five_digits_are_one(sign) -> None:
    """Short of it, Fisher's limits: r and its slopes with variances 1, covariance r, errors .01."""

    def row(r):
        values = {("a", "a"): (1.0, 0), ("a", "b"): (sign * r, 1), ("b", "b"): (1.0, 2)}
        elements = {("between", *pair, None, "all"): value for pair, value in values.items()}
        return correlations(known(elements, np.eye(3) * 1e-4)).iloc[0].to_numpy()

    np.testing.assert_array_equal(row(1.0 - 5e-6), [sign, np.nan, np.nan, np.nan])
    r = 1.0 - 2e-5
    se = 0.01 * np.sqrt(1.0 + r**2 / 2.0)
    z, half = np.arctanh(sign * r), Z * se / (1.0 - r**2)
    expected = [sign * r, se, np.tanh(z - half), np.tanh(z + half)]
    np.testing.assert_allclose(row(r), expected, rtol=1e-9)


def test_limits_of_an_icc_above_one_are_those_of_the_estimate_itself() -> None:
    """A negative variance within, as a position may have: there is no logarithm of 1 - ICC."""
    parameters = {
        ("within", "y", "y", None, "a"): (-0.1, 0),
        ("between", "y", "y", None, "a"): (1.1, 1),
    }
    row = icc_table(known(parameters, np.diag([0.01, 0.02]))).loc["y", "a"]
    se = np.sqrt(1.1**2 * 0.01 + 0.1**2 * 0.02)
    assert row["estimate"] == pytest.approx(1.1)
    assert row["se"] == pytest.approx(se)
    assert (row["lower"], row["upper"]) == pytest.approx((1.1 - Z * se, 1.1 + Z * se))
