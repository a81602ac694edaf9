"""Simple slopes and Johnson-Neyman bounds: by hand, by R, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt
from mlteach.core.design import design
from mlteach.core.formula import parse
from mlteach.errors import ModelError
from mlteach.questions.slope_line import columns_with
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "slopes.json").read_text())["cases"]["slopes"]

EXACT = {"rtol": 1e-10, "atol": 1e-12}  # the same numbers by another route: rounding only
# Against lmerTest: its fit ends on a flat deviance (1e-7 of an SE), its df are differentiated
# numerically.
R_ESTIMATE = 1e-6  # of the SE
R_SE, R_DF = 1e-6, 1e-5  # relative
R_T = 1e-5  # absolute: estimate and SE together
R_P = 1e-3  # relative; in a far tail a p-value magnifies the error of t a hundredfold
R_BOUND = 1e-6  # relative

CROSS = "math ~ ses_within * (mean_ses + catholic) + (1 + ses_within | school)"


@pytest.fixture(scope="module")
def data(hsb):
    return mt.center(hsb, "ses", cluster="school")


@pytest.fixture(scope="module")
def cross(data):
    return mt.fit_mixed(CROSS, data)


def reference_fit(case):
    frame = pd.read_csv(REFERENCE / case["data"])
    for name, expression in dict(case["derive"] or {}).items():
        frame[name] = frame.eval(expression)
    return mt.fit_mixed(case["formula"], frame, reml=case["reml"])


# ----------------------------------------------------------------------------------- simple slopes


def test_slopes_are_sums_of_coefficients(cross):
    table = mt.simple_slopes(cross, "ses_within", "mean_ses", at=[-0.5, 0.25], hold={"catholic": 1})
    b = cross.params
    for m, row in table.iterrows():
        wanted = b["ses_within"] + m * b["ses_within:mean_ses"] + b["ses_within:catholic"]
        assert row["estimate"] == pytest.approx(wanted, rel=1e-12)
    names = ["ses_within", "ses_within:mean_ses", "ses_within:catholic"]
    c = np.array([1.0, 0.25, 1.0])
    se = np.sqrt(c @ cross.cov_params().loc[names, names] @ c)
    assert table["se"].iloc[1] == pytest.approx(se, rel=1e-12)
    assert list(table) == ["estimate", "se", "df", "t", "p", "lower", "upper"]
    assert table.index.name == "mean_ses"


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "between-within", "z"])
def test_where_the_moderator_is_zero_it_is_the_coefficient(cross, ddf):
    got = mt.simple_slopes(
        cross, "ses_within", "mean_ses", at=[0], hold={"catholic": 0}, ddf=ddf, level=0.9
    ).loc[0]
    wanted = cross.tests(ddf, level=0.9).loc["ses_within"]
    np.testing.assert_allclose(got, wanted, **EXACT)


def test_moving_the_zero_of_the_moderator_gives_the_same_test(data, cross):
    """The coefficient of x is its slope at the zero point, so recentring is another route."""
    there = mt.simple_slopes(cross, "ses_within", "mean_ses", at=[0.4], hold={"catholic": 0})
    moved = mt.fit_mixed(CROSS, data.assign(mean_ses=data["mean_ses"] - 0.4))
    wanted = moved.coefficients.loc["ses_within"]
    # two fits; Satterthwaite's df rest on a second derivative
    np.testing.assert_allclose(there.iloc[0], wanted, rtol=1e-6, atol=1e-12)


def test_default_values_are_the_mean_and_one_sd_over_clusters(cross, data):
    schools = data.groupby("school")["mean_ses"].first()
    table = mt.simple_slopes(cross, "ses_within", "mean_ses")
    wanted = schools.mean() + schools.std() * np.array([-1, 0, 1])
    np.testing.assert_allclose(table.index, wanted, **EXACT)
    share = data.groupby("school")["catholic"].first().mean()
    assert table.attrs["held"] == {"catholic": pytest.approx(share, rel=1e-12)}
    assert table.attrs["notes"] == ("catholic is held at 0.4375, its mean over clusters.",)
    assert mt.simple_slopes(cross, "ses_within", "catholic").index.tolist() == [0.0, 1.0]


def test_a_level_1_moderator_is_averaged_over_rows(cross, data):
    table = mt.simple_slopes(cross, "mean_ses", "ses_within")
    x = data["ses_within"]
    np.testing.assert_allclose(table.index, [-x.std(), 0, x.std()], rtol=1e-8, atol=1e-12)
    assert table.attrs["held"] == {}


def test_codings_of_a_category_agree(data):
    random = "(1 + ses_within | school)"
    plain = mt.fit_mixed(f"math ~ ses_within * sector + {random}", data)
    wanted = mt.simple_slopes(plain, "ses_within", "sector")
    assert wanted.index.tolist() == ["Catholic", "Public"]
    summed = mt.fit_mixed(f"math ~ ses_within * C(sector, contr.sum) + {random}", data)
    other = mt.fit_mixed(
        f"math ~ ses_within * C(sector, contr.treatment('Public')) + {random}", data
    )
    dummy = mt.fit_mixed(f"math ~ ses_within * catholic + {random}", data)
    # four fits of one model
    same = {"rtol": 1e-6}
    np.testing.assert_allclose(mt.simple_slopes(summed, "ses_within", "sector"), wanted, **same)
    got = mt.simple_slopes(other, "ses_within", "sector")
    assert got.index.tolist() == ["Public", "Catholic"]
    np.testing.assert_allclose(got.loc[wanted.index], wanted, **same)
    got = mt.simple_slopes(dummy, "ses_within", "catholic").iloc[::-1]
    np.testing.assert_allclose(got, wanted, **same)


def test_a_held_category_is_the_reference_and_it_is_said(data):
    fit = mt.fit_mixed("math ~ ses_within * (mean_ses + sector) + (1 | school)", data)
    table = mt.simple_slopes(fit, "ses_within", "mean_ses", at=[0])
    assert table.attrs["notes"] == ("sector is held at 'Catholic', its reference category.",)
    np.testing.assert_allclose(table.iloc[0], fit.coefficients.loc["ses_within"], **EXACT)


def test_transformed_predictors_and_three_way_interactions(data):
    fit = mt.fit_mixed("math ~ ses_within * log(size) * female + (1 | school)", data)
    table = mt.simple_slopes(fit, "ses_within", "size", at=[500, 2000], hold={"female": 1})
    b = fit.params
    for m, row in table.iterrows():
        wanted = (
            b["ses_within"]
            + np.log(m) * b["ses_within:log(size)"]
            + b["ses_within:female"]
            + np.log(m) * b["ses_within:log(size):female"]
        )
        assert row["estimate"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_against_r(case):
    fit = reference_fit(case)
    hold = dict(case["hold"] or {})
    for ddf, rows in case["tests"].items():
        got = mt.simple_slopes(fit, case["x"], case["by"], at=case["at"], hold=hold, ddf=ddf)
        wanted = pd.DataFrame(rows, index=got.index)
        se = wanted["se"]
        for name in ("estimate", "lower", "upper"):
            assert ((got[name] - wanted[name]).abs() / se).max() < R_ESTIMATE * 10
        assert ((got["estimate"] - wanted["estimate"]).abs() / se).max() < R_ESTIMATE
        np.testing.assert_allclose(got["se"], se, rtol=R_SE)
        np.testing.assert_allclose(got["df"], wanted["df"], rtol=R_DF)
        np.testing.assert_allclose(got["t"], wanted["t"], atol=R_T)
        np.testing.assert_allclose(got["p"], wanted["p"], rtol=R_P)
    if case["bounds"] is not None:
        got = mt.johnson_neyman(fit, case["x"], case["by"], hold=hold)
        np.testing.assert_allclose(got.bounds, case["bounds"], rtol=R_BOUND)


# ---------------------------------------------------------------------------------- Johnson-Neyman


def quadratic_bounds(fit, level):
    """Bounds by the formula for the roots of a quadratic, with a normal quantile."""
    a, b = fit.params[["ses_within", "ses_within:mean_ses"]]
    V = fit.cov_params("z")
    names = ["ses_within", "ses_within:mean_ses"]
    (vaa, vab), (_, vbb) = V.loc[names, names].to_numpy()
    q = stats.norm.ppf(0.5 + level / 2) ** 2
    return np.sort(np.roots([b**2 - q * vbb, 2 * (a * b - q * vab), a**2 - q * vaa]))


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_bounds_are_the_roots_of_the_quadratic(cross, level):
    got = mt.johnson_neyman(
        cross, "ses_within", "mean_ses", hold={"catholic": 0}, ddf="z", level=level
    )
    np.testing.assert_allclose(got.bounds, quadratic_bounds(cross, level), rtol=1e-9)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_at_a_bound_an_interval_touches_zero(cross, ddf):
    found = mt.johnson_neyman(cross, "ses_within", "mean_ses", hold={"catholic": 1}, ddf=ddf)
    assert len(found.bounds) == 2
    table = mt.simple_slopes(
        cross, "ses_within", "mean_ses", at=found.bounds, hold={"catholic": 1}, ddf=ddf
    )
    nearest = table[["lower", "upper"]].abs().min(axis=1)
    assert (nearest / table["se"]).max() < 1e-9
    np.testing.assert_allclose(table["p"], 0.05, rtol=1e-9)


@given(share=st.floats(0.02, 0.98))
def test_regions_say_what_simple_slopes_say(cross, share):
    found = mt.johnson_neyman(cross, "ses_within", "mean_ses", hold={"catholic": 1})
    low, high = found.observed
    m = low - 3 + share * (high - low + 6)
    row = found.table[(found.table["from"] <= m) & (m < found.table["to"])].iloc[0]
    slope = mt.simple_slopes(cross, "ses_within", "mean_ses", at=[m], hold={"catholic": 1}).iloc[0]
    sign = "positive" if slope["estimate"] > 0 else "negative"
    assert row["slope"] == (sign if slope["p"] < 0.05 else "undecided")


def test_regions_count_the_clusters(cross, data):
    found = mt.johnson_neyman(cross, "ses_within", "mean_ses", hold={"catholic": 1})
    schools = data.groupby("school")["mean_ses"].first()
    table = found.table
    assert table["count"].sum() == 160
    between = schools.between(*found.bounds).sum()
    assert table["count"].tolist() == [0, between, 160 - between]
    np.testing.assert_allclose(table["share"], table["count"] / 160, **EXACT)
    assert found.inside == (False, True)
    assert found.observed == (schools.min(), schools.max())
    assert "negative" not in found.region  # no school lies there
    assert f"above {found.bounds[1]:.4f} the slope of ses_within is positive" in found.region
    assert "of the clusters" in found.region
    assert "outside the data" in repr(found)
    assert found.notes == ("catholic is held at 1.",)
    assert "<table" in found._repr_html_()


def test_rows_are_counted_for_a_level_1_moderator(cross):
    found = mt.johnson_neyman(cross, "mean_ses", "ses_within")
    assert found.table["count"].sum() == 7185
    assert "of the rows" in found.region


def test_no_bound_and_bounds_with_the_middle_significant():
    """An interaction too weak to be seen: significant in the middle, or nowhere."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 10)
    x, m = rng.normal(size=300), rng.normal(size=30)[g]
    for slope, regions in ((1.0, 3), (0.0, 1)):
        y = slope * x + rng.normal(size=300) + rng.normal(size=30)[g]
        fit = mt.fit_mixed("y ~ x * m + (1 | g)", pd.DataFrame({"y": y, "x": x, "m": m, "g": g}))
        found = mt.johnson_neyman(fit, "x", "m")
        assert len(found.table) == regions
        middle = found.table["slope"].iloc[regions // 2]
        assert middle == ("positive" if slope else "undecided")
        assert np.isinf(found.table[["from", "to"]].to_numpy()[[0, -1], [0, 1]]).all()
    assert found.bounds == ()
    assert found.region.startswith("At every value of m the interval of the slope of x contains 0")
    assert "no value" in repr(found)


def test_units_of_the_moderator_do_not_matter(cross, data):
    wanted = mt.johnson_neyman(cross, "ses_within", "mean_ses", hold={"catholic": 0})
    moved = mt.fit_mixed(CROSS, data.assign(mean_ses=1000 + 1e4 * data["mean_ses"]))
    got = mt.johnson_neyman(moved, "ses_within", "mean_ses", hold={"catholic": 0})
    # two fits; the far bound hangs on a small difference
    np.testing.assert_allclose((np.array(got.bounds) - 1000) / 1e4, wanted.bounds, rtol=1e-5)
    assert got.table["count"].tolist() == wanted.table["count"].tolist()


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("x", "by", "options", "words"),
    [
        ("ses_withn", "mean_ses", {}, "'ses_withn' as x is no predictor .* mean 'ses_within'"),
        ("ses_within", "size", {}, "'size' as by is no predictor"),
        ("mean_ses", "catholic", {}, "do not interact in .* Fit 'mean_ses \\* catholic'"),
        ("ses_within", "ses_within", {}, "x and by are both 'ses_within'"),
        ("ses_within", "mean_ses", {"at": []}, "at= is empty"),
        ("ses_within", "mean_ses", {"at": ["high"]}, "'mean_ses' is numeric; 'high' is not"),
        ("ses_within", "mean_ses", {"at": [np.nan]}, "is not a finite number"),
        (
            "ses_within",
            "mean_ses",
            {"hold": {"sector": 1}},
            "'sector' in hold= is no other moderator",
        ),
        ("ses_within", "mean_ses", {"hold": {"catholic": "yes"}}, "'catholic' is numeric"),
        ("ses_within", "mean_ses", {"ddf": "anova"}, "ddf='anova' is not known"),
    ],
)
def test_simple_slopes_refuse(cross, x, by, options, words):
    with pytest.raises(ModelError, match=words):
        mt.simple_slopes(cross, x, by, **options)


