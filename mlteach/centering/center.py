"""Taking a level-1 predictor apart: what differs within clusters, and what differs between them.

    x_ij = (x_ij - mean_j) + mean_j

With ``how="cluster"`` the level-1 part is the deviation from the cluster's mean (cluster-mean- or
variable-centering); with a constant it still holds both parts (grand-mean- or constant-centering).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, cluster_codes, kind_of, numbers, table_with
from mlteach.errors import DataError, DataWarning, ModelError, shown, warn

# Variation that is smaller than this part of a column's largest value is rounding of its means.
ROUNDING = 1e-12


@checked
def center(
    data: pd.DataFrame,
    columns: str | Sequence[str],
    cluster: str,
    *,
    how: str | float = "cluster",
    between_at: str | float = "grand",
) -> pd.DataFrame:
    """Add the within-cluster and the between-cluster part of level-1 predictors.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit; it is left as it is.
    columns : str or sequence of str
        Numeric or true/false columns. A 0/1 column may be centered like any other.
    cluster : str
        Column that says which cluster a row belongs to.
    how : "cluster", "grand" or number, default "cluster"
        What to take off at level 1: the mean of the cluster, which gives ``x_within``; the mean of
        all rows or a number, which gives ``x_centered``.
    between_at : "grand" or number, default "grand"
        What to take off the cluster's mean in ``x_between``: the mean of all rows, or a number.

    Returns
    -------
    DataFrame
        A copy with two more columns for each ``x``: ``x_within`` (or ``x_centered``) and
        ``x_between``. Means are of the rows that have a value; where x is missing the level-1 part
        is missing too. ``attrs["codebook"]`` says what the new columns are, ``attrs["notes"]``
        what a reader should know of them.

    Raises
    ------
    DataError
        Missing, non-numeric or infinite column; a column of the new name with other values.
    ModelError
        ``how="cluster"`` for a column that does not vary within clusters; an unknown ``how``.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.center(mt.load("hsb"), ["ses"], cluster="school")
    >>> hsb.loc[0, ["ses", "ses_within", "ses_between"]].astype(float).round(3).to_dict()
    {'ses': -1.528, 'ses_within': -1.094, 'ses_between': -0.435}
    >>> hsb.attrs["codebook"]["ses_within"]
    'ses, deviation from the mean of its school (within part)'

    References
    ----------
    Enders & Tofighi (2007), Psychological Methods 12(2), doi:10.1037/1082-989X.12.2.121.
    """
    columns = [columns] if np.isscalar(columns) or columns is None else list(columns)
    data = as_table(data)
    _check_request(data, columns, cluster, how, between_at)
    codes, labels = cluster_codes(data[cluster], cluster, sort=False)
    out, codebook, notes = data.copy(), dict(data.attrs.get("codebook", {})), []
    if (codes < 0).any():
        notes.append(f"{(codes < 0).sum()} row(s) have no {cluster}: no part of theirs is known.")
    for column in columns:
        x = _values(data, column)
        means = cluster_means(x, codes, len(labels))
        _check_varies(x, codes, means, column, cluster, how)
        zero, words = _constant(between_at, x)
        name, level1, text = _level1(x, means, column, cluster, how)
        between = f"mean of {column} in the {cluster}, minus {words} (between part)"
        _add(out, name, level1)
        _add(out, f"{column}_between", means - zero)
        codebook |= {name: text, f"{column}_between": between}
        notes += _notes(x, codes, means, column, cluster, how)
    out.attrs = {**data.attrs, "codebook": codebook, "notes": tuple(notes)}
    missing = [note for note in notes if "have no" in note]
    if missing:
        warn(" ".join(missing), DataWarning)
    return out


def cluster_means(x: np.ndarray, codes: np.ndarray, J: int) -> np.ndarray:
    """Mean of each row's cluster over the values that are not missing, shape (N,).

    NaN for a cluster without a value, and where the code is -1 (no cluster).
    """
    known = ~np.isnan(x) & (codes >= 0)
    if not known.any():
        return np.full(len(x), np.nan)
    # Sums of deviations from the grand mean keep their digits where x has a large offset.
    offset = x[known].mean()
    sums = np.bincount(codes[known], weights=x[known] - offset, minlength=J)
    n = np.bincount(codes[known], minlength=J)
    means = offset + np.where(n > 0, sums, np.nan) / np.maximum(n, 1)
    return np.append(means, np.nan)[codes]


def varies_between_clusters(x: np.ndarray, means: np.ndarray) -> bool:
    """Whether the cluster means differ from each other by more than rounding."""
    return _exceeds_rounding(means - np.nanmean(means), x)


def _exceeds_rounding(deviation: np.ndarray, x: np.ndarray) -> bool:
    return bool(np.nanmax(np.abs(deviation), initial=0.0) > ROUNDING * np.nanmax(np.abs(x)))


# ------------------------------------------------------------------------------------------- checks


def _check_request(data, columns, cluster, how, between_at) -> None:
    if not columns:
        raise DataError("columns is empty; name at least one level-1 predictor to center.")
    table_with(data, [*columns, cluster], "center")
    if cluster in columns:
        raise DataError(f"'{cluster}' is the cluster; it cannot be centered on its own means.")
    if len(set(columns)) < len(columns):
        raise DataError(f"columns names a column twice: {', '.join(columns)}.")
    for name, value, words in (
        ("how", how, ("cluster", "grand")),
        ("between_at", between_at, ("grand",)),
    ):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if value not in words and not (number and np.isfinite(value)):
            known = " or ".join(map(repr, words))
            raise ModelError(f"{name}={value!r} is not known; use {known}, or a number.")


def _values(data: pd.DataFrame, column: str) -> np.ndarray:
    values = data[column]
    if kind_of(values, column) == "text":
        example = shown(next(iter(values.dropna()), None))
        raise DataError(
            f"Column '{column}' is not numeric (it holds {example}), and a category has no mean. "
            f"Code it as 0 and 1 first: data['{column}_01'] = (data['{column}'] == {example})"
            ".astype(int)."
        )
    x = numbers(values, column)
    if np.isnan(x).all():
        raise DataError(f"Column '{column}' has no value at all.")
    return x


def _check_varies(x, codes, means, column: str, cluster: str, how) -> None:
    if how == "cluster" and not _exceeds_rounding(x - means, x):
        if np.isnan(means).all():
            raise DataError(f"No row has both a value of '{column}' and a {cluster}.")
        if len(np.unique(codes[codes >= 0])) == (codes >= 0).sum():
            raise ModelError(
                f"Every {cluster} has one row only, so nothing varies within it. Is '{cluster}' "
                "the column that says which cluster a row belongs to?"
            )
        raise ModelError(
            f"'{column}' is constant in every {cluster}: it is a level-2 predictor and has no "
            "within part. Use it as it is, or center it at a constant: how='grand'."
        )


# ---------------------------------------------------------------------------------- the new columns


def _constant(at: str | float, x: np.ndarray) -> tuple[float, str]:
    """What is taken off, and its name in the codebook."""
    constant = float(np.nanmean(x)) if at == "grand" else float(at)
    return constant, f"{'the mean of all rows, ' if at == 'grand' else ''}{constant:.6g}"


def _level1(x, means, column: str, cluster: str, how) -> tuple[str, np.ndarray, str]:
    """Name, values and codebook text of the level-1 part."""
    if how == "cluster":
        text = f"{column}, deviation from the mean of its {cluster} (within part)"
        return f"{column}_within", x - means, text
    constant, words = _constant(how, x)
    text = f"{column} minus {words} (within and between parts together)"
    return f"{column}_centered", x - constant, text


def _add(out: pd.DataFrame, name: str, values: np.ndarray) -> None:
    """Add a column; running a cell again may write the same values once more, and no others."""
    if name in out.columns:
        same = pd.api.types.is_numeric_dtype(out[name].dtype) and np.allclose(
            out[name].to_numpy(dtype=float, na_value=np.nan), values, rtol=1e-12, equal_nan=True
        )
        if not same:
            raise DataError(
                f"The data already have a column '{name}' with other values. Rename or drop it "
                "first, so that it is clear which one a model uses."
            )
    out[name] = values


def _notes(x, codes, means, column: str, cluster: str, how) -> list[str]:
    notes = []
    missing = int(np.isnan(x).sum())
    if missing:
        notes.append(
            f"{missing} of {len(x)} rows have no value of {column}; means are of the others."
        )
    sizes = np.bincount(codes[~np.isnan(x) & (codes >= 0)])
    single = int((sizes == 1).sum())
    if single and how == "cluster":
        notes.append(
            f"{single} {cluster}(s) have one value of {column}: {column}_within is 0 there."
        )
    if not varies_between_clusters(x, means):
        notes.append(
            f"{column} has the same mean in every {cluster}: {column}_between says nothing."
        )
    if how == "cluster" and set(np.unique(x[~np.isnan(x)])) == {0.0, 1.0}:
        share = np.nanmean(means)
        notes.append(
            f"{column} is 0 or 1: {column}_within takes values that no one has, such as "
            f"{-share:.2f} and {1 - share:.2f} where the mean is {share:.2f}. Its slope is still "
            f"the difference between the two groups within a {cluster}."
        )
    return notes
