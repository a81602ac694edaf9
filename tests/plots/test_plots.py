"""Figures: numbers in the artists, words in the descriptions, and what is refused. No pixels."""

import contextlib
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

import mlteach as mt
from mlteach import plots
from mlteach.errors import DataError, DataWarning, ModelError
from mlteach.plots.clusters import own_lines, three_slopes
from mlteach.plots.diagnostics import normal_band, standardised_effects, standardised_residuals
from tests.plots.texts import legend_texts, overlapping

EXACT = {"rtol": 1e-10, "atol": 1e-12}  # the same numbers by another route: rounding only


@pytest.fixture(scope="module")
def sector(hsb):
    return mt.fit_random_intercept("math ~ sector", hsb, cluster="school")


@pytest.fixture(scope="module")
def slope(london):
    return mt.fit_random_slope("score16 ~ score11", london, cluster="school", slopes=["score11"])


@pytest.fixture(scope="module")
def flat():
    """A fit whose cluster variance is zero: each cluster mean is the grand mean."""
    data = pd.DataFrame(
        {"g": np.repeat(list("abcdef"), 4), "y": np.tile([-2.0, -1.0, 1.0, 2.0], 6)}
    )
    return mt.fit_empty("y", data, cluster="g")


def by_gid(ax, gid):
    """Artists of the Axes that carry a mark."""
    return [a for a in [*ax.collections, *ax.lines] if a.get_gid() == gid]


def segments(artists):
    """Ends of vertical or horizontal lines, shape (lines, 2, 2), in order of position."""
    ends = np.concatenate([artist.get_segments() for artist in artists])
    return ends[np.lexsort((ends[:, 0, 1], ends[:, 0, 0]))]


# ------------------------------------------------------------------------------ what all share


