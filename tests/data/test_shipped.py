"""The data sets are the documented ones: bytes, shapes, published summaries, columns, codebook.

The expected numbers are those printed in the sources that analyse these data, so the tolerance of a
comparison is half a unit of the last printed digit, unless a test says otherwise.
"""

import hashlib
import importlib.util
import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hatchling import build as hatchling

import mlteach as mt
from mlteach.data import shipped as data
from mlteach.data.shipped import codebook, datasets, load
from mlteach.errors import DataError
from mlteach.published import authors_file, authors_icc, printed_moments
from tests.places import ROOT

DATA = ROOT / "data"
BOOK = json.loads((DATA / "codebook.json").read_text(encoding="utf-8"))
NAMES = ["hsb", "london", "language", "wages", "pisa_style"]
SHAPES = {
    "hsb": (7185, 160),
    "london": (4059, 65),
    "language": (2287, 131),
    "wages": (4360, 545),
    "pisa_style": (11698, 444),
}
CONTRACT = {
    "hsb": "school math ses minority female sector catholic size pracad disclim himinty mean_ses"
    " sd_ses",
    "london": "school score16 score11 girl school_gender mean_score11 intake vr",
    "language": "school pupil class_id language language_pre arith_post arith_pre iq_verbal"
    " iq_performal ses school_ses minority female repeat_grade denomination class_size group_size"
    " mixed_grade percent_minority gpa ses_z clubs",
    "wages": "person year time log_wage union married poor_health experience education ethnicity",
    "pisa_style": "country school student CREATAS GROSAGR",
}
KINDS = {"integer": "i", "number": "f"}
# Means and SDs of under 10,000 doubles near 1, summed in another order.
ROUNDING = 1e-12


def printed(value: float, digits: int = 3) -> float:
    """The value as a paper prints it."""
    return round(float(value), digits)


def schools(table: pd.DataFrame) -> pd.DataFrame:
    """One row a school."""
    return table.drop_duplicates("school").set_index("school")


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


# The files


def test_the_names_are_the_documented_ones():
    assert list(BOOK) == NAMES


def test_file_has_its_documented_hash(name):
    assert hashlib.sha256((DATA / f"{name}.csv").read_bytes()).hexdigest() == BOOK[name]["sha256"]


def test_file_is_plain_text_with_unix_line_ends(name):
    content = (DATA / f"{name}.csv").read_bytes()
    assert content.isascii() and b"\r" not in content and content.endswith(b"\n")


def script(name: str):
    """Load a script of the data folder as a module."""
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        spec.loader.exec_module(module)
    return module


def test_readme_is_rendered_from_the_codebook():
    rendered = script("build").render_readme(BOOK)
    assert (DATA / "README.md").read_text(encoding="utf-8") == rendered


def test_synthetic_file_is_drawn_again_to_the_byte():
    drawn = script("make_pisa_style").build().to_csv(index=False, lineterminator="\n")
    assert drawn.encode() == (DATA / "pisa_style.csv").read_bytes()


def test_provenance_is_complete(name):
    entry = BOOK[name]
    assert all(entry["packages"].values()), "build.py fills in the versions"
    assert bool(entry["packages"]) != ("synthetic" in entry["title"])
    for fact in ("title", "description", "source", "licence"):
        assert entry[fact].strip()
    assert entry["citation"] and all(entry["citation"])


# The tables


def test_shape(name):
    table = load(name)
    assert (len(table), table[BOOK[name]["cluster"]].nunique()) == SHAPES[name]
    assert (BOOK[name]["rows"], BOOK[name]["clusters"]) == SHAPES[name]


def test_columns_are_the_contract(name):
    assert list(load(name).columns) == CONTRACT[name].split()


def test_missing_values_are_those_of_the_codebook(name):
    table = load(name)
    for column, facts in BOOK[name]["columns"].items():
        assert table[column].isna().sum() == facts.get("missing", 0), column
    assert not np.isinf(table.select_dtypes("number").to_numpy()).any()


