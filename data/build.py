"""Rebuild the data sets of mlteach: four from R packages, one from a seeded script.

    python data/build.py            write the CSV files, the computed facts and README.md
    python data/build.py --check    rebuild in memory and say whether the files agree

Needs R with nlme, mlmRev and plm (Debian: r-cran-nlme, r-cran-mlmrev, r-cran-plm) and mlteach
itself. Using the data needs no R.

The steps: data/export.R writes R's tables as they are; one function a data set selects, renames and
codes the columns and adds the derived ones; make_pisa_style.py draws the synthetic data;
codebook.json is the hand-written text plus the facts computed here (rows, clusters, missing values,
SHA-256, package versions); README.md is rendered from codebook.json.
Derived means and SDs use exactly rounded sums (math.fsum), and floats are written with the shortest
digits that give the same double back, so that the files have the same bytes on every machine.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import make_pisa_style
import pandas as pd

from mlteach.data.shipped import values_text

HERE = Path(__file__).resolve().parent
DENOMINATIONS = {1: "public", 2: "Protestant", 3: "Catholic", 4: "non-denominational"}
# MLwiN's band vb1 is the top 25% and vb3 the bottom 25%; mlmRev labels them the other way round.
TRUE_BAND = {"bottom 25%": "top 25%", "mid 50%": "mid 50%", "top 25%": "bottom 25%"}


def main() -> int:
    """Write the files, or with --check compare them with what would be written."""
    parser = argparse.ArgumentParser(description="Rebuild the data sets of mlteach.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    check = parser.parse_args().check
    files = built_files(json.loads((HERE / "codebook.json").read_text(encoding="utf-8")))
    if check:
        stale = [name for name, content in files.items() if current(name) != content]
        print("differs: " + ", ".join(stale) if stale else "all files agree with their sources")
        return 1 if stale else 0
    for name, content in files.items():
        (HERE / name).write_bytes(content)
    return 0


def current(name: str) -> bytes:
    """Read a file as it is now; empty when it does not exist."""
    path = HERE / name
    return path.read_bytes() if path.exists() else b""


def built_files(book: dict) -> dict[str, bytes]:
    """Every file of the data folder that this script writes, by name."""
    raw = export_from_r()
    versions = raw.pop("packages").set_index("Package")["Version"]
    frames = {"hsb": build_hsb(raw), "london": build_london(raw), "language": build_language(raw)}
    frames |= {"wages": build_wages(raw), "pisa_style": make_pisa_style.build()}
    files = {}
    for name, frame in frames.items():
        files[f"{name}.csv"] = frame.to_csv(index=False, lineterminator="\n").encode()
        entry = book[name]
        entry["rows"] = len(frame)
        entry["clusters"] = int(frame[entry["cluster"]].nunique())
        entry["sha256"] = hashlib.sha256(files[f"{name}.csv"]).hexdigest()
        entry["packages"] = {package: versions[package] for package in entry["packages"]}
        for column in frame.columns[frame.isna().any()]:
            entry["columns"][column]["missing"] = int(frame[column].isna().sum())
    files["codebook.json"] = (json.dumps(book, indent=2, ensure_ascii=False) + "\n").encode()
    files["README.md"] = render_readme(book).encode()
    return files


def export_from_r() -> dict[str, pd.DataFrame]:
    """Read R's tables by name, and `packages` with the versions they came from."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["Rscript", str(HERE / "export.R"), folder], check=True)
        return {path.stem: read_exactly(path) for path in Path(folder).glob("*.csv")}


def read_exactly(path: Path) -> pd.DataFrame:
    """Read a CSV file; numbers go through Python's own, correctly rounded conversion."""
    table = pd.read_csv(path, dtype=str)
    return table.apply(lambda column: column.map(number) if is_numeric(column) else column)