def test_importing_plots_changes_no_setting():
    code = (
        "import matplotlib.pyplot as plt; before = dict(plt.rcParams); import mlteach.plots, sys;"
        "sys.exit(before != dict(plt.rcParams))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_style_ends_with_its_block_and_use_style_stays():
    with mpl.rc_context():
        before = mpl.rcParams["figure.figsize"]
        with plots.style():
            styled = mpl.rcParams["figure.figsize"]
        assert styled != before == mpl.rcParams["figure.figsize"]
        plots.use_style()
        assert mpl.rcParams["figure.figsize"] == styled


def test_first_three_series_differ_in_greyscale():
    """Lightness (ITU-R BT.709) of neighbours differs by more than a quarter of the scale."""
    rgb = [
        mpl.colors.to_rgb(c)
        for c in (plots.PALETTE[n] for n in ("blue", "orange", "black", "green"))
    ]
    lightness = np.array(rgb) @ [0.2126, 0.7152, 0.0722]
    assert (np.abs(np.diff(lightness)) > 0.25).all()


def draw_all(hsb, hsb_empty, slope, ax):
    yield plots.cluster_dots(hsb, "math", "school", ax=ax())
    yield plots.cluster_dots(hsb, "math", "school", n_clusters=20, ax=ax())
    yield plots.cluster_dots(hsb_empty, ax=ax())
    yield plots.caterpillar(hsb_empty, label_extremes=3, ax=ax())
    yield plots.caterpillar(slope, "score11", ax=ax())
    yield plots.within_between(hsb, "ses", "math", "school", ax=ax())
    yield plots.qq(slope, ax=ax())
    yield plots.qq(slope, 2, "score11", ax=ax())
    yield plots.variance_bar([hsb_empty, slope], share=True, ax=ax())
    yield plots.residual_spread(slope, ax=ax())
    yield plots.coefficients(slope, ax=ax())


def test_every_function_draws_into_the_given_axes_names_them_and_describes_them(
    hsb, hsb_empty, slope
):
    given = []

    def ax():
        given.append(plt.figure().subplots())
        return given[-1]

    for drawn in draw_all(hsb, hsb_empty, slope, ax):
        assert drawn is given[-1]
        assert drawn.get_xlabel()
        assert drawn.get_ylabel() or len(drawn.get_yticklabels())
        text = plots.describe(drawn)
        assert text.endswith(".") and "nan" not in text and "\n" not in text
        plt.close(drawn.figure)


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_no_text_overlaps_any_other(hsb, hsb_empty, slope, constrained, half):
    """On a page of its own and on half of it, after the layout is final."""

    def ax():
        return plt.subplots(1, 2, figsize=(9, 4))[1][1] if half else None

    with plots.style(), mpl.rc_context({"figure.constrained_layout.use": constrained}):
        for drawn in draw_all(hsb, hsb_empty, slope, ax):
            assert not overlapping(drawn), plots.describe(drawn)
            plt.close(drawn.figure)


def test_legend_lies_inside_the_axes_and_above_the_data(hsb):
    with plots.style():
        ax = plots.within_between(hsb, "ses", "math", "school")
        ax.figure.canvas.draw()
        box = ax.get_legend().get_window_extent()
        data_top = ax.transData.transform((0, hsb["math"].max()))[1]
        frame = ax.get_window_extent()
        assert data_top < box.y0 and box.y1 <= frame.y1 and box.x1 <= frame.x1


@pytest.mark.parametrize("size", [(6.4, 4.8), (4.0, 3.0)])
@pytest.mark.parametrize("look", [plots.style, contextlib.nullcontext])
def test_legends_of_any_width_lie_inside_the_axes(hsb, slope, hsb_empty, look, size):
    long = dict.fromkeys(["Intercept"], "what a school of this kind adds to the mean of its pupils")
    draw = [
        lambda ax: plots.shrinkage(slope, ax=ax),
        lambda ax: plots.shrinkage(hsb_empty, labels=long, ax=ax),
        lambda ax: plots.r_squared(slope, ax=ax),
        lambda ax: plots.residual_spread(hsb_empty, ax=ax),
        lambda ax: plots.within_between(hsb, "ses", "math", "school", ax=ax),
        lambda ax: plots.coefficients({"a model with quite a long name": slope, "b": slope}, ax=ax),
    ]
    for function in draw:
        with look():
            ax = function(plt.subplots(figsize=size)[1])
            ax.figure.canvas.draw()
            box, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
        point = ax.figure.dpi / 72
        assert box.x1 <= frame.x1 + 3 * point and box.x0 >= frame.x0 - point
        assert box.y1 <= frame.y1 + point and box.y0 >= frame.y0 - point
        plt.close(ax.figure)


def test_describe_joins_the_axes_of_a_figure_and_refuses_other_axes(hsb_empty):
    fig, axes = plt.subplots(1, 3)
    for level in (1, 2):
        plots.qq(hsb_empty, level, ax=axes[level - 1])
    assert plots.describe(fig) == f"{plots.describe(axes[0])} {plots.describe(axes[1])}"
    with pytest.raises(DataError, match="no description for this Axes"):
        plots.describe(axes[2])
    with pytest.raises(DataError, match="no description for this list"):
        plots.describe([axes[0]])


def test_an_array_of_axes_is_refused_with_the_cure(hsb_empty):
    with pytest.raises(DataError, match=r"ax=axes\[0\]"):
        plots.qq(hsb_empty, ax=plt.subplots(1, 2)[1])


# --------------------------------------------------------------------------------- cluster dots


def test_cluster_dots_are_the_sorted_means_with_areas_like_sizes(hsb):
    ax = plots.cluster_dots(hsb, "math", "school")
    (dots,) = by_gid(ax, "means")
    table = hsb.groupby("school")["math"].agg(["mean", "size"]).sort_values("mean")
    np.testing.assert_allclose(dots.get_offsets(), np.c_[range(160), table["mean"]], **EXACT)
    np.testing.assert_allclose(
        dots.get_sizes() / dots.get_sizes().max(), table["size"] / table["size"].max(), **EXACT
    )
    (line,) = (line for line in ax.lines if str(line.get_label()).startswith("mean of all rows"))
    np.testing.assert_allclose(line.get_ydata(), hsb["math"].mean(), **EXACT)
    assert ax.get_ylabel() == "Mathematics achievement"
    assert "from 4.24 in cluster 8854 to 19.72 in cluster" in plots.describe(ax)


def test_rows_stand_above_their_own_cluster(hsb):
    few = hsb[hsb["school"].isin(hsb["school"].unique()[:5])]
    ax = plots.cluster_dots(few, "math", "school")
    (rows,) = by_gid(ax, "rows")
    position, value = rows.get_offsets().T
    names = [tick.get_text() for tick in ax.get_xticklabels()]
    drawn = pd.Series(value).groupby(np.array(names)[position.astype(int)]).apply(sorted)
    wanted = few.groupby(few["school"].astype(str))["math"].apply(sorted)
    assert drawn.to_dict() == wanted.to_dict()


def test_a_sample_of_clusters_is_repeatable_and_keeps_the_overall_mean(hsb):
    def sample(seed):
        ax = plots.cluster_dots(hsb, "math", "school", n_clusters=12, seed=seed)
        assert ax.get_xlabel() == "12 of 160 clusters (school), sorted by mean"
        assert legend_texts(ax)[0] == "mean of all rows (12.75)"
        return [tick.get_text() for tick in ax.get_xticklabels()]

    assert sample(1) == sample(1) != sample(2)


def test_cluster_names_may_be_text_or_categories(hsb):
    text = hsb.assign(school=hsb["school"].map("s{}".format))
    for data in (text, text.astype({"school": "category"})):
        ax = plots.cluster_dots(data, "math", "school", n_clusters=3)
        assert all(tick.get_text().startswith("s") for tick in ax.get_xticklabels())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda d, f: plots.cluster_dots(d, "math"), DataError, "needs y= and cluster="),
        (lambda d, f: plots.cluster_dots(d, "maths", "school"), DataError, "Did you mean 'math'"),
        (
            lambda d, f: plots.cluster_dots(d, "sector", "school"),
            DataError,
            "'sector' is not numeric",
        ),
        (lambda d, f: plots.cluster_dots(d, "math", "math"), DataError, "different columns"),
        (lambda d, f: plots.cluster_dots(f, "math"), DataError, "not with a fit"),
        (lambda d, f: plots.cluster_dots("hsb"), ModelError, "got str"),
        (lambda d, f: plots.cluster_dots(f, n_clusters=161), ModelError, "whole number from 1 to"),
        (
            lambda d, f: plots.cluster_dots(f, n_clusters=2.5),
            ModelError,
            "n_clusters=2.5 is not a whole number or None",
        ),
    ],
)
def test_cluster_dots_refuses(hsb, hsb_empty, call, error, words):
    with pytest.raises(error, match=words):
        call(hsb, hsb_empty)


