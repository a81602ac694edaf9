"""fit_centering: the effects are what they are called, in every model, on real and on odd data."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.centering.fit import EFFECTS
from tests.places import REFERENCE

LAVAAN = json.loads((REFERENCE / "lavaan.json").read_text())["cases"]
COLUMNS = ["estimate", "se", "df", "t", "p", "lower", "upper"]

# Two parametrisations of one model: both fits end in Newton steps, so only rounding is left.
SAME_MODEL = 1e-8
LATENT = 1e-5  # what lavaan's stopping rule allows; relative to the larger of estimate and SE


@pytest.fixture(scope="module")
def ses(hsb):
    return mt.fit_centering("math ~ ses", hsb, cluster="school")


@pytest.fixture(scope="module")
def several(hsb):
    return mt.fit_centering("math ~ ses + minority + female + catholic", hsb, cluster="school")


@pytest.fixture(scope="module")
def sloped(hsb):
    return mt.fit_centering("math ~ ses + catholic", hsb, cluster="school", slopes=["ses"])


def test_shape_is_the_contract(ses, several):
    assert ses.table.index.tolist() == list(EFFECTS)
    assert ses.table.columns.tolist() == COLUMNS
    assert several.table.columns.tolist() == COLUMNS
    assert several.table.index.tolist() == [
        (x, effect) for x in ("ses", "minority", "female") for effect in EFFECTS
    ]
    assert several.table.to_numpy().dtype == float
    # A mix of the levels is what the first of the models is there to show.
    assert all(fit.notes == () for fit in ses.fits.values())


@pytest.mark.parametrize("result", ["ses", "several"])
@pytest.mark.parametrize("column", COLUMNS)
def test_contextual_is_between_minus_within(result, column, request):
    """The contextual coefficient of Mundlak's model, whole row, to the promised 1e-8."""
    result = request.getfixturevalue(result)
    for x in result.phi.index:
        row = result.table.loc[x] if len(result.phi) > 1 else result.table
        other = result.fits["contextual"].coefficients.loc[f"{x}_between", column]
        scale = abs(other) + row.loc["contextual", "se"]
        # Degrees of freedom are a ratio of second derivatives, one digit or two less exact.
        tolerance = 1e-6 if column in ("df", "p") else SAME_MODEL
        assert abs(row.loc["contextual", column] - other) < tolerance * scale
        if column == "estimate":
            difference = row.loc["between", column] - row.loc["within", column]
            assert abs(row.loc["contextual", column] - difference) < SAME_MODEL


def test_the_split_models_are_one_model(ses):
    both, contextual = ses.fits["within_between"], ses.fits["contextual"]
    assert np.isclose(both.deviance, contextual.deviance, atol=1e-8, rtol=0)
    assert np.allclose(both.variances["estimate"], contextual.variances["estimate"], rtol=1e-8)


def test_fixed_effects_are_least_squares_with_a_dummy_a_cluster(several, hsb):
    dummies = smf.ols("math ~ ses + minority + female + C(school)", hsb).fit()
    for x in ("ses", "minority", "female"):
        row = several.table.loc[(x, "fixed_effects")]
        assert np.isclose(row["estimate"], dummies.params[x], rtol=1e-8)
        assert np.isclose(row["se"], dummies.bse[x], rtol=1e-8)
        assert row["df"] == dummies.df_resid
        assert np.isclose(row["p"], dummies.pvalues[x], rtol=1e-6, atol=1e-300)


def test_within_effect_is_the_fixed_effects_estimate(ses):
    """With a random intercept, deviations are orthogonal to all that differs between clusters."""
    table = ses.table["estimate"]
    assert np.isclose(table["within"], table["fixed_effects"], rtol=1e-10)


@pytest.mark.parametrize(
    "case", [c for c in LAVAAN if c["id"] != "repelled"], ids=lambda c: c["id"]
)
def test_latent_rows_against_lavaan(case):
    data = pd.read_csv(REFERENCE / case["data"])
    formula = f"{case['y']} ~ {' + '.join([*case['both'], *case['level2']])}"
    table = mt.fit_centering(formula, data, cluster=case["cluster"]).table
    expected = case["path"]["effects"]
    for part in ("within", "between", "contextual"):
        for x in case["both"]:
            key = (x, f"latent_{part}") if len(case["both"]) > 1 else f"latent_{part}"
            estimate, se = (expected[what][f"{part} {x}"] for what in ("estimate", "se"))
            assert abs(table.loc[key, "estimate"] - estimate) < LATENT * max(abs(estimate), se)
            assert np.isclose(table.loc[key, "se"], se, rtol=LATENT)


