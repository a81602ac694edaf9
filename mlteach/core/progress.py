"""A sign of life of work that lasts: a bar, from the moment on at which a reader begins to wonder.

Most fits end before that, and load nothing and show nothing. Work inside other work that has a bar
shows none of its own. The environment variable ``TQDM_DISABLE=1`` turns all bars off.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar

# Seconds without a word.
PATIENCE = 2.0

_inside: ContextVar[bool] = ContextVar("inside", default=False)


class Progress:
    """Steps of some work, to be used in a ``with`` statement; an interruption takes the bar away.

    Parameters
    ----------
    what : str
        Name of the work, in front of the bar.
    total : int, optional
        Steps to be made; without it they are counted.
    done : int, default 0
        Steps made before.
    show : bool, default True
        False for silence.

    Examples
    --------
    >>> with Progress("sums", total=3) as bar:
    ...     for k in range(3):
    ...         bar.update()
    >>> bar.done
    3
    """

    def __init__(self, what: str, total: int | None = None, done: int = 0, show: bool = True):
        self.what, self.total, self.done = what, total, done
        self._show, self._bar = show, None

    def __enter__(self) -> Progress:
        self._was_inside = _inside.get()
        # Asked here, since the bar of a notebook does not.
        off = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
        self._show = self._show and not self._was_inside and not off
        _inside.set(True)
        self._since = time.monotonic()
        return self

    def update(self, steps: int = 1) -> None:
        """Count steps that have been made."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif self._show and time.monotonic() - self._since > PATIENCE:
            # Imported here: the bar is a notebook's or a terminal's, and most work needs none.
            from tqdm.auto import tqdm

            self._bar = tqdm(desc=self.what, total=self.total, initial=self.done, leave=False)

    def __exit__(self, *error: object) -> None:
        _inside.set(self._was_inside)
        if self._bar is not None:
            self._bar.close()