# ---------------------------------------------------------------------------------- caterpillar


@pytest.mark.parametrize("effect", ["Intercept", "score11"])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_caterpillar_shows_blups_and_their_intervals(slope, effect, level):
    ax = plots.caterpillar(slope, effect, level=level)
    blups = slope.ranef().sort_values(effect)
    half = stats.norm.ppf(0.5 + level / 2) * blups[f"{effect}_sd"]
    ends = segments(ax.collections)
    np.testing.assert_allclose(ends[:, 0, 0], np.arange(65), **EXACT)
    np.testing.assert_allclose(ends[:, 0, 1], blups[effect] - half, **EXACT)
    np.testing.assert_allclose(ends[:, 1, 1], blups[effect] + half, **EXACT)
    dots = np.concatenate([line.get_xydata() for line in ax.lines if line.get_marker() == "o"])
    np.testing.assert_allclose(dots[dots[:, 0].argsort(), 1], blups[effect], **EXACT)
    outside = int((np.abs(blups[effect]) > half).sum())
    assert f"{outside} of 65 intervals leave out zero" in plots.describe(ax)
    assert len(by_gid(ax, f"{level:.0%} interval leaves out 0")[0].get_segments()) == outside


def test_caterpillar_colours_by_a_column_or_a_series(hsb, hsb_empty):
    first = hsb.groupby("school")["sector"].first()
    for options in ({"color_by": "sector", "data": hsb}, {"color_by": first}):
        ax = plots.caterpillar(hsb_empty, **options)
        assert legend_texts(ax) == ["Catholic", "Public"]
        assert [len(by_gid(ax, s)[0].get_segments()) for s in ("Catholic", "Public")] == [70, 90]
        blups = hsb_empty.ranef()["Intercept"]
        order = blups.sort_values().index
        positions = by_gid(ax, "Public")[0].get_segments()
        public = order[[int(ends[0, 0]) for ends in positions]]
        assert (first[public] == "Public").all()
        assert f"Public {blups[first == 'Public'].mean():.2f}" in plots.describe(ax)


