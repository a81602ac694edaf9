"""What fit_centering splits, and what it refuses to."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.centering.formula import centering_formula


def test_levels_are_told_apart(hsb):
    spec = centering_formula("math ~ ses + sector * pracad + female", hsb, "school", ["ses"])
    assert spec.predictors == ("ses", "female")
    assert set(spec.level2) == {"sector", "pracad", "sector:pracad"}
    assert spec.columns == ("female", "math", "pracad", "sector", "ses", "school")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smushed", "math ~ ses + female + catholic + (1 + ses | school)"),
        ("within", "math ~ ses_within + female_within + catholic + (1 + ses_within | school)"),
        ("between", "math ~ ses_between + female_between + catholic + (1 | school)"),
        (
            "within_between",
            "math ~ ses_within + female_within + ses_between + female_between + catholic + "
            "(1 + ses_within | school)",
        ),
        (
            "contextual",
            "math ~ ses + female + ses_between + female_between + catholic + (1 + ses | school)",
        ),
    ],
)
def test_five_models(name, expected, hsb):
    spec = centering_formula("math ~ ses + female + catholic", hsb, "school", ["ses"])
    assert spec.formula(name) == expected


@pytest.mark.parametrize(
    ("formula", "arguments", "error", "message"),
    [
        ("math ~ ses + (1 | school)", {}, mt.FormulaError, "already has a random part"),
        ("math ~ 0 + ses", {}, mt.FormulaError, "has no intercept"),
        ("math ~ ses * catholic", {}, mt.FormulaError, "'ses:catholic' uses the level-1 predictor"),
        ("math ~ np.log(ses + 9)", {}, mt.FormulaError, "'ses' inside a product or a function"),
        ("math ~ catholic + size", {}, mt.ModelError, "no predictor that varies within 'school'"),
        ("math ~ 1", {}, mt.ModelError, "no predictor that varies"),
        ("math ~ sess", {}, mt.DataError, "Did you mean 'ses'"),
        ("math ~ ses", {"cluster": "schol"}, mt.DataError, "Did you mean 'school'"),
        ("math ~ ses", {"slopes": ["female"]}, mt.FormulaError, "'female' in slopes is not among"),
        ("math ~ ses", {"slopes": 3}, mt.ModelError, "slopes=3 is not a name or a list"),
        ("math ~ ses", {"cluster": None}, mt.DataError, "Column 'None'"),
        ("math ~ ses + mean_ses", {}, mt.ModelError, "'mean_ses' is the school mean of 'ses'"),
        ("math ~ ses_within", {}, mt.ModelError, "'ses_within' has the same mean in every school"),
        ("sector ~ ses", {}, mt.DataError, "outcome 'sector' is not numeric"),
    ],
)
def test_bad_requests_are_named(formula, arguments, error, message, hsb):
    data = mt.center(hsb, ["ses"], cluster="school").assign(
        who=np.where(hsb["female"] == 1, "girl", "boy"), **{"a b": hsb["ses"]}
    )
    with pytest.raises(error, match=message):
        mt.fit_centering(formula, data, **{"cluster": "school", **arguments})
