"""The three descriptions of the environment agree: pyproject.toml, environment.yml and uv.lock."""

import re
import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.places import ROOT

#: Packages that conda-forge calls otherwise than PyPI, conda's name first.
CONDA_NAMES = {"matplotlib-base": "matplotlib"}

Bounds = dict[str, SpecifierSet]


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted() -> Bounds:
    """Return what the package and the chapters need, and the version of Python."""
    project = pyproject()["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["book"]
    requirements = [Requirement(line) for line in lines]
    bounds = {canonicalize_name(req.name): req.specifier for req in requirements}
    return bounds | {"python": SpecifierSet(project["requires-python"])}


def conda() -> tuple[Bounds, list[str]]:
    """Return the packages of environment.yml, and what it leaves to pip."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    by_pip = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    bounds = {}
    for entry in filter(lambda entry: isinstance(entry, str), entries):
        name, specifier = re.fullmatch(r"([\w.-]+)\s*(.*)", entry).groups()
        bounds[CONDA_NAMES.get(name, name)] = SpecifierSet(specifier)
    return bounds, by_pip


def test_conda_and_pyproject_agree() -> None:
    bounds, by_pip = conda()
    assert "pip" in bounds
    assert {name: spec for name, spec in bounds.items() if name != "pip"} == wanted()
    assert by_pip == ["-e ."]


def test_lock_holds_every_package_within_its_bounds() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = {entry["name"]: [] for entry in lock["package"]}
    for entry in lock["package"]:
        locked[entry["name"]].append(entry.get("version"))
    for name, bounds in wanted().items():
        if name != "python":
            assert all(version in bounds for version in locked[name]), name
    assert SpecifierSet(lock["requires-python"]) == wanted()["python"]


def test_nothing_is_locked_that_is_not_finished() -> None:
    """For none of the versions of Python: a beta once stood where no release fitted."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = [(entry["name"], Version(entry.get("version", "0"))) for entry in lock["package"]]
    assert not [name for name, version in locked if version.is_prerelease]


def test_what_grades_is_tested() -> None:
    """`make test` grades with the nbgrader that instructors get, without an extra of its own."""
    everything = pyproject()
    teaching = everything["project"]["optional-dependencies"]["teaching"]
    assert teaching and set(teaching) <= set(everything["dependency-groups"]["dev"])


def test_version_is_said_once() -> None:
    import mlteach

    assert mlteach.__version__ == pyproject()["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == mlteach.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{mlteach.__version__}]" in changes
