"""Parametric bootstrap: refits equal full fits, limits and p-values equal R's up to chance."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt
from mlteach.mixed import bootstrap as boot
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "bootstrap.json").read_text())["cases"]

# A refit and a full fit of the same outcome differ in scaling only, so in rounding only.
SAME_FIT = 1e-7
# Two bootstraps differ by chance: this many standard errors of the difference are allowed, which a
# right program exceeds once in 15,000 comparisons (and with the seed fixed, always or never).
CHANCE = 4.0


def table(seed, J=12, n=6, slope=0.5):
    """Return unbalanced rows, not sorted by cluster, that have a random slope."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(J), rng.integers(1, n + 1, J) + 1))
    x = 5.0 + rng.normal(size=len(g))
    u = rng.normal(size=(J, 2)) * [1.0, slope]
    y = 100 + x + u[g, 0] + u[g, 1] * (x - 5) + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "z": rng.normal(size=J)[g], "g": g})


def fit(right, data, reml=True, outcome="y"):
    return mt.fit_mixed(f"{outcome} ~ {right}", data, reml=reml)


def sds(result):
    """Return SDs and correlations of a fit, as the bootstrap keeps them."""
    v = result.variances
    return np.where(v["sd"].notna(), v["sd"], v["correlation"])


# ---------------------------------------------------------------------------------------- one refit


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    "right", ["x + (1 | g)", "x * z + (1 + x | g)", "x + (1 + x || g)", "0 + x + (0 + x | g)"]
)
@given(st.integers(0, 10_000))
def test_refit_is_a_full_fit(right, reml, seed):
    data = table(seed)
    result = fit(right, data, reml)
    y = result.simulate(np.random.default_rng(seed))["sim_1"].to_numpy()
    refit = boot.Refitter(result)(y)
    full = fit(right, data.assign(y=y), reml)
    assert refit.deviance == pytest.approx(full.deviance, abs=SAME_FIT)
    assert refit.singular == full.singular
    assert refit.converged == full.converged
    if np.isclose(sds(full)[:-1], 0).any() or full.singular:
        return  # at the boundary only the deviance is sharply determined
    se = full.bse.to_numpy()
    assert (np.abs(refit.params - full.params) / se).max() < 1e-4
    np.testing.assert_allclose(sds(refit), sds(full), rtol=1e-4, atol=1e-5)


def test_refit_to_the_own_outcome_gives_the_fit_back(hsb):
    result = fit("ses + (1 + ses | school)", hsb, outcome="math")
    refit = boot.Refitter(result)(result.design.y)
    assert refit.deviance == pytest.approx(result.deviance, abs=SAME_FIT)
    np.testing.assert_allclose(refit.params, result.params, rtol=SAME_FIT)
    np.testing.assert_allclose(sds(refit), sds(result), rtol=1e-6)


def test_refit_to_an_outcome_of_another_size():
    """The scaling of the first outcome serves for one that is far away from it."""
    data = table(1)
    y = 1e4 - 300 * data["y"].to_numpy()
    refit = boot.Refitter(fit("x + (1 | g)", data))(y)
    full = fit("x + (1 | g)", data.assign(y=y))
    assert refit.deviance == pytest.approx(full.deviance, abs=1e-6)
    np.testing.assert_allclose(sds(refit), sds(full), rtol=1e-6)


def test_no_variance_between_clusters_is_a_fit():
    data = table(2).assign(y=lambda d: d["y"] - d.groupby("g")["y"].transform("mean"))
    refit = boot.Refitter(fit("1 + (1 | g)", data))(data["y"].to_numpy())
    assert refit.singular and refit.converged
    assert sds(refit)[0] == 0.0


def test_correlation_of_effects_that_do_not_vary_is_missing():
    """Where a variance is zero there is no correlation; intervals leave it out, and say so."""
    data = table(3)
    for _, rows in data.groupby("g"):
        line = np.polyfit(rows["x"], rows["y"], 1)
        data.loc[rows.index, "y"] = rows["y"] - np.polyval(line, rows["x"])
    result = fit("x + (1 + x | g)", data)
    refit = boot.Refitter(result)(result.design.y)
    assert np.array_equal(sds(refit)[:3], [0.0, np.nan, 0.0], equal_nan=True)
    draws = boot.bootstrap(result, n=60, seed=1, progress=False)
    missing = np.isnan(draws.sds[:, 1])
    assert missing.any() and not missing.all()
    assert np.array_equal(missing, (draws.sds[:, [0, 2]] == 0).any(axis=1))
    assert draws.n_singular >= missing.sum()
    limits = result.confint("bootstrap", "random", n=60, seed=1, progress=False)
    assert limits.loc["Intercept:x", ["lower", "upper"]].notna().all()
    notes = " ".join(limits.attrs["notes"])
    assert f"'Intercept:x' has no correlation in {missing.sum()} refits" in notes
    assert f"{draws.n_singular} refits lie on the boundary" in notes
    fixed = result.confint("bootstrap", "fixed", n=60, seed=1, progress=False)
    assert fixed.attrs["notes"] == limits.attrs["notes"][:1]


