"""One part of a formula with the table it is for: read, checked, and made columns.

Names of columns become safe words before formulaic sees them, and what formulaic calls the columns
is translated back: a name may then hold anything, and nothing in a formula means more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import formulaic
import pandas as pd

from mlteach.core import expression
from mlteach.core.columns import category, check_there, kind_of, not_there, numbers
from mlteach.core.expression import SAFE, Expression, UnknownName
from mlteach.core.formula import at, name_of, written
from mlteach.errors import DataError, FormulaError, MLTeachError, shown

_WORD = re.compile(
    r"""(?P<column>`[^`]*`|(?<![\w.])Q\(\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\))"""
    r"""|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
    r"""|(?P<word>(?<![\w.])[^\W\d][\w.]*)(?=(?P<call>\s*\()?)(?=(?P<argument>\s*=(?!=))?)"""
    r"""|[\w.]+""",
    re.DOTALL,
)
_METHOD = re.compile(r"(.*?)(\.str\.|\.isin$|$)(.*)", re.DOTALL)
_SHOWN = re.compile(r"(?<![^:])ǀ(?P<alone>\d+)[vcb]?(?![^:\[])|ǀ(?P<inside>\d+)[vcb]?")
_OPERATORS = {"+", "-", "*", "/", ":", "**", "^"}
_POWERS = ("**", "^")
# Terms that a power may make before it is a slip of the pen.
MOST_TERMS = 10_000
_HINTS = {
    "=": "write I(x == 1) for a comparison, and where(...) for a choice",
    "<": "write I(x < 1) for a comparison",
    ">": "write I(x > 1) for a comparison",
    "!": "write I(x != 1) for a comparison",
    "&": "write I((x > 1) & (z > 1)), or x:z for an interaction",
    "$": "a column is named alone, without its table",
    "in": "write I(isin(x, [1, 2])), or a:b for an interaction",
    "|": "a random part stands in parentheses, as in (1 | school)",
    "~": "one '~' is enough",
    "@": "'@' has no meaning here",
    ",": "a comma stands inside a function only",
}


@dataclass(frozen=True)
class Part:
    """A part of a formula that has been read for a table.

    Attributes
    ----------
    model : str
        The whole formula.
    text : str
        The part as written.
    formula : formulaic.Formula
        In safe words.
    names : dict of int to str
        Column behind each safe word.
    kinds : dict of int to str
        "number", "truth" or "text".
    roles : frozenset of (int, str)
        How the columns are used; see :class:`mlteach.core.expression.Expression`.
    notes : tuple of str
        What a reader may not expect.
    """

    model: str
    text: str
    formula: formulaic.Formula = field(repr=False)
    names: dict[int, str]
    kinds: dict[int, str]
    roles: frozenset[tuple[int, str]]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns it reads."""
        return sorted(set(self.names.values()))

    def columns_of(self, term: object) -> set[str]:
        """Names of the columns that one of its terms reads."""
        numbers = {int(number) for number, _ in SAFE.findall(str(term))}
        return {self.names[number] for number in numbers & self.names.keys()}

    def shown(self, text: object, *, in_formula: bool = False) -> str:
        """Translate safe words back: a column alone by its name, in a function as written.

        ``in_formula`` writes columns as a formula must, wherever they stand.
        """

        def name(match: re.Match) -> str:
            alone = match["alone"] is not None and not in_formula
            column = self.names.get(int(match["alone"] or match["inside"]))
            return match[0] if column is None else column if alone else written(column)

        return _SHOWN.sub(name, str(text))

    def values(self, data: pd.DataFrame) -> dict:
        """Arrays by safe words, each converted to what its role needs.

        Raises
        ------
        DataError
            If a column holds another kind of values than when the part was read.
        """
        made = {}
        for number, role in sorted(self.roles):
            name, was_text = self.names[number], self.kinds[number] == "text"
            values = data[name]
            is_text = kind_of(values, name) == "text"
            if is_text != was_text:
                words = {True: "text or categories", False: "numbers"}
                raise DataError(
                    f"Column '{name}' holds {words[is_text]} here, such as "
                    f"{shown(values.iloc[0])}, but {words[was_text]} in the data of the fit."
                )
            made[f"ǀ{number}{role}"] = _converted(values, name, is_text, role)
        return made


def _converted(values: pd.Series, name: str, is_text: bool, role: str):
    if role == "c" or (is_text and role == ""):
        return category(values).array
    if is_text:
        return values.astype(object).array
    made = numbers(values, name)
    return made.astype(bool) if role == "b" else made


# ----------------------------------------------------------------------------------------- reading


def read_part(model: str, text: str, data: pd.DataFrame) -> Part:
    """Read one part of a formula for a table; errors show the place in the whole formula.

    Parameters
    ----------
    model : str
        The whole formula, for messages.
    text : str
    data : DataFrame

    Raises
    ------
    FormulaError
        What cannot be read, or is not on the list of what may be computed.
    DataError
        A column that is not in the table, or of a type that no formula can use.
    """
    reader = _Reader(model, text, data)
    formula = reader.parsed(_formula, reader.safe_text())
    notes = tuple(reader.notes)
    return Part(model, text, formula, reader.names, reader.kinds, frozenset(reader.roles), notes)


class _Reader:
    """One reading of one part: what it finds on the way is kept here."""

    def __init__(self, model: str, text: str, data: pd.DataFrame) -> None:
        self.model, self.text, self.data = model, text, data
        self.names: dict[int, str] = {}
        self.kinds: dict[int, str] = {}
        self.roles: set[tuple[int, str]] = set()
        self.notes: list[str] = []

    def safe_text(self) -> str:
        """The part in safe words, every piece of it checked."""
        tokens = self.parsed(_tokens, _WORD.sub(self._safe_word, self.text))
        before = ["", *(token.token for token in tokens)]
        pieces = [self._checked(*pair) for pair in zip(tokens, before, strict=False)]
        self._check_powers(tokens)
        return " ".join(pieces)

    def parsed(self, parse: Callable[[str], Any], safe: str) -> Any:
        """What a parser of formulaic makes of safe words."""
        try:
            return parse(safe)
        except Exception as error:  # formulaic's parser lets what it meets inside out as it is
            raise self._cannot_be_read(error) from error

    # ------------------------------------------------------------------------------------ words

    def _safe_word(self, match: re.Match) -> str:
        if match["column"]:
            # Apart from what stands beside it: `x`2 is not the safe word of another column.
            beside = re.match(r"\w", match.string[match.end() :]) is not None
            return self._column(name_of(match["column"]) or "") + " " * beside
        if not match["word"] or match["argument"]:
            return match[0]
        known = self.data.columns
        if "ǀ" in match[0] and match[0] not in known:  # would pass for a column
            raise not_there(self.data, match[0], f"the formula '{self.model}'")
        if not match["call"]:
            return self._column(match[0]) if match[0] in known else match[0]
        name, method, rest = _METHOD.fullmatch(match[0]).groups()
        return self._column(name) + method + rest if method and name in known else match[0]

    def _column(self, name: str) -> str:
        check_there(self.data, [name], f"the formula '{self.model}'")
        number = self.data.columns.get_loc(name)
        self.names[number] = name
        if number not in self.kinds:
            self.kinds[number] = kind_of(self.data[name], name)
        return f"ǀ{number}"

    def _shown(self, text: str) -> str:
        return SAFE.sub(lambda m: written(self.names.get(int(m[1]), m[0])), text)

    # ----------------------------------------------------------------------------------- tokens

    def _checked(self, token, after: str) -> str:
        word, kind = token.token, token.kind.value
        if kind == "python":
            return self._python(word)
        if kind == "name":
            column = SAFE.fullmatch(word)
            if column is None:
                raise self._unknown(word)
            self.roles.add((int(column[1]), ""))
            return word
        if kind == "context" and word in "()":
            return word
        if kind == "operator":
            return self._operator(word)
        if kind == "value" and (word in "01" or after in _POWERS):
            return word
        if word == ".":
            raise self._refused(word, "(all columns) is not known here; name the predictors")
        raise self._refused(
            word,
            "cannot be a term: only 0 and 1 (the intercept) are numbers in a formula, and a "
            "function such as I(2 * x) holds others",
        )

    def _unknown(self, word: str) -> MLTeachError:
        if word in expression.R_HABITS:
            return self._refused(word, f"is not known; {expression.R_HABITS[word]}")
        if word in expression.FUNCTIONS:
            return self._refused(word, "is a function and needs its parentheses")
        if SAFE.search(word):  # a name and something else in one word
            return self._refused(word, "cannot be read: an operator such as + is missing in it")
        whole = next((name for name in self.data if word in str(name).split()), None)
        if whole is not None:
            return self._refused(word, f"is a part of a column's name: write {written(whole)}")
        return not_there(self.data, word, f"the formula '{self.model}'")

    def _operator(self, word: str) -> str:
        pieces = re.findall(r"\*\*|.", word)
        for piece in pieces if word not in _HINTS else [word]:
            if piece not in _OPERATORS:
                hint = _HINTS.get(piece, f"between terms stand {' '.join(sorted(_OPERATORS))}")
                raise self._refused(word, f"cannot be read here: {hint}")
        return word

    def _python(self, code: str) -> str:
        checked = Expression(code, self.kinds)
        try:
            result = checked.code()
        except UnknownName as error:
            raise self._unknown(str(error)) from None
        except FormulaError as error:
            allowed = f"\nA formula may hold: {expression.ALLOWED}."
            raise self._refused(code, f"cannot be used: {error}", allowed) from None
        if not checked.roles:
            raise self._refused(code, "has no column in it, so it is no predictor")
        self.roles |= checked.roles
        # Braces keep an expression that is no call, such as {x + 1}, in one piece.
        return result if result.endswith(")") and re.match(r"[\w.]+\(", result) else f"{{{result}}}"

    def _check_powers(self, tokens: list) -> None:
        terms = sum(token.kind.value in ("name", "python") for token in tokens)
        for base, power, exponent in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if power.token not in _POWERS:
                continue
            to = int(exponent.token) if exponent.token.isdigit() else 0
            if not 1 <= to <= 9 or terms**to > MOST_TERMS:
                raise self._refused(f"{power.token}{exponent.token}", "has no small whole power")
            if base.kind.value in ("name", "python"):
                shown = self._shown(base.token)
                self.notes.append(
                    f"'{shown}{power.token}{to}' as a term means {shown} alone, as in R, where a "
                    f"power crosses terms: for the power of a number write I({shown}**{to})."
                )

    # ----------------------------------------------------------------------------------- errors

    def _refused(self, word: str, why: str, more: str = "") -> FormulaError:
        shown, why = self._shown(word), self._shown(why)
        place = self.model.find(shown)
        if place < 0:
            place = max(self.model.find(self.text), 0)
        return at(self.model, place, f"'{shown}' {why}", more)

    def _cannot_be_read(self, error: Exception) -> FormulaError:
        lines = re.sub(r"\x1b?\[[\d;]*m", "", str(error)).strip().splitlines() or ["?"]
        marked = next((line for line in lines if "⧛" in line), "")
        before = self._shown(marked.split("⧛")[0]).rstrip()
        start = max(self.model.find(self.text), 0)
        reason = self._shown(re.sub("[⧛⧚]", "", lines[0])).rstrip(".: ")
        if "Kind." in reason:  # of a character that joins nothing, such as the second % in x%%y
            reason = "an operator is missing or not known"
        place = min(start + len(before), len(self.model))
        return at(self.model, place, f"The formula cannot be read ({reason})")


@lru_cache(maxsize=256)
def _tokens(safe: str) -> list:
    return list(formulaic.parser.algos.tokenize(safe))


@lru_cache(maxsize=256)
def _formula(safe: str) -> formulaic.Formula:
    return formulaic.Formula(safe)