def test_categories_and_curves_are_refused(data):
    fit = mt.fit_mixed("math ~ ses_within * sector + (1 | school)", data)
    with pytest.raises(ModelError, match="'sector' is a category and has no slope"):
        mt.simple_slopes(fit, "sector", "ses_within")
    with pytest.raises(ModelError, match="'sector' has no category 'private'. It has: 'Catholic'"):
        mt.simple_slopes(fit, "ses_within", "sector", at=["private"])
    with pytest.raises(ModelError, match="'sector' is a category, so there are no bounds"):
        mt.johnson_neyman(fit, "ses_within", "sector")
    fit = mt.fit_mixed("math ~ (ses_within + I(ses_within**2)) * mean_ses + (1 | school)", data)
    with pytest.raises(ModelError, match="effect of 'ses_within' in .* is a curve"):
        mt.simple_slopes(fit, "ses_within", "mean_ses")
    with pytest.raises(ModelError, match="'ses_within' changes the slope of 'mean_ses' along a"):
        mt.johnson_neyman(fit, "mean_ses", "ses_within")
    fit = mt.fit_mixed("math ~ ses_within * log(size) + (1 | school)", data)
    with pytest.raises(ModelError, match=r"'size' has no column of its own.*at=\[\.\.\.\]"):
        mt.simple_slopes(fit, "ses_within", "size")


