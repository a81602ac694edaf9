"""The file behind the published WF multigroup illustration: two countries of PISA 2022, filled up.

The authors gave every school 45 places, filled what was missing by imputation and kept a flag for
each value (github.com/demianJK/WFmultigroup, "PISA_short_balanced_imp.csv"). So the file holds the
observed values too. It has no licence that would let others pass it on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.errors import DataError

KEYS = {"CNT": "country", "j": "school", "CNTSTUID": "student"}
VARIABLES = ("CREATAS", "GROSAGR")
FLAG = "missing_"


@checked
def load_wf_pisa(path: str | Path, *, completed: bool = False) -> pd.DataFrame:
    """Read the authors' file of the published WF multigroup illustration.

    The file is not part of mlteach; it is in the authors' repository,
    github.com/demianJK/WFmultigroup, as "Empirical Example/PISA_short_balanced_imp.csv".

    Parameters
    ----------
    path : str or Path
    completed : bool, default False
        False: the students, with the values that were observed. True: all 45 places of every
        school, with the values as the authors completed them.

    Returns
    -------
    pandas.DataFrame
        Columns ``country``, ``school``, ``student``, ``CREATAS``, ``GROSAGR``, as in
        ``load("pisa_style")``. Observed: one row a student, NaN where a value was filled in.
        Completed: one row a place, ``student`` missing where nobody had it, and two columns more,
        ``missing_CREATAS`` and ``missing_GROSAGR``, True where the value was filled in.

    Raises
    ------
    DataError
        No file there, a column that is missing or not numeric, a flag that is neither 0 nor 1.

    Examples
    --------
    A file in the authors' layout, with one school of two students and a place, stands in for it.

    >>> import tempfile
    >>> import mlteach as mt
    >>> text = '''"j","i","CNTSCHID","CNTSTUID","CNT","CREATAS","GROSAGR","missing_CREATAS",\
"missing_GROSAGR"
    ... 1,1,801,901,"Albania",0.5,1.2,0,0
    ... 1,2,801,902,"Albania",0.9,0.1,1,0
    ... 1,3,NA,NA,"Albania",-0.4,0.7,1,1'''
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write(text), file.flush()
    ...     students, places = (mt.load_wf_pisa(file.name, completed=c) for c in (False, True))
    >>> students
       country  school  student  CREATAS  GROSAGR
    0  Albania       1      901      0.5      1.2
    1  Albania       1      902      NaN      0.1
    >>> len(places), places["missing_CREATAS"].sum().item()
    (3, 2)

    References
    ----------
    Walther, Hecht, Nagengast & Zitzmann (2024), Multilevel multigroup structural equation modeling
    in a single-level framework.
    """
    raw = _read(Path(path))
    flags = [FLAG + name for name in VARIABLES]
    table = raw[[*KEYS, *VARIABLES, *flags]].rename(columns=KEYS)
    table[flags] = table[flags] == 1
    if completed:
        return table.astype({"student": "Int64"})
    table = table[table["student"].notna()].astype({"student": "int64"}).reset_index(drop=True)
    for name in VARIABLES:
        table[name] = table[name].mask(table[FLAG + name])
    return table.drop(columns=flags)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(
            f"There is no file '{path}'. Download PISA_short_balanced_imp.csv from "
            "github.com/demianJK/WFmultigroup, and give its path."
        )
    try:
        raw = pd.read_csv(path, low_memory=False)
    except ValueError as error:  # of pandas' parser or of the text's coding
        raise DataError(
            f"'{path}' cannot be read as a table ({str(error).strip()}): it is damaged. Download "
            "it again."
        ) from error
    numbers = ["j", "CNTSTUID", *VARIABLES, *(FLAG + name for name in VARIABLES)]
    lost = [name for name in ("CNT", *numbers) if name not in raw]
    if lost:
        raise DataError(
            f"'{path.name}' has no column {', '.join(lost)}; it has {', '.join(raw)}. Is it "
            "PISA_short_balanced_imp.csv?"
        )
    for name in numbers:
        if not pd.api.types.is_numeric_dtype(raw[name]):
            raise DataError(f"Column '{name}' of '{path.name}' is not numeric.")
        if name != "CNTSTUID" and raw[name].isna().any():
            row = int(np.argmax(raw[name].isna())) + 2
            raise DataError(f"Column '{name}' of '{path.name}' is empty in line {row}.")
        if name.startswith(FLAG) and not raw[name].isin([0, 1]).all():
            raise DataError(f"Column '{name}' of '{path.name}' has values other than 0 and 1.")
    # All schools have as many places; a file that was cut off, or lost a line, shows there.
    places = raw["j"].value_counts()
    student = raw["CNTSTUID"].dropna()
    if places.nunique() > 1 or (np.isinf(student) | (student % 1 != 0)).any():
        raise DataError(
            f"'{path}' has schools with {places.min()} and with {places.max()} places, or students "
            "whose number is none: it is damaged. Download it again."
        )
    return raw
