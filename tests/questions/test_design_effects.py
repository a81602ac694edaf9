"""Intraclass correlations and what they cost: closed forms, published numbers, simulations."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

import mlteach as mt

CLOSED_FORM = 1e-8  # relative; a fit knows its variances to about ten digits
LIMIT = 1e-6  # absolute; limits are roots found to eight digits of the first stride
R_VARIANCE = 1e-5  # R's optimum is flat to 1e-10 of the deviance


def balanced(J=12, n=6, tau2=0.5, seed=3):
    """Return data with clusters of equal size, and their mean squares."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    y = rng.normal(size=J)[g] * np.sqrt(tau2) + rng.normal(size=J * n)
    table = pd.DataFrame({"y": y, "g": g, "x": rng.normal(size=J * n)})
    means = table.groupby("g")["y"].transform("mean")
    between = ((means - y.mean()) ** 2).sum() / (J - 1)
    within = ((y - means) ** 2).sum() / (J * n - J)
    return table, between, within


# ------------------------------------------------------------------------------------------- icc


def test_closed_form_of_balanced_data():
    """REML of balanced data: the ICC is (MSB - MSW) / (MSB + (n - 1) MSW)."""
    table, between, within = balanced()
    icc = mt.icc(mt.fit_empty("y", table, cluster="g"))
    assert icc == pytest.approx((between - within) / (between + 5 * within), rel=CLOSED_FORM)


def test_standard_error_of_balanced_data():
    """Delta method on independent mean squares with variances 2 MS^2 / df."""
    table, between, within = balanced()
    icc = mt.icc(mt.fit_empty("y", table, cluster="g"))
    n, ratio = 6, between / within
    by_log_ratio = ratio * n / (ratio + n - 1) ** 2
    se = by_log_ratio * np.sqrt(2 / 11 + 2 / 60)
    assert icc.se == pytest.approx(se, rel=CLOSED_FORM)


def test_profile_limits_against_lme4(hsb_empty):
    """lme4 1.1-31: uniroot on its REML devfun of math ~ 1 + (1 | school), data hsb.

    ``theta^2 / (1 + theta^2)`` where the deviance is qchisq(.95, 1) above its minimum; R 4.2.2.
    """
    icc = mt.icc(hsb_empty)
    assert icc == pytest.approx(0.1803517923, rel=R_VARIANCE)
    assert icc.lower == pytest.approx(0.147177512431, rel=R_VARIANCE)
    assert icc.upper == pytest.approx(0.221027479529, rel=R_VARIANCE)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_limits_have_the_deviance_of_their_level(hsb_empty, level):
    """With one random effect theta = sqrt(icc / (1 - icc))."""
    icc = mt.icc(hsb_empty, level=level)
    for limit in (icc.lower, icc.upper):
        theta = np.array([np.sqrt(limit / (1 - limit))])
        rise = hsb_empty.problem.value_and_gradient(theta)[0] - hsb_empty.optimizer.f_end
        assert rise == pytest.approx(stats.chi2.ppf(level, 1), rel=LIMIT)


def test_random_slope_is_looked_at_where_asked(hsb_slopes):
    tau = hsb_slopes.tau.to_numpy()
    for x in (0.0, 1.0, -0.7):
        z = np.array([1.0, x])
        between = z @ tau @ z
        icc = mt.icc(hsb_slopes, at={"ses_within": x})
        assert icc == pytest.approx(between / (between + hsb_slopes.sigma2), rel=1e-12)
        assert f"ses_within = {x:g}" in icc.notes[0]
        assert f"ses_within = {x:g}" in repr(icc)
    assert mt.icc(hsb_slopes) == mt.icc(hsb_slopes, at={"ses_within": 0.0})


def test_at_is_the_intercept_of_the_moved_predictor(hsb_slopes, hsb):
    """Looking at x = 1 equals looking at 0 in the same model with x - 1 as predictor."""
    x = hsb["ses"] - hsb.groupby("school")["ses"].transform("mean")
    moved = mt.fit_random_slope("math ~ x", hsb.assign(x=x - 1.0), cluster="school", slopes=["x"])
    here, there = mt.icc(hsb_slopes, at={"ses_within": 1.0}), mt.icc(moved)
    assert here == pytest.approx(there, rel=CLOSED_FORM)
    assert here.se == pytest.approx(there.se, rel=1e-6)
    assert here.lower == pytest.approx(there.lower, abs=LIMIT)
    assert here.upper == pytest.approx(there.upper, abs=LIMIT)


