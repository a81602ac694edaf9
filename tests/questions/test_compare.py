"""Model comparison: the right reference for each likelihood-ratio test; refusals with a reason."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach.mixed.bootstrap import null_drops, p_value

DEVIANCE = 1e-6  # as in the tests against R: far below what is printed
COLUMNS = ["parameters", "llf", "deviance", "aic", "bic", "lr", "df", "p", "p_mixture"]

chi2 = stats.chi2.sf


def slopes_data(seed=0, J=30, n=8):
    """Return data in which y depends on x and w, and both have slopes that vary."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    x, w = rng.normal(size=(2, J * n))
    u = rng.normal(size=(J, 3)) @ np.array([[1.0, 0.2, 0.1], [0, 0.4, 0.1], [0, 0, 0.3]])
    y = 1 + 0.5 * x + u[g, 0] + u[g, 1] * x + u[g, 2] * w + rng.normal(size=J * n)
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g, "z": rng.normal(size=J)[g]})


DATA = slopes_data()


def fit(right, data=DATA, reml=False, outcome="y"):
    """Return a fit, by ML unless told otherwise."""
    return mt.fit_mixed(f"{outcome} ~ {right}", data, reml=reml)


def last(*fits, **options):
    """Return the last row of a comparison, where the test stands."""
    return mt.compare(*fits, **options).iloc[-1]


# --------------------------------------------------------------------------------------- the table


def test_shape_order_and_content():
    m0, m1, m2 = fit("x + (1 | g)"), fit("x + z + (1 | g)"), fit("x + z + (1 + x | g)")
    table = mt.compare(m2, m0, m1)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == COLUMNS
    assert list(table.index) == [m.formula for m in (m0, m1, m2)]
    assert list(table["parameters"]) == [4, 5, 7]
    for model in (m0, m1, m2):
        row = table.loc[model.formula]
        assert row["llf"] == model.llf
        assert row["deviance"] == model.deviance == -2 * model.llf
        assert row["aic"] == model.deviance + 2 * row["parameters"]
        assert row["bic"] == pytest.approx(model.deviance + np.log(240) * row["parameters"])
    assert table.iloc[0][["lr", "df", "p", "p_mixture"]].isna().all()
    assert table["lr"].iloc[1] == pytest.approx(m0.deviance - m1.deviance, rel=1e-12)
    assert table["lr"].iloc[2] == pytest.approx(m1.deviance - m2.deviance, rel=1e-12)


def test_names():
    m0, m1 = fit("(1 | g)"), fit("x + (1 | g)")
    assert list(mt.compare(m1, m0, names=["with", "without"]).index) == ["without", "with"]
    assert list(mt.compare(m0, m0).index) == [m0.formula, f"{m0.formula} [2]"]
    for names in (["one"], ["same", "same"]):
        with pytest.raises(mt.ModelError, match="2 different names"):
            mt.compare(m0, m1, names=names)


def test_shows_notes_as_text_and_html():
    table = mt.compare(fit("x + (1 | g)"), fit("x + (1 + x | g)"), names=["A", "<B>"])
    note = table.attrs["notes"][0]
    assert "half χ²(1) and half χ²(2)" in note
    assert f"Note: {note}" in repr(table)
    assert "&lt;B&gt;" in table._repr_html_()
    assert "half χ²(1) and half χ²(2)" in table._repr_html_()
    assert "nan" not in repr(table).casefold()
    assert type(table.round(2)) is pd.DataFrame
    assert type(table[["lr"]]) is pd.DataFrame


# -------------------------------------------------------------------------------------- references


def test_against_lme4(london):
    """anova(m0, m1) of lme4 1.1-31 ML fits, score16 ~ score11 with and without random slope."""
    m0 = mt.fit_mixed("score16 ~ score11 + (1 | school)", london, reml=False)
    m1 = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london, reml=False)
    table = mt.compare(m0, m1)
    np.testing.assert_allclose(table["aic"], [9365.24320059, 9328.87096517], atol=DEVIANCE, rtol=0)
    np.testing.assert_allclose(table["bic"], [9390.47796826, 9366.72311667], atol=DEVIANCE, rtol=0)
    assert table["lr"].iloc[1] == pytest.approx(40.3722354226, abs=DEVIANCE)
    # The relative change of p is half of the absolute change of the statistic.
    assert table["p"].iloc[1] == pytest.approx(1.71111999793e-09, rel=DEVIANCE)


