"""The Sphinx extensions of the book, on fragments; test_site*.py look at the whole site."""

import importlib.util
import json
from html import unescape
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pytest
from docutils import nodes
from PIL import Image

import mlteach as mt
from mlteach.widgets import Choice, Panel, Slider, Widget, explore, look
from tests.places import ROOT

EXTENSIONS = ROOT / "book" / "_ext"
PICTURE = '<img alt="A plot." src="_images/ab.png" style="width: 800px; height: 400px;" />'


def extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def finished():
    return extension("finish").finished


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ('<i data-mode="dark"  title="Dark"></i>', '<i data-mode="dark"></i>'),
        (
            '<button title="Search" aria-label="Search">',
            '<button title="Search" aria-label="Search">',
        ),
        ('<img alt="Logo" src="_static/logo.png" />', '<img alt="Logo" src="_static/logo.png" />'),
    ],
)
def test_last_touches(finished, written: str, wanted: str) -> None:
    assert finished(written) == wanted


def test_state_of_live_widgets_goes(finished) -> None:
    state = '<script type="application/vnd.jupyter.widget-state+json">{"state": {}}</script>\n'
    kept = "<script>1</script>"
    assert finished(f"<p>{state}{kept}{state}</p>") == f"<p>{kept}</p>"


def test_pictures_wait_and_keep_their_place(finished) -> None:
    touched = finished(PICTURE)
    assert touched.startswith('<img loading="lazy" width="800" height="400" alt="A plot."')
    assert finished(touched) == touched


def document_with(html: str) -> nodes.document:
    from docutils.utils import new_document

    document = new_document("page")
    document += nodes.raw("", html, format="html")
    document += nodes.raw("", "<p>other</p>", format="html")
    return document


def draw(n: int, kind: str) -> Panel:
    return Panel(look.figure()[0], {'a "b" <c>': f"{n} & {kind}"}, "Nothing.")


CONTROLS = (Slider("n", "n < 5", 1, 4, 1, 2), Choice("kind", 'say "x"', ("a<b>", 'c"d"')))
ODD = Widget("odd", "Whose </div> is it?", "Why?", CONTROLS, draw)


@pytest.mark.parametrize("shown", [mt.explore("icc", tau2=3.0), explore(ODD, kind='c"d"')])
def test_what_explore_writes_is_found_again(shown: mt.Explorer) -> None:
    """Whatever letters there are in titles, labels, options and readouts."""
    twins = extension("widget_twins")
    html = shown._repr_mimebundle_()["text/html"]
    ((node, match),) = twins.placeholders(document_with(html))
    assert node.astext() == match.group() == html
    assert (match["name"], match["module"]) == (shown.widget.name, shown.widget.module)
    assert json.loads(unescape(match["values"])) == shown.values


def test_views_of_live_widgets_are_not_stored() -> None:
    chapters = extension("chapters")
    data = {"text/plain": "x", "text/html": "<p>x</p>", chapters.WIDGET_VIEW: {"model_id": "1"}}
    cell = nbformat.v4.new_code_cell("x", id="x", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    stored = chapters.normalise(nbformat.v4.new_notebook(cells=[cell]))
    assert set(stored.cells[0].outputs[0].data) == {"text/plain", "text/html"}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pictures_get_a_palette(tmp_path: Path, mode: str) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.choice(
        np.array([[255, 255, 255], [0, 114, 178], [213, 94, 0]], "uint8"), (200, 300)
    )
    picture = Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "figure.png")
    before = (tmp_path / "figure.png").stat().st_size
    shrink = extension("finish").shrink
    for _ in range(2):
        shrink(tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as small:
            assert small.mode == "P"
            np.testing.assert_array_equal(np.asarray(small.convert("RGB")), pixels)
    assert (tmp_path / "figure.png").stat().st_size < before


def test_transparent_pictures_stay(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (20, 20), (0, 114, 178, 100))
    picture.save(tmp_path / "figure.png")
    before = (tmp_path / "figure.png").read_bytes()
    extension("finish").shrink(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes() == before