def test_caterpillar_labels_the_extremes(hsb_empty):
    ax = plots.caterpillar(hsb_empty, label_extremes=4)
    order = hsb_empty.ranef()["Intercept"].sort_values().index.astype(str)
    assert {text.get_text() for text in ax.texts} == {*order[:4], *order[-4:]}
    for text in ax.texts:
        assert order[int(text.xy[0])] == text.get_text()


def test_caterpillar_of_a_zero_variance_draws_zeros(flat):
    ax = plots.caterpillar(flat)
    assert flat.singular
    np.testing.assert_array_equal(segments(ax.collections)[:, :, 1], 0.0)
    assert "0 of 6 intervals leave out zero" in plots.describe(ax)
    (marks,) = (line for line in ax.lines if line.get_label() == "95% interval includes 0")
    assert marks.get_color() == plots.PALETTE["grey"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("abcdef")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"effect": "ses"}, ModelError, "'ses' is not a random effect .* It has: Intercept"),
        ({"level": 95}, ModelError, "lies between 0 and 1, for example 0.95; got 95"),
        ({"label_extremes": 81}, ModelError, "not a whole number from 0 to 80"),
        ({"color_by": "sector"}, DataError, "say of which table with data="),
        ({"color_by": "female"}, DataError, "'female' varies within 123 clusters"),
        ({"color_by": "size"}, DataError, "Cut it into bands"),
        ({"color_by": "sektor"}, DataError, "Did you mean 'sector'"),
        ({"color_by": pd.Series([1.0], index=[1224])}, DataError, "no value for cluster 1288"),
        ({"color_by": pd.Series([1, 2], index=[1224, 1224])}, DataError, "it has repeats"),
    ],
)
def test_caterpillar_refuses(hsb, hsb_empty, options, error, words):
    if options.get("color_by") is not None and "data=" not in words:
        options = {**options, "data": hsb}
    with pytest.raises(error, match=words):
        plots.caterpillar(hsb_empty, **options)


# ------------------------------------------------------------------------------- within, between


def test_three_slopes_against_least_squares_with_dummies(hsb):
    rows = hsb[["ses", "math", "school"]].set_axis(["x", "y", "cluster"], axis=1)
    got = three_slopes(rows, "ses", "school")
    dummies = pd.get_dummies(rows["cluster"], dtype=float).to_numpy()
    within = np.linalg.lstsq(np.c_[rows["x"], dummies], rows["y"], rcond=None)[0][0]
    means = rows.groupby("cluster").mean()
    between = np.polyfit(means["x"], means["y"], 1, w=np.sqrt(rows.groupby("cluster").size()))[0]
    pooled = np.polyfit(rows["x"], rows["y"], 1)[0]
    wanted = {"within": within, "between": between, "pooled": pooled}
    # lstsq loses a few digits on 161 columns
    assert got == pytest.approx(wanted, rel=1e-9)
    share = rows.groupby("cluster")["x"].transform("mean").var() / rows["x"].var()
    assert pooled == pytest.approx(share * between + (1 - share) * within, rel=1e-9)


def test_within_between_draws_the_slopes_through_the_grand_mean(hsb):
    ax = plots.within_between(hsb, "ses", "math", "school", n_clusters=9, seed=4)
    rows = hsb[["ses", "math", "school"]].set_axis(["x", "y", "cluster"], axis=1)
    slopes = three_slopes(rows, "ses", "school")
    lines = {line.get_label().split(":")[0]: line.get_xydata() for line in ax.lines}
    assert set(lines) == set(slopes)
    for name, ((x0, y0), (x1, y1)) in lines.items():
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slopes[name], rel=1e-10)
        at_mean = y0 + slopes[name] * (hsb["ses"].mean() - x0)
        assert at_mean == pytest.approx(hsb["math"].mean(), rel=1e-10)
    assert ax.get_xlabel() == "Socio-economic status of the student"
    assert "9 of 160 clusters" in plots.describe(ax)
    assert "2.19 within clusters" in plots.describe(ax)


def test_own_lines_are_each_clusters_regression():
    rows = pd.DataFrame(
        {
            "cluster": ["a"] * 4 + ["one row"] + ["same x"] * 2,
            "x": [0.0, 1, 2, 3, 5, 7, 7],
            "y": [1.0, 2, 2, 5, 0, 1, 2],
        }
    )
    (line,) = own_lines(rows)
    slope, intercept = np.polyfit([0, 1, 2, 3], [1, 2, 2, 5], 1)
    np.testing.assert_allclose(line, [[0, intercept], [3, intercept + 3 * slope]], **EXACT)