def test_fixed_effects_have_a_plain_chi_square():
    row = last(fit("(1 | g)"), fit("x + z + (1 | g)"))
    assert row["df"] == 2
    assert row["p"] == row["p_mixture"] == pytest.approx(chi2(row["lr"], 2), rel=1e-12)


def test_one_variance_alone():
    row = last(fit("x + (1 | g)"), fit("x + (1 + x || g)"))
    assert row["df"] == 1
    assert row["p_mixture"] == pytest.approx(0.5 * chi2(row["lr"], 1), rel=1e-12)
    assert row["p"] == pytest.approx(chi2(row["lr"], 1), rel=1e-12)


def test_variance_with_its_covariance():
    row = last(fit("x + (1 | g)"), fit("x + (1 + x | g)"))
    assert row["df"] == 2
    expected = 0.5 * chi2(row["lr"], 1) + 0.5 * chi2(row["lr"], 2)
    assert row["p_mixture"] == pytest.approx(expected, rel=1e-12)


def test_third_effect_with_two_covariances():
    """Stram & Lee's case of q = 2 to q + 1: half chi-square(2), half chi-square(3)."""
    row = last(fit("x + w + (1 + x | g)"), fit("x + w + (1 + x + w | g)"))
    assert row["df"] == 3
    expected = 0.5 * chi2(row["lr"], 2) + 0.5 * chi2(row["lr"], 3)
    assert row["p_mixture"] == pytest.approx(expected, rel=1e-12)


def test_coefficients_and_a_variance_together():
    row = last(fit("(1 | g)"), fit("x + z + (1 + x | g)"))
    assert row["df"] == 4
    expected = 0.5 * chi2(row["lr"], 3) + 0.5 * chi2(row["lr"], 4)
    assert row["p_mixture"] == pytest.approx(expected, rel=1e-12)


def test_covariance_alone_is_not_on_the_boundary():
    row = last(fit("x + (1 + x || g)"), fit("x + (1 + x | g)"))
    assert row["df"] == 1
    assert row["p"] == row["p_mixture"] == pytest.approx(chi2(row["lr"], 1), rel=1e-12)


def test_several_variances_have_no_closed_form():
    table = mt.compare(fit("x + (1 | g)"), fit("x + (1 + x + w | g)"))
    assert np.isnan(table["p_mixture"].iloc[1])
    assert table["p"].iloc[1] == pytest.approx(chi2(table["lr"].iloc[1], 5), rel=1e-12)
    assert "upper bound" in table.attrs["notes"][0]


def test_statistic_of_zero():
    """The slope variance is estimated as zero: no evidence at all, p = 1."""
    tries = (DATA.assign(x=np.random.default_rng(seed).normal(size=240)) for seed in range(20))
    data, big = next(
        (data, big)
        for data in tries
        if (big := fit("x + (1 + x || g)", data)).variances.loc["x", "estimate"] == 0
    )
    row = last(fit("x + (1 | g)", data), big)
    assert row["lr"] == pytest.approx(0.0, abs=DEVIANCE)
    assert row["p"] == pytest.approx(1.0, abs=1e-2)


def test_reml_compares_random_parts():
    m0, m1 = fit("x + (1 | g)", reml=True), fit("x + (1 + x | g)", reml=True)
    table = mt.compare(m0, m1)
    assert table["lr"].iloc[1] == pytest.approx(m0.deviance - m1.deviance, rel=1e-12)
    assert "REML" in table.attrs["notes"][0]


def test_singular_smaller_model_is_noted():
    data = DATA.assign(y=DATA["y"] - DATA.groupby("g")["y"].transform("mean"))
    table = mt.compare(fit("x + (1 | g)", data), fit("x + (1 + x | g)", data))
    assert any("boundary" in note for note in table.attrs["notes"])


@pytest.mark.parametrize(
    ("above", "void"), [(1e3, True), (2e-6, True), (5e-7, False), (0.0, False)]
)
def test_a_larger_model_with_the_lower_likelihood_is_noted(above, void):
    """Deviances are known to 1e-6: what is closer is the same, as with a variance of zero."""
    m0, m1 = fit("x + (1 | g)"), fit("x + (1 + x | g)")
    end = m1.optimizer.f_end + m0.deviance - m1.deviance + above
    record = replace(m1.optimizer, converged=False, f_end=end)
    notes = mt.compare(m0, replace(m1, optimizer=record)).attrs["notes"]
    assert any("not converged" in note for note in notes)
    assert any("test is void" in note for note in notes) == void


