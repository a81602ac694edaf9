"""The declaration of a widget: a drawing function, and the controls that feed it.

The drawing function is pure: equal values give an equal panel, whatever was drawn before. This is
what lets the website show figures that were drawn when it was built.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib.figure import Figure

from mlteach.errors import ModelError
from mlteach.widgets.controls import Control
from mlteach.widgets.look import style
from mlteach.widgets.svg import Drawing

Values = dict[str, float | str]


@dataclass(frozen=True)
class Panel:
    """What a drawing function returns.

    Attributes
    ----------
    figure : matplotlib.figure.Figure or Drawing
        Made by :func:`mlteach.widgets.look.figure`, or a Figure of its own; not by pyplot, which
        would keep it. A Drawing in a panel of the website.
    readouts : mapping of str to str
        The numbers of the lesson, ready to be read; the same names at all values.
    description : str
        What the figure shows at these values, in a sentence or two: it stands below the figure, and
        is read to who cannot see it.
    solved : bool, default False
        Whether these values are an answer to the question of the widget.
    """

    figure: Figure | Drawing
    readouts: Mapping[str, str]
    description: str
    solved: bool = False


@dataclass(frozen=True)
class Widget:
    """A lesson that is learned by moving it.

    Attributes
    ----------
    name : str
        Under which :func:`mlteach.explore` finds it.
    title : str
        A few words.
    question : str
        What the reader is to find out by moving the controls.
    controls : sequence of Slider and Choice
    draw : callable
        Takes the values of the controls by name and returns a :class:`Panel`. Defined in a module,
        not in a notebook, if the website is to show the widget.
    chapter : int, optional
        The chapter that it belongs to.
    surprise : bool, default False
        Whether a button moves all controls to places that the reader has to guess or explain.
    answer : str, default ""
        What is said when the question is answered: when the reader has been at as many places with
        a ``solved`` panel as there are ``ways``. Empty if there is no such place.
    ways : int, default 1

    Raises
    ------
    ModelError
        If the controls are not the arguments of ``draw``.

    Examples
    --------
    >>> from mlteach.widgets import Panel, Slider, Widget, look
    >>> def draw(x):
    ...     figure, (ax,) = look.figure()
    ...     _ = ax.plot([0, x], [0, x**2])
    ...     return Panel(figure, {"x²": f"{x**2}"}, f"A line from 0 to {x**2}.")
    >>> square = Widget("square", "A square", "How fast?", [Slider("x", "x", 1, 9, 1, 3)], draw)
    >>> square.panel(x=4).readouts
    {'x²': '16'}
    """

    name: str
    title: str
    question: str
    controls: Sequence[Control]
    draw: Callable[..., Panel]
    chapter: int | None = None
    surprise: bool = False
    answer: str = ""
    ways: int = 1

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ModelError(f"A widget is named like a variable, as in 'icc'; got {self.name!r}.")
        names = [control.name for control in self.controls]
        arguments = list(inspect.signature(self.draw).parameters)
        if not names or sorted(names) != sorted(arguments):
            raise ModelError(
                f"Widget {self.name!r} has the controls {names}, and its drawing function takes "
                f"{arguments}: they must be the same."
            )

    @property
    def module(self) -> str:
        """Where the drawing function is defined."""
        return self.draw.__module__

    @property
    def start(self) -> Values:
        """The values at the start."""
        return {control.name: control.value for control in self.controls}

    @property
    def frames(self) -> int:
        """How many figures the website needs."""
        return math.prod(len(control.values) for control in self.controls)

    def grid(self) -> Iterator[Values]:
        """All values of the website, the last control moving fastest."""
        for values in product(*(control.values for control in self.controls)):
            yield dict(zip(self.start, values, strict=True))

    def place(self, values: Mapping[str, float | str]) -> int:
        """Where in the grid some values are.

        Raises
        ------
        ModelError
            If one of them is not among the values that the website offers.
        """
        for control in self.controls:
            if (value := values[control.name]) not in control.values:
                raise ModelError(
                    f"{control.name}={value} is not on the grid of widget {self.name!r}, which "
                    f"the website needs; take one of {', '.join(map(str, control.values))}."
                )
        return list(self.grid()).index(dict(values))

    def values(self, **given: object) -> Values:
        """The start, with some values replaced.

        Raises
        ------
        ModelError
            If there is no control of such a name, or a value is outside of its range.
        """
        controls = {control.name: control for control in self.controls}
        for name in given:
            if name not in controls:
                raise ModelError(
                    f"Widget {self.name!r} has no control {name!r}; it has {', '.join(controls)}."
                )
        return self.start | {name: controls[name].checked(v) for name, v in given.items()}

    def texts(self, values: Mapping[str, float | str]) -> dict[str, str]:
        """The values as a reader reads them, by the label of their control."""
        return {control.label: control.text(values[control.name]) for control in self.controls}

    def panel(self, **given: object) -> Panel:
        """Draw: figure, readouts and description at some values, the others as at the start."""
        with style():
            return self.checked(self.draw(**self.values(**given)))

    def checked(self, panel: object) -> Panel:
        """What the drawing function returned, if it is a panel.

        Raises
        ------
        ModelError
            If it is none, or has no readouts or description.
        """
        if not isinstance(panel, Panel) or not panel.description or not panel.readouts:
            raise ModelError(
                f"The drawing function of widget {self.name!r} must return a Panel with a figure, "
                "readouts and a description."
            )
        return panel

    def found(self, places: int) -> str:
        """What is said of a reader who has found some solved places."""
        if self.answer and 0 < places < self.ways:
            return f"{places} of {self.ways} found."
        return self.answer if places else ""


def listed(values: Mapping[str, str]) -> str:
    """Names and values in one line.

    Examples
    --------
    >>> listed({"ICC": "0.20", "N": "1,000"})
    'ICC: 0.20; N: 1,000'
    """
    return "; ".join(f"{name}: {value}" for name, value in values.items())
