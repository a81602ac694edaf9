"""The account that a mixed-model fit gives of itself: its summary and its notes in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.design import Design
from mlteach.results import Summary

if TYPE_CHECKING:
    from mlteach.mixed_result import MixedResult


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


def boundary_notes(fit: MixedResult) -> list[str]:
    """What it means that an estimate lies on the boundary; empty if none does."""
    variances = fit.variances
    notes = [
        f"The variance of {name} is estimated as exactly zero: the clusters differ no more than "
        "sampling within them explains (singular fit). This is an answer, not an error."
        for name in fit.tau.index
        if variances.loc[name, "estimate"] == 0
    ]
    notes += [
        f"The correlation {name} is estimated as {row.correlation:+.0f}: the data carry too little "
        "information to keep it off the boundary (singular fit). Simplify the random part, or "
        "read the correlation as 'not determined'."
        for name, row in variances.iterrows()
        if abs(row.correlation) > 1 - 1e-8
    ]
    return notes or _rank_notes(fit)


def _rank_notes(fit: MixedResult) -> list[str]:
    Lambda = fit.problem.map.Lambda(fit.theta)
    deficient = any(
        len(block) > 2 and (np.diag(Lambda)[list(block)] == 0).any()
        for block in fit.problem.map.blocks
    )
    return deficient * [
        "The covariance matrix of the random effects has deficient rank: one effect is a "
        "combination of the others (singular fit). Simplify the random part."
    ]
