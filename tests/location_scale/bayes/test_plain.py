"""The plain model is the model of the book, and the collapsed one is its integral over u."""

import numpy as np
import pytest
from scipy import stats

from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.graph import condition, products, solve_upper, spread
from mlteach.location_scale.bayes.plain import plain_model
from mlteach.location_scale.bayes.priors import FlatPrior, InverseWishart, WeakPrior
from mlteach.location_scale.bayes.sample import collapsed_model
from mlteach.location_scale.design import location_scale_design
from tests.location_scale.bayes.prior_draws import prior_draws

pm = pytest.importorskip("pymc")
pytestmark = [
    # ArviZ, which PyMC loads, announces its next version.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Speed is not the point here.
    pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning"),
]

# Sums of some thirty log densities.
SAME = 1e-8
IMPLAUSIBLE = 1e-3
INVERSE_WISHART = InverseWishart(np.diag([9.0, 4.0, 0.1]))
FORMULA = "math ~ catholic + ses + (1 + ses | school)"
VARIANCES = {
    "constant": "~ catholic + (1 | school)",
    "level1": "~ ses + (1 | school)",
    "slope": "~ ses + (1 + ses | school)",
    "none": "~ ses",
}


@pytest.fixture(scope="module")
def few(hsb):
    """Five rows of each of eight schools, four of them Catholic."""
    schools = hsb.groupby("catholic")["school"].unique().map(lambda s: list(s[:4])).sum()
    rows = hsb[hsb["school"].isin(schools)].groupby("school").head(5)
    return rows.reset_index(drop=True)


