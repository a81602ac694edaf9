"""What slides and handouts take from a chapter: found where it is, refused where it is not."""

from base64 import b64encode
from pathlib import Path

import nbformat
import pytest
from sheet import Sheet
from stored import Chapter, StoredError, rounded

import mlteach as mt

WORDS = "There are 7{,}185 rows in $J = 160$ schools; the slope is −0.62, and 12.6% are left."
PIXEL = b64encode(b"A picture.").decode()


@pytest.fixture(scope="module")
def chapter(tmp_path_factory: pytest.TempPathFactory) -> Chapter:
    """A chapter with an output of each kind."""
    table = mt.load("hsb").groupby(["sector", "female"])[["math", "ses"]].mean().round(3)
    held = {
        "words": ({"text/markdown": WORDS}, {}),
        "table": ({"text/html": table.to_html(), "text/plain": str(table)}, {}),
        "picture": ({"image/png": PIXEL}, {"image/png": {"width": 816, "height": 384}}),
    }
    cells = [nbformat.v4.new_markdown_cell("(ch-x)=\n# A chapter\n\nText.", id="title")]
    for name, (data, metadata) in held.items():
        cell = nbformat.v4.new_code_cell("a = 1\n\nb = 2\nb", id=name)
        cell.metadata["mystnb"] = {"image": {"alt": "A plot of <x>."}}
        cell.outputs = [nbformat.v4.new_output("display_data", data, metadata=metadata)]
        cells.append(cell)
    path = tmp_path_factory.mktemp("book") / "01_chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return Chapter(path)


@pytest.fixture
def sheet(chapter: Chapter, tmp_path: Path) -> Sheet:
    return Sheet(Path("01_chapter.md"), chapter, tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("words: are # rows", "7,185"),
        (r"words: J = #\$", "160"),
        ("words: slope is #, and", "−0.62"),
        ("words: and # are", "12.6%"),
        ("words: There are", "There are"),
    ],
)
def test_words_are_found(chapter: Chapter, place: str, value: str) -> None:
    assert chapter.number(place) == value


def test_entries_are_found(chapter: Chapter) -> None:
    mean = mt.load("hsb").groupby(["sector", "female"])["math"].mean()
    assert chapter.number("table[Catholic / 1, math]") == f"{mean['Catholic', 1]:.3f}"
    assert chapter.number("table[Catholic / 1, math] | 1") == f"{mean['Catholic', 1]:.1f}"
    assert chapter.number("table: Public +0 +#") == f"{mean['Public', 0]:.3f}"


def test_title_and_shown(chapter: Chapter, sheet: Sheet) -> None:
    assert chapter.title == "A chapter"
    html = sheet.html(
        "{{ figure picture }}\n\n{{ figure picture 50-100 }}\n\n{{ code words 3-4 }}\n\n"
        "{{ table table }}\n\nIs $x<y$ {{ words: J = # }}?"
    )
    assert '<figure><img src="../_images/' in html
    assert 'alt="A plot of &lt;x&gt;." width="816" height="384"></figure>' in html
    assert '<svg viewBox="0 192 816 192" role="img" aria-label="A plot of &lt;x&gt;.">' in html
    assert "<p><" not in html
    assert ">b</span>" in html and ">a</span>" not in html
    assert html.count("<table") == 1
    assert r"\(x&lt;y\)</span> 160?" in html


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("wrods: # rows", "has no cell 'wrods'; near it: words"),
        (r"words: and #\\.", "is not in the outputs of cell 'words'"),
        ("words: # columns", "is not in the outputs of cell 'words'"),
        ("table[Catholic / 2, math]", "has not one entry 'Catholic / 2', 'math'"),
        ("table[Catholic / 1, maths]", "has not one entry"),
        ("words[a, b]", "shows no table"),
        ("words", "is neither 'cell: pattern' nor 'cell\\[row, column\\]'"),
        ("figure words", "holds no picture"),
        ("widget words", "holds no widget"),
        ("code words 9", "has no line 9"),
    ],
)
def test_what_is_not_there_is_named(sheet: Sheet, place: str, fault: str) -> None:
    with pytest.raises(StoredError, match=f"^01_chapter.md, .*{fault}"):
        sheet.html(f"It is {{{{ {place} }}}}.")


@pytest.mark.parametrize(
    ("stored", "decimals", "value"),
    [("8.6140", 2, "8.61"), ("-0.0151", 2, "-0.02"), ("7185.6", 0, "7,186"), ("−0.62", 1, "-0.6")],
)
def test_rounded(stored: str, decimals: int, value: str) -> None:
    assert rounded(stored, decimals) == value


def test_a_number_is_not_rounded_twice_to_the_wrong_side() -> None:
    """2.9350 stands for 2.93497: rounded again it would be 2.94."""
    with pytest.raises(StoredError, match="2.9350 may have been above or below"):
        rounded("2.9350", 2)
