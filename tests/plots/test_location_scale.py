"""Figures of location-scale models: numbers in the artists, words, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach import plots
from mlteach.errors import DataError, ModelError
from mlteach.plots.diagnostics import standardised_effects, standardised_residuals
from mlteach.plots.fan import average_curve, variance_curves
from tests.plots.texts import legend_texts

EXACT = {"rtol": 1e-10, "atol": 1e-12}  # the same numbers by another route: rounding only
# Differences of logarithms of 160 clusters, through means of columns
LINEAR = {"rtol": 1e-8, "atol": 1e-10}
# Two fitters that stop at slightly different places of a flat top
TWO_FITTERS = {"rtol": 2e-4, "atol": 2e-5}

HSB = "math ~ ses_within + (1 + ses_within | school)"


@pytest.fixture(scope="module")
def spread(london):
    return mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)", london)


@pytest.fixture(scope="module")
def model6(london):
    formula = "score16 ~ score11 + girl + (1 + score11 | school)"
    return mt.fit_location_scale(formula, "~ score11 + girl + (1 + score11 | school)", london)


@pytest.fixture(scope="module")
def sectors(hsb_centred):
    return mt.fit_location_scale(HSB, "~ sector + (1 | school)", hsb_centred)


def marks(ax):
    """Heights of the marks of clusters, by position."""
    lines = [line for line in ax.lines if line.get_marker() in ("o", "s", "D")]
    points = np.concatenate([line.get_xydata() for line in lines if len(line.get_xdata()) > 1])
    return points[np.argsort(points[:, 0]), 1]


def intervals(ax):
    ends = np.concatenate([np.array(c.get_segments()) for c in ax.collections])
    return ends[np.argsort(ends[:, 0, 0])][:, :, 1]


# -------------------------------------------------------------------- a variance for each cluster


@pytest.mark.parametrize(("of", "lower"), [("variance", "lower"), ("icc", "icc_lower")])
def test_cluster_variances_draws_the_table_in_order(spread, of, lower):
    ax = plots.cluster_variances(spread, of, level=0.9)
    table = spread.cluster_variances(0.9).sort_values(of)
    np.testing.assert_allclose(marks(ax), table[of], **EXACT)
    np.testing.assert_allclose(
        intervals(ax), table[[lower, lower.replace("lower", "upper")]], **EXACT
    )
    average = spread.average_variance["average"]
    if of == "icc":
        tau2 = spread.random.iloc[0, 0]
        average = tau2 / (tau2 + average)
    (line,) = (line for line in ax.lines if line.get_label().startswith("average"))
    assert line.get_ydata()[0] == pytest.approx(average, rel=1e-12)
    outside = ((table[lower] > average) | (table[lower.replace("lower", "upper")] < average)).sum()
    text = plots.describe(ax)
    assert f"{outside} of 65 intervals leave it out." in text
    assert f"(cluster {table.index[0]})" in text and f"(cluster {table.index[-1]})" in text


def test_means_are_those_of_the_mixed_model_when_there_is_one_variance(london):
    formula = "score16 ~ score11 + (1 + score11 | school)"
    fit = mt.fit_location_scale(formula, "~ 1", london)
    mixed = mt.fit_mixed(formula, london, reml=False, smushed_note=False)
    ax = plots.cluster_variances(fit, "mean")
    wanted = mixed.fitted.groupby(london["school"]).mean()
    np.testing.assert_allclose(marks(ax), wanted.sort_values(), **TWO_FITTERS)
    Z = np.c_[np.ones(65), london.groupby("school")["score11"].mean()]
    sd = np.sqrt(np.einsum("jq,jqr,jr->j", Z, mixed.cov_ranef, Z))
    half = pd.Series(stats.norm.ppf(0.975) * sd, index=wanted.index)[wanted.sort_values().index]
    np.testing.assert_allclose(np.ptp(intervals(ax), axis=1), 2 * half, **TWO_FITTERS)


def test_groups_have_the_averages_of_their_kind(sectors, hsb_centred):
    ax = plots.cluster_variances(sectors, color_by="sector", data=hsb_centred)
    rows = sectors.predicted_variance(average=True).groupby(hsb_centred["sector"]).mean()
    wanted = [f"{name} (average {value:.2f})" for name, value in rows.items()]
    assert legend_texts(ax) == wanted
    assert ax.get_legend().get_title().get_text() == "Sector of the school"
    assert f"The average is {rows['Catholic']:.2f} in Catholic" in plots.describe(ax)
    assert sum(len(c.get_segments()) for c in ax.collections) == 160


def test_groups_that_the_model_does_not_tell_apart_share_one_average(spread, london):
    ax = plots.cluster_variances(spread, color_by="school_gender", data=london)
    assert legend_texts(ax) == ["boys", "girls", "mixed", "average (0.85)"]
    assert "The average is 0.85; 17 of 65 intervals leave it out." in plots.describe(ax)


def test_extreme_clusters_are_named(spread):
    ax = plots.cluster_variances(spread, label_extremes=1)
    table = spread.cluster_variances()["variance"]
    assert {text.get_text() for text in ax.texts} == {str(table.idxmin()), str(table.idxmax())}


# --------------------------------------------------------------- the variance along a predictor


def test_curves_are_the_log_linear_function_of_each_cluster(model6, london):
    places, curves = variance_curves(model6, "score11")
    alpha, v = model6.log_variance["estimate"], model6.ranef()
    by_school = london.groupby("school")
    np.testing.assert_allclose(places["end"], by_school["score11"].max(), **EXACT)
    for end, column in (("start", 0), ("end", curves.shape[1] - 1)):
        log_variance = (
            alpha["Intercept"]
            + alpha["girl"] * by_school["girl"].mean()
            + v["scale:Intercept"]
            + (alpha["score11"] + v["scale:score11"]) * places[end]
        )
        np.testing.assert_allclose(np.log(curves[column]), log_variance, **EXACT)


def test_level_2_moderators_take_the_value_of_the_cluster(hsb_centred):
    fit = mt.fit_location_scale(HSB, "~ sector * ses_within + (1 | school)", hsb_centred)
    places, curves = variance_curves(fit, "ses_within")
    alpha = fit.log_variance["estimate"]
    public = hsb_centred.groupby("school")["sector"].first() == "Public"
    slope = alpha["ses_within"] + alpha["sector[T.Public]:ses_within"] * public
    change = np.log(curves[curves.shape[1] - 1] / curves[0])
    np.testing.assert_allclose(change, slope * (places["end"] - places["start"]), **LINEAR)


def test_the_average_curve_is_the_average_variance(model6, london):
    """At one x, over one cluster: exp(w'alpha + s'Omega s / 2) with girl at its mean there."""
    members = np.arange(65) == 4
    school = london[london["school"] == 5]
    rows = pd.DataFrame({"score11": [-1.0, 2.0], "girl": school["girl"].mean()})
    wanted = model6.predicted_variance(rows, average=True)
    got = average_curve(model6, "score11", np.array([-1.0, 2.0]), members)
    np.testing.assert_allclose(got, wanted, **EXACT)
    every = average_curve(model6, "score11", np.array([0.5]), np.ones(65, bool))
    girls = london.groupby("school")["girl"].mean()
    each = model6.predicted_variance(pd.DataFrame({"score11": 0.5, "girl": girls}), average=True)
    np.testing.assert_allclose(every, each.mean(), **EXACT)


@pytest.mark.parametrize(("of", "power"), [("variance", 1.0), ("sd", 0.5)])
def test_variance_lines_draws_curves_and_average(model6, of, power):
    ax = plots.variance_lines(model6, "score11", of)
    _, curves = variance_curves(model6, "score11")
    (fan,) = ax.collections
    drawn = np.stack(fan.get_segments())
    np.testing.assert_allclose(drawn[:, :, 1], curves**power, **EXACT)
    average = next(line for line in ax.lines if line.get_label() == "population average")
    x, y = average.get_data()
    wanted = average_curve(model6, "score11", x, np.ones(65, bool)) ** power
    np.testing.assert_allclose(y, wanted, **EXACT)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylabel() == f"Level-1 {of.replace('sd', 'SD')} of score16"
    assert "65 clusters (school)" in plots.describe(ax)


def test_variance_lines_by_group_and_without_random_slope(london):
    fit = mt.fit_location_scale(
        "score16 ~ score11 + (1 | school)", "~ score11 + (1 | school)", london
    )
    ax = plots.variance_lines(fit, "score11", color_by="school_gender", data=london)
    assert legend_texts(ax) == ["boys", "girls", "mixed"]
    assert sum(len(fan.get_segments()) for fan in ax.collections) == 65
    assert "by the same factor" in plots.describe(ax)
    _, curves = variance_curves(fit, "score11")
    ratio = np.log(curves[40] / curves[0])
    places, _ = variance_curves(fit, "score11")
    slope = fit.log_variance.loc["score11", "estimate"]
    np.testing.assert_allclose(ratio, slope * (places["end"] - places["start"]), **EXACT)


def test_a_cluster_in_which_x_does_not_vary_has_no_curve(london):
    data = london.copy()
    data.loc[data["school"] == 7, "score11"] = 0.3
    fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ score11", data)
    ax = plots.variance_lines(fit, "score11")
    assert len(ax.collections[0].get_segments()) == 64
    assert "1 clusters have no line" in plots.describe(ax)


# ------------------------------------------------------------------------- two effects together


def test_pairs_are_the_predictions_and_the_ellipse_is_the_models(model6):
    ax = plots.effects_pairs(model6, "score11", "scale:Intercept", level=0.8)
    points = ax.lines[0].get_xydata()
    np.testing.assert_allclose(points, model6.ranef()[["score11", "scale:Intercept"]], **EXACT)
    (ellipse,) = ax.patches
    omega = model6.random.loc[["score11", "scale:Intercept"], ["score11", "scale:Intercept"]]
    unit = ellipse.get_patch_transform().transform([[1, 0], [0, 1], [-0.6, 0.8]])
    distance = np.einsum("ia,ia->i", unit, unit @ np.linalg.inv(omega))
    np.testing.assert_allclose(distance, stats.chi2.ppf(0.8, 2), **EXACT)
    rho = model6.correlations.loc["score11", "scale:Intercept"]
    assert legend_texts(ax)[-1] == f"80% ellipse, r = {rho:.2f}"
    assert f"The model's correlation is {rho:.2f}" in plots.describe(ax)


def test_pairs_of_a_mixed_model_by_group(london):
    fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london, smushed_note=False)
    ax = plots.effects_pairs(fit, "Intercept", "score11", color_by="school_gender", data=london)
    assert legend_texts(ax)[:3] == ["boys", "girls", "mixed"]
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_ls() == "None") == 65


# -------------------------------------------------------------- figures of mixed models, for these


def test_caterpillar_of_a_scale_effect(spread):
    ax = plots.caterpillar(spread, "scale:Intercept")
    np.testing.assert_allclose(marks(ax), spread.ranef()["scale:Intercept"].sort_values(), **EXACT)
    assert "log variance of score16" in ax.get_ylabel()


def test_qq_of_a_model_with_one_variance_is_that_of_the_mixed_model(london):
    formula = "score16 ~ score11 + (1 + score11 | school)"
    fit = mt.fit_location_scale(formula, "~ 1", london)
    mixed = mt.fit_mixed(formula, london, reml=False, smushed_note=False)
    got, wanted = standardised_residuals(fit), standardised_residuals(mixed)
    np.testing.assert_allclose(got, wanted, **TWO_FITTERS)
    got, wanted = (standardised_effects(f, "score11") for f in (fit, mixed))
    np.testing.assert_allclose(got, wanted, rtol=2e-3)
    assert "log variance ~ 1" in plots.describe(plots.qq(fit))


def test_standardised_values_have_variance_one_under_the_model():
    """On simulated data with a variance of its own in each of 200 clusters."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(200), 40)
    u, v = rng.normal(size=200), 0.5 * rng.normal(size=200)
    y = u[g] + np.exp(v[g] / 2) * rng.normal(size=len(g))
    data = pd.DataFrame({"g": g, "y": y})
    fit = mt.fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data)
    # 8,000 values: the SD of their SD is .008, that of 200 effects .05
    assert standardised_residuals(fit).std() == pytest.approx(1, abs=0.02)
    for effect in fit.effects:
        assert standardised_effects(fit, effect).std() == pytest.approx(1, abs=0.15)
    values = standardised_residuals(fit)
    assert stats.kurtosis(values) == pytest.approx(0, abs=0.2)
    mixed = standardised_residuals(mt.fit_mixed("y ~ 1 + (1 | g)", data))
    assert stats.kurtosis(mixed) > 0.5  # what one variance for all looks like


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda f, d: plots.cluster_variances(f, "sd"), ModelError, "of='sd' is not known"),
        (lambda f, d: plots.cluster_variances(f, level=2), ModelError, "confidence level .* got 2"),
        (lambda f, d: plots.cluster_variances(f, color_by="vr"), DataError, "which table"),
        (lambda f, d: plots.variance_lines(f, "vr"), ModelError, "'vr' is no column .* score11"),
        (lambda f, d: plots.variance_lines(f, "score11", "log"), ModelError, "'variance' or 'sd'"),
        (lambda f, d: plots.effects_pairs(f, "girl"), ModelError, "'girl' is not a random effect"),
        (lambda f, d: plots.effects_pairs(f, "score11", "score11"), ModelError, "two different"),
        (lambda f, d: plots.qq(f, 2, "girl"), ModelError, "'girl' is not a random effect"),
        (lambda f, d: plots.caterpillar(f, color_by="girl", data=d), DataError, "varies within"),
    ],
)
def test_refused(draw, error, words, model6, london):
    with pytest.raises(error, match=words):
        draw(model6, london)


