"""Frames: what was drawn comes back from the chunks; a twin is drawn again only if it must be."""

import json
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlteach.errors import ModelError
from mlteach.widgets import Choice, Panel, Slider, Widget, look, twin
from mlteach.widgets.catalogue import in_module
from mlteach.widgets.frames import CHUNK_BYTES, draw_frames, frames_hash
from mlteach.widgets.svg import drawing

HELPER = "FACTOR = 2\n"
LESSON = """
    from {package}.helper import FACTOR
    from mlteach.widgets import Panel, Slider, Widget, look

    def draw(x):
        figure, (ax,) = look.figure()
        ax.plot([0, x], [0, FACTOR * x])
        ax.set(xlim=(0, 5), ylim=(0, 10))
        return Panel(figure, {{"y": str(FACTOR * x)}}, f"A line to {{FACTOR * x}}.")

    WIDGET = Widget("line", "A line", "How far?", (Slider("x", "x", 1, 4, 1, 2),), draw)
"""


def draw(n: int, kind: str) -> Panel:
    figure, (ax,) = look.figure()
    ax.plot([0, n], [0, 1], "--" if kind == "thin" else "-")
    ax.set(xlim=(0, 9), ylim=(0, 1))
    return Panel(figure, {"n": str(n)}, f"A {kind} line to {n} < 10.", n == 9)


CONTROLS = (Slider("n", "length", 1, 9, 2, 3, "cm"), Choice("kind", "kind", ("thin", "thick")))
WIDGET = Widget("line", "A line", "How long?", CONTROLS, draw, surprise=True, answer="So long.")


@pytest.fixture(scope="module")
def frames():
    return draw_frames(WIDGET)


def test_every_frame_comes_back(frames) -> None:
    with look.style():
        for place, values in enumerate(WIDGET.grid()):
            panel, frame = WIDGET.panel(**values), frames.panel(place)
            assert frame.figure.lines == drawing(panel.figure).lines
            assert frame.readouts == panel.readouts
            assert frame.description == panel.description
            assert frame.solved == panel.solved == (values["n"] == 9)


def rich(n: int) -> Panel:
    """Change all that a figure can be asked to change, at some values only."""
    figure, (left, right) = look.figure((2, 1))
    left.plot([1, n], [1, n], label="line")
    if n % 2:
        left.set(xscale="log", xlabel="x", title="odd", facecolor="#56B4E9")
        left.set_xticks([1, 3, 10], ["one", "three", "ten"], color="#D55E00", rotation=30)
        left.tick_params(axis="y", length=9, labelsize=20)
        left.spines["left"].set_visible(False)
        left.minorticks_on()
        left.legend()
        right.set_axis_off()
    if n == 3:
        right.invert_yaxis()
        right.set(aspect="equal", position=(0.7, 0.2, 0.2, 0.6))
        right.twinx().plot([0, 1], [5, 6])
        right.annotate("here", (0, 0))
        figure.suptitle("three")
        other, (ax, _) = look.figure((2, 1))
        ax.plot([0, 1], [0, 1])
        assert other is not figure
    right.grid(n == 2)
    right.fill_between([0, n], [0, 1])
    return Panel(figure, {"n": str(n)}, f"A line to {n}.")


def test_a_used_figure_is_as_good_as_a_new_one() -> None:
    """Whatever the last frame did to it, nothing is left."""
    widget = Widget("rich", "Rich", "What?", (Slider("n", "n", 1, 6, 1, 1),), rich)
    drawn = draw_frames(widget)
    with look.style():
        for place, values in enumerate(widget.grid()):
            assert drawn.panel(place).figure.lines == drawing(widget.panel(**values).figure).lines


def test_chunks_are_handy(monkeypatch: pytest.MonkeyPatch, frames) -> None:
    """Cut small, the same frames come back, and no chunk is far from its size."""
    assert len(frames.chunks) == 1
    monkeypatch.setattr("mlteach.widgets.frames.CHUNK_BYTES", len(frames.chunks[0]) // 3)
    cut = draw_frames(WIDGET)
    assert len(cut.chunks) > 2
    for place in range(WIDGET.frames):
        assert cut.panel(place) == frames.panel(place)


def test_equal_lines_are_stored_once(frames) -> None:
    """Ten frames with one moving line weigh less than two frames on their own."""
    alone = len("\n".join(frames.panel(0).figure.lines))
    assert len(frames.chunks[0]) < 2 * alone
    assert len(frames.chunks[0]) < CHUNK_BYTES


def test_too_many_frames() -> None:
    many = Widget("many", "m", "m?", (Slider("n", "n", 1, 9999, 1, 1), CONTROLS[1]), draw)
    with pytest.raises(ModelError, match="grid of 19998 figures, more than 1500; give its sliders"):
        draw_frames(many)


def test_too_heavy_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlteach.widgets.frames.MOST_BYTES", 100)
    with pytest.raises(ModelError, match=r"weigh .* bytes, more than 100; draw fewer"):
        draw_frames(WIDGET)


def test_readouts_may_not_change_their_names() -> None:
    def wavering(n: int) -> Panel:
        return Panel(look.figure()[0], {f"n is {n}": "yes"}, "Nothing.")

    widget = Widget("line", "A line", "How long?", (Slider("n", "n", 1, 2, 1, 1),), wavering)
    with pytest.raises(ModelError, match="differ in size or in the names of their readouts"):
        draw_frames(widget)


# ---------------------------------------------------------------------------------------- the cache


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of somebody else's with one widget; its name is new for each test."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helper.py").write_text(HELPER)
    (folder / "lesson.py").write_text(textwrap.dedent(LESSON.format(package=name)))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]


