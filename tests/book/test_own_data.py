"""The templates of "Your own data": another table, other names, and all cells run, text and all."""

import re
import warnings

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import ROOT

MIXED = {
    "CLUSTER": "clinic.id", "OUTCOME": "well being", "X": "Schlaf (h)", "W": "Träger",
    "MEMBERS": "patients", "CLUSTERS": "clinics",
}  # fmt: skip
SCALE = {
    "CLUSTER": "clinic.id", "OUTCOME": "well being", "X": "Schlaf (h)", "Z": "lambda",
    "MEMBERS": "patients", "CLUSTERS": "clinics",
}  # fmt: skip
GROUPS = {
    "CLUSTER": "clinic.id", "GROUP": "Träger", "VARIABLES": ["well being", "pain.score", "x[0]"],
    "MEMBERS": "patients", "CLUSTERS": "clinics",
}  # fmt: skip
#: Words of the book's own data, which must not appear over somebody else's.
BOOK = re.compile(r"school|student|score16|math\b|sector|CREATAS|Albania|Ireland|published|\bses\b")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Simulate patients in clinics of three kinds: text ids, odd names, missing values."""
    rng = np.random.default_rng(20)
    clinic = np.repeat(np.arange(60), rng.integers(12, 30, 60))
    n = len(clinic)
    kind = np.array(["öffentlich", "privat", "kirchlich"])[np.arange(60) % 3][clinic]
    sleep = 7 + rng.normal(0, 0.5, 60)[clinic] + rng.normal(0, 1, n)
    girl = rng.integers(0, 2, n)
    u = rng.normal(0, 2, 60)[clinic]
    spread = np.exp(0.5 * (1.5 + 0.2 * girl + rng.normal(0, 0.4, 60)[clinic]))
    slope = (1 + rng.normal(0, 0.4, 60))[clinic]
    y = 50 + slope * sleep + u + 2 * (kind == "privat") + spread * rng.normal(0, 1, n)
    table = pd.DataFrame(
        {
            "clinic.id": [f"Klinik {c:02d}" for c in clinic],
            "Träger": kind,
            "well being": y,
            "Schlaf (h)": sleep,
            "lambda": girl,
            "pain.score": rng.normal(0, 1, n) - 0.3 * u + rng.normal(0, 0.5, 60)[clinic],
            "x[0]": rng.normal(0, 1, n) + rng.normal(0, 0.6, 60)[clinic],
        }
    )
    for column in ("well being", "Schlaf (h)", "pain.score"):
        table.loc[rng.random(n) < 0.06, column] = np.nan
    path = tmp_path_factory.mktemp("own") / "Patienten 2026.csv"
    table.to_csv(path, index=False)
    return path


def cells(name):
    notebook = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def with_names(source, file, names):
    """Do what a reader does: write other values behind the equals signs of the second cell."""
    for name, value in {"FILE": str(file), **names}.items():
        if name in ("GROUP", "CLUSTERS"):
            continue
        source, count = re.subn(rf"(?m)^{name} = [^#\n]*", f"{name} = {value!r}", source)
        if name == "CLUSTER" and not count:
            source, count = re.subn(
                r"CLUSTER, GROUP = [^#\n]*",
                f"CLUSTER, GROUP = {value!r}, {names['GROUP']!r}",
                source,
            )
        if name == "MEMBERS" and not count:
            pair = (names["MEMBERS"], names["CLUSTERS"])
            source, count = re.subn(
                r"MEMBERS, CLUSTERS = [^#\n]*", f"MEMBERS, CLUSTERS = {pair!r}", source
            )
        assert count == 1, name
    return source


def run(name, file, names):
    """Run all cells as a notebook would, and return the texts that it shows."""
    matplotlib.use("Agg")
    space, texts = {}, []
    for cell in cells(name):
        source = cell.source.replace('%config InlineBackend.figure_format = "retina"\n', "")
        if cell.id == "names":
            source = with_names(source, file, names)
        body, found, last = source.rpartition("\nMarkdown(")
        if found:
            exec(body, space)
            texts.append(eval(f"Markdown({last}", space).data)
        else:
            exec(source, space)
    return space, "\n".join(texts)


TEMPLATES = {"own_mixed": MIXED, "own_location_scale": SCALE, "own_multigroup": GROUPS}


@pytest.mark.parametrize("name", TEMPLATES)
def test_runs_on_the_table_of_another_project(name, file):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        space, text = run(name, file, TEMPLATES[name])
    assert {w.category for w in said} <= {mt.DataWarning}
    assert len(text) > 500
    assert BOOK.search(text) is None
    assert "clinics" in text and "patients" in text
    report = text[text.rindex("> ") :]
    fit = space.get("model" if name == "own_mixed" else "full", space.get("best"))
    assert f"{fit.nobs:,} patients" in report or f"{len(space['data']):,} patients" in report


def test_the_numbers_of_the_text_are_those_of_the_fit(file):
    with pytest.warns(mt.DataWarning):
        space, text = run("own_mixed", file, MIXED)
        again = mt.fit_empty("well being", pd.read_csv(file), cluster="clinic.id")
    assert f"{mt.icc(again).estimate:.1%} lies between clinics" in text
    assert f"{len(space['data']) - space['model'].nobs} rows with missing values" in text


def test_the_example_of_the_page_is_the_first_notebook(hsb):
    """What the page quotes, computed again."""
    page = (ROOT / "book" / "own_data.md").read_text(encoding="utf-8")
    icc = mt.icc(mt.fit_empty("math", hsb, cluster="school"))
    split = mt.center(hsb, ["ses"], cluster="school")
    table = mt.fit_mixed(
        "math ~ ses_within + ses_between + (ses_within | school)", split, ddf="kenward-roger"
    ).coefficients
    w, b = table.loc["ses_within"], table.loc["ses_between"]
    assert f"{icc.estimate:.0%} of the variance lay between schools" in page
    assert f"(95% CI {icc.lower:.0%} to {icc.upper:.0%})".replace("% to", " to") in page
    for row, unit in (
        (w, "differed by {:.1f} points on average (95% CI {:.1f} to {:.1f})"),
        (b, "differed by {:.1f} points ({:.1f} to {:.1f})"),
    ):
        assert unit.format(row["estimate"], row["lower"], row["upper"]) in page
