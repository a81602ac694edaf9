"""What is true of every lesson, whatever it teaches: it draws everywhere and stays in its place."""

import re
import sys
import warnings
from functools import cache
from itertools import product

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from mlteach.widgets import Choice, Slider, Widget, find, look, table
from mlteach.widgets.catalogue import names
from mlteach.widgets.stage import stage
from mlteach.widgets.svg import _VARIABLES, drawing

#: More figures take longer to draw than a reader of the website will ever look.
MOST_FRAMES = 550
#: Most places at which one lesson is drawn here: all corners of five controls.
MOST_PLACES = 32
#: From a moved slider to the text of the new figure, in calls of functions, which no busy machine
#: changes: 300,000 take about .1 s, and a live panel that takes longer lags behind the hand.
CALLS_A_MOVE = 300_000
MOVES = 3
#: For all figures of the website.
CALLS_TO_DRAW = 900_000_000
LEAST_FONT = 11.5
#: Pixels above and below its letters that a line of text takes.
ROOM_OF_A_LINE = 5
RAW_COLOUR = re.compile(r"#[0-9a-f]{6}\b")

LESSONS = pytest.mark.parametrize("name", names())


def places(widget: Widget) -> list[dict]:
    """The start, the corners of the live ranges, and a few places inside of them."""
    ends = [
        c.values if isinstance(c, Choice) else (c.checked(c.start), c.checked(c.stop))
        for c in widget.controls
    ]
    corners = [dict(zip(widget.start, values, strict=True)) for values in product(*ends)]
    rng = np.random.default_rng(len(corners))
    if len(corners) > MOST_PLACES:
        corners = [corners[k] for k in rng.permutation(len(corners))[:MOST_PLACES]]
    inside = [{c.name: c.values[rng.integers(len(c.values))] for c in widget.controls}]
    return [widget.start, *corners, *inside]


@cache
def drawn(name: str) -> list[tuple[dict, object, tuple[str, ...]]]:
    """Values, panel and SVG lines at the places of a lesson; a warning is an error."""
    widget, found = find(name), []
    with warnings.catch_warnings(), look.style():
        warnings.simplefilter("error")
        for values in places(widget):
            panel = widget.panel(**values)
            found.append((values, panel, drawing(panel.figure).lines))
    return found


@LESSONS
def test_lesson_is_declared_for_the_book(name: str) -> None:
    widget = find(name)
    assert widget.name == name
    assert widget.chapter in range(1, 17)
    assert widget.title and widget.question.rstrip()[-1] in "?."
    assert widget.frames <= MOST_FRAMES


#: Sliders of few stops although there is room for more: a figure more is a fit of seconds, or
#: there is no more to choose from.
COARSE = {("fiml_or_filling", "sample"), ("ml_reml", "n"), ("ml_reml", "icc"), ("ml_reml", "p2")}
FINE = 9


@LESSONS
def test_sliders_are_as_fine_as_there_is_room(name: str) -> None:
    """Nine stops or more where a widget may have so many figures."""
    widget = find(name)
    coarse = {
        (name, control.name)
        for control in widget.controls
        if isinstance(control, Slider)
        and len(control.values) < FINE
        and widget.frames * FINE <= MOST_FRAMES * len(control.values)
    }
    assert coarse <= COARSE


@LESSONS
def test_the_question_is_open_at_the_start(name: str) -> None:
    assert find(name).answer
    assert not drawn(name)[0][1].solved


@LESSONS
def test_readouts_have_the_same_names_everywhere(name: str) -> None:
    assert len({tuple(panel.readouts) for _, panel, _ in drawn(name)}) == 1
    for values, panel, _ in drawn(name):
        for text in panel.readouts.values():
            assert isinstance(text, str) and text.strip(), values
            assert not re.search(r"nan|inf\b|[-−]0\.0+$|\$", text), (values, text)


@LESSONS
def test_descriptions_are_sentences_and_follow_the_controls(name: str) -> None:
    texts = [panel.description for _, panel, _ in drawn(name)]
    assert all(text.endswith(".") and "\n" not in text and len(text) > 40 for text in texts)
    assert len(set(texts)) > 1


