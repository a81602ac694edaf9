"""The multigroup model against lavaan's factor model of the wide table, on raw long data."""

import hashlib
import json
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "multigroup.json").read_text())["cases"]
TWO_LEVEL = json.loads((REFERENCE / "lavaan.json").read_text())["cases"]
BALANCED = [case for case in CASES if "measures" in case["wide"]]
LONG = [case for case in CASES if "long" in case]

# Tolerances with their reasons. lavaan's estimates were taken to the root of its own gradient.
LOGL = 1e-9  # relative, and LOGL_APART absolute: the promise of the project
LOGL_APART = 1e-6
ESTIMATE = 1e-9  # of a standard error; rounding of two searches that end on the gradient
STANDARD_ERROR = 1e-7  # relative; lavaan's are numerical second derivatives
MEASURE = 1e-7  # relative and absolute, of chi-square and indices
LIMIT = 2e-6  # absolute; lavaan's root search for the limits of RMSEA stops early

MEASURES = {
    "chi2": "chisq",
    "df": "df",
    "p": "pvalue",
    "cfi": "cfi",
    "tli": "tli",
    "rmsea": "rmsea",
    "srmr": "srmr",
    "llf": "logl",
    "llf_saturated": "unrestricted.logl",
    "chi2_baseline": "baseline.chisq",
    "df_baseline": "baseline.df",
}


def by_id(case):
    return case["id"]


@cache
def table(path, sha256):
    """Return a data set, the one that lavaan has seen."""
    assert hashlib.sha256((REFERENCE / path).read_bytes()).hexdigest() == sha256
    return pd.read_csv(REFERENCE / path)


def rows_of(case):
    """Return the rows of a case: its groups, and without the third occasion where it says so."""
    data = table(case["data"], case["sha256"])
    data = data[data["group"].isin(case["groups"])]
    return data[data["occasion"] != "follow"] if case["id"].startswith("pre_post") else data


@cache
def fit_of(number):
    """Fit case ``number``."""
    case = CASES[number]
    group = "group" if len(case["groups"]) > 1 else None
    settings = {name: case[name] for name in ("within", "between", "means", "equal", "position")}
    data = rows_of(case)
    return mt.fit_multigroup(case["variables"], data, cluster="cluster", group=group, **settings)


def fit(case):
    return fit_of(CASES.index(case))


def our_name(name, case):
    """Translate ``within.x1_2~~x2_2[A]`` of the reference to ``within.x1~~x2@post[A]``."""
    if len(case["groups"]) == 1:
        name = name.split("[")[0]
    member = re.search(r"_(\d)(?=\[|$)", name)
    if not case["position"] or not member:
        return name
    occasion = ["pre", "post", "follow"][int(member[1]) - 1]
    name = re.sub(r"_\d", "", name)
    stem, bracket, rest = name.partition("[")
    return f"{stem}@{occasion}{bracket}{rest}"


def reference(case, what):
    """Return estimates or standard errors of a case by our names."""
    return pd.Series({our_name(k, case): v for k, v in case["wide"][what].items()})


