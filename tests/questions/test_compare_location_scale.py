"""Comparing location-scale models with each other and with mixed models."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.location_scale.fit import fit_location_scale

MEAN = "math ~ catholic + (1 | school)"


@pytest.fixture(scope="module")
def some(hsb):
    return hsb[hsb["school"].isin(sorted(hsb["school"].unique())[:40])].reset_index(drop=True)


@pytest.fixture(scope="module")
def fits(some):
    return {
        "mixed": mt.fit_mixed(MEAN, some, reml=False),
        "fixed": fit_location_scale(MEAN, "~ catholic", some),
        "random": fit_location_scale(MEAN, "~ catholic + (1 | school)", some),
    }


def test_table_and_mixture(fits):
    table = mt.compare(*fits.values(), names=list(fits))
    assert table.loc["fixed", "df"] == 1
    assert table.loc["fixed", "p_mixture"] == table.loc["fixed", "p"]
    test, row = fits["random"].lr_test(fits["fixed"]), table.loc["random"]
    assert row["lr"] == pytest.approx(test.statistic)
    assert row[["df", "p", "p_mixture"]].tolist() == pytest.approx([2, test.p, test.p_mixture])
    assert row["p_mixture"] < row["p"]
    assert row["aic"] == pytest.approx(-2 * fits["random"].llf + 2 * fits["random"].n_parameters)
    assert "tests a variance" in table.attrs["notes"][-1]
    assert table.index.tolist() == list(
        mt.compare(*reversed(fits.values()), names=[*fits][::-1]).index
    )


def test_a_constant_variance_is_the_mixed_model(fits, some):
    constant = fit_location_scale(MEAN, "~ 1", some)
    table = mt.compare(fits["mixed"], constant)
    assert any("same model" in note for note in table.attrs["notes"])
    slope = mt.fit_mixed("math ~ catholic + (1 + ses | school)", some, reml=False)
    table = mt.compare(constant, slope)
    mixed = mt.compare(fits["mixed"], slope)
    assert table["p_mixture"].iloc[1] == pytest.approx(mixed["p_mixture"].iloc[1], rel=1e-6)


def test_several_variances_have_no_closed_form(fits, some):
    slopes = "math ~ catholic + (1 + ses | school)"
    big = fit_location_scale(slopes, "~ catholic + (1 | school)", some)
    table = mt.compare(fits["fixed"], big)
    assert np.isnan(table["p_mixture"].iloc[1])
    assert any("several more random effects" in note for note in table.attrs["notes"])


@pytest.mark.parametrize(
    ("mean", "variance", "why"),
    [
        ("math ~ ses + (1 | school)", "~ 1", "fixed effects that are no combination"),
        (MEAN, "~ ses", "predictors of the variance"),
        ("math ~ catholic + (0 + ses | school)", "~ catholic", "random effects"),
    ],
)
def test_what_is_not_nested_is_refused(fits, some, mean, variance, why):
    other = fit_location_scale(mean, variance, some)
    with pytest.raises(mt.ModelError, match=why):
        mt.compare(fits["random"], other)
    table = mt.compare(fits["random"], other, nested=False)
    assert table["lr"].isna().all()
    assert any(why in note for note in table.attrs["notes"])


def test_what_cannot_be_compared_is_refused(fits, some):
    with pytest.raises(mt.ModelError, match="by REML and the other by ML"):
        mt.compare(mt.fit_mixed(MEAN, some), fits["fixed"])
    with pytest.raises(mt.ModelError, match="rows"):
        mt.compare(mt.fit_mixed(MEAN, some[5:], reml=False), fits["fixed"])
    with pytest.raises(mt.ModelError, match="one kind"):
        multigroup = mt.fit_multigroup(["math", "ses"], some, cluster="school")
        mt.compare(fits["fixed"], multigroup)
    with pytest.raises(mt.ModelError, match="bootstrap is for mixed"):
        mt.compare(fits["fixed"], fits["random"], bootstrap=10)


def test_a_smaller_model_on_the_boundary_is_noted():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"g": np.repeat(np.arange(30), 6), "y": rng.normal(size=180)})
    small = fit_location_scale("y ~ 1 + (1 | g)", "~ 1", table)
    big = fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", table)
    assert small.no_variance.any()
    assert any("boundary" in note for note in mt.compare(small, big).attrs["notes"])


def test_mixture_keeps_its_level():
    """One random effect in the variance function, with its covariance, tested at zero.

    p_mixture is uniform: the mean of 120 lies within .08 (three standard errors) of .5, and that
    of the plain chi-square p-value is .62. Every search ends at a minimum, also where the variance
    is nearly zero and the deviance flat.
    """
    rng, p = np.random.default_rng(3), []
    g = np.repeat(np.arange(80), 20)
    for _ in range(120):
        y = rng.normal(0, 0.7, 80)[g] + rng.normal(size=len(g))
        table = pd.DataFrame({"g": g, "y": y})
        small = mt.fit_mixed("y ~ 1 + (1 | g)", table, reml=False)
        big = fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", table)
        p.append(mt.compare(small, big)[["p", "p_mixture"]].iloc[1])
    mean = pd.DataFrame(p).mean()
    assert mean["p_mixture"] == pytest.approx(0.5, abs=0.08)
    assert mean["p"] > 0.58
