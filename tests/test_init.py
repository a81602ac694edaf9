"""The public names: they all exist, and importing the package stays light."""

import subprocess
import sys

import pytest

import mlteach as mt


def test_every_public_name_exists_and_is_listed():
    assert len(set(mt.__all__)) == len(mt.__all__)
    for name in mt.__all__:
        assert getattr(mt, name) is not None
        assert name in dir(mt)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'fit_everything'"):
        _ = mt.fit_everything


def test_import_leaves_the_heavy_packages_out():
    """Figures need matplotlib, chapters much more; a first `import mlteach` needs neither."""
    heavy = ["matplotlib", "IPython", "pymc", "statsmodels", "arviz", "ipywidgets"]
    code = f"import sys, mlteach; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
