"""The static widgets of the website, moved by mouse and keyboard in a browser without a network.

What the page shows after each move is compared, node by node, with what Python draws for the same
values of the controls; the readouts and descriptions letter by letter.
"""

import base64
import gzip
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page

from mlteach.widgets import Choice, Slider, Widget, find, look
from mlteach.widgets.base import Values
from mlteach.widgets.catalogue import names
from mlteach.widgets.live import LivePanel
from mlteach.widgets.svg import drawing
from tests.website import NOTEBOOKS, widgets_of

#: Moves of each kind on each widget: enough to cross the chunks, few enough to be quick.
KEYS, CLICKS = 4, 4
MILLISECONDS_TO_SHOW = 10_000  # the frames of a chunk arrive and unpack, on a busy machine
LARGEST_WIDGET = 1_500_000  # bytes of all chunks of one widget
LARGEST_PAGE = 4_000_000  # of all widgets of one page
SMALLEST_TARGET = 24  # CSS pixels of a control, as WCAG 2.2 asks for (2.5.8)
PHONE = {"width": 375, "height": 800}

SAME_FIGURE = """(svg, text) => {
    const template = document.createElement("div");
    template.innerHTML = text;
    const wanted = template.firstElementChild;
    const label = svg.getAttribute("aria-label") === wanted.getAttribute("aria-label");
    const children = (node) => [...node.childNodes].filter(
        child => child.nodeType === 1 || child.data.trim());
    const [seen, drawn] = [children(svg), children(wanted)];
    return label && seen.length === drawn.length && seen.every((c, k) => c.isEqualNode(drawn[k]));
}"""


#: The heights of a widget with the texts of all places, and with those of its controls.
HEIGHTS = """(root, rows) => {
    const all = (selector) => [...root.querySelectorAll(selector)];
    const spans = all(".mlteach-widget-readouts dd span, .mlteach-widget-words span");
    const heights = new Set();
    const measure = () => heights.add(Math.round(root.getBoundingClientRect().height));
    measure();
    for (const texts of rows) {
        texts.forEach((text, k) => (spans[k].textContent = text));
        measure();
    }
    for (const slider of all("input[data-texts]"))
        for (const text of JSON.parse(slider.dataset.texts)) {
            slider.nextElementSibling.textContent = text;
            measure();
        }
    return [...heights];
}"""


@dataclass
class Twin:
    """A widget on an open page."""

    widget: Widget
    root: Locator

    @property
    def values(self) -> Values:
        """Where the controls stand, by the positions of the browser's controls."""
        places = [int(self.control(c.name).input_value()) for c in self.widget.controls]
        pairs = zip(self.widget.controls, places, strict=True)
        return {control.name: control.values[place] for control, place in pairs}

    def control(self, name: str) -> Locator:
        prefix = self.root.get_attribute("data-prefix")
        return self.root.locator(f"#{prefix}-{name}")

    def move_to(self, values: Values) -> None:
        """Move all controls, and wait for the figure."""
        for control in self.widget.controls:
            node = self.control(control.name)
            place = str(control.values.index(values[control.name]))
            node.fill(place) if isinstance(control, Slider) else node.select_option(place)
        self.wait()

    def wait(self) -> None:
        """Wait until the page shows what its controls say."""
        place = self.widget.place(self.values)
        handle = self.root.element_handle()
        self.root.page.wait_for_function(
            "([root, place]) => root.dataset.place === place",
            arg=[handle, str(place)],
            timeout=MILLISECONDS_TO_SHOW,
        )

    def check(self) -> None:
        """Compare all that is shown with what Python computes."""
        self.wait()
        values = self.values
        with look.style():
            panel = self.widget.panel(**values)
            prefix = f"{self.root.get_attribute('data-prefix')}-"
            wanted = drawing(panel.figure).element(prefix, panel.description)
        assert self.root.locator("svg").evaluate(SAME_FIGURE, wanted), values
        words = self.root.locator(".mlteach-widget-words span").inner_text()
        assert words == panel.description
        shown = self.root.locator("dt").all_inner_texts(), self.root.locator("dd").all_inner_texts()
        assert dict(zip(*shown, strict=True)) == panel.readouts
        for control in self.widget.controls:
            if isinstance(control, Slider):
                slider, text = self.control(control.name), control.text(values[control.name])
                assert slider.get_attribute("aria-valuetext") == text
                assert slider.locator("~ output").inner_text() == text


