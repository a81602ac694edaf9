"""The formula language: lme4's, for one grouping factor.

``outcome ~ fixed + (random | cluster)`` is taken apart here, and what is wrong with it is pointed
at; :mod:`mlteach.core.part` reads the outcome, the fixed and each random part with a table.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mlteach.core.columns import names_of
from mlteach.errors import FormulaError

_BAR = re.compile(r"\|\|?")
_BARE = re.compile(r"[^\W\d][\w.]*")
_Q = re.compile(r"""Q\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)""")
_QUOTED = re.compile(r"""`[^`]*`|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class RandomTerm:
    """One ``(effects | cluster)`` of a formula; effects in one term vary together.

    With ``||`` they do not (``correlated`` is False): each column of the term, so each category of
    one, has a variance of its own.
    """

    effects: str
    cluster: str
    correlated: bool = True


@dataclass(frozen=True)
class ModelFormula:
    """A two-level formula taken apart: ``outcome ~ fixed + (effects | cluster)``.

    ``left`` is the outcome as written, ``outcome`` the column it names, or the same text if it is a
    function of columns.
    """

    text: str
    left: str
    fixed: str
    random: tuple[RandomTerm, ...]

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        name = name_of(self.left)
        return self.left if name is None else name

    @property
    def cluster(self) -> str | None:
        """Name of the grouping column, None without random effects."""
        return self.random[0].cluster if self.random else None


# ------------------------------------------------------------------------------------------ names


def name_of(text: str) -> str | None:
    """Column that ``IQ.verb``, `` `a b` `` or ``Q("a b")`` names; None for an expression.

    Examples
    --------
    >>> name_of("IQ.verb"), name_of('Q("a b")'), name_of("log(x)")
    ('IQ.verb', 'a b', None)
    """
    if _BARE.fullmatch(text):
        return text
    if len(text) > 2 and text[0] == text[-1] == "`" and "`" not in text[1:-1]:
        return text[1:-1]
    quoted = _Q.fullmatch(text)
    return ast.literal_eval(quoted[1]) if quoted else None


def written(name: str) -> str:
    """Return a column's name as a formula must write it.

    Examples
    --------
    >>> written("IQ.verb"), written("a b")
    ('IQ.verb', '`a b`')
    """
    name = str(name)
    if _BARE.fullmatch(name):
        return name
    return f"Q({name!r})" if "`" in name or "\\" in name or not name else f"`{name}`"


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
    (RandomTerm(effects='ses', cluster='school', correlated=False),)
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a text such as 'y ~ x + (1 | g)', not {text!r}.")
    return _parsed(text)


def fixed_only(text: str) -> ModelFormula:
    """Take a formula apart that must have no random part.

    Raises
    ------
    FormulaError
    """
    model = parse(text)
    if model.random:
        raise FormulaError(
            f"'{text}' already has a random part; give the fixed part only, and cluster= and "
            "slopes=, or use fit_mixed."
        )
    return model


def with_random(
    text: str, cluster: str, effects: Sequence[str] = (), *, correlated: bool = True
) -> str:
    """Add a random intercept, and effects, to a formula that must have none.

    Examples
    --------
    >>> with_random("y ~ x", "school.id", ["x"])
    'y ~ x + (1 + x | school.id)'
    """
    bar = "|" if correlated else "||"
    return f"{fixed_only(text).text} + ({' + '.join(['1', *effects])} {bar} {written(cluster)})"


def effects_of(slopes: str | Sequence[str], columns: Sequence[str]) -> list[str]:
    """Effects as a formula writes them: columns by name, anything else as it stands."""
    names = names_of(slopes, "slopes")
    odd = [name for name in names if name not in columns and not isinstance(name, str)]
    if odd:
        raise FormulaError(f"slopes= names predictors, for example slopes=['x']; got {odd[0]!r}.")
    return [written(name) if name in columns else name for name in names]


