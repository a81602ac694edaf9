"""From a formula and a table to design matrices, with a count of the rows left out.

Columns are checked here, once, at the door: they exist, are finite, have the right type. formulaic
evaluates the parts of the formula; rows keep the order of the table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlteach.core.formula import ModelFormula, read_part, variables
from mlteach.core.lazy import lazy_import
from mlteach.errors import DataError, FormulaError, shown

pd = lazy_import("pandas")

formulaic = lazy_import("formulaic")

_CATEGORICAL = re.compile(r"^C\(\s*(\w+)\s*(?:,.*)?\)$", re.DOTALL)


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
    x_spec : ModelSpec
        How to build X again for other rows.
    z_specs : tuple of ModelSpec
        The same for the parts of Z; empty where Z is the leading columns of X.
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
    x_spec: formulaic.ModelSpec = field(repr=False)
    z_specs: tuple[formulaic.ModelSpec, ...] = field(repr=False)


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
    parts = [term.effects for term in formula.random]
    needed = _needed(formula, parts, data)
    complete, dropped = _complete_rows(data, needed)
    codes, labels = _clusters(complete[formula.cluster])
    y = _outcome(formula, complete)
    X, x_names, x_spec = _matrix(formula.text, formula.fixed, complete)
    width = _leading_width(formula, x_spec)
    if width is None:
        Z, z_names, blocks, z_specs = _random_columns(formula.text, parts, complete)
    else:
        Z, z_names, blocks, z_specs = X[:, :width], x_names[:width], (tuple(range(width)),), ()
    return Design(
        y=y, X=X, Z=Z, codes=codes, labels=labels, blocks=blocks,
        x_names=x_names, z_names=z_names, formula=formula, index=complete.index,
        n_rows=len(data), dropped=dropped,
        x_spec=x_spec, z_specs=z_specs,
    )  # fmt: skip


def new_rows(design: Design, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate X and Z on other rows, with the levels and constants of the fit.

    Raises
    ------
    DataError
        Unknown column, missing value, or a category that the fit never saw.
    """
    random = [term.effects for term in design.formula.random]
    specs = (design.x_spec, *design.z_specs)
    _check_new_rows([design.formula.fixed, *random], specs, data)
    X = _evaluated(specs[:1], data)
    return X, _evaluated(design.z_specs, data) if design.z_specs else X[:, : design.Z.shape[1]]


def new_random_rows(design: Design, data: pd.DataFrame) -> np.ndarray:
    """Evaluate Z alone on other rows; predictors without a random effect need not be there.

    Raises
    ------
    DataError
        As :func:`new_rows`.
    """
    specs = design.z_specs
    if not specs:
        width = design.Z.shape[1]
        terms = [term for term, at in design.x_spec.term_indices.items() if at and at[-1] < width]
        specs = (design.x_spec.subset(terms),)
    _check_new_rows([term.effects for term in design.formula.random], specs, data)
    return _evaluated(specs, data)


def _check_new_rows(
    parts: Sequence[str], specs: Sequence[formulaic.ModelSpec], data: pd.DataFrame
) -> None:
    needed = set().union(*(variables(part) for part in parts))
    check_columns(data, sorted(needed), "the model")
    for column in sorted(needed):
        missing = int(data[column].isna().sum())
        if missing:
            raise DataError(
                f"Column '{column}' has {missing} missing value(s) in the rows to predict; "
                "drop or fill them first."
            )
    for spec in specs:
        _check_levels(spec, data)


def _evaluated(specs: Sequence[formulaic.ModelSpec], data: pd.DataFrame) -> np.ndarray:
    parts = [spec.get_model_matrix(data, na_action="ignore") for spec in specs]
    values = np.hstack([np.asarray(part, float) for part in parts])
    _check_finite_columns(values, [name for spec in specs for name in spec.column_names], data)
    return values


def varies_within(design: Design) -> np.ndarray:
    """Which columns of X vary inside any cluster: the level-1 predictors, shape (p,) of bool."""
    first = np.zeros(len(design.labels), int)
    first[design.codes[::-1]] = np.arange(len(design.codes))[::-1]
    row = first[design.codes]
    return np.array([(x != x[row]).any() for x in design.X.T])


def categories(design: Design, column: str) -> list:
    """Values of a column that the fixed part takes as a category, reference first; else none."""
    for factor, (kind, state) in design.x_spec.encoder_state.items():
        if kind.value == "categorical" and _CATEGORICAL.sub(r"\1", str(factor)) == column:
            base = getattr(state["contrasts"].contrasts, "base", None)
            return sorted(state["categories"], key=lambda value: value != base)
    return []


