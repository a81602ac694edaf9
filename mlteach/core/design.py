"""From a formula and a table to design matrices, with a count of the rows left out.

Columns are resolved, converted and checked by :mod:`mlteach.core.columns`, the parts of the formula
by :mod:`mlteach.core.part`; rows keep the order of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mlteach.core.coded import Coded, coded
from mlteach.core.columns import (
    as_table,
    check_there,
    cluster_codes,
    examples,
    first_rows,
    kind_of,
    numbers,
    table_with,
)
from mlteach.core.formula import ModelFormula, name_of
from mlteach.core.notes import left_out_note
from mlteach.core.part import Part, read_part
from mlteach.core.summary import RESIDUAL
from mlteach.errors import DataError, FormulaError


@dataclass(frozen=True)
class Design:
    """The matrices of a two-level model; rows are those used in the fit.

    Attributes
    ----------
    y : ndarray, shape (N,)
    X : ndarray, shape (N, p)
    Z : ndarray, shape (N, q)
    codes : ndarray of int, shape (N,)
        Cluster of each row as a position in ``labels``.
    labels : Index, shape (J,)
        Cluster ids, sorted.
    blocks : tuple of tuple of int
        Columns of Z that vary together.
    x_names, z_names : tuple of str
    formula : ModelFormula
    index : Index, shape (N,)
        Row labels of the table the rows came from.
    n_rows : int
        Rows of that table before any were left out.
    dropped : Series
        Rows with a missing value, per column that has any.
    x_coded : Coded
        How to build X again for other rows.
    z_coded : tuple of Coded
        The same for the parts of Z.
    inside : dict of str to ndarray, shape (N,)
        Numeric columns of the table that stand inside functions only, as in poly(x, 2).
    """

    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray
    codes: np.ndarray
    labels: pd.Index
    blocks: tuple[tuple[int, ...], ...]
    x_names: tuple[str, ...]
    z_names: tuple[str, ...]
    formula: ModelFormula
    index: pd.Index
    n_rows: int
    dropped: pd.Series
    x_coded: Coded = field(repr=False)
    z_coded: tuple[Coded, ...] = field(repr=False)
    inside: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def column(self, name: str) -> np.ndarray:
        """Values of a numeric column of the table in the rows used, shape (N,)."""
        varying = dict(zip(self.z_names, self.Z.T, strict=True))
        return (varying | self._predictors | self.inside)[name]

    @property
    def _predictors(self) -> dict[str, np.ndarray]:
        return dict(zip(self.x_names, self.X.T, strict=True))

    @property
    def z_factors(self) -> tuple[tuple[str, ...], ...]:
        """What each column of Z is the product of."""
        return tuple(own for part in self.z_coded for own in part.factors)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the formula says that its reader may not expect."""
        made = (self.x_coded, *self.z_coded)
        return tuple(dict.fromkeys(note for own in made for note in own.part.notes))

    @property
    def plain(self) -> dict[str, np.ndarray]:
        """The outcome and the predictors that are called like columns, not like functions."""
        own = {name: x for name, x in self._predictors.items() if name.isidentifier()}
        return {self.formula.outcome: self.y, **own}


def design(formula: ModelFormula, data: pd.DataFrame) -> Design:
    """Build the matrices of a two-level model from a table.

    Parameters
    ----------
    formula : ModelFormula
        From :func:`mlteach.core.formula.parse`; it must have a random part.
    data : DataFrame
        One row a level-1 unit. Rows with a missing value in a column of the model are left out
        and counted in ``dropped``.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        Names the column, and the rows where that helps.
    FormulaError
        If a part of the formula cannot be evaluated.
    """
    # Without its attributes, which pandas would copy with every column that is taken.
    data = pd.DataFrame(as_table(data), copy=False)
    outcome, fixed, *random = parts = _read(formula, data)
    columns = _needed(formula, parts, data)
    keep, dropped = _complete(data, columns)
    complete = data if keep is None else data.loc[keep, columns]
    codes, labels = cluster_codes(complete[formula.cluster], formula.cluster)
    y = _outcome(formula, outcome, complete)
    X, x_coded = coded(fixed, complete)
    if not X.shape[1]:
        raise FormulaError(
            f"'{formula.text}' has no predictor, not even the intercept; write 1 for it."
        )
    made = [_from_fixed(part, X, x_coded) or coded(part, complete) for part in random]
    Z, z_names, blocks = _random_columns(formula, made)
    return Design(
        y=y, X=X, Z=Z, codes=codes, labels=labels, blocks=blocks,
        x_names=x_coded.names, z_names=z_names, formula=formula, index=complete.index,
        n_rows=len(data), dropped=dropped, x_coded=x_coded, z_coded=tuple(own for _, own in made),
        inside=_inside([fixed, *random], {*x_coded.names, *z_names}, complete),
    )  # fmt: skip