@pytest.mark.parametrize("bar", ["|", "||"])
@pytest.mark.parametrize("x", [0.0, 1.5])
def test_limits_with_slopes_against_a_plain_search(bar, x):
    """Nelder-Mead over all but the ratio, which is put into the factor by hand."""
    table, _, _ = balanced(J=25, n=8, seed=8)
    table["y"] += np.random.default_rng(1).normal(size=25)[table["g"]] * 0.6 * table["x"]
    fit = mt.fit_mixed(f"y ~ x + (1 + x {bar} g)", table)
    z = fit.problem.moments.scaling.T.T @ np.array([1.0, x])

    def held(s, rest):
        Lambda = np.array([[np.exp(rest[0]), 0.0], [rest[1] if bar == "|" else 0.0, rest[-1]]])
        v = Lambda.T @ z
        theta = fit.problem.map.theta(Lambda * s / np.linalg.norm(v))
        return fit.problem.value_and_gradient(theta)[0]

    icc = mt.icc(fit, at={"x": x})
    for limit in (icc.lower, icc.upper):
        s = np.sqrt(limit / (1 - limit))
        starts = ((-1.0, 0.1, 0.3), (0.0, -0.3, 1.0)) if bar == "|" else ((0.0, 1.0),)
        options = {"xatol": 1e-6, "fatol": 1e-7}
        rises = [
            optimize.minimize(
                lambda rest, s=s: held(s, rest), start, method="Nelder-Mead", options=options
            ).fun
            for start in starts
        ]
        rise = min(rises) - fit.optimizer.f_end
        assert rise == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-4)


def test_slope_only_model_needs_a_place(hsb):
    data = hsb.assign(x=hsb["ses"] - hsb.groupby("school")["ses"].transform("mean"))
    fit = mt.fit_mixed("math ~ x + (0 + x | school)", data)
    with pytest.raises(mt.ModelError, match="no random intercept"):
        mt.icc(fit)
    icc = mt.icc(fit, at={"x": 2.0})
    between = 4.0 * float(fit.tau.loc["x", "x"])
    assert icc == pytest.approx(between / (between + fit.sigma2), rel=1e-12)


def test_boundary_is_an_answer():
    table, _, _ = balanced()
    table["y"] -= table.groupby("g")["y"].transform("mean")
    icc = mt.icc(mt.fit_empty("y", table, cluster="g"))
    assert icc == 0.0
    assert np.isnan(icc.se)
    assert icc.lower == 0.0
    assert 0.0 < icc.upper < 0.2
    assert "zero" in icc.notes[-1]
    assert "undetermined" in repr(icc)


@settings(max_examples=15, deadline=None)
@given(
    shift=st.floats(-1e3, 1e3),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**32 - 1),
)
def test_units_and_order_do_not_matter(shift, scale, seed):
    table, _, _ = balanced(tau2=0.3)
    icc = mt.icc(mt.fit_empty("y", table, cluster="g"))
    other = table.assign(y=shift + scale * table["y"], g=table["g"].map(lambda g: f"c{97 - g}"))
    other = other.sample(frac=1, random_state=seed)
    same = mt.icc(mt.fit_empty("y", other, cluster="g"))
    # Adding an offset 1e6 times the spread costs six of sixteen digits.
    np.testing.assert_allclose(
        [same, same.se, same.lower, same.upper], [icc, icc.se, icc.lower, icc.upper], rtol=1e-5
    )


def test_coverage_of_the_limits():
    """Of 100 samples of 20 clusters, the 95% limits hold the truth in 95% +- 3.3 SE."""
    rng = np.random.default_rng(20)
    J, n, rho, hits = 20, 8, 0.2, 0
    g = np.repeat(np.arange(J), n)
    for _ in range(100):
        y = rng.normal(size=J)[g] * np.sqrt(rho) + rng.normal(size=J * n) * np.sqrt(1 - rho)
        icc = mt.icc(mt.fit_empty("y", pd.DataFrame({"y": y, "g": g}), cluster="g"))
        hits += icc.lower <= rho <= icc.upper
    assert abs(hits / 100 - 0.95) < 3.3 * np.sqrt(0.95 * 0.05 / 100)


def test_no_limits_without_a_maximum(hsb_empty):
    record = replace(hsb_empty.optimizer, converged=False)
    icc = mt.icc(replace(hsb_empty, optimizer=record))
    assert np.isnan([icc.se, icc.lower, icc.upper]).all()
    assert "SE undetermined, 95% CI undetermined to undetermined" in repr(icc)


