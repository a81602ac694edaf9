"""The data sets that come with mlteach, and their codebooks.

A data set is one CSV file and one entry in codebook.json; both are built by data/build.py, from
public R packages or by a seeded draw. A row is a person, the entry names the cluster column. Text
stays text: a formula codes it with the alphabetically first level as reference. Whole numbers are
integers, all other numbers are the exact doubles of the source. A missing value is an empty field
in the file and NaN in the table; only columns for which the codebook counts them have any.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.errors import DataError, did_you_mean

# The text width is a ceiling for the levels; the tests hold the data sets to it.
_DTYPES = {"integer": "i8", "number": "f8", "text": "U32"}


@checked
def load(name: str) -> pd.DataFrame:
    """Load a data set that comes with mlteach.

    Every call reads the file again, so changing the table changes nothing elsewhere.

    Parameters
    ----------
    name : str
        Name of the data set, one of the index of `datasets()`.

    Returns
    -------
    pandas.DataFrame
        One row a person, in the order of the source; columns as in `codebook(name)`, missing
        values as NaN. `attrs["codebook"]` maps each column to its description.

    Raises
    ------
    DataError
        If there is no data set of that name.

    Examples
    --------
    >>> hsb = load("hsb")
    >>> hsb.shape
    (7185, 13)
    >>> hsb.attrs["codebook"]["pracad"]
    'Students on the academic track'
    >>> load("pisa_style")["CREATAS"].isna().sum().item()
    3249
    """
    columns = _entry(name)["columns"]
    table = _read_csv(folder() / f"{name}.csv", columns)
    table.attrs["codebook"] = {c: facts["description"] for c, facts in columns.items()}
    return table


@checked
def datasets() -> pd.DataFrame:
    """List the data sets that `load` knows.

    Returns
    -------
    pandas.DataFrame
        One row a data set, indexed by name; columns `title`, `rows`, `clusters` (their number),
        `cluster` (the column that names the cluster), `outcome` (the usual outcome), `source`
        (the R package it was copied from, or `synthetic`; `data/README.md` has the full
        provenance, licence and citation).

    Examples
    --------
    >>> datasets().loc["london", "clusters"].item()
    65
    """
    book = _book()
    facts = ["title", "rows", "clusters", "cluster", "outcome"]
    table = pd.DataFrame({name: [entry[f] for f in facts] for name, entry in book.items()}, facts).T
    table = table.infer_objects()
    table["source"] = [next(iter(entry["packages"]), "synthetic") for entry in book.values()]
    return table.rename_axis("name")


@checked
def codebook(name: str) -> pd.DataFrame:
    """Say what the columns of a data set mean.

    Parameters
    ----------
    name : str
        Name of the data set, one of the index of `datasets()`.

    Returns
    -------
    pandas.DataFrame
        One row a column of the data set, indexed by `column`; columns `description`, `varies_by`
        (the unit whose property it is: student, class or school), `type` (integer, number or text)
        and `values` (the levels if there are levels, else the unit of measurement; how many are
        missing). In a narrow terminal, `print(codebook(name).to_string())` shows it whole.

    Raises
    ------
    DataError
        If there is no data set of that name.

    Examples
    --------
    >>> codebook("hsb").loc["female", "values"]
    '0 = no, 1 = yes'
    """
    columns = _entry(name)["columns"]
    rows = [
        (facts["description"], facts["varies_by"], facts["type"], values_text(facts))
        for facts in columns.values()
    ]
    index = pd.Index(columns, name="column")
    return pd.DataFrame(rows, index=index, columns=["description", "varies_by", "type", "values"])


def values_text(facts: dict) -> str:
    """Write the levels as `0 = no, 1 = yes` or `a, b`; the unit where there are no levels.

    Behind them, the number of missing values if there are any.
    """
    levels = facts.get("levels")
    if levels is None:
        text = facts["unit"]
    elif isinstance(levels, dict):
        text = ", ".join(f"{value} = {meaning}" for value, meaning in levels.items())
    else:
        text = ", ".join(levels)
    return text + (f"; {facts['missing']:,} missing" if "missing" in facts else "")


def _read_csv(path: Path, columns: dict[str, dict]) -> pd.DataFrame:
    """Read a file with known columns.

    NumPy's reader rounds decimal numbers correctly; whether pandas' own does depends on its
    version. It stops at an empty field, except in a column that may have missing values.
    """
    dtype = [(column, _DTYPES[facts["type"]]) for column, facts in columns.items()]
    missing = {k: _number for k, facts in enumerate(columns.values()) if "missing" in facts}
    rows = np.loadtxt(
        path, dtype=dtype, delimiter=",", skiprows=1, encoding="utf-8", converters=missing or None
    )
    return pd.DataFrame({column: rows[column] for column in columns})


def _number(field: str) -> float:
    """Read an empty field as a missing value."""
    return float(field) if field else np.nan


def _entry(name: str) -> dict:
    """Look up the codebook entry of one data set, or raise an error that lists the names."""
    book = _book()
    if isinstance(name, str) and name in book:
        return book[name]
    hint = did_you_mean(str(name).lower(), book)
    raise DataError(f"There is no data set {name!r}.{hint} The data sets are: {', '.join(book)}.")


@cache
def _book() -> dict:
    return json.loads((folder() / "codebook.json").read_text(encoding="utf-8"))


@cache
def folder() -> Path:
    """Where the data files are: inside an installed package, beside the package in a clone."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data", package.parent / "data"):
        if (folder / "codebook.json").is_file():
            return folder
    raise DataError(
        f"The data files of mlteach are neither in {package / '_data'} nor in "
        f"{package.parent / 'data'}. Install mlteach again."
    )
