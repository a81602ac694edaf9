"""Published studies: their designs and printed numbers, to be run again and compared."""

from mlteach.core.lazy import lazy_names

# The names and their homes stand in __init__.pyi, where editors read them too.
__all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
