"""OECD's PISA student files: some countries and some variables out of a very wide SPSS file.

A PISA file has a row for every student of every country and more than a thousand columns. Only the
columns asked for are kept while it is read, and only the rows of the countries asked for after
that. Students without an answer have a code that stands for the reason ("No Response"); the codes
become missing values, and the reasons are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import names_of
from mlteach.data.sav import COUNTRY, DOWNLOAD, read_header, read_rows
from mlteach.errors import DataError, shown

WEIGHT = "W_FSTUWT"
# Identifiers since PISA 2015, numbers that differ between all countries; and those before, text
# that starts again in every country.
IDENTIFIERS = (("CNTSCHID", "CNTSTUID"), ("SCHOOLID", "STIDSTD"))
# Labels of PISA's codes, which count as missing even if the file does not declare them so.
REASONS = ("valid skip", "not reached", "not applicable", "n/a", "invalid", "no response")
REASONS += ("missing", "miss")
BLANK = "blank"
KEYS = ("country", "school", "student")
# Numbers that a column of floats holds exactly; an identifier beyond is none.
EXACT = 2**53


@checked
def load_pisa(
    path: str | Path,
    countries: str | Sequence[str] | Mapping[str, str] = ("ALB", "IRL"),
    variables: str | Sequence[str] = ("CREATAS", "GROSAGR"),
    weights: bool = True,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read some countries and variables from OECD's SPSS file of PISA students.

    The file is not part of mlteach: OECD offers it for download (PISA 2022:
    CY08MSP_STU_QQQ.SAV). Needs pyreadstat.

    Parameters
    ----------
    path : str or Path
        The student questionnaire file, unzipped (.sav).
    countries : str, sequence of str, or mapping, default ("ALB", "IRL")
        Country codes as in the column CNT. A mapping gives each code the name it is to have in the
        table: ``{"ALB": "Albania", "IRL": "Ireland"}``.
    variables : str or sequence of str, default ("CREATAS", "GROSAGR")
        Numeric columns of the file, written as there.
    weights : bool, default True
        Whether to keep the final student weight.
    encoding : str, optional
        Character set of the file's texts, such as "latin1", where its header names a wrong one.

    Returns
    -------
    pandas.DataFrame
        One row a student, in the order of the file; columns ``country``, ``school``, ``student``,
        the variables (NaN where missing) and ``weight``. `attrs["codebook"]` has the file's labels
        of the columns, `attrs["missing"]` by variable and country how many values are missing, and
        for which reasons (blank: there was no code), and `attrs["notes"]` a sentence on that.

    Raises
    ------
    DataError
        No file there or no SPSS file; a country or variable that is not in the file (with what is);
        a text variable; a school in two countries, a student twice; rows with an impossible
        country, school or student code, or fewer rows than the file says it has: then it is
        damaged.
    ModelError
        If pyreadstat is not installed.

    Notes
    -----
    Files before PISA 2015 number schools and students by country (SCHOOLID, STIDSTD): there the
    code of the country is put in front, as in ``ALB-00012``.

    Examples
    --------
    A file in PISA's layout with three students stands in for OECD's.

    >>> import pandas as pd, pyreadstat, tempfile
    >>> import mlteach as mt
    >>> students = pd.DataFrame({"CNT": ["ALB", "ALB", "FIN"], "CNTSCHID": [8001.0, 8001, 2461],
    ...                          "CNTSTUID": [1.0, 2, 3], "CREATAS": [0.5, 99, 1]})
    >>> file = tempfile.NamedTemporaryFile(suffix=".sav")
    >>> _ = pyreadstat.write_sav(students, file.name, missing_ranges={"CREATAS": [99]})
    >>> mt.load_pisa(file.name, countries="ALB", variables="CREATAS", weights=False)
      country  school  student  CREATAS
    0     ALB    8001        1      0.5
    1     ALB    8001        2      NaN

    References
    ----------
    OECD (2023). PISA 2022 Database. https://www.oecd.org/pisa/data/2022database/
    """
    names = _country_names(countries)
    variables = _variables(variables)
    path = _existing(Path(path))
    header = read_header(path, encoding)
    columns = _columns(header, variables, weights, path)
    _check_numeric(header, variables)
    raw = read_rows(path, columns, list(names), header, encoding)
    table, counts = _table(raw, variables, names, header)
    _check_identifiers(table)
    # pandas copies the attributes whenever a column is taken: they come last.
    note = _note(table, variables)
    table.attrs["codebook"] = {
        new: header.column_names_to_labels[old] or old for new, old in columns.items()
    }
    table.attrs["missing"] = counts
    table.attrs["notes"] = (note,)
    return table


# ---------------------------------------------------------------------------------------- the call


