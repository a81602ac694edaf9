"""Showing a widget: the panel where there is a kernel, a placeholder for the website elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mlteach.core.arguments import checked
from mlteach.errors import ModelError
from mlteach.widgets.base import Panel, Values, Widget, listed
from mlteach.widgets.catalogue import find, names
from mlteach.widgets.page import placeholder

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
VIEW_VERSION = {"version_major": 2, "version_minor": 0}


def mime_bundle(text: str, html: str, live: Callable[[], Any]) -> dict[str, Any]:
    """What a cell shows: a live widget where there are any, and else what is stored."""
    bundle: dict[str, Any] = {"text/plain": text, "text/html": html}
    if find_spec("ipywidgets"):
        bundle[WIDGET_VIEW] = VIEW_VERSION | {"model_id": live().model_id}
    return bundle


@dataclass(frozen=True, repr=False)
class Explorer:
    """A widget with the values at which it starts; what :func:`explore` returns.

    In a notebook it shows itself as a panel to be moved. What is stored is a line of text, in whose
    place the website puts its own panel.

    Attributes
    ----------
    widget : Widget
    values : dict
        One value a control.
    """

    widget: Widget
    values: Values

    def __repr__(self) -> str:
        return self._text(self.widget.panel(**self.values))

    def _text(self, panel: Panel) -> str:
        controls, readouts = listed(self.widget.texts(self.values)), listed(panel.readouts)
        return f"{self.widget.title}\n{self.widget.question}\n{controls}\n→ {readouts}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        panel = self.widget.panel(**self.values)
        stored = placeholder(self.widget, self.values, panel)
        return mime_bundle(self._text(panel), stored, self._live)

    def _live(self):
        from mlteach.widgets.live import LivePanel

        return LivePanel(self.widget, self.values).box


@checked
def explore(widget: str | Widget, **start: float | str) -> Explorer:
    """Show a lesson that is learned by moving it.

    Parameters
    ----------
    widget : str or Widget
        The name of one of the book's, which ``mlteach.widgets()`` lists, or one of your own.
    **start
        Values of controls at the start.

    Returns
    -------
    Explorer
        The last line of a cell shows it.

    Raises
    ------
    ModelError
        If there is no such widget or control, or a value is outside of its range.

    Examples
    --------
    >>> import mlteach as mt
    >>> mt.explore("icc", tau2=2.0, sigma2=6.0)
    Two variances, one share
    ...
    variance between, τ²: 2.0; variance within, σ²: 6.0
    → ICC: 0.25; ...
    >>> mt.explore("icc", tau=2.0)
    Traceback (most recent call last):
        ...
    mlteach.errors.ModelError: Widget 'icc' has no control 'tau'; it has tau2, sigma2.
    """
    if not isinstance(widget, str | Widget):
        raise ModelError(
            f"explore() takes the name of a widget ({', '.join(names())}) or a Widget of your own; "
            f"got {type(widget).__name__}."
        )
    found = find(widget) if isinstance(widget, str) else widget
    return Explorer(found, found.values(**start))
