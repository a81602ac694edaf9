"""Stand-ins load their module at first use, and a missing one is noticed at once."""

import subprocess
import sys

import pytest

from mlteach.core.lazy import lazy_import


def test_the_module_is_loaded_at_first_use():
    code = (
        "import sys; from mlteach.core.lazy import lazy_import; m = lazy_import('colorsys'); "
        "before = object.__getattribute__(m, '__dict__').get('rgb_to_hsv'); "
        "print(before is None, m.rgb_to_hsv(0, 0, 1)[2], sys.modules['colorsys'] is m)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "1", "True"]


def test_a_loaded_module_is_itself():
    assert lazy_import("sys") is sys


def test_a_missing_module_is_noticed_at_once():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        lazy_import("no_such_module")