# -------------------------------------------------------------------------------------- many refits


def test_seed_decides_and_fewer_draws_are_the_first_ones():
    result = fit("x + (1 | g)", table(4))
    long = boot.bootstrap(result, n=30, seed=5, progress=False)
    short = boot.bootstrap(result, n=10, seed=np.random.default_rng(5), progress=False)
    other = boot.bootstrap(result, n=10, seed=6, progress=False)
    assert np.array_equal(long.params[:10], short.params)
    assert not np.array_equal(short.params, other.params)
    fresh = [boot.bootstrap(result, n=2, progress=False).params for _ in range(2)]
    assert not np.array_equal(*fresh)


def test_draws_follow_the_model():
    """Balanced ANOVA: estimates from draws have the mean and variance that theory gives."""
    rng = np.random.default_rng(7)
    J, n, draws = 30, 5, 800
    g = np.repeat(np.arange(J), n)
    data = pd.DataFrame({"y": rng.normal(size=J)[g] + rng.normal(size=J * n), "g": g})
    result = fit("1 + (1 | g)", data)
    out = boot.bootstrap(result, n=draws, seed=1, progress=False)
    tau2, sigma2 = result.variances["estimate"]
    se = np.sqrt((tau2 + sigma2 / n) / J)
    assert abs(out.params.mean() - result.params.iloc[0]) < CHANCE * se / np.sqrt(draws)
    assert out.params.std() == pytest.approx(se, rel=CHANCE / np.sqrt(2 * draws))
    # With no draw on the boundary the REML residual variance is SSW / (J (n - 1)).
    assert out.n_singular == 0
    df = J * (n - 1)
    ratio = df * out.sds[:, -1] ** 2 / sigma2
    assert stats.kstest(ratio, stats.chi2(df).cdf).pvalue > 1e-3


def test_failed_refits_are_left_out_and_counted(monkeypatch):
    result = fit("x + (1 | g)", table(4))
    all_of_them = boot.bootstrap(result, n=50, seed=1, progress=False)
    fail_every_fifth(monkeypatch)
    draws = boot.bootstrap(result, n=50, seed=1, progress=False)
    assert draws.n_failed == 10
    assert np.array_equal(draws.params, np.delete(all_of_them.params, slice(4, None, 5), axis=0))
    notes = result.confint("bootstrap", n=100, seed=1, progress=False).attrs["notes"]
    assert any("20 more refit(s) did not converge" in note for note in notes)


def fail_every_fifth(monkeypatch):
    """Make every fifth search say that it has not converged."""
    count = iter(range(1, 10**6))
    search = boot.global_minimum
    monkeypatch.setattr(
        boot,
        "global_minimum",
        lambda p: replace(search(p), converged=next(count) % 5 != 0),
    )


def test_nothing_converged(monkeypatch):
    result = fit("x + (1 | g)", table(4))
    search = boot.global_minimum
    monkeypatch.setattr(boot, "global_minimum", lambda p: replace(search(p), converged=False))
    with pytest.raises(mt.ModelError, match="No refit of the bootstrap converged"):
        boot.bootstrap(result, n=3, seed=1, progress=False)
    with pytest.raises(mt.ModelError, match="No refit of the bootstrap converged"):
        boot.null_drops(result, result, n=3, seed=1, progress=False)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "many"])
def test_number_of_data_sets_is_checked(n):
    with pytest.raises(mt.ModelError, match="n=.* is not a whole number of 1 or more"):
        boot.bootstrap(fit("1 + (1 | g)", table(4)), n=n, seed=1, progress=False)


@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_seed_is_checked(seed):
    with pytest.raises(mt.ModelError, match="seed must be"):
        boot.bootstrap(fit("1 + (1 | g)", table(4)), n=2, seed=seed, progress=False)


@pytest.mark.parametrize("progress", [True, False])
def test_a_long_bootstrap_has_a_bar_unless_it_is_off(monkeypatch, progress):
    begun = []
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **settings: begun.append(settings) or Bar())
    monkeypatch.setattr("mlteach.core.progress.PATIENCE", -1.0)
    boot.bootstrap(fit("1 + (1 | g)", table(4)), n=3, seed=1, progress=progress)
    bars = [settings["total"] for settings in begun if settings["desc"] == "bootstrap"]
    assert bars == [3] * progress


class Bar:
    """Takes what a bar of tqdm is told."""

    def update(self, steps):
        """Count."""

    def close(self):
        """Go."""


# ---------------------------------------------------------------------------------------- intervals


