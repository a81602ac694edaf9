"""Separate fits of clusters: against their definition, and against what was simulated."""

import numpy as np
import pandas as pd
import pytest

from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.separate_fits import (
    cluster_estimates,
    inverse_wishart_from_separate_fits,
)
from mlteach.location_scale.design import location_scale_design

# The score equations are solved by Fisher scoring to rounding.
SOLVED = 1e-6
MODEL = "y ~ w + x + (1 + x | g)"
VARIANCE = "~ w + (1 + x | g)"
TRUE = np.array([4.0, 1.0, 0.3, 0.1])


@pytest.fixture(scope="module")
def data():
    """Two hundred clusters of forty rows; both functions have a random slope, all independent."""
    rng = np.random.default_rng(3)
    J, n = 200, 40
    g = np.repeat(np.arange(J), n)
    x, w = rng.standard_normal(J * n), np.repeat(rng.standard_normal(J), n)
    u0, u1, v0, v1 = np.sqrt(TRUE)[:, None] * rng.standard_normal((4, J))
    sd = np.exp(0.5 * (1.0 + 0.3 * w + v0[g] + v1[g] * x))
    y = 10.0 + w + 2.0 * x + u0[g] + u1[g] * x + sd * rng.standard_normal(J * n)
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g})


@pytest.fixture(scope="module")
def d(data):
    return location_scale_design(MODEL, VARIANCE, data)


def test_location_estimates_are_least_squares_within_clusters(data, d):
    effects = Effects.of(d, True)
    estimate, variance = cluster_estimates(d, effects)
    user = estimate * effects.unit
    rows = data[data["g"] == 5]
    Z = np.column_stack([np.ones(len(rows)), rows["x"]])
    residual = rows["y"] - np.column_stack([Z[:, 0], rows["w"], rows["x"]]) @ d.scaling.b0
    assert user[5, 2:] == pytest.approx(np.linalg.lstsq(Z, residual, rcond=None)[0])
    ratio = (variance * effects.unit**2)[5, 2:] / np.diag(np.linalg.inv(Z.T @ Z))
    assert ratio[0] == pytest.approx(ratio[1])


def test_scale_estimates_solve_the_score_equations(d):
    """S'(squares / fitted - 1) = 0 in each cluster, with squares over their share of freedom."""
    effects = Effects.of(d, True)
    v = cluster_estimates(d, effects)[0][:, :2] * effects.unit[:2]
    # Two clusters: what is left of the level of the variance is the same in both.
    fitted = []
    for j in (5, 9):
        at = d.order[d.rows.starts[j] : d.rows.starts[j] + d.rows.n[j]]
        Z, S = d.mean.Z[at], d.S[at]
        hat = Z @ np.linalg.inv(Z.T @ Z) @ Z.T
        residual = (d.mean.y - d.mean.X @ d.scaling.b0)[at]
        ratio = (residual - hat @ residual) ** 2 / (1.0 - np.diag(hat)) / np.exp(S @ v[j])
        # The level depends on w only, so it is one factor in the cluster.
        assert S[:, 1] @ (ratio / ratio.mean() - 1.0) == pytest.approx(0.0, abs=SOLVED)
        fitted.append((np.log(ratio.mean()), float(d.W[at][0, 1])))
    (one, w1), (other, w2) = fitted
    assert (one - other) / (w1 - w2) == pytest.approx(0.3, abs=0.15)


def test_prior_is_near_what_was_simulated(d):
    effects = Effects.of(d, True)
    S = inverse_wishart_from_separate_fits(d, effects).scale
    assert (S - np.diag(np.diag(S)) == 0.0).all()
    assert np.diag(S) / 4 == pytest.approx(TRUE, rel=0.3)


def test_order_is_that_of_the_block(d):
    one, apart = Effects.of(d, True), Effects.of(d, False)
    together, alone = (inverse_wishart_from_separate_fits(d, e).scale for e in (one, apart))
    assert np.diag(together) == pytest.approx(2.0 * np.diag(alone))


def test_units_do_not_matter(data, d):
    other = location_scale_design(MODEL, VARIANCE, data.assign(y=100.0 * data["y"] - 7.0))
    ours, theirs = (
        inverse_wishart_from_separate_fits(x, e).natural(e, e.blocks[0])[0]
        for x, e in ((d, Effects.of(d, True)), (other, Effects.of(other, True)))
    )
    assert theirs == pytest.approx(ours, rel=1e-8)


def test_too_few_rows_a_cluster(data):
    few = location_scale_design(MODEL, VARIANCE, data.groupby("g").head(8))
    with pytest.raises(ModelError, match="0 of 200"):
        inverse_wishart_from_separate_fits(few, Effects.of(few, True))
