"""The few exception and warning types; each message says what was found and what to do."""


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


def shown(value: object) -> str:
    """A value as a reader writes it: 3 and not ``np.int64(3)``.

    Examples
    --------
    >>> import numpy as np
    >>> shown(np.int64(3)), shown("a")
    ('3', "'a'")
    """
    return repr(value.item() if hasattr(value, "item") else value)
