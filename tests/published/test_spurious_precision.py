"""The published simulation: the model drawn from, and its analyses against the printed table.

The table (``reference/published_spurious_precision.csv``) is Table 1 of Leckie, French, Charlton &
Browne (2014), doi:10.3102/1076998614546494: 1,000 replications of 50 schools of 25 students,
estimated by MCMC. Chapter 12 runs 600; here are fewer.
"""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.published.spurious_precision import (
    SIGMA2_V,
    TAU2,
    draw_schools,
    fit_models,
    true_schools,
)
from tests.places import REFERENCE

PUBLISHED = pd.read_csv(
    REFERENCE / "published_spurious_precision.csv",
    index_col=["model", "part", "parameter"],
).rename(index={"w_x": "w:x", "intercept": "Intercept"})
MOST_SE = 4.0  # a seeded study beyond it would mean another model
REPLICATIONS = 60


@pytest.fixture(scope="module")
def study():
    return mt.run_study(draw_schools, fit_models, REPLICATIONS, seed=2014)


def test_true_values_are_the_published_ones():
    values = true_schools()
    for (_, part, parameter), true in PUBLISHED["true"].items():
        assert values[(part, parameter)] == true
    assert true_schools(sigma2_v=0.5)[("log_variance", "intercept_variance")] == 0.5


def test_what_is_drawn():
    """Moments of one large data set against the model that it comes from."""
    schools, students = 2000, 40
    data = draw_schools(np.random.default_rng(1), schools=schools, students=students)
    by_school = data.groupby("school")
    assert (by_school["w"].nunique() == 1).all()
    about = {"w": (0.0, 1.0), "x": (0.0, 1.0)}
    for column, (mean, variance) in about.items():
        assert abs(data[column].mean() - mean) < MOST_SE / np.sqrt(schools)
        assert abs(data[column].var() - variance) < MOST_SE * np.sqrt(2 / schools)
    means = by_school["x"].mean()
    assert abs(means.var() - (0.2 + 0.8 / students)) < MOST_SE * 0.22 * np.sqrt(2 / schools)
    w, x = data["w"], data["x"]
    residual = data["y"] - (0.2 * w + 0.5 * x - 0.1 * w * x)
    between = residual.groupby(data["school"]).mean().var()
    assert abs(between - (TAU2 + np.exp(-0.611 + 0.1) / students)) < 0.02
    inside = residual - residual.groupby(data["school"]).transform("mean")
    z = inside / np.exp((-0.611 + 0.1 * w + 0.1 * x - 0.1 * w * x) / 2)
    log_variances = np.log(z.groupby(data["school"]).var())
    sampling = 2.0 / (students - 1)  # variance of the log of a sample variance, nearly
    assert abs(log_variances.var() - sampling - SIGMA2_V) < 0.02


def test_no_heterogeneity_and_no_clustering_of_x_can_be_asked_for():
    one = draw_schools(np.random.default_rng(1), sigma2_v=0.0, icc_x=0.0, students=200)
    assert one.groupby("school")["x"].mean().var() < 2 / 200
    log_variances = np.log(one.groupby("school")["y"].var())
    other = draw_schools(np.random.default_rng(1), students=200)
    assert log_variances.var() < np.log(other.groupby("school")["y"].var()).var() / 2


def test_every_fit_is_there(study):
    assert len(study.failures) == 0
    assert study.estimates.index.droplevel("replication").unique().tolist() == [
        (model, part, parameter) for model, part, parameter in PUBLISHED.index
    ]


@pytest.mark.parametrize("key", PUBLISHED.index, ids=":".join)
def test_coverage_is_the_published_one(study, key):
    row, printed = study.summary(true_schools()).loc[key], PUBLISHED.loc[key]
    share = printed["coverage_percent"] / 100
    binomial = np.sqrt(share * (1 - share) / REPLICATIONS)
    assert abs(row["coverage"] - share) < MOST_SE * binomial
    # Posterior means of a variance lie above its ML estimate; the allowance is for that.
    allowance = 0.1 * row["true"] if "variance" in key[2] else 0.001
    gap = abs(row["mean"] - printed["mean_of_posterior_means"])
    assert gap < MOST_SE * row["mcse_bias"] + allowance
    assert abs(row["se"] / printed["mean_posterior_sd"] - 1.0) < 0.15


def test_standard_errors_of_model_a_are_too_small(study):
    summary = study.summary(true_schools())
    ratio = summary["sd"] / summary["se"]
    for model, low, high in (("A", 1.1, 3.0), ("B", 0.7, 1.3)):
        of_model = ratio[model]["log_variance"][["w", "x", "w:x"]]
        assert of_model.between(low, high).all()


def test_a_fit_is_the_model_it_names():
    data = draw_schools(np.random.default_rng(3))
    fit = mt.fit_location_scale(
        "y ~ w * x + (1 | school)", "~ w * x + (1 | school)", data, association=False
    )
    table = fit_models(data, "B").loc["B"]
    assert np.allclose(
        table["estimate"],
        [
            *fit.mean["estimate"],
            fit.random.iloc[0, 0],
            *fit.log_variance["estimate"],
            fit.random.iloc[1, 1],
        ],
    )
    assert fit_models(data, "A").index.get_level_values("model").unique().tolist() == ["A"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schools": 1}, "schools=1"),
        ({"students": 2.5}, "students=2.5"),
        ({"sigma2_v": -0.1}, "sigma2_v=-0.1"),
        ({"icc_x": 1.2}, "icc_x=1.2"),
    ],
)
def test_impossible_designs_are_named(changes, message):
    with pytest.raises(mt.ModelError, match=message):
        draw_schools(np.random.default_rng(1), **changes)


def test_r_is_model_a_with_the_standard_errors_of_a_robust_fit():
    data = draw_schools(np.random.default_rng(5))
    both = fit_models(data, "AR")
    pd.testing.assert_frame_equal(both.xs("R"), fit_models(data, "R").xs("R"))
    fit = mt.fit_location_scale("y ~ w * x + (1 | school)", "~ w * x", data, robust="cluster")
    ours = both.xs("R").xs("log_variance")["se"]
    pd.testing.assert_series_equal(ours, fit.log_variance["se"], check_names=False, rtol=1e-6)
    assert both.xs("A")["estimate"].equals(both.xs("R")["estimate"])