def test_confint_has_the_rows_of_the_other_methods():
    result = fit("x + (1 + x | g)", table(5, J=30))
    ours = result.confint("bootstrap", "all", n=100, seed=1, progress=False)
    wald = result.confint("wald", "all")
    assert list(ours.columns) == list(wald.columns)
    assert ours.index.equals(wald.index)
    assert np.array_equal(ours["estimate"], wald["estimate"])
    assert (ours["lower"] < ours["upper"]).all()
    for part in ("fixed", "random"):
        one = result.confint("bootstrap", part, n=100, seed=1, progress=False)
        assert np.array_equal(one, ours.loc[part])
        assert "100 data sets" in one.attrs["notes"][0]


def test_limits_are_percentiles():
    """With 99 draws at 90% the limits are the 5th smallest and the 5th largest."""
    result = fit("x + (1 | g)", table(5))
    draws = boot.bootstrap(result, n=99, seed=1, progress=False)
    limits = result.confint("bootstrap", level=0.9, n=99, seed=1, progress=False)
    inner = np.sort(draws.params, axis=0)[[4, -5]]
    np.testing.assert_allclose(limits[["lower", "upper"]].T, inner, rtol=1e-12)


def test_too_few_draws_for_the_level():
    result = fit("x + (1 | g)", table(5))
    with pytest.raises(mt.ModelError, match="at least 39"):
        result.confint("bootstrap", n=38, seed=1, progress=False)
    table_ = result.confint("bootstrap", n=39, seed=1, progress=False)
    draws = boot.bootstrap(result, n=39, seed=1, progress=False)
    assert table_["lower"].iloc[0] == draws.params[:, 0].min()


@pytest.mark.parametrize("case", CASES["intervals"], ids=lambda case: case["id"])
def test_limits_against_lme4(case):
    """confint(method="boot") draws the same distribution with other random numbers."""
    result = mt.fit_mixed(case["formula"], pd.read_csv(REFERENCE / case["data"]), reml=case["reml"])
    n = 700
    draws = boot.bootstrap(result, n=n, seed=1, progress=False)
    limits = result.confint("bootstrap", "all", n=n, seed=1, progress=False)
    # A limit of lme4 must be about as far out among our draws as it should; its rank is binomial.
    allowed = CHANCE * np.sqrt(0.025 * 0.975 * (1 / n + 1 / case["draws"]))
    for part, values in {"random": draws.sds, "fixed": draws.params}.items():
        theirs = np.array(case[part])
        ours = limits.loc[part][["lower", "upper"]].to_numpy()
        assert (np.abs(ours - theirs) < 0.15 * np.ptp(theirs, axis=1, keepdims=True)).all()
        for k, side in np.ndindex(theirs.shape):
            column, tail = values[np.isfinite(values[:, k]), k], (0.025, 0.975)[side]
            # Many draws may lie at a limit of 0 or 1, where lme4 stops a little short of it.
            assert (column < theirs[k, side] - 1e-3).mean() < tail + allowed
            assert (column <= theirs[k, side] + 1e-3).mean() > tail - allowed


# -------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("case", CASES["tests"], ids=lambda case: case["id"])
def test_p_against_pbkrtest(case):
    """PBmodcomp's count within the chance error of both bootstraps."""
    data = pd.read_csv(REFERENCE / case["data"])
    data["Sex"] = pd.Categorical(data["Sex"])
    fits = [mt.fit_mixed(case[size], data, reml=False) for size in ("small", "big")]
    n = 700
    row = mt.compare(*fits, bootstrap=n, seed=1, progress=False).iloc[1]
    assert row["lr"] == pytest.approx(case["lr"], abs=1e-4)  # lmer's default stops early
    p = (1 + case["extreme"]) / (1 + case["draws"])
    chance = np.sqrt(p * (1 - p) * (1 / n + 1 / case["draws"]))
    assert abs(row["p_bootstrap"] - p) < CHANCE * chance


def test_p_counts_the_observed_drop_and_ties():
    assert boot.p_value(2.0, np.array([0.0, 1.0, 2.0, 3.0])) == 3 / 5
    assert boot.p_value(9.0, np.zeros(99)) == 1 / 100
    assert boot.p_value(1e-9, np.array([-1e-9, 0.0, 1e-8])) == 1.0
    assert boot.p_value(2.0, np.array([np.nan, 1.0, 3.0])) == 2 / 3


def test_drops_of_one_variance_follow_the_mixture():
    """Half of them are zero (a little more with few clusters); the rest is chi-square with 1 df."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(60), 4)
    data = pd.DataFrame({"x": rng.normal(size=240), "g": g})
    data["y"] = data["x"] + rng.normal(size=60)[g] + rng.normal(size=240)
    small, big = (fit(f"x + ({part} | g)", data) for part in ("1", "1 + x"))
    big = fit("x + (1 + x || g)", data)
    drops = boot.null_drops(small, big, n=600, seed=1, progress=False)
    assert drops.min() > -1e-6
    zero = drops < 1e-6
    assert 0.5 - CHANCE * np.sqrt(0.25 / 600) < zero.mean() < 0.65
    assert stats.kstest(drops[~zero], stats.chi2(1).cdf).pvalue > 1e-3
