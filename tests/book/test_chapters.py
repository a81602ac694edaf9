"""House rules for the chapters: what a reader, a screen reader and a second run depend on.

Each rule is a function from a notebook to the faults it finds, in words. Whether the stored outputs
are right is nbval's business (``make test``), whether the site is whole that of ``test_site.py``.
Pages called ``further_...`` take up what a chapter leaves out: no number, no exercises, no limits.
"""

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from stored import TABLE, rows_of

from mlteach.core.palette import PALETTE
from mlteach.exercises.exercise import chapter_exercises
from tests.places import ROOT

BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
NUMBERED = [path for path in CHAPTERS if path.stem[0].isdigit()]
MOST_WORDS, MOST_MINUTES = 2800, 45
LONGEST_PARAGRAPH = 120
PARAGRAPHS = re.compile(r"\n\n|\n(?=[*|>\d])")
#: Of the code that a reader sees: lines of the median cell, of any cell, characters of a line.
MEDIAN_LINES, MOST_VISIBLE_LINES, MOST_CHARACTERS = 4, 10, 80
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
MOST_LINES = 15  # more belongs into the package
MOST_PLAIN_DIGITS = 12  # a number with more differs between machines
FEWEST_ALT_WORDS = 5
MOST_WORDS_OF_A_CHOICE = 10
COLOURS = re.compile(r"\b(red|brown|pink|yellow|green|purple|violet|blue|orange|teal)\b")
TO_END = re.MULTILINE | re.DOTALL
EXERCISES, QUIZ = range(4, 7), (10,)
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
IMAGE_TYPES = ("image/png", "image/jpeg", "image/svg+xml")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
#: Tags that keep a cell out of the comparison of nbval, and comments that do.
UNCHECKED = re.compile(r"nbval-(skip|ignore-output)|raises-exception|NBVAL_(SKIP|IGNORE_OUTPUT)")
ABSOLUTE_PATH = re.compile(
    r"(?<![\w./:])/(?:home|root|Users|work|tmp|usr|mnt|opt|var)/|\b[A-Z]:\\\w|file://"
)
#: Random numbers that no seed governs: the legacy interface, and generators without a seed.
UNSEEDED = re.compile(
    r"np\.random\.(?!default_rng|Generator|SeedSequence)\w+|default_rng\(\s*\)|^import random\b"
    r"|\.rvs\((?!.*random_state)|\.sample\((?!.*random_state)",
    re.MULTILINE,
)
PLUMBING = re.compile(
    r"^\s*[!%](?!config InlineBackend)|filterwarnings|simplefilter|sys\.path|pip install",
    re.MULTILINE,
)
#: Sections that ask no question of the reader.
UNASKED = {"Common mistakes", "What goes wrong?", "The rule", "Exercises", "Open task", "Summary"}
UNASKED |= {"Further reading"}
#: Numbers of every statistics book.
USUAL = {1, 1.96, 5, 50, 95, 99, 100, 0.01, 0.05, 0.95, 0.99}
#: A sentence with a number that others printed, or that a task sets.
TOLD = re.compile(
    r"print|publish|\{cite|paper|talk|article|report|manual|help page|lavaan|version"
    r"|tests of this package|Essential are|[Ee]xercise|^#|^\|"
)
LONG_NUMBER = re.compile(rf"\d+\.\d{{{MOST_PLAIN_DIGITS},}}")
Notebook = Any
Rule = Callable[[Notebook], list[str]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Add a function to the rules that every chapter must keep."""
    RULES.append(function)
    return function


def code_cells(notebook: Notebook) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output_texts(cell: Any) -> Iterator[str]:
    """Yield what the outputs of a cell show as text, whatever its type."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        for kind, data in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield data


def images(cell: Any) -> list[Any]:
    return [out for out in cell.outputs if any(kind in out.get("data", {}) for kind in IMAGE_TYPES)]


@rule
def cells_are_short(notebook: Notebook) -> list[str]:
    lengths = {cell.id: len(cell.source.splitlines()) for cell in code_cells(notebook)}
    return [f"{name}: {n} lines" for name, n in lengths.items() if n > MOST_LINES]


@rule
def ran_once_from_top_to_bottom(notebook: Notebook) -> list[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts {counts}"]


@rule
def outputs_are_stored(notebook: Notebook) -> list[str]:
    return [] if any(cell.outputs for cell in code_cells(notebook)) else ["no outputs"]


@rule
def nothing_went_wrong(notebook: Notebook) -> list[str]:
    return [
        f"{cell.id}: {output.get('ename', 'stderr')}"
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


@rule
def metadata_does_not_change(notebook: Notebook) -> list[str]:
    ours = {key: value for key, value in notebook.metadata.items() if key != "mlteach"}
    faults = [] if ours == METADATA else [f"metadata {ours}"]
    stamped = [cell.id for cell in notebook.cells if "execution" in cell.metadata]
    return faults + [f"{name}: time stamps" for name in stamped]


@rule
def widgets_are_stored_as_text(notebook: Notebook) -> list[str]:
    """A view of a live widget, opened without its kernel, is an error message."""
    kinds = {
        cell.id: {kind for output in cell.outputs for kind in output.get("data", {})}
        for cell in code_cells(notebook)
    }
    return [name for name, found in kinds.items() if any("widget" in kind for kind in found)]


@rule
def cell_ids_are_names(notebook: Notebook) -> list[str]:
    ids = [cell.id for cell in notebook.cells]
    odd = [name for name in ids if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)]
    return odd + sorted({f"twice: {name}" for name in ids if ids.count(name) > 1})


@rule
def figures_have_alt_text(notebook: Notebook) -> list[str]:
    faults = []
    for cell in filter(images, code_cells(notebook)):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if len(alt.split()) < FEWEST_ALT_WORDS:
            faults.append(f"{cell.id}: alt text {alt!r} (metadata mystnb.image.alt)")
        if len(images(cell)) > 1:
            faults.append(f"{cell.id}: {len(images(cell))} figures would share one alt text")
    return faults


@rule
def figures_come_without_a_repr(notebook: Notebook) -> list[str]:
    """``;`` is no help: nbval does not see it. Assign what the last line returns."""
    return [
        f"{cell.id}: {text[:40]!r}"
        for cell in filter(images, code_cells(notebook))
        for text in output_texts(cell)
        if re.search(r"^(<Axes|\[?<matplotlib|Text\(|array\(\[<)", text)
    ] + [f"{cell.id}: ends in ;" for cell in code_cells(notebook) if cell.source.endswith(";")]


@rule
def every_output_is_compared(notebook: Notebook) -> list[str]:
    return [
        cell.id
        for cell in code_cells(notebook)
        if UNCHECKED.search(" ".join([*cell.metadata.get("tags", []), cell.source]))
    ]


@rule
def no_absolute_paths(notebook: Notebook) -> list[str]:
    texts = {cell.id: [cell.source] for cell in notebook.cells}
    for cell in code_cells(notebook):
        texts[cell.id] += output_texts(cell)
    return [name for name, all_ in texts.items() if ABSOLUTE_PATH.search("\n".join(all_))]


@rule
def random_numbers_are_seeded(notebook: Notebook) -> list[str]:
    found = {cell.id: UNSEEDED.search(cell.source) for cell in code_cells(notebook)}
    return [f"{name}: {match.group()}" for name, match in found.items() if match]


@rule
def no_plumbing(notebook: Notebook) -> list[str]:
    """No installing, no paths, no silenced warnings, no magics but that for the figures."""
    found = {cell.id: PLUMBING.search(cell.source) for cell in code_cells(notebook)}
    return [f"{name}: {match.group().strip()}" for name, match in found.items() if match]


@rule
def no_p_value_is_zero(notebook: Notebook) -> list[str]:
    """A table that rounds a p-value to zero says what no test can say."""
    tables = [
        (cell.id, rows_of(table))
        for cell in code_cells(notebook)
        for text in output_texts(cell)
        for table in TABLE.findall(text)
    ]
    return [
        f"{name}: {head} is {line[column]}"
        for name, rows in tables
        for k, heads in enumerate(rows)
        for column, head in enumerate(heads)
        if re.fullmatch(r"p(_\w+)?", head)
        for line in rows[k + 1 :]
        if re.fullmatch(r"0(\.0+)?", line[column])
    ]


@rule
def numbers_have_sensible_digits(notebook: Notebook) -> list[str]:
    found = {c.id: LONG_NUMBER.search("\n".join(output_texts(c))) for c in code_cells(notebook)}
    return [f"{name}: {match.group()}" for name, match in found.items() if match]


@rule
def lines_fit_the_page(notebook: Notebook) -> list[str]:
    lines = [line for source in visible_code(notebook) for line in source.splitlines()]
    return [line for line in lines if len(line) > MOST_CHARACTERS]


@rule
def formulas_have_single_backslashes(notebook: Notebook) -> list[str]:
    """MathJax takes the second one for the end of a line, and shows a name in place of a letter."""
    return re.findall(r"\\\\[a-z]\w*", prose(notebook))


@rule
def numbers_begin_with_a_digit(notebook: Notebook) -> list[str]:
    texts = [prose(notebook), *captions(notebook)]
    text = re.sub(r"```\w*\n.*?```|`[^`\n]+`|\]\([^)]*\)", " ", "\n".join(texts), flags=re.DOTALL)
    return re.findall(r"(?<![\w.\\}])\.\d\S*", text)


def captions(notebook: Notebook) -> Iterator[str]:
    """Yield what stands below the figures, and what a screen reader says of them."""
    for said in (cell.metadata.get("mystnb", {}) for cell in code_cells(notebook)):
        yield said.get("figure", {}).get("caption", "")
        yield said.get("image", {}).get("alt", "")


@rule
def colours_named_are_those_drawn(notebook: Notebook) -> list[str]:
    """What a caption calls red is orange: the palette has no red."""
    named = [word for text in captions(notebook) for word in COLOURS.findall(text)]
    return [word for word in named if word not in PALETTE]


@rule
def numbers_of_ours_stand_in_the_code(notebook: Notebook) -> list[str]:
    """What a text says with a decimal point or in percent is put in, or asserted, by its page."""
    known = USUAL | {abs(n.value) for n in nodes(notebook, ast.Constant) if is_number(n.value)}
    sentences = re.split(r"(?<=[.!?])\s+|\n", typed_prose(notebook))
    return [
        f"{number}: {sentence[:60]}"
        for sentence in sentences
        if not TOLD.search(sentence)
        for number in NUMBER.findall(sentence)
        if not known & of_equal_value(number)
    ]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: With a decimal point, or in percent.
NUMBER = re.compile(r"(?<![\w.,])(?:\d+\.\d+|\d+(?=%))(?!\w|-\d)")


def of_equal_value(number: str) -> set[float]:
    """A percentage, the share that it is, and what is left of the whole."""
    value = float(number)
    return {value, round(value / 100, 6), round(1 - value / 100, 6)}


def nodes(notebook: Notebook, kind: type) -> Iterator[Any]:
    for cell in code_cells(notebook):
        if not cell.source.startswith("mt.check"):
            tree = ast.parse(re.sub(r"^[%!].*", "", cell.source, flags=re.MULTILINE))
            yield from (node for node in ast.walk(tree) if isinstance(node, kind))


def typed_prose(notebook: Notebook) -> str:
    """What was typed: texts without tasks, and the fixed parts of texts that hold numbers."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    texts = [t for t in cells if not re.search(r"\{admonition\} (Exercise|Open task)", t)]
    for node in nodes(notebook, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else " @ " for v in node.values]
        texts.append("".join(parts))
    return re.sub(r"`[^`]*`|\$\$.*?\$\$", " ", "\n".join(texts), flags=re.DOTALL)


@rule
def fences_open(notebook: Notebook) -> list[str]:
    """A fence of backticks with a backtick in its first line is none: write it with tildes."""
    cells = [c for c in notebook.cells if c.cell_type == "markdown"]
    found = {c.id: re.search(r"^`{3,}[^`\n]+`.*$", c.source, re.MULTILINE) for c in cells}
    return [f"{name}: {match.group()}" for name, match in found.items() if match]


@rule
def fences_begin_a_line(notebook: Notebook) -> list[str]:
    """One that opens behind a sentence is text, and its end opens a box that swallows the rest."""
    cells = [c for c in notebook.cells if c.cell_type == "markdown"]
    found = {c.id: re.search(r"^\s*[^`~\s].*(`{3}|~{3})\{", c.source, re.M) for c in cells}
    return [f"{name}: {match.group()[-60:]}" for name, match in found.items() if match]


@rule
def one_labelled_title(notebook: Notebook) -> list[str]:
    first = notebook.cells[0].source
    faults = (
        [] if re.match(r"\((ch|further)-[a-z0-9-]+\)=\n# \w", first) else [f"begins {first[:40]!r}"]
    )
    titles = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL).splitlines()
        if line.startswith("# ")
    ]
    return faults + ([] if len(titles) == 1 else [f"titles {titles}"])


def asked(notebook: Notebook) -> list[str]:
    """Return the keys of the exercises that the code cells check."""
    return [
        key
        for cell in code_cells(notebook)
        for key in re.findall(r"mt\.check\(\s*\"([\d.]+)\"", cell.source)
    ]


@rule
def guesses_have_choices(notebook: Notebook) -> list[str]:
    """A guess is picked from two to four short choices; some are right, and some are not."""
    faults = []
    for box in re.findall(r"\{admonition\} (Your guess.*?)^[`~]{3}", prose(notebook), TO_END):
        picked = re.findall(r"^- \[([ x])\] (.+)$", box, re.M)
        short = all(len(choice.split()) <= MOST_WORDS_OF_A_CHOICE for _, choice in picked)
        if not (short and 2 <= len(picked) <= 4 and {mark for mark, _ in picked} == {" ", "x"}):
            faults.append(box.splitlines()[0])
    return faults


@rule
def exercises_are_boxed_and_checked(notebook: Notebook) -> list[str]:
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    boxed = re.findall(r"\{admonition\} Exercise ([\d.]+)", prose)
    keys = list(dict.fromkeys(asked(notebook)))
    faults = [] if keys == boxed else [f"boxes {boxed}, checks {keys}"]
    if notebook.cells[0].source.startswith("(further-"):
        return [*faults, *keys]
    numbers = [key.split(".")[1] for key in keys]
    how_many = QUIZ if keys[:1] == ["0.1"] else EXERCISES
    if numbers != [str(k) for k in range(1, len(keys) + 1)] or len(keys) not in how_many:
        faults.append(f"exercises {keys}")
    return faults


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(path: Path, check: Rule) -> None:
    assert check(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_exercises_belong_to_their_chapter(path: Path) -> None:
    chapters = {key.split(".")[0] for key in asked(nbformat.read(path, as_version=4))}
    assert chapters == {str(int(path.stem[:2]))}


def words(text: str) -> int:
    """Count the words of a text in MyST, without formulas, directives and addresses.

    The choices of a guess do not count either: they are an exercise, and closed until it is asked.
    """
    text = re.sub(r"^- \[[ x]\] .*$", " ", text, flags=re.M)
    text = re.sub(r"\$\$.*?\$\$(\s*\([\w-]+\))?|\$[^$]*\$", " ", text, flags=re.DOTALL)
    text = re.sub(
        r"^\s*(`{3,}|~{3,}|:{3,})(\{\w+\})?|^:\w+:.*$|^\([\w-]+\)=$", " ", text, flags=re.M
    )
    text = re.sub(r"\{(?:eq|numref|cite[:\w]*)\}`[^`]*`|\]\([^)]*\)", " ", text)
    return len(re.findall(r"[^\W\d][\w'’.-]*", text))


def prose(notebook: Notebook) -> str:
    """Join the texts of a chapter, those that come out of its code included."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in code_cells(notebook):
        texts += [o.get("data", {}).get("text/markdown", "") for o in cell.outputs]
    return "\n\n".join(texts)


def visible_code(notebook: Notebook) -> list[str]:
    cells = code_cells(notebook)
    return [cell.source for cell in cells if not FOLDED & set(cell.metadata.get("tags", []))]


def faults_of_pace(notebook: Notebook) -> list[str]:
    """Find what makes a chapter longer, or its code harder, than a student bears at once."""
    text, code = prose(notebook), visible_code(notebook)
    lines = [len(source.splitlines()) for source in code]
    minutes = sum(
        int(n) for n in re.findall(r"^\*(?:Essential|Optional), (\d+) min\*$", text, re.M)
    )
    limits = {
        "words": (words(text), MOST_WORDS),
        "words of a paragraph": (max(map(words, PARAGRAPHS.split(text))), LONGEST_PARAGRAPH),
        "minutes": (minutes or 999, MOST_MINUTES),
        "lines of the median cell": (statistics.median(lines), MEDIAN_LINES),
        "lines of a cell": (max(lines), MOST_VISIBLE_LINES),
        "asserts": ("\n".join(code).count("assert "), 0),
        "bare Series": (
            sum("dtype:" in t for c in code_cells(notebook) for t in output_texts(c)),
            0,
        ),
        "imports below mt": (
            len(re.findall(r"(?:from|import) mlteach\.(?!published\b)", "\n".join(code))),
            0,
        ),
    }
    faults = [f"{what}: {n} > {most}" for what, (n, most) in limits.items() if n > most]
    needed = ("{admonition} Open task", "{admonition} A model answer", "{admonition} Your guess")
    return faults + [f"nothing like {what}" for what in needed if what not in text]


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_pace(path: Path) -> None:
    assert faults_of_pace(nbformat.read(path, as_version=4)) == []


def test_pace_sees_its_faults() -> None:
    source = "from mlteach.core import x\nassert x  " + 80 * "." + 10 * "\n1"
    plain = notebook_with(source=source, outputs=shown("text/plain", "1\ndtype: float64"))
    plain.cells[0].source += " word" * MOST_WORDS
    assert len(faults_of_pace(plain)) == 11


def sections(notebook: Notebook) -> dict[str, str]:
    """Map headings to what stands below them, the calls of widgets included."""
    text = ""
    for cell in notebook.cells:
        shown = [o.get("data", {}).get("text/markdown", "") for o in cell.get("outputs", [])]
        calls = re.findall(r"mt\.explore\(|mt\.run_button\(", cell.source)
        told = [cell.source] if cell.cell_type == "markdown" else [*calls, *shown]
        text += "\n\n" + "\n\n".join(told)
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))


