"""Information, degrees of freedom and likelihood-ratio tests against closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from mlteach import fit_mixed
from mlteach.core.lr_test import covariance_cone_weights, likelihood_ratio_test, orthant_weights
from mlteach.errors import ModelError
from mlteach.mixed.degrees_of_freedom import _kenward_roger_f
from mlteach.mixed.information import no_variance_weights
from tests.dense import deviance, small_data


@pytest.fixture(scope="module")
def balanced():
    """12 clusters of 5: every exact result of the analysis of variance holds."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 5)
    x = np.tile(np.arange(5.0), 12)
    w = np.repeat(np.arange(12) % 2, 5)
    y = 2 + 0.5 * x + w + rng.normal(size=12)[g] + rng.normal(size=60)
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g})


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_balanced_data_have_the_classical_degrees_of_freedom(balanced, ddf):
    fit = fit_mixed("y ~ x + w + (1 | g)", balanced, ddf=ddf)
    assert not fit.singular
    # Level 2: 12 clusters less two coefficients. Level 1: 60 rows less 12 means less one slope.
    assert fit.df["w"] == pytest.approx(10, rel=1e-6)
    assert fit.df["x"] == pytest.approx(47, rel=1e-6)


def test_between_within_counts_levels(balanced):
    fit = fit_mixed("y ~ x + w + (1 | g)", balanced, ddf="between-within")
    assert fit.df.to_dict() == {"Intercept": 10, "x": 47, "w": 10}


@pytest.mark.parametrize("df", [20.0, 4.0, 2.0, 1.5])
def test_kenward_roger_of_one_variance_is_satterthwaite(df):
    """Where A1 = A2 = 2 / df, as in balanced data, moments that vanish at 4 and 2 cancel."""
    assert _kenward_roger_f(2.0 / df, 2.0 / df, 1) == pytest.approx((df, 1.0), rel=1e-12)


def test_kenward_roger_is_for_reml_only(balanced):
    with pytest.raises(ModelError, match="REML"):
        fit_mixed("y ~ x + (1 | g)", balanced, reml=False, ddf="kenward-roger")
    fit = fit_mixed("y ~ x + (1 | g)", balanced, reml=False)
    with pytest.raises(ModelError, match="REML"):
        fit.tests("kenward-roger")
    assert "kenward-roger" not in fit.tests("all").index.get_level_values("ddf")


def test_unknown_method_lists_the_known_ones(balanced):
    with pytest.raises(ModelError, match="'satterthwaite'"):
        fit_mixed("y ~ x + (1 | g)", balanced, ddf="sattertwaite")


@pytest.mark.parametrize("reml", [True, False])
def test_standard_errors_of_variances_are_the_curvature_of_the_likelihood(reml):
    y, X, Z, codes = small_data(11, J=30, q=2, sizes=(4, 12))
    data = pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})
    fit = fit_mixed("y ~ x + w + (1 + x | g)", data, reml=reml)
    assert not fit.singular
    at = fit.variances["estimate"].to_numpy()

    def f(v):
        tau = np.array([[v[0], v[1]], [v[1], v[2]]])
        return deviance(y, X, Z, codes, tau, v[3], reml)

    h = 1e-3 * np.diag(np.abs(at))
    hessian = np.array(
        [[f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b) for b in h] for a in h]
    ) / (4 * np.outer(np.diag(h), np.diag(h)))
    se = np.sqrt(np.diag(np.linalg.inv(hessian / 2)))
    # Differences of step 1e-3 leave a relative error of about 1e-5.
    assert np.allclose(fit.variances["se"], se, rtol=1e-4)


def test_likelihood_ratio_test_on_the_boundary_halves_the_p_value():
    test = likelihood_ratio_test(3.0, 1, (0.5, 0.5))
    assert test.p_mixture == pytest.approx(stats.chi2.sf(3.0, 1) / 2)
    assert likelihood_ratio_test(-1e-12, 1, (0.5, 0.5)).p_mixture == 1.0


def test_weights_of_the_covariance_cone_against_simulation():
    """Share of normal draws whose projection on the cone has 0, 1, 2, 3 free dimensions.

    In the metric of the identity on (a, sqrt(2) b, c) the cone is circular with a half-angle of
    45 degrees: its solid angle is (1 - cos 45°) / 2 of the sphere.
    """
    circular = covariance_cone_weights(np.diag([1.0, 2.0, 1.0]))
    angle = (1 - np.cos(np.pi / 4)) / 2
    assert circular == pytest.approx((angle, 0.5 - angle, 0.5 - angle, angle), abs=1e-5)


@pytest.mark.parametrize("seed", [1, 2])
def test_outer_weights_of_a_skew_cone_are_shares_of_draws(seed):
    half = np.random.default_rng(seed).normal(size=(3, 3)) + 2 * np.eye(3)
    information = half @ half.T
    w = covariance_cone_weights(information)
    assert sum(w) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((200_000, 3)) @ np.linalg.inv(np.linalg.cholesky(information))
    a, b, c = draws.T
    inside = np.mean((a > 0) & (a * c > b**2))
    # Polar cone in this metric: I z is negative on all rank-one matrices.
    p, q, r = (draws @ information).T
    polar = np.mean((p < 0) & (4 * p * r > q**2))
    assert w[3] == pytest.approx(inside, abs=0.004)
    assert w[0] == pytest.approx(polar, abs=0.004)


def test_the_null_distribution_of_the_random_slope_test_is_the_mixture():
    """400 data sets without random effects: the mixture p-value is uniform where it is not 1."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(30), 8)
    x = rng.normal(size=240)
    p = []
    for _ in range(400):
        data = pd.DataFrame({"y": rng.normal(size=240), "x": x, "g": g})
        p.append(fit_mixed("y ~ x + (1 + x | g)", data, reml=False).lr_test_random.p_mixture)
    for alpha in (0.05, 0.10, 0.25):
        # Three binomial standard errors.
        assert abs(np.mean(np.array(p) < alpha) - alpha) < 3 * np.sqrt(alpha * (1 - alpha) / 400)


@pytest.mark.parametrize("q", [2, 3])
def test_weights_of_an_orthant_are_shares_of_projections(q):
    """Project draws on the orthant by trying every set of free elements; count the free ones."""
    half = np.random.default_rng(q).normal(size=(q, q)) + np.eye(q)
    information = half @ half.T
    weights = orthant_weights(information)
    draws = np.random.default_rng(0).standard_normal((20_000, q))
    draws = draws @ np.linalg.inv(np.linalg.cholesky(information))
    root = np.linalg.cholesky(information).T
    free = [(optimize.nnls(root, root @ z)[0] > 0).sum() for z in draws]
    shares = np.bincount(free, minlength=q + 1) / len(draws)
    assert sum(weights) == pytest.approx(1.0)
    # Four binomial standard errors of 20,000 draws.
    assert np.allclose(weights, shares, atol=0.014)


def test_weights_are_not_invented_where_they_are_not_known(balanced):
    data = balanced.assign(z=np.random.default_rng(0).normal(size=60))
    fit = fit_mixed("y ~ x + (x + z | g)", data)
    assert no_variance_weights(fit.problem) == ()
    assert np.isnan(fit.lr_test_random.p_mixture)
    assert "≤" in str(fit.lr_test_random)


def test_uncorrelated_effects_have_an_orthant(balanced):
    weights = no_variance_weights(fit_mixed("y ~ x + (x || g)", balanced).problem)
    assert len(weights) == 3
    assert weights[1] == 0.5
