"""Guesses before a result: what the boxes of the book hold, and how the website answers them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import guesses
import nbformat
import pytest
from docutils.core import publish_doctree, publish_from_doctree
from myst_parser.docutils_ import Parser
from playwright.sync_api import Browser, Locator, Page

import mlteach as mt
from mlteach.exercises import record
from tests.places import ROOT
from tests.website import NOTEBOOKS

TITLE = "{admonition} Your guess"
BOX = re.compile(r"^[`~]{3}\{admonition\} Your guess.*?^[`~]{3}$", re.MULTILINE | re.DOTALL)
CHAPTER = "03_empty_model"
MYST = """~~~{admonition} Your guess: which *one*?
:class: dropdown tip

- [ ] `a`, not $b$
- [x] either
- [x] both

Either, as *told*.
~~~
"""


def texts(page: str) -> str:
    notebook = nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4)
    return "\n".join(cell.source for cell in notebook.cells)


def doctree(myst: str):
    """A text, parsed as the pages are."""
    asked = {"myst_enable_extensions": ["tasklist", "dollarmath"]}
    return publish_doctree(myst, parser=Parser(), settings_overrides=asked)


def ticks(myst: str) -> list[list[bool]]:
    """Which choices of each box are right."""
    return [
        ["checked=" in item[0][0].astext() for item in choices]
        for _, choices in guesses.guesses(doctree(myst))
    ]


def written(myst: str) -> str:
    document = doctree(myst)
    app = SimpleNamespace(builder=SimpleNamespace(format="html"))
    guesses.put_choices(app, document, "page")
    return publish_from_doctree(document, writer_name="html5").decode()


# ------------------------------------------------------------------------------ boxes of the book


@pytest.fixture(scope="module")
def boxes() -> list[list[bool]]:
    found = []
    for page in NOTEBOOKS:
        text = texts(page)
        made = ticks("\n\n".join(BOX.findall(text)))
        assert len(made) == text.count(TITLE), page
        found += made
    return found


def test_every_box_leaves_something_to_guess(boxes) -> None:
    assert len(boxes) > 100
    assert all(len(box) >= 2 and 0 < sum(box) < len(box) for box in boxes)


def test_the_place_of_the_right_choice_tells_nothing(boxes) -> None:
    first = Counter(box.index(True) for box in boxes)
    assert len(first) >= 3
    assert max(first.values()) < 0.6 * len(boxes)


# ------------------------------------------------------------------------------------ one box, made


def test_a_box_becomes_a_form_that_does_not_show_what_is_right() -> None:
    page = written(MYST)
    key = re.search(r'data-guess="([\w-]+)"', page)[1]
    right = re.search(r'data-right="([\w ]+)"', page)[1].split()
    assert right == [guesses.digest(f"{key}|{k}") for k in (1, 2)]
    assert "checked" not in page and "checkbox" not in page
    assert re.search(r"<legend>Which <em>one</em>\?<span", page)
    assert page.count('type="radio"') == 3
    assert page.index("either</span>") < page.index("<details>") < page.index("Either, as")
    assert "dropdown" not in page


@pytest.mark.parametrize("change", [("which", "what"), ("both", "all"), ("[x] both", "[ ] both")])
def test_other_words_are_another_guess(change: tuple[str, str]) -> None:
    keys = {
        re.search("data-guess=.*?>", written(text))[0] for text in (MYST, MYST.replace(*change))
    }
    assert len(keys) == 2


def test_a_box_without_choices_stays_a_fold() -> None:
    page = written("```{admonition} Hint\n:class: dropdown tip\n\nLook.\n```\n\n- [x] done\n")
    assert "<form" not in page and "dropdown" in page


# ------------------------------------------------------------------------------------ in a browser


@pytest.fixture
def page(site: Path, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto((site / f"{CHAPTER}.html").as_uri(), wait_until="domcontentloaded")
    yield page
    assert page.problems == []
    context.close()


def state(form: Locator) -> tuple[str, bool, list[bool], list[bool]]:
    """What is said, whether the answer is open, which choice is picked, and which are closed."""
    choices = form.locator("input")
    return (
        form.get_by_role("status").inner_text(),
        form.locator("details").evaluate("fold => fold.open"),
        choices.evaluate_all("all => all.map((choice) => choice.checked)"),
        choices.evaluate_all("all => all.map((choice) => choice.disabled)"),
    )


def test_the_first_guess_is_answered_and_kept(page: Page, monkeypatch, tmp_path: Path) -> None:
    """Over a reload, in the file, in Jupyter's record; and it goes with the progress."""
    monkeypatch.setattr(record, "_session", {})
    told = ticks("\n\n".join(BOX.findall(texts(CHAPTER))))
    forms = page.locator(".mlteach-guess-form").all()
    assert len(forms) == len(told)
    rights, wrongs = ([box.index(mark) for box in told[:2]] for mark in (True, False))
    nothing = [False] * len(told[0])
    assert state(forms[0]) == ("", False, nothing, nothing)

    def picked(form: int, k: int, said: str) -> tuple[str, bool, list[bool], list[bool]]:
        places = range(len(told[form]))
        return said, True, [j == k for j in places], [j != k for j in places]

    forms[0].locator("label").nth(rights[0]).click()
    forms[1].locator("label").nth(wrongs[1]).click()
    forms[1].locator("label").nth(rights[1]).click(force=True)  # too late
    wanted = [
        picked(0, rights[0], "✓ Right."),
        picked(1, wrongs[1], "✗ Not right. The answer is below."),
    ]
    assert [state(form) for form in forms[:2]] == wanted
    marked = forms[1].locator("label").evaluate_all("all => all.map((l) => 'right' in l.dataset)")
    assert marked == told[1]
    page.reload(wait_until="domcontentloaded")
    forms[1].locator("details[open]").wait_for()
    assert [state(form) for form in forms[:2]] == wanted
    assert state(forms[2])[0] == ""

    box = page.get_by_role("region", name="Your progress")
    assert box.inner_text().startswith("Exercises 0 of ")
    with page.expect_download() as saved:
        box.get_by_role("button", name="Save").click()
    file = tmp_path / "mlteach-progress.json"
    saved.value.save_as(file)
    page.on("dialog", lambda dialog: dialog.accept())
    box.get_by_role("button", name="Delete").click()
    assert state(forms[0]) == ("", False, nothing, nothing)
    assert mt.progress(file).loc["all", "tried"] == 0
    box.get_by_label("Load").set_input_files(file)
    box.get_by_text("Loaded.").wait_for()
    assert [state(form) for form in forms[:2]] == wanted