# What a browser says of pictures that it was still fetching when the next page was opened.
LEFT = "net::ERR_ABORTED"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A window without a network, that notes what goes wrong in it."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.problems = []
    page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("requestfailed", lambda r: r.failure != LEFT and page.problems.append(r.url))
    yield page
    context.close()


def chapter_of(site: Path, name: str) -> str:
    """The page that shows a widget."""
    pages = [chapter for chapter in NOTEBOOKS if name in widgets_of(site / f"{chapter}.html")]
    assert pages, f"no page shows the widget {name}"
    return pages[0]


@pytest.fixture(scope="module", params=names())
def opened(request: pytest.FixtureRequest, site: Path, page: Page) -> Twin:
    """The page of a widget, opened once for all that is asked of it."""
    widget = find(request.param)
    page.problems.clear()
    page.goto((site / f"{chapter_of(site, widget.name)}.html").as_uri())
    return Twin(widget, page.locator(f'.mlteach-twin[data-widget="{widget.name}"]').first)


@pytest.fixture
def twin(opened: Twin) -> Twin:
    """A widget at its start."""
    opened.root.scroll_into_view_if_needed()
    opened.wait()
    opened.root.get_by_role("button", name="Reset").click()
    opened.wait()
    return opened


def test_each_widget_is_in_its_chapter(site: Path) -> None:
    for name in names():
        chapters = [c for c in NOTEBOOKS if name in widgets_of(site / f"{c}.html")]
        assert find(name).chapter in [int(chapter[:2]) for chapter in chapters], name


def test_start_is_what_python_draws(opened: Twin) -> None:
    opened.root.scroll_into_view_if_needed()
    opened.check()
    assert opened.root.page.problems == []


def test_moved_by_keyboard(twin: Twin) -> None:
    """Tab reaches each control; arrow keys, Home and End move it."""
    first = twin.widget.controls[0].name
    twin.control(first).focus()
    for number, control in enumerate(twin.widget.controls):
        keys = ["ArrowUp", "ArrowDown", "ArrowDown", "End"]
        if isinstance(control, Slider):
            keys = ["ArrowRight", "ArrowLeft", "End", "Home"]
        for key in keys[:KEYS]:
            before = twin.values[control.name]
            twin.root.page.keyboard.press(key)
            if key == keys[-1]:
                end = control.values[0 if key == "Home" else -1]
                assert twin.values[control.name] == end, (control.name, before)
            twin.check()
        if number + 1 < len(twin.widget.controls):
            twin.root.page.keyboard.press("Tab")
    assert twin.root.page.problems == []


def test_moved_by_mouse(twin: Twin) -> None:
    """Clicks and a drag on the sliders; then the button that goes back to the start."""
    start, rng = twin.values, random.Random(twin.widget.name)
    sliders = [twin.control(c.name) for c in twin.widget.controls if isinstance(c, Slider)]
    for slider in rng.choices(sliders, k=CLICKS) if sliders else ():
        box = slider.bounding_box()
        at = {"x": box["width"] * rng.uniform(0.05, 0.95), "y": box["height"] / 2}
        slider.click(position=at)
        twin.check()
    for slider in sliders[:1]:
        drag_to_the_end(slider)
        assert slider.input_value() == slider.get_attribute("max")
        twin.check()
    for control in twin.widget.controls:
        if isinstance(control, Choice):
            twin.control(control.name).select_option(label=control.values[-1])
            twin.check()
    twin.root.get_by_role("button", name="Reset").click()
    assert twin.values == start
    twin.check()
    assert twin.root.page.problems == []


def drag_to_the_end(slider: Locator) -> None:
    """Press the button in the middle of a slider, move to its right end, and let go."""
    slider.scroll_into_view_if_needed()
    box, mouse = slider.bounding_box(), slider.page.mouse
    height = box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] / 2, height)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 1, height, steps=8)
    mouse.up()


