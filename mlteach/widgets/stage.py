"""One empty figure that serves all frames of a widget: to make one takes longer than to fill it.

An Axes with its ticks is a thousand small objects. Between two frames each of them gets back the
state that it had when the figure was new; what the last frame added is forgotten. So a drawing
function cannot tell a used figure from a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.figure import Figure

#: Ticks that are ready beforehand on each axis.
TICKS = 6
_CONTAINERS = (list, tuple, set, dict)
Copier = Callable[[Any], Any]
#: What can be changed in place.
COPIERS: dict[type, Copier] = {kind: kind.copy for kind in (list, set, dict, np.ndarray)}


class Memory:
    """The state of a figure and of all that hangs on it, at one moment."""

    def __init__(self, figure: Figure) -> None:
        for ax in figure.axes:
            for axis in (ax.xaxis, ax.yaxis):
                axis.get_major_ticks(TICKS)
        self.figure = figure
        self.states = [(part, vars(part).copy(), _changeable(part)) for part in _parts(figure)]

    def restored(self) -> Figure:
        """The figure as it was."""
        for part, state, changeable in self.states:
            part.__dict__ = now = state.copy()
            for key, value, copy in changeable:
                now[key] = copy(value)
        return self.figure


def _parts(figure: Figure) -> list[object]:
    """The objects of matplotlib that can be reached from a figure."""
    found: dict[int, object] = {}
    waiting: list[object] = [figure]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _CONTAINERS):
            waiting += part.values() if isinstance(part, dict) else part
        elif _has_state(part) and id(part) not in found:
            found[id(part)] = part
            waiting += vars(part).values()
    return list(found.values())


def _has_state(part: object) -> bool:
    return type(part).__module__.startswith("matplotlib.") and hasattr(part, "__dict__")


def _changeable(part: object) -> list[tuple[str, object, Copier]]:
    """What a part holds that can be changed in place, as it is now, and how to copy it."""
    found = ((key, value) for key, value in vars(part).items() if type(value) in COPIERS)
    return [(key, _copy(value), _copier(value)) for key, value in found]


def _copier(value: object) -> Copier:
    """How to copy a value; containers of containers take longer."""
    inside = value.values() if type(value) is dict else value
    deep = type(value) in (dict, list) and any(type(item) in COPIERS for item in inside)
    return _copy if deep else COPIERS[type(value)]


def _copy(value: object) -> object:
    """Copy what can be changed in place, and nothing else."""
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value.copy() if type(value) in COPIERS else value


class Stage:
    """The figures of one widget while its frames are drawn."""

    def __init__(self) -> None:
        self.memories: dict[Hashable, Memory] = {}
        self.used: set[Hashable] = set()

    def clear(self) -> None:
        """Begin the next frame."""
        self.used.clear()

    def figure(self, shape: Hashable, make: Callable[[], Figure]) -> Figure:
        """Give an empty figure of a shape; a second one in the same frame is another."""
        if shape in self.used:
            return make()
        self.used.add(shape)
        if shape not in self.memories:
            self.memories[shape] = Memory(make())
        return self.memories[shape].restored()


_stages: list[Stage] = []


@contextmanager
def stage() -> Iterator[Stage]:
    """Use figures again in the ``with`` block."""
    _stages.append(Stage())
    try:
        yield _stages[-1]
    finally:
        _stages.pop()


def empty_figure(shape: Hashable, make: Callable[[], Figure]) -> Figure:
    """A new figure, or on a stage one that is as good as new."""
    return _stages[-1].figure(shape, make) if _stages else make()