@lru_cache(maxsize=256)
def _parsed(text: str) -> ModelFormula:
    odd = re.search(r"[\0-\x08\x0b-\x1f]", text)
    if odd:
        place = odd.start()
        raise at(text[:place], place, f"The character {odd[0]!r} has no place in a formula")
    plain, groups = _plain(text)
    if plain.count("~") != 1:
        place = plain.rfind("~") if "~" in plain else len(text)
        raise at(text, place, "A formula has exactly one '~' between outcome and predictors")
    tilde = plain.index("~")
    outcome = text[:tilde].strip()
    if not outcome:
        raise at(text, tilde, "The outcome is missing on the left of '~'")
    random = [(a, b) for a, b in groups if a > tilde and "|" in plain[a:b]]
    fixed = _without_random(text, plain, tilde, random)
    if not text[tilde + 1 :].strip():
        raise at(text, len(text), "The predictors are missing on the right of '~' (write 1)")
    terms = tuple(_random_term(text, plain, a + 1, b - 1) for a, b in random)
    clusters = dict.fromkeys(f"'{term.cluster}'" for term in terms)
    if len(clusters) > 1:
        found = f"Found the grouping factors {' and '.join(clusters)}"
        raise _more_levels(text, text.rindex("|") + 1, found)
    return ModelFormula(text, outcome, fixed, terms)


def at(text: str, place: int, message: str, more: str = "") -> FormulaError:
    """Build an error that shows the formula and points at one character of it."""
    place += 4 * text[:place].count("\n")  # a line break is shown as four spaces and more text
    shown = text.replace("\n", "     ")
    return FormulaError(f"{message}:\n  {shown}\n  {' ' * place}^{more}")


def _plain(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without what bars and tildes do not count in, and its outermost parentheses.

    Names in quotes, {...} and the arguments of f(...) are blanked.
    """
    plain = text
    for hidden in (_QUOTED, _BRACES):
        plain = hidden.sub(lambda match: "x" * len(match[0]), plain)
    open_at, groups = [], []
    for place, letter in enumerate(plain):
        if letter == "(":
            open_at.append(place)
        elif letter == ")":
            if not open_at:
                raise at(text, place, "This ')' closes nothing")
            begin = open_at.pop()
            if re.match(r"[\w.]", plain[begin - 1 : begin]):
                plain = plain[: begin + 1] + "x" * (place - begin - 1) + plain[place:]
            if not open_at:
                groups.append((begin, place + 1))
    if open_at:
        raise at(text, open_at[-1], "This '(' is never closed")
    return plain, groups


def _without_random(text: str, plain: str, tilde: int, random: list[tuple[int, int]]) -> str:
    """The fixed part: the right-hand side without its random parts, which may only be added."""
    left, fixed = plain, text
    for start, end in random:
        gap = "\0".ljust(end - start)
        left, fixed = (side[:start] + gap + side[end:] for side in (left, fixed))
    if "|" in left[tilde:]:
        place = left.index("|", tilde)
        raise at(text, place, "A random part stands in parentheses, as in (1 | school)")
    pieces = re.split(r"\+(?=\s*\0)|(?<=\0)\s*\+", fixed[tilde + 1 :])
    kept = [piece.strip() for piece in pieces if piece.strip() not in ("", "\0")]
    if any("\0" in piece for piece in kept):
        raise at(text, plain.index("|"), "A random part can only be added (+) to a formula")
    return " + ".join(kept) or "1"


def _random_term(text: str, plain: str, start: int, end: int) -> RandomTerm:
    bars = list(_BAR.finditer(plain, start, end))
    if len(bars) > 1:
        raise at(text, bars[1].start(), "One '|' is enough in a random part")
    bar = bars[0]
    effects, cluster = text[start : bar.start()].strip(), text[bar.end() : end].strip()
    if not effects:
        raise at(text, start, "Nothing varies in this random part (write 1 for the intercept)")
    if not cluster:
        raise at(text, bar.end(), "The name of the cluster column is missing here")
    if ")" in plain[bar.end() : end] and "(" not in plain[bar.end() : end]:
        raise at(text, start, "A random part stands in parentheses of its own, as in (1 | g)")
    name = name_of(cluster)
    if name is None:
        raise _no_column(text, bar.end(), cluster)
    return RandomTerm(effects, name, bar.group() == "|")


def _no_column(text: str, place: int, cluster: str) -> FormulaError:
    found = f"'{cluster}' is not one column"
    call = re.fullmatch(r"([\w.]+)\((.*)\)", cluster, re.DOTALL)
    if call:
        why = f"Clusters need no {call[1]}(), ids of any type will do: write (... | {call[2]})"
        return at(text, place, f"{found}. {why}")
    if re.search(r"[:/+*]", cluster):
        return _more_levels(text, place, found)
    return at(text, place, f"{found}; write a name with spaces as {written('a b')}")


def _more_levels(text: str, place: int, found: str) -> FormulaError:
    why = (
        "but mlteach fits two-level models: one grouping factor. For crossed or three-level models "
        "use bambi or statsmodels (Python) or lme4 (R)"
    )
    return at(text, place, f"{found}, {why}")
