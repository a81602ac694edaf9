"""The account that a location-scale fit gives of itself: its summary, and notes in plain words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mlteach.core import notes as words
from mlteach.core.long_table import first_few
from mlteach.core.sandwich import robust_note
from mlteach.core.summary import Summary, pair_name
from mlteach.location_scale.design import SCALE, unchanging
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.location_scale.model import LocationScaleModel
from mlteach.mixed.smushing import smushed_note


def summary(
    fit: LocationScaleModel, title: str, facts: dict[str, str], random: dict[str, pd.DataFrame]
) -> Summary:
    """Both functions, the random effects or their level-2 functions, and their association."""
    d, average = fit.design, fit.average_variance
    functions = {
        "Mean function": d.mean.formula.text,
        "Log variance function": d.variance_text.strip(),
    }
    level1 = f"{average['median']:.3f} in the median cluster, {average['average']:.3f} on average"
    tables = {"Mean function": fit.mean, "Log variance function": fit.log_variance, **random}
    if fit.functions is not None:
        tables["Level-2 functions: log variances, atanh of correlations"] = fit.between
    if fit.has_association:
        tables["Association: effects of the mean in the log variance"] = fit.association
    facts = {**functions, **facts, "Level-1 variance": level1}
    return Summary(title, facts, tables, fit.notes, fit.converged)


def design_notes(fit: LocationScaleModel) -> list[str]:
    """What the rows and the two formulas tell, however the model is fitted."""
    d = fit.design
    told = [
        d.dropped_note,
        words.few_clusters_note(fit.n_clusters),
        *words.codes_in(d.mean.plain | d.variance.plain, d.mean.codes),
        smushed_note(d.mean, d.variance) if d.smushed_note else "",
    ]
    return [note for note in told if note]


def notes(fit: LocationScaleEstimates) -> tuple[str, ...]:
    """Notes on the fit, the rows and the random effects, in plain words."""
    told = [*words.convergence_notes(fit), *design_notes(fit)]
    told += words.undetermined_notes(fit.undetermined)
    # Some clusters show no variance at all, where the likelihood still has a maximum.
    names = unchanging(fit.design.mean, 1) if fit.design.s_names else []
    if names:
        told.append(
            f"The outcome never changes in {len(names)} cluster(s) ({first_few(names)}): their "
            "log variance is without bound, and what is reported is the maximum of the likelihood "
            "that lies near those of the other clusters. See whether it stays without them."
        )
    if fit.robust:
        told.append(robust_note(fit.n_clusters))
    return (*told, *boundary_notes(fit))


def boundary_notes(fit: LocationScaleEstimates) -> tuple[str, ...]:
    """Notes on variances of zero, and on correlations of one."""
    # Where the data cannot tell an effect from others, a zero is as good as any other value.
    unknown = {name for names in fit.undetermined for name in names}
    zero = [
        _on_no_variance(fit, effect)
        for effect, none in zip(fit.effects, fit.no_variance, strict=True)
        if none and effect not in unknown
    ]
    return (*zero, *(_on_functions(fit) if fit.functions else _on_correlations(fit, unknown)))


def _on_no_variance(fit: LocationScaleEstimates, effect: str) -> str:
    if fit.gamma is None or not effect.startswith(SCALE):
        return words.zero_variance_note(effect)
    return (
        f"The variance of {effect} is estimated as exactly zero: beyond what the association with "
        "the mean's effect explains, the clusters differ no more than sampling within them does "
        "(singular fit)."
    )


def _on_correlations(fit: LocationScaleEstimates, unknown: set[str]) -> Iterator[str]:
    matrix = fit.correlations.to_numpy()
    for r, c in zip(*np.nonzero(np.tril(np.abs(matrix) > 1.0 - 1e-6, -1)), strict=True):
        if not unknown & {fit.effects[r], fit.effects[c]}:
            yield words.correlation_note(pair_name(fit.effects, c, r), matrix[r, c])


def _on_functions(fit: LocationScaleEstimates) -> Iterator[str]:
    for element in fit.functions.at_boundary(fit.theta_effects):
        yield (
            f"The level-2 function of {element} runs off to the boundary (a variance of zero, a "
            "correlation of one) in some clusters: read the values of random_at(data), not its "
            "coefficients. Give it fewer predictors."
        )
