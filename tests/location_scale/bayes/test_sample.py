"""Sampling: the collapsed and the plain model agree, draws have the user's names and units."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.graph import condition, products, spread
from mlteach.location_scale.bayes.priors import NU_PRIOR, FlatPrior, InverseWishart, WeakPrior
from mlteach.location_scale.bayes.sample import collapsed_model, resolve_prior, sample
from mlteach.location_scale.design import location_scale_design
from tests.places import REFERENCE

az = pytest.importorskip("arviz")
pm = pytest.importorskip("pymc")
pytestmark = [
    pytest.mark.sampler,
    # ArviZ announces its next version.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Speed is not the point here.
    pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning"),
]

# Sums of some hundred log densities.
SAME = 1e-8
# In Monte Carlo standard errors: 1 in 15,000 for one quantity, and some twenty are compared.
MOST_ERRORS = 4.0
# Uniform ranks of nine quantities: fixed draws, so small enough to fail only if they are wrong.
IMPLAUSIBLE = 1e-3
SETTINGS = {"draws": 1000, "tune": 600, "chains": 2, "seed": 3, "progress": False}
FORMULA, VARIANCE = "y ~ x + (1 | g)", "~ w + (1 | g)"


@pytest.fixture(scope="module")
def data():
    """Forty clusters of eight rows from the model itself."""
    rng = np.random.default_rng(7)
    J, n = 40, 8
    Omega = np.array([[4.0, 0.6], [0.6, 0.3]])
    u, v = np.linalg.cholesky(Omega) @ rng.standard_normal((2, J))
    g, w = np.repeat(np.arange(J), n), np.repeat(rng.integers(0, 2, J), n)
    x = rng.standard_normal(J * n)
    sd = np.exp(0.5 * (1.0 + 0.5 * w + v[g]))
    y = 50.0 + 2.0 * x + u[g] + sd * rng.standard_normal(J * n)
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": [f"g{k:02}" for k in g]})


@pytest.fixture(scope="module")
def d(data):
    return location_scale_design(FORMULA, VARIANCE, data)


@pytest.fixture(scope="module")
def collapsed(d):
    return sample(d, **SETTINGS)


@pytest.mark.parametrize("student_t", [False, True])
@pytest.mark.parametrize(
    "prior", [WeakPrior(), InverseWishart(np.diag([4.0, 0.5])), FlatPrior()], ids=repr
)
def test_log_density_is_likelihood_times_priors(d, prior, student_t):
    effects = Effects.of(d, True)
    model = collapsed_model(d, effects, prior, student_t=student_t)
    rng = np.random.default_rng(1)
    point = {k: x + 0.3 * rng.standard_normal(x.shape) for k, x in model.initial_point().items()}
    total = float(model.compile_logp(mode="FAST_COMPILE", jacobian=False)(point))
    J, L = len(d.rows.n), effects.factors(point["factor"][None])[0]
    size, by_hand = np.ones(J), 0.0
    if student_t:
        nu, precision = np.exp(point["nu_log__"]), np.exp(point["precision_log__"])
        size = precision**-0.5
        by_hand += _sum(pm.Gamma.dist(*NU_PRIOR), nu)
        by_hand += _sum(pm.Gamma.dist(0.5 * nu, 0.5 * nu), precision)
    R = [[entry * size for entry in row] for row in effects.to_rows @ L]
    weigh = products(d.rows)
    v, mu, Lu = spread(np, R, [point["t_0"]], 1, J)
    w = weigh(np, point["beta_s"], point["alpha_s"], v)
    by_hand += condition(np, w, weigh.n, mu, Lu).logf.sum()
    by_hand += _sum(pm.Normal.dist(0.0, 10.0), np.r_[point["beta_s"], point["alpha_s"]])
    by_hand += _sum(pm.Normal.dist(0.0, 1.0), point["t_0"])
    by_hand += prior.log_density(np, L, effects, (0, 1)) + effects.log_jacobian(np, L)
    assert total == pytest.approx(by_hand, abs=SAME)


def _sum(distribution, x):
    return float(pm.logp(distribution, x).eval(mode="FAST_COMPILE").sum())


def test_draws_have_names_and_shapes(d, collapsed):
    post = collapsed.posterior
    assert list(post["coefficient"].values) == ["Intercept", "x"]
    assert list(post["variance_coefficient"].values) == ["Intercept", "w"]
    assert list(post["effect"].values) == ["Intercept", "scale:Intercept"]
    assert list(post["pair"].values) == ["scale:Intercept, Intercept"]
    assert list(post["cluster"].values) == list(d.mean.labels)
    assert post["u"].shape == (2, 1000, 40, 1)
    assert post["v"].shape == (2, 1000, 40, 1)
    Omega = post["Omega"].to_numpy()
    r = Omega[..., 0, 1] / np.sqrt(Omega[..., 0, 0] * Omega[..., 1, 1])
    assert post["correlations"].to_numpy()[..., 0] == pytest.approx(r)
    assert post.attrs["collapsed"] == 1


def test_draws_are_in_the_units_of_the_data(data, collapsed):
    """Coefficients are near those of the simulation, effects near the clusters' own figures."""
    mean = collapsed.posterior.mean(("chain", "draw"))
    assert float(mean["beta"].sel(coefficient="x")) == pytest.approx(2.0, abs=0.3)
    assert float(mean["beta"].sel(coefficient="Intercept")) == pytest.approx(
        data["y"].mean(), abs=0.4
    )
    assert float(mean["alpha"].sel(variance_coefficient="Intercept")) == pytest.approx(1.0, abs=0.5)
    residual = data["y"] - 2.0 * data["x"] - float(mean["beta"].sel(coefficient="Intercept"))
    by_cluster = residual.groupby(data["g"]).mean()
    assert np.corrcoef(by_cluster, mean["u"].to_numpy()[:, 0])[0, 1] > 0.95
    spread_in = np.log(residual.groupby(data["g"]).var())
    adjusted = spread_in - 0.5 * data.groupby("g")["w"].first()
    assert np.corrcoef(adjusted, mean["v"].to_numpy()[:, 0])[0, 1] > 0.8


