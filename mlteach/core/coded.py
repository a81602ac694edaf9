"""A part of a formula as columns of numbers, and how to make them again for other rows.

formulaic evaluates, with nothing in reach but the columns and the functions on the list. Levels of
categories and constants of transformations are those of the fit; what they cannot take is refused.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce

import formulaic
import numpy as np
import pandas as pd

from mlteach.core import expression
from mlteach.core.columns import check_size
from mlteach.core.expression import SAFE
from mlteach.core.part import Part
from mlteach.errors import DataError, FormulaError, shown

THE_DATA, THESE_ROWS = "the data", "these rows"  # of the fit, and others
_BETWEEN_FACTORS = re.compile(r":(?![^\[(]*[\])])")
_COLUMN = re.compile(r"ǀ\d+|C\(ǀ\d+c(,.*)?\)", re.DOTALL)


@dataclass(frozen=True)
class Coded:
    """A part as it was evaluated in a fit, and how to evaluate it for other rows.

    Attributes
    ----------
    part : Part
    spec : formulaic.ModelSpec
        Levels and constants of the fit, in safe words.
    """

    part: Part = field(repr=False)
    spec: formulaic.ModelSpec = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(self.part.shown(name) for name in self.spec.column_names)

    @property
    def factors(self) -> tuple[tuple[str, ...], ...]:
        """What each column is the product of: ("a", "f[T.b]"); one name if it is no product."""
        made = {k: len(term.factors) for term, at in self.terms.items() for k in at}
        parts = (
            _BETWEEN_FACTORS.split(name) if made[k] > 1 else [name]
            for k, name in enumerate(self.spec.column_names)
        )
        return tuple(tuple(map(self.part.shown, own)) for own in parts)

    @property
    def terms(self) -> dict:
        """Columns of each term: term -> list of positions."""
        return dict(self.spec.term_indices)

    def columns_of(self, term: object) -> set[str]:
        """Names of the columns that a term or a factor reads."""
        return self.part.columns_of(term)

    @staticmethod
    def is_column(factor: str) -> bool:
        """Whether a factor is a column as it stands, alone or in C()."""
        return bool(_COLUMN.fullmatch(factor))

    def subset(self, terms: Sequence) -> Coded:
        """The same for some of its terms."""
        return Coded(self.part, self.spec.subset(list(terms)))

    def levels(self) -> dict[str, tuple]:
        """Categories of each categorical factor, by its safe expression: (levels, reference)."""
        own = {factor for term in self.terms for factor in term.factors}
        return {
            str(factor): (state["categories"], getattr(state["contrasts"].contrasts, "base", None))
            for factor, (kind, state) in self.spec.encoder_state.items()
            if kind.value == "categorical" and factor in own
        }

    def evaluate(self, data: pd.DataFrame) -> np.ndarray:
        """Its columns for other rows, with the levels and constants of the fit.

        Raises
        ------
        DataError
        """
        part = self.part
        used = {int(k) for term in self.terms for k, _ in SAFE.findall(str(term))}
        roles = frozenset((k, role) for k, role in part.roles if k in used)
        frame = _frame(replace(part, roles=roles).values(data), len(data))
        _check_levels(self, frame)
        made = _evaluated(part, THESE_ROWS, _matrix, self.spec, frame)
        values = np.asarray(made, float)
        check_finite(values, self.names, data)
        return values


def coded(part: Part, data: pd.DataFrame) -> tuple[np.ndarray, Coded]:
    """Evaluate a part of a formula on the rows of a fit, which are complete.

    Raises
    ------
    DataError, FormulaError
    """
    if list(map(str, part.formula)) == ["1"]:
        return np.ones((len(data), 1)), Coded(part, _numeric_spec(("1",), frozenset()))
    columns, frame = part.values(data), None
    if all(role == "" and part.kinds[k] != "text" for k, role in part.roles):
        spec = _numeric_spec(tuple(map(str, part.formula)), part.roles)
        values = _products(spec, columns, len(data))
    else:
        frame = _frame(columns, len(data))
        made = _evaluated(part, THE_DATA, _matrix, part.formula, frame)
        values, spec = np.asarray(made, dtype=float), made.model_spec
    result = Coded(part, spec)
    names = result.names
    for name, largest in zip(names, check_finite(values, names, data), strict=True):
        check_size(largest, f"'{name}'")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"Two predictors of '{part.model}' would be called '{twice}'; rename a column of the "
            "table."
        )
    _check_terms(result, frame)
    return values, result


def _frame(columns: dict, N: int) -> pd.DataFrame:
    """What formulaic reads; rows by position."""
    return pd.DataFrame(columns, index=range(N), copy=False)


@lru_cache(maxsize=256)
def _numeric_spec(terms: tuple[str, ...], roles: frozenset) -> formulaic.ModelSpec:
    """How formulaic codes columns of numbers and their products: the same for any values."""
    row = pd.DataFrame({f"ǀ{number}": [0.0] for number, _ in sorted(roles)}, index=[0])
    return _matrix(formulaic.Formula(list(terms)), row).model_spec


def _products(spec: formulaic.ModelSpec, columns: dict, N: int) -> np.ndarray:
    """Columns of numbers and their products, in a fraction of formulaic's time, shape (N, p)."""
    known = {"1": np.ones(N), **columns}
    with np.errstate(all="ignore"):  # what has no value is found afterwards, as in _matrix
        made = [
            reduce(np.multiply, [known[str(factor)] for factor in term.factors])
            for term in spec.term_indices
        ]
    return np.stack(made, axis=1) if made else np.zeros((N, 0))