def test_units_and_words_for_the_axes(hsb):
    data = hsb[["ses", "math", "school"]].copy()
    data.attrs = {"codebook": {"math": "Mathematics"}, "units": {"math": "points"}}
    ax = plots.within_between(data, "ses", "math", "school")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("ses", "Mathematics (points)")
    ax = plots.within_between(data, "ses", "math", "school", labels={"math": "Maths"})
    assert ax.get_ylabel() == "Maths"


def test_rows_with_missing_values_are_left_out_aloud(hsb):
    data = hsb.copy()
    data.loc[[3, 5], "ses"] = np.nan
    with pytest.warns(DataWarning, match="2 of 7185 rows are left out") as caught:
        ax = plots.within_between(data, "ses", "math", "school")
    assert caught[0].filename == __file__
    assert "7,183 rows" in plots.describe(ax)


@pytest.mark.parametrize(
    ("change", "x", "words"),
    [
        ({}, "mean_ses", "'mean_ses' is constant within every cluster"),
        ({}, "sector", "'sector' is not numeric"),
        ({"ses": np.inf}, "ses", "'ses' has 7185 infinite"),
    ],
)
def test_within_between_refuses(hsb, change, x, words):
    with pytest.raises(DataError, match=words):
        plots.within_between(hsb.assign(**change), x, "math", "school")


def test_within_between_refuses_a_predictor_without_a_between_part(hsb_centred):
    with pytest.raises(DataError, match="'ses_within' has the same mean in every cluster"):
        plots.within_between(hsb_centred, "ses_within", "math", "school")


def test_a_table_without_complete_rows_is_refused(hsb):
    with pytest.raises(DataError, match="No row is complete"):
        plots.within_between(hsb.assign(ses=np.nan), "ses", "math", "school")


# ------------------------------------------------------------------------------------------- QQ


def test_standard_deviations_of_blups_and_residuals_are_those_of_the_dense_model():
    """Cov(u-hat) = T Z' V^-1 Z T and Cov(e-hat) = sigma2^2 V^-1, with the coefficients known."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(8), rng.integers(3, 9, 8))
    x = rng.normal(size=len(g))
    u = rng.normal(size=(8, 2)) * [2.0, 1.5]
    y = u[g, 0] + u[g, 1] * x + rng.normal(size=len(g))
    fit = mt.fit_mixed("y ~ x + (1 + x | g)", pd.DataFrame({"g": g, "x": x, "y": y}))
    Z = np.zeros((len(g), 16))
    for i, j in enumerate(g):
        Z[i, 2 * j : 2 * j + 2] = 1, x[i]
    T = np.kron(np.eye(8), fit.tau)
    V_inv = np.linalg.inv(Z @ T @ Z.T + fit.sigma2 * np.eye(len(g)))
    sd_u = np.sqrt(np.diag(T @ Z.T @ V_inv @ Z @ T)).reshape(8, 2)
    sd_e = fit.sigma2 * np.sqrt(np.diag(V_inv))
    blups = fit.ranef()
    tolerance = {"rtol": 1e-8}  # an inverse of a 45 x 45 matrix stands on the other side
    for k, effect in enumerate(["Intercept", "x"]):
        got = standardised_effects(fit, effect)
        np.testing.assert_allclose(got, blups[effect] / sd_u[:, k], **tolerance)
    np.testing.assert_allclose(standardised_residuals(fit), fit.resid / sd_e, **tolerance)


def test_normal_band_holds_each_order_statistic_as_often_as_it_says():
    middle, lower, upper = normal_band(30)
    draws = np.sort(np.random.default_rng(1).standard_normal((20_000, 30)), axis=1)
    inside = ((draws > lower) & (draws < upper)).mean(axis=0)
    # four standard errors of a proportion .95 over 20,000 draws
    np.testing.assert_allclose(inside, 0.95, atol=4 * np.sqrt(0.95 * 0.05 / 20_000))
    np.testing.assert_allclose(middle, -middle[::-1], atol=1e-12)


@pytest.mark.parametrize(("level", "size"), [(1, 7185), (2, 160)])
def test_qq_plots_sorted_standardised_values(hsb_empty, level, size):
    ax = plots.qq(hsb_empty, level)
    (sample,) = by_gid(ax, "sample")
    x, y = sample.get_data()
    wanted = (
        standardised_effects(hsb_empty, "Intercept")
        if level == 2
        else standardised_residuals(hsb_empty)
    )
    np.testing.assert_allclose(y, np.sort(wanted), **EXACT)
    np.testing.assert_allclose(x, stats.norm.ppf((np.arange(size) + 0.5) / size), **EXACT)
    band = ax.collections[0].get_paths()[0].vertices
    _, lower, upper = normal_band(size)
    assert band[:, 1].min() == pytest.approx(lower.min(), rel=1e-10)
    outside = np.mean((y < lower) | (y > upper))
    assert f"{outside:.1%} of the points lie outside" in plots.describe(ax)


def test_qq_of_normal_data_stays_near_the_line():
    """Standardised by the right SD, both levels have variance one, small clusters or large."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(400), rng.integers(2, 12, 400))
    y = rng.normal(size=400)[g] + 2 * rng.normal(size=len(g))
    fit = mt.fit_empty("y", pd.DataFrame({"g": g, "y": y}), cluster="g")
    # four standard errors of a variance, sqrt(2 / n)
    assert np.mean(standardised_residuals(fit) ** 2) == pytest.approx(
        1, abs=4 * (2 / len(g)) ** 0.5
    )
    blups = standardised_effects(fit, "Intercept")
    assert np.mean(blups**2) == pytest.approx(1, abs=4 * (2 / 400) ** 0.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": 3}, "level=3"),
        ({"level": 2, "effect": "ses"}, "'ses' is not a random effect"),
    ],
)
def test_qq_refuses(hsb_empty, options, words):
    with pytest.raises(ModelError, match=words):
        plots.qq(hsb_empty, **options)


