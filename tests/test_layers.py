"""The shape of the package: wings in rows, imports that point downwards, readable modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

PACKAGE = ROOT / "mlteach"
#: A wing may import from the rows above its own, never from a sibling or from below. Imports that
#: serve annotations only count like all others.
ROWS = (
    "errors",
    "core",
    "data mixed multigroup missing study",
    "location_scale centering diagrams",
    "questions",
    "published plots",
    "exercises widgets",
    "workbook",
)
ROW_OF = {wing: k for k, row in enumerate(ROWS) for wing in row.split()}
WINGS = sorted(set(ROW_OF) - {"errors"})
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
MOST_LINES = 400  # the point at which a reader loses the thread, and a module is split
#: What takes its time to load: it must not come along with `import mlteach`.
HEAVY = (
    "pandas",
    "formulaic",
    "scipy",
    "pymc",
    "nutpie",
    "arviz",
    "statsmodels",
    "matplotlib",
    "IPython",
    "ipywidgets",
    "tqdm",
    "dask",
    "pyreadstat",
)


def wing_of(path: Path) -> str:
    """Return "mixed" for mixed/fit.py, "errors" for errors.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(source: str) -> set[str]:
    """Return the wings that a source text imports: at the top, in functions, for types."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {part[1] if len(part) > 1 else "mlteach" for part in parts if part[0] == "mlteach"}


def test_imports_are_found() -> None:
    text = """
import mlteach.data.shipped
from mlteach import mixed
if TYPE_CHECKING:
    from mlteach.questions.compare import y
def f():
    from mlteach.plots import x
"""
    assert imported(text) == {"data", "mixed", "questions", "plots"}


def test_every_wing_has_a_row() -> None:
    assert {wing_of(path) for path in MODULES} == set(ROW_OF)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = wing_of(path)
    others = imported(path.read_text(encoding="utf-8")) - {own}
    assert {other for other in others if ROW_OF.get(other, len(ROWS)) >= ROW_OF[own]} == set()


def modules_imported(source: str) -> set[str]:
    """Return the full names of all that a source text imports: modules, and names in them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def in_a_circle(arrows: dict[str, set[str]]) -> set[str]:
    """Return what is left when all that points at nothing left is taken away, again and again."""
    left = dict(arrows)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    return set(left)


def test_circles_are_found() -> None:
    assert in_a_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"e"}, "e": set()}) == set("abc")


@pytest.mark.parametrize("wing", WINGS)
def test_no_circle_between_the_modules_of_a_wing(wing: str) -> None:
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in MODULES
        if wing_of(path) == wing and path.name != "__init__.py"
    }
    arrows = {
        name: modules_imported(path.read_text(encoding="utf-8")) & set(names) - {name}
        for name, path in names.items()
    }
    assert in_a_circle(arrows) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_short_and_introduced(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(source))


def test_import_is_light() -> None:
    code = f"import sys, mlteach; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