def is_numeric(column: pd.Series) -> bool:
    """Whether every value of a text column is written as a number."""
    return bool(column.str.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?").all())


def number(text: str) -> int | float:
    """Convert to an integer where there is nothing after the point, else to a float."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


def build_hsb(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Join students to schools; check the two packages against each other on the way."""
    require_same_students(raw["MathAchieve"], raw["Hsb82"])
    joined = raw["MathAchieve"].merge(
        raw["MathAchSchool"].drop(columns="MEANSES"), on="School", validate="many_to_one"
    )
    frame = pd.DataFrame(
        {
            "school": joined["School"],
            "math": joined["MathAch"],
            "ses": joined["SES"],
            "minority": indicator(joined["Minority"], {"No": 0, "Yes": 1}),
            "female": indicator(joined["Sex"], {"Male": 0, "Female": 1}),
            "sector": joined["Sector"],
            "catholic": indicator(joined["Sector"], {"Public": 0, "Catholic": 1}),
            "size": joined["Size"],
            "pracad": joined["PRACAD"],
            "disclim": joined["DISCLIM"],
            "himinty": joined["HIMINTY"],
        }
    )
    ses = frame.groupby("school")["ses"]
    return frame.assign(mean_ses=ses.transform(mean), sd_ses=ses.transform(sd))


def build_london(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rename, code sex as 0/1, put the pupils' reading bands the right way round."""
    exam = raw["Exam"]
    frame = pd.DataFrame(
        {
            "school": exam["school"],
            "score16": exam["normexam"],
            "score11": exam["standLRT"],
            "girl": indicator(exam["sex"], {"M": 0, "F": 1}),
            "school_gender": exam["schgend"],
        }
    )
    return frame.assign(
        mean_score11=frame.groupby("school")["score11"].transform(mean),
        intake=exam["intake"].map(TRUE_BAND),
        vr=exam["vr"],
    )


def build_language(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rename, code 0/1, and add the three z-scores (SD with n - 1 over all pupils)."""
    bdf = raw["bdf"]
    frame = pd.DataFrame(
        {
            "school": bdf["schoolNR"],
            "pupil": bdf["pupilNR"],
            "class_id": bdf["classNR"],
            "language": bdf["langPOST"],
            "language_pre": bdf["langPRET"],
            "arith_post": bdf["aritPOST"],
            "arith_pre": bdf["aritPRET"],
            "iq_verbal": bdf["IQ.verb"],
            "iq_performal": bdf["IQ.perf"],
            "ses": bdf["ses"],
            "school_ses": bdf["schoolSES"],
            "minority": indicator(bdf["Minority"], {"N": 0, "Y": 1}),
            "female": indicator(bdf["sex"], {0: 0, 1: 1}),
            "repeat_grade": bdf["repeatgr"],
            "denomination": bdf["denomina"].map(DENOMINATIONS),
            "class_size": bdf["classsiz"],
            "group_size": bdf["groupsiz"],
            "mixed_grade": indicator(bdf["mixedgra"], {0: 0, 1: 1}),
            "percent_minority": bdf["percmino"],
        }
    )
    return frame.assign(
        gpa=zscore(frame["language"]),
        ses_z=zscore(frame["ses"]),
        clubs=zscore(frame["school_ses"]),
    )


def build_wages(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rename, count years from the first one, code 0/1; leave out occupation and the like."""
    males = raw["Males"]
    return pd.DataFrame(
        {
            "person": males["nr"],
            "year": males["year"],
            "time": males["year"] - males["year"].min(),
            "log_wage": males["wage"],
            "union": indicator(males["union"], {"no": 0, "yes": 1}),
            "married": indicator(males["married"], {"no": 0, "yes": 1}),
            "poor_health": indicator(males["health"], {"no": 0, "yes": 1}),
            "experience": males["exper"],
            "education": males["school"],
            "ethnicity": males["ethn"].replace("hisp", "hispanic"),
        }
    )


def require_same_students(nlme: pd.DataFrame, mlmrev: pd.DataFrame) -> None:
    """Stop when nlme's and mlmRev's copies of High School and Beyond are not the same."""
    pairs = {"School": "school", "SES": "ses", "MathAch": "mAch", "Minority": "minrty", "Sex": "sx"}
    different = [a for a, b in pairs.items() if not (nlme[a] == mlmrev[b]).all()]
    if different:
        raise ValueError(f"nlme and mlmRev disagree on {', '.join(different)}")


def indicator(column: pd.Series, codes: dict) -> pd.Series:
    """0/1 integers; stops on a value that has no code."""
    unknown = set(column.unique()) - set(codes)
    if unknown:
        raise ValueError(f"{column.name}: no code for {sorted(unknown)}")
    return column.map(codes).astype(int)


def mean(values: pd.Series) -> float:
    """Compute the mean from an exactly rounded sum."""
    return math.fsum(values) / len(values)


def sd(values: pd.Series) -> float:
    """Compute the standard deviation with n - 1 from exactly rounded sums."""
    centre = mean(values)
    return math.sqrt(math.fsum((x - centre) ** 2 for x in values) / (len(values) - 1))


def zscore(values: pd.Series) -> pd.Series:
    """Mean 0, SD 1 (n - 1) over all rows."""
    return (values - mean(values)) / sd(values)


def render_readme(book: dict) -> str:
    """Render the codebook and the provenance of every data set as one readable page."""
    head = [
        "# Data",
        "",
        "Written by `python data/build.py` from `codebook.json`; change the text there, not here.",
        "`python data/build.py --check` rebuilds everything from its sources and compares.",
        "",
        "The data that were copied from R packages under the GPL stay under the licences named",
        "below; the licence of the mlteach code does not apply to them. `pisa_style` is synthetic.",
    ]
    return "\n".join(head + [line for name in book for line in section(name, book[name])]) + "\n"


def section(name: str, entry: dict) -> list[str]:
    """One data set: what it is, where it comes from, its columns."""
    return [
        "",
        f"## {name}: {entry['title']}",
        "",
        entry["description"],
        "",
        f"- File: `{name}.csv`, {entry['rows']:,} rows, {entry['clusters']} clusters "
        f"(`{entry['cluster']}`); usual outcome `{entry['outcome']}`",
        f"- SHA-256: `{entry['sha256']}`",
        f"- {origin(entry)}",
        f"- Licence: {entry['licence']}",
        *[f"- Please cite: {citation}" for citation in entry["citation"]],
        *[f"- Note: {note}" for note in entry["notes"]],
        "",
        "| column | description | type | varies by | unit or levels | origin |",
        "|---|---|---|---|---|---|",
        *[column_row(column, facts) for column, facts in entry["columns"].items()],
    ]


def origin(entry: dict) -> str:
    """Where the data come from, with the versions of the packages they were copied from."""
    packages = ", ".join(f"{package} {version}" for package, version in entry["packages"].items())
    if not packages:
        return f"Synthetic: {entry['source']}"
    return f"Copied from: {entry['source']} (R packages: {packages})"


def column_row(column: str, facts: dict) -> str:
    """One line of the column table."""
    cells = [facts["description"], facts["type"], facts["varies_by"], values_text(facts)]
    return f"| `{column}` | {' | '.join(cells)} | {facts['origin']} |"


if __name__ == "__main__":
    sys.exit(main())
