"""Chapter 14 quotes lavaan: what it quotes is what lavaan said, and ours agrees where it should."""

import ast
import hashlib
import json

import nbformat
import numpy as np
import pytest

import mlteach as mt
from tests.places import ROOT

REFERENCE = ROOT / "tests" / "reference"
STORED = json.loads((REFERENCE / "chapter_14.json").read_text(encoding="utf-8"))
DATA = REFERENCE / "data" / "hsb_four.csv"
CASES = {(case["within"], case["between"]): case for case in STORED["cases"]}
VARIABLES, GROUPS, MEMBERS = ("math", "ses"), ("Catholic", "Public"), 4
# lavaan stops where its objective is flat to 1e-10.
LOG_LIKELIHOOD = 1e-6
ESTIMATE = 1e-4  # relative
MEASURE = 1e-6
# lavaan's two-level estimator stops where its own gradient is small, nearer or farther.
TWO_LEVEL = 1e-5


@pytest.fixture(scope="module")
def cells():
    chapter = nbformat.read(ROOT / "book" / "further_14_multigroup.ipynb", as_version=4)
    return {cell.id: cell.source for cell in chapter.cells}


@pytest.fixture(scope="module")
def four(hsb):
    assert hashlib.sha256(DATA.read_bytes()).hexdigest() == STORED["about"]["sha256"]
    return hsb.groupby("school").sample(MEMBERS, random_state=13)


def fit_of(case, data):
    settings = {"within": case["within"], "between": case["between"]}
    return mt.fit_multigroup(VARIABLES, data, cluster="school", group="sector", **settings)


def label_of(name):
    """Turn "within.math~~ses[Public]" into "W.math.ses.g2"."""
    what, _, group = name.rstrip("]").partition("[")
    level, _, pair = what.partition(".")
    number = f".g{GROUPS.index(group) + 1}" if group else ""
    return f"{level[0].upper()}.{pair.replace('~~', '.')}{number}"


@pytest.mark.parametrize("case", CASES.values(), ids=map("-".join, CASES))
def test_lavaan_ran_the_syntax_that_a_reader_gets(case):
    settings = {"within": case["within"], "between": case["between"]}
    text = mt.lavaan_syntax(VARIABLES, MEMBERS, GROUPS, **settings)
    assert text.split("\n") == case["wide"]["syntax"]


@pytest.mark.parametrize("case", CASES.values(), ids=map("-".join, CASES))
def test_ours_agrees_with_the_wide_format(case, four):
    fit, wide = fit_of(case, four), case["wide"]
    assert fit.llf == pytest.approx(wide["logl"], abs=LOG_LIKELIHOOD)
    assert fit.n_parameters == wide["npar"]
    for name, estimate in fit.params.items():
        assert estimate == pytest.approx(wide["estimate"][label_of(name)], rel=ESTIMATE)
    ours = fit.wide_fit()
    names = {"chisq": "chi2", "pvalue": "p", "rmsea.ci.lower": "rmsea_lower"}
    names |= {"rmsea.ci.upper": "rmsea_upper"}
    for name, value in wide["measures"].items():
        assert ours[names.get(name, name)] == pytest.approx(value, abs=MEASURE, rel=MEASURE)


@pytest.mark.parametrize("case", CASES.values(), ids=map("-".join, CASES))
def test_the_two_level_estimator_stops_short_where_something_is_equal(case, four, hsb):
    is_free = (case["within"], case["between"]) == ("free", "free")
    for which, data in (("long", four), ("full", hsb)):
        gap = fit_of(case, data).llf - case[which]["logl"]
        assert abs(gap) < TWO_LEVEL if is_free else gap > 10 * TWO_LEVEL
        assert case[which]["converged"]
        assert case[which]["warnings"] == []


def test_the_quoted_estimates(cells):
    (assignment,) = [
        node
        for node in ast.parse(cells["lavaan-values"]).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "lavaan"
    ]
    quoted, wide = ast.literal_eval(assignment.value), CASES["free", "equal"]["wide"]
    assert len(quoted) == 9
    for name, printed in quoted.items():
        exact = wide["estimate"][label_of(name)], wide["se"][label_of(name)]
        assert np.allclose(printed, exact, atol=5.001e-4)


def test_the_quoted_log_likelihoods(cells):
    for which, column in (("long", "four"), ("full", "all")):
        line = next(row for row in cells["long"].splitlines() if f'"{column}, lavaan"' in row)
        quoted = ast.literal_eval(line.partition(": ")[2].rstrip(","))
        exact = [case[which]["logl"] for case in CASES.values()]
        assert np.allclose(quoted, exact, atol=5.001e-5)
