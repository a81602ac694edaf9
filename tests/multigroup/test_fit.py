"""Fitting the multigroup model: cases with a known answer, and what is said when it fails."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.errors import ConvergenceWarning, DataError, ModelError

SAME_LLF = 1e-8  # two routes to one likelihood of some ten thousand
SAME = 1e-6  # estimates from two searches that end at a gain below 1e-7


def test_one_variable_one_group_is_the_empty_model(hsb) -> None:
    ours = mt.fit_multigroup("math", hsb, cluster="school")
    mixed = mt.fit_empty("math", hsb, cluster="school", reml=False)
    assert ours.llf == pytest.approx(mixed.llf, abs=SAME_LLF)
    assert ours.means.loc["all", "math"] == pytest.approx(mixed.params["Intercept"], rel=SAME)
    variances = [ours.between["all"].iloc[0, 0], ours.within["all"].iloc[0, 0]]
    assert variances == pytest.approx(list(mixed.variances["estimate"]), rel=SAME)
    assert ours.params.index.tolist() == ["mean.math", "within.math~~math", "between.math~~math"]


def test_groups_with_all_free_are_separate_fits(hsb, hsb_groups) -> None:
    both = hsb_groups
    alone = {
        g: mt.fit_multigroup(["math", "ses"], rows, cluster="school")
        for g, rows in hsb.groupby("sector")
    }
    assert both.llf == pytest.approx(sum(fit.llf for fit in alone.values()), abs=SAME_LLF)
    for g, fit in alone.items():
        np.testing.assert_allclose(both.within[g], fit.within["all"], rtol=SAME)
        np.testing.assert_allclose(both.between[g], fit.between["all"], rtol=SAME)
        own = both.bse[both.bse.index.str.endswith(f"[{g}]")]
        np.testing.assert_allclose(own, fit.bse, rtol=1e-4)


def test_all_equal_is_the_model_without_groups(hsb) -> None:
    kinds = dict.fromkeys(("within", "between", "means"), "equal")
    one = mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector", **kinds)
    none = mt.fit_multigroup(["math", "ses"], hsb, cluster="school")
    assert one.llf == pytest.approx(none.llf, abs=SAME_LLF)
    np.testing.assert_allclose(one.params, none.params, rtol=SAME)


def test_rows_with_missing_values_still_count(hsb) -> None:
    rng = np.random.default_rng(2)
    holes = hsb.assign(ses=hsb["ses"].mask(rng.random(len(hsb)) < 0.3))
    fit = mt.fit_multigroup(["math", "ses"], holes, cluster="school")
    full = mt.fit_multigroup(["math", "ses"], hsb, cluster="school")
    listwise = mt.fit_multigroup(["math", "ses"], holes.dropna(), cluster="school")
    assert fit.nobs == len(hsb)
    assert "Missing values in the rows that count: ses" in fit.notes[0]
    # What is known of math counts in full, so its standard errors hardly grow.
    name = "within.math~~math"
    assert fit.bse[name] < 1.01 * full.bse[name] < 0.9 * listwise.bse[name]


@pytest.fixture(scope="module")
def repelled() -> pd.DataFrame:
    """Pairs that differ more inside than chance would have it: a negative variance between."""
    rng = np.random.default_rng(5)
    half = rng.normal(size=(80, 1))
    x = np.hstack([half, -half]) + rng.normal(scale=0.6, size=(80, 2))
    return pd.DataFrame({"x": x.ravel(), "pair": np.repeat(np.arange(80), 2)})


def test_negative_variance_is_reported(repelled) -> None:
    fit = mt.fit_multigroup("x", repelled, cluster="pair")
    wide = repelled["x"].to_numpy().reshape(-1, 2)
    wide = wide - wide.mean()
    # The covariance of the two members, in closed form.
    expected = float(np.mean(wide[:, 0] * wide[:, 1]))
    assert expected < -0.5
    assert fit.between["all"].iloc[0, 0] == pytest.approx(expected, rel=SAME)
    assert fit.parameters.loc["between.x~~x", "flag"] == "negative variance"
    assert any("Negative variance: between.x~~x" in note for note in fit.notes)
    assert fit.icc.loc["all", "x"] < 0


def test_bound_keeps_it_at_zero(repelled) -> None:
    fit = mt.fit_multigroup("x", repelled, cluster="pair", bounded=True)
    x = repelled["x"]
    assert fit.between["all"].iloc[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert fit.within["all"].iloc[0, 0] == pytest.approx(x.var(ddof=0), rel=1e-5)
    # Without clusters left, the likelihood is that of a plain normal sample.
    plain = -0.5 * len(x) * (np.log(2 * np.pi * x.var(ddof=0)) + 1)
    assert fit.llf == pytest.approx(plain, abs=1e-5)
    assert fit.parameters.loc["between.x~~x", "flag"] == "on the boundary"
    assert np.isnan(fit.bse["between.x~~x"])
    assert fit.bse["mean.x"] == pytest.approx(np.sqrt(x.var(ddof=0) / len(x)), rel=1e-4)


def test_bound_that_does_not_bind_changes_nothing(hsb) -> None:
    settings = {"cluster": "school", "group": "sector"}
    free = mt.fit_multigroup(["math", "ses"], hsb, **settings)
    bound = mt.fit_multigroup(["math", "ses"], hsb, **settings, bounded=True)
    assert free.llf == bound.llf


def test_bound_with_single_equal_elements(repelled) -> None:
    rng = np.random.default_rng(6)
    data = repelled.assign(y=rng.normal(size=len(repelled)), g=repelled["pair"] % 2)
    fit = mt.fit_multigroup(
        ["x", "y"], data, cluster="pair", group="g", between="free",
        equal=["between.x~~x"], bounded=True,
    )  # fmt: skip
    assert fit.converged
    for between in fit.between.values():
        assert np.linalg.eigvalsh(between)[0] > -1e-9


@pytest.mark.parametrize("J", [3, 4])
def test_too_much_for_the_data_warns(J) -> None:
    """Few rows make a variable a combination of others: that is no property of the variables."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(2 * J, 4)), columns=list("abcd"))
    data["g"] = np.repeat(np.arange(J), 2)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        fit = mt.fit_multigroup(list("abcd"), data, cluster="g")
    assert fit.notes[0].startswith("NOT CONVERGED: did not converge")
    assert any("too few clusters" in note for note in fit.notes)
    assert fit.bse.isna().all()
    for shown in (repr(fit), fit._repr_html_()):
        assert shown.count("NOT CONVERGED, do not use these numbers") == 2


