"""The door for tables: every column of a model goes through here, once.

A table is a pandas DataFrame, a table of another library (polars, PyArrow) or a dict of columns. A
column holds numbers (of any type that pandas has), true and false, or text; text and what pandas
calls a category are categories. Anything else is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from mlteach.errors import DataError, did_you_mean, shown

# Floats up to here tell whole numbers apart; int64 ends here.
MOST_INT64 = 2.0**63

# Variances are squares, and products of two of them must fit into float64, from 1e-308 to 1e308.
SMALLEST, LARGEST = 1e-70, 1e70

# ------------------------------------------------------------------------------------------ tables


def as_table(data: object) -> pd.DataFrame:
    """Return a table as a pandas DataFrame; a DataFrame comes back as it is.

    Parameters
    ----------
    data : DataFrame, polars or PyArrow table, or mapping of columns

    Raises
    ------
    DataError
        If it is no table.
    """
    if isinstance(data, pd.DataFrame):
        return _in_native_order(data)
    if isinstance(data, Mapping):
        try:
            return pd.DataFrame(dict(data))
        except (ValueError, TypeError) as error:
            raise DataError(f"The dict cannot be made a table of columns ({error}).") from error
    return _from_other_library(data)


def _in_native_order(data: pd.DataFrame) -> pd.DataFrame:
    """Numbers that another machine wrote with their bytes the other way round, turned."""
    types = enumerate(data.dtypes)
    swapped = [k for k, kind in types if isinstance(kind, np.dtype) and not kind.isnative]
    data = data.copy() if swapped else data
    for k in swapped:
        values = data.iloc[:, k].to_numpy()
        data.isetitem(k, values.astype(values.dtype.newbyteorder("=")))
    return data


def _from_other_library(data: object) -> pd.DataFrame:
    """Columns of an eager table that narwhals knows."""
    import narwhals

    frame = narwhals.from_native(data, pass_through=True)
    if isinstance(frame, narwhals.LazyFrame):
        raise DataError("The data are a query that has not run; give its result: data.collect().")
    if not isinstance(frame, narwhals.DataFrame):
        raise DataError(
            f"The data must be a table (a pandas or polars DataFrame, a dict of columns), not "
            f"{type(data).__name__}. Make one with "
            f"{'.to_pandas()' if hasattr(data, 'to_pandas') else 'pd.DataFrame(...)'}."
        )
    return pd.DataFrame({column.name: _plain(column) for column in frame.iter_columns()})


def _plain(column) -> pd.Series:
    """One column of another library as pandas would have read it."""
    import narwhals

    try:
        values = column.to_numpy()
    except Exception as error:  # each library has errors of its own for what NumPy lacks
        raise DataError(
            f"Column '{column.name}' holds {column.dtype} values, which NumPy does not have. "
            "Convert it to a usual type, for example with cast."
        ) from error
    if column.dtype == narwhals.Boolean and column.null_count():
        return pd.Series(values).astype("boolean")
    if column.dtype == narwhals.Enum:
        return pd.Series(pd.Categorical(values, list(column.dtype.categories)))
    return pd.Series(values)


def table_with(data: object, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Return the table, which must have some columns, each once.

    A name is a name, whatever is in it.

    Parameters
    ----------
    data : table, as for :func:`as_table`
    columns : sequence of str
    where : str
        What needs them, for the message.

    Raises
    ------
    DataError
    """
    data = as_table(data)
    check_there(data, columns, where)
    return data


