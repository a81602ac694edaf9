"""Figures of two-level data and models, with matplotlib.

Every function takes a fit (or data and column names) and ``ax=None``, draws, and returns the
matplotlib Axes, so that figures compose: ``fig, axes = plt.subplots(1, 2)``, then ``ax=axes[0]``.
``describe(ax)`` says in plain sentences what was drawn. Importing this changes no setting of
matplotlib; ``use_style()`` or ``with style():`` gives figures the look of the book.
"""

from mlteach.core.lazy import lazy_names

# The names and their homes stand in __init__.pyi, where editors read them too.
__all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
