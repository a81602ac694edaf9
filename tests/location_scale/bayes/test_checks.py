"""Convergence in words, DIC and pointwise log-likelihoods, on draws made by hand."""

import numpy as np
import pytest
from scipy import stats

from mlteach.location_scale.bayes.checks import deviances, diagnose, dic, with_log_likelihood
from mlteach.location_scale.design import location_scale_design

az = pytest.importorskip("arviz")
# ArviZ announces its next version.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module")
def d(hsb):
    rows = hsb[hsb["school"].isin(hsb["school"].unique()[:6])].sample(frac=1.0, random_state=1)
    variance = "~ ses + (1 + ses | school)"
    return location_scale_design("math ~ ses + (1 + ses | school)", variance, rows)


def draws(d, rng, shape=(2, 5), spread=0.1):
    """Inference data about plausible values, in the form that sampling returns."""
    J = len(d.mean.labels)
    centre = {
        "beta": [12.0, 2.0],
        "alpha": [3.6, 0.1],
        "u": np.zeros((J, 2)),
        "v": np.zeros((J, 2)),
    }
    post = {
        k: np.asarray(x) + spread * rng.standard_normal((*shape, *np.shape(x)))
        for k, x in centre.items()
    }
    post["Omega"] = np.exp(spread * rng.standard_normal((*shape, 4, 4)))
    stats_group = {"diverging": np.zeros(shape, bool)}
    dims = {"beta": ["coefficient"], "alpha": ["variance_coefficient"]}
    coords = {"coefficient": ["Intercept", "ses"], "variance_coefficient": ["Intercept", "ses"]}
    return az.from_dict(post, sample_stats=stats_group, dims=dims, coords=coords)


def book(d, beta, alpha, u, v):
    """Log density of the rows, one cluster at a time."""
    out = np.empty(len(d.mean.y))
    for j in range(len(d.mean.labels)):
        at = d.mean.codes == j
        mean = d.mean.X[at] @ beta + d.mean.Z[at] @ u[j]
        sd = np.exp(0.5 * (d.W[at] @ alpha + d.S[at] @ v[j]))
        out[at] = stats.norm(mean, sd).logpdf(d.mean.y[at])
    return out


def test_log_likelihood_is_that_of_the_rows_given_their_effects(d):
    idata = draws(d, np.random.default_rng(1))
    ours = with_log_likelihood(idata, d).log_likelihood["y"].to_numpy()
    post = idata.posterior
    for chain, draw in ((0, 0), (1, 3)):
        one = [post[k].to_numpy()[chain, draw] for k in ("beta", "alpha", "u", "v")]
        assert ours[chain, draw] == pytest.approx(book(d, *one))
    assert deviances(idata, d) == pytest.approx(-2.0 * ours.sum(axis=2))
    assert "log_likelihood" not in idata.groups()


def test_loo_takes_the_log_likelihood(d):
    idata = with_log_likelihood(draws(d, np.random.default_rng(2), (2, 200), 0.02), d)
    assert az.loo(idata).n_data_points == len(d.mean.y)


def test_dic_by_hand(d):
    idata = draws(d, np.random.default_rng(3))
    post = idata.posterior.mean(("chain", "draw"))
    at_mean = -2.0 * book(d, *(post[k].to_numpy() for k in ("beta", "alpha", "u", "v"))).sum()
    average = deviances(idata, d).mean()
    found = dic(idata, d)
    assert found.p_d == pytest.approx(average - at_mean)
    assert found.dic == pytest.approx(average + found.p_d)
    assert found.mean_deviance == pytest.approx(average)


def test_good_chains_are_called_good(d):
    said = diagnose(draws(d, np.random.default_rng(4), (4, 500)))
    assert said[-1] == "The chains can be used."
    assert any("No transition diverged" in sentence for sentence in said)


def test_what_is_wrong_is_named(d):
    idata = draws(d, np.random.default_rng(5), (4, 500))
    idata.posterior["alpha"][1, :, 1] += 3.0
    idata.sample_stats["diverging"][0, :7] = True
    said = diagnose(idata)
    assert said[-1] == "Do not use these draws yet."
    assert "alpha[ses]" in said[0] and "disagree" in said[0]
    assert any("alpha[ses]" in sentence and "too few" in sentence for sentence in said[1:])
    assert any(sentence.startswith("7 transition(s) diverged") for sentence in said)


def test_one_chain_is_not_enough(d):
    said = diagnose(draws(d, np.random.default_rng(6), (1, 2000)))
    assert "one chain" in said[0]
    assert said[-1] == "Do not use these draws yet."


def test_what_the_model_fixes_is_not_judged(d):
    """A correlation of zero by assumption has no R-hat; it must not hide or spoil the others."""
    idata = draws(d, np.random.default_rng(8), (4, 500))
    said = diagnose(idata)
    idata.posterior["correlations"] = (("chain", "draw", "pair"), np.zeros((4, 500, 2)))
    assert diagnose(idata) == said


def test_effects_in_the_variance_function_count(d):
    """gamma_1'u + gamma_2'u^2 stands in the log variance of all rows of the cluster."""
    idata = draws(d, np.random.default_rng(9))
    gamma = 0.1 * np.random.default_rng(10).standard_normal((2, 5, 4))
    idata.posterior["association"] = (("chain", "draw", "power"), gamma)
    ours = with_log_likelihood(idata, d).log_likelihood["y"].to_numpy()
    beta, alpha, u, v = (idata.posterior[k].to_numpy()[1, 2] for k in ("beta", "alpha", "u", "v"))
    more = u @ gamma[1, 2, :2] + u**2 @ gamma[1, 2, 2:]
    at = d.mean.codes
    mean = d.mean.X @ beta + (d.mean.Z * u[at]).sum(axis=1)
    sd = np.exp(0.5 * (d.W @ alpha + (d.S * v[at]).sum(axis=1) + more[at]))
    assert ours[1, 2] == pytest.approx(stats.norm(mean, sd).logpdf(d.mean.y))


def test_a_model_without_scale_effects(hsb):
    rows = hsb[hsb["school"].isin(hsb["school"].unique()[:6])]
    d = location_scale_design("math ~ ses + (1 + ses | school)", "~ ses", rows)
    idata = draws(d, np.random.default_rng(11))
    idata.posterior["v"] = (("chain", "draw", "cluster", "scale_effect"), np.zeros((2, 5, 6, 0)))
    one = [idata.posterior[k].to_numpy()[0, 1] for k in ("beta", "alpha", "u", "v")]
    assert deviances(idata, d)[0, 1] == pytest.approx(-2.0 * book(d, *one).sum())
    assert np.isfinite(dic(idata, d).dic)