def test_a_drawn_twin_is_kept(package: str, tmp_path: Path, monkeypatch) -> None:
    first = twin.make_twin(f"{package}.lesson", "line", tmp_path / "cache")

    def never(widget):
        raise AssertionError("drawn again")

    monkeypatch.setattr(twin, "draw_frames", never)
    again = twin.make_twin(f"{package}.lesson", "line", tmp_path / "cache")
    assert (again.key, again.files) == (first.key, first.files)
    assert again.frames.panel(2) == first.frames.panel(2)


def test_a_change_in_what_it_imports_draws_it_again(package: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = twin.make_twin(f"{package}.lesson", "line", cache)
    helper = tmp_path / package / "helper.py"
    helper.write_text("FACTOR = 2.0\n")
    after = twin.make_twin(f"{package}.lesson", "line", cache)
    assert after.key != before.key
    assert [path.stem for path in cache.iterdir()] == [after.key]


def test_the_fingerprint_knows_the_data_of_the_package(package: str, tmp_path: Path, monkeypatch):
    widget = in_module(f"{package}.lesson", "line")
    before = frames_hash(widget)
    (tmp_path / "codebook.json").write_text("{}")
    monkeypatch.setattr("mlteach.data.shipped.folder", lambda: tmp_path)
    other = frames_hash(widget)
    (tmp_path / "my_simulation.csv").write_text("1\n")
    assert len({before, other, frames_hash(widget)}) == 3


def test_a_widget_of_a_notebook_cannot_be_drawn_later(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'line' is defined in a notebook. Move"):
        twin.make_twin("__main__", "line", tmp_path)


# --------------------------------------------------------------------------------- the panel's HTML


class Elements(HTMLParser):
    """Collect tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def html(frames) -> str:
    made = twin.Twin(WIDGET, "line-0", frames)
    return twin.panel(made, WIDGET.values(n=5, kind="thick"), "w1", "_static/widgets/")


def test_controls_are_the_browser_s_own_with_labels(html: str) -> None:
    page = Elements(html)
    (slider,), (menu,) = page.of("input"), page.of("select")
    assert {label["for"] for label in page.of("label")} == {slider["id"], menu["id"]}
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range",
        "0",
        "4",
        "2",
    )
    assert slider["aria-valuetext"] == "5 cm"
    assert json.loads(slider["data-texts"]) == ["1 cm", "3 cm", "5 cm", "7 cm", "9 cm"]
    assert ["selected" in option for option in page.of("option")] == [False, True]


def test_the_start_is_part_of_the_page(html: str, frames) -> None:
    frame = frames.panel(WIDGET.place({"n": 5, "kind": "thick"}))
    assert "\n".join(frame.figure.lines).replace("@@", "w1-") in html
    assert '<dt>n</dt><dd data-room="1"><span>5</span></dd>' in html
    assert 'data-room="A thick line to 1 &lt; 10."' in html  # a longest one
    assert "<span>A thick line to 5 &lt; 10.</span></p>" in html
    assert Elements(html).of("svg")[0]["aria-label"] == "A thick line to 5 < 10."


def test_everything_waits_for_the_script(html: str) -> None:
    """Without a script nothing pretends to work, and a sentence says why."""
    page = Elements(html)
    assert "needs JavaScript" in html.partition("<noscript>")[2]
    waiting = page.of("input") + page.of("select") + page.of("button")
    assert len(waiting) == 4 and all("disabled" in attributes for attributes in waiting)


def test_a_start_off_the_grid_is_an_error(frames) -> None:
    with pytest.raises(ModelError, match="n=4 is not on the grid"):
        twin.panel(twin.Twin(WIDGET, "line-0", frames), WIDGET.values(n=4), "w", "")
