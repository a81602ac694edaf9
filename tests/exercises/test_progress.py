"""What is remembered of a reader's answers, and what is not: nothing unasked, and no solution."""

import json
import sys
from pathlib import Path

import pytest

import mlteach as mt
from mlteach.exercises import check as checks
from mlteach.exercises import record
from mlteach.exercises.exercise import chapter_exercises, chapters_with_exercises

ALL = [key for number in chapters_with_exercises() for key in chapter_exercises(number)]
RIGHT = "0.3 - 4 / 12 * (0.3 + 0.7 / 10)"  # of 9.1


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "_session", {})
    monkeypatch.setattr(checks, "_wrong", {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a cell as a notebook does, and return what it shows."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # it takes the place
    shell = InteractiveShell.instance()

    def run(cell):
        capsys.readouterr()
        shell.run_cell(f"{cell}", store_history=True).raise_error()
        return capsys.readouterr().out

    run("import mlteach as mt")
    yield run
    InteractiveShell.clear_instance()


def test_nothing_is_written_before_somebody_asks(folder):
    assert mt.check("9.1", eval(RIGHT))
    assert list(folder.iterdir()) == []


def test_answers_before_and_after_are_in_the_file():
    mt.check("9.1", 7)
    mt.check("9.1", eval(RIGHT))
    mt.check("9.1", 8)
    first = mt.progress()
    assert first.loc[9].to_dict() == {"exercises": 5, "tried": 1, "right": 1}
    mt.check("9.4", 7)
    record._session.clear()  # the next day
    again = mt.progress()
    assert again.loc["all"].to_list() == [len(ALL), 2, 1]
    stored = json.loads(Path(record.FILE).read_text())[record.FORMAT]
    assert stored["9.1"] == {"right": True, "tries": 2}


def test_no_answer_is_no_try():
    mt.check("9.1")
    assert mt.progress().loc["all", "tried"] == 0


def test_a_solution_says_nothing_and_does_not_count(run):
    assert "No answer yet" in run('mt.check("9.1", ...)')
    assert run(f'# Solution of 9.1\\nmt.check("9.1", {RIGHT})') == ""
    run(f'# Solution of 9.1\\nassert mt.check("9.1", {RIGHT})')
    assert mt.progress().loc["all", "tried"] == 0
    assert "Right." in run(f'mt.check("9.1", {RIGHT})')
    assert mt.progress().loc["all", "right"] == 1


def test_the_better_of_two_records_stays():
    one = {"1.1": {"right": True, "tries": 1}, "1.2": {"right": False, "tries": 5}}
    other = {"1.1": {"right": False, "tries": 9}, "1.2": {"right": False, "tries": 2}}
    assert record.merged(one, other) == record.merged(other, one) == one


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"mlteach-progress": {"1.1": 3}}'])
def test_another_file_is_not_overwritten(folder, text):
    file = folder / record.FILE
    file.write_text(text)
    with pytest.raises(mt.DataError, match="no progress of this book"):
        mt.progress()
    assert file.read_text() == text
