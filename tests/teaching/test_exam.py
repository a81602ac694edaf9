"""The exam bank: keys computed in two ways, questions that are whole, papers that repeat."""

import math
from pathlib import Path

import bank
import pytest

QUESTIONS = bank.bank()
OF_KIND = {kind: [q for q in QUESTIONS if q.kind == kind] for kind in bank.MINUTES}
#: Numbers of a text are rounded to the digits that are printed.
AGREES = 3e-4


def test_forty_questions_of_three_kinds_from_four_parts() -> None:
    assert len({question.id for question in QUESTIONS}) == 40
    assert min(map(len, OF_KIND.values())) >= 9
    assert all(len([q for q in QUESTIONS if q.part == part]) >= 8 for part in bank.PARTS)
    assert len({question.text for question in QUESTIONS}) == 40


@pytest.mark.parametrize("question", OF_KIND["number"], ids=lambda question: question.id)
def test_two_ways_lead_to_the_key(question: bank.Question) -> None:
    assert math.isclose(question.key, question.also, rel_tol=AGREES)
    assert question.text.endswith("?") or question.text.endswith(".")
    assert f"**{question.key:.4g}.**" in question.solution


@pytest.mark.parametrize("question", OF_KIND["choice"], ids=lambda question: question.id)
def test_each_option_is_explained(question: bank.Question) -> None:
    says, whys = zip(*question.options, strict=True)
    assert len(set(says)) == len(says) == 4
    assert all(why.endswith(".") for why in whys) and len(set(whys)) == 4
    assert question.key == says[0]


@pytest.mark.parametrize("question", OF_KIND["text"], ids=lambda question: question.id)
def test_rubric_is_worth_the_points(question: bank.Question) -> None:
    assert question.solution.count("* 1 point: ") == bank.POINTS["text"]
    assert "{" not in question.text + question.solution


@pytest.mark.parametrize("count", [1, 4, 10, 40])
def test_a_paper_is_spread_over_the_parts(count: int) -> None:
    chosen = bank.draw(3, count)
    assert len({question.id for question in chosen}) == count
    for part in bank.PARTS:
        share = len([q for q in QUESTIONS if q.part == part]) / 40 * count
        assert abs(len([q for q in chosen if q.part == part]) - share) <= 1


def test_too_many_questions() -> None:
    with pytest.raises(SystemExit, match="1 to 40"):
        bank.draw(1, 41)


def test_papers_repeat_and_differ() -> None:
    assert bank.paper(1, 10, solved=True) == bank.paper(1, 10, solved=True)
    assert bank.paper(1, 10, solved=False) != bank.paper(2, 10, solved=False)


def test_the_paper_holds_no_solution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "EXAM", tmp_path)
    assert bank.main(["7", "40"]) == 0
    plain, solved = (
        (tmp_path / f"exam_7_40{end}.md").read_text(encoding="utf-8") for end in ("", "_solutions")
    )
    for question in QUESTIONS:
        secrets = [why for _, why in question.options] + question.solution.splitlines()
        assert question.text in plain and question.text in solved
        assert [line for line in secrets if line and line in plain] == []
        assert all(line in solved for line in secrets)
    printed = (tmp_path / "exam_7_40_solutions.html").read_text(encoding="utf-8")
    assert printed.count("<h2>") == 40 and "**" not in printed
    # The options stand in the same order on both papers.
    options = [
        [line for line in text.splitlines() if line.startswith("(")] for text in (plain, solved)
    ]
    assert all(there.startswith(here) for here, there in zip(*options, strict=True))
