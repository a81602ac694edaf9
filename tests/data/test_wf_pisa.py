"""Reading the authors' file of the WF multigroup illustration: a file of their layout."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.errors import DataError

PLACES = 4


@pytest.fixture
def file(tmp_path):
    """Five schools of four places, 1 to 4 of them students; returns the path and the truth."""
    rng = np.random.default_rng(3)
    rows = []
    for j, n in enumerate([1, 4, 3, 2, 4], start=1):
        for i in range(1, PLACES + 1):
            real = i <= n
            rows.append({
                "j": j, "i": i,
                "CNTSCHID": 800000 + j if real else np.nan,
                "CNTSTUID": 10 * j + i if real else np.nan,
                "CNT": "Albania" if j < 4 else "Ireland",
                "CREATAS": round(rng.normal(), 4), "GROSAGR": round(rng.normal(), 4),
                "missing_CREATAS": int(not real or rng.random() < 0.3),
                "missing_GROSAGR": int(not real or rng.random() < 0.3),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    path = tmp_path / "PISA_short_balanced_imp.csv"
    table.to_csv(path, index=False, na_rep="NA")
    return path, table


def test_observed_values(file) -> None:
    path, truth = file
    students = truth[truth["CNTSTUID"].notna()]
    table = mt.load_wf_pisa(path)
    assert list(table.columns) == list(mt.load("pisa_style").columns)
    assert table.dtypes.tolist() == mt.load("pisa_style").dtypes.tolist()
    assert table["student"].tolist() == students["CNTSTUID"].tolist()
    for name in ("CREATAS", "GROSAGR"):
        expected = students[name].where(students[f"missing_{name}"] == 0)
        np.testing.assert_array_equal(table[name], expected)
        assert table[name].isna().any()


def test_completed_values(file) -> None:
    path, truth = file
    table = mt.load_wf_pisa(path, completed=True)
    assert len(table) == 5 * PLACES
    assert table["student"].isna().sum() == truth["CNTSTUID"].isna().sum() == 6
    for name in ("CREATAS", "GROSAGR"):
        np.testing.assert_array_equal(table[name], truth[name])
        np.testing.assert_array_equal(table[f"missing_{name}"], truth[f"missing_{name}"] == 1)


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda t: t.drop(columns="missing_GROSAGR"), "no column missing_GROSAGR"),
        (lambda t: t.assign(CREATAS="much"), "'CREATAS' .* not numeric"),
        (lambda t: t.assign(missing_CREATAS=2), "'missing_CREATAS' .* other than 0 and 1"),
        (lambda t: t.assign(GROSAGR=t["GROSAGR"].where(t["i"] != 2)), "'GROSAGR' .* line 3"),
    ],
)
def test_what_is_refused(file, change, says) -> None:
    path, truth = file
    change(truth).to_csv(path, index=False)
    with pytest.raises(DataError, match=says):
        mt.load_wf_pisa(path)


def test_no_file(tmp_path) -> None:
    with pytest.raises(DataError, match="demianJK"):
        mt.load_wf_pisa(tmp_path / "none.csv")


def test_damaged_files_are_refused_or_whole(file) -> None:
    path, _ = file
    rng, content, whole = np.random.default_rng(3), path.read_bytes(), mt.load_wf_pisa(path)
    for kind in range(120):
        damaged, at = bytearray(content), int(rng.integers(len(content)))
        if kind % 4 == 0:
            damaged[at : at + 16] = rng.bytes(len(damaged[at : at + 16]))
        elif kind % 4 == 1:
            del damaged[at : at + 1 + kind]
        elif kind % 4 == 2:
            damaged[at:at] = damaged[at : at + 100]
        else:
            damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            read = mt.load_wf_pisa(path)
        except DataError as error:
            assert path.name in str(error)
        else:
            assert len(read) == len(whole)
