"""Lessons to be moved: live in Jupyter, and on a website that needs no kernel and no network.

A widget is one pure function (values of the controls in, a figure and a few readouts out) and a
declaration of its controls. :func:`explore` shows it; calling this package, ``mlteach.widgets()``,
lists the lessons of the book.

The machinery knows nothing of multilevel models and serves any notebook:

* ``controls`` and ``base`` declare a widget, ``look`` gives its figures size, letters and colours;
* ``svg`` turns a figure into text, ``page`` writes what both lives have in common;
* ``live`` is the panel in Jupyter, ``button`` what runs too long to follow a slider;
* ``frames`` draws all figures of the website, ``twin`` stores them and writes the panel that shows
  them, which ``assets/twin.js`` moves;
* ``lessons`` holds the widgets of the book, one a module with its words beside it, which ``lesson``
  reads.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pandas as pd

from mlteach.core.lazy import lazy_names
from mlteach.widgets.catalogue import table

# The names and their homes stand in __init__.pyi, where editors read them too.
__all__, __getattr__, __dir__ = lazy_names(__name__, __file__)


class _Catalogue(ModuleType):
    """A package that can be called, so that ``mt.widgets()`` lists what ``mt.widgets`` holds."""

    def __call__(self) -> pd.DataFrame:
        return table()


sys.modules[__name__].__class__ = _Catalogue
