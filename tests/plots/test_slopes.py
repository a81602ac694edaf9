"""Figures of slopes: numbers in the artists, words in the descriptions, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.errors import DataError, ModelError
from mlteach.plots.fan import predicted_lines
from tests.plots.texts import legend_texts

EXACT = {"rtol": 1e-10, "atol": 1e-12}  # the same numbers by another route: rounding only
# Lines of 160 clusters through least squares on predictions that are exactly linear
LINEAR = {"rtol": 1e-8, "atol": 1e-10}


@pytest.fixture(scope="module")
def cross(hsb_centred):
    formula = "math ~ ses_within * (mean_ses + sector) + female + (1 + ses_within | school)"
    return mt.fit_mixed(formula, hsb_centred)


@pytest.fixture(scope="module")
def slope(london):
    return mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london)


def band_of(ax, k=0):
    """Lower and upper edge of the k-th band, at its distinct x."""
    vertices = pd.DataFrame(ax.collections[k].get_paths()[0].vertices, columns=["x", "y"])
    return vertices.groupby("x")["y"].agg(["min", "max"])


# ----------------------------------------------------------------------------------- simple slopes


def test_lines_have_the_simple_slopes_and_the_height_of_the_prediction(cross, hsb_centred):
    ax = plots.simple_slopes(cross, "ses_within", "sector", hold={"mean_ses": 0.2})
    table = mt.simple_slopes(cross, "ses_within", "sector", hold={"mean_ses": 0.2})
    assert legend_texts(ax)[0] == f"Catholic: slope {table['estimate'].iloc[0]:.2f}"
    for line, (sector, row) in zip(ax.lines, table.iterrows(), strict=True):
        x, y = line.get_data()
        np.testing.assert_allclose(np.diff(y) / np.diff(x), row["estimate"], **LINEAR)
        # female is in no interaction: at its mean, which is a mixture of two predictions
        ends = pd.DataFrame(
            {"ses_within": x[0], "mean_ses": 0.2, "sector": sector, "female": [0, 1]}
        )
        low, high = cross.predict(ends, random=False)
        wanted = low + hsb_centred["female"].mean() * (high - low)
        assert y[0] == pytest.approx(wanted, rel=1e-9)
    assert [x[0], x[-1]] == pytest.approx(
        [hsb_centred["ses_within"].min(), hsb_centred["ses_within"].max()]
    )
    text = plots.describe(ax)
    assert "math against ses_within" in text and "mean_ses is held at 0.2000." in text


def test_bands_are_intervals_of_the_mean_outcome(hsb_centred):
    """Where x and the moderator are zero, the prediction is the intercept, with its interval."""
    fit = mt.fit_mixed("math ~ ses_within * catholic + (1 + ses_within | school)", hsb_centred)
    ax = plots.simple_slopes(fit, "ses_within", "catholic", level=0.9)
    band = band_of(ax)
    nearest = np.abs(band.index).argmin()
    x = band.index[nearest]
    moved = hsb_centred.assign(ses_within=hsb_centred["ses_within"] - x)
    there = mt.fit_mixed("math ~ ses_within * catholic + (1 + ses_within | school)", moved)
    wanted = there.tests(level=0.9).loc["Intercept", ["lower", "upper"]]
    # two fits, and degrees of freedom by second derivatives
    np.testing.assert_allclose(band.iloc[nearest], wanted, rtol=1e-6)


def test_title_of_the_legend_names_a_numeric_moderator(cross):
    ax = plots.simple_slopes(cross, "ses_within", "mean_ses", labels={"mean_ses": "Mean SES"})
    assert ax.get_legend().get_title().get_text() == "Mean SES"
    assert len(ax.lines) == 3
    with pytest.raises(ModelError, match="can show 6 lines; at= has 7"):
        plots.simple_slopes(cross, "ses_within", "mean_ses", at=range(7))


# ---------------------------------------------------------------------------------- Johnson-Neyman


def test_johnson_neyman_draws_slope_bounds_and_region(cross, hsb_centred):
    ax = plots.johnson_neyman(cross, "ses_within", "mean_ses")
    found = mt.johnson_neyman(cross, "ses_within", "mean_ses")
    (curve,) = (line for line in ax.lines if line.get_label().startswith("slope, 95%"))
    x, y = curve.get_data()
    wanted = mt.simple_slopes(cross, "ses_within", "mean_ses", at=x)
    np.testing.assert_allclose(y, wanted["estimate"], **EXACT)
    np.testing.assert_allclose(band_of(ax), wanted[["lower", "upper"]], **EXACT)
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == [bound for bound in found.bounds if x[0] < bound < x[-1]]
    (span,) = ax.patches
    assert span.get_x() == pytest.approx(dashed[0])
    assert span.get_x() + span.get_width() == pytest.approx(x[-1])
    (rug,) = (line for line in ax.lines if line.get_gid() == "rug")
    np.testing.assert_allclose(rug.get_xdata(), np.unique(hsb_centred["mean_ses"]), **EXACT)
    assert found.region in plots.describe(ax)


def test_without_a_bound_in_sight_all_or_nothing_is_shaded(language):
    fit = mt.fit_mixed("gpa ~ ses_z * clubs + (1 + ses_z | school)", language)
    ax = plots.johnson_neyman(fit, "ses_z", "clubs")
    (span,) = ax.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx(ax.get_xlim())
    assert not ax.texts
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 10)
    noise = pd.DataFrame(rng.normal(size=(300, 2)), columns=["x", "y"])
    fit = mt.fit_mixed("y ~ x * m + (1 | g)", noise.assign(g=g, m=rng.normal(size=30)[g]))
    ax = plots.johnson_neyman(fit, "x", "m")
    assert not ax.patches and legend_texts(ax) == ["slope, 95% band"]


# ------------------------------------------------------------------------------- variance function


def test_variance_function_is_drawn_with_band_residual_and_lowest_place(slope, london):
    ax = plots.variance_function(slope, "score11", level=0.9)
    curve, residual, lowest = ax.lines
    x, y = curve.get_data()
    wanted = slope.variance_function("score11", at=x, level=0.9)
    np.testing.assert_allclose(y, wanted["variance"], **EXACT)
    np.testing.assert_allclose(band_of(ax), wanted[["lower", "upper"]], **EXACT)
    assert [x[0], x[-1]] == pytest.approx([london["score11"].min(), london["score11"].max()])
    assert residual.get_ydata()[0] == slope.sigma2
    assert lowest.get_xdata()[0] == wanted.attrs["lowest_at"]
    assert ax.get_ylim()[0] == 0
    assert legend_texts(ax)[-1] == f"lowest, at {wanted.attrs['lowest_at']:.2f}"
    assert "lowest, 0.62, at -1.23." in plots.describe(ax)


def test_a_singular_fit_has_no_band_and_the_lowest_place_may_lie_outside(cross):
    assert not cross.singular
    ax = plots.variance_function(cross, "ses_within")
    assert "lowest" in plots.describe(ax)
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(40), 10), rng.uniform(0, 1, 400)
    u = rng.normal(size=40)[g]
    y = u + 2 * u * x + rng.normal(size=400)
    data = pd.DataFrame({"g": g, "x": x, "y": y})
    fit = mt.fit_mixed("y ~ x + (1 + x | g)", data)
    assert fit.singular  # intercepts and slopes are the same numbers
    ax = plots.variance_function(fit, "x")
    assert not ax.collections and len(ax.lines) == 2
    assert "outside the data" in plots.describe(ax) and "singular" in plots.describe(ax)


# ----------------------------------------------------------------------------------- cluster lines


def test_predicted_lines_are_coefficients_plus_effects(cross, hsb_centred):
    lines = predicted_lines(cross, "ses_within")
    b, u = cross.params, cross.ranef()
    schools = hsb_centred.groupby("school").first()
    wanted = (
        b["ses_within"]
        + b["ses_within:mean_ses"] * schools["mean_ses"]
        + b["ses_within:sector[T.Public]"] * (schools["sector"] == "Public")
    )
    np.testing.assert_allclose(lines["fixed_slope"], wanted, **LINEAR)
    np.testing.assert_allclose(lines["slope"], wanted + u["ses_within"], **LINEAR)
    fitted = cross.fitted.groupby(hsb_centred["school"]).mean()
    np.testing.assert_allclose(lines["height"], fitted, **LINEAR)
    assert lines.index.equals(cross.design.labels)


@pytest.mark.parametrize("bar", ["|", "||"])
def test_lines_pass_through_the_predictions_of_a_model_with_one_predictor(london, bar):
    fit = mt.fit_mixed(f"score16 ~ score11 + (1 + score11 {bar} school)", london)
    lines = predicted_lines(fit, "score11").loc[london["school"]]
    got = lines["height"].to_numpy() + lines["slope"].to_numpy() * (
        london["score11"].to_numpy() - lines["middle"].to_numpy()
    )
    np.testing.assert_allclose(got, fit.fitted, **LINEAR)


def test_cluster_lines_draws_them_and_the_average(slope):
    ax = plots.cluster_lines(slope, "score11")
    lines = predicted_lines(slope, "score11")
    (fan,) = ax.collections
    ends = np.stack(fan.get_segments())
    assert len(ends) == 65
    got = (ends[:, 1, 1] - ends[:, 0, 1]) / (ends[:, 1, 0] - ends[:, 0, 0])
    np.testing.assert_allclose(got, lines["slope"], **LINEAR)
    np.testing.assert_allclose(ends[:, :, 0], lines[["start", "end"]], **EXACT)
    average = next(line for line in ax.lines if line.get_label().startswith("average"))
    (x0, y0), (x1, y1) = average.get_xydata()[[0, -1]]
    b = slope.params
    np.testing.assert_allclose([y0, y1], b["Intercept"] + b["score11"] * np.array([x0, x1]))
    assert legend_texts(ax) == ["cluster line", "average: slope 0.56"]
    assert "65 clusters (school)" in plots.describe(ax)


def test_colours_by_a_level_2_category_with_an_average_each(cross, hsb_centred):
    ax = plots.cluster_lines(
        cross, "ses_within", color_by="sector", data=hsb_centred, n_clusters=30
    )
    lines = predicted_lines(cross, "ses_within")
    sector = hsb_centred.groupby("school")["sector"].first()
    wanted = lines["fixed_slope"].groupby(sector).mean()
    assert legend_texts(ax) == [f"{name}: slope {value:.2f}" for name, value in wanted.items()]
    assert sum(len(fan.get_segments()) for fan in ax.collections) == 30
    assert "30 of 160 clusters" in plots.describe(ax)
    assert f"{wanted['Public']:.2f} in Public" in plots.describe(ax)


def test_a_cluster_in_which_x_does_not_vary_has_no_line(london):
    data = london.copy()
    data.loc[data["school"] == 7, "score11"] = 0.3
    fit = mt.fit_mixed("score16 ~ score11 + (1 | school)", data)
    ax = plots.cluster_lines(fit, "score11")
    assert len(ax.collections[0].get_segments()) == 64
    assert "1 clusters have no line" in plots.describe(ax)


@pytest.mark.parametrize(
    ("x", "options", "error", "words"),
    [
        ("vr", {}, ModelError, "'vr' is no column of .* It has: score11"),
        ("score11", {"n_clusters": 66}, ModelError, "n_clusters=66"),
        ("score11", {"color_by": "school_gender"}, DataError, "say of which table with data="),
    ],
)
def test_cluster_lines_refuse(slope, x, options, error, words):
    with pytest.raises(error, match=words):
        plots.cluster_lines(slope, x, **options)


def test_a_level_2_predictor_has_no_lines(cross):
    with pytest.raises(ModelError, match="'mean_ses' is constant in every cluster"):
        plots.cluster_lines(cross, "mean_ses")
