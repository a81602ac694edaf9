"""Arguments are of the kind that a function's signature says, or the call is refused.

:func:`checked` reads the annotations; what they leave open (a table, a fit, a choice of words) the
function checks itself. Without it an array in the place of a word ends in another package's error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from numbers import Integral, Real
from typing import TypeVar

import numpy as np

from mlteach.errors import ModelError

Function = TypeVar("Function", bound=Callable)


def _is_name(value: object) -> bool:
    # Columns and groups may be named by numbers; a word that is not known the function refuses.
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_bool(value: object) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not _is_bool(value)


def _are(accepts: Callable, value: object) -> bool:
    """Whether a value is a flat collection of some kind; a string is none."""
    if isinstance(value, str | bytes | Mapping) or np.ndim(value) > 1:
        return False
    try:
        return all(accepts(v) for v in value)
    except TypeError:
        return False


KINDS = {
    "str": ("a name", _is_name),
    "bool": ("True or False", _is_bool),
    "int": (
        "a whole number",
        lambda v: isinstance(v, Integral) and not _is_bool(v),
    ),
    "float": ("a number", _is_number),
    "None": ("None", lambda v: v is None),
    "Sequence[str]": ("a list of names", lambda v: _are(_is_name, v)),
    "Sequence[float]": ("a list of numbers", lambda v: _are(_is_number, v)),
    "Mapping[str, str]": ("a dict of words", lambda v: isinstance(v, Mapping)),
    "Mapping[str, object]": ("a dict from names to values", lambda v: isinstance(v, Mapping)),
    "Mapping[str, float]": (
        "a dict from names to numbers",
        lambda v: isinstance(v, Mapping) and _are(_is_number, list(v.values())),
    ),
    "np.random.Generator": (
        "a numpy Generator",
        lambda v: isinstance(v, np.random.Generator),
    ),
}
# Beside a list of names a single one is told from it by being text.
ONE_OR_MANY = ("a name", lambda v: isinstance(v, str))


def checked(function: Function) -> Function:
    """Refuse arguments of another kind than the annotations of a function name.

    Raises
    ------
    ModelError
        In the call: names the argument, and says what it takes.

    Examples
    --------
    >>> @checked
    ... def half(x: float, unit: str = "m") -> str:
    ...     return f"{x / 2} {unit}"
    >>> half(3)
    '1.5 m'
    """
    signature = inspect.signature(function)
    annotated = {
        name: str(parameter.annotation).split(" | ")
        for name, parameter in signature.parameters.items()
    }
    kinds = {
        name: [ONE_OR_MANY if part == "str" and "Sequence[str]" in parts else KINDS[part]
               for part in parts]
        for name, parts in annotated.items()
        if set(parts) <= set(KINDS)
    }  # fmt: skip

    @wraps(function)
    def call(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            given = {}  # Python's own message on names and numbers of arguments is the clearest
        for name, kind in kinds.items():
            if name in given and not any(accepts(given[name]) for _, accepts in kind):
                takes = " or ".join(words for words, _ in kind)
                raise ModelError(
                    f"{function.__name__}: {name}= takes {takes}, not {_short(given[name])}."
                )
        return function(*args, **kwargs)

    return call


def _short(value: object) -> str:
    text = repr(value).splitlines()[0] if repr(value) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
