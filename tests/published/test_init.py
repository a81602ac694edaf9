"""Names that chapters import from ``mlteach.published``: there, and loaded only when asked for."""

import subprocess
import sys

import pytest

import mlteach.published as published


@pytest.mark.parametrize("name", published.__all__)
def test_name_is_there(name) -> None:
    assert callable(getattr(published, name))
    assert name in dir(published)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = published.nothing


def test_importing_it_loads_none_of_the_studies() -> None:
    code = (
        "import sys, mlteach.published;"
        "print([m for m in sys.modules if m.startswith('mlteach.published.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
