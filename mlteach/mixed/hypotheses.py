"""Tests of linear hypotheses on the coefficients, one or several at once.

A hypothesis is ``C beta = v``, C of shape (r, p). Each row has a t-test; all rows together have

    W = (C beta - v)' [C Cov(beta) C']^-1 (C beta - v)        Wald's chi-square with r df
    F = scale * W / r                                         with r and df_den df

W is exact in large samples only. ``df_den`` and ``scale`` make up for the estimated covariance
matrix, each method of the degrees of freedom in its own way; for one row F is the square of t.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlteach.core.distributions import chi2_sf, f_sf
from mlteach.core.lazy import lazy_import
from mlteach.core.notes import convergence_notes
from mlteach.core.result import Shown
from mlteach.core.summary import Summary, check_level, coefficient_table, format_p
from mlteach.errors import FormulaError, ModelError
from mlteach.mixed.estimates import MixedEstimates

pd = lazy_import("pandas")


# Part of a row that must be left when the rows above it are projected out.
INDEPENDENT = 1e-10
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
# Ratio of eigenvalues of a covariance matrix below which the smaller is rounding error.
SINGULAR = 1e-14
# Satterthwaite's approximation is not to be trusted with fewer degrees of freedom (Tipton 2015).
FEW_DF = 4.0


@dataclass(frozen=True, repr=False)
class HypothesisTest(Shown):
    """A test of linear combinations of coefficients; shows as text and as HTML.

    Attributes
    ----------
    table : DataFrame
        One row a combination; columns estimate, se, df, t, p, lower, upper, and p_holm if asked
        for. Estimate and limits are those of the combination; t and p test it against its null
        value.
    statistic : float
        F of all combinations at once.
    df_num, df_den : float
        Its degrees of freedom: as many as the combinations that do not follow from others, and
        those of the denominator; infinite ``df_den`` makes it a chi-square.
    p : float
    chi2, p_chi2 : float
        Wald's chi-square with ``df_num`` degrees of freedom, and its p-value.
    scale : float
        ``F = scale * chi2 / df_num``; differs from 1 for several combinations under
        Kenward-Roger and with robust standard errors.
    null : str
        The hypothesis, as ``"a - b = 0, c = 2"``.
    method : str
        What the standard errors and degrees of freedom are.
    contrasts : DataFrame, shape (r, p)
        Weights of the coefficients in each combination.
    notes : tuple of str
        What a reader should know.
    converged : bool
        Whether the fit is at its maximum.
    """

    table: pd.DataFrame
    statistic: float
    df_num: int
    df_den: float
    p: float
    chi2: float
    p_chi2: float
    scale: float
    null: str
    method: str
    contrasts: pd.DataFrame
    notes: tuple[str, ...]
    converged: bool

    def summary(self) -> Summary:
        """The joint test, and the table of combinations under it."""
        df_den = "∞" if np.isinf(self.df_den) else f"{self.df_den:.1f}"
        facts = {
            "Null hypothesis": self.null,
            "Method": self.method,
            "F": f"F({self.df_num}, {df_den}) = {self.statistic:.3f}, p {_p(self.p)}",
            "Wald": f"χ²({self.df_num}) = {self.chi2:.3f}, p {_p(self.p_chi2)}",
        }
        tables = {"Combinations, t against their null values": self.table}
        return Summary("Test of coefficients", facts, tables, self.notes, self.converged)


def _p(p: float) -> str:
    text = format_p(p) or "not available"
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def wald_test(
    fit: MixedEstimates,
    hypothesis,
    ddf: str | None,
    robust: str | None,
    level: float,
    adjust: str | None = None,
) -> HypothesisTest:
    """Test a linear hypothesis; see :meth:`mlteach.mixed.result.MixedResult.test`.

    Raises
    ------
    FormulaError
        If the hypothesis cannot be read.
    ModelError
        If its rows contradict each other, or for an unknown method.
    """
    scaling, method = fit.problem.moments.scaling, None if robust else fit._ddf(ddf)
    test = linear_test(
        hypothesis,
        fit.params,
        scaling.scale * scaling.A,
        fit._cov_scaled(ddf, robust),
        lambda C: (fit._contrast_df(C, method, robust), *fit._joint_df(C, method, robust)),
        f"robust standard errors ({robust})" if robust else method,
        level,
        adjust,
    )
    notes = (*_notes(fit, test.table, test.df_den, robust), *test.notes)
    return replace(test, notes=notes, converged=fit.converged)


def linear_test(
    hypothesis,
    params: pd.Series,
    to_users: np.ndarray,
    cov: np.ndarray,
    degrees: Callable[[np.ndarray], tuple[np.ndarray, float, float]],
    method: str,
    level: float,
    adjust: str | None = None,
) -> HypothesisTest:
    """Test a linear hypothesis on any coefficients.

    Parameters
    ----------
    hypothesis : str, sequence of str, or matrix of shape (r, p)
    params : Series, shape (p,)
    to_users : ndarray, shape (p, p)
        Linear map from the scaled coefficients to ``params``: in the user's units a sum such as
        a + 1e6*b would lose its digits.
    cov : ndarray, shape (p, p)
        Covariance matrix of the scaled coefficients.
    degrees : callable
        From C (r, p) to the degrees of freedom of its rows, those of the joint test, and its scale.
    method : str
        What the degrees of freedom are, in words.
    level : float
    adjust : {"holm"}, optional
    """
    check_level(level)
    if adjust not in (None, "holm"):
        raise ModelError(f"adjust={adjust!r} is not known; choose 'holm', or leave it out.")
    names = list(params.index)
    C, null = read_hypothesis(hypothesis, names)
    free = _independent_rows(C, null, names)
    rows, rank = C @ to_users, len(free)
    distance, se = C @ params.to_numpy() - null, np.sqrt(np.diag(rows @ cov @ rows.T))
    labels = [_combination(row, names) for row in C]
    df, df_den, scale = degrees(C)
    table = _table(distance, null, se, df, labels, level)
    if adjust:
        table.insert(list(table).index("p") + 1, "p_holm", holm(table["p"].to_numpy()))
    chi2 = _wald(distance[free], rows[free], cov)
    F = scale * chi2 / rank
    return HypothesisTest(
        table=table,
        statistic=F,
        df_num=rank,
        df_den=df_den,
        p=f_sf(F, rank, df_den),
        chi2=chi2,
        p_chi2=float(chi2_sf(chi2, rank)),
        scale=scale,
        null=", ".join(f"{label} = {v:g}" for label, v in zip(labels, null, strict=True)),
        method=method,
        contrasts=pd.DataFrame(C, index=labels, columns=names),
        notes=_rank_note(rank, len(C)),
        converged=True,
    )


def _table(distance, null, se, df, labels: list[str], level: float) -> pd.DataFrame:
    """t-tests against the null values, then estimates and limits moved to where they belong."""
    columns = (pd.Series(values, index=labels) for values in (distance, se, df))
    table = coefficient_table(*columns, level)
    table[["estimate", "lower", "upper"]] += null[:, None]
    return table


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: valid for all of the tests at once, whatever their dependence.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return out


def _rank_note(rank: int, rows: int) -> tuple[str, ...]:
    if rank == rows:
        return ()
    return (
        f"{rows - rank} of the {rows} combinations follow(s) from the others: the joint test is of "
        f"the {rank} that do not, each combination has its own t-test.",
    )


def _wald(distance: np.ndarray, rows: np.ndarray, cov: np.ndarray) -> float:
    """Wald's chi-square, with the rows turned into an orthonormal basis of their space."""
    if np.isnan(cov).any():
        return np.nan
    basis, R = np.linalg.qr(rows.T)
    values, vectors = np.linalg.eigh(basis.T @ cov @ basis)
    if values[0] <= SINGULAR * values[-1]:
        raise ModelError(
            f"The covariance matrix of these {len(rows)} combinations is singular: robust standard "
            "errors rest on as many clusters as carry information, which are too few here. Test "
            "fewer combinations at once, or leave robust= out."
        )
    return float(np.sum((vectors.T @ np.linalg.solve(R.T, distance)) ** 2 / values))