def faults_of_sections(notebook: Notebook) -> list[str]:
    """A section asks, and an essential one lets the reader guess, or try, before it answers."""
    by_heading = sections(notebook)
    title = by_heading.pop("")
    asked = {h: text for h, text in by_heading.items() if h not in UNASKED}
    faults = [f"no question: {heading}" for heading in asked if "?" not in heading]
    guessed = re.compile(r"\{admonition\} Your guess|^mt\.", re.MULTILINE)
    minutes = 0
    for heading, text in by_heading.items():
        essential = re.search(r"^\*Essential, (\d+) min\*$", text, re.MULTILINE)
        minutes += int(essential[1]) if essential else 0
        if essential and heading in asked and not guessed.search(text):
            faults.append(f"no guess: {heading}")
    told = re.search(r"essential sections take about (\d+) minutes", title)
    if not told or abs(int(told[1]) - minutes) > 3:
        faults.append(f"essential minutes: {minutes}")
    return faults


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_sections_ask_and_let_guess(path: Path) -> None:
    assert faults_of_sections(nbformat.read(path, as_version=4)) == []


def test_sections_see_their_faults() -> None:
    plain = notebook_with()
    plain.cells[0].source += "\n\n## Told\n\n*Essential, 5 min*\n\n## Why?\n\n*Optional, 5 min*"
    assert len(faults_of_sections(plain)) == 3


