"""What both lives of a widget show, as HTML: its title and question, its figure, its readouts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from mlteach.widgets.base import Panel, Values, Widget, listed
from mlteach.widgets.look import style
from mlteach.widgets.svg import drawing

ASSETS = Path(__file__).parent / "assets"


def head(widget: Widget, name: str = "") -> str:
    """Title and question; a name becomes the id of the title."""
    identity = f' id="{name}"' if name else ""
    return (
        f'<p class="mlteach-widget-title"{identity}>{escape(widget.title)}</p>\n'
        f'<p class="mlteach-widget-question">{escape(widget.question)}</p>'
    )


def readouts(values: Mapping[str, str], room: Iterable[str]) -> str:
    """The numbers with their names, as a list of definitions; each keeps room for a longer text."""
    rows = (
        f"<div><dt>{escape(name)}</dt>{_roomy('dd', value, most)}</div>"
        for (name, value), most in zip(values.items(), room, strict=True)
    )
    return f'<dl class="mlteach-widget-readouts">{"".join(rows)}</dl>'


def words(description: str, room: str) -> str:
    """What is to be seen, below the numbers; the figure has the same words as its label."""
    return _roomy('p class="mlteach-widget-words" aria-hidden="true"', description, room)


def solved(text: str, room: str) -> str:
    """Whether the question is answered, with room for what is said when it is."""
    mark = f"\u2713 {text}" if text else ""
    tag = 'p class="mlteach-widget-solved" role="status"'
    return _roomy(tag, mark, room and f"\u2713 {room}")


def _roomy(tag: str, text: str, room: str) -> str:
    """An element that is as large as a longer text would make it."""
    inside = f"<span>{escape(text)}</span>"
    return f'<{tag} data-room="{escape(room)}">{inside}</{tag.partition(" ")[0]}>'


def placeholder(widget: Widget, values: Values, panel: Panel) -> str:
    """What a stored notebook holds in the place of the widget.

    It names the widget for the website's build, and is itself a picture and a sentence for whoever
    reads the notebook without running it.
    """
    settings, numbers = listed(widget.texts(values)), listed(panel.readouts)
    with style():
        picture = drawing(panel.figure).picture()
    return (
        f'<div class="mlteach-widget-placeholder" data-widget="{widget.name}" '
        f'data-module="{widget.module}" data-values="{escape(json.dumps(values))}">'
        f"<p><strong>{escape(widget.title)}</strong> is a figure to be moved: run this "
        f"cell.<br>{escape(settings)} → {escape(numbers)}</p>"
        f'<img src="{picture}" alt="{escape(panel.description)}" width="600"></div>'
    )