def test_plain_and_collapsed_agree(d, collapsed):
    plain = sample(d, collapsed=False, **SETTINGS)
    for name in ("beta", "alpha", "Omega", "correlations"):
        assert _errors_apart(plain, collapsed, name).max() < MOST_ERRORS, name
        assert _errors_apart(plain, collapsed, name, squares=True).max() < MOST_ERRORS, name
    for name in ("u", "v"):
        # Of forty clusters the root mean square tells more than the largest; about 1 is right.
        assert np.sqrt((_errors_apart(plain, collapsed, name) ** 2).mean()) < 1.6, name


@pytest.fixture(scope="module")
def flat(d):
    return sample(d, prior="flat", **SETTINGS)


def test_plain_and_collapsed_agree_under_a_flat_prior(d, flat):
    plain = sample(d, prior="flat", collapsed=False, **SETTINGS)
    for name in ("beta", "alpha", "Omega", "correlations"):
        assert _errors_apart(plain, flat, name).max() < MOST_ERRORS, name


def test_a_flat_prior_has_a_posterior_that_is_known(d, flat):
    """Given the effects, Omega is inverse-Wishart with J - d - 1 degrees of freedom."""
    post = flat.posterior
    effects = np.concatenate([post["u"], post["v"]], axis=-1)
    squares = effects.swapaxes(-1, -2) @ effects
    J, k = len(d.rows.n), 2
    given = squares / (J - k - 1 - k - 1)
    # Both have the same mean (Rao and Blackwell), and differ by the noise of the draws only.
    off = post["Omega"] - given
    errors = az.mcse(off.to_dataset(name="off"))["off"].to_numpy()
    assert (np.abs(off.mean(("chain", "draw"))) < MOST_ERRORS * errors).all()


def _errors_apart(one, other, name, squares=False):
    """Differences of posterior means (or variances) in Monte Carlo standard errors."""
    means, errors = [], []
    for idata in (one, other):
        x = idata.posterior[[name]]
        if squares:
            x = (x - x.mean(("chain", "draw"))) ** 2
        means.append(x[name].mean(("chain", "draw")).to_numpy())
        errors.append(az.mcse(x)[name].to_numpy())
    return np.abs(means[0] - means[1]) / np.hypot(*errors)


def test_same_seed_same_draws(d, collapsed):
    again = sample(d, **SETTINGS)
    for name, values in collapsed.posterior.items():
        assert np.array_equal(values, again.posterior[name]), name


@pytest.mark.filterwarnings("ignore::UserWarning")  # three draws are too few, and PyMC says so
def test_without_nutpie_pymc_samples(d, monkeypatch):
    import pytensor

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda x: None if x == "nutpie" else find(x))
    short = {"draws": 3, "tune": 2, "chains": 1, "cores": 1, "seed": 1, "progress": False}
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        idata = sample(d, student_t=True, **short)
    assert idata.posterior["u"].shape == (1, 3, 40, 1)
    assert (idata.posterior["nu"] > 0.0).all()
    assert np.isfinite(idata.posterior["Omega"]).all()


def test_without_pymc_the_error_says_what_to_install(d, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs pymc, .*pip install \"mlteach\[book\]\""):
        sample(d)


def test_ranks_of_simulated_parameters_are_uniform():
    """Simulation-based calibration, stored by ``reference/make_calibration.py``."""
    stored = json.loads((REFERENCE / "calibration.json").read_text())
    ranks = np.array(stored["ranks"])
    assert len(ranks) >= 100
    for name, column in zip(stored["names"], ranks.T, strict=True):
        bins = np.bincount(column * 10 // (stored["draws"] + 1), minlength=10)
        assert stats.chisquare(bins).pvalue > IMPLAUSIBLE, name


def test_bad_priors_are_refused(d):
    effects = Effects.of(d, True)
    with pytest.raises(ModelError, match="'weak'"):
        resolve_prior("strong", d, effects)
    with pytest.raises(ModelError, match="shape"):
        sample(d, prior=InverseWishart(np.eye(3)))
    assert resolve_prior("weak", d, effects) == WeakPrior()
    assert resolve_prior("inverse-wishart", d, effects).scale.shape == (2, 2)
    assert resolve_prior("flat", d, effects) == FlatPrior()


def test_few_clusters_have_no_mean_under_a_flat_prior(data):
    """Omega given the effects of six clusters is inverse-Wishart with three degrees of freedom."""
    for clusters, refused in ((6, True), (7, False)):
        few = data[data["g"].isin(data["g"].unique()[:clusters])]
        d = location_scale_design("y ~ x + (1 | g)", "~ 1 + (1 | g)", few)
        effects = Effects.of(d, True)
        if refused:
            with pytest.raises(ModelError, match="more than 6 clusters for 2 random effects"):
                resolve_prior("flat", d, effects)
        else:
            resolve_prior(FlatPrior(), d, effects)


def test_few_clusters_have_no_fits_of_their_own(data):
    small = data.groupby("g").head(3)
    d = location_scale_design(FORMULA, VARIANCE, small)
    with pytest.raises(ModelError, match="one by one"):
        resolve_prior("inverse-wishart", d, Effects.of(d, True))
