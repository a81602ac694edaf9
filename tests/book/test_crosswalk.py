"""The crosswalk: what stands under mlteach runs, and says what R says under R."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest

from tests.places import REFERENCE, ROOT

PAGE = (ROOT / "book" / "crosswalk.md").read_text(encoding="utf-8")
R = json.loads((REFERENCE / "crosswalk.json").read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in R["cases"]}
SECTIONS = {
    match["label"]: match["text"]
    for match in re.finditer(r"\(cw-(?P<label>[\w-]+)\)=\n(?P<text>.*?)(?=\n\(cw-|\Z)", PAGE, re.S)
}
MODELS = [label for label in SECTIONS if label != "defaults"]
TABS = ["mlteach", "R", "Stata", "SAS", "SPSS", "Mplus", "MLwiN"]
DIGITS = 1e-5  # the five digits that the page promises; lme4 stops where its deviance is flat
VARIANCE_DIGITS = 1e-4  # variances move ten times as much within the same flat stretch
LIKELIHOOD = 1e-3


def blocks(label: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", SECTIONS[label], re.S)


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory):
    """The objects named fit that the page makes, section after section."""
    names: dict = {}
    folder = tmp_path_factory.mktemp("crosswalk")
    start = PAGE[: PAGE.index("(cw-defaults)=")]
    (first,) = re.findall(r"```python\n(.*?)\n```", start, re.S)
    exec(first.replace('"hsb.csv"', f"{str(folder / 'hsb.csv')!r}"), names)
    found = {"hsb.csv": pd.read_csv(folder / "hsb.csv")}
    for label in MODELS:
        (code,) = blocks(label, "python")
        exec(code, names)
        found[label] = names["fit"]
    return found


def test_the_table_that_is_written(fits):
    columns = {"school", "student", "math", "ses", "ses_within", "ses_between", "catholic"}
    assert columns <= set(fits["hsb.csv"])


@pytest.mark.parametrize("label", MODELS)
def test_every_section_has_every_program_and_says_what_was_not_run(label):
    parts = re.split(r":::\{tab-item\} (\w+)\n", SECTIONS[label])
    assert parts[1::2] == TABS
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        assert len(re.findall(r"```\w+\n", text)) == 1
        assert ("From the manual, not run." in text) == (name not in ("mlteach", "R"))


@pytest.mark.parametrize("label", [label for label in MODELS if label != "location-scale"])
def test_r_ran_what_the_page_shows(label):
    (code,) = blocks(label, "r")
    assert CASES[label]["code"] == code, "the page changed: run make reference"
    for name in ("hsb", "pisa_style"):
        content = (ROOT / "data" / f"{name}.csv").read_bytes()
        assert R["about"][name] == hashlib.sha256(content).hexdigest(), "run make reference"


@pytest.mark.parametrize(
    "label", ["empty", "random-intercept", "within-between", "random-slope", "cross-level", "tests"]
)
def test_mixed_models_agree_with_lme4(fits, label):
    fit, r = fits[label], CASES[label]
    assert fit.params.to_dict() == pytest.approx(r["coefficients"], rel=DIGITS)
    assert fit.bse.to_dict() == pytest.approx(r.get("kr_se", r["se"]), rel=DIGITS)
    variances = {key.replace(":Intercept", ""): value for key, value in r["variances"].items()}
    ours = fit.variances["estimate"]
    assert sorted(ours) == pytest.approx(sorted(variances.values()), rel=VARIANCE_DIGITS)


def test_the_contextual_effect(fits):
    fit, r = fits["within-between"], CASES["within-between"]
    row = fit.test("ses_between - ses_within = 0").table.iloc[0]
    assert row["estimate"] == pytest.approx(r["contextual"], rel=DIGITS)
    assert row["se"] == pytest.approx(r["contextual_se"], rel=DIGITS)


def test_degrees_of_freedom_agree_with_pbkrtest(fits):
    table, r = fits["tests"].coefficients, CASES["tests"]
    assert table["df"].to_dict() == pytest.approx(r["df"], rel=1e-4)
    assert table["p"].to_dict() == pytest.approx(r["p"], rel=1e-3, abs=1e-12)


def test_the_variance_function_agrees_with_nlme(fits):
    fit, r = fits["variance-function"], CASES["variance-function"]
    assert fit.mean["estimate"].to_dict() == pytest.approx(r["coefficients"], rel=DIGITS)
    assert fit.llf == pytest.approx(r["loglik"], abs=LIKELIHOOD)
    base, ratio = r["log_variance"]
    sign = 1.0 if r["first"] == "0" else -1.0
    ours = fit.log_variance["estimate"]
    assert ours["catholic"] == pytest.approx(sign * ratio, abs=1e-4)
    assert ours["Intercept"] == pytest.approx(base if sign > 0 else base + ratio, abs=1e-4)


def test_the_location_scale_model_lies_beside_brms(fits):
    """The page promises one posterior SD, with the priors of chapter 10."""
    rows = json.loads((REFERENCE / "brms.json").read_text(encoding="utf-8"))["quantities"]
    fit = fits["location-scale"]
    ours = {
        "beta[Intercept]": fit.mean.loc["Intercept", "estimate"],
        "alpha[Intercept]": fit.log_variance.loc["Intercept", "estimate"],
        "var(u)": fit.random.iloc[0, 0],
        "var(v)": fit.random.iloc[1, 1],
    }
    for name, value in ours.items():
        assert abs(value - rows[name]["mean"]) < rows[name]["sd"]


def test_the_groups_agree_with_lavaan(fits):
    fit, r = fits["multigroup"], CASES["multigroup"]
    assert fit.llf == pytest.approx(r["loglik"], abs=LIKELIHOOD)
    p = pd.DataFrame(r["parameters"])
    for row in p.itertuples():
        table = (fit.within if row.level == 1 else fit.between)[row.group]
        scale = np.sqrt(table.loc[row.lhs, row.lhs] * table.loc[row.rhs, row.rhs])
        assert abs(table.loc[row.lhs, row.rhs] - row.est) < 1e-3 * scale
