"""Chapter 15 runs unchanged on the authors' file, once its path is set: a file of their shape."""

import re

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import ROOT

SCALES, SCHOOLS, PLACES = ["CREATAS", "GROSAGR"], 25, 45


@pytest.fixture(scope="module")
def students() -> pd.DataFrame:
    """The first schools of both countries: as the whole table, and sooner done."""
    pisa = mt.load("pisa_style")
    first = pisa.drop_duplicates("school").groupby("country").head(SCHOOLS)["school"]
    return pisa[pisa["school"].isin(first)].reset_index(drop=True)


def as_the_authors_wrote_it(students: pd.DataFrame) -> pd.DataFrame:
    """Give every school 45 places, all of them with values, and flag those that nobody gave."""
    schools = students.assign(i=students.groupby("school").cumcount() + 1)
    places = pd.MultiIndex.from_product([schools["school"].unique(), range(1, PLACES + 1)])
    table = schools.set_index(["school", "i"]).reindex(places.set_names(["j", "i"])).reset_index()
    table["CNT"] = table.groupby("j")["country"].transform("first")
    rng = np.random.default_rng(15)
    for name in SCALES:
        table[f"missing_{name}"] = table[name].isna().astype(int)
        table[name] = table[name].fillna(pd.Series(rng.normal(0, 1, len(table))))
    return table.drop(columns="country").rename(columns={"student": "CNTSTUID"})


def test_runs_on_a_file_of_the_authors_shape(students, tmp_path) -> None:
    path = tmp_path / "PISA_short_balanced_imp.csv"
    as_the_authors_wrote_it(students).to_csv(path, index=False, na_rep="NA")
    chapter = nbformat.read(ROOT / "book" / "15_pisa_style.ipynb", as_version=4)
    matplotlib.use("Agg")
    space = {}
    for cell in chapter.cells:
        if cell.cell_type != "code" or "mt.check" in cell.source:
            continue
        source = re.sub(r"^%.*", "", cell.source, flags=re.M)
        if cell.id == "path":
            source, found = re.subn(r"(?m)^source = None", f"source = {str(path)!r}", source)
            assert found == 1
        with matplotlib.rc_context():
            exec(source, space)
            plt.close("all")
    pd.testing.assert_frame_equal(space["pisa"], students)
    fit = mt.fit_multigroup(SCALES, students, cluster="school", group="country", between="free")
    assert space["free"].llf == pytest.approx(fit.llf, rel=1e-12)
    assert len(space["filled"].data[0]) == 2 * SCHOOLS * PLACES
