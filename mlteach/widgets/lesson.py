"""A lesson of the book: ``NAME.py`` computes and draws, ``NAME.toml`` has the words.

In the words are title, question and answer, the controls, the axes with their labels and ticks, and
the readouts and the description, whose places the drawing function fills with its numbers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from inspect import Signature, signature
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlteach.widgets.base import Panel, Widget
from mlteach.widgets.controls import Choice, Control, Slider
from mlteach.widgets.look import figure

#: What a drawing function returns.
Drawn = tuple[bool, dict[str, object]]


@dataclass(frozen=True)
class Lesson:
    """The words of a lesson.

    Attributes
    ----------
    name : str
    controls : tuple of Slider and Choice
    axes : dict of str to dict
        For each Axes its relative ``width``, and what ``Axes.set`` takes.
    readouts : dict of str to str
        Texts with places for values, as in ``"{icc:.2f}"``.
    description : str
        Also with places.
    facts : dict
        Title, question and whatever else a :class:`Widget` has.
    """

    name: str
    controls: tuple[Control, ...]
    axes: dict[str, dict[str, Any]]
    readouts: dict[str, str]
    description: str
    facts: dict[str, Any]

    @classmethod
    def beside(cls, module: str) -> Lesson:
        """Read the words of a lesson, given the file of its module."""
        path = Path(module).with_suffix(".toml")
        words = tomllib.loads(path.read_text(encoding="utf-8"))
        controls = tuple(_control(*item) for item in words.pop("controls").items())
        parts = (words.pop(part) for part in ("axes", "readouts", "description"))
        return cls(path.stem, controls, *parts, words)

    def options(self, name: str) -> tuple[str, ...]:
        """What can be chosen at a control."""
        return next(control.values for control in self.controls if control.name == name)

    def figure(self) -> tuple[Figure, list[Axes]]:
        """Make the figure with its Axes, on which nothing is drawn."""
        made, axes = figure([ground["width"] for ground in self.axes.values()])
        for ax, ground in zip(axes, self.axes.values(), strict=True):
            ax.set(**{key: value for key, value in ground.items() if key != "width"})
            if "log" in (ax.get_xscale(), ax.get_yscale()):
                ax.minorticks_off()
        return made, axes

    def widget(self, draw: Callable[..., Drawn]) -> Widget:
        """Make the widget of a function that draws at some values of the controls.

        It takes the Axes and then the values, and returns whether these are an answer to the
        question, and numbers for the words, which may also name the values themselves.
        """
        # Not a closure: the processes that draw for the website hand widgets over.
        panel = update_wrapper(partial(_panel, self, draw), draw)
        taken = list(signature(draw).parameters.values())
        panel.__signature__ = Signature(taken[len(self.axes) :])
        return Widget(name=self.name, controls=self.controls, draw=panel, **self.facts)


def _panel(lesson: Lesson, draw: Callable[..., Drawn], **values: float | str) -> Panel:
    made, axes = lesson.figure()
    solved, numbers = draw(*axes, **values)
    numbers = values | numbers
    readouts = {name: text.format(**numbers) for name, text in lesson.readouts.items()}
    return Panel(made, readouts, lesson.description.format(**numbers), solved)


def _control(name: str, given: dict[str, Any]) -> Control:
    return (Choice if "options" in given else Slider)(name, **given)
