"""The notebooks in a folder of one's own: copied once, never written over."""

import json
import subprocess
import sys
from pathlib import Path

import notebooks
import pytest

import mlteach as mt
from mlteach import workbook
from mlteach.errors import DataError
from mlteach.exercises import record
from tests.website import NOTEBOOKS


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks as `make notebooks` leaves them."""
    notebooks.Book().write(tmp_path / "made")
    monkeypatch.setattr(workbook, "shipped", lambda: tmp_path / "made")


def test_what_a_student_has_done_stays(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "mein Kurs"
    assert workbook.main(["workbook", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}.ipynb" for name in NOTEBOOKS} | {record.FILE}
    (folder / "03_empty_model.ipynb").write_text("mine")
    (folder / "04_design_effects.ipynb").unlink()
    assert workbook.main(["workbook", str(folder)]) == 0
    assert (folder / "03_empty_model.ipynb").read_text() == "mine"
    assert "1 notebooks are new" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == names


def test_progress_counts_from_the_first_check(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(record, "_session", {})
    workbook.copy_workbook(tmp_path / "book")
    monkeypatch.chdir(tmp_path / "book")
    mt.check("0.10", 160)
    record._session.clear()  # the next day
    workbook.copy_workbook(tmp_path / "book")
    assert mt.progress().loc["all", "right"] == 1


def test_outputs_are_cleared(tmp_path: Path) -> None:
    new, _ = workbook.copy_workbook(tmp_path / "book")
    cells = [cell for path in new for cell in json.loads(path.read_text("utf-8"))["cells"]]
    assert not [cell for cell in cells if cell.get("outputs")]


def test_lab_opens_the_folder(tmp_path: Path, monkeypatch) -> None:
    ran = []

    def run(command, cwd, check):
        ran.append((command, cwd))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(workbook.subprocess, "run", run)
    assert workbook.main(["lab", str(tmp_path / "book"), "--no-browser"]) == 3
    assert ran == [([sys.executable, "-m", "jupyterlab", "--no-browser"], tmp_path / "book")]
    assert (tmp_path / "book" / "03_empty_model.ipynb").is_file()


def test_what_cannot_be_done_is_said(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert workbook.main(["workbook", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    monkeypatch.setattr(workbook.importlib.util, "find_spec", lambda name: None)
    assert workbook.main(["lab", str(tmp_path / "book")]) == 1
    assert "pip install jupyterlab" in capsys.readouterr().err


def test_a_clone_without_notebooks_says_what_to_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(workbook, "__file__", str(tmp_path / "mlteach" / "workbook.py"))
    with pytest.raises(DataError, match="make notebooks"):
        workbook.shipped()
