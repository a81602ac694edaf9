"""The live panel, without a browser: what the kernel sends when a control moves."""

import gc
import math
import threading
from types import SimpleNamespace

import pytest

import mlteach as mt
from mlteach.widgets import Choice, Panel, Slider, Widget, live, look
from mlteach.widgets.explorer import WIDGET_VIEW
from mlteach.widgets.live import LivePanel
from mlteach.widgets.room import PLACES, SPARE, places, room

CONTROLS = (
    Slider("n", "length", 1, 9, 1, 3, "cm"),
    Slider("share", "share", 0.0, 1.0, 0.05, 0.5),
    Choice("kind", "kind", ("thin", "thick")),
)


@pytest.fixture
def calls() -> list[dict]:
    return []


@pytest.fixture
def panel(calls: list[dict], monkeypatch: pytest.MonkeyPatch) -> LivePanel:
    monkeypatch.setattr("mlteach.widgets.room.SECONDS", math.inf)

    def draw(n, share, kind):
        calls.append({"n": n, "share": share, "kind": kind})
        figure, (ax,) = look.figure()
        ax.plot([0, n], [0, share])
        return Panel(figure, {"sum": f"{n + share:.2f}"}, f"A {kind} line.", n == 9)

    widget = Widget("line", "A line", "How long?", CONTROLS, draw, surprise=True, answer="Nine.")
    made = LivePanel(widget, widget.values(n=5))
    assert 1 < len(calls) <= PLACES + 1  # to find the longest texts, then at the start
    del calls[:-1]
    return made


def test_it_begins_where_it_is_told(panel: LivePanel, calls: list[dict]) -> None:
    assert calls == [{"n": 5, "share": 0.5, "kind": "thin"}]
    assert "<span>5.50</span></dd>" in panel.readouts.value
    assert 'aria-label="A thin line."' in panel.figure.value


def test_a_moved_control_draws_once(panel: LivePanel, calls: list[dict]) -> None:
    before = panel.figure.value
    panel.controls["n"].value = 7
    assert calls[1:] == [{"n": 7, "share": 0.5, "kind": "thin"}]
    assert "<span>7.50</span></dd>" in panel.readouts.value
    assert panel.figure.value != before
    panel.controls["kind"].value = "thick"
    assert 'aria-label="A thick line."' in panel.figure.value
    assert len(calls) == 3


def test_it_says_when_the_question_is_answered(panel: LivePanel) -> None:
    assert "<span></span>" in panel.solved.value
    for n in (9, 3):
        panel.controls["n"].value = n
        assert "<span>\u2713 Nine.</span>" in panel.solved.value


def test_room_is_kept_for_the_longest_texts_from_the_start(panel: LivePanel) -> None:
    assert f'data-room="A thick line.{SPARE[1]}"' in panel.readouts.value
    assert 'data-room="\u2713 Nine."' in panel.solved.value


def test_room_is_found_at_few_places_of_a_large_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(a, b, c):
        return Panel(look.figure()[0], {"sum": f"{a * b * c}"}, "words " * (1 + (a == b == c)))

    controls = [Slider(name, name, 1, 10_000, 1, 7) for name in "abc"]
    widget = Widget("large", "A", "B?", controls, draw)
    monkeypatch.setattr("mlteach.widgets.room.SECONDS", math.inf)
    assert {(1, 1, 1), (10_000,) * 3, (2500, 7, 7)} <= {tuple(p.values()) for p in places(widget)}
    assert len(places(widget)) == PLACES
    assert room(widget) == (f"{10_000**3}" + SPARE[0], "words words " + SPARE[1])
    monkeypatch.setattr("mlteach.widgets.room.SECONDS", 0)
    assert room(widget) == (
        "49" + SPARE[0],
        "words " + SPARE[1],
    )  # who draws slowly waits for one place only


