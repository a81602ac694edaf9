"""The readers' notebooks: plain Markdown and HTML, numbers of the website, nothing left open."""

import io
import json
import re
import tokenize
from html import unescape
from pathlib import Path

import author_year
import bibliography
import labels
import nbformat
import needed_code
import notebooks
import pytest
from nbclient import NotebookClient
from plain_myst import FRAME, Plain, spoken
from pybtex.database import parse_file

from mlteach.widgets.catalogue import names
from tests.places import ROOT

BOOK = notebooks.Book()
#: What only MyST understands: roles, directives, labels of sections and equations, options.
MYST = re.compile(
    r"\{[\w:]+\}`|^[`:~]{3,}\{|^\([\w-]+\)=$|^\$\$ *\(|^:(?:class|name):|\{\{", re.MULTILINE
)
#: A reference of the site to a figure or an equation.
NUMBERED_LINK = (
    r'<a class="reference internal" href="[^"]*#(?:fig-|equation-)[^"]*">(?:<span[^>]*>)?([^<]+)'
)
#: A chapter that is run here: it has figures, computed prose that later cells need, and solutions.
RUN = "04_design_effects"


@pytest.fixture(scope="module")
def made() -> dict[str, list[dict]]:
    """The cells of each notebook."""
    return {page: BOOK.notebook(page)["cells"] for page in BOOK.pages}


def source(cell: dict) -> str:
    return "".join(cell["source"])


def texts(cells: list[dict]) -> list[str]:
    return [source(cell) for cell in cells if cell["cell_type"] == "markdown"]


def without_code(text: str) -> str:
    """Leave out fenced and inline code, in which anything may stand."""
    return re.sub(r"^```\w*\n.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def test_no_myst_is_left(made) -> None:
    """Nor in what code writes."""
    for page, cells in made.items():
        written = [labels.prose(cell) for cell in cells if cell["cell_type"] == "code"]
        assert MYST.findall("\n".join(texts(cells) + written)) == [], page
        code = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "code")
        assert not notebooks.ROLE_IN_CODE.search(code), page


def test_widgets_that_were_not_run_show_their_start(made) -> None:
    """A picture with a description, and nothing that only a kernel could fill."""
    found = set()
    for cell in (cell for cells in made.values() for cell in cells):
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            html = "".join(data.get("text/html", ""))
            if shown := re.search(r'mlteach-widget-placeholder" data-widget="(\w+)"', html):
                assert re.search(r'<img src="data:image/[^"]{1000,}" alt="[^"]{40,}"', html)
                assert not [kind for kind in data if "widget" in kind]
                found.add(shown[1])
    assert found >= set(names())


def test_boxes_and_frames_are_closed(made) -> None:
    for page, cells in made.items():
        for text in map(without_code, texts(cells)):
            for tag in ("div", "details", "summary", "abbr"):
                assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), page


def test_links_lead_to_notebooks_headings_or_the_web(made) -> None:
    headings = {
        page: {
            f"#{h.replace(' ', '-')}"
            for t in texts(cells)
            for h in re.findall("^#+ (.+)$", t, re.M)
        }
        for page, cells in made.items()
    }
    dead = []
    for page, cells in made.items():
        for address in re.findall(r"\]\(([^\s)]+)", "\n".join(map(without_code, texts(cells)))):
            name, _, anchor = address.partition("#")
            target = name.removesuffix(".ipynb") or page
            anchor = f"#{anchor}".replace("%28", "(").replace("%29", ")")
            known = target in headings and (anchor == "#" or anchor in headings[target])
            if not known and not address.startswith("https://"):
                dead.append((page, address))
    assert dead == []


def test_citations_are_those_of_the_site() -> None:
    entries = parse_file(str(ROOT / "book" / "references.bib")).entries
    ours = {key: f"{work.who}, {work.year}" for key, work in BOOK.works.items()}
    assert ours == {key: author_year.label(entry) for key, entry in entries.items()}
    assert not [work for work in BOOK.works.values() if re.search(r"[{}\\]", work.sentence)]


def test_numbers_are_those_of_the_site(site: Path) -> None:
    """Chapters, figures and equations, each by its label."""
    figures, equations, chapters = {}, {}, {}
    for page in BOOK.labels.chapters:
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        numbered = (
            r'<figure[^>]* id="([\w-]+)">.*?<span class="caption-number">Fig. ([\d.]+) </span>'
        )
        figures |= dict(re.findall(numbered, html, re.DOTALL))
        numbered = r'id="equation-([\w-]+)">\s*<span class="eqno">\(([\d.]+)\)'
        equations |= dict(re.findall(numbered, html))
        html = html[html.index("<article") :]  # before it stands the title that is printed
        title = re.search(r'<h1>(?:<span class="section-number">(\d+)\. </span>)?', html)
        chapters[page] = title[1] or ""
    assert {label: number for label, (_, number) in BOOK.labels.figures.items()} == figures
    ours = {label.lower(): number for label, (_, number) in BOOK.labels.equations.items()}
    assert ours == equations
    assert BOOK.labels.chapters == chapters
    assert len(figures) > 90 and len(equations) > 90