def _notes(fit: MixedEstimates, table: pd.DataFrame, df_den: float, robust) -> tuple[str, ...]:
    notes = list(convergence_notes(fit))
    unknown = list(table.index[table["df"].isna()])
    if unknown:
        notes.append(
            f"One cluster alone determines {', '.join(unknown)}: the data cannot tell a robust "
            "standard error, and the one shown is far too small. Leave robust= out."
        )
    elif np.isnan(df_den):
        notes.append(
            "There are too few clusters for an F-test of all combinations at once with robust "
            "standard errors."
        )
    if robust and (table["df"] < FEW_DF).any():
        notes.append(
            f"With fewer than {FEW_DF:g} degrees of freedom robust p-values are not to be "
            "trusted: too few clusters carry the information."
        )
    return tuple(notes)


# ----------------------------------------------------------------------------------- the rows of C


def _independent_rows(C: np.ndarray, null: np.ndarray, names: list[str]) -> list[int]:
    """Rows that do not follow from those above them; rows that name nothing are refused."""
    basis: list[np.ndarray] = []
    free: list[int] = []
    for k, row in enumerate(C):
        length = np.linalg.norm(row)
        if length == 0.0:
            raise ModelError(
                f"Hypothesis {k + 1} has no coefficient in it (they cancel), so there is nothing "
                "to test."
            )
        left = row / length
        for direction in (*basis, *basis):
            left = left - direction * (direction @ left)
        if np.linalg.norm(left) < INDEPENDENT:
            _check_follows(C[free], null[free], C[k], null[k], names)
            continue
        basis.append(left / np.linalg.norm(left))
        free.append(k)
    return free


