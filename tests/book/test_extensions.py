"""The Sphinx extensions of the book, on fragments; test_site*.py look at the whole site."""

import importlib.util
import json
from html import unescape
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import numpy as np
import pytest
from docutils import nodes
from PIL import Image
from sphinx.errors import ExtensionError

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
            '<button class="search-button__button pst-js-only" title="Search" aria-label="Search">',
            '<button class="search-button__button pst-js-only" title="Search" aria-label="Search">',
        ),
        ('<script src="_static/doctools.js"></script>', '<script defer src="_static/doctools.js">'),
        ('<script src="_static/documentation_options.js">', '<script src="_static/documentation_'),
        ('<script src="searchindex.js"></script><p>', "<p>"),
        ('<link rel="preload" as="script" href="a.js" /><p>', "<p>"),
        ('<img alt="Logo" src="_static/logo.png" />', '<img alt="Logo" src="_static/logo.png" />'),
    ],
)
def test_last_touches(finished, written: str, wanted: str) -> None:
    assert finished(written).startswith(wanted)
    assert finished(finished(written)) == finished(written)


def test_state_of_live_widgets_goes(finished) -> None:
    state = '<script type="application/vnd.jupyter.widget-state+json">{"state": {}}</script>\n'
    kept = "<script>1</script>"
    assert finished(f"<p>{state}{kept}{state}</p>") == f"<p>{kept}</p>"


def test_pictures_wait_and_keep_their_place(finished) -> None:
    touched = finished(PICTURE)
    light, dark = touched.split("/>")[:2]
    for image in (light, dark):
        assert image.startswith('<img loading="lazy" width="800" height="400" class="mlteach-')
        assert 'alt="A plot."' in image
    assert "_images/ab.png" in light and "_images/ab-dark.png" in dark
    assert touched.endswith("/>") and touched.count("/>") == 2
    assert finished(touched) == touched


def test_pictures_with_panels_have_another_for_phones(finished, tmp_path: Path) -> None:
    for name in ("ab", "ab-dark"):
        Image.new("P", (40, 90)).save(tmp_path / f"{name}-stacked.png")
    touched = finished(f"<a>{PICTURE}</a>", tmp_path)
    assert touched.count("<picture><source media=") == touched.count("/></picture>") == 2
    for name in ("ab", "ab-dark"):
        assert f'srcset="_images/{name}-stacked.png" width="40" height="90" />' in touched
    assert finished(touched, tmp_path) == touched


def test_maths_comes_where_there_is_maths(finished) -> None:
    script = '<script defer="defer" src="_static/../mathjax/startup.js?v=1"></script>'
    settings = '<script>window.MathJax = {"loader": {}}</script>'
    assert finished(f"{settings}{script}<p>") == "<p>"
    page = finished(f'{script}<span class="math">')
    assert "src=" not in page and 'src:"_static/../mathjax/startup.js"' in page


def test_long_code_goes_on_below_after_its_signs(finished) -> None:
    code = '<span class="pre">{}</span>'
    for text in ("/CRITERIA=<wbr>DFMETHOD(<wbr>KENWARDROGER)", "mt.fit_mixed", "sorted((1, 2))"):
        written = code.format(text.replace("<wbr>", ""))
        assert finished(written) == code.format(text) == finished(code.format(text))


def test_long_names_of_rows_go_on_below_between_their_parts(finished) -> None:
    for name in (
        "within.<wbr>CREATAS~~<wbr>GROSAGR<wbr>[Ireland]",
        "ses_<wbr>within:<wbr>MEANSES",
        "score@<wbr>pre",
        "2.25",
        "satterthwaite",
    ):
        written = f"<th>{name.replace('<wbr>', '')}</th>"
        assert finished(written) == f"<th>{name}</th>" == finished(f"<th>{name}</th>")


def test_the_printed_title_has_the_number(finished) -> None:
    page = (
        "<title>3. Models &amp; more &#8212; Book</title>"
        '<div id="jb-print-docs-body" class="onlyprint"> <h1>Models &amp; more</h1>'
    )
    assert "<h1>3. Models &amp; more</h1>" in finished(page)


