"""What a mixed-model fit tells of itself in plain words."""

from __future__ import annotations

import numpy as np

from mlteach.core import notes as words
from mlteach.core.design import Design
from mlteach.mixed.estimates import MixedEstimates
from mlteach.mixed.smushing import smushed_note


def dropped_note(design: Design) -> str:
    """How many rows a design leaves out, and which columns are to blame; empty if none."""
    return words.left_out_note(design.n_rows - len(design.y), design.n_rows, design.dropped)


def design_notes(design: Design) -> list[str]:
    """What the rows alone tell: left out, few clusters, codes for missing values."""
    few = words.few_clusters_note(len(design.labels))
    told = (dropped_note(design), *design.notes, few, *words.codes_in(design.plain, design.codes))
    return [note for note in told if note]


def notes(fit: MixedEstimates, smushed: bool) -> tuple[str, ...]:
    """What a reader of a fit should know; ``smushed`` tells of predictors that enter unsplit."""
    unsplit = smushed_note(fit.design) if smushed else ""
    return (
        *words.convergence_notes(fit),
        *design_notes(fit.design),
        *([unsplit] if unsplit else []),
        *boundary_notes(fit),
        *words.undetermined_notes(fit.undetermined),
    )


def boundary_notes(fit: MixedEstimates) -> list[str]:
    """What it means that an estimate lies on the boundary; empty if none does.

    Judged by the rank of Lambda in scaled units: a predictor far from zero makes the correlation
    of intercept and slope come close to one without any boundary being near.
    """
    notes = []
    for block in fit.problem.map.blocks:
        if (np.diag(fit._state.Lambda)[list(block)] == 0).any():
            notes += _notes_on_block(fit, [fit.tau.index[k] for k in block])
    return notes


def _notes_on_block(fit: MixedEstimates, names: list[str]) -> list[str]:
    """Notes on effects that vary together with a covariance matrix of deficient rank."""
    left = [name for name in names if fit.tau.loc[name, name] > 0]
    # Where the data cannot tell an effect from others, a zero is as good as any other value.
    unknown = {name for names in fit.undetermined for name in names}
    zero = [name for name in names if name not in left and name not in unknown]
    notes = [words.zero_variance_note(name) for name in zero]
    if len(left) == 2:
        sign = np.sign(fit.tau.loc[left[0], left[1]])
        notes.append(words.correlation_note(":".join(left), sign))
    elif len(left) > 2:
        notes.append(
            "The covariance matrix of the random effects has deficient rank: one effect is a "
            "combination of the others (singular fit). Simplify the random part."
        )
    return notes