def check_there(data: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    """Refuse a table without some columns, or with one of them twice."""
    have = list(data.columns)
    for column in columns:
        count = have.count(column)
        if count == 0:
            raise not_there(data, column, where)
        if count > 1:
            raise DataError(f"The data have more than one column named '{column}'.")


def names_of(given: object, argument: str) -> list[str]:
    """Return the names of one column or of several as a list; None is none.

    Raises
    ------
    DataError
    """
    if given is None or isinstance(given, str):
        return [] if given is None else [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise DataError(
            f"{argument}= takes the name of a column or a list of names; got {given!r}."
        )
    return list(given)


def not_there(data: pd.DataFrame, column: object, where: str) -> DataError:
    """Error for a column that a table lacks, with names that come close."""
    names = [str(c) for c in data.columns]
    hint = did_you_mean(column, names, most=2)
    if column is not None and column in data.index.names:
        hint = " It is in the index: use reset_index()."
    elif str(column) in names:
        hint = " A column of that name is no text: use data.rename(columns=str)."
    return DataError(
        f"Column '{column}', needed by {where}, is not in the data.{hint} "
        f"The data have: {', '.join(names[:20])}."
    )


# ----------------------------------------------------------------------------------------- columns


def kind_of(values: pd.Series, column: str) -> str:
    """Return "number", "truth" or "text" (which is any category).

    Raises
    ------
    DataError
        For dates, complex numbers, lists and other objects.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.StringDtype | pd.CategoricalDtype) or _is_arrow_text(dtype):
        return "text"
    if pd.api.types.is_bool_dtype(dtype):
        return "truth"
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        return "number"
    if not pd.api.types.is_object_dtype(dtype):
        raise DataError(
            f"Column '{column}' holds {dtype} values, neither numbers nor text. Turn it into a "
            "number first, for example days since a start date, or into text with .astype(str)."
        )
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found not in ("string", "boolean"):
        raise DataError(_refused_objects(column, found, values))
    return "text" if found == "string" else "truth"


def _is_arrow_text(dtype) -> bool:
    if not isinstance(dtype, pd.ArrowDtype):
        return False
    name = str(dtype.pyarrow_dtype)
    return name in ("string", "large_string", "string_view", "null") or (
        name.startswith("dictionary<values=") and "string" in name.split(",")[0]
    )


def _refused_objects(column: str, found: str, values: pd.Series) -> str:
    if found == "empty":
        return f"Column '{column}' has no value at all. Leave it out."
    if found in ("floating", "integer", "mixed-integer-float", "decimal", "complex"):
        return (
            f"Column '{column}' holds numbers, but as Python objects, and would be taken for "
            "categories. Convert it with pd.to_numeric."
        )
    example = next((v for v in values if not (np.ndim(v) == 0 and pd.isna(v))), None)
    return (
        f"Column '{column}' holds objects that are neither all numbers nor all text, such as "
        f"{str(example)[:40]!r} ({type(example).__name__}). Make a column of numbers or of text of "
        "it, for example with pd.to_numeric or .astype(str)."
    )


def numbers(values: pd.Series, column: str) -> np.ndarray:
    """Return numbers and true/false as floats, NaN where missing, shape (N,).

    Raises
    ------
    DataError
        If the column holds something else, or infinite values.
    """
    if kind_of(values, column) == "text":
        raise DataError(
            f"Column '{column}' is not numeric (it is of type {values.dtype} and holds "
            f"{examples(values)}). Convert numbers kept as text with pd.to_numeric, code "
            "categories as 0 and 1, or leave it out."
        )
    if pd.api.types.is_object_dtype(values.dtype):
        values = values.astype("boolean")
    result = values.to_numpy(dtype=float, na_value=np.nan)
    # fmax and fmin pass over what is missing.
    largest = max(np.fmax.reduce(result, initial=0.0), -np.fmin.reduce(result, initial=0.0))
    if np.isinf(largest):
        infinite = np.isinf(result)
        rows = ", ".join(str(r) for r in values.index[infinite][:5])
        raise DataError(
            f"Column '{column}' has {infinite.sum()} infinite value(s), first in row(s) {rows}. "
            "Set them to missing (NaN) or correct them."
        )
    check_size(largest, f"Column '{column}'")
    return result


def check_size(largest: float, what: str) -> None:
    """Refuse a largest number whose square a computer cannot count with.

    Raises
    ------
    DataError
    """
    if largest and not SMALLEST < largest < LARGEST:
        raise DataError(
            f"{what} holds values up to {largest:.0e}: their squares are beyond what a computer "
            "can count with. Change the unit."
        )


def check_labels(values: pd.Series, column: str) -> None:
    """Refuse what cannot name clusters, groups or positions: lists, and objects without an order.

    Raises
    ------
    DataError
    """
    dtype = values.dtype
    found = "complex" if dtype.kind == "c" else ""
    if pd.api.types.is_object_dtype(dtype):
        found = pd.api.types.infer_dtype(values, skipna=True)
    elif isinstance(dtype, pd.ArrowDtype) and dtype.kind == "O" and not _is_arrow_text(dtype):
        found = "mixed"
    mixed = found.startswith("mixed") and not all(isinstance(v, int | str) for v in values.dropna())
    if mixed or found == "complex":
        example = shown(values.dropna().iloc[0])
        raise DataError(
            f"Column '{column}' holds what cannot be sorted and names nothing, such as {example}. "
            "Make it all numbers or all text, for example with .astype(str)."
        )


def examples(values: pd.Series) -> str:
    """The first different values of a column, as a reader writes them."""
    return ", ".join(shown(value) for value in values.dropna().unique()[:3])


def category(values: pd.Series) -> pd.Series:
    """Return a column as one kind of category, whatever type of text or numbers it holds.

    Categories that no row has are forgotten; an order that the column has is kept.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories()
        known = values.cat.categories
        if isinstance(known.dtype, np.dtype):
            return values
        return values.cat.rename_categories(pd.Index(known.tolist()))
    if kind_of(values, str(values.name)) == "text":
        codes, labels = pd.factorize(values, sort=True)
        made = pd.Categorical.from_codes(codes, pd.Index(labels.tolist()))
        return pd.Series(made, index=values.index)
    if pd.api.types.is_object_dtype(dtype):
        return values.astype(bool)
    return values if isinstance(dtype, np.dtype) else values.astype(dtype.numpy_dtype)


def first_rows(codes: np.ndarray) -> np.ndarray:
    """Position of the first row of each cluster, from codes 0 ... J-1 of which none is absent."""
    first = np.empty(int(codes.max()) + 1, int)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def cluster_means(columns: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of each column in each cluster, from (N, k) to (J, k)."""
    n = np.bincount(codes)
    out = np.empty((len(n), columns.shape[1]))
    for k, column in enumerate(columns.T):
        out[:, k] = np.bincount(codes, weights=column) / n
    return out


def anova_variances(x: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Variances within and between clusters from mean squares, clusters of unequal sizes."""
    n = np.bincount(codes)
    sums = np.bincount(codes, weights=x - x.mean())[n > 0]
    n = n[n > 0]
    N, J = n.sum(), len(n)
    between = (sums**2 / n).sum()
    within = (((x - x.mean()) ** 2).sum() - between) / (N - J)
    n0 = (N - (n**2).sum() / N) / (J - 1)
    return float(within), float((between / (J - 1) - within) / n0)


def cluster_codes(ids: pd.Series, column: str, *, sort: bool = True) -> tuple[np.ndarray, pd.Index]:
    """Code ids as 0 ... J-1 in the order of the sorted ids (or of the rows), -1 where missing.

    Ids may be numbers, text or categories. A float id is an integer id whose column once held a
    missing value: its labels are integers.

    Raises
    ------
    DataError
        Fractions, infinite ids, and ids that cannot be sorted.
    """
    if ids.dtype.kind == "f":
        values = ids.to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(values).any() or (values % 1 > 0).any():
            raise DataError(
                f"The cluster column '{column}' holds fractions (or infinity), so it looks like a "
                "measurement and not like an id. Name the column that says which cluster a row "
                "belongs to."
            )
        whole = np.abs(values).max(initial=0.0) < MOST_INT64
        ids = pd.Series(values.astype("int64") if whole else values, ids.index)
    elif isinstance(ids.dtype, pd.StringDtype) or _is_arrow_text(ids.dtype):
        ids = ids.astype("str")
    check_labels(ids, column)
    codes, labels = pd.factorize(ids, sort=sort)
    return codes, pd.Index(labels, name=column)
