"""A button that runs a calculation in the reader's kernel, as often as it is pressed.

For what takes too long to follow a slider, such as a hundred fits. A website without a kernel
cannot run it: there a sentence says what the button does in Jupyter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

from mlteach.core.arguments import checked
from mlteach.errors import ModelError
from mlteach.widgets.explorer import mime_bundle


@dataclass(frozen=True, repr=False)
class RunButton:
    """A button with its calculation; what :func:`run_button` returns.

    Attributes
    ----------
    text : str
    task : callable
    """

    text: str
    task: Callable[[int], Any]

    def __repr__(self) -> str:
        return f"In Jupyter, when this cell has run, a button stands here: {self.text}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        words = f'<p class="mlteach-run-button"><em>{escape(repr(self))}</em></p>'
        return mime_bundle(repr(self), words, lambda: live_button(self))


def live_button(button: RunButton):
    """Make the button of Jupyter, with a place for the result below it.

    Returns
    -------
    ipywidgets.VBox
    """
    import ipywidgets as ipw

    from mlteach.widgets.live import in_turn

    face = ipw.Button(description=button.text, layout={"width": "max-content"})
    place, presses = ipw.HTML(), count(1)

    def press(_: object) -> None:
        face.disabled, face.description = True, f"{button.text}: running …"
        in_turn(run)

    def run() -> None:
        try:
            result = button.task(next(presses))
            as_html = getattr(result, "_repr_html_", None)
            shown = as_html() if as_html else f"<pre>{escape(str(result))}</pre>"
            # JupyterLab's own look of a table among the outputs of a cell.
            place.value = f'<div class="jp-RenderedHTMLCommon">{shown}</div>'
        except Exception as error:
            # A traceback would go nowhere: the cell has ended long ago.
            words = f"{type(error).__name__}: {error}"
            place.value = f'<pre role="alert">{escape(words)}</pre>'
        finally:
            face.disabled, face.description = False, button.text

    face.on_click(press)
    return ipw.VBox([face, place])


@checked
def run_button(text: str, task: Callable[[int], Any]) -> RunButton:
    """Show a button that runs a calculation whenever it is pressed, and its result below.

    Parameters
    ----------
    text : str
        What the button does: "Run 100 replications".
    task : callable
        Takes the number of the press, from 1, which may serve as a seed; returns a table, or
        anything else that a notebook can show as HTML or text.

    Returns
    -------
    RunButton
        The last line of a cell shows it.

    Raises
    ------
    ModelError
        If the text is empty or the task cannot be called.

    Examples
    --------
    >>> import mlteach as mt
    >>> mt.run_button("Toss a coin", lambda press: "heads" if press % 2 else "tails")
    In Jupyter, when this cell has run, a button stands here: Toss a coin
    """
    if not isinstance(text, str) or not text.strip():
        raise ModelError(f"A button needs words on it, as in 'Run 100 replications'; got {text!r}.")
    if not callable(task):
        raise ModelError(
            f"run_button() takes a function of the number of the press; got {type(task).__name__}."
        )
    return RunButton(text, task)