def _matrix(spec, frame: pd.DataFrame):
    # What has no value is found afterwards and named with its rows.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", formulaic.errors.DataMismatchWarning)
        return spec.get_model_matrix(
            frame, output="numpy", na_action="ignore", context=expression.context()
        )


def _evaluated(part: Part, where: str, compute: Callable, *arguments: object):
    try:
        return compute(*arguments)
    except Exception as error:  # NumPy, pandas and formulaic say all kinds of things
        reason = part.shown(re.sub(r"\x1b?\[[\d;]*m", "", str(error))).splitlines()[0]
        kind = FormulaError if where == THE_DATA else DataError
        raise kind(f"'{part.text}' cannot be evaluated for {where}: {reason}") from error


def check_finite(values: np.ndarray, names: Sequence[str], data: pd.DataFrame) -> np.ndarray:
    """Largest absolute value of each column; all must be finite numbers.

    Raises
    ------
    DataError
    """
    # Column by column, which is faster than along an axis.
    largest = np.array([max(x.max(initial=0.0), -x.min(initial=0.0)) for x in values.T])
    finite = np.isfinite(largest)
    if finite.all():
        return largest
    bad = int(np.argmin(finite))
    rows = ~np.isfinite(values[:, bad])
    first = ", ".join(str(r) for r in data.index[rows][:5])
    raise DataError(
        f"'{names[bad]}' is not a finite number in {rows.sum()} row(s), first in row(s) {first}: "
        "an infinite value, or a transformation such as log() met one outside its domain."
    )


# ------------------------------------------------------------------------------------------ levels


def _factor_values(coded: Coded, factor: str, frame: pd.DataFrame) -> pd.Series:
    """Values of a categorical factor, before it is coded."""
    inner = factor
    if factor.startswith("C("):
        inner = ast.unparse(ast.parse(factor, mode="eval").body.args[0])
    if inner in frame:
        return frame[inner]
    scope = {**expression.context(), **{name: frame[name] for name in frame}}
    evaluate = formulaic.utils.stateful_transforms.stateful_eval
    values = evaluate(inner, scope, None, coded.spec.transform_state, coded.spec)
    return pd.Series(np.asarray(values))


def _check_levels(coded: Coded, frame: pd.DataFrame) -> None:
    """Refuse categories that the fit never saw; they have no coefficient."""
    for factor, (levels, _) in coded.levels().items():
        values = _evaluated(coded.part, THESE_ROWS, _factor_values, coded, factor, frame)
        known = set(levels)
        unseen = [v for v in pd.unique(values) if v not in known]
        if unseen:
            what = f"'{coded.part.shown(factor)}'"
            if coded.is_column(factor):
                what = f"Column '{next(iter(coded.columns_of(factor)))}'"
            raise DataError(
                f"{what} holds {shown(unseen[0])}, which was not in the data of the fit "
                f"(known: {', '.join(map(shown, levels))})."
            )


def _check_terms(coded: Coded, frame: pd.DataFrame | None) -> None:
    """Refuse what has no effect that could be estimated.

    That is a category with one level, a term that would vanish without a word, such as poly(x, 0),
    and an interaction of categories with an empty cell.
    """
    levels = coded.levels()
    for factor, (known, _) in levels.items():
        if len(known) == 1:
            raise DataError(
                f"'{coded.part.shown(factor)}' is {shown(known[0])} in all rows used: a category "
                "with one level has no effect that could be estimated. Leave it out of the formula."
            )
    for term, places in coded.terms.items():
        factors = [str(f) for f in term.factors if str(f) in levels]
        if not places and not factors and len(term.factors) == 1:
            raise FormulaError(
                f"'{coded.part.shown(term)}' in '{coded.part.model}' makes no column: it has no "
                "effect that could be estimated. Leave it out."
            )
        if len(factors) > 1:
            _check_cells(coded, factors, frame)


def _check_cells(coded: Coded, factors: list[str], frame: pd.DataFrame) -> None:
    known = [list(coded.levels()[f][0]) for f in factors]
    codes = [
        pd.Categorical(_factor_values(coded, f, frame), categories=own).codes.astype(np.int64)
        for f, own in zip(factors, known, strict=True)
    ]
    shape = tuple(map(len, known))
    counts = np.bincount(np.ravel_multi_index(codes, shape), minlength=int(np.prod(shape)))
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return
    at_ = np.unravel_index(empty[0], shape)
    names = [coded.part.shown(f) for f in factors]
    cell = " with ".join(
        f"{name} = {shown(own[k])}" for name, own, k in zip(names, known, at_, strict=True)
    )
    more = f" (and {len(empty) - 1} more combination(s) are empty)" if len(empty) > 1 else ""
    raise DataError(
        f"No row has {cell}{more}, so the interaction {':'.join(names)} cannot be estimated. Leave "
        f"the interaction out ({' + '.join(names)} in place of {' * '.join(names)}), or join or "
        "leave out categories so that every combination has rows."
    )
