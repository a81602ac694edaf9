"""The rows of a linear hypothesis ``C beta = v``: read from equations, and checked.

A hypothesis is text or a matrix; what comes out are the weights C of the coefficients, shape
(r, p), and the values v.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.errors import FormulaError, ModelError, did_you_mean

LARGEST = np.finfo(float).max

# Part of a row that must be left when the rows above it are projected out.
INDEPENDENT = 1e-10
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def independent_rows(C: np.ndarray, null: np.ndarray, names: list[str]) -> list[int]:
    """Rows that do not follow from those above them.

    Rows that name nothing, or contradict those from which they follow, are refused.
    """
    length = np.linalg.norm(C, axis=1)
    if not length.all():
        raise ModelError(
            f"Hypothesis {length.argmin() + 1} has no coefficient in it (they cancel), so there is "
            "nothing to test."
        )
    unit, free = C / length[:, None], []
    for k, row in enumerate(unit):
        weights = np.linalg.lstsq(unit[free].T, row, rcond=None)[0]
        if np.linalg.norm(row - weights @ unit[free]) >= INDEPENDENT:
            free.append(k)
            continue
        implied = float(weights @ (null[free] / length[free]) * length[k])
        if abs(implied - null[k]) > 1e-9 * max(1.0, abs(null[k])):
            raise ModelError(
                f"'{combination(C[k], names)} = {null[k]:g}' contradicts the hypotheses before it, "
                f"which make the same combination {implied:g}. Both cannot be true."
            )
    return free


def combination(row: np.ndarray, names: list[str]) -> str:
    """A row of C as text: ``a - 2*b``, what is added before what is taken off."""
    text = ""
    for k in np.argsort(row < 0.0, kind="stable"):
        weight, name = row[k], names[k]
        if weight == 0.0:
            continue
        sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
        size = "" if abs(weight) == 1.0 else f"{abs(weight):g}*"
        text += f"{sign}{size}{name}"
    return text


def read_hypothesis(hypothesis, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Turn a hypothesis into ``C beta = null``.

    Parameters
    ----------
    hypothesis : str, sequence of str, or array of shape (r, p) or (p,)
        Equations ("a - b = 0", "a = 2", "2*a + b"; without "=" they equal zero), several
        separated by commas or in a sequence. Names are written as in ``names``, with backticks
        around them where wanted. An array holds weights, and its null values are zero; a table
        has names of coefficients as columns, and those it does not have are zero.
    names : sequence of str
        Names of the p coefficients.

    Returns
    -------
    C : ndarray, shape (r, p)
    null : ndarray, shape (r,)

    Raises
    ------
    FormulaError

    Examples
    --------
    >>> C, null = read_hypothesis("x = 2*y + 1", ["Intercept", "x", "y"])
    >>> C.tolist(), null.tolist()
    ([[0.0, 1.0, -2.0]], [1.0])
    """
    names = list(names)
    texts = [hypothesis] if isinstance(hypothesis, str) else hypothesis
    if isinstance(texts, (list, tuple)) and texts and all(isinstance(t, str) for t in texts):
        rows = [row for text in texts for row in _equations(text, names)]
        both = np.array(rows)
        return both[:, :-1], -both[:, -1] + 0.0
    C = _weights(hypothesis, names)
    return C, np.zeros(len(C))


def _weights(matrix, names: list[str]) -> np.ndarray:
    if isinstance(matrix, pd.DataFrame):
        for column in matrix.columns:
            if column not in names:
                raise FormulaError(_unknown(str(column), names))
        matrix = matrix.reindex(columns=names, fill_value=0.0)
    try:
        if np.ndim(matrix) == 0:
            raise TypeError
        C = np.atleast_2d(np.asarray(matrix, dtype=float))
    except (TypeError, ValueError):
        raise FormulaError(
            "A hypothesis is an equation such as 'a - b = 0', a list of equations or of names of "
            f"coefficients, or a matrix of weights; got {matrix!r}."
        ) from None
    if C.size == 0:
        raise FormulaError("The hypothesis is empty. Name at least one coefficient.")
    if C.ndim != 2 or C.shape[1] != len(names):
        raise FormulaError(
            f"A matrix of weights needs {len(names)} columns, one a coefficient "
            f"({', '.join(names)}); this one has the shape {np.shape(matrix)}."
        )
    if not np.isfinite(C).all():
        raise FormulaError("The matrix of weights has missing or infinite values.")
    return C


