"""The rows of a PISA file in SPSS format, checked against what the file says of itself.

What a damaged file would hide is refused here: rows whose country is none (they would be left out
without a word), schools of two countries, fewer rows than the header says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from mlteach.core.lazy import check_extra
from mlteach.core.progress import Progress
from mlteach.errors import DataError

COUNTRY = "CNT"
# Values read at one go, 200 MB: a few pieces, since each one decompresses the rows before it too.
VALUES_AT_ONCE = 25_000_000
DOWNLOAD = "If its size is not the one that OECD states, download the file again."
HEADER = """
import json, sys, pyreadstat
path, encoding = sys.argv[1:]
options = dict(metadataonly=True, user_missing=True, output_format="dict")
try:
    _, h = pyreadstat.read_sav(path, encoding=encoding or None, **options)
except Exception as error:
    answer = str(error) or type(error).__name__
else:
    keys = "column_names", "column_names_to_labels", "readstat_variable_types", "missing_ranges"
    answer = {key: getattr(h, key) for key in (*keys, "number_rows")}
    answer["labels"] = [(n, list(v.items())) for n, v in h.variable_value_labels.items()]
print(json.dumps(answer))
"""


def read_header(path: Path, encoding: str | None = None) -> SimpleNamespace:
    """Names, labels and missing codes of all columns, and no data.

    In a process of its own: a damaged header can end the one that reads it.
    """
    check_extra("pyreadstat", "Reading SPSS files")
    command = [sys.executable, "-c", HEADER, str(path), encoding or ""]
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        header = json.loads(done.stdout.decode() or "null")
    except ValueError:
        header = None
    if isinstance(header, str):
        raise DataError(_unreadable(path, header))
    if header is None:
        raise DataError(
            f"{path}: the process that read its header ended (code {done.returncode}). The file is "
            f"damaged. {DOWNLOAD}"
        )
    labels = {name: dict(pairs) for name, pairs in header.pop("labels")}
    return SimpleNamespace(**header, variable_value_labels=labels)


def _unreadable(path: Path, problem: str) -> str:
    """Which file cannot be read, why, and what can be."""
    if "encoding" in problem or "codec" in problem:
        return (
            f"{path} holds texts that are not in the character set that its header names "
            f'({problem}). Give it: encoding="latin1" (Western European), "cp1250" (Central '
            'European) or "utf-8".'
        )
    return (
        f"{path} cannot be read as an SPSS file ({problem}). load_pisa reads .sav files, and "
        f"whole ones. {DOWNLOAD} OECD's SAS and text files have to be converted first."
    )


def read_rows(path: Path, columns: dict, codes: list[str], header, encoding) -> pd.DataFrame:
    """Rows of the countries under the table's column names, missing codes as they are."""
    kept, seen, rows = [], [], 0
    with Progress("PISA, rows", total=header.number_rows) as bar:
        for chunk in _chunks(path, list(columns.values()), header.number_rows, encoding):
            # usecols keeps the order of the file, not the one asked for.
            chunk = chunk[list(columns.values())].set_axis(list(columns), axis=1)
            chunk["country"] = chunk["country"].astype(str).str.strip()
            _check_countries(chunk["country"], rows, path)
            seen.append(chunk[["country", "school"]].drop_duplicates())
            kept.append(chunk[chunk["country"].isin(codes)])
            rows += len(chunk)
            bar.update(len(chunk))
    if header.number_rows is not None and rows != header.number_rows:
        raise DataError(
            f"{path} says that it has {header.number_rows:,} rows, and {rows:,} can be read. "
            f"{DOWNLOAD}"
        )
    schools = pd.concat(seen).drop_duplicates()
    _check_schools(schools, path)
    known = set(schools["country"])
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise DataError(
            f"{path} has no students of {', '.join(unknown)}. Its countries are: "
            f"{', '.join(sorted(known)) or 'none, the file has no rows'}."
        )
    return pd.concat(kept, ignore_index=True)


def _chunks(path: Path, columns: list[str], rows: int | None, encoding) -> Iterator[pd.DataFrame]:
    """The file in a few pieces."""
    import pyreadstat

    size = max(VALUES_AT_ONCE // len(columns), 1)
    options = {
        "usecols": columns, "user_missing": True, "disable_datetime_conversion": True,
        "encoding": encoding, "row_limit": size,
    }  # fmt: skip
    start, more = 0, True
    while more:
        try:
            chunk, _ = pyreadstat.read_sav(path, row_offset=start, **options)
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError) as error:
            raise DataError(_unreadable(path, str(error))) from error
        # Labels of all columns, which pandas would copy with every column that is taken.
        chunk.attrs = {}
        start += len(chunk)
        more = len(chunk) == size and start != rows
        yield chunk


def _check_countries(country: pd.Series, before: int, path: Path) -> None:
    """A row whose country cannot be one would be left out without a word."""
    possible = country.str.fullmatch("[A-Z0-9]{3}")
    if not possible.all():
        first = int(np.argmin(possible.to_numpy()))
        raise DataError(
            f"{path} has {int((~possible).sum())} row(s) in which {COUNTRY} is no code of three "
            f"letters; the first is row {before + first + 1:,}, with {country.iloc[first]!r}. "
            f"{DOWNLOAD}"
        )


def _check_schools(seen: pd.DataFrame, path: Path) -> None:
    """A number of a school, which is one country's, with another country's code is a damage."""
    if not pd.api.types.is_numeric_dtype(seen["school"]):
        return
    shared = seen[seen["school"].notna() & seen["school"].duplicated(keep=False)]
    if len(shared):
        school = shared["school"].iloc[0]
        where = shared["country"][shared["school"] == school].tolist()
        raise DataError(
            f"School {school:.15g} is in two countries ({' and '.join(where[:2])}), as are "
            f"{shared['school'].nunique() - 1} more. The identifiers of {path} are not those of a "
            f"PISA student file, or it is damaged. {DOWNLOAD}"
        )
