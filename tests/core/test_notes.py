"""Notes are the same for all fitters: there where they are due, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.notes import recurring_far_outside
from mlteach.core.summary import noted


@pytest.fixture(scope="module")
def clean():
    """Forty clusters of eight; x has no part between clusters, v has one."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(40), 8)
    x = rng.normal(size=320)
    x -= (np.bincount(g, x) / 8)[g]
    v = rng.normal(size=320) + 1.5 * rng.normal(size=40)[g]
    y = 50 + 5 * rng.normal(size=40)[g] + 3 * x + v + 8 * rng.normal(size=320)
    return pd.DataFrame({"g": g, "land": np.where(g < 20, "A", "B"), "x": x, "v": v, "y": y})


FITTERS = {
    "mixed": lambda d: mt.fit_mixed("y ~ x + (1 | g)", d),
    "random slope": lambda d: mt.fit_random_slope("y ~ x", d, cluster="g", slopes=["x"]),
    "centering": lambda d: mt.fit_centering("y ~ v", d, cluster="g"),
    "location_scale": lambda d: mt.fit_location_scale("y ~ x + (1 | g)", "~ x", d),
    "multigroup": lambda d: mt.fit_multigroup(["y", "v"], d, cluster="g", group="land"),
    "pooling": lambda d: mt.compare_pooling("y ~ x", d, cluster="g", folds=2),
}
DAMAGE = {
    "rows are left out for missing values": lambda d: d.assign(
        g=d["g"].astype(float).mask(d.index < 3)
    ),
    "clusters": lambda d: d[d["g"].isin([0, 1, 2, 3, 4, 20, 21, 22, 23])],
    "recurs far from all others: 999": lambda d: d.assign(y=d["y"].mask(d.index % 29 == 0, 999)),
    "recurs far from all others: -99": lambda d: d.assign(y=d["y"].mask(d.index % 29 == 0, -99)),
}
MARKS = {key: "say little about" if key == "clusters" else key for key in DAMAGE}


def notes_of(fitter, data):
    result = FITTERS[fitter](data)
    assert isinstance(result.notes, tuple)
    assert all(note in repr(result) for note in result.notes)
    return result.notes


@pytest.mark.parametrize("fitter", FITTERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_notes_where_they_are_due(clean, fitter, damage, recwarn):
    notes = notes_of(fitter, DAMAGE[damage](clean))
    told = [key for key, mark in MARKS.items() if any(mark in note for note in notes)]
    assert told == [damage]
    announced = any("rows are left out" in str(w.message) for w in recwarn.list)
    assert announced == (damage == "rows are left out for missing values")


@pytest.mark.parametrize("fitter", FITTERS)
def test_no_notes_where_none_are_due(clean, fitter):
    notes = notes_of(fitter, clean)
    assert not any(mark in note for mark in MARKS.values() for note in notes)
    assert not any("NOT CONVERGED" in note or "smushed" in note for note in notes)


@pytest.mark.parametrize("fit", ["mixed", "mean", "variance"])
def test_smushed_predictors_of_either_function(clean, fit):
    def fitted(**more):
        if fit == "mixed":
            return mt.fit_mixed("y ~ v + (1 | g)", clean, **more)
        mean, variance = ("v", "x") if fit == "mean" else ("x", "v")
        return mt.fit_location_scale(f"y ~ {mean} + (1 | g)", f"~ {variance}", clean, **more)

    (note,) = (note for note in fitted().notes if "smushed" in note)
    assert note.startswith("'v' differs within and between")
    assert not any("smushed" in note for note in fitted(smushed_note=False).notes)


@pytest.mark.parametrize("fitter", ["mixed", "location_scale"])
def test_a_variance_of_zero_is_told_in_the_same_words(clean, fitter):
    means = clean.groupby("g")["y"].transform("mean")
    flat = clean.assign(y=clean["y"] - means)
    (note,) = (n for n in notes_of(fitter, flat) if "exactly zero" in n)
    assert note.startswith("The variance of Intercept is estimated as exactly zero: the clusters")


@pytest.mark.parametrize("block", ["x", "x + v"])
def test_a_covariance_matrix_of_deficient_rank(clean, block):
    """Of effects in as many clusters, which leave one direction fewer around their mean."""
    q = len(block.split(" + ")) + 1
    few = clean[clean["g"] < q]
    few = few.assign(y=few["y"] + few["g"] * few["x"] * 9 - few["g"] ** 2 * few["v"])
    fit = mt.fit_mixed(f"y ~ {block} + (1 + {block} | g)", few, smushed_note=False)
    assert (np.diag(fit.tau) > 0).all()
    (note,) = (note for note in fit.notes if "singular fit" in note)
    assert ("deficient rank" if q == 3 else "correlation Intercept:x") in note


def test_rows_without_a_group_are_counted(clean):
    some = clean.assign(land=clean["land"].mask(clean.index < 5))
    with pytest.warns(mt.DataWarning, match=r"5 of 320 rows are left out .* land \(5\)"):
        fit = FITTERS["multigroup"](some)
    assert fit.notes[0].startswith("5 of 320 rows are left out for missing values: land (5)")


# --------------------------------------------------------------------------------------- the codes

RNG = np.random.default_rng(8)
SCORES = RNG.normal(50, 10, 300)
LIKERT = RNG.integers(1, 6, 300).astype(float)
G = np.arange(300) % 30
ORDINARY = {
    "scores": SCORES,
    "answers from 1 to 5": LIKERT,
    "yes or no": RNG.integers(0, 2, 300).astype(float),
    "rare yes": (np.arange(300) < 4).astype(float),
    "counts": RNG.poisson(1.0, 300).astype(float),
    "skewed, rounded": RNG.lognormal(0, 2, 300).round(),
    "one outlier": np.append(SCORES[:-1], 999.0),
    "constant": np.full(300, 99.0),
    "a cluster of its own": np.where(G == 3, 4321.0, SCORES),
    "ages, some of 99": np.append(RNG.integers(1, 95, 296), [99.0] * 4),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_columns_have_no_codes(name):
    assert recurring_far_outside(ORDINARY[name], G) == {}


@pytest.mark.parametrize(
    ("x", "codes"),
    [
        (np.append(SCORES[:290], [-99.0] * 10), {-99.0: 10}),
        (np.concatenate([SCORES[:150], [999.0] * 150]), {999.0: 150}),
        (np.concatenate([SCORES[:280], [999.0] * 10, [-99.0] * 10]), {999.0: 10, -99.0: 10}),
        (np.append(LIKERT[:280], [9.0] * 20), {9.0: 20}),
        (np.append(LIKERT[:290], [97.0] * 3 + [98.0] * 3 + [99.0] * 4), {97: 3, 98: 3, 99: 4}),
        (np.append(ORDINARY["yes or no"][:290], [8.0] * 10), {8.0: 10}),
        (np.append(SCORES[:290], [1e6] * 10), {1e6: 10}),
        (np.append(SCORES[:290], [np.nan] * 5 + [-999.0] * 5), {-999.0: 5}),
    ],
)
def test_values_that_recur_far_outside(x, codes):
    assert recurring_far_outside(x, G) == codes


def test_a_noted_table_keeps_its_notes_when_rounded_or_cut():
    table = noted(pd.DataFrame({"a": [1.234, 2.0], "b": [0.0, 1.0]}), ["Mind <this>."])
    for shown in (table, table.round(1), table[["a"]], table.loc[[0]]):
        assert repr(shown).endswith("Note: Mind <this>.")
        assert "<li>Mind &lt;this&gt;.</li>" in shown._repr_html_()
    assert "Note" not in repr(noted(table, []))