def test_reset_draws_once_and_comes_back(panel: LivePanel, calls: list[dict]) -> None:
    before = panel.figure.value
    panel.move_to({"n": 9, "share": 0.05, "kind": "thick"})
    assert len(calls) == 2
    reset, surprise = panel.box.children[-1].children
    assert (reset.description, surprise.description) == ("Reset", "Surprise me")
    reset.click()
    assert len(calls) == 3
    assert panel.figure.value == before
    assert panel.values == {"n": 5, "share": 0.5, "kind": "thin"}
    surprise.click()
    assert len(calls) == 4
    panel.widget.place(panel.values)  # raises off the grid


def test_moves_that_come_in_another_thread_are_drawn_once_in_that_of_the_cells(
    panel: LivePanel, calls: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads that draw at a time spoil each other's style, and that of a cell."""
    later = []
    loop = SimpleNamespace(add_callback=later.append)
    shell = SimpleNamespace(kernel=SimpleNamespace(io_loop=loop))
    monkeypatch.setattr(live, "get_ipython", lambda: shell)

    def move() -> None:
        panel.controls["n"].value = 6
        panel.reset()
        panel.controls["n"].value = 8

    before = panel.figure.value
    thread = threading.Thread(target=move)
    thread.start()
    thread.join()
    assert (len(calls), panel.figure.value, len(later)) == (1, before, 1)
    later.pop()()
    assert calls[1:] == [{"n": 8, "share": 0.5, "kind": "thin"}]
    panel.controls["n"].value = 9  # in the thread of the cells: at once
    assert (len(calls), later) == (3, [])


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_left_while_a_figure_is_drawn(fails: bool) -> None:
    seen = []

    def draw(x):
        seen.append(gc.isenabled())
        if fails and x == 2:
            raise ValueError("x is two")
        figure, (ax,) = look.figure()
        ax.plot([0, x])
        return Panel(figure, {"x": f"{x}"}, "A line.")

    panel = LivePanel(Widget("line", "A", "B?", [Slider("x", "x", 1, 3, 1, 1)], draw), {"x": 1})
    if fails:
        with pytest.raises(ValueError, match="x is two"):
            panel.controls["x"].value = 2
    panel.controls["x"].value = 3  # drawn, also after one that failed
    assert "<span>3</span>" in panel.readouts.value
    assert not any(seen)
    assert gc.isenabled()


def test_controls_have_the_range_and_the_words(panel: LivePanel) -> None:
    n, share, kind = panel.controls.values()
    assert (n.min, n.max, n.step, n.description) == (1, 9, 1, "length (cm)")
    assert (share.min, share.max, share.step, share.readout_format) == (0.0, 1.0, 0.05, ".2f")
    assert (kind.options, kind.description) == (("thin", "thick"), "kind")


def test_no_widget_captures_output(panel: LivePanel) -> None:
    """nbval cannot compare what an Output widget holds."""
    kinds = {type(child).__name__ for child in panel.box.children}
    assert kinds <= {"HTML", "IntSlider", "FloatSlider", "Dropdown", "HBox"}


def test_bundle_holds_both_lives() -> None:
    bundle = mt.explore("icc", tau2=4.0)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", WIDGET_VIEW}
    assert 'data-widget="icc" data-module="mlteach.widgets.lessons.icc"' in bundle["text/html"]
    assert "ICC: 0.50" in bundle["text/html"] and "ICC: 0.50" in bundle["text/plain"]
    assert bundle[WIDGET_VIEW]["model_id"]


def test_what_is_stored_does_not_change() -> None:
    first, again = (mt.explore("icc")._repr_mimebundle_() for _ in range(2))
    assert {k: v for k, v in first.items() if k != WIDGET_VIEW} == {
        k: v for k, v in again.items() if k != WIDGET_VIEW
    }


def test_without_ipywidgets_there_is_still_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlteach.widgets.explorer.find_spec", lambda name: None)
    assert set(mt.explore("icc")._repr_mimebundle_()) == {"text/plain", "text/html"}
