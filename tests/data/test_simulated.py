"""Simulated two-level data have the slopes and the variances that they are asked for."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.errors import ModelError

EXACT = {"rtol": 1e-10, "atol": 1e-10}  # nothing but rounding
# Variances of 100,000 draws have a standard error of 0.45%; those of 2,000 clusters 3.2%.
DRAWN_WITHIN, DRAWN_BETWEEN = {"rtol": 0.02}, {"rtol": 0.13}


def parts(data):
    means = data.groupby("cluster")[["x", "y"]].transform("mean")
    return data[["x", "y"]] - means, means


def test_without_residuals_every_cluster_lies_on_its_line():
    data = mt.simulate_within_between(
        within=-0.7, between=2.0, tau2=0, sigma2=0, n_clusters=9, cluster_size=4, seed=3
    )
    deviation, _ = parts(data)
    np.testing.assert_allclose(deviation["y"], -0.7 * deviation["x"], **EXACT)


def test_without_residuals_the_true_means_lie_on_the_between_line():
    """At the true mean of a cluster both lines meet: y - within x = (between - within) m_j."""
    data = mt.simulate_within_between(
        within=1.0, between=3.0, intercept=5.0, tau2=0, sigma2=0, seed=4
    )
    m = (data["y"] - data["x"] - 5.0) / 2.0
    assert m.groupby(data["cluster"]).std().max() < 1e-12
    other = mt.simulate_within_between(within=0.0, between=1.0, tau2=0, sigma2=0, seed=4)
    np.testing.assert_allclose(m, other["y"], **EXACT)


def test_variances_are_those_asked_for():
    data = mt.simulate_within_between(
        within=0.0,
        between=0.0,
        icc_x=0.3,
        tau2=0.5,
        sigma2=2.0,
        n_clusters=2000,
        cluster_size=50,
        seed=5,
    )
    deviation, means = parts(data)
    within = (deviation**2).sum() / (2000 * 49)
    between = means[data["cluster"].diff() != 0].var() - within / 50
    np.testing.assert_allclose(within, [0.7, 2.0], **DRAWN_WITHIN)
    np.testing.assert_allclose(between, [0.3, 0.5], **DRAWN_BETWEEN)


def test_size_labels_and_seed():
    call = {"within": 1.0, "between": -0.5, "n_clusters": 7, "cluster_size": 3}
    data = mt.simulate_within_between(**call, seed=6)
    assert data.groupby("cluster").size().to_dict() == dict.fromkeys(range(1, 8), 3)
    assert data.attrs["title"] == "Simulated: slope 1 within clusters, -0.5 between them"
    assert all("simulated" in text for text in data.attrs["codebook"].values())
    assert data.equals(mt.simulate_within_between(**call, seed=6))
    assert not data.equals(mt.simulate_within_between(**call, seed=7))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"icc_x": 0.0}, "icc_x=0.0 is not between 0 and 1"),
        ({"icc_x": 1.0}, "x must vary within clusters and between them"),
        ({"icc_x": np.nan}, "icc_x=nan"),
        ({"tau2": -1.0}, "tau2=-1.0 is not a variance"),
        ({"sigma2": np.inf}, "sigma2=inf is not a variance"),
        ({"n_clusters": 1}, "n_clusters=1 is not a whole number of 2 or more"),
        ({"cluster_size": 2.5}, "cluster_size=2.5 is not a whole number"),
    ],
)
def test_refuses_what_cannot_be_drawn(setting, words):
    with pytest.raises(ModelError, match=words):
        mt.simulate_within_between(**{"within": 1.0, "between": 1.0, "seed": 1, **setting})
