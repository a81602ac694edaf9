"""The note on predictors that enter unsplit: when it comes, and when it does not."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.design import design
from mlteach.core.formula import parse
from mlteach.mixed.smushing import smushed_note, smushed_predictors


def found(formula, data):
    return smushed_predictors(design(parse(formula), data))


@pytest.fixture(scope="module")
def centred(hsb):
    return mt.center(hsb, ["ses", "female"], cluster="school")


@pytest.mark.parametrize(
    ("formula", "fixed", "random"),
    [
        ("math ~ ses + (1 | school)", ["ses"], []),
        ("math ~ ses + (1 + ses | school)", ["ses"], []),
        ("math ~ ses + minority + catholic + (1 | school)", ["ses", "minority"], []),
        # The published school mean, the centred one, and any combination with others will do.
        ("math ~ ses + mean_ses + (1 | school)", [], []),
        ("math ~ ses + ses_between + catholic + (1 | school)", [], []),
        ("math ~ ses_within + (1 + ses_within | school)", [], []),
        ("math ~ ses_within * catholic + ses_between + (1 + ses_within | school)", [], []),
        # The mean in the fixed part does not split the random slope.
        ("math ~ ses + mean_ses + (1 + ses | school)", [], ["ses"]),
        ("math ~ catholic + (1 | school)", [], []),
        ("math ~ 1 + (1 | school)", [], []),
        ("math ~ ses * catholic + mean_ses + (1 | school)", [], []),
    ],
)
def test_hsb(formula, fixed, random, centred):
    assert found(formula, centred) == (fixed, random)


def test_a_category_is_one_predictor_as_well(hsb):
    data = hsb.assign(group=np.where(hsb["minority"] == 1, "minority", "other"))
    fixed, _ = found("math ~ group + (1 | school)", data)
    assert fixed == ["group[T.other]"]


def test_sampling_alone_is_no_reason():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(60), 10)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=600)})
    data["y"] = data["x"] + rng.normal(size=60)[g] + rng.normal(size=600)
    assert found("y ~ x + (1 | g)", data) == ([], [])
    data["x"] += rng.normal(size=60)[g]
    assert found("y ~ x + (1 | g)", data) == (["x"], [])


def test_balanced_time_is_no_reason():
    data = pd.DataFrame({"g": np.repeat(np.arange(9), 4), "t": np.tile(np.arange(4), 9)})
    data["y"] = np.random.default_rng(0).normal(size=36) + data["t"]
    assert found("y ~ t + (1 + t | g)", data) == ([], [])


def test_note_comes_once_and_can_be_silenced(hsb):
    fit = mt.fit_mixed("math ~ ses + minority + (1 + ses | school)", hsb)
    notes = [note for note in fit.notes if "smushed" in note]
    assert notes == [
        "'ses' and 'minority' differ within and between the clusters (school) but have one slope "
        "each, a blend of two effects ('smushed'); split them with mt.center, or silence this note "
        "with smushed_note=False."
    ]
    assert str(fit).count("('smushed')") == 1
    quiet = mt.fit_mixed("math ~ ses + (1 | school)", hsb, smushed_note=False)
    assert not any("smushed" in note for note in quiet.notes)


def test_sentence_on_a_random_slope(hsb):
    d = design(parse("math ~ ses + mean_ses + (1 + ses | school)"), hsb)
    assert smushed_note(d).startswith("The random slope of 'ses', which differs within and between")


def test_a_comma_in_a_name_does_not_end_it(hsb):
    d = design(parse("math ~ poly(ses, 2) + (1 | school)"), hsb)
    assert smushed_note(d).startswith("'poly(ses, 2)[1]' and 'poly(ses, 2)[2]' differ within")
