"""Sphinx extension: how long the parts of a build took, for those who wait for it."""

from __future__ import annotations

import time

from sphinx.application import Sphinx

#: Seconds by part, in the order in which the parts ended.
PARTS: dict[str, float] = {}
#: After all other extensions have done theirs.
LAST = 999
_begun = time.perf_counter()


def lap(part: str) -> None:
    """Note that a part has ended, and that the next begins."""
    global _begun
    now = time.perf_counter()
    PARTS[part] = now - _begun
    _begun = now


def table() -> str:
    """The parts, one a line, with their sum."""
    rows = [*PARTS.items(), ("together", sum(PARTS.values()))]
    return "\n".join(f"{seconds:8.1f} s  {part}" for part, seconds in rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", lambda app: lap("start of Sphinx"), priority=LAST)
    app.connect("env-updated", lambda app, env: lap("pages read"), priority=LAST)
    app.connect("build-finished", lambda app, error: lap("pages written"), priority=0)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
