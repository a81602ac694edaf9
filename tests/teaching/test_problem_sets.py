"""Problem sets: keys are told from mistakes for every student, and nbgrader grades as intended."""

import math
import re
import subprocess
import sys
from pathlib import Path

import assignments
import nbformat
import numpy as np
import pytest
from draw import SCHOOLS, given, student_data, student_numbers
from grading import TASKS, mistaken, right
from nbgrader.api import Gradebook

from mlteach.exercises.answers import plain
from tests.teaching.conftest import TEACHING

NAMES = ("ada", "Bo Li", "chen", "dora", "Émile", "fay")
POINTS, WRITTEN_POINTS = 20, 4
EACH_TASK = [(problem_set, task) for problem_set, tasks in TASKS.items() for task in tasks]


def numbers(value: object) -> list[object]:
    value = plain(value)
    return list(value) if isinstance(value, tuple) else [value]


# ----------------------------------------------------------------------------------- data and keys


@pytest.mark.parametrize("problem_set", SCHOOLS)
def test_data_follow_from_the_name(problem_set: str) -> None:
    one, same, other = (student_data(problem_set, name) for name in ("ada", " Ada ", "bob"))
    assert one.equals(same)
    assert set(one["school"]) != set(other["school"])
    _, kind, count = SCHOOLS[problem_set]
    schools = one.groupby("school").first()
    sizes = schools.groupby(kind).size() if kind else [len(schools)]
    assert set(sizes) == {count}
    drawn = [student_numbers(problem_set, name) for name in NAMES]
    assert drawn[0] == student_numbers(problem_set, "ADA")
    assert any(numbers != drawn[0] for numbers in drawn)


@pytest.mark.parametrize("name", [..., "", "  ", 3])
def test_a_name_is_asked_for(name: object) -> None:
    with pytest.raises(ValueError, match="first cell"):
        student_data("ps1", name)


@pytest.mark.parametrize(("problem_set", "task"), EACH_TASK)
def test_mistakes_are_told_from_the_key(problem_set: str, task: str) -> None:
    known = TASKS[problem_set][task]
    assert known.mistakes
    keys = [known.key(name) for name in NAMES]
    for name, key in zip(NAMES, keys, strict=True):
        assert all(isinstance(n, str) or math.isfinite(n) for n in numbers(key))
        right(problem_set, task, name, key)
        for mistake, value in known.mistakes.items():
            with pytest.raises(AssertionError, match=re.escape(f"Known mistake: {mistake}.")):
                right(problem_set, task, name, value(name))
    assert len({tuple(numbers(key)) for key in keys}) > 1, "the same for everybody"
    assert numbers(mistaken(problem_set, task, "ada")) == numbers(
        next(iter(known.mistakes.values()))("ada")
    )


@pytest.mark.parametrize(
    ("answer", "passes"),
    [(0.92, True), (np.float64(0.921), True), (0.93, False), ("0.92", False), ((0.92, 1), False),
     (float("nan"), False), (None, False)],
)  # fmt: skip
def test_what_counts_as_right(answer: object, passes: bool) -> None:
    name = next(name for name in map(str, range(99)) if _icc(name) == 0.08)
    if passes:
        right("ps1", "books", name, answer)
    else:
        with pytest.raises(AssertionError):
            right("ps1", "books", name, answer)


def _icc(name: str) -> float:
    return student_numbers("ps1", name)["icc"]


def test_other_peoples_work_is_not_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "autograded" / "Ada" / "ps1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    right("ps1", "books", "ada", TASKS["ps1"]["books"].key("ada"))
    with pytest.raises(AssertionError, match="somebody else"):
        right("ps1", "books", "bob", TASKS["ps1"]["books"].key("bob"))


@pytest.mark.parametrize("answer", [..., None, (1.0, ...)])
def test_no_answer_is_said(answer: object) -> None:
    with pytest.raises(ValueError, match="No answer yet"):
        given(answer)
    given(0.0)


# ------------------------------------------------------------------------------------- notebooks


@pytest.mark.parametrize("problem_set", TASKS)
def test_every_task_is_asked_and_graded(problem_set: str) -> None:
    about = [
        cell.metadata["nbgrader"]
        for cell in assignments.notebook(problem_set).cells
        if cell.metadata
    ]
    points = {entry["grade_id"]: entry["points"] for entry in about if entry["grade"]}
    assert [name for name in points if name != "words"] == [f"test-{t}" for t in TASKS[problem_set]]
    assert points["words"] == WRITTEN_POINTS and sum(points.values()) == POINTS
    text = (TEACHING / f"{problem_set}.py").read_text(encoding="utf-8")
    for entry in points.items():
        assert f"({entry[1]} points)" in text
    assert text.count("1 point:") == WRITTEN_POINTS


def test_wrong_points_are_seen() -> None:
    tasks = assignments.mistaken_tasks("ps1")
    full = {f"test-{task}": (2.0, 2.0) for task in TASKS["ps1"]}
    none = {name: (0.0, most) for name, (_, most) in full.items()}
    assert assignments.faults("ps1", "model", full) == []
    assert assignments.faults("ps1", "blank", none) == []
    assert len(assignments.faults("ps1", "model", none)) == len(full)
    assert len(assignments.faults("ps1", "mistaken", full)) == len(tasks)
    assert len(assignments.faults("ps1", "mistaken", none)) == len(full) - len(tasks)


# ------------------------------------------------------------------------------------ round trip


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The course as its instructor makes it, in a path with a blank, and what was said."""
    folder = tmp_path_factory.mktemp("a course")
    done = subprocess.run(
        [sys.executable, str(TEACHING / "assignments.py"), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_nbgrader_gives_the_intended_points(course: tuple[Path, str]) -> None:
    most = POINTS - WRITTEN_POINTS
    for problem_set in TASKS:
        wrong = assignments.mistaken_tasks(problem_set)
        cells = [
            cell.metadata.get("nbgrader", {}) for cell in assignments.notebook(problem_set).cells
        ]
        points = {entry.get("grade_id"): entry.get("points", 0) for entry in cells}
        left = most - sum(points[f"test-{task}"] for task in wrong)
        assert 0 < left < most
        for student, got in (("model", most), ("blank", 0), ("mistaken", left)):
            assert f"{problem_set}: {student} gets {got} of {most} points" in course[1]


def test_nbgrader_hands_out_no_solution(course: tuple[Path, str]) -> None:
    for problem_set in TASKS:
        solved, given_out = (
            nbformat.read(course[0] / part / problem_set / f"{problem_set}.ipynb", as_version=4)
            for part in ("source", "release")
        )
        text = "\n".join(cell.source for cell in given_out.cells)
        for cell in solved.cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                lines = [line for line in cell.source.splitlines() if "=" in line or "." in line]
                assert [x for x in lines if x in text and not x.endswith("...")] == []
        assert not any(word in text for word in ("SOLUTION", "HIDDEN", "grading", "Rubric"))
        assert text.count("# your work here") == len(TASKS[problem_set])
        files = {path.name for path in (course[0] / "release" / problem_set).iterdir()}
        assert files == {"draw.py", f"{problem_set}.ipynb"}


def test_nbgrader_keeps_a_clean_gradebook(course: tuple[Path, str]) -> None:
    assert not (course[0] / "submitted").exists()
    with Gradebook(f"sqlite:///{course[0] / 'gradebook.db'}") as book:
        assert {a.name: a.max_score for a in book.assignments} == dict.fromkeys(TASKS, POINTS)
        assert book.students == []