def test_empty_field_of_another_column_is_refused(tmp_path):
    path = tmp_path / "gap.csv"
    path.write_text("x,y\n1.5,\n2.5,3.0\n")
    columns = {"x": {"type": "number"}, "y": {"type": "number"}}
    with pytest.raises(ValueError, match="could not convert"):
        data._read_csv(path, columns)
    columns["y"]["missing"] = 1
    assert data._read_csv(path, columns).isna().sum().to_dict() == {"x": 0, "y": 1}


def test_values_are_the_exact_doubles_of_the_file(name):
    table = load(name)
    text = pd.read_csv(DATA / f"{name}.csv", dtype=str)
    assert list(text.columns) == list(table.columns)
    for column, facts in BOOK[name]["columns"].items():
        convert = {"integer": int, "number": float, "text": str}[facts["type"]]
        there = text[column].notna()
        assert table[column].notna().tolist() == there.tolist()
        assert table[column][there].tolist() == [convert(value) for value in text[column][there]]


def test_every_load_is_a_table_of_its_own():
    first = load("hsb")
    first["math"] = 0.0
    first.attrs["codebook"]["math"] = "changed"
    assert load("hsb")["math"].mean() > 0
    assert load("hsb").attrs["codebook"]["math"] == "Mathematics achievement"


def test_rows_of_a_cluster_stand_together(name):
    cluster = load(name)[BOOK[name]["cluster"]]
    assert (cluster != cluster.shift()).sum() == cluster.nunique()


# High School and Beyond


def test_hsb_math_and_ses(hsb):
    assert printed(hsb["math"].mean()) == 12.748
    assert printed(hsb["math"].std()) == 6.878
    assert printed(hsb["ses"].std()) == 0.779


def test_hsb_mean_ses(hsb):
    assert printed(abs(hsb["mean_ses"].mean())) == 0.000
    assert printed(hsb["mean_ses"].std()) == 0.414


def test_hsb_ses_by_sector(hsb):
    means = hsb.groupby("sector")["ses"].mean()
    assert (printed(means["Public"]), printed(means["Catholic"])) == (-0.146, 0.150)


def test_hsb_schools_by_sector(hsb):
    assert schools(hsb)["sector"].value_counts().to_dict() == {"Public": 90, "Catholic": 70}


def test_hsb_catholic_is_sector(hsb):
    assert ((hsb["sector"] == "Catholic") == (hsb["catholic"] == 1)).all()


def test_hsb_first_student(hsb):
    first = hsb.iloc[0]
    assert (first["school"], first["math"], first["ses"]) == (1224, 5.876, -1.528)
    assert (first["female"], first["minority"], first["size"]) == (1, 0, 842)


def test_hsb_school_summaries_are_those_of_the_sample(hsb):
    ses = hsb.groupby("school")["ses"]
    assert np.allclose(schools(hsb)["mean_ses"], ses.mean(), rtol=0, atol=ROUNDING)
    assert np.allclose(schools(hsb)["sd_ses"], ses.std(ddof=1), rtol=0, atol=ROUNDING)


# London


def test_london_scores_are_standardised(london):
    assert printed(abs(london["score16"].mean())) == 0.000
    assert printed(london["score16"].std()) == 0.999
    assert printed(london["score11"].std()) == 0.993


def test_london_mean_score11_is_that_of_the_sample(london):
    means = london.groupby("school")["score11"].mean()
    assert np.allclose(schools(london)["mean_score11"], means, rtol=0, atol=ROUNDING)


def test_london_single_sex_schools_have_one_sex(london):
    share = london.groupby("school_gender")["girl"].mean()
    assert share["boys"] == 0 and share["girls"] == 1 and 0 < share["mixed"] < 1