def test_smushed_is_the_weighted_mean_at_its_own_variances(ses, hsb):
    """Within and between are estimated again with the smushed model's variances held."""
    smushed = ses.fits["smushed"]
    tau2, sigma2 = smushed.tau.iloc[0, 0], smushed.sigma2
    rows = ses.data
    X = np.column_stack([np.ones(len(rows)), rows["ses_within"], rows["ses_between"]])
    A, b = np.zeros((3, 3)), np.zeros(3)
    for _, at in rows.groupby("school").indices.items():
        V_inv = np.linalg.inv(sigma2 * np.eye(len(at)) + tau2)
        A += X[at].T @ V_inv @ X[at]
        b += X[at].T @ V_inv @ rows["math"].to_numpy()[at]
    _, within, between = np.linalg.solve(A, b)
    phi = ses.phi["ses"]
    assert np.isclose(phi * within + (1 - phi) * between, smushed.params["ses"], rtol=1e-9)
    assert 0.5 < phi < 1


def test_weights_of_one_predictor_lie_between_zero_and_one(london, language):
    for data, formula in ((london, "score16 ~ score11"), (language, "language ~ iq_verbal")):
        phi = mt.fit_centering(formula, data, cluster="school").phi
        assert 0 < phi.iloc[0] < 1


def test_specifications_hold_the_numbers_of_the_models(ses):
    table = ses.specifications
    assert table.shape == (6, 6)
    kinds = table[["level1_effect", "level2_effect"]].to_numpy().tolist()
    assert kinds == [
        ["within", ""],
        ["", "between"],
        ["within", "between"],
        ["smushed", ""],
        ["", "between"],
        ["within", "contextual"],
    ]
    for (centered_at, included), name, level1, level2 in (
        (("cluster mean", "level 1 only"), "within", "ses_within", None),
        (("cluster mean", "level 2 only"), "between", None, "ses_between"),
        (("cluster mean", "both"), "within_between", "ses_within", "ses_between"),
        (("constant", "level 1 only"), "smushed", "ses", None),
        (("constant", "both"), "contextual", "ses", "ses_between"),
    ):
        row, fit = table.loc[(centered_at, included)], ses.fits[name]
        for level, column in ((1, level1), (2, level2)):
            if column is None:
                assert np.isnan(row[f"level{level}"])
            else:
                assert row[f"level{level}"] == fit.params[column]
                assert row[f"level{level}_se"] == fit.bse[column]


def test_hausman_is_the_test_of_the_contextual_effects(ses, several):
    t = ses.table.loc["contextual", "t"]
    assert np.isclose(ses.hausman.statistic, t**2, rtol=1e-10)
    assert np.isclose(ses.hausman.chi2, t**2, rtol=1e-10)
    assert several.hausman.df_num == 3


def test_classical_hausman_is_the_same_test_where_the_variances_are_the_same(ses):
    """Mundlak (1978): (FE - GLS)² / (Var FE - Var GLS) is the Wald test of the contextual effect.

    Both sides use the variances of the split model; GLS is then the smushed estimate at these.
    """
    fit = ses.fits["within_between"]
    names = ["ses_within", "ses_between"]
    V = fit.cov_params("z").loc[names, names].to_numpy()
    beta = fit.params[names].to_numpy()
    weight = V[1, 1] / (V[0, 0] + V[1, 1])
    gls, var_gls = weight * beta[0] + (1 - weight) * beta[1], 1 / (1 / V[0, 0] + 1 / V[1, 1])
    hausman = (beta[0] - gls) ** 2 / (V[0, 0] - var_gls)
    assert np.isclose(hausman, ses.hausman.chi2, rtol=1e-6)


def test_random_slopes_differ_by_centering(sloped, hsb):
    table = sloped.random_slopes
    assert table.index.tolist() == [
        ("ses", "constant, level 1 only"),
        ("ses", "constant, both"),
        ("ses", "cluster mean, both"),
    ]
    data = mt.center(hsb, ["ses"], cluster="school")
    alone = mt.fit_mixed(
        "math ~ ses_within + ses_between + catholic + (1 + ses_within | school)", data
    )
    row = table.loc[("ses", "cluster mean, both")]
    assert np.isclose(row["slope_variance"], alone.tau.loc["ses_within", "ses_within"], rtol=1e-8)
    assert np.isclose(row["deviance"], alone.deviance)
    assert table["deviance"].nunique() == 3
    assert any("different models" in note for note in sloped.notes)
    contextual = sloped.table.loc["contextual"]
    assert np.isclose(
        contextual["estimate"], alone.params["ses_between"] - alone.params["ses_within"]
    )


