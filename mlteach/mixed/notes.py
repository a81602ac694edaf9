"""The account that a mixed-model fit gives of itself: its summary and its notes in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.design import Design
from mlteach.core.summary import Summary

if TYPE_CHECKING:
    from mlteach.mixed.result import MixedResult

# With fewer clusters than this the advice for small samples is given.
FEW_CLUSTERS = 10


def summary(fit: MixedResult, ddf: str) -> Summary:
    """Both sides of the model: coefficients, and variance components."""
    sizes = fit.cluster_sizes
    facts = {
        "Model": fit.formula,
        "Method": "REML" if fit.reml else "ML",
        "Rows": f"{fit.nobs}",
        "Clusters": f"{fit.n_clusters} ({fit.cluster}), of {sizes.min()} to {sizes.max()} rows, "
        f"{fit.nobs / fit.n_clusters:.1f} on average",
        "Log-likelihood": f"{fit.llf:.4f}",
        "Deviance": f"{fit.deviance:.4f}",
        "AIC, BIC": f"{fit.aic:.2f}, {fit.bic:.2f}",
        "Against no random effects": str(fit.lr_test_random),
        "Degrees of freedom": ddf,
    }
    tables = {"Model for the means": fit.tests(ddf), "Model for the variance": fit.variances}
    return Summary("Two-level linear mixed model", facts, tables, tuple(fit.notes))


def dropped_note(design: Design) -> str:
    """How many rows a design leaves out, and which columns are to blame."""
    columns = ", ".join(f"{column} ({count})" for column, count in design.dropped.items())
    left_out = design.n_rows - len(design.y)
    return f"{left_out} of {design.n_rows} rows are left out for missing values: {columns}."


def few_clusters_note(J: int) -> str:
    """What to do with so few clusters that their variance is hardly known."""
    return (
        f"{J} clusters say little about the variance between clusters: use REML with "
        "ddf='kenward-roger' and profile intervals, or give each cluster its own intercept (fixed "
        "effects), and do not rely on z-tests or on cluster-robust standard errors."
    )


def boundary_notes(fit: MixedResult) -> list[str]:
    """What it means that an estimate lies on the boundary; empty if none does.

    Judged by the rank of Lambda in scaled units: a predictor far from zero makes the correlation
    of intercept and slope come close to one without any boundary being near.
    """
    Lambda = fit.problem.map.Lambda(fit.theta)
    notes = []
    for block in fit.problem.map.blocks:
        if (np.diag(Lambda)[list(block)] == 0).any():
            notes += _notes_on_block(fit, [fit.tau.index[k] for k in block])
    return notes


def _notes_on_block(fit: MixedResult, names: list[str]) -> list[str]:
    """Notes on effects that vary together with a covariance matrix of deficient rank."""
    left = [name for name in names if fit.tau.loc[name, name] > 0]
    notes = [
        f"The variance of {name} is estimated as exactly zero: the clusters differ no more than "
        "sampling within them explains (singular fit). This is an answer, not an error."
        for name in names
        if name not in left
    ]
    if len(left) == 2:
        sign = np.sign(fit.tau.loc[left[0], left[1]])
        notes.append(
            f"The correlation {':'.join(left)} is estimated as {sign:+.0f}: the data carry too "
            "little information to keep it off the boundary (singular fit). Simplify the random "
            "part, or read the correlation as 'not determined'."
        )
    elif len(left) > 2:
        notes.append(
            "The covariance matrix of the random effects has deficient rank: one effect is a "
            "combination of the others (singular fit). Simplify the random part."
        )
    return notes
