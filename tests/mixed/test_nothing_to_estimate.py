"""Data from which a variance cannot be estimated are refused by every fitter, in our own words."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import mlteach as mt

RNG = np.random.default_rng(0)
G = np.repeat(np.arange(12), 6)
TABLE = pd.DataFrame(
    {"g": G, "x": RNG.normal(size=72) + RNG.normal(size=12)[G], "y": RNG.normal(size=72)}
)
FITTERS = {
    "mixed": lambda d: mt.fit_mixed("y ~ x + (1 | g)", d),
    "slope": lambda d: mt.fit_random_slope("y ~ x", d, cluster="g", slopes=["x"]),
    "profile": lambda d: mt.fit_empty("y", d, cluster="g").confint("profile", "all"),
    "centering": lambda d: mt.fit_centering("y ~ x", d, cluster="g"),
    "location_scale": lambda d: mt.fit_location_scale("y ~ x + (1 | g)", "~ x", d),
    "random scale": lambda d: mt.fit_location_scale("y ~ x + (1 | g)", "~ 1 + (1 | g)", d),
    "pooling": lambda d: mt.compare_pooling("y ~ x", d, cluster="g"),
    "multigroup": lambda d: mt.fit_multigroup(["y", "x"], d, cluster="g"),
}
TABLES = {
    "constant in every cluster": TABLE.assign(y=RNG.normal(size=12)[G]),
    "one cluster": TABLE.assign(g=1),
    "a cluster a row": TABLE.assign(g=np.arange(72)),
    "constant": TABLE.assign(y=3.0),
}


@pytest.mark.parametrize("fitter", FITTERS)
@pytest.mark.parametrize("table", TABLES)
def test_data_without_a_variance_are_refused(fitter, table):
    with pytest.raises(mt.MLTeachError):
        FITTERS[fitter](TABLES[table])


def test_an_outcome_that_predictors_and_clusters_reproduce():
    exact = TABLE.assign(y=TABLE["x"] + RNG.normal(size=12)[G])
    with pytest.raises(mt.DataError, match="reproduced exactly by the fixed and the random"):
        FITTERS["mixed"](exact)
    # One part in 1e10 is not nothing: the fit is as good as its digits.
    nearly = exact.assign(y=exact["y"] + 1e-5 * RNG.normal(size=72))
    assert FITTERS["mixed"](nearly).params["x"] == pytest.approx(1.0, abs=1e-4)


def test_half_of_two_clusters_is_one(recwarn):
    with pytest.raises(mt.ModelError, match="Without fold 0 .* one value only"):
        mt.compare_pooling("y ~ x", TABLE.assign(g=G % 2), cluster="g", leave="clusters", folds=2)


@pytest.mark.parametrize("predictor", ["1", "w"])
def test_clusters_that_never_change_have_no_log_variance(predictor):
    g = np.repeat(np.arange(50), 8)
    spread = np.exp(0.4 * RNG.normal(size=50))[g]
    y = RNG.normal(size=50)[g] + spread * RNG.normal(size=400)
    still = pd.DataFrame({"g": g, "w": g % 2, "y": np.where(np.isin(g, [3, 7]), 1.0, y)})
    formula = f"y ~ {predictor} + (1 | g)"
    with pytest.raises(mt.DataError, match=r"never changes in 2 cluster\(s\) of 'g' \(3, 7\)"):
        mt.fit_location_scale(formula, "~ 1 + (1 | g)", still)
    with pytest.raises(mt.DataError, match="never changes"):
        mt.fit_location_scale(formula, "~ 1 + (1 | g)", still, method="bayes")
    rest = still[still.groupby("g")["y"].transform("nunique") > 1]
    assert mt.fit_location_scale(formula, "~ 1 + (1 | g)", rest).converged
    assert mt.fit_location_scale(formula, "~ 1", still).converged


@pytest.mark.parametrize("still", [0, 4, 30])
def test_of_pairs_that_never_change_a_few_are_told_of_and_many_are_refused(still):
    """The likelihood of a pair without any difference is unbounded too, but far from the rest."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(40), 2)
    y = rng.normal(size=40)[g] + np.exp(0.2 * rng.normal(size=40))[g] * rng.normal(size=80)
    pairs = pd.DataFrame({"g": g, "y": np.where(g < still, y[2 * g], y)})
    fit = partial(mt.fit_location_scale, "y ~ 1 + (1 | g)", "~ 1 + (1 | g)", pairs)
    if still == 30:
        with pytest.raises(mt.DataError, match=r"never changes in 30 cluster\(s\) of 'g'"):
            fit()
    else:
        result = fit()
        assert result.converged
        told = [note for note in result.notes if "never changes in 4 cluster(s)" in note]
        assert len(told) == bool(still)