def test_it_has_converged_if_all_its_models_have(ses):
    assert ses.converged
    for name, fit in ses.fits.items():
        stopped = replace(fit, optimizer=replace(fit.optimizer, converged=False))
        assert not replace(ses, fits={**ses.fits, name: stopped}).converged


def test_a_category_is_its_dummies(hsb):
    """A level-1 predictor in words, three of them; the first in the alphabet is the reference."""
    kind = np.where(hsb["minority"] == 1, "c", np.where(hsb["female"] == 1, "b", "a"))
    dummies = {f"kind_{k}": (kind == k).astype(float) for k in "bc"}
    words = mt.fit_centering("math ~ kind", hsb.assign(kind=kind), cluster="school").table
    numbers = mt.fit_centering("math ~ kind_b + kind_c", hsb.assign(**dummies), cluster="school")
    assert list(words.index.unique("predictor")) == ["kind[T.b]", "kind[T.c]"]
    np.testing.assert_allclose(words, numbers.table, rtol=1e-6)


def test_all_models_use_the_same_rows(hsb):
    data = hsb.copy()
    data.loc[:99, "ses"] = np.nan
    data.loc[50:149, "math"] = np.nan
    with pytest.warns(mt.DataWarning) as caught:
        result = mt.fit_centering("math ~ ses + catholic", data, cluster="school")
    assert len(caught) == 1
    assert "150 of 7185 rows are left out for missing values: math (100), ses (100)" in str(
        caught[0].message
    )
    assert {fit.nobs for fit in result.fits.values()} == {7035}
    clean = mt.fit_centering("math ~ ses + catholic", data.dropna(), cluster="school")
    pd.testing.assert_frame_equal(result.table, clean.table)
    assert any("150 of 7185" in note for note in result.notes)


def test_no_variance_between_leaves_the_latent_rows_empty():
    case = next(c for c in LAVAAN if c["id"] == "repelled")
    data = pd.read_csv(REFERENCE / case["data"])
    result = mt.fit_centering("y ~ x", data, cluster="cluster")
    assert result.table.loc[["latent_between", "latent_contextual"]].isna()["estimate"].all()
    assert np.isfinite(result.table.loc["latent_within", ["estimate", "se"]].astype(float)).all()
    assert any(note.startswith("x: differences between") for note in result.notes)


def test_a_predictor_without_variance_between_leaves_the_latent_rows_of_others():
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(60), 8)
    x, z = rng.normal(size=480) + rng.normal(size=60)[g], rng.normal(size=480)
    # Half of what chance makes the cluster means of z differ by: less than none, for the model.
    z = z - 0.5 * (np.bincount(g, z) / 8)[g]
    y = x + z + rng.normal(size=60)[g] + rng.normal(size=480)
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": g})
    result = mt.fit_centering("y ~ x + z", data, cluster="g")
    latent = ["latent_between", "latent_contextual"]
    assert result.table.loc["z"].loc[latent, "estimate"].isna().all()
    assert np.isfinite(result.table.loc["x"].loc[latent, ["estimate", "se"]].to_numpy(float)).all()
    assert np.isfinite(result.table.loc["z"].loc["latent_within", "se"])
    between = result.latent.model.between
    assert result.latent.between[0] == pytest.approx(between[1, 0] / between[1, 1], rel=1e-12)
    fit = mt.fit_multigroup(["y", "x", "z"], data, cluster="g")
    alone = mt.latent_regression(fit, "y", "x").xs("between", level="effect").xs("x", level=1)
    both = mt.latent_regression(fit, "y", ["x", "z"]).xs("between", level="effect").loc["all"]
    for column in ("estimate", "se"):
        assert result.table.loc["x"].loc["latent_between", column] == pytest.approx(
            alone[column].iloc[0], rel=1e-4
        )
        assert both.loc["x", column] == pytest.approx(alone[column].iloc[0], rel=1e-9)
    assert np.isnan(both.loc["z", "estimate"])
    (note,) = (note for note in result.notes if "latent" in note)
    assert note.startswith("z: differences between") and "from a regression without" in note
    assert "array(" not in repr(result.latent) and "reliability" in repr(result.latent)