def at_a_point(model, seed):
    """Log density of y given everything, with L and all effects, at random values."""
    rng = np.random.default_rng(seed)
    point = {k: x + 0.3 * rng.standard_normal(x.shape) for k, x in model.initial_point().items()}
    wanted = model.replace_rvs_by_values([model["L"], model["effect"]])
    wanted.append(model.logp(vars=[model["y"]]))
    f = model.compile_fn(
        wanted, inputs=model.continuous_value_vars, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    L, effect, density = f(point)
    return point, L, effect, float(density)


@pytest.mark.parametrize("kind", VARIANCES)
def test_collapsed_is_the_integral_of_plain(few, kind):
    """log f(y | t) = log f(y | u, t) + log f(u | t) - log f(u | y, t), whatever u is."""
    d = location_scale_design(FORMULA, VARIANCES[kind], few)
    effects = Effects.of(d, True)
    model = plain_model(d, effects, WeakPrior())
    point, L, effect, plain = at_a_point(model, 1)
    r, q, J = effects.r, effects.q, len(d.rows.n)
    t, in_rows = point["z"][:, :r], effect @ effects.to_rows.T
    R = effects.entries_in_rows({at: L[at] for at in effects.places})
    v, mu, Lu = spread(np, R, list(t.T), q, J)
    scale_effects = np.array(v).reshape(r, J).T
    assert scale_effects == pytest.approx(in_rows[:, :r])
    weigh = products(d.rows)
    given = condition(np, weigh(np, point["beta_s"], point["alpha_s"], v), weigh.n, mu, Lu)
    total = plain
    for j in range(J):
        prior, posterior = _densities(given, mu, np.array(Lu), j)
        total += prior.logpdf(in_rows[j, r:]) - posterior.logpdf(in_rows[j, r:])
    assert given.logf.sum() == pytest.approx(total, abs=SAME)


def _densities(given, mu, Lu, j):
    """Distributions of u_j given t, and given t and the data."""
    root = [[x[j] for x in row] for row in given.root]
    half = [x[j] for x in given.half]
    mean = np.array([x[j] for x in mu])
    inverse = np.array([solve_upper(root, list(e)) for e in np.eye(len(half))]).T
    V = Lu @ inverse @ inverse.T @ Lu.T
    after = mean + Lu @ np.array(solve_upper(root, half))
    return stats.multivariate_normal(mean, Lu @ Lu.T), stats.multivariate_normal(after, V)


@pytest.mark.parametrize("kind", VARIANCES)
def test_density_of_the_rows_is_the_one_of_the_book(few, kind):
    d = location_scale_design(FORMULA, VARIANCES[kind], few)
    effects = Effects.of(d, True)
    model = plain_model(d, effects, WeakPrior(), student_t=True)
    point, _, effect, plain = at_a_point(model, 2)
    user, r, codes = effect * effects.unit, effects.r, d.mean.codes
    beta = d.scaling.beta(point["beta_s"])
    alpha = d.A_w @ point["alpha_s"] + 2.0 * np.log(d.scaling.scale) * d.ones
    mean = d.mean.X @ beta + (d.mean.Z * user[codes, r:]).sum(axis=1)
    sd = np.exp(0.5 * (d.W @ alpha + (d.S * user[codes, :r]).sum(axis=1)))
    book = stats.norm(mean, sd).logpdf(d.mean.y).sum() + len(codes) * np.log(d.scaling.scale)
    assert plain == pytest.approx(book, abs=SAME)


@pytest.mark.parametrize("prior", [WeakPrior(lkj=1.5), InverseWishart(np.diag([9.0, 4.0, 0.1]), 6)])
def test_named_distributions_draw_what_the_density_says(few, prior):
    d = location_scale_design(FORMULA, VARIANCES["constant"], few)
    effects = Effects.of(d, True)
    model = plain_model(d, effects, prior)
    L = pm.draw(model["L"], draws=2000, random_seed=1, mode="FAST_COMPILE")
    assert (L[:, *np.triu_indices(3, 1)] == 0.0).all()
    ours = _summaries(L @ L.transpose(0, 2, 1))
    theirs = _summaries(prior_draws(prior, effects, 2000, seed=1))
    for a, b in zip(ours, theirs, strict=True):
        assert stats.ks_2samp(a, b).pvalue > IMPLAUSIBLE


def _summaries(Omega):
    """Variances and correlations, one row each."""
    sd = np.sqrt(np.diagonal(Omega, axis1=1, axis2=2))
    below = np.tril_indices(Omega.shape[1], -1)
    return [*sd.T, *(Omega[:, *below] / (sd[:, below[0]] * sd[:, below[1]])).T]


def test_blocks_of_one_effect(few):
    split = "math ~ ses + (1 | school) + (0 + ses | school)"
    d = location_scale_design(split, "~ ses + (1 | school)", few)
    effects = Effects.of(d, False)
    for prior in (WeakPrior(), INVERSE_WISHART):
        L = pm.draw(plain_model(d, effects, prior)["L"], random_seed=2, mode="FAST_COMPILE")
        assert (np.diag(L) > 0.0).all()
        assert (L - np.diag(np.diag(L)) == 0.0).all()


@pytest.mark.parametrize("prior", [WeakPrior(), FlatPrior(), INVERSE_WISHART])
def test_no_matrices_are_multiplied(few, prior):
    """Their derivatives have gaps, and numba warns of gaps wherever it compiles anew."""
    d = location_scale_design(FORMULA, VARIANCES["level1"], few)
    assert products_in(plain_model(d, Effects.of(d, True), prior)) == []


def test_matrices_that_are_multiplied_have_no_gaps(few):
    d = location_scale_design(FORMULA, VARIANCES["constant"], few)
    found = products_in(collapsed_model(d, Effects.of(d, True), WeakPrior()))
    assert found
    for product in found:
        matrix, column = product.inputs
        assert matrix.data.flags.forc
        assert column.type.shape[1] == 1


def products_in(model):
    """Matrix products of the compiled log density and its gradient."""
    tensors = pytest.importorskip("pytensor")
    inputs = model.continuous_value_vars
    outputs = [model.logp(), *tensors.grad(model.logp(), inputs)]
    function = model.compile_fn(outputs, inputs=inputs, mode="NUMBA").f
    dot = tensors.tensor.math.Dot
    return [n for n in function.maker.fgraph.toposort() if isinstance(n.op, dot)]
