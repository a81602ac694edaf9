"""Finding widgets: the lessons of the book by name, and any other by the module it is in."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd

from mlteach.errors import ModelError
from mlteach.widgets.base import Widget

LESSONS = "mlteach.widgets.lessons"


def names() -> tuple[str, ...]:
    """Names of the lessons, which are those of their modules and of the words beside them."""
    return tuple(sorted(path.stem for path in (Path(__file__).parent / "lessons").glob("*.toml")))


def find(name: str) -> Widget:
    """Find a lesson of the book by its name.

    Parameters
    ----------
    name : str
        One of the index of :func:`table`.

    Returns
    -------
    Widget

    Raises
    ------
    ModelError
        If there is none of that name; the message lists those that there are.

    Examples
    --------
    >>> find("icc").chapter
    3
    """
    if name not in names():
        raise ModelError(f"There is no widget {name!r}. There are: {', '.join(names())}.")
    return in_module(f"{LESSONS}.{name}", name)


def in_module(module: str, name: str) -> Widget:
    """Find a widget among the names of a module.

    Parameters
    ----------
    module : str
        Full name, as in an import statement.
    name : str
        The widget's own name, whatever the module calls it.

    Returns
    -------
    Widget

    Raises
    ------
    ModelError
        If the module holds no such widget.
    """
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, Widget) and value.name == name:
            return value
    raise ModelError(f"The module {module} defines no widget of the name {name!r}.")


def table() -> pd.DataFrame:
    """List the lessons of the book, in its order.

    Returns
    -------
    pandas.DataFrame
        One row a widget, indexed by ``name``: its chapter, title, controls and question.

    Examples
    --------
    >>> import mlteach as mt
    >>> print(mt.widgets().loc["icc", "title"])
    Two variances, one share
    """
    found = sorted(map(find, names()), key=lambda widget: (widget.chapter, widget.name))
    rows = {
        "chapter": [widget.chapter for widget in found],
        "title": [widget.title for widget in found],
        "controls": [", ".join(widget.start) for widget in found],
        "question": [widget.question for widget in found],
    }
    return pd.DataFrame(rows, index=pd.Index([widget.name for widget in found], name="name"))
