"""Draw an exam from the bank, as Markdown and as HTML to print, with and without solutions.

python teaching/bank.py [SEED] [N]      default: seed 1, ten questions; writes _build/exam/
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from scipy import stats

import mlteach as mt

HERE = Path(__file__).resolve().parent
EXAM = HERE.parent / "_build" / "exam"
MINUTES = {"number": 5, "choice": 2, "text": 10}
POINTS = {"number": 3, "choice": 2, "text": 4}
PARTS = {1: "clusters", 2: "means", 3: "variances", 4: "structures"}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:12pt/1.45 Georgia,serif;max-width:17cm;margin:1cm auto}}h2{{font-size:12pt}}
li,p{{break-inside:avoid}}</style>{body}</html>
"""


@dataclass(frozen=True)
class Question:
    """One question, its numbers filled in; `solution` is what graders see."""

    id: str
    part: int
    kind: str
    text: str
    key: object = None
    also: float | None = None
    options: tuple[tuple[str, str], ...] = ()
    solution: str = ""


@cache
def names() -> dict:
    """Return what expressions of the bank may use: functions, data, and a few fits."""
    hsb, london = mt.load("hsb"), mt.center(mt.load("london"), "score11", cluster="school")
    wages = mt.center(mt.load("wages"), ["union"], cluster="person")
    ses = mt.fit_centering("math ~ ses", hsb, cluster="school").table
    mean = "log_wage ~ time + union_within + union_between + (1 | person)"
    steady = mt.fit_location_scale(mean, "~ time + union + married + (1 | person)", wages)
    groups = mt.fit_multigroup(
        ["score16", "score11"], london, cluster="school", group="school_gender"
    )
    return {
        "mt": mt, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "norm": stats.norm,
        "chi2": stats.chi2, "hsb": hsb, "london": london, "london_groups": groups,
        "empty": mt.fit_empty("math", hsb, cluster="school"),
        "tau2": lambda fit: fit.variances.loc["Intercept", "estimate"],
        "ses": ses["estimate"], "ses_se": ses["se"],
        "steady": steady.log_variance["estimate"],
    }  # fmt: skip


def value(expression: str | int | float) -> float:
    """Compute an expression of the bank."""
    return float(eval(str(expression), dict(names())))


def read(entry: dict) -> Question:
    """Fill in an entry of the bank."""
    numbers = {name: value(text) for name, text in entry.get("data", {}).items()}
    fill = {k: entry.get(k, "").format(**numbers).strip() for k in ("text", "explain", "answer")}
    common = {k: entry[k] for k in ("id", "part", "kind")} | {"text": fill["text"]}
    if entry["kind"] == "number":
        key = value(entry["key"])
        shown = f"**{key:.4g}.** {fill['explain']}"
        return Question(**common, key=key, also=value(entry["also"]), solution=shown)
    if entry["kind"] == "choice":
        options = tuple((say, why) for say, why in entry["options"])
        return Question(**common, key=options[0][0], options=options)
    rubric = "\n".join(f"* 1 point: {line}" for line in entry["rubric"])
    return Question(**common, solution=f"{fill['answer']}\n\n{rubric}")


@cache
def bank() -> tuple[Question, ...]:
    """Return all questions, in their order."""
    entries = yaml.safe_load((HERE / "exam.yml").read_text(encoding="utf-8"))
    return tuple(read(entry) for entry in entries)


def draw(seed: int, count: int) -> list[Question]:
    """Draw questions, from each part its share, in the order of the bank."""
    questions = bank()
    if not 1 <= count <= len(questions):
        raise SystemExit(f"N={count}: an exam has 1 to {len(questions)} questions.")
    rng = random.Random(seed)
    shuffled = rng.sample(questions, len(questions))
    # Places of a part's questions, spread over the paper: the first `count` hold each part's share.
    rank = {}
    for part in PARTS:
        own = [q for q in shuffled if q.part == part]
        rank |= {q.id: (k + 0.5) / len(own) for k, q in enumerate(own)}
    chosen = {q.id for q in sorted(shuffled, key=lambda q: rank[q.id])[:count]}
    return [question for question in questions if question.id in chosen]


def block(number: int, question: Question, rng: random.Random, solved: bool) -> str:
    """Write one question as Markdown."""
    head = f"## {number}. ({POINTS[question.kind]} points, {MINUTES[question.kind]} minutes)"
    lines = [head, question.text]
    shuffled = rng.sample(question.options, len(question.options))
    for letter, (say, why) in zip("abcd", shuffled, strict=False):
        mark = ("**right.** " if say == question.key else "") + why
        lines.append(f"({letter}) {say}" + (f" *{mark}*" if solved else ""))
    if solved and question.solution:
        lines.append(f"*Solution.* {question.solution}")
    return "\n\n".join(lines)


def paper(seed: int, count: int, solved: bool) -> str:
    """Write an exam as Markdown."""
    questions, rng = draw(seed, count), random.Random(seed)
    points = sum(POINTS[question.kind] for question in questions)
    minutes = sum(MINUTES[question.kind] for question in questions)
    title = f"# Multilevel models: exam{' with solutions' if solved else ''}"
    about = (
        f"{count} questions, {points} points, {minutes} minutes. A pocket calculator may be used. "
        f"(SEED={seed} N={count})"
    )
    blocks = [block(k, q, rng, solved) for k, q in enumerate(questions, start=1)]
    return "\n\n".join([title, about, *blocks]) + "\n"


def main(arguments: list[str]) -> int:
    """Write four files."""
    seed, count = (int(given or default) for given, default in zip(
        [*arguments, "", ""], ("1", "10"), strict=False))  # fmt: skip
    EXAM.mkdir(parents=True, exist_ok=True)
    for solved in (False, True):
        text = paper(seed, count, solved)
        name = EXAM / f"exam_{seed}_{count}{'_solutions' if solved else ''}"
        name.with_suffix(".md").write_text(text, encoding="utf-8")
        body = MarkdownIt().render(text)
        name.with_suffix(".html").write_text(PAGE.format(title=name.stem, body=body), "utf-8")
        print(name.with_suffix(".html"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
