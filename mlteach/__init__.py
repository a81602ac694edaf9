"""Multilevel models to teach with: two-level fitters, and the questions a course puts to them."""

from mlteach.core.lazy import lazy_names

__version__ = "0.1.0"

# The names and their homes stand in __init__.pyi, where editors read them too.
__all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
