"""What the package says does not depend on who asks, when, where and on which machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

PROGRAM = """
import os, sys
os.umask(0o077)
if hasattr(os, "sched_setaffinity") and "ONE" in os.environ:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import locale
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:  # a machine without the language
    pass
import numpy as np
import mlteach as mt
hsb = mt.load("hsb")
print(mt.datasets().to_string())
fit = mt.fit_mixed("math ~ ses + catholic + (1 + ses | school)", hsb)
print(fit.summary(), fit.test("ses = 2"), mt.icc(mt.fit_empty("math", hsb, cluster="school")))
print(mt.fit_location_scale("math ~ (1 | school)", "~ catholic + (1 | school)", hsb).summary())
print(mt.explore("icc")._repr_mimebundle_()["text/html"])
print(np.asarray(fit.simulate(np.random.default_rng(1))).sum())
"""
SURROUNDINGS = {
    "another time zone": {"TZ": "Pacific/Auckland"},
    "Turkish": {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"},
    "no language": {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "utf-8"},
    # Without a folder of its own matplotlib itself complains.
    "no home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "MPLCONFIGDIR": "."},
    "one processor, other hashes": {"ONE": "1", "PYTHONHASHSEED": "7"},
}
# Where the language is C, Python cannot read in its site-packages of a folder with umlauts.
READABLE = {} if str(ROOT).isascii() else {"LC_ALL": "", "LC_CTYPE": "C.UTF-8"}


def said(folder: Path, extra: dict[str, str]) -> str:
    """What the program prints; a warning would stand on stderr."""
    # One thread, as several add up in another order.
    fixed = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM],
        cwd=folder, env=os.environ | fixed | extra | READABLE, check=False,
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> str:
    return said(tmp_path_factory.mktemp("usual"), {})


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_same_is_said_everywhere(name: str, usual: str, tmp_path: Path) -> None:
    folder = tmp_path / "Übung zwei"
    folder.mkdir()
    assert "Two-level linear mixed model" in usual
    assert said(folder, SURROUNDINGS[name]) == usual