def test_references_say_what_the_site_says(site: Path, made) -> None:
    """The numbers in the text, in their order: what a role was turned into."""
    for page in BOOK.pages:
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        article = html[html.index("<article") : html.index("</article>")]
        said = [unescape(words) for words in re.findall(NUMBERED_LINK, article)]
        ours = "\n".join(
            re.sub(r"\*\*Fig\. [\d.]+\*\*", "", source(cell))
            if cell["cell_type"] == "markdown"
            else labels.prose(cell)
            for cell in made[page]
        )
        ours = re.findall(r"Fig\. [\d.]*\d|(?<!\w)\(\d+\.?\d*\)(?=\]|\W)", without_code(ours))
        # A number in brackets need not be an equation's; each of the site's must be there.
        at = 0
        for words in said:
            assert words in ours[at:], (page, words)
            at += ours[at:].index(words) + 1


def test_computed_prose_is_prose(made) -> None:
    """Every paragraph that a code cell writes is there, as a cell of text."""
    for page, cells in made.items():
        computed = [c for c in labels.cells(BOOK.folder / f"{page}.ipynb") if notebooks.is_prose(c)]
        written = {cell["id"] for cell in cells if cell["cell_type"] == "markdown"}
        assert {cell["id"] for cell in computed} <= written


def test_solutions_are_folded_and_named(made) -> None:
    seen, wanted = 0, 0
    for page, cells in made.items():
        for cell in cells:
            jupyter = cell["metadata"].get("jupyter", {})
            if cell["id"] in ("title", "install") or not jupyter.get("outputs_hidden"):
                continue
            if "mt.check(" in source(cell):
                assert jupyter["source_hidden"], page
                first = source(cell).splitlines()[0]
                asked = re.search(r'mt\.check\(\s*"([\d.]+)"', source(cell))
                assert first == f"# Solution of {asked[1]}"
                assert source(cell).endswith(");"), "its verdict does not show"
                seen += 1
        authored = labels.cells(BOOK.folder / f"{page}.ipynb")
        wanted += sum("hide-cell" in cell["metadata"].get("tags", []) for cell in authored)
    assert seen == wanted >= 80


def test_guesses_and_model_answers_are_closed(made) -> None:
    boxes = "\n".join(text for cells in made.values() for text in texts(cells))
    asked = re.findall(r"\*\*Your guess: .*\*\*\n\n(?:\u2610 .+\n){2,}\n<details>", boxes)
    assert len(asked) > 100
    assert not re.search(r"\[[ xX]\] ", boxes), "a list that shows what is right"
    assert boxes.count("<summary>A model answer") > 10
    assert set(re.findall(r"<details([^>]*)>", boxes)) == {""}


def test_folded_code_tells_nothing(made) -> None:
    """Lab shows the first line of a folded cell: of a solution, or of what no reader reads."""
    for page, cells in made.items():
        names = {
            c["id"]: c["metadata"].get("tags", [])
            for c in labels.cells(BOOK.folder / f"{page}.ipynb")
        }
        for cell in cells:
            tags = names.get(cell["id"].removesuffix("-code"), [])
            if cell["cell_type"] == "code" and {"remove-cell", "remove-input", "hide-cell"} & set(
                tags
            ):
                first = next(tokenize.generate_tokens(io.StringIO(source(cell)).readline))
                assert first.type == tokenize.COMMENT, (page, cell["id"])


def test_install_line_is_the_first_code(made) -> None:
    for cells in made.values():
        first = next(cell for cell in cells if cell["cell_type"] == "code")
        assert "%pip install" in source(first) and "mlteach" in source(first)


@pytest.mark.parametrize(("setting", "line"), [
    ('project_address: "https://a.org/b"', '%pip install --quiet "mlteach[book] @ git+https://a.org/b"'),
    ('project_address: ""', '# %pip install --quiet "FOLDER[book]"'),
])  # fmt: skip
def test_install_line_names_the_address(
    tmp_path: Path, monkeypatch, setting: str, line: str
) -> None:
    (tmp_path / "_config.yml").write_text(f"sphinx:\n  config:\n    {setting}\n")
    monkeypatch.setattr(BOOK, "addresses", notebooks.addresses(tmp_path / "_config.yml"))
    install = next(c for c in BOOK.notebook(RUN)["cells"] if c["cell_type"] == "code")
    assert line in [part.strip() for part in source(install).splitlines()]


