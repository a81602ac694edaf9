"""When a location-scale or mixed model is a special case of a location-scale model; its test.

Four things must be nested: the mean function, the variance function, the random effects with
their covariances, and how the effects of the two functions go together. The random effects of both
functions count as one set: the columns ``[s 0; 0 z]``, with one pattern of free covariances. A
mixed model is one whose variance function is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from mlteach.core.arguments import checked
from mlteach.core.design import Design
from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.core.nesting import (
    columns_nested,
    covariances_nested,
    different_data,
    different_methods,
)
from mlteach.errors import ModelError
from mlteach.location_scale.association import DEGREES
from mlteach.location_scale.effects import free_pattern
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.mixed.estimates import MixedEstimates

Fit = LocationScaleEstimates | MixedEstimates
DEGREE = {"none": 0, "correlated": 1, **DEGREES}


@dataclass(frozen=True)
class _Reach:
    """What a model can say.

    Attributes
    ----------
    mean : Design
    W, S : ndarray, shapes (N, k), (N, r)
        Variance function, r = 0 without random effects.
    degree : int
        Whether u goes together with the log variance: not, linearly, or by its square too.
    columns : ndarray, shape (2 N, d)
        Of the random effects of both functions, scale first; where u alone drives the log variance
        it counts as a scale effect that correlates perfectly.
    free : ndarray of bool, shape (d, d)
    is_partly_free : bool
        Location effects that correlate with scale effects but not with each other: then their
        covariances are not zero but what the others make them.
    functions : dict from (row, column) to ndarray, or None
        Level-2 functions, by element.
    """

    mean: Design
    W: np.ndarray
    S: np.ndarray
    degree: int
    columns: np.ndarray
    free: np.ndarray
    is_partly_free: bool
    functions: dict[tuple[int, int], np.ndarray] | None

    @classmethod
    def of(cls, fit: Fit) -> _Reach:
        mean, one = fit.mean_design, np.ones((fit.nobs, 1))
        W, S, blocks, degree, functions = one, one[:, :0], (), 0, None
        if not isinstance(fit, MixedEstimates):
            d, functions = fit.design, fit.functions
            W, S, blocks = d.W, d.S, d.s_blocks
            degree = 0 if fit.form == "correlated" and not blocks else DEGREE[fit.form]
        scale, blocks = (one, ((0,),)) if degree and not blocks else (S, blocks)
        r, columns = scale.shape[1], block_diag(scale, mean.Z)
        free = free_pattern(blocks, mean.blocks, degree > 0)
        partly = bool(r and degree and not free[r:, r:].all())
        if functions is not None:
            elements = zip(functions.map.rows.tolist(), functions.map.cols.tolist(), strict=True)
            functions = dict(zip(elements, functions.map.designs, strict=True))
        return cls(mean, W, S, degree, columns, free, partly, functions)


def not_comparable(a: Fit, b: Fit) -> str:
    """Say why the likelihoods of two fits are not of the same thing; empty if they are."""
    designs = a.mean_design, b.mean_design
    return different_data(*designs) or different_methods((a.reml, b.reml), *designs)


def not_nested(small: Fit, big: Fit) -> str:
    """Say why the first is no special case of the second; empty if it is."""
    a, b = _Reach.of(small), _Reach.of(big)
    if not columns_nested(a.mean.X, b.mean.X):
        return "it has fixed effects that are no combination of the other's."
    if not columns_nested(a.W, b.W):
        return "it has predictors of the variance that are no combination of the other's."
    if a.degree > b.degree:
        return "the location effect enters its variance function in a way the other's does not."
    if a.S.shape[1] > b.S.shape[1] or not _effects_nested(a, b):
        return "it has random effects (or covariances) that the other cannot produce."
    return _functions_not_nested(a, b)


def _effects_nested(a: _Reach, b: _Reach) -> bool:
    if b.is_partly_free and a.degree:
        # Some of its effects, with the same covariances among them.
        theirs = {column.tobytes(): k for k, column in enumerate(b.columns.T.copy())}
        at = [theirs.get(column.tobytes(), -1) for column in a.columns.T.copy()]
        return min(at) >= 0 and np.array_equal(a.free, b.free[np.ix_(at, at)])
    free = a.free.copy()
    if a.is_partly_free:
        r = len(free) - a.mean.Z.shape[1]
        free[r:, r:] = True
    return covariances_nested(a.columns, free, b.columns, b.free)


def _functions_not_nested(a: _Reach, b: _Reach) -> str:
    if b.functions is None:
        return "it has level-2 functions and the other has none." if a.functions else ""
    if not np.array_equal(a.columns, b.columns) or (a.is_partly_free and a.functions is None):
        return (
            "the other has level-2 functions (between=) for variances that it does not have, and "
            "such a function is never zero. Both need the same random effects."
        )
    if a.functions is None:
        level = np.ones((len(a.mean.labels), 1))
        own = dict.fromkeys(zip(*np.nonzero(np.tril(a.free)), strict=True), level)
    else:
        own = a.functions
    if all(e in b.functions and columns_nested(G, b.functions[e]) for e, G in own.items()):
        return ""
    return "its level-2 functions (between=) are no special case of the other's."


def mixture_weights(small: Fit, big: Fit) -> tuple[float, ...]:
    """Weights of chi-square with 0, 1, ..., df degrees of freedom for nested models.

    One more random effect is a variance at zero, with covariances that are free as soon as it is
    not: half the time chance would take it below (Self & Liang 1987, case 6; Stram & Lee 1994).
    Empty for several more, where the weights depend on the data.
    """
    df = big.n_parameters - small.n_parameters
    more = n_effects(big) - n_effects(small)
    return {0: (0.0,) * df + (1.0,), 1: (0.0,) * (df - 1) + (0.5, 0.5)}.get(more, ())


def n_effects(fit: Fit) -> int:
    """Number of random effects in all functions."""
    q = fit.mean_design.Z.shape[1]
    return q if isinstance(fit, MixedEstimates) else q + fit.design.S.shape[1]


@checked
def lr_test(big: LocationScaleEstimates, smaller: Fit) -> LikelihoodRatioTest:
    """Likelihood-ratio test against a smaller model, a mixed or a location-scale one.

    Parameters
    ----------
    smaller : LocationScaleResult or MixedResult
        Fitted by the same method to the same rows; a special case of this model.

    Returns
    -------
    LikelihoodRatioTest
        With the 50:50 mixture where this model has one random effect more.

    Raises
    ------
    ModelError
        Other rows, other methods, not fewer parameters, or not nested; the message says why.
    """
    if not isinstance(smaller, Fit):
        raise ModelError(
            "lr_test needs a mixed or a location-scale model fitted by maximum likelihood, not "
            f"{type(smaller).__name__}."
        )
    problem = not_comparable(smaller, big)
    if problem:
        raise ModelError(problem)
    df = big.n_parameters - smaller.n_parameters
    if df <= 0:
        raise ModelError(
            f"The model to test against has {smaller.n_parameters} parameters, this one "
            f"{big.n_parameters}: the smaller one goes into the brackets, big.lr_test(small)."
        )
    problem = not_nested(smaller, big)
    if problem:
        raise ModelError(
            f"'{smaller.formula}' is not nested in '{big.formula}': {problem} A likelihood-ratio "
            "test needs a model that the other contains; compare AIC or BIC instead."
        )
    return likelihood_ratio_test(smaller.deviance - big.deviance, df, mixture_weights(smaller, big))
