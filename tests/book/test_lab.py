"""A real JupyterLab: a chapter runs from top to bottom, and live widgets follow keyboard and mouse.

What the panels show is compared with what Python draws.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import notebooks
import pytest
from playwright.sync_api import Browser, Locator, Page

from mlteach.widgets import Slider, Widget, find, look
from mlteach.widgets.svg import drawing
from tests.book.axe import barriers
from tests.book.jupyterlab import CHAPTER, SECONDS_TO_START

SECONDS_TO_RUN = 300  # a chapter takes 10 s, and many times that on a busy machine
NOTEBOOK = "widgets_live.ipynb"
STORED = "04_design_effects.ipynb"
WIDGETS = ("icc", "design_effect", "shrinkage")
BUTTON = 'mt.run_button("Count", lambda press: f"pressed {press} times")'
#: However busy the machine is, the longest texts are looked for at all places.
PATIENT = "import mlteach as mt\nfrom mlteach.widgets import room\nroom.SECONDS = 60"
#: From opening the notebook to the first panel: a few seconds, more on a busy machine.
SECONDS_TO_FIRST_PANEL = 60
MILLISECONDS_TO_SHOW = 10_000  # an update takes 0.1 s on a quiet machine
SAME_SVG = """(svg, text) => {
    const template = document.createElement("div");
    template.innerHTML = text;
    return svg.isEqualNode(template.firstElementChild);
}"""


#: What a reader must not meet: roles, labels, options of boxes.
RAW = re.compile(
    r"\{[\w:]+\}`|\{(?:term|eq|numref|cite:\w|admonition)\}|:class:|\((?:ch|sec|eq)-[\w-]+\)"
)
RENDERED_TEXT = """() => [...document.querySelectorAll(".jp-RenderedMarkdown")]
    .map(cell => cell.innerText).join("\\n")"""
OPEN_DETAILS = """() => [...document.querySelectorAll(".jp-RenderedMarkdown details[open]")]
    .map(box => `open: ${box.innerText.slice(0, 40)}`)"""
#: Cells that come into view change the height of the whole: where the end is, is asked each time.
ONE_SCREEN_DOWN = """panel => {
    const before = panel.scrollTop;
    panel.scrollTop += 0.8 * panel.clientHeight;
    return panel.scrollTop > before;
}"""
#: What a reader should meet: folded lines, numbers of formulas, what a term means.
GOOD = """() => [
    ...[...document.querySelectorAll(".jp-InputPlaceholder, .jp-Placeholder-text")]
        .map(line => line.innerText.trim()),
    ...[...document.querySelectorAll("mjx-container mjx-labels")].map(() => "numbered formula"),
    ...[...document.querySelectorAll("abbr[title]")].map(() => "explained term")]"""
WANTED = {"numbered formula", "explained term", *(f"# Solution of 3.{k}" for k in range(1, 6))}


def wait_for_kernel(page: Page) -> None:
    """Wait for the kernel: Lab forgets cells, and says nothing, that were run before it came."""
    page.get_by_text("(ipykernel) | Idle").wait_for(timeout=SECONDS_TO_START * 1000)


def run_all(page: Page) -> None:
    """Use Lab's menu once the kernel is there."""
    wait_for_kernel(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


# -------------------------------------------------------------------------------------- a chapter


def run_all_and_save(page: Page, notebook: Path) -> nbformat.NotebookNode:
    """Run all cells, then save until the last code cell has run; return what Lab stored."""
    run_all(page)
    deadline = time.monotonic() + SECONDS_TO_RUN
    while time.monotonic() < deadline:
        page.wait_for_timeout(1500)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)
        try:
            stored = nbformat.read(notebook, as_version=4)
        except nbformat.reader.NotJSONError:  # Lab is writing it
            continue
        code = [cell for cell in stored.cells if cell.cell_type == "code"]
        failed = any(out.output_type == "error" for cell in code for out in cell.outputs)
        if failed or code[-1].execution_count:
            return stored
    said = page.locator(".jp-Dialog, #jp-main-statusbar").all_inner_texts()
    return pytest.fail(f"the chapter did not finish within {SECONDS_TO_RUN} s; Lab says {said}")