CSS = """
@charset "utf-8";
/* .comment { } */
.used, .unused > a:hover { color: red }
.unused { background: url("data:image/svg+xml,%3Csvg { } %3E") }
a:not(.unused) { color: blue }
.used:is(.unused, :where(#other)) { color: green }
@media (min-width: 1px) { .unused { x: y } .used::before { content: "}" } }
@media print { .unused { x: y } }
@font-face { font-family: F; src: url(f.woff2) }
"""


def test_only_rules_that_can_apply_are_kept() -> None:
    kept = extension("lighten").pruned(CSS, {"used"})
    assert kept == (
        '@charset "utf-8";.used{ color: red }a:not(.unused){ color: blue }'
        ".used:is(.unused, :where(#other)){ color: green }"
        '@media (min-width: 1px){.used::before{ content: "}" }}'
        "@font-face{ font-family: F; src: url(f.woff2) }"
    )


def test_classes_of_pages_and_scripts_are_known(tmp_path: Path) -> None:
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    (tmp_path / "index.html").write_text(
        '<p class="one two" id="three">four</p><script>f("five")</script>'
    )
    (tmp_path / "_static" / "scripts" / "a.js").write_text('x.classList.add("six-seven")')
    (tmp_path / "_static" / "scripts" / "fontawesome.js").write_text('"eight"')
    known = extension("lighten").vocabulary(tmp_path)
    assert {"one", "two", "three", "five", "six-seven"} <= known
    assert not {"four", "eight"} & known


#: Okabe and Ito's colours, in the order of their lightness.
SAFE = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [86, 180, 233], [230, 159, 0], [240, 228, 66]]
READABLE, VISIBLE = 7, 3  # contrasts that WCAG asks of text (AAA) and of graphics


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance by WCAG."""
    s = np.asarray(rgb) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    bright, dark = np.maximum(*(both := (luminance(one), luminance(other)))), np.minimum(*both)
    return (bright + 0.05) / (dark + 0.05)


def test_colours_on_dark_ground() -> None:
    """White is the page's ground; all else stands out from it; hues and their order stay."""
    dark = extension("dark")
    white, black, *colours = dark.darkened(np.array([[255] * 3, [0] * 3, *SAFE]))
    assert tuple(white) == dark.GROUND
    assert contrast(black, white) > READABLE
    assert (contrast(np.array(colours), white) > VISIBLE).all()
    before, after = dark.to_lab(np.array(SAFE)), dark.to_lab(np.array(colours))
    assert (np.diff(after[:, 0]) > -0.01).all()
    turned = np.angle(np.exp(1j * (np.arctan2(*after.T[:0:-1]) - np.arctan2(*before.T[:0:-1]))))
    assert np.abs(np.degrees(turned)).max() < 6


