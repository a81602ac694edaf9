"""Robust standard errors of the multigroup model: lavaan's MLR, and scores by differences."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import mlteach as mt
from mlteach.multigroup.design import GroupRows
from mlteach.multigroup.sandwich import group_scores
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "multigroup_robust.json").read_text())["cases"]
# Of a standard error, relative for the standard errors: lavaan's search ends on its objective.
ESTIMATE, STANDARD_ERROR = 3e-4, 1e-4
SCORE = 1e-7  # central differences, step 1e-5, of the largest score


def our_name(name: str, case: dict) -> str:
    """Translate ``within.x1_2~~x2_2[A]`` of the reference to ``within.x1~~x2@post[A]``."""
    if len(case["groups"]) == 1:
        name = name.split("[")[0]
    member = re.search(r"_(\d)(?=\[|$)", name)
    if not member:
        return name
    occasion = ["pre", "post", "follow"][int(member[1]) - 1]
    stem, bracket, rest = re.sub(r"_\d", "", name).partition("[")
    return f"{stem}@{occasion}{bracket}{rest}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_standard_errors_are_those_of_lavaan_mlr(case) -> None:
    raw = (REFERENCE / case["data"]).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == case["sha256"]
    data = pd.read_csv(REFERENCE / case["data"])
    fit = mt.fit_multigroup(
        case["variables"],
        data[data["group"].isin(case["groups"])],
        cluster="cluster",
        group="group" if len(case["groups"]) > 1 else None,
        between=case["between"],
        position="occasion" if case["position"] else None,
        robust="cluster",
    )
    theirs = pd.DataFrame({"estimate": case["estimate"], "se": case["se"]})
    theirs.index = [our_name(name, case) for name in theirs.index]
    theirs = theirs.loc[fit.params.index]
    assert len(theirs) == fit.n_parameters
    assert fit.n_clusters == case["clusters"]
    np.testing.assert_allclose((fit.params - theirs["estimate"]) / theirs["se"], 0, atol=ESTIMATE)
    np.testing.assert_allclose(fit.bse, theirs["se"], rtol=STANDARD_ERROR)


def cluster_logf(Y, codes, cells, mu, within, between):
    """Log density of each cluster with its covariance matrix written out, shape (J,)."""
    out = []
    for j in range(codes.max() + 1):
        own = np.flatnonzero(codes == j)
        V = np.kron(np.ones((len(own),) * 2), between)
        p = len(between)
        for i, row in enumerate(own):
            V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[cells[row]]
        seen = ~np.isnan(Y[own]).ravel()
        y, mean = Y[own].ravel()[seen], mu[cells[own]].ravel()[seen]
        out.append(multivariate_normal(mean, V[np.ix_(seen, seen)]).logpdf(y))
    return np.array(out)


@pytest.mark.parametrize("C", [1, 2])
@pytest.mark.parametrize("sign", [1.0, -0.02], ids=["positive", "negative"])
def test_scores_are_the_derivatives_of_each_cluster(C, sign) -> None:
    rng = np.random.default_rng(4)
    J, p = 5, 2
    codes = np.repeat(np.arange(J), [2, 4, 3, 5, 2])
    cells = np.arange(len(codes)) % C
    Y = rng.normal(size=(len(codes), p))
    Y[[1, 5, 9], [0, 1, 1]] = np.nan
    rows, cols = np.tril_indices(p)

    def parts(theta):
        mu, triangles = theta[: C * p].reshape(C, p), theta[C * p :].reshape(C + 1, -1)
        matrices = np.zeros((C + 1, p, p))
        matrices[:, rows, cols] = matrices[:, cols, rows] = triangles
        return mu, matrices[:C], matrices[C]

    within = np.tile([1.0, 0.3, 0.8], C) * np.repeat(np.linspace(1.0, 1.5, C), 3)
    theta = np.concatenate([0.2 * rng.normal(size=C * p), within, sign * np.array([0.5, 0.2, 0.4])])
    step = 1e-5
    moves = step * np.eye(len(theta))
    ahead, back = (
        np.array([cluster_logf(Y, codes, cells, *parts(theta + s * m)) for m in moves])
        for s in (1, -1)
    )
    expected = (ahead - back).T / (2 * step)
    group = GroupRows(Y, codes, cells, labels=pd.Index(range(J)), index=pd.RangeIndex(len(Y)))
    ours = group_scores(group, *parts(theta))
    np.testing.assert_allclose(ours, expected, atol=SCORE * np.abs(expected).max())


def test_derived_tables_and_notes_are_robust_too(hsb) -> None:
    plain, robust = (
        mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector", robust=robust)
        for robust in (None, "cluster")
    )
    assert robust.llf == plain.llf
    pd.testing.assert_series_equal(robust.params, plain.params)
    # Public schools differ in spread: the variance within is known less well than the model says.
    names = ["within.ses~~ses[Catholic]", "within.ses~~ses[Public]"]
    assert robust.bse[names[1]] > 1.3 * plain.bse[names[1]]
    ratio = ("within", "ses", "Catholic / Public")
    a, b = (robust.params[name] for name in names)
    change = np.zeros(len(robust.params))
    change[[robust.params.index.get_loc(name) for name in names]] = 1 / b, -a / b**2
    by_delta = np.sqrt(change @ robust.cov_params().to_numpy() @ change)
    assert robust.variance_ratios.loc[ratio, "se"] == pytest.approx(by_delta, rel=1e-9)
    assert any("160 whole clusters" in note for note in robust.notes)
    assert not any("robust" in note for note in plain.notes)