def test_is_a_number(hsb_empty):
    icc = mt.icc(hsb_empty)
    assert icc == icc.estimate
    assert type(icc * 1) is float
    assert f"{icc:.2f}" == "0.18"
    assert pd.Series([icc]).dtype == float
    assert repr(icc) == str(icc) == "ICC = 0.1804 (SE 0.0187, 95% CI 0.1472 to 0.2210)"
    assert repr(icc) in icc._repr_html_()
    for copied in (copy.deepcopy(icc), pickle.loads(pickle.dumps(icc))):
        assert copied == icc
        assert (copied.se, copied.lower, copied.upper) == (icc.se, icc.lower, icc.upper)


def test_icc_refuses(hsb_slopes, hsb_empty):
    with pytest.raises(mt.ModelError, match="for a column of a table use column_icc"):
        mt.icc(0.3)
    with pytest.raises(mt.ModelError, match="'ses'.*ses_within"):
        mt.icc(hsb_slopes, at={"ses": 1})
    with pytest.raises(mt.ModelError, match="none"):
        mt.icc(hsb_empty, at={"ses": 1})
    with pytest.raises(mt.ModelError, match="finite"):
        mt.icc(hsb_slopes, at={"ses_within": np.nan})
    with pytest.raises(ValueError, match="0.95"):
        mt.icc(hsb_empty, level=95)


# -------------------------------------------------------------------------------- design effects


@pytest.mark.parametrize(
    ("n", "J", "icc", "effect", "size"), [(5, 100, 0.30, 2.20, 227), (20, 50, 0.05, 1.95, 513)]
)
def test_published_examples(n, J, icc, effect, size):
    assert mt.design_effect(n, icc) == pytest.approx(effect, rel=1e-14)
    assert round(mt.effective_n(n * J, n, icc)) == size


def test_design_effect_is_the_variance_of_a_mean():
    """The variance of the mean of one cluster of n, against n independent rows."""
    n, icc = 7, 0.3
    cov = np.full((n, n), icc) + (1 - icc) * np.eye(n)
    assert cov.mean() / (1 / n) == pytest.approx(mt.design_effect(n, icc), rel=1e-12)


def test_design_effect_of_unequal_clusters():
    """The mean of all rows, whose sizes count as sum(n^2) / sum(n)."""
    sizes, icc = np.array([2, 5, 11]), 0.25
    codes = np.repeat(np.arange(3), sizes)
    cov = icc * (codes[:, None] == codes) + (1 - icc) * np.eye(len(codes))
    effect = mt.design_effect((sizes**2).sum() / sizes.sum(), icc)
    assert cov.mean() * len(codes) == pytest.approx(effect, rel=1e-12)


def test_shapes():
    assert type(mt.design_effect(5, 0.3)) is float
    np.testing.assert_allclose(mt.design_effect([5, 20], [0.3, 0.05]), [2.2, 1.95])
    assert mt.design_effect(np.ones((3, 1)), np.full(4, 0.2)).shape == (3, 4)
    labelled = mt.design_effect(pd.Series([5, 20], index=["a", "b"]), 0.1)
    assert list(labelled.index) == ["a", "b"]
    np.testing.assert_allclose(mt.effective_n([500, 1000], 5, 0.3), [500 / 2.2, 1000 / 2.2])
    assert mt.moulton_factor(5, [0, 0.5, 1], 0.3).shape == (3,)


@given(
    n=st.floats(1, 1e4),
    J=st.integers(1, 1000),
    icc=st.floats(0, 1),
)
def test_effective_n_lies_between_clusters_and_rows(n, J, icc):
    size = mt.effective_n(n * J, n, icc)
    assert J * (1 - 1e-9) <= size <= n * J * (1 + 1e-9)


def test_negative_correlations_down_to_their_limit():
    assert mt.design_effect(5, -0.1) == pytest.approx(0.6)
    assert mt.design_effect(4, -1 / 3) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(mt.ModelError, match="below"):
        mt.design_effect(5, -0.3)
    with pytest.raises(mt.ModelError, match="no variance"):
        mt.effective_n(8, 4, -1 / 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.5, 0.1), "at least one row"),
        (([5, 0.5], 0.1), "at least one row"),
        ((5, 18), "0.18"),
        ((5, [0.1, 18]), "0.18"),
        (([5, 2], -0.3), "no correlation of n rows"),
        ((5, np.nan), "missing"),
        (("five", 0.1), "must be a number"),
        ((5, None), "missing"),
    ],
)
def test_design_effect_refuses(arguments, said):
    with pytest.raises(mt.ModelError, match=said):
        mt.design_effect(*arguments)


