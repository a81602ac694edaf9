"""The live panel in Jupyter: any position of the sliders, drawn by the kernel as they move.

It is made of widgets that hold HTML and are replaced as a whole, never of ``interact`` or
``Output``: no flicker, no captured print, and a notebook that is compared output by output stays
comparable.
"""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import ipywidgets as ipw
from IPython import get_ipython

from mlteach.widgets import page
from mlteach.widgets.base import Values, Widget
from mlteach.widgets.controls import Control, Slider
from mlteach.widgets.look import style
from mlteach.widgets.room import longest, room, texts
from mlteach.widgets.svg import drawing

# ipywidgets gives its sliders no accessible name, and has no setting for one. A style element says
# when it has entered the page; then each handle takes the text of the label beside it, and the
# readouts are read aloud when they change.
NAME_THE_HANDLES = """
const root = this.closest('.mlteach-live');
const name = () => {
  root.querySelectorAll('.widget-slider').forEach(slider => {
    const label = slider.querySelector('.widget-label').textContent;
    slider.querySelectorAll('.noUi-handle, .widget-readout').forEach(
      part => part.setAttribute('aria-label', label));
    const text = slider.querySelector('.widget-readout').textContent;
    const unit = /\\(([^()]*)\\)$/.exec(label);
    slider.querySelector('.noUi-handle').setAttribute('aria-valuetext',
      unit ? text + ' ' + unit[1] : text);
  });
  root.querySelectorAll('.mlteach-widget-readouts').forEach(
    readouts => readouts.parentElement.setAttribute('aria-live', 'polite'));
};
name();
new MutationObserver(name).observe(root, {childList: true, subtree: true});
""".replace("\n", " ").strip()
_numbers = count(1)


class LivePanel:
    """Controls, figure, readouts and buttons of one widget.

    Attributes
    ----------
    box : ipywidgets.VBox
        The panel.
    controls : dict of str to ipywidgets widget
    figure, readouts, solved : ipywidgets.HTML
    """

    def __init__(self, widget: Widget, start: Values) -> None:
        self.widget, self.start = widget, start
        self._prefix = f"live-{next(_numbers)}-"
        self._is_moving = self._is_due = False
        with _no_garbage_collected():
            self._room = room(widget)
        self._solved: set[tuple[float | str, ...]] = set()
        width = f"{max(len(_label(c)) for c in widget.controls)}ch"
        self.controls = {c.name: _control(c, start[c.name], width) for c in widget.controls}
        self.figure, self.readouts, self.solved = ipw.HTML(), ipw.HTML(), ipw.HTML()
        for control in self.controls.values():
            control.observe(self._moved, "value")
        self._draw()
        rules = (page.ASSETS / "widget.css").read_text(encoding="utf-8")
        head = f'<style onload="{NAME_THE_HANDLES}">{rules}</style>{page.head(widget)}'
        shown = (ipw.HTML(head), *self.controls.values(), self.figure, self.readouts, self.solved)
        self.box = ipw.VBox([*shown, self._buttons()])
        self.box.add_class("mlteach-widget")
        self.box.add_class("mlteach-live")

    @property
    def values(self) -> Values:
        """Where the controls stand."""
        return {name: control.value for name, control in self.controls.items()}

    def move_to(self, values: Values) -> None:
        """Set all controls and draw once."""
        self._is_moving = True
        for name, value in values.items():
            self.controls[name].value = value
        self._is_moving = False
        self._moved()

    def reset(self) -> None:
        """Go back to the start."""
        self.move_to(self.start)

    def surprise(self) -> None:
        """Go to a place of the grid that nobody has chosen."""
        self.move_to({c.name: random.choice(c.values) for c in self.widget.controls})

    def _moved(self, _: object = None) -> None:
        """Draw in turn with the cells: once, however often it has moved until then."""
        if not (self._is_moving or self._is_due):
            self._is_due = True
            in_turn(self._draw)

    def _draw(self) -> None:
        self._is_due = False
        with style(), _no_garbage_collected():
            panel = self.widget.panel(**self.values)
            figure = drawing(panel.figure).element(self._prefix, panel.description)
        self.figure.value = f'<div class="mlteach-widget-figure">{figure}</div>'
        if panel.solved:
            self._solved.add(tuple(self.values.values()))
        *longer, most = self._room = longest(filter(None, (self._room, texts(panel))))
        numbers = page.readouts(panel.readouts, longer)
        self.readouts.value = numbers + page.words(panel.description, most)
        found = self.widget.found(len(self._solved))
        self.solved.value = page.solved(found, self.widget.answer)

    def _buttons(self) -> ipw.HBox:
        buttons = [_button("Reset", self.reset)]
        if self.widget.surprise:
            buttons.append(_button("Surprise me", self.surprise))
        return ipw.HBox(buttons)


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Put Python's search for garbage off until a figure is garbage itself.

    One that outlives a few searches while it is drawn becomes old, and old objects, with them the
    data of a session, are searched as a whole: a tenth of a second at every fifteenth figure.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def in_turn(task: Callable[[], None]) -> None:
    """Call a task now, or as soon as the thread of the cells is free.

    matplotlib's settings, and much else, belong to the whole process, and JupyterLab delivers what
    a reader does to widgets in a thread of their own, at times in two. A figure drawn beside that
    of the cells would lend its style to a cell that is drawing, or to another panel. While a cell
    runs, the task waits.
    """
    loop = getattr(getattr(get_ipython(), "kernel", None), "io_loop", None)
    if loop is None or threading.current_thread() is threading.main_thread():
        task()
    else:
        loop.add_callback(task)


def _button(text: str, action: Callable[[], None]) -> ipw.Button:
    button = ipw.Button(description=text)
    button.on_click(lambda _: action())
    return button


def _label(control: Control) -> str:
    """What stands beside a control."""
    unit = getattr(control, "unit", "")
    return f"{control.label} ({unit})" if unit else control.label


def _control(control: Control, value: float | str, label_width: str) -> ipw.DescriptionWidget:
    """Make one control."""
    label = {"description": _label(control), "style": {"description_width": label_width}}
    if not isinstance(control, Slider):
        # As wide as its options need.
        width = {"width": "max-content"}
        return ipw.Dropdown(options=control.values, value=value, layout=width, **label)
    made = ipw.IntSlider if control.is_whole else ipw.FloatSlider
    form = "d" if control.is_whole else f".{control.decimals}f"
    ends = {"min": control.start, "max": control.stop, "step": control.step}
    return made(value, **ends, readout_format=form, layout={"width": "auto"}, **label)
