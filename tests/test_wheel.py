"""What `pip install mlteach` installs: the whole package with its data, on its own dependencies.

The wheel is built and unpacked; a program that uses it finds no distribution but those that the
wheel asks for, and what these ask for.
"""

import json
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.places import ROOT
from tests.website import NOTEBOOKS

HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [f for f in sys.meta_path if f.__module__ == "_frozen_importlib"] + [Finder]
sys.path.insert(0, {wheel!r})
"""
USE = """
import mlteach as mt
assert mt.__file__.startswith({wheel!r})
hsb, london = mt.load("hsb"), mt.load("london")
empty = mt.fit_empty("math", hsb, cluster="school")
slopes = mt.fit_mixed("math ~ ses + (ses | school)", hsb)
mt.fit_random_intercept("math ~ ses", hsb, cluster="school")
mt.fit_random_slope("math ~ ses", hsb, cluster="school", slopes=["ses"])
print(mt.fit_centering("math ~ ses", hsb, cluster="school").summary())
print(mt.fit_location_scale("math ~ 1 + (1 | school)", "~ 1 + (1 | school)", hsb).summary())
group = mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector")
print(mt.icc(empty), mt.r_squared(slopes), mt.shrinkage(empty).head(), group.summary())
print(slopes.summary(), slopes._repr_html_()[:20], empty.equation())
print(mt.widgets().index.tolist(), *(mt.explore(name) for name in mt.widgets().index))
mt.explore("icc")._repr_mimebundle_()
mt.plots.shrinkage(empty).figure.savefig({picture!r})
print(mt.check("3.1", 0.18), mt.datasets(), mt.codebook("hsb").head())
"""
ASKS = {
    "statsmodels": 'mt.check("2.1", 1.0)',
    "pymc": 'mt.fit_location_scale("math ~ (1 | school)", "~ 1", mt.load("hsb"), method="bayes")',
    "pyreadstat": 'open("x.sav", "wb").write(b"$FL2"); mt.load_pisa("x.sav", countries=["DEU"])',
}


def distributions(name: str) -> set[str]:
    """A distribution and all that it asks for, without extras."""
    found, waiting = set(), [name]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            wanted = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # asked for on other systems only
            continue
        waiting += [w.name for w in wanted if not w.marker or w.marker.evaluate({"extra": ""})]
    return found


def hidden() -> set[str]:
    """The modules of this environment that a new one would not have."""
    ours = distributions("mlteach")
    return {
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & ours
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(wheel: Path, program: str) -> subprocess.CompletedProcess:
    code = HIDE.format(hidden=hidden(), wheel=str(wheel)) + program
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=wheel, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_what_is_hidden() -> None:
    found = hidden()
    assert {"pymc", "statsmodels", "ipywidgets", "IPython", "pyreadstat", "pytest"} <= found
    assert not {"mlteach", "numpy", "pandas", "matplotlib", "formulaic", "tqdm"} & found


def test_all_works_on_the_base(wheel: Path, tmp_path: Path) -> None:
    picture = tmp_path / "figure.png"
    done = run(wheel, USE.format(wheel=str(wheel), picture=str(picture)))
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 0
    assert "variance between, τ²" in done.stdout


@pytest.mark.parametrize("package", ASKS)
def test_what_needs_the_extra_says_so(wheel: Path, package: str) -> None:
    done = run(wheel, f"import mlteach as mt\n{ASKS[package]}")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mlteach.errors.")
    assert package in last and "mlteach[book]" in last and "install" in last


def test_data_ship_with_it(wheel: Path) -> None:
    shipped = {path.name for path in (wheel / "mlteach" / "_data").iterdir()}
    assert {"codebook.json", "hsb.csv", "wf_simulation.npz"} <= shipped
    assert (wheel / "mlteach" / "widgets" / "assets" / "twin.js").is_file()
    for folder, modules in {"exercises": "chapter_*.py", "widgets/lessons": "[!_]*.py"}.items():
        paths = [*(wheel / "mlteach" / folder).glob(modules)]
        assert len(paths) > 10
        assert all(path.with_suffix(".toml").is_file() for path in paths)


def test_it_holds_nothing_else(wheel: Path) -> None:
    """Above all no solutions of what is graded."""
    folders = {path.name for path in wheel.iterdir() if path.is_dir()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"mlteach"}
    graded = {path.name for path in (ROOT / "teaching").iterdir()}
    assert len(graded) > 10
    assert graded & {path.name for path in wheel.rglob("*")} <= {"__pycache__"}


def test_the_workbook_ships_with_it(wheel: Path, tmp_path: Path) -> None:
    """Every chapter, without outputs, and light."""
    paths = list((wheel / "mlteach" / "_workbook").iterdir())
    assert {path.stem for path in paths} == set(NOTEBOOKS)
    assert sum(path.stat().st_size for path in paths) < 4_000_000
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    assert not [cell for book in stored for cell in book["cells"] if cell.get("outputs")]
    copy = f"from mlteach.workbook import copy_workbook; copy_workbook({str(tmp_path)!r})"
    copied = run(wheel, copy)
    assert copied.returncode == 0, copied.stderr
    assert len(list(tmp_path.glob("*.ipynb"))) == len(paths)
