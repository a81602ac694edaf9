"""The table that a comparison of models comes in: a DataFrame that shows its notes."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd

from mlteach.core.summary import format_table


class Comparison(pd.DataFrame):
    """The table of :func:`compare`; a DataFrame that shows ``attrs["notes"]`` too."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        notes = [f"Note: {note}" for note in self.attrs.get("notes", ())]
        return "\n".join([_as_text(self).to_string(), *notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.attrs.get("notes", ()))
        notes = f'<ul class="notes">{notes}</ul>' if notes else ""
        return f'<div class="mlteach-summary">{_as_text(self).to_html(border=0)}{notes}</div>'


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text; degrees of freedom are counts, deviances need two decimals."""
    out = format_table(pd.DataFrame(table))
    for name in ("llf", "deviance", "aic", "bic", "lr"):
        out[name] = ["" if np.isnan(v) else f"{v:.2f}" for v in table[name]]
    out["df"] = ["" if np.isnan(v) else f"{v:.0f}" for v in table["df"]]
    return out
