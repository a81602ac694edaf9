"""The three data sets, read once a session. Copy a table before changing it."""

import pytest

from mlteach.data import load


@pytest.fixture(scope="session")
def hsb():
    return load("hsb")


@pytest.fixture(scope="session")
def london():
    return load("london")


@pytest.fixture(scope="session")
def language():
    return load("language")
