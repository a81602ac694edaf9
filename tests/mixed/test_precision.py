"""Correct digits of the mixed model against 60-digit arithmetic.

The reference is ``reference/mpmath.json`` (script: ``reference/make_mpmath.py``): the 11 NIST StRD
analysis-of-variance sets, whose ML and REML answers are closed forms of the certified mean squares,
and models with offsets, extreme scales and an intra-class correlation of .99999999.

Each case has two true answers. "float64" is the answer for the data as doubles hold them: how well
we compute. "decimal" is the answer for the numbers as printed in the file: how well a user is
served; reading 1000000000000.4 into a double already changes the within-treatment variance in the
fifth digit, and no program that reads doubles can undo that.
"""

import csv
import functools
import hashlib
import json
import math

import pandas as pd
import pytest
from mpmath import mp, mpf

import mlteach as mt
from tests.places import REFERENCE
from tests.reference import nist

CASES = json.loads((REFERENCE / "mpmath.json").read_text())["cases"]
mp.dps = 40

# Correct significant digits required of the answer for the float64 data, with the reason.
DIGITS = {
    "coefficient": 11,  # weighted means; an offset of 1e6 in x costs the intercept its share
    "se": 11,  # half the relative error of the variances, or less
    "variance": 11,  # a root of the gradient: far below what the flat deviance itself can show
    "deviance": 12,  # a sum of a few thousand terms in doubles
}
# Digits by which the answer may fall short of what reading the decimals into doubles allows.
READING_SLACK = 0.5
FULL = 17.0  # digits reported for an exact match


def kind_of(quantity):
    """Return which tolerance a quantity of the reference file falls under."""
    if quantity.startswith("se:"):
        return "se"
    if quantity.startswith("tau") or quantity == "sigma2":
        return "variance"
    return "deviance" if quantity == "deviance" else "coefficient"


def digits(ours, true):
    """Return the number of correct significant digits (absolute, where the truth is zero)."""
    error = abs(mpf(ours) - true) / (abs(true) if true else 1)
    return FULL if error == 0 else min(FULL, float(-mp.log10(error)))


def frame_of(case):
    """Return the data of a case; Python's own float() reads each number correctly rounded."""
    if case["kind"] == "nist":
        content = nist.text(case["id"])
        pairs = [(label, float(value)) for label, value in nist.rows(content)]
        return pd.DataFrame(pairs, columns=["cluster", "y"])
    with (REFERENCE / case["data"]).open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    numbers = {name: [float(r[name]) for r in rows] for name in rows[0] if name != case["cluster"]}
    return pd.DataFrame({case["cluster"]: [r[case["cluster"]] for r in rows], **numbers})


@functools.cache
def fit(case_id, reml):
    """Fit a case once."""
    case = next(c for c in CASES if c["id"] == case_id)
    formula = "y ~ 1 + (1 | cluster)" if case["kind"] == "nist" else case["formula"]
    return mt.fit_mixed(formula, frame_of(case), reml=reml)


def estimates(result, predictor):
    """Return our answer under the names of the reference file."""
    tau = result.tau.to_numpy()
    values = {
        "Intercept": result.params["Intercept"],
        "se:Intercept": result.bse["Intercept"],
        "tau2": tau[0, 0],
        "sigma2": result.sigma2,
        "deviance": result.deviance,
    }
    if predictor:
        values |= {
            "x": result.params[predictor],
            "se:x": result.bse[predictor],
            "tau:Intercept:x": tau[0, 1],
            "tau2:x": tau[1, 1],
        }
    return values


PAIRS = [
    pytest.param(case, method, quantity, id=f"{case['id']}-{method}-{quantity}")
    for case in CASES
    for method in ("reml", "ml")
    for quantity in case["decimal"][method]
]


def answer(case, method, quantity):
    """Return our value and the truths for the float64 and the decimal data."""
    result = fit(case["id"], method == "reml")
    ours = estimates(result, case.get("predictor"))[quantity]
    return (
        float(ours),
        mpf(case["float64"][method][quantity]),
        mpf(case["decimal"][method][quantity]),
    )


@pytest.mark.parametrize(("case", "method", "quantity"), PAIRS)
def test_digits_of_the_float64_data(case, method, quantity):
    ours, true, _ = answer(case, method, quantity)
    assert digits(ours, true) >= DIGITS[kind_of(quantity)]


@pytest.mark.parametrize(("case", "method", "quantity"), PAIRS)
def test_digits_of_the_decimal_data(case, method, quantity):
    ours, true_float64, true = answer(case, method, quantity)
    possible = min(digits(true_float64, true), DIGITS[kind_of(quantity)])
    assert digits(ours, true) >= possible - READING_SLACK


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_flags(case, method):
    """Converged always; singular exactly where the true variance between clusters is zero."""
    result = fit(case["id"], method == "reml")
    assert result.converged
    assert result.singular == (mpf(case["float64"][method]["tau2"]) == 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_reference_belongs_to_this_data(case):
    nist_set = case["kind"] == "nist"
    content = (
        nist.text(case["id"]).encode() if nist_set else (REFERENCE / case["data"]).read_bytes()
    )
    assert hashlib.sha256(content).hexdigest() == case["sha256"], "data changed: run make reference"


@pytest.mark.parametrize("name", nist.NAMES)
def test_reference_restates_the_certified_values(name):
    """REML's sigma2 and n tau2 + sigma2 are NIST's certified mean squares (15 digits)."""
    case = next(c for c in CASES if c["id"] == name)
    content = nist.text(name)
    labels = [label for label, _ in nist.rows(content)]
    J, N = len(set(labels)), len(labels)
    ssb, ssw = (mpf(s) for s in nist.certified(content))
    truth = {k: mpf(v) for k, v in case["decimal"]["reml"].items()}
    lam = truth["sigma2"] + N // J * truth["tau2"]
    assert digits(truth["sigma2"], ssw / (N - J)) >= 14
    assert digits(lam, ssb / (J - 1)) >= 14
    assert math.isclose(truth["se:Intercept"], math.sqrt(ssb / (J - 1) / N), rel_tol=1e-14)
