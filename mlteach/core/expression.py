"""What a formula may compute: a closed list, so that a formula is data and never a program.

A formula comes from a student's file or a web form as often as from its author. Python's own parser
takes an expression apart; what is not on the lists below is refused before anything runs, and what
runs finds nothing but the columns of the model and the functions named here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace

import formulaic
import numpy as np
import pandas as pd

from mlteach.errors import FormulaError

# Functions of numbers, written alone (log) or as NumPy's (np.log).
NUMERIC = (
    *("log", "log2", "log10", "log1p", "exp", "exp2", "expm1", "sqrt", "square", "abs", "sign"),
    *("floor", "ceil", "round", "sin", "cos", "tan", "minimum", "maximum", "clip"),
)
ARGUMENTS = {"minimum": (2, 2), "maximum": (2, 2), "clip": (3, 3), "round": (1, 2)}
LOGICAL = ("where", "isin")
# Their constants (mean, knots, levels) are those of the fit, in predictions too.
TRANSFORMS = ("I", "C", "center", "scale", "standardize", "poly", "bs", "cr", "cs", "cc")
CONTRASTS = ("treatment", "sum", "poly", "helmert", "diff", "SAS")
PATSY_CONTRASTS = ("Treatment", "Sum", "Poly", "Helmert", "Diff")
TEXT_METHODS = (
    *("upper", "lower", "title", "capitalize", "strip", "slice", "len", "startswith", "endswith"),
)
# What the methods of a column make.
METHODS = {
    **{f"str.{name}": "text" for name in TEXT_METHODS},
    **{"isin": "truth", "str.len": "number", "str.startswith": "truth", "str.endswith": "truth"},
}
FUNCTIONS = (*NUMERIC, *LOGICAL, *TRANSFORMS, "np", "numpy", "contr")
# More columns than this from one predictor is a slip of the pen.
MOST_COLUMNS = 100
#: Names that stand for columns in an expression: a letter no keyboard has, a number and a role.
SAFE = re.compile(r"ǀ(\d+)([vcb]?)")

ALLOWED = (
    f"numbers, names of columns, + - * / ** // % < <= > >= == != & | ~; {', '.join(NUMERIC)}, "
    f"{', '.join(LOGICAL)} (also as np.log ...); {', '.join(TRANSFORMS)}; contrasts for C() "
    f"({', '.join('contr.' + name for name in CONTRASTS)}); x.isin([...]), x.str.upper() and "
    f"{', '.join(TEXT_METHODS[1:])}"
)

R_HABITS = {
    **dict.fromkeys(("factor", "as.factor", "ordered"), "write C(...) for a category"),
    "relevel": "name the reference as in C(f, contr.treatment('b'))",
    "offset": "offsets are not supported: subtract it from the outcome, as in I(y - x) ~ ...",
    "weights": "weights are not supported",
    "ifelse": "write where(condition, a, b)",
    "interaction": "write a:b",
    "ns": "write cr(x, df=4) for a natural spline",
    "s": "smooths are not supported: write bs(x, df=4) or cr(x, df=4)",
    **dict.fromkeys(("mean", "np.mean"), "center(x) subtracts the mean and remembers it"),
    **dict.fromkeys(("sd", "std", "np.std"), "scale(x) divides by it and remembers it"),
    **dict.fromkeys(("as.numeric", "float", "int"), "convert the column in the table first"),
    "cbind": "an outcome is one column",
    **dict.fromkeys(("TRUE", "T"), "Python writes True"),
    **dict.fromkeys(("FALSE", "F"), "Python writes False"),
    **dict.fromkeys(("lag", "shift", "diff"), "make the column in the table first"),
    "contr.custom": "code the contrasts as columns of the table",
}
_WORDS = {
    ast.BitXor: "'^' is no power inside a function; write **",
    ast.LShift: "'<<' moves bits and has no meaning for data",
    ast.RShift: "'>>' moves bits and has no meaning for data",
    ast.MatMult: "'@' multiplies matrices and has no meaning for columns",
    ast.BoolOp: "write & and | between comparisons in parentheses, not 'and' and 'or'",
    ast.Not: "write ~(...) for 'not'",
    ast.In: "write isin(x, [1, 2]) for 'in'",
    ast.NotIn: "write ~isin(x, [1, 2]) for 'not in'",
    ast.Subscript: "rows or parts of a column cannot be picked out with [...]",
    ast.Lambda: "a lambda is no expression of columns",
    ast.IfExp: "write where(condition, a, b) for 'if'",
    ast.Starred: "'*' before a name has no meaning here",
}
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv)
_ORDER = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class UnknownName(Exception):
    """A name that is neither a column nor on the list."""


@dataclass
class Expression:
    """One expression as it is checked: ``code`` runs, ``columns`` are those it reads.

    Attributes
    ----------
    source : str
        With columns written as in :data:`SAFE`, without roles.
    kinds : mapping of int to str
        "number", "truth" or "text" of each column.
    roles : set of (int, str)
        How columns are used: "v" a value, "c" a category inside C(), "b" true or false.
    """

    source: str
    kinds: Mapping[int, str]
    roles: set[tuple[int, str]] = field(default_factory=set)

    def code(self) -> str:
        """Check the expression and write it with the roles of its columns.

        Raises
        ------
        FormulaError
            Says what is not allowed.
        UnknownName
        """
        for name in re.findall(r"[\w.]+(?=\s*\()", self.source):
            if name in R_HABITS:
                raise FormulaError(f"{name}() is not known; {R_HABITS[name]}")
        try:
            tree = ast.parse(self.source.strip(), mode="eval").body
            self._kind(tree)
            return ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, FormulaError):
                raise
            raise FormulaError("is no expression that can be read") from error

    # Each method returns "number", "truth", "text" or "levels" for what a node will be.

    def _kind(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return "number"
            case ast.Constant(value=str()):
                return "text"
            case ast.Name():
                return self._column(node, "v")
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                return self._logic(node.left, node.right)
            case ast.BinOp(op=op) if isinstance(op, _ARITHMETIC):
                return self._arithmetic(node)
            case ast.UnaryOp(op=ast.Invert(), operand=inner):
                return self._logic(inner)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                return self._number(inner)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, _ORDER):
                self._kind(left), self._kind(right)
                return "truth"
            case ast.Compare(ops=[_, _, *_]):
                raise FormulaError("write (1 < x) & (x < 2) for a chain of comparisons")
            case ast.Call():
                return self._call(node)
        raise FormulaError(_why_not(node))

    def _column(self, node: ast.Name, role: str) -> str:
        at = SAFE.fullmatch(node.id)
        if at is None:
            raise UnknownName(node.id)
        number = int(at[1])
        self.roles.add((number, role))
        node.id = f"ǀ{number}{role}"
        return self.kinds[number]

    def _logic(self, *operands: ast.expr) -> str:
        for operand in operands:
            is_column = isinstance(operand, ast.Name)
            kind = self._column(operand, "b") if is_column else self._kind(operand)
            if kind != "truth":
                raise FormulaError(
                    "& | ~ join what is true or false, not numbers or text: compare first, "
                    "as in (x > 1) & (z == 0)"
                )
        return "truth"

    def _arithmetic(self, node: ast.BinOp) -> str:
        sides = node.left, node.right
        kinds = {self._kind(side) for side in sides}
        reads_columns = any(isinstance(inner, ast.Name) for inner in ast.walk(node))
        if isinstance(node.op, ast.Pow) and not reads_columns:
            raise FormulaError("a power of constants has no column in it; write the number")
        if kinds == {"text"} and isinstance(node.op, ast.Add):
            return "text"
        are_comparisons = kinds == {"truth"} and not any(isinstance(s, ast.Name) for s in sides)
        if are_comparisons and not isinstance(node.op, ast.Mult):
            raise FormulaError(
                "what is true or false is only multiplied or joined by & and |; to count, "
                "write where(x > 1, 1, 0) + where(z > 1, 1, 0)"
            )
        return self._number(*sides)

    def _number(self, *nodes: ast.expr) -> str:
        if {self._kind(node) for node in nodes} & {"text", "levels"}:
            raise FormulaError("text cannot be calculated with; write C(...) for a category")
        return "number"

    def _call(self, node: ast.Call) -> str:
        name = _dotted(node.func)
        short = name.removeprefix("np.").removeprefix("numpy.")
        if short in NUMERIC and not node.keywords:
            self._number(*node.args)
            least, most = ARGUMENTS.get(short, (1, 1))
            if not least <= len(node.args) <= most:
                more = "; write log2(x), log10(x) or log(x) / log(3)" if short == "log" else ""
                raise FormulaError(f"{name}() takes {most} argument(s), not {len(node.args)}{more}")
            return "number"
        if short in LOGICAL and not node.keywords:
            return self._logical_call(node, short)
        if name in TRANSFORMS:
            return self._transform(node, name)
        column, _, method = name.partition(".")
        if SAFE.fullmatch(column) and method in METHODS:
            return self._method(node, method)
        hint = _hint(name.split(".")[-1])
        raise FormulaError(f"{ast.unparse(node.func)}() is not on the list of functions{hint}")

    def _logical_call(self, node: ast.Call, name: str) -> str:
        if name == "isin" and len(node.args) == 2:
            self._kind(node.args[0])
            _constants(node.args[1])
            return "truth"
        if name == "where" and len(node.args) == 3:
            self._logic(node.args[0])
            kinds = {self._kind(argument) for argument in node.args[1:]}
            return "text" if kinds == {"text"} else "number"
        example = "isin(x, [1, 2])" if name == "isin" else "where(x > 1, 1, 0)"
        raise FormulaError(f"{name}() is written as in {example}")

    def _transform(self, node: ast.Call, name: str) -> str:
        if not node.args:
            raise FormulaError(f"{name}() needs a column")
        first, *rest = node.args
        if name == "C":
            self._column(first, "c") if isinstance(first, ast.Name) else self._kind(first)
            given = {k.arg: k.value for k in node.keywords}
            levels = given.pop("levels", None)
            for argument in (*rest, *given.values()):
                _contrast(argument)
            if levels is not None:
                _constants(levels)
            if len(rest) > 1 or set(given) - {"contrasts"}:
                raise FormulaError("C() takes a column, contrasts and levels=, nothing else")
            return "levels"
        if name == "I":
            if rest or node.keywords:
                raise FormulaError("I() holds one expression")
            return self._kind(first)
        self._number(first)
        for argument in (*rest, *(k.value for k in node.keywords)):
            if any(value > MOST_COLUMNS for value in _constants(argument) if name != "bs"):
                raise FormulaError(f"{name}() makes at most {MOST_COLUMNS} columns")
        return "number"

    def _method(self, node: ast.Call, method: str) -> str:
        if node.keywords:
            raise FormulaError(f"{method}() is written without names of arguments")
        for argument in node.args:
            _constants(argument)
        column = node.func.value if method == "isin" else node.func.value.value
        if self._column(column, "v") != "text" and method != "isin":
            raise FormulaError(f".{method}() needs text")
        return METHODS[method]


def _dotted(node: ast.expr) -> str:
    """A chain of names as text, empty if it is anything else."""
    text = ast.unparse(node)
    return text if re.fullmatch(r"[^\W\d][\w.]*", text) else ""


def _constants(node: ast.expr) -> list:
    """Numbers of an argument that must hold nothing but numbers and texts."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(v, (bool, int, float, str)) for v in values):
        text = ast.unparse(node)
        raise FormulaError(f"{text} must be a number or a text here{_hint(text)}")
    return [v for v in values if not isinstance(v, str)]