def test_qq_of_a_zero_variance_is_refused(flat):
    with pytest.raises(ModelError, match="variance of 'Intercept' is estimated as zero"):
        plots.qq(flat, 2)


# --------------------------------------------------------------------------------------- spread


def test_residual_spread_shows_mean_and_sd_of_each_bin(hsb_empty):
    ax = plots.residual_spread(hsb_empty, bins=4)
    order = np.argsort(hsb_empty.fitted.to_numpy(), kind="stable")
    parts = np.array_split(hsb_empty.resid.to_numpy()[order], 4)
    (bars,) = (c for c in ax.containers if type(c).__name__ == "ErrorbarContainer")
    points, _, (spread,) = bars
    np.testing.assert_allclose(points.get_ydata(orig=False), [p.mean() for p in parts], **EXACT)
    half = np.ptp(np.stack(spread.get_segments())[:, :, 1], axis=1) / 2
    np.testing.assert_allclose(half, [p.std(ddof=1) for p in parts], **EXACT)
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(np.abs(dashed), np.sqrt(hsb_empty.sigma2), **EXACT)
    assert f"{parts[0].std(ddof=1):.2f} in the lowest bin" in plots.describe(ax)


def test_residual_spread_takes_fewer_bins_for_few_rows():
    """Eighteen rows (six rails of three): three bins of six."""
    rng = np.random.default_rng(5)
    rail = pd.DataFrame({"rail": np.repeat(np.arange(6), 3), "y": rng.normal(size=18)})
    rail["y"] += 5 * rng.normal(size=6)[rail["rail"]]
    fit = mt.fit_empty("y", rail, cluster="rail")
    assert "18 rows in 3 bins" in plots.describe(plots.residual_spread(fit))


def test_residual_spread_refuses_too_many_bins(flat):
    with pytest.raises(ModelError, match="bins=13 is not a whole number from 1 to 12"):
        plots.residual_spread(flat, bins=13)


# ------------------------------------------------------------------------------------ variances


def test_variance_parts_add_up_to_the_mean_model_implied_variance(slope):
    parts = plots.variance_parts(slope)
    Z = slope.design.Z
    level_two = np.einsum("iq,qr,ir->i", Z, slope.tau, Z).mean()
    N, x = len(Z), Z[:, 1]
    mean_square = parts["between clusters"] + parts["slopes"] * (N - 1) / N
    assert mean_square == pytest.approx(level_two, rel=1e-12)
    assert parts["slopes"] == pytest.approx(slope.tau.loc["score11", "score11"] * x.var(ddof=1))
    assert parts["predictors"] == pytest.approx(slope.params["score11"] ** 2 * x.var(ddof=1))
    assert parts["residual (within)"] == slope.sigma2


