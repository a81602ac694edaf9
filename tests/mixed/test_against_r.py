"""Our mixed model against lme4, lmerTest and pbkrtest, case by case and quantity by quantity.

The reference values are data: ``reference/lme4.json``, written by ``make_lme4.R`` from the pairs of
model and data in ``reference/cases.json``. Nothing here needs R. Profile intervals have a reference
of their own (``profile.json``, by ``make_profile.py``), because lme4's break down at the boundary;
away from it lme4's are a second one (``profile_lme4.json``, by ``make_profile_lme4.R``).
A second opinion, to fewer digits, is nlme's (``extras.json``, by ``make_extras.R``).
The reference is the best optimum R can find (many starts, three optimisers, Newton steps at the
end), not what ``lmer`` returns by default.
"""

import functools
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import REFERENCE

# Tolerances, each with its reason. The project's promise is looser (coefficients and SE 1e-6,
# variances 1e-5, df 1e-3); what both programs can do is asked for here.
DEVIANCE_ABSOLUTE = 1e-6  # a likelihood-ratio statistic is printed with at most four decimals
DEVIANCE_RELATIVE = 1e-9  # for small deviances; double precision sums keep about 12 digits
COEFFICIENT = 1e-8  # of the larger of the estimate and its SE: unaffected by units
STANDARD_ERROR = 1e-8  # relative; no less smooth in the variances than the coefficients
VARIANCE = (
    1e-7  # relative; both sides end in Newton steps on the gradient, not on the flat deviance
)
VARIANCE_SE = 1e-4  # relative; R differentiates its deviance numerically
ZERO_VARIANCE = 1e-9  # of sigma2: an estimate on the boundary is zero, not small
DF = 1e-5  # relative; lmerTest differentiates numerically
EFFECT = 1e-7  # of the conditional SD: as accurate as the variances they depend on
LIMIT = 1e-5  # of the interval's width: both sides find a root of a deviance exact to 1e-9

NLME_DEVIANCE = 1e-5  # nlme stops where its criterion is flat, without Newton steps at the end
NLME_COEFFICIENT = 1e-4  # of the SE
NLME_VARIANCE = 5e-4  # relative; what a deviance that is flat to 1e-5 leaves of the variances
LIMIT_SPLINE = 1e-3  # of the interval's width: lme4 interpolates its profile

CASES = json.loads((REFERENCE / "lme4.json").read_text())["cases"]
NLME = json.loads((REFERENCE / "extras.json").read_text())["cases"]
PROFILES = json.loads((REFERENCE / "profile.json").read_text())["cases"]
PROFILES_LME4 = json.loads((REFERENCE / "profile_lme4.json").read_text())["cases"]


def name_of(case):
    """Return a readable test id."""
    return f"{case['id']}-{'reml' if case['reml'] else 'ml'}"


def cases(wanted=lambda case: True):
    """Parametrise a test over the reference cases that have what it tests."""
    chosen = [case for case in CASES if wanted(case)]
    assert chosen, "no reference case has this quantity"
    return pytest.mark.parametrize("case", chosen, ids=name_of)


@functools.cache
def read(path, derive):
    """Return the data of a case, with its derived columns."""
    frame = pd.read_csv(REFERENCE / path)
    for column, expression in derive:
        frame[column] = frame.eval(expression)
    return frame


@functools.cache
def fit_named(case_id, reml):
    """Fit a case once for all its tests."""
    case = next(c for c in CASES if (c["id"], c["reml"]) == (case_id, reml))
    data = read(case["data"], tuple((case["derive"] or {}).items()))
    return mt.fit_mixed(case["formula"], data, reml=reml)


def fit(case):
    """Return our fit of a reference case."""
    return fit_named(case["id"], case["reml"])


def unordered(name):
    """Return a coefficient name with its factors sorted: R and formulaic order a:b differently."""
    return ":".join(sorted(name.split(":")))


def by_name(values, index):
    """Return reference values in the order of our coefficients, names checked."""
    values = {unordered(name): value for name, value in values.items()}
    assert set(values) == {unordered(name) for name in index}, "coefficient names differ"
    return np.array([values[unordered(name)] for name in index], dtype=float)


def random_order(case, result):
    """Return the positions of the reference's random effects in our order."""
    names = list(case["random_names"])
    assert set(names) == set(result.tau.index), "random-effect names differ"
    return [names.index(name) for name in result.tau.index]


@cases()
def test_same_data(case):
    digest = hashlib.sha256((REFERENCE / case["data"]).read_bytes()).hexdigest()
    assert digest == case["sha256"], "the data changed: run make reference"
    assert fit(case).nobs == case["nobs"]
    assert fit(case).n_clusters == case["n_clusters"]


@cases()
def test_deviance(case):
    reference = case["deviance"]
    tolerance = min(DEVIANCE_ABSOLUTE, DEVIANCE_RELATIVE * abs(reference))
    assert fit(case).deviance == pytest.approx(reference, rel=0, abs=tolerance)


