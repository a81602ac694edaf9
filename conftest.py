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
#: What takes two thirds of the time of all tests: left out of `make test-quick`.
SLOW = (
    "tests/book/", "tests/core/test_any_formula", "tests/data/test_pisa",
    "tests/location_scale/bayes/test_factor",
    "tests/location_scale/bayes/test_graph", "tests/location_scale/bayes/test_plain",
    "tests/missing/test_gibbs", "tests/missing/test_impute", "tests/mixed/test_bootstrap",
    "tests/mixed/test_hypotheses.py::test_the_null", "tests/mixed/test_inference.py::test_the_null",
    "tests/mixed/test_many_effects", "tests/multigroup/test_dense",
    "tests/plots/test_centering.py::test_no_text", "tests/plots/test_location_scale",
    "tests/plots/test_plots", "tests/plots/test_shrinkage", "tests/plots/test_slopes",
    "tests/plots/test_r_squared.py::test_no_text", "tests/published/test_spurious_precision",
    "tests/published/test_wf_criteria",
    "tests/questions/test_compare_location_scale.py::test_mixture", "tests/study/test_store",
    "tests/study/test_study", "tests/study/test_workers", "tests/test_awkward",
    "tests/teaching/test_problem_sets.py::test_nbgrader", "tests/test_surroundings",
    "tests/test_wheel", "tests/widgets/lessons/test_simulation_explorer",
    "tests/widgets/test_lessons",
)  # fmt: skip
#: Variables that others set for themselves: pytest, PyTensor, the memory of packages in Rust.
THEIRS = ("PYTEST_CURRENT_TEST", "PATH", "KMP_DUPLICATE_LIB_OK", "_RJEM_MALLOC_CONF")
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
        "the environment": {k: v for k, v in os.environ.items() if k not in THEIRS},
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


@pytest.fixture(autouse=True)
def _notebooks_for_the_example(request: pytest.FixtureRequest) -> None:
    """A clone may be tested before its notebooks are made; the workbook's example has some."""
    if request.node.name == "mlteach.workbook.copy_workbook":
        import notebooks

        from mlteach import workbook

        made = request.getfixturevalue("tmp_path")
        notebooks.Book().write(made)
        request.getfixturevalue("monkeypatch").setattr(workbook, "shipped", lambda: made)
