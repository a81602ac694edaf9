"""Invariances: what must not change an answer, and what must change it exactly so."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from tests.dense import small_data

FORMULAS = ["y ~ x + w + (1 | g)", "y ~ x + w + (1 + x | g)", "y ~ x * w + (x || g)"]


def table(seed):
    y, X, _, codes = small_data(seed, J=14, q=2, sizes=(2, 9))
    return pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})


def same(a, b, rel=1e-6):
    """Two fits of the same model to the same data under other names."""
    assert a.deviance == pytest.approx(b.deviance, abs=1e-6)
    assert np.allclose(a.params, b.params, rtol=rel, atol=1e-6)
    assert np.allclose(a.bse, b.bse, rtol=rel, atol=1e-6)
    # Near a singular fit the deviance is flat in the variances: four digits there.
    assert np.allclose(a.variances["estimate"], b.variances["estimate"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("formula", FORMULAS)
@given(st.integers(0, 200), st.booleans())
def test_rows_in_any_order(formula, seed, reml):
    data = table(seed)
    shuffled = data.sample(frac=1, random_state=seed)
    a, b = (mt.fit_mixed(formula, t, reml=reml) for t in (data, shuffled))
    same(a, b)
    assert np.allclose(a.fitted, b.fitted.loc[data.index], atol=1e-5)


@pytest.mark.parametrize("formula", FORMULAS)
@given(st.integers(0, 200))
def test_ids_of_any_kind(formula, seed):
    """Unsorted, string and integer ids give the same answer (cf. lavaan issue 379)."""
    data = table(seed)
    names = np.random.default_rng(seed).permutation(14)
    as_text = data.assign(g=[f"school {names[j]}" for j in data.g])
    as_number = data.assign(g=names[data.g] * 17)
    fits = [mt.fit_mixed(formula, t) for t in (data, as_text, as_number)]
    same(fits[0], fits[1])
    same(fits[0], fits[2])
    a, b = fits[0].ranef(), fits[1].ranef()
    renamed = [f"school {names[j]}" for j in a.index]
    assert np.allclose(a, b.loc[renamed], atol=1e-5)


@given(st.integers(0, 200), st.floats(-1e4, 1e4), st.floats(-3, 3), st.booleans())
def test_shifting_and_scaling_the_outcome(seed, shift, log_scale, reml):
    data, scale = table(seed), 10.0**log_scale
    a = mt.fit_mixed(FORMULAS[1], data, reml=reml)
    b = mt.fit_mixed(FORMULAS[1], data.assign(y=scale * data.y + shift), reml=reml)
    df = len(data) - 3 * reml
    assert b.deviance == pytest.approx(a.deviance + 2 * df * np.log(scale), abs=1e-5)
    expected = scale * a.params + np.array([shift, 0, 0])
    assert np.allclose(b.params, expected, rtol=1e-6, atol=1e-6 * (scale + abs(shift)))
    assert np.allclose(b.bse, scale * a.bse, rtol=1e-5)
    v = scale**2 * a.variances["estimate"]
    assert np.allclose(b.variances["estimate"], v, rtol=1e-4, atol=1e-5 * scale**2)


@given(st.integers(0, 200), st.floats(-100, 100), st.booleans())
def test_shifting_a_predictor_with_a_random_slope(seed, shift, reml):
    """Slopes and the residual stay; intercept and intercept variance move as algebra says."""
    data = table(seed)
    a = mt.fit_mixed(FORMULAS[1], data, reml=reml)
    b = mt.fit_mixed(FORMULAS[1], data.assign(x=data.x + shift), reml=reml)
    assert b.deviance == pytest.approx(a.deviance, abs=1e-6)
    assert b.params["x"] == pytest.approx(a.params["x"], rel=1e-5, abs=1e-6)
    move = np.array([[1, -shift], [0, 1]])
    tau = move @ a.tau.to_numpy() @ move.T
    assert np.allclose(b.tau, tau, rtol=1e-3, atol=1e-4 * (1 + shift**2))


@given(st.integers(0, 200))
def test_a_balanced_one_way_layout_has_closed_forms(seed):
    """Mean squares give the variances: REML divides by J - 1, ML by J."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 6)})
    data["y"] = 2 * rng.normal(size=8)[data.g] + rng.normal(size=48)
    ml, reml = (mt.fit_mixed("y ~ 1 + (1 | g)", data, reml=r) for r in (False, True))
    means = data.groupby("g").y.mean()
    msw = ((data.y - means[data.g].to_numpy()) ** 2).sum() / 40
    ssb = 6 * ((means - means.mean()) ** 2).sum()
    if ssb / 8 > msw:
        assert reml.tau.iloc[0, 0] == pytest.approx((ssb / 7 - msw) / 6, rel=1e-6)
        assert ml.tau.iloc[0, 0] == pytest.approx((ssb / 8 - msw) / 6, rel=1e-6)
        assert reml.sigma2 == pytest.approx(msw, rel=1e-8)


@given(st.integers(0, 200))
def test_dummies_with_any_reference_are_the_same_model(seed):
    data = table(seed).assign(s=lambda t: np.array(["a", "b", "c"])[t.g % 3])
    a = mt.fit_mixed("y ~ x + s + (1 | g)", data, reml=False)
    b = mt.fit_mixed("y ~ x + C(s, contr.treatment('c')) + (1 | g)", data, reml=False)
    assert a.deviance == pytest.approx(b.deviance, abs=1e-7)
    assert np.allclose(a.fitted, b.fitted, atol=1e-5)


@given(st.integers(0, 200))
def test_bigger_models_never_fit_worse(seed):
    data = table(seed)
    nested = ["y ~ 1 + (1 | g)", "y ~ x + (1 | g)", "y ~ x + (x || g)", "y ~ x + (x | g)"]
    deviances = [mt.fit_mixed(f, data, reml=False).deviance for f in nested]
    assert all(b <= a + 1e-6 for a, b in itertools.pairwise(deviances))
