"""Names that load their module at first use; packages that only some purposes need."""

import pkgutil
import subprocess
import sys

import pytest

import mlteach as mt
from mlteach.core.lazy import from_extra, lazy_names
from mlteach.errors import ModelError


@pytest.fixture
def xml(tmp_path):
    """The names of the standard library's xml, by a stub of our own."""
    stub = "from xml import sax as sax\nfrom xml.etree.ElementTree import Element as Element\n"
    (tmp_path / "__init__.pyi").write_text(stub)
    return lazy_names("xml", str(tmp_path / "__init__.py"))


def test_a_module_is_loaded_at_first_use():
    code = (
        "import sys, mlteach as mt; name = 'mlteach.questions.design_effects'; "
        "before = name in sys.modules; mt.design_effect(5, 0.3); print(before, name in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]


def test_names_are_those_of_the_stub(xml):
    names, find, listed = xml
    assert names == ["Element", "sax"]
    assert find("Element")("a").tag == "a"
    assert find("sax") is sys.modules["xml.sax"]
    assert set(names) <= set(listed())


@pytest.mark.parametrize("package", [mt, mt.plots, mt.diagrams, mt.widgets])
def test_no_module_takes_the_place_of_a_name(package):
    """Python puts a module into its package when it is first imported, over a name like it."""
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    find = package.__getattr__
    names = {name for name in package.__all__ if not isinstance(find(name), type(sys))}
    assert modules & names == set()


def test_an_unknown_name_is_refused(xml):
    with pytest.raises(AttributeError, match="module 'xml' has no attribute 'dom'"):
        xml[1]("dom")


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(ModelError, match=r"This needs no_such, .*mlteach\[book\]"):
        from_extra("no_such.module", "This")
