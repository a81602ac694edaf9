"""Checks of arguments that all functions share, each with one wording.

:func:`checked` reads the names and annotations of a function; what they leave open (a table, a fit,
a choice of words) the function checks itself. Without it an array in the place of a word ends in
another package's error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from numbers import Real
from typing import TypeVar

import numpy as np

from mlteach.errors import ModelError, did_you_mean

Function = TypeVar("Function", bound=Callable)
#: A larger whole number is none to NumPy; only a seed may be one.
LARGEST = 2**63 - 1

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
        choices = f"{', '.join(others)} or {last}" if others else last
        raise ModelError(f"{name}={value!r} is not known; choose {choices}{meaning}.")


def refuse_others(
    given: Iterable, known: Iterable, what: str, others: str, error: type[Exception] = ModelError
) -> None:
    """Refuse a name that is not among the known ones, and say which ones there are.

    Raises
    ------
    ModelError, or the error that is told

    Examples
    --------
    >>> refuse_others(["sex"], ["ses"], "is no random slope", "Random slopes")
    Traceback (most recent call last):
    mlteach.errors.ModelError: 'sex' is no random slope. Did you mean 'ses'? Random slopes: ses.
    """
    known = list(known)
    for name in given:
        if name not in known:
            names = list(map(str, known))
            hint = did_you_mean(name, names)
            raise error(f"'{name}' {what}.{hint} {others}: {', '.join(names) or 'none'}.")


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1).

    Raises
    ------
    ModelError
    """
    if not (isinstance(level, float | np.floating) and 0.0 < level < 1.0):
        raise ModelError(
            f"A confidence level lies between 0 and 1, for example 0.95; got {level!r}."
        )


# ------------------------------------------------------------------- what a signature says


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
    if isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) > 1:
        return False
    try:
        return all(accepts(v) for v in value)
    except TypeError:
        return False


KINDS = {
    "str": ("a name", _is_name),
    "bool": ("True or False", _is_bool),
    "int": ("a whole number", is_whole),
    "float": ("a number", _is_number),
    "Callable[..., Any]": ("a function", callable),
    "Callable[[Any], pd.DataFrame]": ("a function", callable),
    "None": ("None", lambda v: v is None),
    "Sequence[str]": ("a list of names", lambda v: _are(_is_name, v)),
    "Sequence[float]": ("a list of numbers", lambda v: _are(_is_number, v)),
    "Mapping[str, str]": ("a dict of words", lambda v: isinstance(v, Mapping)),
    "Mapping[str, object]": ("a dict from names to values", lambda v: isinstance(v, Mapping)),
    "Mapping[str, float]": (
        "a dict from names to numbers",
        lambda v: isinstance(v, Mapping) and _are(_is_number, list(v.values())),
    ),
    "np.random.Generator": ("a numpy Generator", lambda v: isinstance(v, np.random.Generator)),
}
# Beside a list of names a single one is told from it by being text.
ONE_OR_MANY = ("a name", lambda v: isinstance(v, str))


def checked(function: Function | None = None, /, **instead: str) -> Function:
    """Refuse arguments that a function does not have, or of another kind than its annotations name.

    Parameters
    ----------
    function : callable
    **instead : str
        By the name of an argument: what to do with a value that it does not take.

    Raises
    ------
    ModelError
        In the call: names the argument, and says what there is or what it takes.

    Examples
    --------
    >>> @checked
    ... def half(x: float, unit: str = "m") -> str:
    ...     return f"{x / 2} {unit}"
    >>> half(3)
    '1.5 m'
    """
    if function is None:
        return partial(checked, **instead)
    signature = inspect.signature(function)
    parameters = signature.parameters
    names = [name for name, p in parameters.items() if not _is_bound(p)]
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    kinds = {name: _kinds(p) for name, p in parameters.items()}

    @wraps(function)
    def call(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            if not is_open:
                refuse_unknown(function.__name__, kwargs, names)
            raise ModelError(f"{function.__name__}: {error}.") from None
        for name, value in given.items():
            if name != "seed" and is_whole(value) and abs(value) > LARGEST:
                raise ModelError(f"{function.__name__}: {name} is too large a number, beyond 2^63.")
            if kinds[name] and not any(accepts(value) for _, accepts in kinds[name]):
                takes = " or ".join(words for words, _ in kinds[name])
                more = f"; {instead[name]}" if name in instead else ""
                raise ModelError(
                    f"{function.__name__}: {name}={_short(value)} is not {takes}{more}."
                )
            if name == "level" and kinds[name] == [KINDS["float"]]:
                check_level(value)
        return function(*args, **kwargs)

    return call


def _is_bound(parameter: inspect.Parameter) -> bool:
    """Whether a method has this without being told: functions of estimates are methods too."""
    return parameter.name == "self" or str(parameter.annotation).endswith("Estimates")


def _kinds(parameter: inspect.Parameter) -> list[tuple[str, Callable]]:
    """What an annotation accepts, in words and as a test; empty if it leaves that open.

    What *args and **kwargs gather is for the function to check.
    """
    annotated = str(parameter.annotation).split(" | ")
    gathers = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    if gathers or not set(annotated) <= set(KINDS):
        return []
    many = "Sequence[str]" in annotated
    return [ONE_OR_MANY if many and part == "str" else KINDS[part] for part in annotated]


def refuse_unknown(function: str, given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse arguments that a function does not have, and say what there is instead.

    Raises
    ------
    ModelError
    """
    for name in given:
        if name in known:
            continue
        if name in _ELSEWHERE:
            raise ModelError(f"{function} has no argument '{name}': {_ELSEWHERE[name]}.")
        hint = did_you_mean(name.lower(), known)
        raise ModelError(f"{function} has no argument '{name}'.{hint} It has: {', '.join(known)}.")


def _short(value: object) -> str:
    if hasattr(value, "_repr_html_"):
        return f"<{type(value).__name__}>"  # a table, or a fit
    text = repr(value).splitlines()[0] if repr(value) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
