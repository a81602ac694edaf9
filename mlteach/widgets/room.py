"""Room for the longest texts of a widget, so that nothing jumps while its controls move.

The website has drawn all places and knows the longest. The live panel asks some, where texts are
likely to be long: along each control and at the corners of all; between them it learns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from itertools import product

from mlteach.widgets.base import Panel, Values, Widget
from mlteach.widgets.look import style
from mlteach.widgets.stage import stage

#: Places to be asked, those of them along a control, and for how many seconds they are asked: who
#: draws slowly must not wait long for the panel.
PLACES, ALONG, SECONDS = 32, 5, 1.0
#: What a readout, and a description, may be longer by where nobody asked.
SPARE = "00", " 00000 00000"


def texts(panel: Panel) -> tuple[str, ...]:
    """The readouts of a panel and its description."""
    return (*panel.readouts.values(), panel.description)


def longest(rows: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The longest text of each readout and of the description."""
    return tuple(max(column, key=len) for column in zip(*rows, strict=True))


def places(widget: Widget) -> list[Values]:
    """Where texts are likely to be long: along the controls, at the corners, and others at random.

    Never the whole grid, which for a widget of one's own may have no end.
    """
    grids, rng = {control.name: control.values for control in widget.controls}, random.Random(0)
    along = [
        widget.start | {name: values[k * (len(values) - 1) // (ALONG - 1)]}
        for name, values in grids.items()
        for k in range(ALONG)
    ]
    ends = [(values[0], values[-1]) for values in grids.values()]
    corners = list(product(*ends))
    rng.shuffle(corners)
    tried = [*along, *(dict(zip(grids, values, strict=True)) for values in corners)]
    tried += [{name: rng.choice(values) for name, values in grids.items()} for _ in range(PLACES)]
    different = dict.fromkeys(tuple(values.items()) for values in tried)
    return [dict(values) for values in different][:PLACES]


def room(widget: Widget) -> tuple[str, ...]:
    """The longest texts at some places of a widget; none if it draws at none of them."""
    rows, begin = [], time.monotonic()
    with style(), stage() as used:
        for values in places(widget):
            used.clear()
            try:
                rows.append(texts(widget.checked(widget.draw(**values))))
            except Exception:  # it is raised again, and seen, when the reader comes there
                continue
            if time.monotonic() - begin > SECONDS:
                break
    if not rows:
        return ()
    *readouts, description = longest(rows)
    return (*(text + SPARE[0] for text in readouts), description + SPARE[1])