def test_surprise(twin: Twin) -> None:
    button = twin.root.get_by_role("button", name="Surprise me")
    assert button.count() == twin.widget.surprise
    if twin.widget.surprise:
        button.click()
        twin.check()


def shown(twin: Twin) -> str:
    """The figure, whatever blanks stand between its elements."""
    return "".join(twin.root.locator("svg").inner_html().split())


def test_prints_as_it_starts(twin: Twin) -> None:
    """On paper it is at its start, without what cannot be used; afterwards where it was."""
    page, start = twin.root.page, shown(twin)
    control = twin.widget.controls[0]
    for key in ("Home", "End"):
        twin.control(control.name).press(key)
        twin.wait()
        if twin.values != twin.widget.start:
            break
    moved = twin.values, shown(twin)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    try:
        assert shown(twin) == start
        assert twin.values == twin.widget.start
        assert twin.control(control.name).is_visible() == isinstance(control, Choice)
        assert not twin.root.get_by_role("button", name="Reset").is_visible()
    finally:
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
    assert (twin.values, shown(twin)) == moved


def test_on_a_phone_it_is_as_wide_as_the_page_and_can_be_touched(twin: Twin) -> None:
    page = twin.root.page
    usual = page.viewport_size
    page.set_viewport_size(PHONE)
    try:
        box = twin.root.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        assert twin.root.evaluate("root => root.scrollWidth <= root.clientWidth")
        for target in twin.root.locator("input, select, button").all():
            assert target.bounding_box()["height"] >= SMALLEST_TARGET
    finally:
        page.set_viewport_size(usual)


def frames_of(site: Path, name: str) -> list[list]:
    """All frames of a widget, as the site stores them: lines, readouts, description, solved."""
    files = sorted((site / "_static" / "widgets").glob(f"{name}-*.js"))
    packed = [file.read_text(encoding="utf-8").split('"')[3] for file in files]
    chunks = [json.loads(gzip.decompress(base64.b64decode(text))) for text in packed]
    return [frame for chunk in chunks for frame in chunk["frames"]]


def test_questions_can_be_answered_and_not_by_chance(site: Path) -> None:
    for name in names():
        widget, solved = find(name), [bool(frame[3]) for frame in frames_of(site, name)]
        assert len(solved) == widget.frames
        assert widget.answer and widget.ways <= sum(solved) <= widget.frames / 2, name


def test_the_answer_is_said_in_both_lives(site: Path, twin: Twin) -> None:
    """On the page and in Jupyter: at the start nothing, and all of it after the last way."""
    widget, said = twin.widget, twin.root.locator(".mlteach-widget-solved")
    twin.root.page.reload()
    assert said.inner_text() == ""
    live = LivePanel(widget, twin.values)
    frames = zip(widget.grid(), frames_of(site, widget.name), strict=True)
    for values in itertools.islice((v for v, frame in frames if frame[3]), widget.ways):
        assert escape(widget.answer) not in live.solved.value.partition("<span>")[2]
        twin.move_to(values)
        live.move_to(values)
    assert said.inner_text() == f"\u2713 {widget.answer}"
    assert f"<span>\u2713 {escape(widget.answer)}</span>" in live.solved.value


def test_the_page_says_when_the_question_is_answered(site: Path, page: Page) -> None:
    """icc: three places where the ICC is .20."""
    widget = find("icc")
    page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
    root = page.locator('.mlteach-twin[data-widget="icc"]')
    root.scroll_into_view_if_needed()
    said = root.locator(".mlteach-widget-solved")
    for number, (tau2, sigma2) in enumerate([(1.0, 4.0), (1.5, 6.0), (1.0, 4.0), (2.0, 8.0)]):
        assert (
            said.inner_text() == ["", "\u2713 1 of 3 found.", *["\u2713 2 of 3 found."] * 2][number]
        )
        Twin(widget, root).move_to({"tau2": tau2, "sigma2": sigma2})
    assert said.inner_text() == f"\u2713 {widget.answer}"
    assert "0.20" in root.locator(".mlteach-widget-words").inner_text()


