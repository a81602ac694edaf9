"""The same surroundings for every run, on whatever machine.

A chapter must not depend on what its reader's home holds: a matplotlibrc, start-up files of
IPython, a kernel that is also called python3, the caches of earlier runs, the language and time
zone of the machine. So the programs that run chapters or build the site begin in a home of their
own, below ``_build``, which also serves where the reader's home cannot be written.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "_build"
HOME = BUILD / "home"
#: Where the systems look for a home.
HOMES = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
#: Settings of the user for programs that the book uses.
PERSONAL = (
    "ARVIZ", "DASK", "IPYTHON", "JUPYTER", "LANG", "LC_", "MATPLOTLIB", "MPL", "NUMBA", "PYTENSOR",
    "PYTHON", "SPHINX", "XDG_",
)  # fmt: skip
# A bar appears where a machine is slow, and must be in no stored output.
EVERYWHERE = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "TQDM_DISABLE": "1"}


def settle(home: Path = HOME) -> None:
    """Leave the user's settings behind, in this process and those that it starts."""
    home.mkdir(parents=True, exist_ok=True)
    for name in [name for name in os.environ if name.startswith(PERSONAL)]:
        del os.environ[name]
    os.environ.update(dict.fromkeys(HOMES, str(home)) | EVERYWHERE)


def processors() -> int:
    """How many processes may run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