def check_columns(data: pd.DataFrame, columns: list[str], where: str) -> None:
    """Refuse a table that lacks a column, or has one twice.

    Raises
    ------
    DataError
    """
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"The data must be a pandas DataFrame, not {type(data).__name__}. "
            "From polars or a dict: use .to_pandas() or pd.DataFrame(...)."
        )
    have = list(data.columns)
    for column in columns:
        count = have.count(column)
        if count == 0:
            names = [str(c) for c in have]
            close = difflib.get_close_matches(str(column), names, n=2)
            hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
            if column is not None and column in data.index.names:
                hint = " It is in the index: use reset_index()."
            raise DataError(
                f"Column '{column}', needed by {where}, is not in the data.{hint} "
                f"The data have: {', '.join(names[:20])}."
            )
        if count > 1:
            raise DataError(f"The data have more than one column named '{column}'.")


def _needed(formula: ModelFormula, parts: list[str], data: pd.DataFrame) -> list[str]:
    """Columns the model uses, the outcome first."""
    for part in (formula.outcome, formula.fixed, *parts):
        read_part(formula.text, part)
    outcome = variables(formula.outcome)
    predictors = variables(formula.fixed).union(*(variables(part) for part in parts))
    columns = [*sorted(outcome), *sorted(predictors - outcome), formula.cluster]
    columns = list(dict.fromkeys(columns))
    check_columns(data, columns, f"the formula '{formula.text}'")
    if formula.cluster in outcome | predictors:
        raise FormulaError(
            f"'{formula.cluster}' is the cluster and cannot be outcome or predictor as well in "
            f"'{formula.text}'."
        )
    if not len(data):
        raise DataError("The data have no rows.")
    return columns