def _equations(text: str, names: list[str]) -> list[np.ndarray]:
    """Rows (weights, constant), each to be zero, of a string of equations."""
    # A minus sign copied from a printed page.
    coded = _coded(text, names).replace("\N{MINUS SIGN}", "-")
    if not coded.strip():
        raise FormulaError("The hypothesis is empty. Name at least one coefficient.")
    if re.search(r"[<>]|!=", coded):
        raise FormulaError(
            f"'{text}': only equality can be tested. A one-sided test halves the p of the t-test "
            "if the estimate lies on the side you expected."
        )
    rows = []
    for equation in coded.replace("==", "=").split(","):
        left, *right = (_linear(side, text, len(names)) for side in equation.split("="))
        if len(right) > 1:
            raise FormulaError(f"'{text}' has more than one '='. Write a list of equations.")
        rows.append(left - sum(right))
    return rows


def _coded(text: str, names: list[str]) -> str:
    """The text with each coefficient written as ``b0``, ``b1``, …: names can hold any character.

    A name counts where it is not part of a longer one; the longest comes first. One that looks like
    a number, or like nothing, counts in backticks or alone.
    """
    if text in names:
        return f"b{names.index(text)}"
    words = [name for name in names if name.strip() and not re.fullmatch(_NUMBER, name)]
    by_length = sorted(words, key=len, reverse=True)
    name = "|".join(map(re.escape, by_length)) or r"(?!)"
    token = re.compile(
        rf"(?<![\w.:\]])(?P<name>{name})(?![\w.:\[(])"
        r"|`(?P<quoted>[^`]*)`"
        rf"|(?P<number>(?<![\w.]){_NUMBER}(?![\w.:\[]))"
        r"|(?P<word>[\w.]+(?:\[[^\]]*\]|\([^()]*\)|:[\w.]*)*)"
    )

    def code(match: re.Match) -> str:
        if match["number"] is not None:
            return match["number"]
        found = match["name"] or match["word"] or match["quoted"]
        if found not in names:
            raise FormulaError(_unknown(found, names))
        return f" b{names.index(found)} "  # apart from what stands beside it, as in `a`2

    return token.sub(code, text)


def _unknown(name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names, most=2)
    return f"There is no coefficient '{name}'.{hint} The model has: {', '.join(names)}."


def _linear(side: str, text: str, p: int) -> np.ndarray:
    """Weights of the coefficients, then the constant, of one side of an equation."""
    try:
        return _value(ast.parse(side.strip(), mode="eval").body, text, p)
    except FormulaError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(
            f"'{text}' cannot be read as an equation. Write for example 'a - b = 0' or '2*a + b'."
        ) from None


def _value(node: ast.expr, text: str, p: int) -> np.ndarray:
    match node:
        case ast.Name(id=code):
            return np.eye(p + 1)[int(code[1:])]
        case ast.Constant(value=int() | float() as number) if abs(number) <= LARGEST:
            return float(number) * np.eye(p + 1)[p]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            value = _value(inner, text, p)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, text, p), _value(right, text, p)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult() if not a[:-1].any():
                    return a[-1] * b
                case ast.Mult() if not b[:-1].any():
                    return b[-1] * a
                case ast.Div() if not b[:-1].any() and b[-1] != 0.0:
                    return a / b[-1]
    raise FormulaError(
        f"'{text}' is not linear in the coefficients: these may be added, subtracted, and "
        "multiplied or divided by numbers (none of them infinite)."
    )
