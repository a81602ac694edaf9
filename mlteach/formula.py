"""From a formula and a table to design matrices.

The formula language is lme4's for one grouping factor: ``y ~ fixed + (random | cluster)``. The
fixed part and each random part are handed to formulaic; this module splits them off, points at the
place where something is wrong, and counts the rows it leaves out.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import lru_cache

import formulaic
import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from formulaic.transforms import TRANSFORMS
from formulaic.utils.variables import get_expression_variables

from mlteach.errors import DataError, FormulaError

_BAR = re.compile(r"\|\|?")
_NAME = re.compile(r"^[^\W\d]\w*$")
_NOT_COLUMNS = {*TRANSFORMS, "np", "numpy"}
_CATEGORICAL = re.compile(r"^C\(\s*(\w+)\s*(?:,.*)?\)$", re.DOTALL)
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


# ---------------------------------------------------------------------------------------- parsing


@lru_cache(maxsize=256)
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
    try:
        terms = formulaic.Formula(effects)
    except FormulaicError as error:
        raise _from_formulaic(text, effects, error) from error
    names = [str(term) for term in terms]
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


# ----------------------------------------------------------------------------------------- design


def design(formula: ModelFormula, data: pd.DataFrame) -> Design:
    """Build the matrices of a two-level model from a table.

    Parameters
    ----------
    formula : ModelFormula
        From :func:`parse`; it must have a random part.
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
    if len(parts) == 1 and _leads(parts[0], formula.fixed):
        width = len(_leading_columns(x_spec, parts[0]))
        Z, z_names, z_specs = X[:, :width], x_names[:width], ()
        blocks = (tuple(range(width)),)
    else:
        Z, z_names, blocks, z_specs = _random_columns(formula.text, parts, complete)
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
    parts = [design.formula.fixed, *(term.effects for term in design.formula.random)]
    needed = set().union(*(_variables(part) for part in parts))
    check_columns(data, sorted(needed), "the model")
    for column in sorted(needed):
        missing = int(data[column].isna().sum())
        if missing:
            raise DataError(
                f"Column '{column}' has {missing} missing value(s) in the rows to predict; "
                "drop or fill them first."
            )
    for spec in (design.x_spec, *design.z_specs):
        _check_levels(spec, data)
    X = np.asarray(design.x_spec.get_model_matrix(data, na_action="ignore"), float)
    if not design.z_specs:
        return X, X[:, : design.Z.shape[1]]
    Z = [np.asarray(s.get_model_matrix(data, na_action="ignore"), float) for s in design.z_specs]
    return X, np.hstack(Z)


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
            close = difflib.get_close_matches(column, names, n=2)
            hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
            raise DataError(
                f"Column '{column}', needed by {where}, is not in the data.{hint} "
                f"The data have: {', '.join(names[:20])}."
            )
        if count > 1:
            raise DataError(f"The data have more than one column named '{column}'.")


def _formula(text: str, part: str) -> formulaic.Formula:
    try:
        return _read(part)
    except FormulaicError as error:
        raise _from_formulaic(text, part, error) from error


@lru_cache(maxsize=256)
def _read(part: str) -> formulaic.Formula:
    return formulaic.Formula(part)


@lru_cache(maxsize=256)
def _variables(part: str) -> frozenset[str]:
    """Columns that a part of a formula reads.

    formulaic's own ``required_variables`` forgets those inside stateful transforms such as
    ``center(x)``.
    """
    formula = _read(part)
    names = {str(name) for name in formula.required_variables}
    for term in formula:
        for factor in term.factors:
            if factor.eval_method.value == "python":
                found = get_expression_variables(factor.expr, {})
                names |= {str(v.root) for v in found if v.root not in _NOT_COLUMNS}
    return frozenset(names)


def _needed(formula: ModelFormula, parts: list[str], data: pd.DataFrame) -> list[str]:
    """Columns the model uses, the outcome first."""
    for part in (formula.outcome, formula.fixed, *parts):
        _formula(formula.text, part)
    outcome = _variables(formula.outcome)
    predictors = _variables(formula.fixed).union(*(_variables(part) for part in parts))
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


def _complete_rows(data: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, pd.Series]:
    missing = {c: data[c].isna().to_numpy() for c in columns if data[c].hasnans}
    dropped = pd.Series({c: int(mask.sum()) for c, mask in missing.items()}, dtype=int)
    if missing:
        keep = ~np.logical_or.reduce(list(missing.values()))
        if not keep.any():
            counts = ", ".join(f"{c} {k}" for c, k in dropped.items())
            raise DataError(f"No row is complete. Missing values per column: {counts}.")
        data = data.loc[keep, columns]
    for column in columns:
        _check_finite(data[column], column)
    return data, dropped


def _check_finite(values: pd.Series, column: str) -> None:
    if values.dtype.kind != "f":
        return
    infinite = np.isinf(values.to_numpy())
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
            example = ", ".join(repr(v) for v in values.unique()[:3])
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
        matrix = _formula(text, part).get_model_matrix(data, output="numpy", na_action="ignore")
    except FormulaicError as error:
        raise FormulaError(f"'{text}' cannot be evaluated: {error}") from error
    values = np.asarray(matrix, dtype=float)
    names = tuple(str(c) for c in matrix.model_spec.column_names)
    finite = np.isfinite(values).all(axis=0)
    if not finite.all():
        bad = names[int(np.argmin(finite))]
        rows = ~np.isfinite(values[:, int(np.argmin(finite))])
        first = ", ".join(str(r) for r in data.index[rows][:5])
        raise DataError(
            f"'{bad}' is not a finite number in {rows.sum()} row(s), first in row(s) {first}: "
            "a transformation such as log() met a value outside its domain."
        )
    return values, names, matrix.model_spec


def _without_unused_levels(part: str, data: pd.DataFrame) -> pd.DataFrame:
    """Forget categories that no row has, so that they make no empty column."""
    for column in _variables(part):
        values = data[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            data = data.assign(**{column: values.cat.remove_unused_categories()})
    return data


def _leads(part: str, fixed: str) -> bool:
    """Whether the terms of a random part are the leading terms of the fixed part.

    Then Z is the leading columns of X: a view, and half of the work of building it.
    """
    random, all_terms = list(_read(part)), list(_read(fixed))
    return random == all_terms[: len(random)]


def _leading_columns(spec: formulaic.ModelSpec, part: str) -> list[int]:
    """Columns of X that belong to the terms of a leading random part."""
    return [k for term in _read(part) for k in spec.term_indices[term]]


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
                f"Column '{column}' holds {unseen[0]!r}, which was not in the data of the fit "
                f"(known: {', '.join(map(repr, state['categories']))})."
            )