def test_mixture_keeps_its_level():
    """No slope variance in truth: p_mixture falls below .5 in half of 120 samples, p does not."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(25), 8)
    below = []
    for _ in range(120):
        x = rng.normal(size=200)
        y = rng.normal(size=25)[g] + x + rng.normal(size=200)
        data = pd.DataFrame({"y": y, "x": x, "g": g})
        row = last(fit("x + (1 | g)", data), fit("x + (1 + x | g)", data))
        below.append((row["p_mixture"] < 0.5, row["p"] < 0.5))
    mixture, naive = np.mean(below, axis=0)
    assert abs(mixture - 0.5) < 3.3 * np.sqrt(0.25 / 120)
    assert naive < mixture


# ---------------------------------------------------------------------------------------- bootstrap


def test_bootstrap_adds_one_column():
    fits = fit("x + (1 | g)"), fit("x + (1 + x | g)"), fit("x + (1 + x + w | g)")
    plain = mt.compare(*fits)
    table = mt.compare(*fits, bootstrap=99, seed=1, progress=False)
    assert list(table.columns) == [*COLUMNS, "p_bootstrap"]
    assert np.array_equal(table[COLUMNS], plain, equal_nan=True)
    assert np.isnan(table["p_bootstrap"].iloc[0])
    expected = [
        p_value(m0.deviance - m1.deviance, null_drops(m0, m1, 99, rng, progress=False))
        for rng in [np.random.default_rng(1)]
        for m0, m1 in pairwise(fits)
    ]
    assert list(table["p_bootstrap"].iloc[1:]) == expected
    assert "99 data sets simulated from the smaller model" in table.attrs["notes"][-1]
    assert "nan" not in repr(table).casefold()
    again = mt.compare(*fits, bootstrap=99, seed=1, progress=False)
    assert np.array_equal(table, again, equal_nan=True)


def test_bootstrap_where_the_mixture_is_known():
    """Without a slope variance the bootstrap's p is near the mixture's, not near chi-square's."""
    rng = np.random.default_rng(7)
    data = DATA.assign(y=DATA["x"] + rng.normal(size=30)[DATA["g"]] + rng.normal(size=240))
    row = last(
        fit("x + (1 | g)", data),
        fit("x + (1 + x | g)", data),
        bootstrap=600,
        seed=1,
        progress=False,
    )
    assert row["p"] - row["p_mixture"] > 0.1
    # With thirty clusters a variance is estimated as zero in more than half of the samples, so
    # that even the mixture is somewhat too large (Crainiceanu & Ruppert 2004).
    assert -0.1 < row["p_bootstrap"] - row["p_mixture"] < 0.02


def test_bootstrap_skips_what_has_no_test():
    m0, m1 = fit("x + (1 | g)"), fit("z + w + (1 | g)")
    table = mt.compare(m0, m1, nested=False, bootstrap=20, seed=1, progress=False)
    assert table["p_bootstrap"].isna().all()
    same = mt.compare(m0, m0, bootstrap=20, seed=1, progress=False)
    assert same["p_bootstrap"].isna().all()


def test_bootstrap_counts_what_failed(monkeypatch):
    drops = np.array([np.nan, 0.0, 1e9])
    monkeypatch.setattr("mlteach.questions.compare.null_drops", lambda *args: drops)
    table = mt.compare(
        fit("x + (1 | g)"), fit("x + z + (1 | g)"), bootstrap=3, seed=1, progress=False
    )
    assert table["p_bootstrap"].iloc[1] == 2 / 3
    assert any("1 of 3 data sets left out" in note for note in table.attrs["notes"])


# ------------------------------------------------------------------------------------ nested or not