def test_the_reference_covers_what_it_should():
    ids = {case["id"] for case in CASES}
    assert len(ids) == len(CASES) > 90
    for p in range(1, 5):
        for K in range(2, 5):
            models = {i for i in ids if i.startswith(f"balanced_p{p}_K{K}")}
            assert len(models) == 5


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_log_likelihood(case):
    ours, theirs = fit(case), case["wide"]
    assert ours.converged
    assert ours.n_parameters == theirs["npar"]
    assert abs(ours.llf - theirs["logl"]) < min(LOGL_APART, LOGL * abs(theirs["logl"]))


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_estimates_and_standard_errors(case):
    ours = fit(case)
    estimate, se = reference(case, "estimate"), reference(case, "se")
    assert set(estimate.index) == set(ours.params.index)
    away = (ours.params - estimate) / se
    assert away.abs().max() < ESTIMATE
    assert np.allclose(ours.bse[se.index], se, rtol=STANDARD_ERROR)
    assert np.array_equal(ours.parameters["estimate"], ours.params)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_tables_hold_the_parameters(case):
    ours = fit(case)
    estimate = reference(case, "estimate")
    for name, value in estimate.items():
        level, what = name.split(".", 1)
        what, _, group = what.rstrip("]").partition("[")
        what, _, position = what.partition("@")
        for g in [group] if group else ours.groups:
            if level == "mean":
                row = (g, position) if position else g
                found = ours.means.loc[row, what]
            else:
                left, right = what.split("~~")
                matrix = getattr(ours, level)[(g, position) if position else g]
                assert matrix.loc[left, right] == matrix.loc[right, left]
                found = matrix.loc[left, right]
            assert np.isclose(found, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", BALANCED, ids=by_id)
def test_fit_measures(case):
    ours, theirs = fit(case).wide_fit(), case["wide"]["measures"]
    for name, known in MEASURES.items():
        if theirs["df"] == 0 and name in ("p", "tli", "rmsea"):
            continue  # nothing to test: lavaan gives no p and defines the others as 1 and 0
        assert np.isclose(ours[name], theirs[known], rtol=MEASURE, atol=MEASURE), name
    if theirs["df"]:
        assert abs(ours["rmsea_lower"] - theirs["rmsea.ci.lower"]) < LIMIT
        assert abs(ours["rmsea_upper"] - theirs["rmsea.ci.upper"]) < LIMIT
    assert np.isclose(fit(case).aic, theirs["aic"], rtol=LOGL)


@pytest.mark.parametrize(
    "case", [case for case in CASES if "measures" not in case["wide"]], ids=by_id
)
def test_without_balanced_complete_data_there_are_no_fit_measures(case):
    with pytest.raises(mt.ModelError, match="mt.compare instead"):
        fit(case).wide_fit()


@pytest.mark.parametrize("case", [case for case in CASES if "implied" in case["wide"]], ids=by_id)
def test_implied_matrices(case):
    ours, theirs = fit(case), case["wide"]
    for group, expected in theirs["implied"].items():
        V = ours.implied(group, theirs["n"])
        assert list(V.columns) == list(V.index)
        order = theirs["columns"]
        assert np.allclose(V.loc[order, order], expected["cov"], rtol=1e-6, atol=1e-7)
        mean = ours.implied_mean(group, theirs["n"])
        assert np.allclose(mean[order], expected["mean"], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in CASES if c["id"].startswith("repelled")], ids=by_id)
def test_negative_variances_are_kept_and_named(case):
    ours = fit(case)
    negative = ours.parameters[ours.parameters["flag"] == "negative variance"]
    assert set(negative["level"]) == {"between"}
    assert set(negative["left"]) == {"x1"}
    assert (negative["estimate"] < 0).all()
    assert any(note.startswith("Negative variance: between.x1~~x1") for note in ours.notes)


@pytest.mark.parametrize("case", LONG, ids=by_id)
def test_lavaan_two_level_stops_short_where_parameters_are_equal(case):
    # Chapter 14 shows this peer; it is never above the maximum, and at it only where all is free.
    gap = fit(case).llf - case["long"]["logl"]
    assert gap > -LOGL_APART
    if case["long"]["converged"] and case["within"] == case["between"] == "free":
        assert gap < 1e-4
    elif "equal" in (case["within"], case["between"]):
        assert gap > 1e-3


# "repelled" has no between effect: its predictor has a negative variance there.
@pytest.mark.parametrize(
    "case", [c for c in TWO_LEVEL if not c["level2"] and c["id"] != "repelled"], ids=by_id
)
def test_latent_regression_is_lavaan_two_level_path_model(case):
    data = table(case["data"], case["sha256"])
    variables = [case["y"], *case["both"]]
    model = mt.fit_multigroup(variables, data, cluster=case["cluster"])
    assert np.isclose(model.llf, case["path"]["logl"], rtol=LOGL)
    effects = mt.latent_regression(model, case["y"], case["both"])
    theirs = case["path"]["effects"]
    for name, estimate in theirs["estimate"].items():
        row = effects.loc[("all", *name.split(" ", 1))]
        se = theirs["se"][name]
        assert abs(row["estimate"] - estimate) < 1e-5 * se
        assert np.isclose(row["se"], se, rtol=1e-5)