@cases()
def test_information_criteria(case):
    result = fit(case)
    for ours, theirs in ((result.llf, "llf"), (result.aic, "aic"), (result.bic, "bic")):
        assert ours == pytest.approx(case[theirs], rel=0, abs=DEVIANCE_ABSOLUTE)


@cases()
def test_converged_and_boundary_flag(case):
    result = fit(case)
    assert result.converged
    assert result.singular == case["singular"]


@cases()
def test_coefficients(case):
    result = fit(case)
    estimate = by_name(case["fixed"]["estimate"], result.params.index)
    se = by_name(case["fixed"]["se"], result.params.index)
    error = np.abs(result.params.to_numpy() - estimate) / np.maximum(np.abs(estimate), se)
    assert error.max() <= COEFFICIENT


@cases()
def test_standard_errors(case):
    result = fit(case)
    se = by_name(case["fixed"]["se"], result.bse.index)
    np.testing.assert_allclose(result.bse.to_numpy(), se, rtol=STANDARD_ERROR, atol=0)


@cases()
def test_variance_components(case):
    result = fit(case)
    order = random_order(case, result)
    tau = np.array(case["tau"], dtype=float).reshape(len(order), len(order))[np.ix_(order, order)]
    scale = np.sqrt(np.outer(np.diag(tau), np.diag(tau)))
    allowed = np.where(scale > 0, VARIANCE * scale, ZERO_VARIANCE * case["sigma2"])
    assert (np.abs(result.tau.to_numpy() - tau) <= allowed).all()
    assert result.sigma2 == pytest.approx(case["sigma2"], rel=VARIANCE)


@cases(lambda case: case["variances_se_observed"] is not None)
def test_standard_errors_of_variances(case):
    ours = fit(case).variances["se"]
    theirs = by_name(case["variances_se_observed"], ours.index)
    np.testing.assert_allclose(ours.to_numpy(), theirs, rtol=VARIANCE_SE, atol=0)


@cases()
def test_satterthwaite(case):
    result = fit(case)
    theirs = by_name(case["fixed"]["df_satterthwaite"], result.df.index)
    np.testing.assert_allclose(result.df.to_numpy(), theirs, rtol=DF, atol=0)


@cases(lambda case: "df_kenward_roger" in case["fixed"])
def test_kenward_roger(case):
    table = fit(case).tests(ddf="kenward-roger")
    df = by_name(case["fixed"]["df_kenward_roger"], table.index)
    se = by_name(case["fixed"]["se_kenward_roger"], table.index)
    np.testing.assert_allclose(table["df"].to_numpy(), df, rtol=DF, atol=0)
    np.testing.assert_allclose(table["se"].to_numpy(), se, rtol=VARIANCE, atol=0)


@cases()
def test_random_effects(case):
    effects = fit(case).ranef()
    effects.index = effects.index.astype(str)
    for label, reference in case["ranef"].items():
        for name, mean in reference["mean"].items():
            sd = reference["sd"][name]
            allowed = EFFECT * max(sd, abs(mean))
            assert effects.loc[label, name] == pytest.approx(mean, rel=0, abs=allowed)
            assert effects.loc[label, f"{name}_sd"] == pytest.approx(sd, rel=EFFECT, abs=allowed)


def assert_limits(case, part, tolerance):
    ours = fit(case).confint(method="profile", which=part)
    theirs = {unordered(name): limits for name, limits in case[part].items()}
    assert set(theirs) == {unordered(name) for name in ours.index}
    for name, row in ours.iterrows():
        lower, upper = theirs[unordered(name)]
        allowed = tolerance * (upper - lower)
        assert row["lower"] == pytest.approx(lower, rel=0, abs=allowed)
        assert row["upper"] == pytest.approx(upper, rel=0, abs=allowed)


@pytest.mark.parametrize("part", ["fixed", "random"])
@pytest.mark.parametrize("case", PROFILES, ids=name_of)
def test_profile_intervals(case, part):
    assert_limits(case, part, LIMIT)


@pytest.mark.parametrize("part", ["fixed", "random"])
@pytest.mark.parametrize("case", PROFILES_LME4, ids=name_of)
def test_profile_intervals_of_lme4(case, part):
    assert_limits(case, part, LIMIT_SPLINE)


@pytest.mark.parametrize("case", NLME, ids=lambda case: case["id"])
def test_nlme(case):
    result, theirs = fit(case), case["nlme"]
    assert result.deviance == pytest.approx(theirs["deviance"], rel=0, abs=NLME_DEVIANCE)
    estimate = by_name(theirs["estimate"], result.params.index)
    np.testing.assert_array_less(np.abs(result.params - estimate), NLME_COEFFICIENT * result.bse)
    se = by_name(theirs["se"], result.bse.index)
    np.testing.assert_allclose(result.bse, se, rtol=NLME_VARIANCE)
    tau = np.array(theirs["tau"]).reshape(result.tau.shape)
    scale = np.sqrt(np.outer(np.diag(tau), np.diag(tau)))
    assert (np.abs(result.tau.to_numpy() - tau) <= NLME_VARIANCE * scale).all()
    assert result.sigma2 == pytest.approx(theirs["sigma2"], rel=NLME_VARIANCE)