@pytest.mark.parametrize(
    "random", ["(1 + x + z | g)", "(1 | g) + (0 + x + z | g)", "(1 + x || g) + (0 + z | g)"]
)
def test_the_columns_of_a_predictor_are_those_that_bear_its_name(random):
    rows = np.random.default_rng(3).normal(size=(40, 3))
    data = pd.DataFrame(rows, columns=["y", "x", "z"]).assign(g=np.arange(40) % 5)
    d = design(parse(f"y ~ x * z + {random}"), data)
    for name in ("x", "z"):
        in_x, in_z = columns_with(d, name)
        assert [d.x_names[k] for k in in_x] == [name, "x:z"]
        assert [d.z_names[k] for k in in_z] == [name]


def test_a_centred_moderator_is_held_at_zero_and_not_at_its_rounding(data):
    centred = data.assign(mean_ses=data["mean_ses"] - data["mean_ses"].mean())
    fit = mt.fit_mixed("math ~ mean_ses * ses_within * catholic + (1 | school)", centred)
    assert mt.simple_slopes(fit, "mean_ses", "catholic").attrs["held"] == {"ses_within": 0.0}
    assert mt.simple_slopes(fit, "mean_ses", "ses_within").index[1] == 0.0


@pytest.mark.parametrize("ask", [mt.simple_slopes, mt.johnson_neyman])
def test_hold_is_a_dict(ask, cross):
    with pytest.raises(ModelError, match="hold=.* is not a dict"):
        ask(cross, "ses_within", "mean_ses", hold=["catholic"])


@pytest.mark.parametrize("ask", [mt.simple_slopes, mt.johnson_neyman])
def test_need_a_level(ask, cross):
    with pytest.raises(ValueError, match="between 0 and 1"):
        ask(cross, "ses_within", "mean_ses", level=95)
