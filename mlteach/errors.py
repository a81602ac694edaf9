"""The few exception and warning types; each message says what was found and what to do."""

import difflib
import sys
import warnings
from collections.abc import Iterable


class MLTeachError(ValueError):
    """Base of all errors raised by mlteach."""


class DataError(MLTeachError):
    """The table cannot be used as it is: a column, some rows or their values."""


class FormulaError(MLTeachError):
    """The formula cannot be read or asks for something outside two-level models."""


class ModelError(MLTeachError):
    """The model cannot be fitted to, or the question not put to, these data."""


class ConvergenceWarning(UserWarning):
    """A fit stopped before the maximum; its numbers should not be used."""


class DataWarning(UserWarning):
    """The data were usable, but not all of them or not as they stood."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn, and point at the line outside this package that led here."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == "mlteach":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def shown(value: object) -> str:
    """A value as a reader writes it: 3 and not ``np.int64(3)``.

    Examples
    --------
    >>> import numpy as np
    >>> shown(np.int64(3)), shown("a")
    ('3', "'a'")
    """
    return repr(value.item() if hasattr(value, "item") else value)


def did_you_mean(name: object, known: Iterable[str], most: int = 1) -> str:
    """Names that come close to one that there is not, as a question; empty if none does.

    Examples
    --------
    >>> did_you_mean("maths", ["math", "ses"])
    " Did you mean 'math'?"
    """
    close = difflib.get_close_matches(str(name), list(known), n=most)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
