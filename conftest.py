"""What holds for all tests, doctests and chapters: surroundings, order, no figure left open."""

import locale
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# nbval comes here too, before it starts a kernel.
sys.path.insert(0, str(Path(__file__).parent / "book" / "_ext"))

from surroundings import settle

from mlteach.location_scale.bayes.announcement import note_announcement

settle()
note_announcement()

#: What takes longest, first: at the end no worker of pytest-xdist is left alone with it.
LONGEST = ("book/11", "book/10", "book/12", "tests/book/", "tests/location_scale/bayes/", "book/")
#: What takes more than half of the time of all tests: left out of `make test-quick`.
SLOW = (
    "tests/book/", "tests/widgets/", "tests/study/", "tests/missing/", "tests/exercises/",
    "tests/location_scale/bayes/", "tests/published/", "tests/plots/test_plots", "tests/test_wheel",
    "tests/mixed/test_bootstrap", "tests/multigroup/test_dense", "tests/test_surroundings",
    "tests/test_awkward",
)  # fmt: skip
#: Where pytest keeps the name of the test.
CURRENT = "PYTEST_CURRENT_TEST"
#: Fixtures that start a browser, or build the website.
BROWSER = {"browser", "site", "lab"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort, and mark what needs a browser."""
    for item in items:
        if BROWSER & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    places = {
        item: next((k for k, start in enumerate(LONGEST) if item.nodeid.startswith(start)), 99)
        for item in items
    }
    items.sort(key=places.get)


def held() -> dict[str, object]:
    """What the tests of a process share, beside the warning filters, which pytest gives back."""
    now: dict[str, object] = {
        "the working folder": os.getcwd(),
        # pytest says in it which test runs; PyTensor adds the folder of Python to the path.
        "the environment": {k: v for k, v in os.environ.items() if k not in ("PATH", CURRENT)},
        "the language": locale.setlocale(locale.LC_ALL),
    }
    if "numpy" in sys.modules:
        import numpy as np

        now["numpy's random numbers"] = str(np.random.get_state(legacy=False))  # noqa: NPY002
        now["numpy's settings"] = np.get_printoptions() | np.geterr()
    if "pandas" in sys.modules:
        import pandas as pd

        now["pandas' settings"] = str(pd.options.d)
    return now | sys.modules


def changed(before: dict[str, object]) -> list[str]:
    """What is not as it was; what has come since does not count."""
    now = held()
    return [name for name, state in before.items() if now.get(name) != state]


@pytest.fixture(autouse=True)
def _nothing_changed_for_the_next_test() -> Iterator[None]:
    """Results must not depend on which tests share a process, nor on their order."""
    before = held()
    yield
    assert not changed(before), "the test changed this for those after it"


@pytest.fixture(autouse=True)
def _figures_closed_settings_kept() -> Iterator[None]:
    """Code of a chapter takes over the book's style: the next test must not see it."""
    import matplotlib as mpl  # reads its settings at import: only after settle()

    with mpl.rc_context():
        yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
