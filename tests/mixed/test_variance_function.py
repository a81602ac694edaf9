"""Variances that random slopes imply: closed forms, nlme, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt
from mlteach.errors import DataError, ModelError
from tests.dense import covariance
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "slopes.json").read_text())["cases"]["variance"]

EXACT = {"rtol": 1e-12, "atol": 1e-12}  # the same sum in another order: rounding only
# nlme stops up to 1e-4 of the deviance from the optimum, and its apVar is a finite difference
NLME_VARIANCE = {"rtol": 3e-4}
NLME_SE = {"rtol": 2e-3}


@pytest.fixture(scope="module")
def slope(london):
    return mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london)


@pytest.fixture(scope="module")
def two_slopes(london):
    return mt.fit_mixed("score16 ~ score11 + girl + (1 + score11 + girl | school)", london)


def reference_data(case):
    frame = pd.read_csv(REFERENCE / case["data"])
    for name, expression in dict(case["derive"] or {}).items():
        frame[name] = frame.eval(expression)
    return frame


# -------------------------------------------------------------------------------- along a predictor


def test_variance_is_the_parabola(slope):
    table = slope.variance_function("score11", at=[-3, -0.5, 0, 2])
    x, v = table.index.to_numpy(), slope.variances["estimate"]
    between = v["Intercept"] + 2 * x * v["Intercept:score11"] + x**2 * v["score11"]
    np.testing.assert_allclose(table["between"], between, **EXACT)
    np.testing.assert_allclose(table["variance"], between + v["Residual"], **EXACT)
    np.testing.assert_allclose(table["sd"] ** 2, table["variance"], **EXACT)
    np.testing.assert_allclose(table["icc"], between / (between + v["Residual"]), **EXACT)
    assert table.index.name == "score11"
    assert list(table) == ["between", "variance", "se", "lower", "upper", "sd", "icc"]
    assert table.attrs["sigma2"] == slope.sigma2


def test_se_is_the_delta_method_and_limits_that_of_the_logarithm(slope):
    x = 1.7
    g = np.array([1.0, 2 * x, x**2, 1.0])  # derivatives by tau00, tau01, tau11, sigma2
    order = ["Intercept", "Intercept:score11", "score11", "Residual"]
    se = np.sqrt(g @ slope.cov_variances.loc[order, order] @ g)
    row = slope.variance_function("score11", at=x, level=0.9).loc[x]
    assert row["se"] == pytest.approx(se, rel=1e-12)
    half = stats.norm.ppf(0.95) * se / row["variance"]
    limits = row["variance"] * np.exp([-half, half])
    np.testing.assert_allclose(row[["lower", "upper"]], limits, rtol=1e-12)


def test_the_icc_is_that_of_icc(slope, two_slopes):
    for fit in (slope, two_slopes):
        share = fit.variance_function("score11", at=[0.8])["icc"].item()
        assert share == pytest.approx(mt.icc(fit, at={"score11": 0.8}).estimate, rel=1e-12)


def test_lowest_place(slope, two_slopes):
    attrs = slope.variance_function("score11").attrs
    v = slope.variances["estimate"]
    assert attrs["lowest_at"] == pytest.approx(-v["Intercept:score11"] / v["score11"], rel=1e-12)
    # With another slope held elsewhere, the lowest place moves; look around it.
    attrs = two_slopes.variance_function("score11", others={"girl": 1}).attrs
    near = attrs["lowest_at"] + np.array([-0.01, 0.0, 0.01])
    left, lowest, right = two_slopes.variance_function("score11", near, others={"girl": 1})[
        "variance"
    ]
    assert left > lowest < right
    assert lowest == pytest.approx(attrs["lowest"], rel=1e-12)


def test_default_grid_is_the_range_or_the_few_values(two_slopes, london):
    table = two_slopes.variance_function("score11")
    assert len(table) == 41
    np.testing.assert_allclose(
        table.index[[0, -1]], [london["score11"].min(), london.score11.max()]
    )
    assert two_slopes.variance_function("girl").index.tolist() == [0.0, 1.0]


def test_other_slopes_are_held_at_zero_and_it_is_said(two_slopes):
    table = two_slopes.variance_function("score11", at=[1.0])
    assert table.attrs["held"] == {"girl": 0.0}
    said = "The other predictors with random slopes are held at girl = 0."
    assert table.attrs["notes"][0] == said
    girls = two_slopes.variance_function("score11", at=[1.0], others={"girl": 1})
    z = np.array([1.0, 1.0, 1.0])
    assert girls["between"].item() == pytest.approx(z @ two_slopes.tau @ z, rel=1e-12)
    assert girls.attrs["held"] == {"girl": 1.0}


def test_a_model_without_random_intercept(hsb):
    data = mt.center(hsb, "ses", cluster="school")
    fit = mt.fit_mixed("math ~ ses_within + (0 + ses_within | school)", data)
    table = fit.variance_function("ses_within", at=[0, 2])
    assert table["between"].to_list() == [0.0, pytest.approx(4 * fit.tau.iloc[0, 0])]
    assert table.attrs["lowest_at"] == 0.0


@given(
    shift=st.floats(-5, 5),
    scale=st.floats(0.1, 10),
    x=st.floats(-3, 3),
)
def test_zero_point_and_unit_of_x_do_not_matter(london, slope, shift, scale, x):
    """Tau changes with the zero point of x; the variance at a place does not."""
    moved = london.assign(score11=shift + scale * london["score11"])
    fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", moved)
    got = fit.variance_function("score11", at=[shift + scale * x])
    wanted = slope.variance_function("score11", at=[x])
    columns = ["variance", "se", "lower", "upper", "icc"]
    # two fits, each at its optimum to about 1e-9; a shift of 50 SDs costs digits
    np.testing.assert_allclose(got[columns], wanted[columns], rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['id']}-{'reml' if c['reml'] else 'ml'}")
def test_against_nlme(case):
    data = reference_data(case)
    fit = mt.fit_mixed(case["formula"], data, reml=case["reml"])
    table = fit.variance_function(case["x"], at=case["at"])
    np.testing.assert_allclose(table["variance"], case["variance"], **NLME_VARIANCE)
    np.testing.assert_allclose(table["se"], case["se"], **NLME_SE)
    rows = fit.implied_covariance(data.iloc[case["rows"]])
    np.testing.assert_allclose(rows, case["covariance"], **NLME_VARIANCE)


def test_singular_fits_have_no_standard_error():
    data = pd.read_csv(REFERENCE / "data" / "correlation_one.csv")
    fit = mt.fit_mixed("y ~ x + (1 + x | cluster)", data)
    table = fit.variance_function("x", at=[-1, 1])
    assert table[["se", "lower", "upper"]].isna().all(axis=None)
    assert table[["between", "variance", "icc"]].notna().all(axis=None)
    assert "singular" in table.attrs["notes"][0]


def test_a_slope_variance_of_zero_has_no_lowest_place():
    x = np.tile([-1.0, -1.0, 1.0, 1.0], 6)
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(6), 4), "x": x, "y": x + np.tile([1.0, -1.0], 12)}
    )
    fit = mt.fit_mixed("y ~ x + (1 + x | g)", data)
    table = fit.variance_function("x")
    assert np.isnan(table.attrs["lowest_at"])
    np.testing.assert_allclose(table["variance"], fit.sigma2, **EXACT)


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        ("girl", {}, "'girl' has no random slope in .* Random slopes: score11"),
        ("Intercept", {}, "'Intercept' has no random slope"),
        ("score11", {"at": []}, "list of finite numbers"),
        ("score11", {"at": [np.inf]}, "list of finite numbers"),
        ("score11", {"at": ["low"]}, "list of finite numbers"),
        (
            "score11",
            {"others": {"girl": 1}},
            "'girl' in others= is no other random slope. The others are: none",
        ),
    ],
)
def test_refuses(slope, x, options, words):
    with pytest.raises(ModelError, match=words):
        slope.variance_function(x, **options)


def test_level_and_held_values_are_checked(slope, two_slopes):
    with pytest.raises(ValueError, match="between 0 and 1"):
        slope.variance_function("score11", level=95)
    for value in (np.nan, "yes", [1, 2]):
        with pytest.raises(ModelError, match="others= needs a dict of finite numbers"):
            two_slopes.variance_function("score11", others={"girl": value})


@pytest.mark.parametrize(
    ("random", "x", "values"),
    [
        ("score11 + I(score11**2)", "score11", [-2.0, 0.5, 3.0]),
        ("poly(score11, 2)", "score11", [-2.0, 0.5, 3.0]),
        ("C(girl)", "girl", [0, 1]),
        ("who", "who", ["boy", "girl"]),
    ],
)
def test_along_a_column_that_stands_in_functions_or_is_a_category(random, x, values, london):
    london = london.assign(who=np.where(london["girl"] == 1, "girl", "boy"))
    fit = mt.fit_mixed(f"score16 ~ score11 + ({random} | school)", london, smushed_note=False)
    table = fit.variance_function(x, values)
    rows = pd.DataFrame({x: values, "school": 1})
    expected = np.diag(fit.implied_covariance(rows))
    np.testing.assert_allclose(table["variance"], expected, rtol=1e-12)
    for value in values:
        if not isinstance(value, str):
            pd.testing.assert_frame_equal(fit.variance_function(x, value), table.loc[[value]])
    assert fit.variance_function(x).index[[0, -1]].tolist() == [
        london[x].min(),
        london[x].max(),
    ]


def test_along_a_column_the_others_are_held_where_asked(london):
    formula = "score16 ~ score11 + (1 + I(score11**2) + girl | school)"
    fit = mt.fit_mixed(formula, london, smushed_note=False)
    table = fit.variance_function("score11", [0.0, 1.0], others={"girl": 1})
    rows = pd.DataFrame({"score11": [0.0, 1.0], "girl": 1, "school": 1})
    expected = np.diag(fit.implied_covariance(rows))
    np.testing.assert_allclose(table["variance"], expected, rtol=1e-12)
    for name in ("score11", "vr"):
        with pytest.raises(
            ModelError, match=f"'{name}' in others= is no other column here. The others are: girl"
        ):
            fit.variance_function("score11", others={name: 1})


# ------------------------------------------------------------------------------------- between rows


def test_implied_covariance_is_the_dense_one(london, two_slopes):
    d = two_slopes.design
    rows = london.iloc[::97]
    Z, codes = d.Z[::97], d.codes[::97]
    wanted = covariance(Z, codes, two_slopes.tau.to_numpy(), two_slopes.sigma2)
    got = two_slopes.implied_covariance(rows)
    np.testing.assert_allclose(got, wanted, **EXACT)
    assert got.index.equals(rows.index) and got.columns.equals(rows.index)
    correlation = two_slopes.implied_covariance(rows, correlation=True)
    sd = np.sqrt(np.diag(wanted))
    np.testing.assert_allclose(correlation, wanted / np.outer(sd, sd), **EXACT)
    assert (np.diag(correlation) == 1.0).all()


def test_new_clusters_and_predictors_of_the_fixed_part_only(london):
    fit = mt.fit_mixed("score16 ~ score11 + vr + (1 + score11 | school)", london)
    rows = pd.DataFrame({"school": ["new", "new", "other"], "score11": [-1.0, 1.0, 1.0]})
    rows.index = ["a", "b", "c"]
    V = fit.implied_covariance(rows)
    tau = fit.tau.to_numpy()
    assert V.loc["a", "b"] == pytest.approx(tau[0, 0] - tau[1, 1], rel=1e-12)
    assert V.loc["a", "c"] == V.loc["b", "c"] == 0.0
    table = fit.variance_function("score11", at=[-1, 1])
    assert [V.loc["a", "a"], V.loc["c", "c"]] == pytest.approx(table["variance"].to_list())


def test_double_bar_rows(london):
    fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 || school)", london)
    rows = pd.DataFrame({"school": 1, "score11": [-1.0, 2.0]})
    tau = np.diag(fit.tau)
    assert fit.implied_covariance(rows).iloc[0, 1] == pytest.approx(tau[0] - 2 * tau[1], rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"score11": [1.0]}, "'school', needed by implied_covariance"),
        ({"school": [1], "score12": [1.0]}, "'score11', needed by the model"),
        ({"school": [None], "score11": [1.0]}, "'school' has 1 missing value"),
        ({"school": [1], "score11": [np.nan]}, "'score11' has 1 missing value"),
    ],
)
def test_implied_covariance_refuses(slope, rows, words):
    with pytest.raises(DataError, match=words):
        slope.implied_covariance(pd.DataFrame(rows))
