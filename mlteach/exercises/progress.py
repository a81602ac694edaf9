"""How far a reader has come, chapter by chapter."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlteach.core.arguments import checked
from mlteach.exercises import record
from mlteach.exercises.exercise import chapter_exercises, chapters_with_exercises


@checked
def progress(file: str | Path = record.FILE) -> pd.DataFrame:
    """Show how many exercises of each chapter are answered; begin to keep it in a file.

    Parameters
    ----------
    file : str or Path, default "mlteach-progress.json"
        In the folder of the notebook; `mlteach workbook` puts one there. From then on :func:`check`
        writes there what it said to your own cells, never to the solutions'. It is the file that
        the website saves and loads. Delete it to forget all.

    Returns
    -------
    pandas.DataFrame
        One row a chapter and one for all: how many exercises there are (``exercises``), have an
        answer (``tried``), and have the right one (``right``).

    Raises
    ------
    DataError
        If there is such a file and it holds something else.

    Examples
    --------
    >>> import tempfile, mlteach as mt
    >>> table = mt.progress(tempfile.mkdtemp() + "/progress.json")
    >>> table.loc[3].to_dict()
    {'exercises': 5, 'tried': 0, 'right': 0}
    """
    entries = record.keep(file)
    right = {key for key, entry in entries.items() if entry["right"]}
    keys = {n: set(chapter_exercises(n)) for n in chapters_with_exercises()}
    keys["all"] = set().union(*keys.values())
    rows = [(len(own), len(own & set(entries)), len(own & right)) for own in keys.values()]
    index = pd.Index(keys, name="chapter", dtype=object)
    return pd.DataFrame(rows, index=index, columns=["exercises", "tried", "right"])
