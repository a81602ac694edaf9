"""The declaration of a widget, its grid, and how one is found and shown."""

import pytest

import mlteach as mt
from mlteach.errors import ModelError
from mlteach.widgets import Choice, Explorer, Panel, Slider, Widget, explore, find, look
from mlteach.widgets.catalogue import in_module, names


def draw(n: int, kind: str) -> Panel:
    figure, (ax,) = look.figure()
    ax.plot([0, n], [0, 1], "--" if kind == "thin" else "-")
    ax.set(xlim=(0, 9), ylim=(0, 1))
    return Panel(figure, {"n": str(n)}, f"A {kind} line to {n}.")


CONTROLS = (
    Slider("n", "length", 1, 9, 1, 3, grid=(1, 3, 9)),
    Choice("kind", "kind", ("thin", "thick")),
)
WIDGET = Widget("line", "A line", "How long?", CONTROLS, draw)


def test_grid_has_the_last_control_fastest() -> None:
    grid = list(WIDGET.grid())
    assert grid[:3] == [
        {"n": 1, "kind": "thin"},
        {"n": 1, "kind": "thick"},
        {"n": 3, "kind": "thin"},
    ]
    assert len(grid) == WIDGET.frames == 6
    assert [WIDGET.place(values) for values in grid] == list(range(6))


def test_a_place_off_the_grid() -> None:
    with pytest.raises(ModelError, match="n=2 is not on the grid of widget 'line'.* 1, 3, 9"):
        WIDGET.place(WIDGET.values(n=2))


def test_a_question_with_several_answers() -> None:
    one = Widget("line", "A line", "How long?", CONTROLS, draw, answer="Nine.")
    three = Widget("line", "A line", "How long?", CONTROLS, draw, answer="Nine.", ways=3)
    assert [WIDGET.found(k) for k in (0, 1)] == ["", ""]
    assert [one.found(k) for k in (0, 1, 2)] == ["", "Nine.", "Nine."]
    assert [three.found(k) for k in (0, 1, 3)] == ["", "1 of 3 found.", "Nine."]


def test_values_begin_at_the_start() -> None:
    assert WIDGET.start == {"n": 3, "kind": "thin"}
    assert WIDGET.values(n=2) == {"n": 2, "kind": "thin"}
    with pytest.raises(ModelError, match="'line' has no control 'm'; it has n, kind"):
        WIDGET.values(m=2)
    with pytest.raises(ModelError, match="n=20 is outside of its range, 1 to 9"):
        WIDGET.values(n=20)


def test_controls_are_the_arguments() -> None:
    with pytest.raises(ModelError, match="must be the same"):
        Widget("line", "A line", "How long?", CONTROLS[:1], draw)
    with pytest.raises(ModelError, match="must be the same"):
        Widget("line", "A line", "How long?", (), lambda: None)
    with pytest.raises(ModelError, match="named like a variable"):
        Widget("a line", "A line", "How long?", CONTROLS, draw)


@pytest.mark.parametrize("wrong", [None, Panel(None, {}, "text"), Panel(None, {"n": "1"}, "")])
def test_a_drawing_function_returns_a_panel(wrong: object) -> None:
    broken = Widget("line", "A line", "How long?", CONTROLS, lambda n, kind: wrong)
    with pytest.raises(ModelError, match="must return a Panel with a figure, readouts"):
        broken.panel()


def test_explore_by_name_and_by_widget() -> None:
    assert isinstance(mt.explore("icc"), Explorer)
    assert explore(WIDGET, n=9).values == {"n": 9, "kind": "thin"}
    assert repr(explore(WIDGET, n=9)) == "A line\nHow long?\nlength: 9; kind: thin\n→ n: 9"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mt.explore("iccc"), "There is no widget 'iccc'. There are: .*icc"),
        (lambda: mt.explore("icc", tau3=1), "has no control 'tau3'; it has tau2, sigma2"),
        (lambda: mt.explore("icc", tau2=99), "tau2=99 is outside of its range, 0.0 to 8.0"),
        (lambda: mt.explore(3), "got int"),
        (lambda: in_module("mlteach.widgets.base", "icc"), "defines no widget of the name 'icc'"),
    ],
)
def test_what_is_not_there(call: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        call()


def test_the_package_is_also_the_list() -> None:
    listed = mt.widgets()
    assert set(names()) == set(listed.index)
    assert listed.loc["icc", "question"] == find("icc").question