def test_london_intake_bands_go_up_with_the_scores(london):
    means = london.groupby("intake")[["score11", "score16"]].mean()
    assert list(means.index) == ["bottom 25%", "mid 50%", "top 25%"]
    assert (means.diff().dropna() > 0).all().all()
    assert london["intake"].value_counts().to_dict() == {
        "mid 50%": 2344,
        "top 25%": 1176,
        "bottom 25%": 539,
    }


def test_london_vr_bands_order_the_school_means(london):
    bands = schools(london).groupby("vr")["mean_score11"].agg(["min", "max"])
    assert (bands["min"].to_numpy()[1:] > bands["max"].to_numpy()[:-1]).all()


# Language


@pytest.mark.parametrize(
    ("z", "source"), [("gpa", "language"), ("ses_z", "ses"), ("clubs", "school_ses")]
)
def test_language_z_scores(language, z, source):
    values = language[source]
    expected = (values - values.mean()) / values.std(ddof=1)
    assert np.allclose(language[z], expected, rtol=0, atol=ROUNDING)
    assert math.isclose(language[z].std(ddof=1), 1, abs_tol=ROUNDING)


def test_language_summaries(language):
    """Means as R's summary(nlme::bdf) prints them."""
    means = language[["language", "iq_verbal", "ses", "school_ses", "class_size"]].mean()
    assert [printed(value, 2) for value in means] == [40.93, 11.83, 27.81, 19.0, 26.51]
    assert (language["female"].sum(), language["minority"].sum()) == (1093, 132)


def test_language_pupils_are_unique(language):
    assert language["pupil"].is_unique


def test_language_denominations_count_as_in_the_source(language):
    counts = schools(language)["denomination"].value_counts().to_dict()
    assert counts == {"public": 43, "Protestant": 43, "Catholic": 39, "non-denominational": 6}


# Wages


def test_wages_fixed_effects_as_published(wages):
    """Wooldridge (2013, table 14.2): the slopes within persons, years held constant."""
    table = wages.assign(experience2=wages["experience"] ** 2)
    x = table[["union", "married", "experience2"]].join(pd.get_dummies(table["year"], dtype=float))
    within = (x - x.groupby(table["person"]).transform("mean")).to_numpy()
    y = table["log_wage"] - table.groupby("person")["log_wage"].transform("mean")
    slopes = np.linalg.lstsq(within, y, rcond=None)[0][:3]
    assert slopes.round(4).tolist() == pytest.approx([0.080, 0.047, -0.0052], abs=5e-4)


def test_wages_every_person_has_the_eight_years(wages):
    years = wages.groupby("person")["year"].apply(list)
    assert all(row == list(range(1980, 1988)) for row in years)
    assert (wages["time"] == wages["year"] - 1980).all()


# PISA style: the published summaries of PISA 2022, Albania and Ireland (Walther and others)


@pytest.fixture(scope="module")
def pisa_style():
    return load("pisa_style")


def by_country(values: pd.Series) -> list:
    """Albania, Ireland."""
    return values[["Albania", "Ireland"]].tolist()


def test_pisa_style_schools_and_students(pisa_style):
    assert by_country(pisa_style["country"].value_counts()) == [6129, 5569]
    assert by_country(schools(pisa_style)["country"].value_counts()) == [274, 170]
    assert (pisa_style.groupby("school")["country"].nunique() == 1).all()
    sizes = pisa_style.groupby(["country", "school"]).size().groupby("country")
    assert (by_country(sizes.min()), by_country(sizes.max())) == ([1, 4], [45, 45])
    np.testing.assert_allclose(by_country(sizes.std()), [15.472, 6.5122], rtol=0.03)
    assert pisa_style["student"].is_unique


def test_pisa_style_patterns_of_missing_values(pisa_style):
    seen = pisa_style.set_index("country")[["CREATAS", "GROSAGR"]].notna()
    patterns = {
        g: [int((rows == kind).all(axis=1).sum()) for kind in ([1, 1], [0, 1], [1, 0], [0, 0])]
        for g, rows in seen.groupby("country")
    }
    assert patterns == {"Albania": [3110, 760, 288, 1971], "Ireland": [5027, 422, 24, 96]}


