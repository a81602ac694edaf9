"""Notes are for what is odd: a clean analysis has none, whichever it is.

The tests of each module show that a note comes where it is due; here, that it stays away elsewhere.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mlteach as mt


@pytest.fixture(scope="module")
def clean():
    """Sixty clusters of ten; x varies within clusters only, w between; an intercept and a slope."""
    rng = np.random.default_rng(11)
    J, n = 60, 10
    g = np.repeat(np.arange(J), n)
    x = rng.normal(size=(J, n))
    x = (x - x.mean(axis=1, keepdims=True)).ravel()
    u = rng.normal(size=(J, 2)) @ np.array([[1.0, 0.2], [0.0, 0.5]])
    w = rng.normal(size=J)[g]
    v = 0.5 * rng.normal(size=J)[g]
    y = 2.0 + x + w + u[g, 0] + u[g, 1] * x + np.exp(0.5 * (0.2 * w + v)) * rng.normal(size=J * n)
    z = 0.5 * y + rng.normal(size=J)[g] + rng.normal(size=J * n)
    side = np.where(g % 2 == 0, "a", "b")
    return pd.DataFrame({"y": y, "z": z, "x": x, "w": w, "g": g, "side": side})


@pytest.fixture(scope="module")
def fits(clean):
    right = ("x + (1 | g)", "x + w + (1 | g)", "x + w + (1 + x | g)")
    return [mt.fit_mixed(f"y ~ {part}", clean, reml=False) for part in right]


ANALYSES = {
    "mixed": lambda data, fits: fits[2].notes,
    "test": lambda data, fits: fits[2].test(["x", "w"]).notes,
    "robust test": lambda data, fits: fits[2].test(["x", "w"], robust="CR2").notes,
    "compare fixed parts": lambda data, fits: mt.compare(*fits[:2]).attrs["notes"],
    "icc": lambda data, fits: mt.icc(fits[0]).notes,
    "r_squared": lambda data, fits: mt.r_squared(fits[1], fits[0]).notes,
    "r_squared of nothing more": lambda data, fits: mt.r_squared(fits[1], fits[1]).notes,
    "intervals": lambda data, fits: fits[2].confint(which="all").attrs["notes"],
    "profiles of SDs": lambda data, fits: (
        mt.fit_mixed("y ~ x + (1 | g)", data).confint("profile", which="random").attrs["notes"]
    ),
    "variance function": lambda data, fits: fits[2].variance_function("x").attrs["notes"],
    "effect sizes": lambda data, fits: mt.effect_sizes(fits[0]).attrs["notes"],
    "pooling": lambda data, fits: mt.compare_pooling("y ~ x", data, cluster="g", folds=3).notes,
    "shrinkage": lambda data, fits: mt.shrinkage(fits[0]).attrs["notes"],
    "center": lambda data, fits: mt.center(data, "y", cluster="g").attrs["notes"],
    "pool": lambda data, fits: mt.pool([fits[2], fits[2]]).attrs["notes"],
    "little_mcar": lambda data, fits: mt.little_mcar(
        data.assign(z=data["z"].where(data["x"] < 1.0)), ["y", "z"]
    ).attrs["notes"][2:],
    "centering": lambda data, fits: mt.fit_centering("z ~ y", data, cluster="g").notes,
    "location-scale": lambda data, fits: (
        mt.fit_location_scale("y ~ x + w + (1 | g)", "~ w + (1 | g)", data).notes
    ),
    "level-2 functions": lambda data, fits: (
        mt.fit_location_scale(
            "y ~ x + w + (1 | g)", "~ w + (1 | g)", data, between={"Intercept": "~ w"}
        ).notes
    ),
    "multigroup": lambda data, fits: (
        mt.fit_multigroup(["y", "z"], data, cluster="g", group="side").notes
    ),
    "impute": lambda data, fits: mt.impute(
        data.assign(z=data["z"].where(data["x"] < 1.0)), ["y", "z"], cluster="g", m=2, seed=1,
        burn=50, thin=20,
    ).notes[1:],
}  # fmt: skip


@pytest.mark.parametrize("name", ANALYSES)
def test_a_clean_analysis_has_no_notes(name, clean, fits):
    assert list(ANALYSES[name](clean, fits)) == []


ASKED = {
    "icc": lambda fit: mt.icc(fit).notes,
    "effect sizes": lambda fit: mt.effect_sizes(fit).attrs["notes"],
    "r_squared": lambda fit: mt.r_squared(fit).notes,
    "shrinkage": lambda fit: mt.shrinkage(fit).attrs["notes"],
    "variance function": lambda fit: fit.variance_function("x").attrs["notes"],
    "simple slopes": lambda fit: mt.simple_slopes(fit, "x", "w").attrs["notes"],
    "intervals": lambda fit: fit.confint("wald").attrs["notes"],
    "test": lambda fit: fit.test("x").notes,
    "compare": lambda fit: mt.compare(fit, fit).attrs["notes"],
}


@pytest.mark.parametrize("name", ASKED)
def test_answers_of_a_fit_that_has_not_converged_say_so(name, clean):
    crossed = mt.fit_mixed("y ~ x * w + (1 + x | g)", clean)
    record = replace(crossed.optimizer, converged=False, status="did not converge: asked")
    for fit, told in ((crossed, False), (replace(crossed, optimizer=record), True)):
        notes = ASKED[name](fit)
        assert any("converge" in note.casefold() for note in notes) == told


def test_a_boundary_of_the_smaller_model_matters_to_tests_of_random_effects_only(clean):
    """Tests of coefficients rest on no boundary."""
    flat = clean.assign(y=clean["y"] - clean.groupby("g")["y"].transform("mean"))
    smaller, larger = (
        mt.fit_mixed(f"y ~ {part} + (1 | g)", flat, reml=False) for part in ("1", "x")
    )
    assert smaller.singular
    assert not any("reference is exact" in n for n in mt.compare(smaller, larger).attrs["notes"])


def test_a_variance_is_said_to_be_tested_where_one_is(clean, fits):
    assert any("tests a variance" in note for note in mt.compare(*fits[1:]).attrs["notes"])


def test_few_degrees_of_freedom_alone_are_no_reason_to_distrust_p(clean):
    """Satterthwaite's p-values are made for them; robust ones are not."""
    fit = mt.fit_mixed("y ~ w + (1 | g)", clean[clean["g"] < 5])
    ordinary, robust = fit.test("w"), fit.test("w", robust="CR2")
    assert ordinary.table["df"].iloc[0] < 4
    assert ordinary.notes == ()
    assert any("fewer than 4" in note for note in robust.notes)
