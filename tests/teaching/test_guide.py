"""The instructor's guide promises what the chapters hold: sections, minutes, figures, links."""

import re
from functools import cache

import nbformat
import pytest

import mlteach as mt
from tests.places import ROOT

BOOK = ROOT / "book"
GUIDE = BOOK / "teaching"
PAGES = sorted(GUIDE.glob("*.md"))
CHAPTERS = {int(path.name[:2]): path for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))}
WEEKS, HALF_DAYS = 12, 14
MINUTES_OF_A_WEEK, MINUTES_OF_A_HALF_DAY = 90, (120, 170)
#: What every week has, beside its table.
PARTS = ("**Aims.**", "**What you may hear, and what to answer**", "**Homework.**",
         "**If time is short**")  # fmt: skip
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \|$", re.MULTILINE)
SUM = re.compile(r"^\| \*\*(\d+)\*\* \| \*\*together\*\* \|$", re.MULTILINE)
SECTION = re.compile(r"Chapter (\d+): (?:\[(.+?)\]\(\.\./(\S+?)#.*?\)|(.+?))(, optional there)?$")
READING = re.compile(r"`mt\.explore\((.+?)\)`: \*(.+?)\*")


@cache
def prose(number: int) -> str:
    cells = nbformat.read(CHAPTERS[number], as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@cache
def sections(number: int) -> dict[str, tuple[str, int]]:
    """Headings of a chapter, each with its kind and its minutes."""
    marked = r"^## (.+)\n+\*(Essential|Optional), (\d+) min\*$"
    found = re.findall(marked, prose(number), re.MULTILINE)
    return {heading: (kind, int(minutes)) for heading, kind, minutes in found}


@cache
def tasks(number: int) -> dict[str, int]:
    """Exercises of a chapter, and its open task, with their minutes."""
    boxes = re.findall(
        r"\{admonition\} (Exercise [\d.]+|Open task) \((?:\w+, )?(\d+) minutes\)", prose(number)
    )
    return {name: int(minutes) for name, minutes in boxes}


def meetings(page: str) -> dict[str, str]:
    """The parts of a page that hold a plan, by their headings."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    parts = re.split(r"^##+ (.+)$", text, flags=re.MULTILINE)
    return {h: body for h, body in zip(parts[1::2], parts[2::2], strict=True) if SUM.search(body)}


WEEKLY = {
    heading: body
    for page in ("weeks_1_4", "weeks_5_9", "weeks_10_12")
    for heading, body in meetings(page).items()
}
SHORT = meetings("short_courses")


def faults(plan: str) -> list[str]:
    """Rows of a plan that are not as the chapters have them, in words."""
    found = []
    rows = [(int(minutes), what) for minutes, what in ROW.findall(plan)]
    for minutes, what in rows:
        if section := SECTION.match(what):
            number, heading = int(section[1]), section[2] or section[4]
            kind, stated = sections(number).get(heading, ("no such section", 0))
            if (stated, kind == "Optional") != (minutes, bool(section[5])):
                found.append(f"{what}: {kind}, {stated} min in the chapter")
            if section[3] and CHAPTERS[number].name != section[3]:
                found.append(f"{what}: links to another chapter")
        elif task := re.match(r"(?:(Exercise (\d+)\.\d+)|(Open task) of chapter (\d+))", what):
            stated = tasks(int(task[2] or task[4])).get(task[1] or task[3])
            if stated != minutes:
                found.append(f"{what}: {stated} min in the chapter")
    together = [int(total) for total in SUM.findall(plan)]
    if together != [sum(minutes for minutes, _ in rows)]:
        found.append(f"together {together}, sum {sum(minutes for minutes, _ in rows)}")
    return found


@pytest.mark.parametrize("heading", [*WEEKLY, *SHORT])
def test_plan_is_that_of_the_chapters(heading: str) -> None:
    assert faults((WEEKLY | SHORT)[heading]) == []


def test_faults_of_a_plan_are_seen() -> None:
    plan = (
        "| 5 | Chapter 6: [What is in one predictor?](../06_centering.ipynb#x) |\n"
        "| 4 | Chapter 6: [What is in one predictor?](../06_centering.ipynb#x) |\n"
        "| 5 | Chapter 6: [What is in one predictor?](../07_random_slopes.ipynb#x) |\n"
        "| 4 | Chapter 6: [Is the mean of a school known?](../06_centering.ipynb#x) |\n"
        "| 3 | Chapter 6: No such section |\n| 9 | Exercise 6.1, in pairs |\n"
        "| 9 | Open task of chapter 6 |\n| **1** | **together** |\n"
    )
    assert len(faults(plan)) == 7


def test_weeks_are_whole() -> None:
    assert [int(re.match(r"Week (\d+): ", week)[1]) for week in WEEKLY] == [*range(1, WEEKS + 1)]
    assert {int(SUM.search(body)[1]) for body in WEEKLY.values()} == {MINUTES_OF_A_WEEK}
    for week, body in WEEKLY.items():
        assert [part for part in PARTS if part not in body] == [], week
        assert len(re.findall(r'^\* \*"', body, re.MULTILINE)) >= 4, week
        assert "**Ask.**" in body or READING.search(body), week


def test_half_days_are_whole() -> None:
    assert len(SHORT) == HALF_DAYS
    low, high = MINUTES_OF_A_HALF_DAY
    for half_day, body in SHORT.items():
        assert "**Aims.**" in body, half_day
        assert low <= int(SUM.search(body)[1]) <= high, half_day


def test_every_chapter_and_every_widget_has_its_place() -> None:
    for plans in (WEEKLY, SHORT):
        text = "\n".join(plans.values())
        assert {int(n) for n in re.findall(r"Chapter (\d+): ", text)} == set(CHAPTERS)
    widgets = set(mt.widgets().index)
    weekly, short = (
        set(re.findall(r"\(`(\w+)`\)", "\n".join(plans.values()))) for plans in (WEEKLY, SHORT)
    )
    assert weekly == widgets
    assert short < widgets and len(widgets - short) <= 3  # days are short


@pytest.mark.parametrize(
    ("call", "reading"),
    [pair for path in PAGES for pair in READING.findall(path.read_text(encoding="utf-8"))],
)
def test_widget_says_what_the_guide_says(call: str, reading: str) -> None:
    name, _, settings = call.partition(", ")
    values = eval(f"dict({settings})", {"__builtins__": {"dict": dict}})
    assert reading in repr(mt.explore(name.strip('"'), **values))


def test_tables_link_to_headings_of_the_guide_and_the_book() -> None:
    """Sphinx checks links when the site is built; here it is seen without building."""
    labels = {
        label
        for path in [*BOOK.glob("*.md"), *PAGES]
        for label in re.findall(r"^\(([\w-]+)\)=$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    labels |= {label for n in CHAPTERS for label in re.findall(r"\(([\w-]+)\)=", prose(n))}
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"\{ref\}`[^`]*?<([\w-]+)>`", text)) <= labels, path.name
        for target in re.findall(r"\{doc\}`(?:[^`<]*<)?([\w./]+)>?`", text):
            page = (GUIDE / target).resolve()
            assert page.with_suffix(".md").is_file() or page.with_suffix(".ipynb").is_file(), target
