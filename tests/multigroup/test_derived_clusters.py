"""Clusters of a multigroup model: predicted effects and simulated data."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.errors import ModelError


def test_one_variable_gives_the_blups_of_the_empty_model(hsb) -> None:
    ours = mt.fit_multigroup("math", hsb, cluster="school").ranef()
    blups = mt.fit_empty("math", hsb, cluster="school", reml=False).ranef()
    assert list(ours.columns) == ["math", "math_sd"]
    np.testing.assert_allclose(ours["math"], blups["Intercept"].loc[ours.index], atol=1e-6)


def test_conditional_moments_of_a_cluster_with_holes(hsb) -> None:
    rng = np.random.default_rng(4)
    data = hsb.assign(ses=hsb["ses"].mask(rng.random(len(hsb)) < 0.5))
    fit = mt.fit_multigroup(["math", "ses"], data, cluster="school", group="sector")
    table = fit.ranef()
    school, g = 1224, "Public"
    rows = data[data["school"] == school][["math", "ses"]].to_numpy()
    n, between = len(rows), fit.between[g].to_numpy()
    V = np.kron(np.ones((n, n)), between) + np.kron(np.eye(n), fit.within[g])
    gap = (rows - fit.means.loc[g].to_numpy()).ravel()
    here = ~np.isnan(gap)
    C = np.kron(np.ones((1, n)), between)[:, here]
    weights = np.linalg.solve(V[np.ix_(here, here)], C.T).T
    np.testing.assert_allclose(table.loc[school, ["math", "ses"]], weights @ gap[here], rtol=1e-8)
    sd = np.sqrt(np.diag(between - weights @ C.T))
    np.testing.assert_allclose(table.loc[school, ["math_sd", "ses_sd"]], sd, rtol=1e-8)
    assert fit.ranef("Public").index.equals(table.index[70:])


def test_simulated_data_have_the_model_s_moments(hsb, hsb_groups) -> None:
    fit = hsb_groups
    drawn = fit.simulate(np.random.default_rng(1))
    assert drawn.index.sort_values().equals(hsb.index)
    assert (drawn["school"] == hsb.loc[drawn.index, "school"]).all()
    again = mt.fit_multigroup(
        ["math", "ses"], drawn, cluster="school", group="sector", between="free"
    )
    z = (again.params - fit.params) / fit.bse
    assert np.abs(z).max() < 3.5
    assert (
        8 < float(z @ np.linalg.solve(z_corr(fit), z)) < 35
    )  # chi-square with 16 df, 0.1 to 99.6%


def z_corr(fit) -> np.ndarray:
    cov, se = fit.cov_params().to_numpy(), fit.bse.to_numpy()
    return cov / np.outer(se, se)


def test_missing_values_stay_missing(hsb) -> None:
    data = hsb.assign(ses=hsb["ses"].where(hsb["minority"] == 0))
    drawn = mt.fit_multigroup(["math", "ses"], data, cluster="school").simulate(
        np.random.default_rng(1)
    )
    assert drawn["ses"].isna().equals(data["ses"].isna())


def test_no_data_from_an_impossible_matrix(hsb) -> None:
    pairs = hsb.groupby("school").head(2).copy()
    pairs["x"] = np.tile([1.0, -1.0], 160) + np.random.default_rng(1).normal(size=320)
    fit = mt.fit_multigroup("x", pairs, cluster="school")
    with pytest.raises(ModelError, match="bounded=True"):
        fit.simulate(np.random.default_rng(1))