def test_the_keyboard_passes_choices_and_picks_one(page: Page) -> None:
    form = page.locator(".mlteach-guess-form").first
    asked = page.get_by_role("group", name="If all schools are truly equal")
    assert asked.get_by_role("radio").count() == form.locator("input").count()
    form.locator("input").first.focus()
    page.keyboard.press("ArrowDown")
    assert state(form)[:3] == ("", False, [k == 1 for k in range(form.locator("input").count())])
    page.keyboard.press("Space")
    assert state(form)[1]
    assert form.locator("input").nth(1).evaluate("choice => choice === document.activeElement")


def test_without_scripts_the_answer_is_a_fold(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((site / f"{CHAPTER}.html").as_uri(), wait_until="domcontentloaded")
    form = page.locator(".mlteach-guess-form").first
    answer = form.locator("details > :not(summary)").first
    assert form.locator("label").first.is_visible() and not answer.is_visible()
    form.locator("summary").click()
    assert answer.is_visible()
    context.close()


def test_on_paper_answers_come_with_the_solutions(page: Page) -> None:
    page.emulate_media(media="print")
    form = page.locator(".mlteach-guess-form").first
    assert form.locator("label").first.is_visible()
    assert not form.locator("details").is_visible()
    page.evaluate("window.print = () => {}")
    page.locator(".btn-download-pdf-button").last.evaluate("button => button.click()")
    told = form.locator("details p").first.text_content()
    assert told in page.locator(".mlteach-appendix").text_content()