def _check_follows(C, null, row: np.ndarray, value: float, names: list[str]) -> None:
    """Refuse a row that contradicts the rows from which its combination follows."""
    implied = float(np.linalg.lstsq(C.T, row, rcond=None)[0] @ null)
    if abs(implied - value) > 1e-9 * max(1.0, abs(value)):
        raise ModelError(
            f"'{_combination(row, names)} = {value:g}' contradicts the hypotheses before it, which "
            f"make the same combination {implied:g}. Both cannot be true."
        )


def _combination(row: np.ndarray, names: list[str]) -> str:
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


# ------------------------------------------------------------------------------------------ reading


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
        sides = equation.split("=")
        if len(sides) > 2:
            raise FormulaError(f"'{text}' has more than one '='. Write a list of equations.")
        values = [_linear(side, text, len(names)) for side in sides]
        rows.append(values[0] - values[1] if len(values) == 2 else values[0])
    return rows


def _coded(text: str, names: list[str]) -> str:
    """The text with each coefficient written as ``b0``, ``b1``, …: names can hold any character.

    A name counts where it is not part of a longer one; the longest comes first. One that looks like
    a number, or like nothing, counts in backticks or alone.
    """
    if text in names:
        return f"b{names.index(text)}"
    by_length = sorted(filter(_is_word, names), key=len, reverse=True)
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
        return f"b{names.index(found)}"

    return token.sub(code, text)


def _is_word(name: str) -> bool:
    return bool(name) and not re.fullmatch(_NUMBER, name)


def _unknown(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=2)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"There is no coefficient '{name}'.{hint} The model has: {', '.join(names)}."


def _linear(side: str, text: str, p: int) -> np.ndarray:
    """Weights of the coefficients, then the constant, of one side of an equation."""
    try:
        tree = ast.parse(side.strip(), mode="eval").body
    except SyntaxError:
        raise FormulaError(
            f"'{text}' cannot be read as an equation. Write for example 'a - b = 0' or '2*a + b'."
        ) from None
    return _value(tree, text, p)


def _value(node: ast.expr, text: str, p: int) -> np.ndarray:
    match node:
        case ast.Name(id=code):
            return np.eye(p + 1)[int(code[1:])]
        case ast.Constant(value=int() | float() as number) if np.isfinite(number):
            return number * np.eye(p + 1)[p]
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
