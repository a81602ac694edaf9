"""What a reader of a location-scale fit should know: how it went, and where it is at a boundary."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlteach.core.sandwich import robust_note
from mlteach.location_scale.estimates import LocationScaleEstimates


def notes(fit: LocationScaleEstimates) -> tuple[str, ...]:
    """Notes on the fit, the rows and the random effects, in plain words."""
    told = [] if fit.converged else [f"NOT CONVERGED: {fit.optimizer.status}."]
    told += fit.dropped_notes
    told += [robust_note(fit.n_clusters)] if fit.robust else []
    return (*told, *boundary_notes(fit))


def boundary_notes(fit: LocationScaleEstimates) -> tuple[str, ...]:
    """Notes on variances of zero, and on correlations of one."""
    zero = [
        f"The variance of {effect} is estimated as zero: {fit.zero_means}"
        for effect, none in zip(fit.effects, fit.no_variance, strict=True)
        if none
    ]
    return (*zero, *(_on_functions(fit) if fit.functions else _on_correlations(fit)))


def _on_correlations(fit: LocationScaleEstimates) -> Iterator[str]:
    matrix = fit.correlations.to_numpy()
    for r, c in zip(*np.nonzero(np.tril(np.abs(matrix) > 1.0 - 1e-6, -1)), strict=True):
        yield (
            f"The correlation of {fit.effects[c]} and {fit.effects[r]} is estimated as "
            f"{matrix[r, c]:+.0f}: the data carry too little information to keep it off the "
            "boundary."
        )


def _on_functions(fit: LocationScaleEstimates) -> Iterator[str]:
    for element in fit.functions.at_boundary(fit.theta_effects):
        yield (
            f"The level-2 function of {element} runs off to the boundary (a variance of zero, a "
            "correlation of one) in some clusters: read the values of random_at(data), not its "
            "coefficients. Give it fewer predictors."
        )
