"""The formula language: lme4's, for one grouping factor.

``outcome ~ fixed + (random | cluster)`` is taken apart here, and what is wrong with it is pointed
at; the fixed part and each random part are then read by formulaic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from mlteach.core.lazy import lazy_import
from mlteach.errors import FormulaError

formulaic = lazy_import("formulaic")

_BAR = re.compile(r"\|\|?")
_NAME = re.compile(r"^[^\W\d]\w*$")
_MARK = re.compile(r"⧛(.*?)⧚")


@dataclass(frozen=True)
class RandomTerm:
    """One ``(effects | cluster)`` of a formula; effects in one term vary together."""

    effects: str
    cluster: str


@dataclass(frozen=True)
class ModelFormula:
    """A two-level formula taken apart: ``outcome ~ fixed + (effects | cluster)``."""

    text: str
    outcome: str
    fixed: str
    random: tuple[RandomTerm, ...]

    @property
    def cluster(self) -> str | None:
        """Name of the grouping column, None without random effects."""
        return self.random[0].cluster if self.random else None


# ---------------------------------------------------------------------------------------- parsing


def parse(text: str) -> ModelFormula:
    """Take a model formula apart.

    Parameters
    ----------
    text : str
        For example ``"math ~ ses + (1 + ses | school)"``. ``(x || g)`` asks for uncorrelated
        effects.

    Returns
    -------
    ModelFormula

    Raises
    ------
    FormulaError
        With the place marked, if the text is not a two-level formula.

    Examples
    --------
    >>> parse("math ~ ses + (ses || school)").random
    (RandomTerm(effects='1', cluster='school'), RandomTerm(effects='0 + ses', cluster='school'))
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a text such as 'y ~ x + (1 | g)', not {text!r}.")
    return _parsed(text)


@lru_cache(maxsize=256)
def _parsed(text: str) -> ModelFormula:
    _check_parentheses(text)
    if text.count("~") != 1:
        place = text.rfind("~") if "~" in text else len(text)
        raise _at(text, place, "A formula has exactly one '~' between outcome and predictors")
    outcome, right = (part.strip() for part in text.split("~"))
    if not outcome:
        raise _at(text, text.index("~"), "The outcome is missing on the left of '~'")
    fixed, random = _split_random(text, text.index("~") + 1)
    if not right:
        raise _at(text, len(text), "The predictors are missing on the right of '~' (write 1)")
    random_terms = tuple(term for piece in random for term in _random_terms(text, *piece))
    _check_one_cluster(text, random_terms)
    return ModelFormula(text, outcome, fixed, random_terms)


def _at(text: str, place: int, message: str) -> FormulaError:
    """Build an error that shows the formula and points at one character of it."""
    return FormulaError(f"{message}:\n  {text}\n  {' ' * place}^")


def _check_parentheses(text: str) -> None:
    open_at = []
    for place, letter in enumerate(text):
        if letter == "(":
            open_at.append(place)
        elif letter == ")":
            if not open_at:
                raise _at(text, place, "This ')' closes nothing")
            open_at.pop()
    if open_at:
        raise _at(text, open_at[-1], "This '(' is never closed")


def _split_random(text: str, start: int) -> tuple[str, list[tuple[str, int]]]:
    """Separate the right-hand side into its fixed part and its ``( | )`` groups."""
    fixed, random, depth, begin = [], [], 0, start
    for place in range(start, len(text)):
        letter = text[place]
        if letter == "(":
            if depth == 0:
                begin = place
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                inside = text[begin + 1 : place]
                if _BAR.search(inside):
                    random.append((inside, begin + 1))
                    fixed.append("\0")
                else:
                    fixed.append(text[begin : place + 1])
        elif depth == 0:
            if letter == "|":
                message = "A random part stands in parentheses, as in (1 | school)"
                raise _at(text, place, message)
            fixed.append(letter)
    return _without_random("".join(fixed), text), random


