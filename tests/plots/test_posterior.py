"""Figures of a posterior, on draws made by hand: what is drawn, said and refused."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.location_scale.bayes.draws import Draws, inference_data
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.posterior import LocationScalePosterior
from mlteach.location_scale.bayes.priors import FlatPrior, InverseWishart, WeakPrior
from mlteach.location_scale.design import location_scale_design

az = pytest.importorskip("arviz")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # ArviZ announces its next version


@pytest.fixture(scope="module")
def fit(hsb):
    d = location_scale_design("math ~ ses + (1 | school)", "~ 1 + (1 | school)", hsb)
    effects, rng, shape = Effects.of(d, True), np.random.default_rng(1), (4, 250)
    arrays = {
        "beta_s": rng.standard_normal((*shape, 2)),
        "alpha_s": 0.1 * rng.standard_normal((*shape, 1)),
        "factor": -1.0 + 0.3 * rng.standard_normal((*shape, 3)),
        "t_0": rng.standard_normal((*shape, 160)),
    }
    raw = az.from_dict(arrays)
    raw.add_groups({"sample_stats": raw.posterior})
    idata = inference_data(d, Draws.of(raw, effects), raw, rng)
    return LocationScalePosterior(d, None, "correlated", idata, WeakPrior())


def test_chains_are_drawn_one_upon_the_other(fit):
    paths, densities = plots.chains(fit, "Intercept")
    draws = fit.draws_of("Intercept")
    assert draws.shape == (4, 250)
    for line, chain in zip(paths.get_lines(), draws, strict=True):
        assert line.get_ydata() == pytest.approx(chain)
    # Densities: of area one each, nothing below zero is lost.
    for line in densities.get_lines():
        x, y = line.get_data()
        assert x[0] >= 0
        assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.06)
    assert [t.get_text() for t in densities.get_legend().get_texts()][-1] == "chain 4"
    assert paths.get_ylabel() == "Variance of Intercept"
    assert "250 draws of Intercept in each of 4 chains" in plots.describe(paths)
    assert "4 chains" in plots.describe(paths.figure)


def test_chains_of_coefficients_into_given_axes(fit):
    _, axes = plt.subplots(1, 2)
    paths, densities = plots.chains(fit, "mean:ses", labels={"mean:ses": "SES"}, ax=axes)
    assert paths is axes[0]
    assert densities.get_xlabel() == "SES"
    with pytest.raises(mt.DataError, match="two Axes"):
        plots.chains(fit, "mean:ses", ax=axes[0])


@pytest.mark.parametrize("prior", [WeakPrior(), InverseWishart(np.diag([8.0, 0.1]))])
def test_prior_and_posterior(fit, prior):
    other = replace(fit, prior=prior)
    ax = plots.prior_posterior(other, "Intercept", marks={"ML": 8.0}, upper=60.0)
    bars = ax.patches[0].get_data()
    draws = fit.draws_of("Intercept").ravel()
    area = (bars.values * np.diff(bars.edges)).sum()
    assert area == pytest.approx((draws < 60.0).mean())
    x, y = ax.get_lines()[0].get_data()
    effects = Effects.of(fit.design, True)
    assert y == pytest.approx(prior.variance_density(effects, 1, x))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["posterior", "prior", "ML"]
    assert ax.get_xlim() == (0.0, 60.0)
    assert "with the density of its prior" in plots.describe(ax)


def test_prior_and_posterior_of_a_correlation(fit):
    pair = "Intercept:scale:Intercept"
    ax = plots.prior_posterior(fit, pair)
    x, y = ax.get_lines()[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.01)
    assert ax.get_xlim() == (-1.0, 1.0)
    assert ax.get_xlabel() == f"Correlation of {pair}"
    with pytest.raises(mt.ModelError, match="no end of an axis of variances"):
        plots.prior_posterior(fit, pair, upper=2.0)


def test_bad_requests_are_named(fit, hsb):
    with pytest.raises(mt.ModelError, match="'ses' is no parameter here. There are: Intercept"):
        plots.chains(fit, "ses")
    with pytest.raises(mt.ModelError, match="'mean:ses' is no variance or correlation"):
        plots.prior_posterior(fit, "mean:ses")
    ml = mt.fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", hsb)
    for figure in (plots.chains, plots.prior_posterior):
        with pytest.raises(mt.ModelError, match="is not a fit of .* method='bayes'"):
            figure(ml, "Intercept")
    with pytest.raises(mt.ModelError, match="A flat prior has no density"):
        plots.prior_posterior(replace(fit, prior=FlatPrior()), "Intercept")
    with pytest.raises(mt.ModelError, match="upper=-1"):
        plots.prior_posterior(fit, "Intercept", upper=-1)


def test_a_constant_has_no_density(fit):
    same = fit.idata.copy()
    same.posterior["beta"][..., 1] = 1.0
    with pytest.raises(mt.ModelError, match="the same in all draws"):
        plots.chains(replace(fit, idata=same), "mean:ses")
