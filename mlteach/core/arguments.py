"""Checks of arguments that many functions share, each with one wording."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import wraps

import numpy as np

from mlteach.errors import ModelError

_ELSEWHERE = {
    "weights": "rows count alike here: weights are not supported (lme4, or WeMix for survey "
    "weights, has them)",
    "offset": "offsets are not supported: subtract it from the outcome, as in I(y - x) ~ ...",
    "family": "outcomes are normal here: for others use bambi (Python) or lme4's glmer (R)",
    "subset": "choose the rows first, as in data[data['x'] > 0]",
    "na_action": "rows with missing values are left out and counted in result.dropped",
    "groups": "name the clusters in the formula, as in (1 | school)",
    "re_formula": "write the random part in the formula, as in (1 + x | school)",
    "vc_formula": "write the random part in the formula, as in (1 + x | school)",
    "control": "the optimizer needs no settings here",
    "start": "the optimizer needs no start values here",
    "contrasts": "name them in the formula, as in C(f, contr.sum)",
}


def is_whole(value: object) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return a whole number within its bounds.

    Raises
    ------
    ModelError

    Examples
    --------
    >>> whole("m", 20, least=1)
    20
    """
    if is_whole(value) and least <= value and (most is None or value <= most):
        return int(value)
    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
    raise ModelError(f"{name}={value!r} is not a whole number {bounds}.")


def one_of(name: str, value: object, known: Iterable, meaning: str = "") -> None:
    """Refuse a choice that there is not; ``meaning`` says more about those that there are.

    Raises
    ------
    ModelError
    """
    known = list(known)
    if not (isinstance(value, str) and value in known):
        *others, last = map(repr, known)
        raise ModelError(
            f"{name}={value!r} is not known; choose {', '.join(others)} or {last}{meaning}."
        )


def refuse_elsewhere(function: str, named: Iterable[str]) -> None:
    """Refuse arguments that other packages have, and say what there is instead.

    Raises
    ------
    ModelError
    """
    for name in named:
        if name in _ELSEWHERE:
            raise ModelError(f"{function} has no argument '{name}': {_ELSEWHERE[name]}.")


def own_arguments(function: Callable) -> Callable:
    """Refuse arguments that a function does not have, and say what it has instead.

    The call passes one function more: warnings that point at the caller count it in.
    """
    parameters = inspect.signature(function).parameters

    @wraps(function)
    def checked(*positional, **named):
        for name in named:
            if name not in parameters:
                refuse_elsewhere(function.__name__, [name])
                raise ModelError(_unknown(function.__name__, name, list(parameters)))
        return function(*positional, **named)

    return checked


def _unknown(function: str, name: str, parameters: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), parameters, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{function} has no argument '{name}'.{hint} It has: {', '.join(parameters)}."
