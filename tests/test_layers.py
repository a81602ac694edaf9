"""The shape of the package: imports point one way, modules stay readable, importing stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mlteach"
#: A module may import from the rows above its own, never from its own row or below.
ROWS = (
    "chains errors equations lazy linalg optim palette",
    "collapsed data effect_functions distributions examples formula long_table "
    "multigroup_deviance pisa",
    "design filling marginal multigroup_model results study_run",
    "association center missing moments multigroup_data nesting study_store wide",
    "deviance location_scale_design location_scale_fit location_scale_graph multigroup_fit "
    "wide_moments",
    "location_scale_between location_scale_factor location_scale_model location_scale_priors "
    "posterior_checks two_level_gibbs",
    "effects inference location_scale_draws location_scale_plain sandwich search separate_fits",
    "bootstrap location_scale_bayes profile",
    "account comparison location_scale_lr location_scale_ratios mixed_estimates smushing",
    "intervals prediction two_level_normal variance_function",
    "location_scale_clusters location_scale_components mcar multigroup_clusters multigroup_derived",
    "multigroup_nesting multigroup_profile wide_fit",
    "hypotheses impute lavaan_syntax location_scale_posterior location_scale_result "
    "multigroup_result",
    "location_scale_association mixed_result multigroup",
    "latent mixed pool",
    "centering_formula checks column_icc compare design_effects diagrams effect_sizes",
    "location_scale r_squared slope_line",
    "centering pooling shrinkage simple_slopes spurious_precision study",
    "wf_simulation",
    "wf_criteria",
    "exercises plots",
    "widgets",
)
ROW_OF = {module: k for k, row in enumerate(ROWS) for module in row.split()}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
MOST_LINES = 500  # the point at which a reader loses the thread, and a module is split
#: What the book needs and the package does not: it must not come along with `import mlteach`.
HEAVY = (
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


def module_of(path: Path) -> str:
    """Return "mixed" for mixed.py, "exercises" for exercises/chapter_03.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


class ImportCollector(ast.NodeVisitor):
    """Collect what a module imports when it runs, at the top or inside a function."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "relative import"
        self.names |= {f"{node.module}.{alias.name}" for alias in node.names}

    def visit_If(self, node: ast.If) -> None:
        """Pass over ``if TYPE_CHECKING:``, which imports names for annotations only."""
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)


def imported(source: str) -> set[str]:
    """Return the modules of mlteach that a source text imports."""
    collector = ImportCollector()
    collector.visit(ast.parse(source))
    parts = [name.split(".") for name in collector.names]
    return {part[1] if len(part) > 1 else "mlteach" for part in parts if part[0] == "mlteach"}


def test_imports_are_found() -> None:
    text = """
import mlteach.data
from mlteach import mixed
if TYPE_CHECKING:
    from mlteach.compare import y
def f():
    from mlteach.plots import x
"""
    assert imported(text) == {"data", "mixed", "plots"}


def test_every_module_has_a_row() -> None:
    assert {module_of(path) for path in MODULES} - set(ROW_OF) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_point_one_way(path: Path) -> None:
    own = module_of(path)
    others = imported(path.read_text(encoding="utf-8")) - {own}
    assert {other for other in others if ROW_OF.get(other, len(ROWS)) >= ROW_OF[own]} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_is_short_and_introduced(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(source))


def test_import_is_light() -> None:
    code = f"import sys, mlteach; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
