"""What every test needs: the same surroundings on each machine, and no figure left open."""

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


@pytest.fixture(autouse=True)
def _no_figure_left_open() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