@pytest.mark.parametrize(
    ("small", "big"),
    [
        ("x + (1 | g)", "x * z + (1 | g)"),
        ("I(x + z) + (1 | g)", "x + z + (1 | g)"),
        ("x + (1 + I(2 * x - 3) | g)", "x + w + (1 + x | g)"),
        ("x + (1 + x || g)", "x + (1 + x + w | g)"),
        ("x + (0 + x | g)", "x + (1 + x | g)"),
        ("x + (1 | g)", "x + (1 + I(1e6 + 1e-3 * x) | g)"),
    ],
)
def test_nested_in_any_coding(small, big):
    assert last(fit(small), fit(big))["lr"] >= 0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("x + (1 | g)", "z + w + (1 | g)", "fixed effects that are no combination"),
        ("x + (0 + x | g)", "x + z + (1 | g)", "random effects"),
        ("x + (1 + I(x - 1) || g)", "x + z + (1 + x || g)", "random effects"),
        ("x + (1 + x | g)", "x + z + w + (1 + x || g)", "random effects"),
        ("x + (1 + w | g)", "x + z + (1 + x | g)", "random effects"),
    ],
)
def test_not_nested(a, b, said):
    m0, m1 = fit(a), fit(b)
    with pytest.raises(mt.ModelError, match=said) as caught:
        mt.compare(m0, m1)
    assert "nested=False" in str(caught.value)
    table = mt.compare(m0, m1, nested=False)
    assert table[["lr", "df", "p", "p_mixture"]].isna().to_numpy().all()
    assert table[["aic", "bic"]].notna().to_numpy().all()
    assert said in table.attrs["notes"][0]


def test_same_model_twice_has_no_test():
    table = mt.compare(fit("x + (1 + x | g)"), fit("I(x - 1) + (1 + I(x - 1) | g)"))
    assert table["lr"].isna().all()
    assert "the same model" in table.attrs["notes"][0]
    assert table["deviance"].iloc[0] == pytest.approx(table["deviance"].iloc[1], abs=DEVIANCE)


# -------------------------------------------------------------------------------------- refusals


def test_refuses_reml_with_different_fixed_effects():
    m0 = fit("x + (1 | g)", reml=True)
    for other in ("x + z + (1 | g)", "z + (1 | g)", "I(10 * x) + (1 | g)"):
        with pytest.raises(mt.ModelError, match="REML fits with different fixed effects") as caught:
            mt.compare(m0, fit(other, reml=True), nested=False)
        assert "reml=False" in str(caught.value)


def test_order_of_fixed_effects_does_not_matter_under_reml():
    m0, m1 = fit("x + z + (1 | g)", reml=True), fit("z + x + (1 + x | g)", reml=True)
    assert last(m0, m1)["df"] == 2


def test_refuses_ml_against_reml():
    with pytest.raises(mt.ModelError, match="One model is fitted by REML"):
        mt.compare(fit("x + (1 | g)"), fit("x + (1 | g)", reml=True))


def test_refuses_different_rows():
    m0 = fit("(1 | g)")
    missing = DATA.assign(x=DATA["x"].where(DATA.index > 2))
    with pytest.warns(mt.DataWarning, match="3 of 240"):
        m1 = fit("x + (1 | g)", missing)
    with pytest.raises(mt.ModelError, match="240 and 237 rows.*missing values"):
        mt.compare(m0, m1)


def test_refuses_as_many_but_other_rows():
    with pytest.raises(mt.ModelError, match="row labels differ"):
        mt.compare(fit("(1 | g)", DATA.iloc[:-1]), fit("x + (1 | g)", DATA.iloc[1:]))
    shuffled = DATA.sample(frac=1, random_state=1)
    with pytest.raises(mt.ModelError, match="row labels differ"):
        mt.compare(fit("(1 | g)"), fit("x + (1 | g)", shuffled))


def test_refuses_other_values_under_the_same_labels():
    shuffled = DATA.sample(frac=1, random_state=1).reset_index(drop=True)
    with pytest.raises(mt.ModelError, match="other values or clusters"):
        mt.compare(fit("(1 | g)"), fit("x + (1 | g)", shuffled))


def test_refuses_other_outcome_or_clusters():
    data = DATA.assign(v=DATA["y"] + 1, h=DATA["g"] // 2)
    with pytest.raises(mt.ModelError, match="outcomes differ"):
        mt.compare(fit("(1 | g)", data), fit("x + (1 | g)", data, outcome="v"))
    with pytest.raises(mt.ModelError, match="clusters differ"):
        mt.compare(fit("(1 | g)", data), fit("x + (1 | h)", data))


def test_refuses_what_is_no_fit():
    m0 = fit("(1 | g)")
    with pytest.raises(mt.ModelError, match="at least two"):
        mt.compare(m0)
    with pytest.raises(mt.ModelError, match="not str"):
        mt.compare(m0, "x")
    with pytest.raises(mt.ModelError, match="not list"):
        mt.compare([m0, m0])
