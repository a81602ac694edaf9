"""The sandwich itself: its algebra, its small-sample factor (none), and what it refuses."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.core.sandwich import check_robust, cluster_sandwich
from mlteach.errors import ModelError


def test_it_is_the_product_of_three_matrices() -> None:
    rng = np.random.default_rng(1)
    scores, root = rng.normal(size=(12, 3)), rng.normal(size=(3, 3))
    bread = root @ root.T
    meat = sum(np.outer(s, s) for s in scores)
    np.testing.assert_allclose(cluster_sandwich(bread, scores), bread @ meat @ bread, rtol=1e-12)


def test_no_small_sample_factor(hsb) -> None:
    """Clusters of one size have a closed form: the mean square around the estimate, over J."""
    ten = hsb.groupby("school").head(10)
    ten = ten.groupby("school").filter(lambda rows: len(rows) == 10)
    fit = mt.fit_multigroup("math", ten, cluster="school", robust="cluster")
    by_school = ten.groupby("school")["math"]
    means, variances, J = by_school.mean(), by_school.var(ddof=1), fit.n_clusters
    within = fit.within["all"].iloc[0, 0]
    closed = [np.sqrt(np.sum((means - means.mean()) ** 2)) / J]
    closed += [np.sqrt(np.sum((variances - within) ** 2)) / J]
    ours = fit.bse[["mean.math", "within.math~~math"]]
    np.testing.assert_allclose(ours, closed, rtol=1e-6)  # estimates from a search


@pytest.mark.parametrize("robust", ["CR2", True, "clusters", 1])
def test_unknown_kinds_are_refused(robust) -> None:
    with pytest.raises(ModelError, match="choose 'cluster'"):
        check_robust(robust)