def test_errors_reach_the_user(hsb) -> None:
    with pytest.raises(DataError, match="Did you mean 'math'"):
        mt.fit_multigroup(["maths"], hsb, cluster="school")
    with pytest.raises(ModelError, match="within='same'"):
        mt.fit_multigroup(["math"], hsb, cluster="school", within="same")


def test_position_whose_variance_is_below_its_covariance() -> None:
    """Post varies twice as much: Within at pre is negative, and the model is saturated."""
    rng = np.random.default_rng(1)
    u = 0.9 * rng.normal(size=300)
    wide = np.column_stack([u + 0.4 * rng.normal(size=300), 2 * (u + 0.4 * rng.normal(size=300))])
    data = pd.DataFrame({"x": wide.ravel(), "id": np.repeat(np.arange(300), 2)})
    fit = mt.fit_multigroup("x", data.assign(t=["pre", "post"] * 300), cluster="id", position="t")
    S = np.cov(wide.T, bias=True)
    logdet = np.linalg.slogdet(2 * np.pi * S)[1]
    assert fit.llf == pytest.approx(-150 * (2 + logdet), abs=SAME_LLF)
    assert fit.params["between.x~~x"] == pytest.approx(S[0, 1], rel=SAME)
    assert fit.params["within.x~~x@pre"] == pytest.approx(S[0, 0] - S[0, 1], rel=SAME)
    assert fit.parameters.loc["within.x~~x@pre", "flag"] == "negative variance"
    assert "does not describe these data" in fit.notes[0]
    with pytest.raises(ModelError, match="Within matrix of group 'all'"):
        fit.simulate(rng)


@pytest.mark.parametrize("ratio", [1e2, 1e4])
def test_almost_all_variance_between_clusters(ratio) -> None:
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(60), 5)
    y = ratio * rng.normal(size=60)[codes] + rng.normal(size=300)
    data = pd.DataFrame({"x": y, "g": codes})
    fit = mt.fit_multigroup("x", data, cluster="g")
    inside = ((data["x"] - data.groupby("g")["x"].transform("mean")) ** 2).sum()
    assert fit.converged
    assert fit.within["all"].iloc[0, 0] == pytest.approx(inside / 240, rel=1e-9)


