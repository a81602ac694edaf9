"""The one place that deals with ArviZ's announcement of its next version.

Once a day, ArviZ before version 1 warns its importer that version 1 will be another program, and
notes the day in its cache. PyMC 5 wants ArviZ before 1, as does every PyMC for Python 3.11, so the
reader of a Bayesian fit can do nothing about it; and whether the warning comes would depend on the
clock and on what was run before. Here the day is noted first, in ArviZ's own way.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path


def note_announcement() -> None:
    """Tell ArviZ that today's announcement was made; to be called before PyMC or ArviZ is imported.

    Raises
    ------
    OSError
        If the user's cache cannot be written, without which ArviZ does not start either.

    Examples
    --------
    >>> note_announcement()
    """
    from platformdirs import user_cache_dir

    folder = Path(user_cache_dir("arviz", "arviz"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "daily_warning").write_text(date.today().isoformat(), encoding="utf-8")