def unchecked_answers(notebook: Notebook) -> list[str]:
    """Find numbers of model answers that the task does not give and the next cell not assert."""
    faults = []
    for cell, check in zip(notebook.cells, notebook.cells[1:], strict=False):
        task, found, answer = cell.source.partition("{admonition} A model answer")
        given = {95.0, *map(float, NUMBER.findall(task))}
        tested = check.source if "remove-cell" in check.metadata.get("tags", []) else ""
        asserted = set(map(float, re.findall(r"\d*\.?\d+", tested)))
        numbers = NUMBER.findall(answer) if found else []
        faults += [n for n in numbers if not of_equal_value(n) & (given | asserted)]
    return faults


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_model_answers_are_checked(path: Path) -> None:
    assert unchecked_answers(nbformat.read(path, as_version=4)) == []


def test_unchecked_answers_are_seen() -> None:
    plain = notebook_with(source="assert round(x) == 0.5", metadata={"tags": ["remove-cell"]})
    plain.cells[0].source = "Given 0.2.\n{admonition} A model answer\n0.2, 50%, 1.7"
    assert unchecked_answers(plain) == ["1.7"]


def test_the_survey_chapter_runs_on_a_table_with_other_names() -> None:
    """Its cells name no column of the book's own table, once the names are set at the top."""
    notebook = nbformat.read(BOOK / "15_pisa_style.ipynb", as_version=4)
    cells = [c for c in code_cells(notebook) if c.id != "path" and 'pisa_style")' not in c.source]
    own = re.compile(r"[\"'](?:country|school|student)[\"']|~ country|\| school\)")
    named = {c.id for c in cells if own.search(c.source)}
    assert named - {"path", *(c.id for c in cells if c.id.startswith("solution"))} == set()


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_hints_name_a_section_of_the_chapter(path: Path) -> None:
    headings = re.findall(r"^##+ (.+)$", prose(nbformat.read(path, as_version=4)), re.M)
    places = {e.place for e in chapter_exercises(int(path.stem[:2])).values()}
    assert places <= set(headings)