def test_a_latent_model_without_a_maximum_has_no_numbers():
    """One cluster of 2,000 beside small ones, x alike in all: the likelihood grows without end."""
    sizes = pd.read_csv(REFERENCE / "data" / "sizes.csv")
    result = mt.fit_centering("y ~ x", sizes, cluster="cluster")
    latent = [name for name in EFFECTS if name.startswith("latent")]
    assert result.table.loc[latent, ["estimate", "se"]].isna().all(axis=None)
    assert np.isfinite(result.table.drop(latent)["estimate"]).all()
    assert any("did not converge" in n and "its rows are empty" in n for n in result.notes)


def test_few_clusters_are_told(hsb):
    some = hsb[hsb["school"].isin(hsb["school"].unique()[:7])]
    result = mt.fit_centering("math ~ ses", some, cluster="school")
    assert any("7 clusters say little" in note for note in result.notes)


def saturated(rows_more):
    """Pairs of rows in some clusters, single rows in the others: few rows beyond the clusters."""
    rng = np.random.default_rng(5)
    g = np.r_[np.arange(12), np.arange(rows_more)]
    return pd.DataFrame({"g": g, "x": rng.normal(size=len(g)), "y": rng.normal(size=len(g))})


def test_rows_that_leave_no_degrees_of_freedom_are_refused():
    """By the latent part, which needs as many rows as the dummies leave over."""
    with pytest.raises(mt.ModelError, match="12 clusters with 13 rows cannot determine"):
        mt.fit_centering("y ~ x", saturated(1), cluster="g")
    table = mt.fit_centering("y ~ x", saturated(2), cluster="g").table
    assert table.loc["fixed_effects", "df"] == 1
    assert np.isfinite(table.loc["fixed_effects", ["estimate", "se", "lower", "upper"]]).all()


def test_ml_and_other_degrees_of_freedom(hsb):
    result = mt.fit_centering("math ~ ses", hsb, cluster="school", reml=False, ddf="between-within")
    assert not result.fits["smushed"].reml
    assert result.table.loc["between", "df"] == 158
    # Twelve hundred rows more or less do not matter to the within effect: ML is close to latent.
    assert np.isclose(
        result.table.loc["within", "estimate"], result.table.loc["latent_within", "estimate"], 1e-3
    )


def test_shows_itself(ses, several, sloped):
    for result in (ses, several, sloped):
        text, page = str(result), result._repr_html_()
        assert "What the slope can mean" in text
        assert "contextual" in text
        assert "<table" in page
        assert "nan" not in text.lower()


def truth(within, between, icc, seed, J=400, n=20):
    """Return data whose latent cluster means have a known effect."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    b, w = rng.normal(size=J) * np.sqrt(icc), rng.normal(size=J * n) * np.sqrt(1 - icc)
    y = between * b[g] + within * w + rng.normal(size=J)[g] * 0.3 + rng.normal(size=J * n)
    return pd.DataFrame({"g": g, "x": b[g] + w, "y": y})


@pytest.mark.parametrize(("within", "between"), [(0, 1), (1, 0), (0.3, 0.9), (0.5, -0.5)])
def test_recovers_the_truth(within, between):
    table = mt.fit_centering("y ~ x", truth(within, between, 0.2, 3), cluster="g").table
    for effect, value in (("within", within), ("between", between)):
        row = table.loc[f"latent_{effect}"]
        assert abs(row["estimate"] - value) < 4 * row["se"]
    # The observed mean is drawn towards the within effect by its unreliability.
    reliability = 0.2 / (0.2 + 0.8 / 20)
    drawn = reliability * between + (1 - reliability) * within
    assert abs(table.loc["between", "estimate"] - drawn) < 4 * table.loc["between", "se"]


@given(st.integers(0, 500), st.floats(-1e3, 1e3), st.floats(1e-2, 1e2))
def test_units_and_order_do_not_matter(seed, shift, scale):
    data = truth(0.3, 0.8, 0.3, seed, J=25, n=6)
    moved = data.assign(x=shift + scale * data["x"]).sample(frac=1, random_state=seed)
    one, two = (mt.fit_centering("y ~ x", d, cluster="g") for d in (data, moved))
    assert np.allclose(one.table["estimate"], scale * two.table["estimate"], rtol=1e-5, atol=1e-6)
    assert np.allclose(one.table["t"], two.table["t"], rtol=1e-5, atol=1e-6)
    assert np.allclose(one.phi, two.phi, rtol=1e-6)