def _country_names(countries: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Name that each code is to have; the code itself where there is no mapping."""
    if not isinstance(countries, Mapping):
        countries = {code: code for code in names_of(countries, "countries")}
    names = {str(code): str(name) for code, name in countries.items()}
    if not names:
        raise DataError('countries is empty; name at least one, as in countries=("ALB", "IRL").')
    if len(set(names.values())) < len(names):
        raise DataError(f"countries gives two codes the same name: {names}.")
    return names


def _variables(variables: str | Sequence[str]) -> list[str]:
    variables = names_of(variables, "variables")
    if not variables:
        raise DataError('variables is empty; name at least one, as in variables=("CREATAS",).')
    if len(set(variables)) < len(variables):
        raise DataError(f"variables names a column twice: {', '.join(variables)}.")
    taken = {*KEYS, "weight"} & set(variables)
    if taken:
        raise DataError(f"{sorted(taken)} is the name of a column that load_pisa makes itself.")
    return variables


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"There is no file {path.resolve()}. load_pisa reads OECD's student questionnaire file "
            "in SPSS format, which has to be downloaded from OECD's PISA pages and unzipped."
        )
    if path.suffix.lower() == ".zip":
        raise DataError(f"{path} is a zip archive. Unzip it and give the path of the .sav in it.")
    return path


# ---------------------------------------------------------------------------------------- the file


def _columns(header, variables: list[str], weights: bool, path: Path) -> dict[str, str]:
    """Column of the file, as spelled there, for each column of the table."""
    spelled = {name.upper(): name for name in header.column_names}
    identifiers = [pair for pair in IDENTIFIERS if set(pair) <= set(spelled)]
    if COUNTRY not in spelled or not identifiers:
        new, old = (" and ".join(pair) for pair in IDENTIFIERS)
        raise DataError(
            f"{path} is no PISA student file: it needs the columns {COUNTRY}, {new} (before 2015: "
            f"{old})."
        )
    if weights and WEIGHT not in spelled:
        raise DataError(f"{path} has no column {WEIGHT}. With weights=False none is looked for.")
    unknown = [name for name in variables if name not in header.column_names]
    if unknown:
        raise DataError(_unknown_variables(unknown, spelled, path))
    keys = dict(zip(KEYS, map(spelled.get, (COUNTRY, *identifiers[0])), strict=True))
    columns = keys | {name: name for name in variables}
    return columns | ({"weight": spelled[WEIGHT]} if weights else {})


def _unknown_variables(unknown: list[str], spelled: dict[str, str], path: Path) -> str:
    hints = []
    for name in unknown:
        close = get_close_matches(str(name).upper(), spelled, n=3)
        meant = f" (close: {', '.join(spelled[match] for match in close)})" if close else ""
        hints.append(f"{name}{meant}")
    return f"{path} has {len(spelled)} columns, but not {'; '.join(hints)}."


def _check_numeric(header, variables: list[str]) -> None:
    text = [name for name in variables if header.readstat_variable_types[name] == "string"]
    if text:
        raise DataError(
            f"{', '.join(text)}: text in the file. load_pisa reads numeric variables only."
        )


# --------------------------------------------------------------------------------------- the table


def _reasons(values: pd.Series, variable: str, header) -> tuple[np.ndarray, list[str]]:
    """Why each value is missing: a number for a reason, -1 where it is there; and the reasons."""
    array, labels = values.to_numpy(), header.variable_value_labels.get(variable, {})
    reasons = {}
    for bounds in header.missing_ranges.get(variable, []):
        inside = array[(array >= bounds["lo"]) & (array <= bounds["hi"])]
        reasons |= {code: labels.get(code, f"code {code:g}") for code in np.unique(inside)}
    reasons |= {c: label for c, label in labels.items() if label.strip().lower() in REASONS}
    told = list(dict.fromkeys([BLANK, *reasons.values()]))
    number = np.where(values.isna(), 0, -1)
    for code, text in reasons.items():
        number[array == code] = told.index(text)
    return number, told


def _table(raw: pd.DataFrame, variables: list[str], names: dict[str, str], header):
    """The table, and how often each variable is missing in each country, for which reasons."""
    country = raw["country"].map(names)
    data, counts = {"country": country}, {}
    data |= {key: _identifier(raw[key], raw["country"]) for key in KEYS[1:]}
    data |= dict(raw.drop(columns=list(KEYS)).items())
    for name in variables:
        number, told = _reasons(raw[name], name, header)
        data[name] = raw[name].astype(float).where(number < 0)
        counts[name] = _counts(pd.Series(pd.Categorical.from_codes(number, told)), country)
    return pd.DataFrame(data), counts


def _identifier(ids: pd.Series, country: pd.Series) -> pd.Series:
    """Whole numbers as such; text, which starts again in every country, behind the country."""
    if not pd.api.types.is_numeric_dtype(ids):
        texts = ids.astype(str).str.strip()
        if (texts == "").any():
            raise DataError(f"{(texts == '').sum()} students have no {ids.name} in the file.")
        return country + "-" + texts
    if ids.isna().any():
        raise DataError(f"{ids.isna().sum()} students have no {ids.name} number in the file.")
    odd = ids[(ids != ids.round()) | (ids < 0) | (ids >= EXACT)]
    if len(odd):
        raise DataError(
            f"{len(odd)} students have a {ids.name} number that is none, the first {odd.iloc[0]:g}:"
            f" the file is damaged. {DOWNLOAD}"
        )
    return ids.astype("int64")


def _check_identifiers(table: pd.DataFrame) -> None:
    twice = table["student"][table["student"].duplicated()]
    if len(twice):
        raise DataError(
            f"{len(twice)} student identifiers occur more than once, the first is "
            f"{shown(twice.iloc[0])}. A PISA student file has one row a student."
        )


def _counts(reasons: pd.Series, country: pd.Series) -> dict[str, dict[str, int]]:
    """Students, missing values and how many of them for each reason, by country."""
    counts = {}
    for name, own in reasons.groupby(country, sort=False):
        found = own.value_counts()
        missing = {"students": len(own), "missing": int(found.sum())}
        counts[name] = missing | found[found > 0].to_dict()
    return counts


def _note(table: pd.DataFrame, variables: list[str]) -> str:
    shares = ", ".join(f"{name} {table[name].isna().mean():.0%}" for name in variables)
    schools = table["school"].nunique()
    return f"{len(table):,} students of {schools:,} schools. Missing: {shares}."
