"""The real data sets, read once a session (copy a table before changing it); no windows."""

import matplotlib as mpl
import pytest
from hypothesis import settings

from mlteach.data.shipped import load

mpl.use("agg")

# Twenty examples a property keep the whole suite at minutes; no deadline, because a busy machine
# is not a wrong answer.
settings.register_profile("mlteach", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("mlteach")


@pytest.fixture(scope="session")
def hsb():
    return load("hsb")


@pytest.fixture(scope="session")
def london():
    return load("london")


@pytest.fixture(scope="session")
def language():
    return load("language")


@pytest.fixture(scope="session")
def wages():
    return load("wages")