def complete_in(data: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Rows with a value in all of some columns, and a note on the others (empty if none).

    Raises
    ------
    DataError
        If no row is complete.
    """
    missing = data[list(columns)].isna()
    left_out = missing.any(axis=1).to_numpy()
    if not left_out.any():
        return data, ""
    which = ", ".join(f"{name} ({count})" for name, count in missing.sum().items() if count)
    if left_out.all():
        raise DataError(f"No row is complete. Missing values per column: {which}.")
    note = f"{left_out.sum()} of {len(data)} rows are left out for missing values: {which}."
    return data[~left_out], note


def _complete_rows(data: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    missing = {}
    for column in columns:
        values = data[column]
        if _plainly_complete(values):
            continue
        if column != columns[-1]:  # the cluster: ids may be of any type
            check_type(values, column)
        _check_finite(values, column)
        if values.hasnans:
            missing[column] = values.isna().to_numpy()
    dropped = pd.Series({c: int(mask.sum()) for c, mask in missing.items()}, dtype=int)
    if missing:
        keep = ~np.logical_or.reduce(list(missing.values()))
        if not keep.any():
            counts = ", ".join(f"{c} {k}" for c, k in dropped.items())
            raise DataError(f"No row is complete. Missing values per column: {counts}.")
        data = data.loc[keep, columns]
    return data, dropped


def _plainly_complete(values: pd.Series) -> bool:
    """Whether one sum shows that nothing is missing or infinite; if not, a closer look is due."""
    if not isinstance(values.dtype, np.dtype):
        return False
    kind = values.dtype.kind
    return kind in "iub" or (kind == "f" and bool(np.isfinite(values.to_numpy().sum())))


def check_type(values: pd.Series, column: str) -> None:
    """Refuse dates, complex numbers, and numbers stored as Python objects.

    Raises
    ------
    DataError
    """
    if values.dtype.kind in "mMc":
        raise DataError(
            f"Column '{column}' holds {values.dtype} values, which have no place in a formula. "
            "Turn it into a number first, for example days since a start date."
        )
    numbers = ("floating", "integer", "mixed-integer-float", "decimal", "complex")
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in numbers:
        raise DataError(
            f"Column '{column}' holds numbers, but as Python objects, and would be taken for "
            "categories. Convert it with pd.to_numeric."
        )


def _check_finite(values: pd.Series, column: str) -> None:
    if values.dtype.kind != "f":
        return
    infinite = np.isinf(values.to_numpy(dtype=float, na_value=np.nan))
    if infinite.any():
        rows = ", ".join(str(r) for r in values.index[infinite][:5])
        raise DataError(
            f"Column '{column}' has {infinite.sum()} infinite value(s), first in row(s) {rows}. "
            "Set them to missing (NaN) or correct them."
        )


def _clusters(ids: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Code cluster ids as 0 … J-1 in the order of the sorted ids."""
    if ids.dtype.kind == "f":
        values = ids.to_numpy()
        if (values != np.floor(values)).any():
            raise DataError(
                f"The cluster column '{ids.name}' holds fractions, so it looks like a measurement "
                "and not like an id. Name the column that says which cluster a row belongs to."
            )
        # A float id is an integer id whose column once held a missing value.
        ids = ids.astype("int64")
    codes, labels = pd.factorize(ids, sort=True)
    return codes, pd.Index(labels, name=ids.name)


def _outcome(formula: ModelFormula, data: pd.DataFrame) -> np.ndarray:
    name = formula.outcome
    if name in data.columns:
        values = data[name]
        if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
            example = ", ".join(shown(v) for v in values.unique()[:3])
            raise DataError(
                f"The outcome '{name}' is not numeric (it holds {example} …). "
                "Convert it with pd.to_numeric, or choose a numeric outcome."
            )
        return values.to_numpy(dtype=float)
    y, _, _ = _matrix(formula.text, f"0 + {name}", data)
    if y.shape[1] != 1:
        raise DataError(f"The outcome '{name}' gives {y.shape[1]} columns, not one number a row.")
    return y[:, 0]


def _matrix(
    text: str, part: str, data: pd.DataFrame
) -> tuple[np.ndarray, tuple[str, ...], formulaic.ModelSpec]:
    """Evaluate one part of the formula; the result must be finite."""
    data = _without_unused_levels(part, data)
    try:
        matrix = read_part(text, part).get_model_matrix(data, output="numpy", na_action="ignore")
    except formulaic.errors.FormulaicError as error:
        raise FormulaError(f"'{text}' cannot be evaluated: {error}") from error
    values = np.asarray(matrix, dtype=float)
    names = tuple(str(c) for c in matrix.model_spec.column_names)
    _check_finite_columns(values, names, data)
    return values, names, matrix.model_spec


def _check_finite_columns(values: np.ndarray, names: Sequence[str], data: pd.DataFrame) -> None:
    finite = np.isfinite(values)
    if finite.all():
        return
    bad = int(np.argmin(finite.all(axis=0)))
    rows = ~finite[:, bad]
    first = ", ".join(str(r) for r in data.index[rows][:5])
    raise DataError(
        f"'{names[bad]}' is not a finite number in {rows.sum()} row(s), first in row(s) {first}: "
        "an infinite value, or a transformation such as log() met one outside its domain."
    )


def _without_unused_levels(part: str, data: pd.DataFrame) -> pd.DataFrame:
    """Forget categories that no row has, so that they make no empty column."""
    for column in variables(part):
        values = data[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            data = data.assign(**{column: values.cat.remove_unused_categories()})
    return data


def _leading_width(formula: ModelFormula, spec: formulaic.ModelSpec) -> int | None:
    """How many leading columns of X are Z, if the random part asks for just these.

    Then Z is a view of X: half of the work of building it, and none of the memory.
    """
    if len(formula.random) > 1:
        return None
    random = list(read_part(formula.text, formula.random[0].effects))
    if random != list(read_part(formula.text, formula.fixed))[: len(random)]:
        return None
    return sum(len(spec.term_indices[term]) for term in random)


def _random_columns(text: str, parts: list[str], data: pd.DataFrame):
    """Z, its names, its blocks and how to build it again."""
    matrices = [_matrix(text, part, data) for part in parts]
    names = tuple(name for _, part, _ in matrices for name in part)
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise FormulaError(f"The random effect '{twice}' is asked for more than once.")
    ends = np.cumsum([len(part) for _, part, _ in matrices])
    blocks = tuple(
        tuple(range(end - len(part), end)) for end, (_, part, _) in zip(ends, matrices, strict=True)
    )
    Z = np.hstack([matrix for matrix, _, _ in matrices])
    return Z, names, blocks, tuple(spec for _, _, spec in matrices)


def _check_levels(spec: formulaic.ModelSpec, data: pd.DataFrame) -> None:
    """Refuse categories that the fit never saw; they have no coefficient."""
    for factor, (kind, state) in spec.encoder_state.items():
        column = _CATEGORICAL.sub(r"\1", str(factor))
        if kind.value != "categorical" or column not in data.columns:
            continue
        known = set(state["categories"])
        unseen = [v for v in data[column].unique() if v not in known]
        if unseen:
            raise DataError(
                f"Column '{column}' holds {shown(unseen[0])}, which was not in the data of the fit "
                f"(known: {', '.join(map(shown, state['categories']))})."
            )
