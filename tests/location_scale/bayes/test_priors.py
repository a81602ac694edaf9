"""Priors of Omega: densities against textbook forms and numerical Jacobians, draws too."""

import numpy as np
import pytest
from scipy import stats

from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.priors import FlatPrior, InverseWishart, WeakPrior
from mlteach.location_scale.design import location_scale_design
from tests.location_scale.bayes.prior_draws import prior_draws

# Jacobians by central differences; log densities of order ten.
NUMERICAL = 1e-6
# A Kolmogorov-Smirnov test of draws with a fixed seed: small enough to fail only if they are wrong.
IMPLAUSIBLE = 1e-3
MODEL = "math ~ catholic + ses + (1 + ses | school)"
VARIANCE = "~ catholic + (1 | school)"


@pytest.fixture(scope="module")
def d(hsb):
    return location_scale_design(MODEL, VARIANCE, hsb)


def effects_of(size: int) -> Effects:
    """Effects in natural units equal to the user's, scale effect first."""
    names = ("scale:Intercept", *(f"x{k}" for k in range(size - 1)))
    block = (tuple(range(size)),)
    return Effects(1, size - 1, names, block, np.ones(size), np.eye(size))


def factor(size: int, rng: np.random.Generator) -> np.ndarray:
    L = np.tril(0.4 * rng.standard_normal((size, size)), -1)
    return L + np.diag(0.5 + rng.random(size))


def log_jacobian(f, L: np.ndarray, step: float = 1e-5) -> float:
    """log |det| of the derivative of f(L), as many numbers as the lower triangle of L has."""
    columns = []
    for a, b in zip(*np.tril_indices(len(L)), strict=True):
        E = np.zeros_like(L)
        E[a, b] = step
        columns.append((f(L + E) - f(L - E)) / (2.0 * step))
    return np.linalg.slogdet(np.array(columns))[1]


def covariances(L: np.ndarray) -> np.ndarray:
    return (L @ L.T)[np.tril_indices(len(L))]


def sds_and_correlations(L: np.ndarray) -> np.ndarray:
    Omega = L @ L.T
    sd = np.sqrt(np.diag(Omega))
    return np.concatenate([sd, (Omega / np.outer(sd, sd))[np.tril_indices(len(L), -1)]])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_jacobian_of_the_free_numbers(size):
    effects, step = effects_of(size), 1e-5
    free = 0.5 * np.random.default_rng(size).standard_normal(len(effects.places))
    ends = free + step * np.eye(len(free)), free - step * np.eye(len(free))
    up, down = (effects.factors(end)[:, *np.tril_indices(size)] for end in ends)
    L = effects.factors(free[None])[0]
    numerical = np.linalg.slogdet((up - down) / (2.0 * step))[1]
    assert effects.log_jacobian(np, L) == pytest.approx(numerical, abs=NUMERICAL)
    diagonal = [k for k, (a, b) in enumerate(effects.places) if a == b]
    assert np.linalg.norm(L, axis=1) == pytest.approx(np.exp(free[diagonal]))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_inverse_wishart_density_is_that_of_scipy(size):
    rng = np.random.default_rng(size)
    effects, root = effects_of(size), factor(size, rng)
    shown = root @ root.T
    prior = InverseWishart(shown, df=size + 1.5)
    scale = prior.natural(effects, effects.blocks[0])[0]
    off = []
    for _ in range(5):
        L = factor(size, rng)
        textbook = stats.invwishart(size + 1.5, scale).logpdf(L @ L.T)
        textbook += log_jacobian(covariances, L)
        off.append(prior.log_density(np, L, effects, effects.blocks[0]) - textbook)
    assert np.ptp(off) < NUMERICAL


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_flat_density_is_the_jacobian(size):
    rng = np.random.default_rng(size)
    effects, off = effects_of(size), []
    for _ in range(5):
        L = factor(size, rng)
        ours = FlatPrior().log_density(np, L, effects, effects.blocks[0])
        off.append(ours - log_jacobian(covariances, L))
    assert np.ptp(off) < NUMERICAL


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_weak_density_is_half_normal_times_lkj(size):
    rng = np.random.default_rng(size)
    effects, prior = effects_of(size), WeakPrior(mean_sd=0.7, log_variance_sd=1.3, lkj=2.5)
    scale = prior.sizes(effects)
    off = []
    for _ in range(5):
        L = factor(size, rng)
        sd = np.sqrt((L**2).sum(axis=1))
        log_det = 2.0 * np.log(np.diag(L) / sd).sum()
        textbook = stats.halfnorm(scale=scale).logpdf(sd).sum() + (2.5 - 1.0) * log_det
        textbook += log_jacobian(sds_and_correlations, L)
        off.append(prior.log_density(np, L, effects, effects.blocks[0]) - textbook)
    assert np.ptp(off) < NUMERICAL


def test_weak_draws_have_the_margins_of_the_prior():
    effects, prior = effects_of(3), WeakPrior(mean_sd=0.7, log_variance_sd=1.3, lkj=2.0)
    Omega = prior_draws(prior, effects, 4000, seed=1)
    sd = np.sqrt(np.diagonal(Omega, axis1=1, axis2=2))
    for k, size in enumerate((1.3, 0.7, 0.7)):
        assert stats.kstest(sd[:, k], stats.halfnorm(scale=size).cdf).pvalue > IMPLAUSIBLE
    # The margin of one correlation is a beta on (-1, 1) with eta + d / 2 - 1.
    margin = stats.beta(2.5, 2.5, loc=-1.0, scale=2.0)
    for a, b in ((1, 0), (2, 0), (2, 1)):
        r = Omega[:, a, b] / (sd[:, a] * sd[:, b])
        assert stats.kstest(r, margin.cdf).pvalue > IMPLAUSIBLE


