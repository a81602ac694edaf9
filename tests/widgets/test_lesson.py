"""The words of a lesson: read beside its module, put onto the figure, and filled with numbers."""

import pickle
import string
from pathlib import Path

import pytest

from mlteach.errors import ModelError
from mlteach.widgets import Choice, Slider, find, look
from mlteach.widgets.catalogue import names
from mlteach.widgets.lesson import Lesson

WORDS = """
chapter = 3
title = "A square"
question = "How fast?"
answer = "Twice as far, four times as large."
description = "A line from 0 to {square:.1f}, {kind}."

[readouts]
"x²" = "{square:.2f}"

[controls.x]
label = "x"
start = 1
stop = 9
step = 1
value = 3

[controls.kind]
label = "kind"
options = ["thin", "thick"]

[axes.left]
width = 2
title = "Linear"
xlim = [0, 9]
xticks = [0, 3, 9]

[axes.right]
width = 1
yscale = "log"
ylim = [1, 100]
yticks = [1, 10, 100]
yticklabels = ["1", "10", "100"]
"""


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    (tmp_path / "square.toml").write_text(WORDS, encoding="utf-8")
    return Lesson.beside(str(tmp_path / "square.py"))


def test_words_make_the_widget(lesson: Lesson) -> None:
    def draw(left, right, x, kind):
        left.plot([0, x], [0, x])
        right.plot([1, x], [1, x**2])
        return x == 9, {"square": x**2}

    widget = lesson.widget(draw)
    assert (widget.name, widget.chapter, widget.title) == ("square", 3, "A square")
    assert widget.controls == (
        Slider("x", "x", 1, 9, 1, 3),
        Choice("kind", "kind", ["thin", "thick"]),
    )
    panel = widget.panel(x=4, kind="thick")
    assert panel.readouts == {"x²": "16.00"}
    assert panel.description == "A line from 0 to 16.0, thick."
    assert [len(ax.lines) for ax in panel.figure.axes] == [1, 1]
    assert [widget.panel(x=x).solved for x in (4, 9)] == [False, True]


def test_the_figure_stands_as_it_will_stay(lesson: Lesson) -> None:
    with look.style():
        _, (left, right) = lesson.figure()
    assert left.get_title(loc="left") == "Linear"
    assert left.get_xlim() == (0, 9) and left.get_xticks().tolist() == [0, 3, 9]
    assert [text.get_text() for text in right.get_yticklabels()] == ["1", "10", "100"]
    assert not right.yaxis.get_minorticklocs().size
    assert left.get_position().width == pytest.approx(2 * right.get_position().width)


def test_options_are_those_of_the_choice(lesson: Lesson) -> None:
    assert lesson.options("kind") == ("thin", "thick")


def test_controls_are_those_of_the_drawing_function(lesson: Lesson) -> None:
    with pytest.raises(ModelError, match=r"controls \['x', 'kind'\]"):
        lesson.widget(lambda left, right, x: None)


@pytest.mark.parametrize("name", names())
def test_words_and_code_are_of_one_piece(name: str) -> None:
    """No readout stands in the words without a number, and no axes without a drawing."""
    widget = find(name)
    words = widget.draw.__wrapped__.__globals__["LESSON"]
    assert list(widget.panel().readouts) == list(words.readouts)
    assert len(widget.panel().figure.axes) == len(words.axes)
    for text in (words.description, *words.readouts.values()):
        assert [place for _, place, _, _ in string.Formatter().parse(text) if place], text


@pytest.mark.parametrize("name", names())
def test_widgets_go_from_one_process_to_another(name: str) -> None:
    """The website is drawn in processes of its own, which hand over what they have drawn."""
    widget = find(name)
    there = pickle.loads(pickle.dumps(widget))
    start = next(iter(widget.grid()))
    assert there.draw(**start).readouts == widget.draw(**start).readouts
