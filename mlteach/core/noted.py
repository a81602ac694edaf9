"""A DataFrame that shows its notes under it, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlteach.core.summary import notes_html


class NotedTable(pd.DataFrame):
    """A table whose ``attrs["notes"]`` a reader sees; parts and rounded copies keep them."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return NotedTable

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *(f"Note: {note}" for note in self._notes)])

    def _repr_html_(self) -> str:
        return super()._repr_html_() + notes_html(self._notes)

    @property
    def _notes(self) -> Sequence[str]:
        return self.attrs.get("notes", ())


def noted(table: pd.DataFrame, notes: Sequence[str]) -> NotedTable:
    """The same table with notes, which replace those it has."""
    out = NotedTable(table)
    out.attrs = {**table.attrs, "notes": tuple(notes)}
    return out