def test_inverse_wishart_draws_have_the_margins_of_the_prior():
    effects, shown = effects_of(3), np.diag([2.0, 3.0, 0.5])
    Omega = prior_draws(InverseWishart(shown, df=5.0), effects, 4000, seed=1)
    # Scale effects come first; a diagonal element is inverse gamma, (df - d + 1) / 2 and S / 2.
    for k, scale in enumerate((0.5, 2.0, 3.0)):
        margin = stats.invgamma(1.5, scale=0.5 * scale)
        assert stats.kstest(Omega[:, k, k], margin.cdf).pvalue > IMPLAUSIBLE


def test_blocks_are_independent():
    one = effects_of(3)
    effects = Effects(1, 2, one.names, ((0,), (1, 2)), one.unit, one.to_rows)
    for prior in (WeakPrior(), InverseWishart(np.eye(3))):
        Omega = prior_draws(prior, effects, 10, seed=2)
        assert (Omega[:, 1:, 0] == 0.0).all()
        assert (Omega[:, 2, 1] != 0.0).all()
    assert effects.places == [(0, 0), (1, 1), (2, 1), (2, 2)]
    free = np.log([[2.0, 3.0, 1.0, 4.0]])
    assert effects.factors(free)[0] == pytest.approx(
        np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]])
    )


def test_units_are_those_of_the_data(hsb, d):
    effects = Effects.of(d, True)
    assert effects.names == ("scale:Intercept", "Intercept", "ses")
    y_sd, ses_sd = hsb["math"].std(ddof=0), hsb["ses"].std(ddof=0)
    assert effects.unit == pytest.approx([1.0, y_sd, y_sd / ses_sd])
    effect = np.random.default_rng(1).standard_normal(3)
    v, u = (effects.to_rows @ effect)[:1], (effects.to_rows @ effect)[1:]
    user = effects.unit * effect
    assert d.rows.S @ v == pytest.approx((d.S @ user[:1])[d.order])
    assert d.rows.Z @ u * d.scaling.scale == pytest.approx((d.mean.Z @ user[1:])[d.order])


def test_a_rescaled_outcome_has_the_same_model(hsb, d):
    percent = location_scale_design(MODEL, VARIANCE, hsb.assign(math=hsb["math"] * 100.0 - 7.0))
    one, other = Effects.of(d, True), Effects.of(percent, True)
    assert other.to_rows == pytest.approx(one.to_rows, rel=1e-10)
    assert other.unit[1:] == pytest.approx(100.0 * one.unit[1:])


def test_entries_in_rows_are_the_product(d):
    effects = Effects.of(d, True)
    L = factor(3, np.random.default_rng(3))
    entries = effects.entries_in_rows({at: L[at] for at in effects.places})
    assert np.array(entries) == pytest.approx(effects.to_rows @ L)


def test_uncorrelated_effects_have_their_own_blocks(hsb):
    split = "math ~ ses + (1 | school) + (0 + ses | school)"
    d = location_scale_design(split, VARIANCE, hsb)
    assert Effects.of(d, False).blocks == ((0,), (1,), (2,))
    with pytest.raises(ModelError, match="association=False"):
        Effects.of(d, True)
    fixed = location_scale_design(split, "~ catholic", hsb)
    assert Effects.of(fixed, True).blocks == ((0,), (1,))


def test_bad_scale_matrices_are_refused():
    effects = effects_of(2)
    for scale, message in (
        (np.eye(3), r"shape \(3, 3\)"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
    ):
        with pytest.raises(ModelError, match=message):
            InverseWishart(scale).natural(effects, (0, 1))
    with pytest.raises(ModelError, match="degrees of freedom"):
        InverseWishart(np.eye(2), df=1.0).natural(effects, (0, 1))


@pytest.mark.parametrize("df", [None, 5.5])
@pytest.mark.parametrize("kind", ["weak", "inverse-wishart"])
def test_marginal_densities_are_those_of_the_draws(kind, df, hsb):
    """Shares of draws in intervals against the integral of the density over them."""
    d = location_scale_design("math ~ ses + (1 + ses | school)", "~ 1 + (1 | school)", hsb)
    effects = Effects.of(d, True)
    S = np.array([[9.0, 1.5, 0.3], [1.5, 2.0, -0.1], [0.3, -0.1, 0.2]])
    prior = WeakPrior(lkj=df or 1.0) if kind == "weak" else InverseWishart(S, df)
    draws = prior_draws(prior, effects, 40_000, seed=1)
    Omega = draws * np.outer(effects.unit, effects.unit)
    for k in range(3):
        edges = np.quantile(Omega[:, k, k], [0.1, 0.3, 0.5, 0.7, 0.9])
        shares = _integrals(lambda x, k=k: prior.variance_density(effects, k, x), edges)
        assert shares == pytest.approx(0.2, abs=0.012)
    for a, b in ((0, 1), (2, 0), (1, 2)):
        rho = Omega[:, a, b] / np.sqrt(Omega[:, a, a] * Omega[:, b, b])
        edges = np.quantile(rho, [0.1, 0.3, 0.5, 0.7, 0.9])
        shares = _integrals(lambda x, a=a, b=b: prior.correlation_density(effects, a, b, x), edges)
        assert shares == pytest.approx(0.2, abs=0.012)


def _integrals(density, edges):
    """Integral of a density over each interval, by the midpoints of 2,000 parts."""
    parts = (np.arange(2000) + 0.5) / 2000
    widths = np.diff(edges)
    return np.array(
        [density(low + w * parts).mean() * w for low, w in zip(edges, widths, strict=False)]
    )