def _inside(parts: list[Part], own: set[str], data: pd.DataFrame) -> dict[str, np.ndarray]:
    names = {part.names[k] for part in parts for k, kind in part.kinds.items() if kind != "text"}
    return {name: numbers(data[name], name) for name in sorted(names - own)}


def new_rows(design: Design, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate X and Z on other rows, with the levels and constants of the fit.

    Raises
    ------
    DataError
        Unknown column, missing value, or a category that the fit never saw.
    """
    X = design.x_coded.evaluate(_new_table((design.x_coded, *design.z_coded), data))
    return X, new_random_rows(design, data)


def new_random_rows(design: Design, data: pd.DataFrame) -> np.ndarray:
    """Evaluate Z alone on other rows; predictors without a random effect need not be there.

    Raises
    ------
    DataError
        As :func:`new_rows`.
    """
    data = _new_table(design.z_coded, data)
    return np.hstack([part.evaluate(data) for part in design.z_coded])


def _new_table(parts: Sequence[Coded], data: pd.DataFrame) -> pd.DataFrame:
    needed = sorted(set().union(*(part.columns_of(t) for part in parts for t in part.terms)))
    data = table_with(data, needed, "the model")
    for column in needed:
        missing = int(data[column].isna().sum())
        if missing:
            raise DataError(
                f"Column '{column}' has {missing} missing value(s) in the rows to predict; "
                "drop or fill them first."
            )
    return data


def varies_within(design: Design) -> np.ndarray:
    """Which columns of X vary inside any cluster: the level-1 predictors, shape (p,) of bool."""
    row = first_rows(design.codes)[design.codes]
    return np.array([(x != x[row]).any() for x in design.X.T])


def categories(design: Design, column: str) -> list:
    """Values of a column that the fixed part takes as a category, reference first; else none."""
    for factor, (levels, base) in design.x_coded.levels().items():
        if design.x_coded.is_column(factor) and design.x_coded.columns_of(factor) == {column}:
            return sorted(levels, key=lambda value: value != base)
    return []


def columns_of(formula: ModelFormula, data: pd.DataFrame) -> list[str]:
    """Names of the columns of a table that a formula uses: outcome, predictors, cluster.

    Raises
    ------
    FormulaError, DataError
    """
    return _needed(formula, _read(formula, data), data)


def _read(formula: ModelFormula, data: pd.DataFrame) -> list[Part]:
    """The outcome, the fixed and the random parts."""
    texts = [formula.left, formula.fixed, *(term.effects for term in formula.random)]
    return [read_part(formula.text, text, data) for text in texts]


def _needed(formula: ModelFormula, parts: list[Part], data: pd.DataFrame) -> list[str]:
    """Columns the model uses, the outcome first."""
    own = parts[0].columns
    cluster = [formula.cluster] if formula.random else []
    check_there(data, cluster, f"the formula '{formula.text}'")
    predictors = sorted(set().union(*(part.columns for part in parts)) - set(own))
    if set(cluster) & {*own, *predictors}:
        raise FormulaError(
            f"'{formula.cluster}' is the cluster and cannot be outcome or predictor as well in "
            f"'{formula.text}'."
        )
    return [*own, *predictors, *cluster]


def complete_in(data: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Rows with a value in all of some columns, and a note on the others (empty if none).

    Raises
    ------
    DataError
        If there is no row, or none is complete.
    """
    keep, dropped = _complete(data, columns)
    if keep is None:
        return data, ""
    return data[keep], left_out_note(int((~keep).sum()), len(data), dropped)


def _complete(data: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray | None, pd.Series]:
    """Which rows have a value in all of some columns (None: all), and how many lack each column."""
    if not len(data):
        raise DataError("The data have no rows.")
    masks = ((column, np.asarray(data[column].array.isna(), bool)) for column in columns)
    missing = {column: mask for column, mask in masks if mask.any()}
    dropped = pd.Series({c: int(mask.sum()) for c, mask in missing.items()}, dtype=int)
    if not missing:
        return None, dropped
    keep = ~np.logical_or.reduce(list(missing.values()))
    if not keep.any():
        counts = ", ".join(f"{name} ({count})" for name, count in dropped.items())
        raise DataError(f"No row is complete. Missing values per column: {counts}.")
    return keep, dropped


def _outcome(formula: ModelFormula, outcome: Part, data: pd.DataFrame) -> np.ndarray:
    if name_of(formula.left) is not None:
        return _numeric_outcome(data[formula.outcome], formula.outcome)
    terms = [term for term in outcome.formula if str(term) != "1"]
    alone = len(terms) == 1 and len(terms[0].factors) == 1
    if not alone or outcome.columns_of(terms[0]) != set(outcome.columns):
        raise FormulaError(
            f"The outcome '{formula.outcome}' is not one column or one function of columns. Write "
            f"I(...) around what is to be calculated: I({formula.outcome}) ~ ..."
        )
    y, made = coded(outcome, data)
    kept = made.terms[terms[0]]
    if len(kept) != 1 or made.levels():
        raise DataError(
            f"The outcome '{formula.outcome}' gives {len(kept)} columns, not one number a row."
        )
    return y[:, kept[0]]


def _numeric_outcome(values: pd.Series, name: str) -> np.ndarray:
    if kind_of(values, name) == "text":
        raise DataError(
            f"The outcome '{name}' is not numeric (it holds {examples(values)} …). "
            "Convert it with pd.to_numeric, or choose a numeric outcome."
        )
    return numbers(values, name)


def _from_fixed(part: Part, X: np.ndarray, fixed: Coded) -> tuple[np.ndarray, Coded] | None:
    """Columns of a random part that are columns of X; None if others, or categories, are needed.

    How a category is coded depends on what stands before it. Leading columns are a view of X: half
    of the work of building them, and none of the memory.
    """
    terms, levels = list(part.formula), fixed.levels()
    here = set(map(str, fixed.terms))  # as text: x:z and z:x are equal, and differ in name
    leading = terms == list(fixed.part.formula)[: len(terms)]
    coded_alike = all(
        str(term) in here and levels.keys().isdisjoint(map(str, term.factors)) for term in terms
    )
    if not terms or not (leading or coded_alike):
        return None
    own = fixed.subset(terms)
    at = [k for term in own.terms for k in fixed.terms[term]]
    return X[:, : len(at)] if leading else X[:, at], own


def _random_columns(formula: ModelFormula, made: list[tuple[np.ndarray, Coded]]) -> tuple:
    """Z, the names of its columns, and which of them vary together: a part, or with ``||`` none."""
    names, blocks = [], []
    for term, (Z, own) in zip(formula.random, made, strict=True):
        if not Z.shape[1]:
            raise FormulaError(
                f"Nothing varies in the random part '{own.part.text}' of '{formula.text}' "
                "(write 1 for the intercept)."
            )
        at = range(len(names), len(names) + Z.shape[1])
        blocks += [tuple(at)] if term.correlated else [(k,) for k in at]
        names += own.names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FormulaError(f"The random effect '{twice}' is asked for more than once.")
    if RESIDUAL in names:
        raise DataError(
            f"A random effect of '{formula.text}' is called '{RESIDUAL}', as the variance within "
            "clusters is in all tables; rename the column."
        )
    Z = made[0][0] if len(made) == 1 else np.hstack([Z for Z, _ in made])
    return Z, tuple(names), tuple(blocks)