def _without_random(fixed: str, text: str) -> str:
    """Remove the places of the random parts, which may only be added."""
    pieces = [piece.strip() for piece in re.split(r"\+(?=\s*\0)|(?<=\0)\s*\+", fixed)]
    kept = [piece for piece in pieces if piece not in ("", "\0")]
    if any("\0" in piece for piece in kept):
        place = next(m.start() for m in _BAR.finditer(text))
        raise _at(text, place, "A random part can only be added (+) to a formula")
    return " + ".join(kept) or "1"


def _random_terms(text: str, inside: str, offset: int) -> list[RandomTerm]:
    bars = list(_BAR.finditer(inside))
    if len(bars) > 1:
        raise _at(text, offset + bars[1].start(), "One '|' is enough in a random part")
    bar = bars[0]
    effects, cluster = inside[: bar.start()].strip(), inside[bar.end() :].strip()
    if not effects:
        raise _at(text, offset, "Nothing varies in this random part (write 1 for the intercept)")
    if not cluster:
        raise _at(text, offset + bar.end(), "The name of the cluster column is missing here")
    if not _NAME.match(cluster):
        raise _more_levels(text, offset + bar.end(), f"'{cluster}' is not one column")
    if bar.group() == "|":
        return [RandomTerm(effects, cluster)]
    return [RandomTerm(piece, cluster) for piece in _one_by_one(text, offset, effects)]


def _one_by_one(text: str, offset: int, effects: str) -> list[str]:
    """Effects of an ``||`` part, each as a formula of its own."""
    names = [str(term) for term in read_part(text, effects)]
    return [name if name == "1" else f"0 + {name}" for name in names]


def _check_one_cluster(text: str, random: tuple[RandomTerm, ...]) -> None:
    clusters = list(dict.fromkeys(term.cluster for term in random))
    if len(clusters) > 1:
        place = text.rindex("|") + 1
        found = " and ".join(f"'{c}'" for c in clusters)
        raise _more_levels(text, place, f"Found the grouping factors {found}")


def _more_levels(text: str, place: int, found: str) -> FormulaError:
    return _at(
        text,
        place,
        f"{found}, but mlteach fits two-level models: one grouping factor. For crossed or "
        "three-level models use bambi or statsmodels (Python) or lme4 (R)",
    )


def _from_formulaic(text: str, part: str, error: Exception) -> FormulaError:
    """Say formulaic's complaint about a part with its place in the whole formula."""
    lines = str(error).strip().splitlines() or ["cannot be read"]
    marked = next((line for line in lines if "⧛" in line), "")
    before = re.sub(r"\x1b?\[[\d;]*m", "", marked.split("⧛")[0])
    place = max(text.find(part), 0) + len(before)
    reason = re.sub(r"\x1b?\[[\d;]*m", "", _MARK.sub(r"\1", lines[0])).rstrip(".: ")
    return _at(text, min(place, len(text)), f"The formula cannot be read ({reason})")


# ---------------------------------------------------------------------------------- its parts


def read_part(text: str, part: str) -> formulaic.Formula:
    """Read one part of a formula with formulaic; errors show the place in the whole text.

    Raises
    ------
    FormulaError
    """
    try:
        return _read(part)
    except formulaic.errors.FormulaicError as error:
        raise _from_formulaic(text, part, error) from error


@lru_cache(maxsize=256)
def _read(part: str) -> formulaic.Formula:
    return formulaic.Formula(part)


@lru_cache(maxsize=256)
def variables(part: str) -> frozenset[str]:
    """Columns that a part of a formula reads.

    formulaic's own ``required_variables`` forgets those inside stateful transforms such as
    ``center(x)``.
    """
    formula = _read(part)
    known = {*formulaic.transforms.TRANSFORMS, "np", "numpy"}
    names = {str(name) for name in formula.required_variables}
    for term in formula:
        for factor in term.factors:
            if factor.eval_method.value == "python":
                found = formulaic.utils.variables.get_expression_variables(factor.expr, {})
                names |= {str(v.root) for v in found} - known
    return frozenset(names)
