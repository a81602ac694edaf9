"""The mean's effect in the variance function: linear is the correlated model, quadratic is more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.location_scale.association import AssociationMap, start_association
from mlteach.location_scale.search import maximise
from mlteach.plots.fan import variance_curves

QUADRATURE = 5e-5  # the fourth decimal
SAME = 1e-6  # of two searches for one maximum
LONDON = ("score16 ~ score11 + girl + (1 | school)", "~ score11 + girl + (1 | school)")
HSB = ("math ~ catholic + (1 | school)", "~ catholic + (1 | school)")


@pytest.fixture(scope="module")
def correlated(london):
    return mt.fit_location_scale(*LONDON, london)


@pytest.fixture(scope="module")
def quadratic(london):
    return mt.fit_location_scale(*LONDON, london, association="quadratic")


@pytest.fixture(scope="module")
def arch(hsb):
    return mt.fit_location_scale(*HSB, hsb, association="quadratic")


def test_linear_is_the_correlated_model(london, correlated):
    linear = mt.fit_location_scale(*LONDON, london, association="linear")
    assert linear.llf == correlated.llf
    omega = correlated.random.to_numpy()
    table = linear.association
    assert table.loc["scale:Intercept on Intercept", "estimate"] == pytest.approx(
        omega[0, 1] / omega[0, 0]
    )
    left = table.loc["scale:Intercept, what is left"]
    rho = correlated.correlations.iloc[0, 1]
    assert left["estimate"] == pytest.approx(omega[1, 1] * (1 - rho**2))
    assert left["lower"] < left["estimate"] < left["upper"]
    assert "Association" in str(linear)
    assert "Association" not in str(correlated)


def test_delta_method_against_the_fit_in_these_parameters(london, correlated):
    """The same maximum and standard errors by quadrature over u."""
    d, end = correlated.design, correlated.optimizer.end
    map_ = AssociationMap(1, 1)
    start = np.r_[end[:-3], start_association(map_, correlated.parts[2][0])]
    _, record, hessian = maximise(d.rows, map_, start, 21)
    assert record.f_end == pytest.approx(correlated.optimizer.f_end, abs=SAME)
    se = np.sqrt(np.diag(2.0 * np.linalg.inv(hessian)))
    sigma, unit = record.end[-3], d.scaling.scale
    gamma, left = correlated.association.iloc[0], correlated.association.iloc[1]
    assert gamma["estimate"] == pytest.approx(record.end[-1] / unit, rel=1e-4)
    assert gamma["se"] == pytest.approx(se[-1] / unit, rel=1e-3)
    assert left["estimate"] == pytest.approx(sigma**2, rel=1e-4)
    assert left["se"] == pytest.approx(2.0 * sigma * se[-3], rel=1e-3)


def test_linear_with_several_effects(london):
    fit = mt.fit_location_scale(
        "score16 ~ score11 + (1 + score11 | school)",
        "~ score11 + (1 + score11 | school)",
        london,
        association="linear",
    )
    omega = fit.random.to_numpy()
    gamma = omega[2:, :2] @ np.linalg.inv(omega[:2, :2])
    names = [
        f"scale:{v} on {u}" for v in ("Intercept", "score11") for u in ("Intercept", "score11")
    ]
    assert fit.association.loc[names, "estimate"].to_numpy() == pytest.approx(gamma.ravel())
    assert (fit.association["se"] > 0).all()


def test_linear_without_a_scale_effect(london):
    formula, variance = "score16 ~ 1 + (1 | school)", "~ 1"
    none = mt.fit_location_scale(formula, variance, london)
    fit = mt.fit_location_scale(formula, variance, london, association="linear")
    both = mt.fit_location_scale(formula, "~ 1 + (1 | school)", london)
    assert fit.n_parameters == none.n_parameters + 1
    assert none.llf < fit.llf < both.llf
    assert both.lr_test(fit).weights == (0.5, 0.5)
    assert fit.association.index.tolist() == ["scale:Intercept on Intercept"]


@pytest.mark.parametrize("points", [11, 31])
def test_points_do_not_matter(points, london, quadratic):
    other = mt.fit_location_scale(*LONDON, london, association="quadratic", points=points)
    assert abs(other.llf - quadratic.llf) < QUADRATURE
    assert np.allclose(other.association["estimate"], quadratic.association["estimate"], rtol=1e-3)
    assert np.allclose(other.mean["estimate"], quadratic.mean["estimate"], atol=QUADRATURE)


def test_default_points_suffice_where_the_function_bends(hsb, arch):
    more = mt.fit_location_scale(*HSB, hsb, association="quadratic", points=41)
    assert abs(more.llf - arch.llf) < QUADRATURE
    assert np.allclose(more.association["estimate"], arch.association["estimate"], rtol=1e-3)


def test_the_arch_of_high_school_and_beyond(hsb, arch):
    """Spread is smaller where means are extreme, and nothing random is left beside that."""
    test = arch.lr_test(mt.fit_location_scale(*HSB, hsb))
    assert test.df == 1
    assert test.statistic > 50
    assert arch.association.loc["scale:Intercept on Intercept^2", "t"] < -5
    assert arch.random.loc["scale:Intercept", "scale:Intercept"] < 1e-6
    assert any("beyond what the association" in note for note in arch.notes)


def test_units(london, quadratic):
    moved = london.assign(score16=50 + 10 * london["score16"])
    other = mt.fit_location_scale(*LONDON, moved, association="quadratic")
    one, two = quadratic.association, other.association
    assert np.allclose(two["estimate"], one["estimate"] / [10, 100], rtol=1e-3)
    assert np.allclose(two["t"], one["t"], rtol=1e-3)
    assert np.isclose(other.random.iloc[0, 0], 100 * quadratic.random.iloc[0, 0], rtol=1e-3)
    assert np.isclose(other.llf, quadratic.llf - len(london) * np.log(10), atol=1e-4)


def test_recovers_known_coefficients():
    rng = np.random.default_rng(4)
    J, n = 300, 30
    g = np.repeat(np.arange(J), n)
    u, v = rng.normal(size=J), 0.3 * rng.normal(size=J)
    log_variance = 0.2 + 0.3 * u - 0.25 * u**2 + v
    y = 2 + u[g] + np.exp(log_variance / 2)[g] * rng.normal(size=J * n)
    data = pd.DataFrame({"y": y, "g": g})
    fit = mt.fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data, association="quadratic")
    table = fit.association
    assert (np.abs(table["estimate"] - [0.3, -0.25]) < 3 * table["se"]).all()
    assert fit.random.iloc[1, 1] == pytest.approx(0.09, abs=0.04)
    # Clusters: predictions follow what was simulated.
    blups = fit.ranef()
    assert np.corrcoef(blups["Intercept"], u)[0, 1] > 0.95
    assert np.corrcoef(blups["scale:Intercept"], v)[0, 1] > 0.5
    own = np.log(fit.cluster_variances()["variance"])
    assert np.corrcoef(own, log_variance)[0, 1] > 0.85
    # Averages: over clusters drawn from the fitted model.
    tau, sigma = np.sqrt(np.diag(fit.random))
    z = rng.normal(size=(2, 400_000))
    g1, g2 = table["estimate"]
    eta = g1 * tau * z[0] + g2 * (tau * z[0]) ** 2 + sigma * z[1]
    drawn = np.exp(fit.log_variance.iloc[0, 0] + eta).mean()
    assert fit.average_variance["average"] == pytest.approx(drawn, rel=0.01)
    assert np.isclose(
        np.log(fit.cluster_variances()["variance"] / fit.average_variance["median"]).mean(),
        eta.mean(),
        atol=0.05,
    )


def test_moments_in_a_new_cluster_by_quadrature(quadratic):
    """Of u and gamma_1 u + gamma_2 u² + v, polynomials of a normal u: nine nodes are exact."""
    tau2, left = np.diag(quadratic.random)
    nodes, weight = np.polynomial.hermite_e.hermegauss(9)
    weight, u = weight / weight.sum(), np.sqrt(tau2) * nodes
    g1, g2 = quadratic.association["estimate"]
    both = np.stack([u, g1 * u + g2 * u**2])
    centre = both @ weight
    cov = (weight * (both - centre[:, None])) @ both.T + np.diag([0.0, left])
    one = np.ones((1, 1))
    mean, found = quadratic.new_moments(one, one, quadratic.random.to_numpy()[None])
    np.testing.assert_allclose(mean[0], centre, atol=1e-12)
    np.testing.assert_allclose(found[0], cov, rtol=1e-10, atol=1e-12)


def test_no_average_where_the_variance_explodes(quadratic):
    """exp(gamma_2 u^2) has no mean once gamma_2 exceeds 1 / (2 tau^2)."""
    tau2 = quadratic.random.iloc[0, 0]
    assert quadratic.gamma[1] * tau2 < 0.5
    end = quadratic.optimizer.end.copy()
    end[-1] = 10.0 / tau2
    assert (
        replace(quadratic, optimizer=replace(quadratic.optimizer, end=end)).average_shift == np.inf
    )


def test_only_what_is_left_of_v_is_explained_by_u(quadratic):
    """That the means do not differ at all is no matter of the association."""
    end = quadratic.optimizer.end.copy()
    end[-4:-2] = 0.0
    at_zero = replace(quadratic, optimizer=replace(quadratic.optimizer, end=end))
    told = {note.split(" is estimated")[0]: note for note in at_zero.notes if "zero" in note}
    assert "beyond what the association" not in told["The variance of Intercept"]
    assert "beyond what the association" in told["The variance of scale:Intercept"]


def test_figures_use_the_whole_log_variance(arch, hsb):
    ax = plots.cluster_variances(arch)
    assert "Level-1 variance" in plots.describe(ax)
    fit = mt.fit_location_scale(
        "math ~ ses + (1 | school)", "~ ses", hsb, association="quadratic", points=11
    )
    _, curves = variance_curves(fit, "ses")
    table = fit.cluster_variances()["variance"]
    # In the middle of a school's curve stands the variance of the school.
    assert np.corrcoef(np.log(curves.mean(axis=1)), np.log(table))[0, 1] > 0.95
    assert "residual" in plots.describe(plots.qq(fit))


@pytest.mark.parametrize(
    ("formula", "variance", "settings", "message"),
    [
        (*HSB, {"association": "cubic"}, "'cubic' is not known"),
        (*HSB, {"association": 1}, "association=1 is not known"),
        (*HSB, {"association": "linear", "between": "~ catholic"}, "does not go with between="),
        (HSB[0], "~ catholic", {"association": "linear", "reml": True}, "does not go with reml"),
        (
            "math ~ ses + (1 + ses | school)",
            "~ 1 + (1 | school)",
            {"association": "quadratic"},
            "This model has the random effects Intercept, ses, scale:Intercept",
        ),
        (HSB[0], "~ ses + (0 + ses | school)", {"association": "quadratic"}, "scale:ses"),
    ],
)
def test_bad_requests_are_named(formula, variance, settings, message, hsb):
    with pytest.raises(mt.ModelError, match=message):
        mt.fit_location_scale(formula, variance, hsb, **settings)


def test_no_association_to_show(hsb):
    for settings in ({"association": False}, {"between": "~ 1"}):
        fit = mt.fit_location_scale(*HSB, hsb, **settings)
        with pytest.raises(mt.ModelError, match="has no one association"):
            _ = fit.association