def test_single_equal_elements_of_groups_that_differ_much() -> None:
    rng = np.random.default_rng(12)
    tables = []
    for g, (scale, r) in enumerate([(1.0, 0.95), (0.2, -0.9)]):
        L = np.linalg.cholesky(scale * np.array([[1, r], [r, 1]]))
        y = rng.normal(size=(60, 2)) @ L.T + (rng.normal(size=(15, 2)) @ L.T).repeat(4, axis=0)
        tables.append(
            pd.DataFrame(y, columns=["a", "b"]).assign(g=g, j=np.arange(60) // 4 + 15 * g)
        )
    settings = {"cluster": "j", "group": "g", "between": "free"}
    free = mt.fit_multigroup(["a", "b"], pd.concat(tables), **settings)
    equal = ["within.a~~b", "between.a~~b"]
    fit = mt.fit_multigroup(["a", "b"], pd.concat(tables), **settings, equal=equal)
    assert fit.converged and fit.llf < free.llf
    assert fit.within[0].loc["a", "b"] == fit.within[1].loc["a", "b"]


def test_bound_holds_one_direction_only() -> None:
    """One variable has no variance between; the other's variance keeps its standard error."""
    rng = np.random.default_rng(3)
    half = rng.normal(size=(80, 1))
    x = np.hstack([half, -half]) + 0.6 * rng.normal(size=(80, 2))
    y = rng.normal(size=(80, 2)) + rng.normal(size=(80, 1))
    data = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "j": np.repeat(np.arange(80), 2)})
    fit = mt.fit_multigroup(["x", "y"], data, cluster="j", bounded=True)
    alone = mt.fit_multigroup("y", data, cluster="j")
    assert np.linalg.eigvalsh(fit.between["all"])[0] == pytest.approx(0.0, abs=1e-6)
    se = fit.bse["between.y~~y"]
    assert se == pytest.approx(alone.bse["between.y~~y"], rel=0.15)
    assert any("on the boundary" in note for note in fit.notes)
    with pytest.raises(ModelError, match="crosses the bound"):
        fit.conf_int(method="profile")


def test_standard_errors_on_the_boundary_see_the_direction_turn() -> None:
    """A correlation of 1: what is free are both standard deviations, checked by their own fit."""
    rng = np.random.default_rng(2)
    u = rng.normal(size=150)
    y = np.stack([u, 0.7 * u], axis=1)[:, None] + rng.normal(size=(150, 3, 2))
    data = pd.DataFrame(y.reshape(-1, 2), columns=["x", "y"]).assign(j=np.repeat(np.arange(150), 3))
    unbounded = mt.fit_multigroup(["x", "y"], data, cluster="j")
    fit = mt.fit_multigroup(["x", "y"], data, cluster="j", bounded=True)
    if np.linalg.eigvalsh(unbounded.between["all"])[0] >= 0:
        pytest.fail("these draws do not reach the boundary; take another seed")
    deviance, at = fit.fit.deviance, fit.model.index[0]

    def of_sds(point):
        """Means, Within and the SDs a, b with Between = (a, b)'(a, b)."""
        theta, (a, b) = np.empty(deviance.size), point[5:]
        theta[at] = [*point[:5], a * a, a * b, b * b]
        return deviance.value_and_gradient(theta)[0]

    start = fit.fit.theta[at]
    best = np.array([*start[:5], np.sqrt(start[5]), np.sqrt(start[7])])
    H, step = np.empty((7, 7)), 1e-4 * np.eye(7)
    for k in range(7):
        for m in range(7):
            H[k, m] = (
                sum(
                    sign * of_sds(best + i * step[k] + j * step[m])
                    for i, j, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
                )
                / 4e-8
            )
    cov = 2 * np.linalg.inv(H)
    scale = fit.data.scale
    expected = 2 * best[5] * np.sqrt(cov[5, 5]) * scale[0] ** 2
    assert fit.bse["between.x~~x"] == pytest.approx(expected, rel=1e-3)
    assert fit.bse["within.x~~y"] == pytest.approx(np.sqrt(cov[3, 3]) * scale.prod(), rel=1e-3)
    row = fit.correlations.loc["between", "x~~y", "all"]
    np.testing.assert_array_equal(row, [1.0, np.nan, np.nan, np.nan])
    assert not any("beyond 1" in note for note in fit.notes)


def test_many_patterns_are_said() -> None:
    rng = np.random.default_rng(6)
    names = [f"x{k}" for k in range(7)]
    data = pd.DataFrame(rng.normal(size=(1200, 7)), columns=names)
    data = data.mask(rng.random(data.shape) < 0.3).assign(g=np.arange(1200) // 6)
    fit = mt.fit_multigroup(names, data, cluster="g")
    known = data[names].notna()
    count = len(known[known.any(axis=1)].drop_duplicates())
    assert count > 60
    assert f"The rows have {count} patterns of missing values." in fit.notes
    assert fit.converged
