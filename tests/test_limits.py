"""Limits of what is derived from estimates, against numerical derivatives and stated scales.

On the scale that the documentation of a table names, both limits are as far from the estimate as
the standard error says.
"""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt

Z = 1.959963984540054
RELATIVE = 1e-5  # central differences of smooth functions
STEP = 1e-5


def logit(x):
    return np.log(x / (1.0 - x))


def log_rest(x):
    return -np.log(1.0 - x)


@pytest.fixture(scope="module")
def sloped(london):
    """Two location effects and a scale effect, whose correlations are positive."""
    return mt.fit_location_scale(
        "score16 ~ score11 + (1 + score11 | school)", "~ score11 + girl + (1 | school)", london
    )


def numeric(fit, function):
    """Value of a function of the estimates and its standard error, by central differences."""
    end = fit.optimizer.end
    slopes = [
        (function(fit.at(end + step)) - function(fit.at(end - step))) / (2.0 * STEP)
        for step in STEP * np.eye(len(end))
    ]
    return function(fit), float(np.sqrt(slopes @ fit.cov_scaled @ np.array(slopes)))


@pytest.mark.parametrize(("which", "sign"), [("sloped", 1), ("hsb_scale", -1)])
def test_components_of_location_scale_models(which, sign, request):
    fit = request.getfixturevalue(which)
    table, names = fit.components, list(fit.effects)
    assert len(table) == len(names) * (len(names) + 1) // 2
    assert (sign * table["correlation"].dropna() > 0.1).all()
    for label, row in table.iterrows():
        ends = next((a, b) for a in names for b in names if label == (a if a == b else f"{a}:{b}"))
        scale = np.log if label in names else np.arctanh
        covariance, se = numeric(fit, lambda e, ends=ends: e.random.loc[ends])
        assert row["estimate"] == covariance
        assert row["se"] == pytest.approx(se, rel=RELATIVE), label

        def shown(e, ends=ends):
            a, b = ends
            size = e.random.loc[a, a] * e.random.loc[b, b]
            return e.random.loc[a, b] / (1.0 if a == b else np.sqrt(size))

        value, error = numeric(fit, lambda e, scale=scale, shown=shown: scale(shown(e)))
        assert scale(row[["lower", "upper"]].to_numpy(float)) == pytest.approx(
            [value - Z * error, value + Z * error], rel=RELATIVE, abs=RELATIVE
        ), label
        if label not in names:
            assert row["correlation"] == pytest.approx(fit.correlations.loc[ends], rel=1e-12)
            assert row["correlation"] == pytest.approx(shown(fit), rel=1e-12)


def test_components_on_the_bound():
    """An effect without variance keeps its rows, and says nothing of what cannot be known."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 15)
    data = pd.DataFrame({"g": g, "y": rng.normal(size=600)})
    data["y"] -= data.groupby("g")["y"].transform("mean")
    fit = mt.fit_location_scale("y ~ 1 + (1 | g)", "~ 1 + (1 | g)", data)
    table = fit.components
    assert table.index.tolist() == ["Intercept", "Intercept:scale:Intercept", "scale:Intercept"]
    assert table["estimate"].iloc[:2].to_numpy() == pytest.approx(0.0, abs=1e-6)
    assert table.drop(columns="estimate").iloc[:2].isna().all(axis=None)


def columns(table, estimate, limits=""):
    """A quantity and its limits under the usual names."""
    own = [estimate, f"{limits}lower", f"{limits}upper"]
    return table[own].set_axis(["estimate", "lower", "upper"], axis=1)


SECTORS = pd.DataFrame({"catholic": [0, 1]})
TABLES = {
    "variances of effects": ("sloped", np.log, lambda f: f.components.loc[f.effects]),
    "association": ("sloped", np.asarray, lambda f: f.association.iloc[:-1]),
    "what an association leaves": ("sloped", np.log, lambda f: f.association.iloc[-1:]),
    "log variances": ("sloped", np.asarray, lambda f: f.log_variance),
    "predicted means": ("sloped", np.asarray, lambda f: columns(f.predict(), "mean", "mean_")),
    "predicted SDs": ("sloped", np.log, lambda f: columns(f.predict(), "sd", "sd_")),
    "variances of rows": (
        "hsb_scale", np.log, lambda f: columns(f.variance_ratios(SECTORS), "variance")
    ),
    "ratios of rows": (
        "hsb_scale", np.log, lambda f: columns(f.variance_ratios(SECTORS), "ratio", "ratio_")[1:]
    ),
    "icc of rows": ("hsb_scale", logit, lambda f: f.icc_at(SECTORS)),
    "variances of clusters": (
        "hsb_scale", np.log, lambda f: columns(f.cluster_variances(), "variance")
    ),
    "icc of clusters": (
        "hsb_scale", logit, lambda f: columns(f.cluster_variances(), "icc", "icc_")
    ),
    "SDs and correlations": ("hsb_slopes", np.asarray, lambda f: f.confint("wald", "random")),
    "means and (co)variances": ("hsb_groups", np.asarray, lambda f: f.parameters),
    "icc of groups": ("hsb_groups", log_rest, lambda f: f.icc_table),
    "ratios of groups": ("hsb_groups", np.log, lambda f: f.variance_ratios),
    "correlations of groups": ("hsb_groups", np.arctanh, lambda f: f.correlations),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_limits_are_symmetric_on_their_scale(name, request):
    which, scale, table_of = TABLES[name]
    table = table_of(request.getfixturevalue(which))
    known = table[["estimate", "lower", "upper"]].dropna().astype(float)
    assert len(known)
    assert (known["lower"] < known["estimate"]).all()
    assert (known["estimate"] < known["upper"]).all()
    centre, lower, upper = (scale(known[c].to_numpy()) for c in known)
    assert upper - centre == pytest.approx(centre - lower, rel=1e-6)
    if "se" in table:
        se = table.loc[known.index, "se"].to_numpy(float)
        ends = (scale(known["estimate"].to_numpy() + side * STEP * se) for side in (1, -1))
        slope = np.subtract(*ends) / (2 * STEP * se)
        assert upper - centre == pytest.approx(Z * slope * se, rel=1e-4)