def test_effective_n_refuses_more_in_a_cluster_than_in_all():
    with pytest.raises(mt.ModelError, match="N >= n"):
        mt.effective_n(5, 100, 0.1)


# -------------------------------------------------------------------------------- Moulton factor


def sandwich_ratio(x, codes, rho):
    """Return the true over the OLS variance of a slope, rows of a cluster correlated rho."""
    x = x - x.mean()
    cov = rho * (codes[:, None] == codes) + (1 - rho) * np.eye(len(codes))
    return float(x @ cov @ x / (x @ x))


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=12).filter(lambda s: max(s) > 1),
    rho=st.floats(0, 1),
    between=st.floats(0, 3),
    seed=st.integers(0, 1000),
)
def test_moulton_is_exact_with_the_pairwise_icc(sizes, rho, between, seed):
    """Angrist & Pischke's equation 8.2.5 against the sandwich with the N x N matrix."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    x = between * rng.normal(size=len(sizes))[codes] + rng.normal(size=len(codes))
    icc_x = mt.column_icc(pd.DataFrame({"x": x, "g": codes}), "x", cluster="g")
    factor = mt.moulton_factor(sizes, icc_x, rho)
    assert factor**2 == pytest.approx(sandwich_ratio(x, codes, rho), rel=1e-9)


def test_moulton_with_equal_clusters_and_cluster_level_predictor_is_the_design_effect():
    for n, icc in ((5, 0.3), (20, 0.05)):
        assert mt.moulton_factor(n, 1.0, icc) ** 2 == pytest.approx(mt.design_effect(n, icc))
        assert mt.moulton_factor([n] * 7, 1.0, icc) == pytest.approx(mt.moulton_factor(n, 1.0, icc))


def test_moulton_takes_the_sizes_of_a_fit(hsb_empty):
    sizes = hsb_empty.cluster_sizes
    expected = 1 + ((sizes**2).sum() / sizes.sum() - 1) * 0.27 * 0.18
    assert mt.moulton_factor(sizes, 0.27, 0.18) ** 2 == pytest.approx(expected, rel=1e-12)


def test_moulton_needs_no_correction_where_one_correlation_is_zero():
    assert mt.moulton_factor(20, 0.0, 0.5) == 1.0
    assert mt.moulton_factor(20, 1.0, 0.0) == 1.0
    assert mt.moulton_factor(1, 1.0, 0.5) == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((5, 27, 0.1), "icc_x"),
        ((5, 0.1, 1.2), "icc_y"),
        (([5, 0], 0.1, 0.1), "at least one row"),
        (([], 0.1, 0.1), "one list"),
        ((np.ones((2, 2)), 0.1, 0.1), "one list"),
        ((20, -1.0, 1.0), "sign"),
        ((20, [-1.0, 0.5], 1.0), "sign"),
    ],
)
def test_moulton_refuses(arguments, said):
    with pytest.raises(mt.ModelError, match=said):
        mt.moulton_factor(*arguments)


def test_icc_of_a_location_scale_model(hsb_scale):
    fit = hsb_scale
    table, own = mt.icc(fit, level=0.9), fit.cluster_variances(0.9)
    assert table.index.equals(own.index)
    assert table["lower"].equals(own["icc_lower"].rename("lower"))
    public, catholic = (mt.icc(fit, at={"catholic": sector}) for sector in (0, 1))
    between = fit.random.loc["Intercept", "Intercept"]
    within = fit.predicted_variance(pd.DataFrame({"catholic": [0]}), average=True)[0]
    assert float(public) == pytest.approx(between / (between + within))
    assert public.lower < public < catholic < catholic.upper
    # The table spreads around them: its schools have variances of their own.
    assert table["estimate"].min() < public < table["estimate"].max()
    with pytest.raises(mt.DataError, match="'catholic'"):
        mt.icc(fit, at={"sector": "Public"})
    assert pickle.loads(pickle.dumps(public)).upper == public.upper


def test_icc_of_a_location_scale_model_without_variance_between():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"g": np.repeat(np.arange(30), 6), "y": rng.normal(size=180)})
    value = mt.icc(mt.fit_location_scale("y ~ 1 + (1 | g)", "~ 1", table), at={})
    assert value == 0.0
    assert np.isnan(value.se)
    assert "zero" in repr(value)