@pytest.mark.parametrize("width", [PHONE["width"], 1280])
def test_nothing_below_a_widget_jumps(site: Path, browser: Browser, width: int) -> None:
    """Whatever the texts of a place, the panel takes the same room."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    page, jumps = context.new_page(), {}
    for name in names():
        page.goto((site / f"{chapter_of(site, name)}.html").as_uri())
        root = page.locator(f'.mlteach-twin[data-widget="{name}"]').first
        texts = [[*frame[1], frame[2]] for frame in frames_of(site, name)]
        heights = root.evaluate(HEIGHTS, texts)
        if len(heights) > 1:
            jumps[name] = heights
    context.close()
    assert jumps == {}


def test_a_chunk_that_fails_is_asked_for_again(site: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.route("**/widgets/icc-*.js", lambda route: route.abort())
    page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
    root = page.locator('.mlteach-twin[data-widget="icc"]')
    root.scroll_into_view_if_needed()
    twin = Twin(find("icc"), root)
    twin.control("tau2").press("End")
    root.get_by_text("This figure did not arrive.").wait_for()
    page.unroute("**/widgets/icc-*.js")
    root.get_by_role("button", name="Try again").click()
    twin.check()
    assert root.locator(".mlteach-widget-state").inner_text() == ""
    context.close()


def test_a_swipe_that_begins_on_a_slider_scrolls(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
    slider = page.locator('.mlteach-twin[data-widget="icc"] input').first
    slider.evaluate("slider => slider.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    box, before = slider.bounding_box(), page.evaluate("scrollY")
    x, y, value = box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, slider.input_value()
    client = context.new_cdp_session(page)
    for step in range(11):
        kind = "touchMove" if step else "touchStart"
        points = [{"x": x, "y": y - 15 * step}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(20)
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("before => scrollY > before + 50", arg=before)
    assert slider.input_value() == value
    context.close()


def test_without_scripts_a_sentence_says_what_is_missing(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
    root = page.locator('.mlteach-twin[data-widget="icc"]')
    assert "needs JavaScript" in root.locator("noscript").inner_text()
    context.close()


def test_two_modes_have_different_grounds_and_readable_letters(
    site: Path, browser: Browser
) -> None:
    """In both modes the letters of the figure and the ground differ by 4.5 to 1 or more."""
    grounds = set()
    for mode in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=mode)
        page = context.new_page()
        page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
        ground, ink, letters = page.locator(".mlteach-twin").first.evaluate(
            """root => [getComputedStyle(root).backgroundColor, getComputedStyle(root).color,
                getComputedStyle(root.querySelector("svg text")).fill]"""
        )
        assert min(contrast(ground, ink), contrast(ground, letters)) >= 4.5
        grounds.add(ground)
        context.close()
    assert len(grounds) == 2


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG of two colours like "rgb(0, 0, 0)"."""
    lights = sorted(luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_frames_come_only_when_the_widget_comes_near(site: Path, browser: Browser) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(unquote(urlsplit(request.url).path)))
    page.goto((site / f"{chapter_of(site, 'icc')}.html").as_uri())
    page.wait_for_timeout(500)
    assert not [path for path in asked if "/widgets/icc-" in path]
    with page.expect_request("**/widgets/icc-*"):
        page.locator('.mlteach-twin[data-widget="icc"]').scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # nothing else comes
    assert len([path for path in asked if "/widgets/icc-" in path]) == 1
    context.close()


def test_widgets_are_light(site: Path) -> None:
    folder = site / "_static" / "widgets"
    weights = {
        name: sum(path.stat().st_size for path in folder.glob(f"{name}-*.js")) for name in names()
    }
    assert all(0 < weight <= LARGEST_WIDGET for weight in weights.values()), weights
    for chapter in NOTEBOOKS:
        shown = set(widgets_of(site / f"{chapter}.html"))
        assert sum(weights[name] for name in shown) <= LARGEST_PAGE, chapter


def test_only_pages_with_a_widget_load_what_moves_it(site: Path) -> None:
    for path in site.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert ("widgets/twin.js" in text) == bool(widgets_of(path)), path.name
        assert "widget-state+json" not in text, path.name
