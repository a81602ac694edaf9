"""Whatever a test leaves behind for those after it in its process is seen (conftest.py)."""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from types import ModuleType
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from conftest import changed, held


@contextmanager
def other_random_numbers() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


CHANGES = {
    "the working folder": lambda: chdir("/"),
    "the environment": lambda: mock.patch.dict(os.environ, MLTEACH_ORDER="1"),
    "numpy's random numbers": other_random_numbers,
    "numpy's settings": lambda: np.errstate(all="ignore"),
    "pandas' settings": lambda: pd.option_context("display.precision", 2),
    "json": lambda: mock.patch.dict(sys.modules, json=ModuleType("json")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_test_leaves_is_seen(name: str) -> None:
    before = held()
    with CHANGES[name]():
        assert changed(before) == [name]
    assert changed(before) == []
