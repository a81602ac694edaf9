"""PISA files: the right rows, columns and missing values come out of a file in PISA's layout."""

import importlib.util
import tracemalloc

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import mlteach as mt
from mlteach.data import sav
from mlteach.data.pisa import load_pisa

CODES = {95.0: "Valid Skip", 97.0: "Not Applicable", 98.0: "Invalid", 99.0: "No Response"}
LABELS = {"CREATAS": "Creative activities at school (WLE)", "W_FSTUWT": "FINAL STUDENT WEIGHT"}


def students(n: int = 6) -> pd.DataFrame:
    """Three countries, two schools each, with answers and codes in PISA's way."""
    rng = np.random.default_rng(3)
    country = np.repeat(["ALB", "FIN", "IRL"], 2 * n)
    school = np.repeat(np.arange(6), n)
    rows = len(country)
    return pd.DataFrame(
        {
            "CNTRYID": np.repeat([8.0, 246.0, 372.0], 2 * n),
            "CNT": country,
            "CNTSCHID": 800_001.0 + 50_000 * (school // 2) + school,
            "CNTSTUID": 800_000.0 + np.arange(rows),
            "ST001D01T": rng.integers(7, 12, rows).astype(float),
            "GROSAGR": np.round(rng.normal(size=rows), 4),
            "CREATAS": np.round(rng.normal(size=rows), 4),
            "VER_DAT": np.full(rows, "09MAY23"),
            "W_FSTUWT": np.round(rng.uniform(1, 9, rows), 5),
        }
    )


def write(table: pd.DataFrame, path, declared: bool = True, **options):
    coded = [name for name in ("CREATAS", "GROSAGR") if name in table]
    pyreadstat.write_sav(
        table,
        path,
        row_compress=True,
        column_labels={name: LABELS.get(name) for name in table},
        missing_ranges={name: [{"lo": 95.0, "hi": 99.0}] for name in coded if declared},
        variable_value_labels={name: CODES for name in coded},
        variable_format={"CNT": "A3"} if "CNT" in table else {},
        **options,
    )
    return path


@pytest.fixture
def coded():
    """Return the students, some with codes in place of an answer."""
    table = students()
    table.loc[[0, 1], "CREATAS"] = 99.0
    table.loc[2, "CREATAS"] = 98.0
    table.loc[[0, 25], "GROSAGR"] = 97.0
    table.loc[30, "GROSAGR"] = np.nan
    table.loc[12, "CREATAS"] = 99.0  # Finland
    return table


@pytest.fixture
def file(coded, tmp_path):
    return write(coded, tmp_path / "CY08MSP_STU_QQQ.SAV")


def test_rows_and_columns_are_those_asked_for(file, coded):
    table = load_pisa(file)
    columns = ["country", "school", "student", "CREATAS", "GROSAGR", "weight"]
    assert list(table.columns) == columns
    kept = coded[coded["CNT"] != "FIN"].reset_index(drop=True)
    assert table["country"].tolist() == kept["CNT"].tolist()
    assert table["school"].tolist() == kept["CNTSCHID"].tolist()
    assert table["student"].tolist() == kept["CNTSTUID"].tolist()
    assert table["weight"].tolist() == kept["W_FSTUWT"].tolist()
    assert table["school"].dtype == table["student"].dtype == np.int64
    for name in ("CREATAS", "GROSAGR"):
        answers = kept[name].where(kept[name] < 90)
        np.testing.assert_array_equal(table[name], answers)


def test_other_countries_variables_and_no_weights(file, coded):
    table = load_pisa(str(file), countries="FIN", variables="ST001D01T", weights=False)
    assert list(table.columns) == ["country", "school", "student", "ST001D01T"]
    assert table["ST001D01T"].tolist() == coded["ST001D01T"][coded["CNT"] == "FIN"].tolist()


def test_mapping_names_the_countries(file):
    table = load_pisa(file, countries={"IRL": "Ireland", "ALB": "Albania"})
    assert table["country"].drop_duplicates().tolist() == ["Albania", "Ireland"]


def test_missing_values_are_counted_with_their_reasons(file):
    table = load_pisa(file)
    assert table["CREATAS"].isna().sum() == 3 and table["GROSAGR"].isna().sum() == 3
    assert table.attrs["missing"] == {
        "CREATAS": {
            "ALB": {"students": 12, "missing": 3, "No Response": 2, "Invalid": 1},
            "IRL": {"students": 12, "missing": 0},
        },
        "GROSAGR": {
            "ALB": {"students": 12, "missing": 1, "Not Applicable": 1},
            "IRL": {"students": 12, "missing": 2, "blank": 1, "Not Applicable": 1},
        },
    }
    assert table.attrs["notes"] == ("24 students of 4 schools. Missing: CREATAS 12%, GROSAGR 12%.",)


def test_labelled_codes_count_even_if_undeclared(coded, tmp_path):
    table = load_pisa(write(coded, tmp_path / "p.sav", declared=False))
    assert table["CREATAS"].isna().sum() == 3
    assert table.attrs["missing"]["CREATAS"]["ALB"]["No Response"] == 2


def test_codes_without_a_label_are_named_by_number(coded, tmp_path):
    coded.loc[3, "CREATAS"] = 96.0
    counts = load_pisa(write(coded, tmp_path / "p.sav")).attrs["missing"]
    assert counts["CREATAS"]["ALB"]["code 96"] == 1


def test_codebook_has_the_labels_of_the_file(file):
    book = load_pisa(file).attrs["codebook"]
    assert book["CREATAS"] == LABELS["CREATAS"] and book["weight"] == LABELS["W_FSTUWT"]
    assert book["school"] == "CNTSCHID"


def test_chunks_change_nothing(file, monkeypatch):
    whole = load_pisa(file)
    monkeypatch.setattr(sav, "VALUES_AT_ONCE", 30)  # five rows at a time
    pieces = load_pisa(file)
    pd.testing.assert_frame_equal(whole, pieces)
    assert whole.attrs == pieces.attrs


def test_memory_grows_with_the_columns_asked_for_only(tmp_path):
    """Of 300 columns, four are kept: far less is held than the 24 MB that all would take."""
    wide = students(1700)
    extra = np.random.default_rng(1).integers(1, 5, (len(wide), 300)).astype(float)
    wide = pd.concat([wide, pd.DataFrame(extra).add_prefix("ST9")], axis=1)
    path = write(wide, tmp_path / "wide.sav")
    tracemalloc.start()
    table = load_pisa(path, variables="CREATAS")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 6800
    assert peak < extra.nbytes / 2


def test_chapter_can_run_on_a_file_in_place_of_the_synthetic_data(tmp_path):
    """pisa_style, written as OECD would have: the table that comes back is the one of mt.load."""
    style = mt.load("pisa_style")
    codes = {"Albania": "ALB", "Ireland": "IRL"}
    oecd = style.rename(columns={"school": "CNTSCHID", "student": "CNTSTUID"}).fillna(99.0)
    oecd["CNT"] = oecd.pop("country").map(codes)
    path = write(oecd.astype({"CNTSCHID": float, "CNTSTUID": float}), tmp_path / "style.sav")
    names = {code: name for name, code in codes.items()}
    table = load_pisa(path, names, weights=False)
    pd.testing.assert_frame_equal(table, style, check_dtype=False)


def test_layout_before_2015(coded, tmp_path):
    """Schools 00001, 00002 in every country, students 1 to 12."""
    old = coded.drop(columns=["CNTSCHID", "CNTSTUID", "CNTRYID"])
    place = coded.groupby("CNT").cumcount()
    old["SCHOOLID"] = [f"{k:05d}" for k in 1 + place // 6]
    old["StIDStd"] = [f"{k:05d}" for k in 1 + place]
    table = load_pisa(write(old, tmp_path / "old.sav"))
    assert table["school"].unique().tolist() == ["ALB-00001", "ALB-00002", "IRL-00001", "IRL-00002"]
    assert table["student"].iloc[[0, -1]].tolist() == ["ALB-00001", "IRL-00012"]


# What cannot be read


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(mt.DataError, match=r"There is no file .*nowhere\.sav.*downloaded"):
        load_pisa(tmp_path / "nowhere.sav")
    with pytest.raises(mt.DataError, match="There is no file"):
        load_pisa(tmp_path)


def test_file_that_is_not_spss(tmp_path):
    path = tmp_path / "text.sav"
    path.write_text("CNT,CNTSCHID\nALB,1\n")
    with pytest.raises(mt.DataError, match="cannot be read as an SPSS file"):
        load_pisa(path)
    archive = tmp_path / "STU_QQQ_SPSS.zip"
    archive.write_bytes(b"PK")
    with pytest.raises(mt.DataError, match="Unzip it"):
        load_pisa(archive)


def test_file_that_was_cut_off(tmp_path):
    path = write(students(500), tmp_path / "whole.sav")
    cut = tmp_path / "cut.sav"
    cut.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(mt.DataError, match=r"cut\.sav cannot be read.*download the file again"):
        load_pisa(cut)


def test_pyreadstat_that_is_not_there(file, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(mt.ModelError, match=r"pyreadstat.*mlteach\[book\]"):
        load_pisa(file)


def test_spss_file_that_is_not_pisa(tmp_path):
    path = tmp_path / "other.sav"
    pyreadstat.write_sav(pd.DataFrame({"id": [1.0], "x": [2.0]}), path)
    with pytest.raises(mt.DataError, match="no PISA student file: it needs the columns CNT"):
        load_pisa(path, variables="x")


def test_file_without_rows(tmp_path):
    with pytest.raises(mt.DataError, match="the file has no rows"):
        load_pisa(write(students().iloc[:0], tmp_path / "empty.sav"))


def test_unknown_country_lists_those_of_the_file(file):
    with pytest.raises(mt.DataError, match="no students of DEU. Its countries are: ALB, FIN, IRL"):
        load_pisa(file, countries=("ALB", "DEU"))


def test_unknown_variable_names_close_ones(file):
    with pytest.raises(mt.DataError, match=r"9 columns, but not CREATES \(close: CREATAS\); zzz"):
        load_pisa(file, variables=("CREATES", "zzz"))
    with pytest.raises(mt.DataError, match=r"creatas \(close: CREATAS\)"):
        load_pisa(file, variables="creatas")


def test_text_variable_is_refused(file):
    with pytest.raises(mt.DataError, match="VER_DAT: text in the file"):
        load_pisa(file, variables=("CREATAS", "VER_DAT"))


def test_file_without_weights(coded, tmp_path):
    path = write(coded.drop(columns="W_FSTUWT"), tmp_path / "p.sav")
    with pytest.raises(mt.DataError, match="no column W_FSTUWT. With weights=False"):
        load_pisa(path)
    assert "weight" not in load_pisa(path, weights=False)


def test_school_in_two_countries(coded, tmp_path):
    coded.loc[coded["CNT"] == "IRL", "CNTSCHID"] = coded.loc[0, "CNTSCHID"]
    with pytest.raises(mt.DataError, match="School 800001 is in two countries"):
        load_pisa(write(coded, tmp_path / "p.sav"))


def test_student_twice(coded, tmp_path):
    coded.loc[30, "CNTSTUID"] = coded.loc[0, "CNTSTUID"]
    with pytest.raises(mt.DataError, match="1 student identifiers occur more than once.*800000"):
        load_pisa(write(coded, tmp_path / "p.sav"))


def test_school_without_a_number(coded, tmp_path):
    coded.loc[[0, 1], "CNTSCHID"] = np.nan
    with pytest.raises(mt.DataError, match="2 students have no school number"):
        load_pisa(write(coded, tmp_path / "p.sav"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"countries": ()}, "countries is empty"),
        ({"countries": None}, "countries=None is not a name or a list of names"),
        ({"variables": None}, "variables=None is not a name or a list of names"),
        ({"countries": {"ALB": "A", "IRL": "A"}}, "the same name"),
        ({"variables": []}, "variables is empty"),
        ({"variables": ["CREATAS", "CREATAS"]}, "names a column twice"),
        ({"variables": "school"}, "makes itself"),
    ],
)
def test_requests_that_make_no_sense(file, options, message):
    with pytest.raises(mt.MLTeachError, match=message):
        load_pisa(file, **options)


# ----------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize("code", ["", "A", "alb", "A?B"])
def test_rows_of_no_country_are_refused(coded, tmp_path, code):
    coded.loc[[7, 9], "CNT"] = code
    with pytest.raises(mt.DataError, match=r"2 row\(s\) in which CNT is no code.*row 8, with"):
        load_pisa(write(coded, tmp_path / "p.sav"))


def test_a_country_that_one_row_has_alone_is_refused(coded, tmp_path):
    """A changed letter makes another country, which has the school too."""
    coded.loc[7, "CNT"] = "AMB"
    with pytest.raises(mt.DataError, match=r"is in two countries \(ALB and AMB\)"):
        load_pisa(write(coded, tmp_path / "p.sav"))


@pytest.mark.parametrize("number", [800_001.5, -3.0, 1e17, 1e300])
@pytest.mark.parametrize("column", ["CNTSCHID", "CNTSTUID"])
def test_identifiers_that_are_no_whole_numbers_are_refused(coded, tmp_path, column, number):
    coded.loc[3, column] = number
    kind = "school" if column == "CNTSCHID" else "student"
    with pytest.raises(mt.DataError, match=f"1 students have a {kind} number that is none"):
        load_pisa(write(coded, tmp_path / "p.sav"))


def test_a_header_that_ends_its_reader_is_survived(file, monkeypatch):
    monkeypatch.setattr(sav, "HEADER", "import os; os.abort()")
    with pytest.raises(mt.DataError, match=r"the process that read its header ended \(code -?\d+"):
        load_pisa(file)


def test_fewer_rows_than_the_header_says_are_refused(file, monkeypatch):
    real = sav.read_header

    def claims_more(path, encoding):
        header = real(path, encoding)
        header.number_rows += 1
        return header

    monkeypatch.setattr("mlteach.data.pisa.read_header", claims_more)
    with pytest.raises(mt.DataError, match="says that it has 37 rows, and 36 can be read"):
        load_pisa(file)


def test_a_wrong_character_set_can_be_put_right(coded, tmp_path):
    """Letters in Latin 1, in a file whose header says that they are UTF-8."""
    path = write(coded.assign(CITY="Tirana"), tmp_path / "p.sav")
    path.write_bytes(path.read_bytes().replace(b"Creative", b"Cr\xe9ative"))
    with pytest.raises(mt.DataError, match='in the character set .*encoding="latin1"'):
        load_pisa(path)
    table = load_pisa(path, encoding="latin1")
    assert len(table) == 24 and "Cr\u00e9ative" in table.attrs["codebook"]["CREATAS"]


def test_flipped_bytes_never_lose_a_row(file, tmp_path):
    """Read as many rows as there are, or refuse; values themselves cannot be checked."""
    rng, content = np.random.default_rng(2), file.read_bytes()
    whole, path = load_pisa(file), tmp_path / "damaged.sav"
    for _ in range(6):
        damaged = bytearray(content)
        damaged[int(rng.integers(200, len(content)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            read = load_pisa(path)
        except mt.DataError:
            continue
        assert len(read) == len(whole)
