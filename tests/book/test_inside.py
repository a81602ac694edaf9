"""The walk through a fit: every line of the page runs and gives what stands there."""

import doctest
import re

import numpy as np

from tests.places import ROOT

PAGE = ROOT / "book" / "inside.md"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_every_step_runs():
    with np.printoptions():  # the page sets its own
        results = doctest.testfile(str(PAGE), module_relative=False, optionflags=FLAGS)
    assert results.failed == 0 and results.attempted > 30


def test_there_are_ten_steps_and_each_has_code():
    steps = re.split(r"(?m)^## (\d+) ", PAGE.read_text(encoding="utf-8"))[1:]
    assert [int(n) for n in steps[::2]] == list(range(1, 11))
    assert all(">>> " in text for text in steps[1::2])