def test_pisa_style_observed_values(pisa_style):
    """Means and SDs as the paper prints them."""
    groups = pisa_style.groupby("country")
    for scale, table in printed_moments().groupby("scale"):
        ours = groups[scale].agg(["mean", "std"]).round(2)
        np.testing.assert_array_equal(ours, table[["mean", "sd"]])


def test_pisa_style_has_the_moments_of_the_authors_file(pisa_style):
    """Means and (co)variances on both levels, and how the schools differ in spread."""
    file = authors_file().loc["observed"]
    fit = mt.fit_multigroup(
        ["CREATAS", "GROSAGR"], pisa_style, cluster="school", group="country", between="free"
    )
    theirs = file["estimate"].loc["within free, between free"].drop("llf")
    assert len(theirs) == fit.n_parameters
    np.testing.assert_allclose(fit.params[theirs.index], theirs, atol=5e-4)
    for scale in ("CREATAS", "GROSAGR"):
        rows = pisa_style.dropna(subset=scale)
        part = "~ country + (1 | school)"
        fit = mt.fit_location_scale(scale + part, part, rows)
        theirs = file["estimate"][f"{scale}, location-scale with v", "variance of v"]
        assert fit.random.iloc[1, 1] == pytest.approx(theirs, abs=5e-4)


def test_pisa_style_teaches_what_the_authors_file_teaches(pisa_style):
    """Equality between schools is rejected, and turns the order of the ICC of CREATAS round."""
    free, equal = (
        mt.fit_multigroup(
            ["CREATAS", "GROSAGR"], pisa_style, cluster="school", group="country", between=between
        )
        for between in ("free", "equal")
    )
    llf = authors_file()["estimate"].xs("llf", level="name")["observed"]
    theirs = 2 * (llf["within free, between free"] - llf["within free, between equal"])
    assert theirs == pytest.approx(32.34, abs=0.01)
    assert 2 * (free.llf - equal.llf) == pytest.approx(theirs, rel=0.15)
    for fit, between in ((free, "free"), (equal, "equal")):
        expected = authors_icc("observed", between)["CREATAS"]
        np.testing.assert_allclose(fit.icc["CREATAS"], expected, atol=0.004)
    assert free.icc.loc["Albania", "CREATAS"] > free.icc.loc["Ireland", "CREATAS"]
    assert equal.icc.loc["Albania", "CREATAS"] < 0.5 * equal.icc.loc["Ireland", "CREATAS"]


def test_pisa_style_values_are_missing_as_published(pisa_style):
    """Correlations of the indicators: with each other, the country, and (about) the other scale."""
    missing = pisa_style[["CREATAS", "GROSAGR"]].isna()
    albania = pisa_style["country"] == "Albania"
    assert printed(missing.corr().iloc[0, 1]) == 0.667
    assert [printed(r) for r in missing.corrwith(albania)] == [0.393, 0.431]
    assert abs(missing["CREATAS"].corr(pisa_style["GROSAGR"]) - -0.065) < 0.015
    assert abs(missing["GROSAGR"].corr(pisa_style["CREATAS"]) - 0.120) < 0.01


def test_pisa_style_has_four_decimals(pisa_style):
    scores = pisa_style[["CREATAS", "GROSAGR"]]
    assert scores.round(4).equals(scores)


# The codebook


def test_codebook_covers_every_column_and_no_other(name):
    assert list(codebook(name).index) == list(load(name).columns)


def test_codebook_types_are_those_of_the_table(name):
    table = load(name)
    for column, kind in codebook(name)["type"].items():
        if kind == "text":
            assert all(isinstance(value, str) for value in table[column])
        else:
            assert table[column].dtype.kind == KINDS[kind]


