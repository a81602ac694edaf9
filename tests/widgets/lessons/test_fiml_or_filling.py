"""The lesson on filling up: its closed form, and what its studies show."""

import numpy as np
import pytest

from mlteach.widgets.lessons import fiml_or_filling as lesson

SAMPLES = range(1, 41)  # 4,000 studies: a coverage is known to half a percentage point


def coverage(missing: int, method: str) -> float:
    """Share of the intervals that hold the truth, over many samples."""
    held = []
    for sample in SAMPLES:
        estimate, se = lesson.intervals(missing, method, sample)
        held.append(np.abs(estimate) <= 1.959964 * se)
    return float(np.mean(held))


@pytest.mark.parametrize("missing", [20, 50, 80])
def test_one_file_covers_what_the_formula_says(missing) -> None:
    found = coverage(missing, lesson.ONE)
    assert found == pytest.approx(lesson.coverage_of_one_file(missing), abs=0.025)


@pytest.mark.parametrize("method", [lesson.FIML, lesson.POOLED])
@pytest.mark.parametrize("missing", [20, 50, 80])
def test_fiml_and_pooling_keep_their_promise(method, missing) -> None:
    assert coverage(missing, method) == pytest.approx(0.95, abs=0.02)


def test_nothing_missing_nothing_to_choose() -> None:
    for method in (lesson.ONE, lesson.POOLED):
        for a, b in zip(
            lesson.intervals(0, lesson.FIML, 1), lesson.intervals(0, method, 1), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_only_one_filled_file_pretends_to_know_too_much() -> None:
    """What the widget says when it is solved, at all of its places."""
    solved = [v for v in lesson.WIDGET.grid() if lesson.WIDGET.draw(**v).solved]
    assert {place["method"] for place in solved} == {lesson.ONE}
    se_of_all = lesson.intervals(0, lesson.FIML, 1)[1].mean()
    for missing in {place["missing"] for place in solved}:
        found = [lesson.intervals(missing, lesson.ONE, sample) for sample in SAMPLES]
        assert np.mean([se for _, se in found]) == pytest.approx(se_of_all)
        assert np.std([estimate for estimate, _ in found]) > 1.9 * se_of_all
