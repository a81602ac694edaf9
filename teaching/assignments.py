"""Make the problem sets for nbgrader, and check with nbgrader that they grade as they should.

    python teaching/assignments.py [COURSE]      default: the folder "course"

Writes COURSE/source (with solutions), COURSE/release (for students) and COURSE/nbgrader_config.py;
submissions and grades that are there stay. Before that it grades three students in a folder aside:
one with the model solution, one with nothing, one with a known mistake in every other task.

A problem set is a Python file of cells. ``[given]`` runs as it stands, ``[task] name points`` is a
solution that ends with the answer in a variable of that name, ``[written] name points`` a model
answer with a rubric; students get neither.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader

HERE = Path(__file__).resolve().parent
SETS = ("ps1", "ps2", "ps3", "ps4", "ps5")
#: Students of the check; each has other data.
STUDENTS = MODEL, BLANK, MISTAKEN = "model", "blank", "mistaken"
PLACEHOLDER = "NAME = ..."
SETTINGS = "nbgrader_config.py"
#: Points and possible points, by the name of the cell.
Scores = dict[str, tuple[float, float]]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CONFIG = '''"""nbgrader's settings: where it finds alembic, and its kernels grading.py."""

import os
import sys
from pathlib import Path

c = get_config()
c.CourseDirectory.course_id = "mlteach"
c.ClearSolutions.code_stub = {{"python": "# your work here"}}
c.Execute.timeout = 120
os.environ["PYTHONPATH"] = {here!r}
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
'''
TEST = """given({name})
### BEGIN HIDDEN TESTS
from grading import right
right("{problem_set}", "{name}", NAME, {name})
### END HIDDEN TESTS"""
SOLUTION = "{name} = ...\n### BEGIN SOLUTION\n{text}\n### END SOLUTION"


class CheckError(Exception):
    """A problem set that does not grade as it should; the message says which and why."""


# ------------------------------------------------------------------------------- from text to cells


def graded(name: str, points: int = 0, *, test: bool, solution: bool) -> dict:
    """Build what nbgrader keeps of a cell."""
    about = {"grade_id": name, "grade": test, "solution": solution, "locked": not solution}
    about |= {"schema_version": 3, "task": False, **({"points": points} if test else {})}
    return {"nbgrader": about}


def cells_of(problem_set: str) -> Iterator[NotebookNode]:
    """Read a problem set and yield its cells, those for nbgrader marked."""
    text = (HERE / f"{problem_set}.py").read_text(encoding="utf-8")
    parts = re.split(r"^# %% \[(\w+)\] ?(\w*) ?(\d*)\n", text, flags=re.MULTILINE)[1:]
    for kind, name, points, body in zip(*(parts[k::4] for k in range(4)), strict=True):
        source = body.strip()
        if kind in ("markdown", "written"):
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        if kind == "markdown":
            yield new_markdown_cell(source)
        elif kind == "written":
            about = graded(name, int(points), test=True, solution=True)
            yield new_markdown_cell(source, metadata=about)
        elif kind == "task":
            about = graded(name, test=False, solution=True)
            yield new_code_cell(SOLUTION.format(name=name, text=source), metadata=about)
            about = graded(f"test-{name}", int(points), test=True, solution=False)
            test = TEST.format(name=name, problem_set=problem_set)
            yield new_code_cell(test, metadata=about)
        else:
            yield new_code_cell(source)


def notebook(problem_set: str) -> NotebookNode:
    """Build the instructor's version, with names for cells that do not change."""
    cells = list(cells_of(problem_set))
    for number, cell in enumerate(cells):
        cell.id = f"{problem_set}-{number}"
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


# --------------------------------------------------------------------------------- with nbgrader


def open_course(course: Path) -> NbGraderAPI:
    """Write the settings of a course and open it with them, as ``nbgrader`` does there."""
    course.mkdir(parents=True, exist_ok=True)
    (course / SETTINGS).write_text(CONFIG.format(here=str(HERE)), encoding="utf-8")
    config = PyFileConfigLoader(SETTINGS, path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    return NbGraderAPI(config=config)


def succeed(result: dict) -> None:
    """Pass on what nbgrader says, if it fails."""
    if not result["success"]:
        raise CheckError(f"{result.get('log', '')[-2000:]}\n{result['error'][-2000:]}")


def prepare(course: Path) -> NbGraderAPI:
    """Write the sources, and let nbgrader make the students' versions."""
    opened = open_course(course)
    for problem_set in SETS:
        folder = course / "source" / problem_set
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(problem_set), folder / f"{problem_set}.ipynb")
        shutil.copy(HERE / "draw.py", folder)
        succeed(opened.generate_assignment(problem_set))
    return opened


def mistaken_tasks(problem_set: str) -> list[str]:
    """Every other task: the points of those between must stay."""
    cells = notebook(problem_set).cells
    names = [cell.metadata["nbgrader"]["grade_id"] for cell in cells if cell.metadata]
    return [name for name in names if f"test-{name}" in names][::2]


def submission(course: Path, problem_set: str, student: str) -> NotebookNode:
    """Fill in a problem set as one of the students of the check would."""
    origin = "release" if student == BLANK else "source"
    path = course / origin / problem_set / f"{problem_set}.ipynb"
    filled = nbformat.read(path, as_version=4)
    wrong = mistaken_tasks(problem_set) if student == MISTAKEN else []
    for cell in filled.cells:
        cell.source = cell.source.replace(PLACEHOLDER, f'NAME = "{student}"')
        task = cell.metadata.get("nbgrader", {}).get("grade_id")
        if task in wrong:
            call = f'mistaken("{problem_set}", "{task}", NAME)'
            cell.source += f"\nfrom grading import mistaken\n{task} = {call}"
    return filled


def hand_in(course: Path, problem_set: str, student: str) -> None:
    """Put a student's work where nbgrader looks for it."""
    folder = course / "submitted" / student / problem_set
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(submission(course, problem_set, student), folder / f"{problem_set}.ipynb")
    shutil.copy(HERE / "draw.py", folder)


def scores(opened: NbGraderAPI, problem_set: str, student: str) -> Scores:
    """Points and possible points in each cell that a program grades."""
    with opened.gradebook as book:
        work = book.find_submission(problem_set, student)
        grades = [grade for part in work.notebooks for grade in part.grades]
        # A written answer waits for its reader.
        return {g.name: (g.score, g.max_score) for g in grades if g.name.startswith("test-")}


def faults(problem_set: str, student: str, found: Scores) -> list[str]:
    """Say where a student got other points than intended."""
    none = list(found) if student == BLANK else []
    if student == MISTAKEN:
        none = [f"test-{task}" for task in mistaken_tasks(problem_set)]
    return [
        f"{problem_set}, {name}: {student} got {got:g} of {most:g}"
        for name, (got, most) in found.items()
        if got != (0 if name in none else most)
    ]


def check(opened: NbGraderAPI) -> None:
    """Grade the three students of the check in all problem sets, and print their points."""
    wrong = []
    for problem_set, student in product(SETS, STUDENTS):
        hand_in(Path(opened.coursedir.root), problem_set, student)
        succeed(opened.autograde(problem_set, student))
        found = scores(opened, problem_set, student)
        got, most = (sum(points) for points in zip(*found.values(), strict=True))
        print(f"{problem_set}: {student} gets {got:g} of {most:g} points", flush=True)
        wrong += faults(problem_set, student, found)
    if wrong:
        raise CheckError("\n".join(wrong))


def main(arguments: list[str]) -> int:
    """Check in a folder aside, then prepare the course."""
    course = Path(arguments[0] if arguments else "course").expanduser().resolve()
    try:
        with tempfile.TemporaryDirectory() as aside:
            check(prepare(Path(aside).resolve()))
        prepare(course)
    except CheckError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Ready: {course}. For students: {course / 'release'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
