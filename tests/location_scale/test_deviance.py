"""The location-scale deviance block by block: the numbers of one pass, whatever the blocks."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.linalg import central_differences
from mlteach.location_scale import search
from mlteach.location_scale.association import AssociationMap
from mlteach.location_scale.deviance import LocationScaleDeviance
from mlteach.location_scale.effects import CholeskyMap
from mlteach.location_scale.likelihood import blocks
from tests.location_scale.test_effects import function_map
from tests.location_scale.test_likelihood import KINDS, make

EXACT = 1e-12
J = 23


def effects(which, r, q, J=J):
    if which == "functions":
        return function_map(J, r, q)
    if which == "association":
        return AssociationMap(r, 2)
    return CholeskyMap.from_blocks([tuple(range(r))], [tuple(range(q))], True)


MODELS = [
    *((kind, "common") for kind in KINDS),
    *((kind, "functions") for kind, (_, random, _) in KINDS.items() if random),
    *((kind, "association") for kind, (_, random, _) in KINDS.items() if random in ("", "1")),
]


@pytest.mark.parametrize(("kind", "which"), MODELS)
def test_blocks_are_one_pass(kind, which):
    q = 1 if which == "association" else 2
    rows, beta, alpha, _, _ = make(kind, q, J=J)
    map_ = effects(which, rows.S.shape[1], q)
    whole = LocationScaleDeviance(rows, map_, 5, at_once=10**9)
    nodes = 5**map_.r
    cut = LocationScaleDeviance(rows, map_, 5, at_once=4 * max(nodes, 4))
    pieces = [block.J for block in cut._blocks]
    assert len(whole._blocks) == 1 < len(pieces) and len(set(pieces)) > 1
    rng = np.random.default_rng(5)
    theta = np.concatenate([beta, alpha, 0.1 + 0.1 * rng.normal(size=map_.m)])
    assert whole.settle(theta) == cut.settle(theta)
    for a, b in zip(whole.value_and_gradient(theta), cut.value_and_gradient(theta), strict=True):
        assert a == pytest.approx(b, rel=EXACT, abs=EXACT)
    for ours in ("scores", "moments"):
        for a, b in zip(getattr(whole, ours)(theta), getattr(cut, ours)(theta), strict=True):
            assert a == pytest.approx(b, rel=EXACT, abs=EXACT)
    score = whole.scores(theta)[1]
    assert cut.outer_products(theta) == pytest.approx(score.T @ score, rel=EXACT)
    gradient = cut.value_and_gradient(theta)[1]
    assert gradient == pytest.approx(-2.0 * score.sum(axis=0), rel=EXACT, abs=EXACT)


@pytest.mark.parametrize(("kind", "which"), MODELS)
def test_differences_in_turns_are_as_good_as_those_to_both_sides(kind, which):
    q = 1 if which == "association" else 2
    rows, beta, alpha, _, _ = make(kind, q, J=400)
    map_ = effects(which, rows.S.shape[1], q, J=400)
    cut = LocationScaleDeviance(rows, map_, 5, at_once=20 * max(5**map_.r, 4))
    start = 0.2 * np.ones(map_.m)
    if which == "functions":
        start[::2] = np.where(map_.rows == map_.cols, -3.0, 0.1)
        start[1::2] = 0.1
    theta = np.concatenate([beta, alpha, start])
    cut.settle(theta)
    scores, steps = cut.sums(theta)[1], search.SMALL_STEP * np.eye(len(theta))
    ours = [cut.change_in_turns(theta, step, scores) / search.SMALL_STEP for step in steps]
    expected = central_differences(lambda at: cut.value_and_gradient(at)[1], theta, 1e-5)
    assert np.abs(ours - expected).max() < 1e-5 * np.abs(expected).max()


def test_reml_block_by_block():
    rows, beta, alpha, _, _ = make("fixed only", J=J)
    map_ = effects("common", 0, 2)
    theta = np.concatenate([beta, alpha, np.full(map_.m, 0.4)])
    whole = LocationScaleDeviance(rows, map_, 1, True)
    cut = LocationScaleDeviance(rows, map_, 1, True, at_once=20)
    for a, b in zip(whole.value_and_gradient(theta), cut.value_and_gradient(theta), strict=True):
        assert a == pytest.approx(b, rel=1e-9)  # its gradient is of differences


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [1, 30, 10**9])
def test_every_cluster_is_in_one_block(kind, at_once):
    rows = make(kind, J=J)[0]
    cut = blocks(rows, 9, at_once)
    assert np.array_equal(np.concatenate([np.arange(J)[part] for part in cut]), np.arange(J))
    assert len(cut) == {1: J, 10**9: 1}.get(at_once, len(cut))
    parts = [rows.part(clusters) for clusters in cut]
    assert np.array_equal(np.concatenate([part.W for part in parts]), rows.W)
    assert all(np.array_equal(part.starts, np.cumsum(part.n) - part.n) for part in parts)


def test_every_third_cluster():
    rows = make("level-1 predictor", J=J)[0]
    some = rows.part(slice(0, None, 3))
    codes = np.repeat(np.arange(J), rows.n)
    assert np.array_equal(some.X, rows.X[codes % 3 == 0])
    assert np.array_equal(some.n, rows.n[::3])


@pytest.mark.parametrize(
    ("variance", "settings"),
    [
        ("~ ses", {}),
        ("~ ses", {"reml": True}),
        ("~ catholic + (1 | school)", {}),
        ("~ catholic + (1 | school)", {"between": {"Intercept": "~ catholic"}}),
        ("~ catholic", {"association": "quadratic"}),
        ("~ ses + catholic + female + (1 | school)", {"association": False}),
    ],
)
def test_a_search_that_begins_with_some_clusters_ends_at_the_same_maximum(
    variance, settings, monkeypatch
):
    formula, data = "math ~ ses + catholic + (1 | school)", mt.load("hsb")
    expected = mt.fit_location_scale(formula, variance, data, **settings)
    monkeypatch.setattr(search, "SAMPLE", 40)
    ours = mt.fit_location_scale(formula, variance, data, **settings)
    assert ours.converged
    assert ours.llf == pytest.approx(expected.llf, abs=1e-6)
    assert ours.params.to_numpy() == pytest.approx(expected.params.to_numpy(), rel=1e-5)
    assert ours.bse.to_numpy() == pytest.approx(expected.bse.to_numpy(), rel=1e-4)


def test_a_category_that_is_not_among_some_clusters(hsb, monkeypatch):
    """The search begins with some clusters only where these know all the coefficients."""
    rare = hsb.assign(rare=(hsb["school"] == hsb["school"].unique()[1]).astype(float))
    models = "math ~ ses + rare + (1 | school)", "~ ses + (1 | school)"
    expected = mt.fit_location_scale(*models, rare)
    monkeypatch.setattr(search, "SAMPLE", 40)
    ours = mt.fit_location_scale(*models, rare)
    assert ours.llf == pytest.approx(expected.llf, abs=1e-9)
    assert ours.params.to_numpy() == pytest.approx(expected.params.to_numpy(), rel=1e-6)


def test_newton_steps_begin_with_the_curvature_of_some_clusters(monkeypatch):
    """Where no variance is near zero no other search of all the clusters is needed."""
    rng, J = np.random.default_rng(8), 1_200
    g = np.repeat(np.arange(J), 6)
    x, u, v = rng.normal(size=len(g)), rng.normal(size=J), rng.normal(size=J)
    noise = np.exp(0.1 * x + 0.5 * v[g]) * rng.normal(size=len(g))
    data = pd.DataFrame({"y": x + 2.0 * u[g] + noise, "x": x, "g": g})
    models = "y ~ x + (1 | g)", "~ x + (1 | g)"
    expected = mt.fit_location_scale(*models, data)
    searched, bfgs = [], search._bfgs
    monkeypatch.setattr(search, "SAMPLE", 400)
    monkeypatch.setattr(search, "_bfgs", lambda d, *rest: (searched.append(d.J), bfgs(d, *rest))[1])
    ours = mt.fit_location_scale(*models, data)
    assert searched == [400]
    assert ours.llf == pytest.approx(expected.llf, abs=1e-6)
    assert ours.params.to_numpy() == pytest.approx(expected.params.to_numpy(), rel=1e-6, abs=1e-8)
    assert ours.bse.to_numpy() == pytest.approx(expected.bse.to_numpy(), rel=1e-5)