def kinds_of_output(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Say for each code cell which kinds of output it has."""
    return [
        [out.output_type for out in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_chapter_runs_in_jupyterlab(lab: str, folder: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    elsewhere: list[str] = []
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).hostname not in ("127.0.0.1", None)
            and elsewhere.append(request.url)
        ),
    )
    page.goto(f"{lab}/lab/workspaces/chapter/tree/{CHAPTER}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SECONDS_TO_START * 1000)
    page.get_by_role("heading", name="3. The empty model").first.wait_for()
    ran = run_all_and_save(page, folder / CHAPTER)
    made = nbformat.from_dict(notebooks.Book().notebook(CHAPTER.removesuffix(".ipynb")))
    assert kinds_of_output(ran) == kinds_of_output(made)
    page.locator(".jp-OutputArea-output").first.wait_for()
    assert elsewhere == []
    assert what_is_wrong(page) == []
    context.close()


def in_view(page: Page) -> tuple[str, list[str]]:
    """Return rendered text and what is good to see, once Lab has drawn the cells in view."""
    before, now = None, (page.evaluate(RENDERED_TEXT), page.evaluate(GOOD))
    deadline = time.monotonic() + 60
    while now != before:
        assert time.monotonic() < deadline, "the page does not come to rest"
        page.wait_for_timeout(200)
        before, now = now, (page.evaluate(RENDERED_TEXT), page.evaluate(GOOD))
    return now


def what_is_wrong(page: Page) -> list[str]:
    """Go through the notebook as a reader does; say what does not look as it should."""
    panel, wrong, seen = page.locator(".jp-WindowedPanel-outer").first, [], set()
    panel.evaluate("panel => { panel.scrollTop = 0; }")
    is_more = True
    while is_more:
        text, good = in_view(page)
        wrong += [f"raw markup: {found}" for found in RAW.findall(text)]
        wrong += page.evaluate(OPEN_DETAILS)
        seen |= {line.partition("\n")[0].strip() for line in good}
        is_more = panel.evaluate(ONE_SCREEN_DOWN)
    return wrong + [f"not seen: {missing}" for missing in WANTED - seen]


# ----------------------------------------------------------------------------------- live widgets


class Live:
    """A live panel on the open page."""

    def __init__(self, widget: Widget, root: Locator) -> None:
        self.widget, self.root = widget, root

    def row(self, name: str) -> Locator:
        """The control of a name: its row of label, slider and number."""
        index = [control.name for control in self.widget.controls].index(name)
        return self.root.locator(".widget-hslider, .widget-dropdown").nth(index)

    @property
    def values(self) -> dict:
        """Where the controls stand, by the numbers beside the sliders."""
        found = {}
        for control in self.widget.controls:
            row = self.row(control.name)
            if isinstance(control, Slider):
                text = row.locator(".widget-readout").inner_text().replace(",", "")
                found[control.name] = control.checked(float(text))
            else:
                menu = row.locator("select")
                found[control.name] = menu.evaluate("menu => menu.selectedOptions[0].text")
        return found

    def becomes(self, wanted: Callable[[dict], bool]) -> None:
        """Wait until the controls stand as wanted, then for their figure."""
        deadline = time.monotonic() + MILLISECONDS_TO_SHOW / 1000
        while not wanted(values := self.values):
            assert time.monotonic() < deadline, values
            self.root.page.wait_for_timeout(100)
        self.check()

    def reset(self) -> None:
        """Go back to the start, and wait: a panel that is drawn late moves those below it."""
        self.root.get_by_role("button", name="Reset").click()
        self.becomes(lambda values: values == self.widget.start)

    def check(self) -> None:
        """Wait until figure and readouts, which come one after the other, are those of controls."""
        svg = self.root.locator("svg")
        deadline = time.monotonic() + MILLISECONDS_TO_SHOW / 1000
        while True:
            values = self.values
            prefix = re.search(r'id="(live-\d+-)', svg.inner_html())[1]
            with look.style():
                panel = self.widget.panel(**values)
                text = drawing(panel.figure).element(prefix, panel.description)
            names = self.root.locator("dt").all_inner_texts()
            numbers = self.root.locator("dd").all_inner_texts()
            shown = dict(zip(names, numbers, strict=True))
            if shown == panel.readouts and svg.evaluate(SAME_SVG, text):
                return
            assert time.monotonic() < deadline, (values, shown)
            self.root.page.wait_for_timeout(100)


@pytest.fixture(scope="module")
def page(lab: str, folder: Path, browser: Browser) -> Iterator[Page]:
    """A notebook with three widgets, opened and run, with a note of every error in the console."""
    cells = [PATIENT, *(f'mt.explore("{name}")' for name in WIDGETS), BUTTON]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata = nbformat.read(folder / "03_empty_model.ipynb", as_version=4).metadata
    nbformat.write(notebook, folder / NOTEBOOK)
    context = browser.new_context(viewport={"width": 1300, "height": 1200})
    page = context.new_page()
    page.problems = []
    page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(f"{lab}/lab/workspaces/live/tree/{NOTEBOOK}")
    run_all(page)
    page.locator(".mlteach-live svg").first.wait_for(timeout=SECONDS_TO_FIRST_PANEL * 1000)
    yield page
    context.close()


@pytest.fixture(params=WIDGETS)
def live(request: pytest.FixtureRequest, page: Page) -> Live:
    root = page.locator(".mlteach-live").nth(WIDGETS.index(request.param))
    root.scroll_into_view_if_needed()
    return Live(find(request.param), root)


def test_start(live: Live) -> None:
    assert live.values == live.widget.start
    live.check()


def test_moved_by_keyboard(live: Live) -> None:
    for control in live.widget.controls:
        if isinstance(control, Slider):
            live.row(control.name).locator(".noUi-handle").focus()
            for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
                before = live.values
                live.root.page.keyboard.press(key)
                live.check()
                at_an_end = before[control.name] in (control.start, control.stop)
                assert live.values != before or at_an_end
    live.reset()


def test_moved_by_mouse(live: Live) -> None:
    control = next(c for c in live.widget.controls if isinstance(c, Slider))
    track = live.row(control.name).locator(".noUi-base")
    box = track.bounding_box()
    for share in (0.25, 0.75):
        track.click(position={"x": share * box["width"], "y": box["height"] / 2})
        width = control.stop - control.start
        wanted = control.start + share * width
        live.becomes(
            lambda values, wanted=wanted, width=width: (
                abs(values[control.name] - wanted) <= 0.1 * width
            )
        )
        # A slider hears nothing while its handle glides to where it was clicked, for 0.3 s.
        live.root.locator(".noUi-state-tap").wait_for(state="detached")
    live.reset()


def test_nothing_jumps_while_sliders_move(live: Live) -> None:
    """Neither the panel nor what stands below it, at the ends of all sliders and next to them."""
    heights = """root => [root, root.closest(".jp-Cell")].map(part => part.offsetHeight)"""
    before = live.root.evaluate(heights)
    for control in live.widget.controls:
        if isinstance(control, Slider):
            for key in ("End", "PageDown", "Home", "PageUp"):
                live.row(control.name).locator(".noUi-handle").press(key)
                live.check()
                assert live.root.evaluate(heights) == before, live.values
    live.root.get_by_role("button", name="Reset").click()


def test_two_panels_moved_at_a_time(page: Page) -> None:
    """JupyterLab may deliver them in two threads, and each figure keeps its own style."""
    roots = page.locator(".mlteach-live")
    panels = [Live(find(name), roots.nth(at)) for at, name in enumerate(WIDGETS)]
    for key in ["ArrowRight", "ArrowLeft"] * 3:
        for panel in panels:
            panel.row(panel.widget.controls[0].name).locator(".noUi-handle").focus()
            page.keyboard.press(key)
            panel.root.get_by_role("button", name="Reset").click()
    for panel in panels:
        panel.check()


def test_a_button_runs_its_task_at_each_press(page: Page) -> None:
    for press in (1, 2):
        page.get_by_role("button", name="Count").click()
        page.get_by_text(f"pressed {press} times").wait_for()


def test_every_slider_has_the_name_of_its_label(live: Live) -> None:
    for control in live.widget.controls:
        if isinstance(control, Slider):
            name = live.row(control.name).locator(".noUi-handle").get_attribute("aria-label")
            assert name.startswith(control.label)


def test_handles_are_seen_and_say_their_value(live: Live) -> None:
    """Blue on grey, and the number beside the slider, with its unit, in words."""
    control = next(c for c in live.widget.controls if isinstance(c, Slider))
    handle = live.row(control.name).locator(".noUi-handle")
    colours = handle.evaluate(
        """handle => [handle, handle.closest(".noUi-target"), handle.closest(".mlteach-widget")]
            .map(node => getComputedStyle(node).backgroundColor)"""
    )
    assert len(set(colours)) == 3
    number = live.row(control.name).locator(".widget-readout").inner_text()
    assert handle.get_attribute("aria-valuetext") == f"{number} {control.unit}".rstrip()


def test_readouts_are_read_aloud(live: Live) -> None:
    region = live.root.locator("[aria-live=polite]")
    assert region.locator("dd").count() == live.root.locator("dd").count() > 0


def test_a_stored_chapter_shows_the_text_before_it_runs(
    lab: str, folder: Path, browser: Browser
) -> None:
    """And not that a model was not found."""
    page = browser.new_context(viewport={"width": 1300, "height": 1200}).new_page()
    # A workspace of its own: the tabs of other tests stay out.
    page.goto(f"{lab}/lab/workspaces/stored/tree/{STORED}")
    wait_for_kernel(page)
    page.get_by_text('mt.explore("design_effect")').scroll_into_view_if_needed()
    page.get_by_text("is a figure to be moved").wait_for()
    assert page.get_by_text("model not found").count() == 0
    page.context.close()


def test_panels_keep_nobody_out(page: Page) -> None:
    assert barriers(page, ".mlteach-live") == []


def test_no_error_in_the_console(page: Page) -> None:
    assert page.problems == []