def test_parts_of_a_centred_slope_are_those_of_r_squared(hsb_slopes):
    """Centred within clusters nothing of the predictor lies between: one definition, one number."""
    parts = plots.variance_parts(hsb_slopes)
    table = mt.r_squared(hsb_slopes).decomposition["variance"]
    pairs = {"slopes": "slope_variation", "predictors": "fixed_within",
             "between clusters": "mean_variation", "residual (within)": "residual"}  # fmt: skip
    for bar, part in pairs.items():
        assert parts[bar] == pytest.approx(table[part], rel=1e-9)


def test_variance_bar_stacks_the_components(hsb_empty, sector):
    ax = plots.variance_bar({"empty": hsb_empty, "with sector": sector}, predictors=True)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["empty", "with sector"]
    assert legend_texts(ax) == ["between clusters", "residual (within)", "predictors"]
    widths = np.array([[bar.get_width() for bar in part] for part in ax.containers])
    starts = np.array([[bar.get_x() for bar in part] for part in ax.containers])
    wanted = [
        [fit.tau.iloc[0, 0] for fit in (hsb_empty, sector)],
        [fit.sigma2 for fit in (hsb_empty, sector)],
        [0.0, np.var(sector.predict(random=False), ddof=1)],
    ]
    np.testing.assert_allclose(widths, wanted, **EXACT)
    np.testing.assert_allclose(starts, np.cumsum([[0, 0], *wanted[:-1]], axis=0), **EXACT)
    assert "empty: between clusters 8.61 (18%), residual (within) 39.15 (82%)." in plots.describe(
        ax
    )


def test_variance_bar_of_shares_may_mix_outcomes(hsb_empty, slope):
    ax = plots.variance_bar([hsb_empty, slope], share=True)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["Model 1", "Model 2"]
    widths = np.array([[bar.get_width() for bar in part] for part in ax.containers])
    np.testing.assert_allclose(widths.sum(axis=0), 1.0, **EXACT)
    text = plots.describe(ax)
    assert "math" in text and "score16" in text
    with pytest.raises(ModelError, match=r"different outcomes \(math, score16\).*share=True"):
        plots.variance_bar([hsb_empty, slope])


@pytest.mark.parametrize(
    ("fits", "words"),
    [([], "no fit at all"), ("empty", "it got str"), ([1], "got int"), ({"m": None}, "NoneType")],
)
@pytest.mark.parametrize("draw", [plots.variance_bar, plots.coefficients])
def test_functions_of_several_fits_refuse(draw, fits, words):
    with pytest.raises(ModelError, match=words):
        draw(fits)


# --------------------------------------------------------------------------------- coefficients


def test_coefficients_show_estimates_and_t_intervals(sector, slope):
    ax = plots.coefficients({"one": sector, "two": slope}, level=0.9, intercept=True)
    names = ["Intercept", "sector[T.Public]", "score11"]
    assert [t.get_text() for t in ax.get_yticklabels()] == names
    for fit, name, color in ((sector, "one", "blue"), (slope, "two", "orange")):
        (lines,) = by_gid(ax, name)
        ends = np.stack(lines.get_segments())
        np.testing.assert_allclose(ends[:, :, 0], fit.conf_int(0.9), **EXACT)
        assert [names[round(y)] for y in ends[:, 0, 1]] == list(fit.params.index)
        (dots,) = (line for line in ax.lines if line.get_label() == name)
        np.testing.assert_allclose(dots.get_xdata(), fit.params, **EXACT)
        assert to_hex(dots.get_color()).upper() == plots.PALETTE[color]
    assert "one: Intercept 14.20" in plots.describe(ax)


def test_coefficients_refuse_nothing_to_draw_and_too_much(hsb_empty):
    with pytest.raises(ModelError, match="use intercept=True"):
        plots.coefficients(hsb_empty)
    with pytest.raises(ModelError, match="can show 6 models at once; it got 7"):
        plots.coefficients([hsb_empty] * 7)
    with pytest.raises(ModelError, match="confidence level .* got 1"):
        plots.coefficients(hsb_empty, level=1)