def test_a_level_2_predictor_has_no_lines(london):
    fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ mean_score11", london)
    with pytest.raises(ModelError, match="'mean_score11' is constant in every cluster"):
        plots.variance_lines(fit, "mean_score11")
    with pytest.raises(ModelError, match="'scale:Intercept' is not a random effect"):
        plots.effects_pairs(fit)


def test_coefficients_of_both_functions(hsb):
    mean = "math ~ catholic + ses + (1 | school)"
    fits = {
        "one variance": mt.fit_mixed(mean, hsb, reml=False),
        "two": mt.fit_location_scale(mean, "~ catholic", hsb),
    }
    ax = plots.coefficients(fits, labels={"catholic": "Catholic school"}, level=0.9)
    rows = [tick.get_text() for tick in ax.get_yticklabels()]
    assert rows == ["Catholic school", "ses", "log variance: Catholic school"]
    drawn = next(line for line in ax.lines if line.get_label() == "two")
    names = ["catholic", "ses", "scale:catholic"]
    assert np.allclose(drawn.get_xdata(), fits["two"].params[names])
    segments = next(c for c in ax.collections if c.get_gid() == "two").get_segments()
    limits = fits["two"].conf_int(0.9).loc[names].to_numpy()
    assert np.allclose([[a[0], b[0]] for a, b in segments], limits)
    # The mixed model has no third coefficient.
    assert (
        len(next(line for line in ax.lines if line.get_label() == "one variance").get_xdata()) == 2
    )
    both = plots.coefficients(fits["two"], intercept=True)
    assert len(both.get_yticks()) == 5