def test_codebook_levels_are_exactly_those_that_occur(name):
    table = load(name)
    for column, facts in BOOK[name]["columns"].items():
        assert ("levels" in facts) != ("unit" in facts)
        if "levels" in facts:
            assert set(facts["levels"]) == set(table[column].astype(str))
        else:
            assert facts["unit"] and facts["type"] != "text"


def test_codebook_says_at_which_level_a_column_varies(name):
    """A property of the school is constant in a class and a school, one of the class in a class."""
    table = load(name)
    keys = [key for key in ("class_id", "school", "person") if key in table]
    constant_in = {"school": keys, "person": keys, "class": ["class_id"]}
    constant_in |= {"student": [], "pupil": [], "year": []}
    for column, unit in codebook(name)["varies_by"].items():
        found = [key for key in keys if is_constant(table, column, key)]
        assert found == constant_in[unit], column


def is_constant(table: pd.DataFrame, column: str, key: str) -> bool:
    return bool((table.groupby(key)[column].nunique() == 1).all())


def test_codebook_is_shown_whole(name):
    """pandas cuts cells off after 50 characters."""
    table = codebook(name)
    assert "..." not in table.to_html() and "..." not in table.to_string()
    assert max(table[["description", "values"]].map(len).max()) < 50


def test_table_carries_its_descriptions_through_pandas(hsb):
    book = codebook("hsb")["description"].to_dict()
    assert hsb.attrs == {"codebook": book}
    assert pd.concat([hsb.head(), hsb.tail()]).attrs == {"codebook": book}
    assert len(hsb.groupby("sector")["math"].mean()) == 2


def test_list_of_data_sets():
    table = datasets()
    assert list(table.index) == NAMES
    assert list(table.columns) == ["title", "rows", "clusters", "cluster", "outcome", "source"]
    assert dict(
        zip(table.index, zip(table["rows"], table["clusters"], strict=True), strict=True)
    ) == (SHAPES)
    for name, row in table.iterrows():
        assert {row["cluster"], row["outcome"]} <= set(CONTRACT[name].split())


def test_list_of_data_sets_fits_a_narrow_terminal():
    with pd.option_context("display.width", 80):
        text = repr(datasets())
    assert max(map(len, text.splitlines())) <= 80 and "..." not in text and "\\" not in text


# Wrong names


@pytest.mark.parametrize("ask", [load, codebook])
@pytest.mark.parametrize(("wrong", "meant"), [("HSB", "hsb"), ("lodnon", "london")])
def test_close_name_gets_a_hint(ask, wrong, meant):
    with pytest.raises(DataError, match=f"Did you mean '{meant}'"):
        ask(wrong)


@pytest.mark.parametrize("wrong", ["", "iris", None, 3, "../data/hsb"])
def test_wrong_name_lists_the_names(wrong):
    with pytest.raises(DataError, match="The data sets are: hsb, london, language"):
        load(wrong)


def test_installation_without_data_says_where_it_looked(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "__file__", str(tmp_path / "mlteach" / "data" / "shipped.py"))
    with pytest.raises(DataError, match=r"_data.*Install mlteach again"):
        data.folder.__wrapped__()


# The wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built from this tree and unpacked as pip would unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = hatchling.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_the_same_files(installed):
    for file in ["codebook.json", "README.md", *(f"{name}.csv" for name in NAMES)]:
        assert (installed / "mlteach" / "_data" / file).read_bytes() == (DATA / file).read_bytes()


def test_wheel_loads_its_own_files(installed, name):
    script = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "from mlteach.data import shipped as data\n"
        f"table = data.load({name!r})\n"
        "print(data.folder()); print(*table.shape, table.iloc[:, 1].sum())"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, summary = run.stdout.splitlines()
    table = load(name)
    assert Path(folder) == (installed / "mlteach" / "_data").resolve()
    assert summary == f"{table.shape[0]} {table.shape[1]} {table.iloc[:, 1].sum()}"