def test_a_notebook_runs_alone(tmp_path: Path, made) -> None:
    """In a folder with nothing else; its outputs are those of the book."""
    notebook = nbformat.reads(json.dumps(BOOK.notebook(RUN, outputs=False)), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()

    def shown(cells: list) -> list:
        outputs = [(c["id"], o) for c in cells if c["cell_type"] == "code" for o in c["outputs"]]
        return [(i, "".join(o["data"]["text/plain"])) for i, o in outputs if "data" in o]

    assert shown(notebook.cells) == shown(made[RUN])


# ---------------------------------------------------------------------------------------- pieces


def plain(text: str, address: str = "") -> str:
    pages = frozenset(BOOK.pages)
    return Plain("03_empty_model", BOOK.labels, BOOK.works, address, pages)(text)


@pytest.mark.parametrize(("myst", "wanted"), [
    ("{eq}`eq-empty-ms`, {eq}`eq-structures-N`", "(3.1), [(1.1)](01_structures.ipynb)"),
    ("{numref}`fig-empty-dots`", "Fig. 3.1"),
    ("{ref}`pooling <ch-shrinkage>`", "[pooling](08_shrinkage.ipynb)"),
    ("{cite:t}`stram1994`", "[Stram and Lee (1994)](https://doi.org/10.2307/2533455 "),
    ("as `{eq}` in code", "as `{eq}` in code"),
    ("the [crosswalk](crosswalk.md)", "the crosswalk"),
    ("$$\nx\n$$ (eq-empty-ms)", "$$\nx\n\\tag{3.1}\n$$"),
    ("(sec-a)=\n## Title", "## Title"),
    ("```{admonition} Hint\n:class: dropdown tip\n\n{eq}`eq-empty-ms`\n```",
     "<details>\n<summary>Hint</summary>\n\n(3.1)\n\n</details>"),
    ("```{admonition} Your guess: `a`?\n:class: dropdown\n\n- [ ] $x$\n- [x] no\n\nNo.\n\nOh.\n```",
     f'<div style="{FRAME}">\n\n**Your guess: `a`?**\n\n\u2610 $x$<br>\n\u2610 no\n\n'
     "<details>\n<summary>The answer</summary>\n\nNo.\n\nOh.\n\n</details>\n\n</div>"),
    ("```python\n{eq}`x`\n```", "```python\n{eq}`x`\n```"),
    ("~~~{admonition} Is `a < b`, *or* $a*b*c$?\n:class: dropdown\nNo\n~~~",
     "<details>\n<summary>Is <code>a &lt; b</code>, <em>or</em> $a*b*c$?</summary>\n\nNo"),
])  # fmt: skip
def test_pieces(myst: str, wanted: str) -> None:
    assert plain(myst).startswith(wanted)


def test_a_term_says_what_it_means_or_leads_there() -> None:
    assert re.fullmatch(r'<abbr title="[^"<>]+">BLUPs</abbr>', plain("{term}`BLUPs <BLUP>`"))
    linked = plain("{term}`BLUPs <BLUP>`", "https://a.org")
    assert linked.startswith('[BLUPs](https://a.org/glossary.html#term-BLUP "Best linear')


def test_every_term_can_be_spoken() -> None:
    for meaning in BOOK.labels.terms.values():
        assert not re.search(r"[\\{}$`]|\bterm\b", spoken(meaning)), meaning


@pytest.mark.parametrize(("cells", "kept"), [
    (["a = 1", "b = 2", "a"], [True, False, True]),
    (["a = 1", "b = a", "b"], [True, True, True]),
    (["a = 1", "a = 2", "a"], [False, True, True]),
    (["a = {}", "a['x'] = 1", "a"], [True, True, True]),
    (["a = []", "a.append(1)", "a"], [True, True, True]),
    (["rng = make()", "x = rng.normal()", "rng.normal()"], [True, True, True]),
    (["import a as b", "def f():\n    return b", "f()"], [True, True, True]),
    (["assert True", "%config x", "1"], [False, False, True]),
])  # fmt: skip
def test_what_a_later_cell_needs_stays(cells: list[str], kept: list[bool]) -> None:
    optional = [True] * (len(cells) - 1) + [False]
    assert needed_code.needed(list(zip(cells, optional, strict=True))) == kept


def test_the_stored_file_is_a_notebook(tmp_path: Path) -> None:
    (path,) = [p for p in BOOK.write(tmp_path, outputs=False) if p.stem == RUN]
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))


def test_bibliography_reads_accents() -> None:
    assert (
        bibliography.plain(r"M{\"a}chler \& Ga{\l}ecki -- Molli{\'e}")
        == "Mächler & Gałecki – Mollié"
    )
