"""The real data sets and models of them that many tests ask, made once a session; no windows.

Copy a table before changing it.
"""

import matplotlib as mpl
import pytest
from hypothesis import settings

import mlteach as mt
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


@pytest.fixture(scope="session")
def hsb_centred(hsb):
    return mt.center(hsb, "ses", cluster="school")


@pytest.fixture(scope="session")
def hsb_empty(hsb):
    return mt.fit_empty("math", hsb, cluster="school")


@pytest.fixture(scope="session")
def hsb_slopes(hsb_centred):
    return mt.fit_mixed("math ~ ses_within + (1 + ses_within | school)", hsb_centred)


@pytest.fixture(scope="session")
def hsb_scale(hsb):
    return mt.fit_location_scale("math ~ catholic + (1 | school)", "~ catholic + (1 | school)", hsb)


@pytest.fixture(scope="session")
def hsb_groups(hsb):
    return mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector", between="free")