@LESSONS
def test_axes_stay_where_they_are(name: str) -> None:
    """Movement can be seen only before a ground that does not move."""
    grounds = {
        tuple((*ax.get_position().bounds, *ax.get_xlim(), *ax.get_ylim()) for ax in p.figure.axes)
        for _, p, _ in drawn(name)
    }
    assert len(grounds) == 1


@LESSONS
def test_letters_are_large_and_plain(name: str) -> None:
    for values, panel, _ in drawn(name):
        for text in panel.figure.findobj(Text):
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() >= LEAST_FONT, (values, text)
                assert "$" not in text.get_text(), (values, text)


@LESSONS
def test_no_text_is_cut_at_the_edge(name: str) -> None:
    """A picture that stands alone shows nothing beyond its edges."""
    widget = find(name)
    ends = [widget.start, *({c.name: c.values[k] for c in widget.controls} for k in (0, -1))]
    for values in ends:
        with look.style():
            figure = widget.panel(**values).figure
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
            boxes = [t.get_window_extent(canvas.get_renderer()) for t in texts]
        edge = figure.bbox.padded(ROOM_OF_A_LINE)
        cut = [
            t.get_text()
            for t, box in zip(texts, boxes, strict=True)
            if not (edge.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and edge.y0 <= box.y0)
        ]
        assert cut == [], values


@LESSONS
def test_colours_are_those_of_the_palette(name: str) -> None:
    """Any other colour would not follow the dark mode."""
    for values, _, lines in drawn(name):
        found = set(RAW_COLOUR.findall("\n".join(lines)))
        assert found <= set(_VARIABLES), (values, found)


@LESSONS
def test_drawing_is_pure(name: str) -> None:
    """The same values give the same text, after any others and in a notebook of any style."""
    widget = find(name)
    notebook = {"figure.constrained_layout.use": True, "font.size": 30, "axes.grid": True}
    with mpl.rc_context(notebook), look.style():
        again = drawing(widget.panel().figure).lines
    assert again == drawn(name)[0][2]


@LESSONS
def test_a_used_figure_is_as_good_as_a_new_one(name: str) -> None:
    """The frames of the website are drawn on one figure, those of a kernel on new ones."""
    widget = find(name)
    with look.style(), stage() as used:
        for values, _, lines in drawn(name)[::-1]:
            used.clear()
            assert drawing(widget.panel(**values).figure).lines == lines


@LESSONS
def test_figures_follow_the_controls(name: str) -> None:
    """Each control changes something that is seen or read, from one end to the other."""
    widget = find(name)
    with look.style():
        for control in widget.controls:
            shown = (seen(widget, {control.name: value}) for value in control.values)
            first = next(shown)
            assert any(other != first for other in shown), control.name


def seen(widget: Widget, values: dict) -> tuple[str, ...]:
    panel = widget.panel(**values)
    return (*drawing(panel.figure).lines, *panel.readouts.values())


@cache
def calls_of_moves(name: str) -> list[int]:
    """Calls of functions, Python's and C's, in some moves of the control with most values.

    At other places than those that are known already, so that stored results do not help.
    """
    widget, took = find(name), []
    control = max(widget.controls, key=lambda c: (isinstance(c, Slider), len(c.values)))

    def count(frame, event, argument) -> None:
        took[-1] += event in ("call", "c_call")

    with look.style():
        widget.panel()
        for value in control.values[:MOVES]:
            took.append(0)
            sys.setprofile(count)
            try:
                drawing(widget.panel(**{control.name: value}).figure)
            finally:
                sys.setprofile(None)
    return took


@LESSONS
def test_a_move_is_little_work(name: str) -> None:
    assert sorted(calls_of_moves(name))[MOVES // 2] < CALLS_A_MOVE


def test_the_website_s_figures_are_little_work() -> None:
    """All of them, from the moves of each lesson."""
    work = {name: np.mean(calls_of_moves(name)) * find(name).frames for name in names()}
    assert sum(work.values()) < CALLS_TO_DRAW, work


def test_table_lists_them_all() -> None:
    listed = table()
    assert sorted(listed.index) == list(names())
    assert listed["chapter"].is_monotonic_increasing
    assert list(listed.columns) == ["chapter", "title", "controls", "question"]