def test_conversion_of_colours_goes_there_and_back() -> None:
    dark = extension("dark")
    rgb = np.random.default_rng(1).integers(0, 256, (500, 3))
    np.testing.assert_array_equal(dark.to_rgb(dark.to_lab(rgb)), rgb)
    np.testing.assert_allclose(dark.to_lab(np.array([[255, 255, 255]]))[0], [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
def test_a_dark_twin_is_the_same_picture(tmp_path: Path, mode: str) -> None:
    dark = extension("dark")
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste((0, 114, 178), (5, 5, 20, 15))
    stored = picture.quantize(16) if mode == "P" else picture.convert(mode)
    stored.save(tmp_path / "a.png")
    dark.make_twin(tmp_path / "a.png")
    with Image.open(dark.twin_of(tmp_path / "a.png")) as twin:
        pixels = np.asarray(twin.convert("RGB")).reshape(-1, 3)
    wanted = dark.darkened(np.asarray(picture).reshape(-1, 3))
    np.testing.assert_array_equal(pixels, wanted)


PAGE = """<p>before</p><article class="bd-article"><section id="a"><h1>3. Title<a class="headerlink"
>#</a></h1><p>First <span class="math">\\(\\tau^2\\)</span>.</p><section id="b"><h2>Part</h2>
<div class="cell_input"><pre>code</pre></div><p>Second.</p></section><p>Third.</p></section>
<dl><dt id="term-x">word</dt><dd><p>Meaning.</p></dd></dl></article><p>after</p>"""


def test_sections_are_found_with_their_prose() -> None:
    assert extension("sections").sections_of(PAGE.replace("\\\\", "\\")) == [
        ["a", "3. Title", "First τ². Third."],
        ["b", "Part", "Second."],
        ["term-x", "word", "Meaning."],
    ]


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


def test_pages_whose_widget_has_changed_are_written_again(tmp_path: Path) -> None:
    twins = extension("widget_twins")
    shown = {twins.SHOWN: [("mlteach.widgets.lessons.icc", "icc")]}
    env = SimpleNamespace(
        found_docs={"plain", "shows", "read"}, metadata={"plain": {}, "shows": shown, "read": shown}
    )
    app = SimpleNamespace(mlteach_workshop=SimpleNamespace(cache=tmp_path))
    assert twins.drawn_otherwise(app, env, set(), {"read"}, set()) == ["shows"]


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


# ------------------------------------------------------------------------------------- exercises


def cell(source: str, *outputs: str) -> nodes.container:
    """A code cell as myst-nb hands it on."""
    block = nodes.literal_block(source, source)
    inside = [nodes.container("", block, classes=["cell_input"])]
    shown = [nodes.raw("", text, format="html") for text in outputs]
    return nodes.container("", *inside, nodes.container("", *shown, classes=["cell_output"]))


def exercise_page(source: str, *before: nodes.Node) -> tuple[nodes.section, SimpleNamespace]:
    """A page of one exercise after its extension has changed it, and the application."""
    from docutils.utils import new_document

    twins = extension("exercise_twins")
    page = nodes.section("", *before, cell(source, "No answer yet"), cell("solution", "Right."))
    document = new_document("page")
    document += page
    data = {"kinds": ["share"], "parts": [], "choices": [], "targets": "</script>"}
    made = SimpleNamespace(result=lambda: {"9.1": data})
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"),
        env=SimpleNamespace(docname="nine"),
        mlteach_desk=SimpleNamespace(order=lambda chapter: made),
        add_js_file=lambda name, body: setattr(app, "told", body),
    )
    twins.order_data(app, document)
    twins.put_forms(app, document, "nine")
    twins.tell_pages(app, "nine", "", {}, document)
    return page, app


BOX = nodes.admonition("", nodes.title("", "Exercise 9.1"), classes=["exercise"])


@pytest.mark.parametrize(("before", "left"), [("", 0), ("x = 3\n", 1)])
def test_a_cell_that_asks_becomes_a_form(before: str, left: int) -> None:
    """What it does before it asks stays; the output goes; the solution gets a name."""
    page, app = exercise_page(f'{before}mt.check("9.1", ...)', BOX.deepcopy())
    form = page[0][-1].astext()
    assert form.startswith('<form class="mlteach-exercise" data-exercise="9.1"')
    assert form.count("</script>") == 1
    assert len(page) == 2 + left
    assert page[-1]["ids"] == ["solution-9-1"]
    code = [block.astext() for block in page.findall(nodes.literal_block)]
    assert code == [*["x = 3"][:left], "solution"]
    assert "No answer yet" not in page.astext()
    assert app.told == 'window.mlteachExercises = {"nine.html": ["9.1"]};'


def test_a_question_outside_of_a_box_is_an_error() -> None:
    with pytest.raises(ExtensionError, match=r"nine: mt.check\('9.1', ...\) follows no exercise"):
        exercise_page('mt.check("9.1", ...)', nodes.paragraph("", "text"))


def test_other_cells_stay() -> None:
    page, app = exercise_page('mt.check("9.1", 3)', BOX.deepcopy())
    assert len(page) == 3 and len(page[0]) == 1
    assert app.told == "window.mlteachExercises = {};"