def _contrast(node: ast.expr) -> None:
    """Accept contr.sum, contr.treatment("b") and Treatment("b")."""
    name = _dotted(node.func if isinstance(node, ast.Call) else node)
    known = {*(f"contr.{n}" for n in CONTRASTS), *PATSY_CONTRASTS}
    if name not in known:
        found, there_are = ast.unparse(node), ", ".join(sorted(known))
        raise FormulaError(f"{found} is no contrast{_hint(name)}; there are {there_are}")
    if isinstance(node, ast.Call):
        for argument in (*node.args, *(k.value for k in node.keywords)):
            _constants(argument)


def _hint(name: str) -> str:
    """What to write for a word of R's."""
    return f"; {R_HABITS[name]}" if name in R_HABITS else ""


def _why_not(node: ast.expr) -> str:
    for part in (node, getattr(node, "op", None), *getattr(node, "ops", ())):
        if type(part) in _WORDS:
            return _WORDS[type(part)]
    if isinstance(node, ast.Attribute):
        return f".{node.attr} is not on the list of functions"
    return f"{ast.unparse(node)} cannot stand in a formula"


# ------------------------------------------------------------------------------------ what runs


@cache
def context() -> dict[str, object]:
    """All that an expression can find beside its columns."""
    transforms = formulaic.transforms.TRANSFORMS
    numpy = {name: _on_numbers(getattr(np, name)) for name in NUMERIC}
    numpy |= {"where": _where, "isin": lambda x, values: np.isin(x, list(values))}
    own = {name: transforms[name] for name in (*TRANSFORMS, *PATSY_CONTRASTS)}
    contrasts = SimpleNamespace(**{n: getattr(transforms["contr"], n) for n in CONTRASTS})
    namespace = SimpleNamespace(**numpy)
    return {**numpy, **own, "contr": contrasts, "np": namespace, "numpy": namespace}


def _on_numbers(function: Callable) -> Callable:
    """NumPy computes true and false in half precision; as floats they are numbers like others."""
    return lambda *arguments: function(*map(_as_float, arguments))


def _as_float(value):
    truth = isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_
    return np.asarray(value, float) if truth else value


def _where(condition, a, b):
    values = np.where(condition, _as_float(a), _as_float(b))
    return pd.Series(values.astype(object)) if values.dtype.kind in "OU" else values