def test_contents_name_every_page() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {entry["file"] for part in toc["parts"] for entry in part["chapters"]} | {toc["root"]}
    pages = [*CHAPTERS, *BOOK.glob("*.md"), *BOOK.glob("teaching/*.md")]
    present = {path.relative_to(BOOK).with_suffix("").as_posix() for path in pages}
    assert listed == present


def test_references_are_in_order() -> None:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)
    assert keys == sorted(set(keys))
    assert all(re.fullmatch(r"[a-z]+\d{4}[a-z]*", key) for key in keys)


def notebook_with(**changes: Any) -> Notebook:
    """Build a chapter of two cells; the code cell takes the changes."""
    title = nbformat.v4.new_markdown_cell("(ch-x)=\n# Title", id="title")
    cell = nbformat.v4.new_code_cell("1 + 1", id="cell", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"})]
    cell.update(nbformat.from_dict(changes))
    return nbformat.from_dict({"cells": [title, cell], "metadata": METADATA})


def shown(kind: str, data: str) -> list[Any]:
    return [nbformat.v4.new_output("display_data", {kind: data})]


FAULTS = {
    cells_are_short: {"source": "x\n" * (MOST_LINES + 1)},
    ran_once_from_top_to_bottom: {"execution_count": 7},
    outputs_are_stored: {"outputs": []},
    nothing_went_wrong: {"outputs": [nbformat.v4.new_output("stream", name="stderr", text="oh")]},
    metadata_does_not_change: {"metadata": {"execution": {"iopub.status.busy": "now"}}},
    widgets_are_stored_as_text: {"outputs": shown(WIDGET_VIEW, "{}")},
    cell_ids_are_names: {"id": "Cell 1"},
    figures_have_alt_text: {"outputs": shown("image/png", "iVBOR")},
    figures_come_without_a_repr: {"source": "ax.plot([1, 2]);"},
    every_output_is_compared: {"metadata": {"tags": ["nbval-skip"]}},
    no_absolute_paths: {"outputs": shown("text/plain", "see '/home/me/data.csv'")},
    random_numbers_are_seeded: {"source": "rng = np.random.default_rng()"},
    no_plumbing: {"source": "import warnings\nwarnings.filterwarnings('ignore')"},
    no_p_value_is_zero: {
        "outputs": shown(
            "text/html",
            "<table><tr><th></th><th>p</th></tr><tr><th>ses</th><td>0.000</td></tr></table>",
        )
    },
    numbers_have_sensible_digits: {"outputs": shown("text/plain", "0.18027638190954773")},
    lines_fit_the_page: {"source": "x = 1  # " + 80 * "."},
    formulas_have_single_backslashes: {"cell_type": "markdown", "source": "$\\\\tau$"},
    numbers_begin_with_a_digit: {"cell_type": "markdown", "source": "An ICC of .18."},
    numbers_of_ours_stand_in_the_code: {"cell_type": "markdown", "source": "It is 0.1876."},
    colours_named_are_those_drawn: {"metadata": {"mystnb": {"image": {"alt": "A red line."}}}},
    guesses_have_choices: {
        "cell_type": "markdown",
        "source": "```{admonition} Your guess: more?\n\n- [x] yes\n\nYes.\n```",
    },
    fences_begin_a_line: {"cell_type": "markdown", "source": "Why? ```{note} So\nBecause.\n```"},
    fences_open: {"cell_type": "markdown", "source": "```{note} Why `x`?\nBecause.\n```"},
    one_labelled_title: {"cell_type": "markdown", "source": "# Another title"},
    exercises_are_boxed_and_checked: {"source": 'mt.check("1.1", ...)'},
}


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.__name__)
def test_rule_sees_its_fault(check: Rule) -> None:
    """No rule is blind, and only the rule on exercises finds fault with the plain notebook."""
    assert check(notebook_with(**FAULTS[check]))
    assert check is exercises_are_boxed_and_checked or check(notebook_with()) == []


def test_stored_form_is_that_of_make_chapters() -> None:
    """A chapter is written as nbformat writes it, so that running it again changes no layout."""
    for path in CHAPTERS:
        text = path.read_text(encoding="utf-8")
        assert text == nbformat.writes(nbformat.reads(text, as_version=4)) + "\n", path.name
