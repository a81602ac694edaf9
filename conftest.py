"""What holds for all tests, doctests and chapters: surroundings, order, no figure left open."""

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


@pytest.fixture(autouse=True)
def _figures_closed_settings_kept() -> Iterator[None]:
    """Code of a chapter takes over the book's style: the next test must not see it."""
    import matplotlib as mpl  # reads its settings at import: only after settle()

    with mpl.rc_context():
        yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
