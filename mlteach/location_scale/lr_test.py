"""Likelihood-ratio tests of location-scale models, against smaller ones and mixed models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.core.nesting import (
    columns_nested,
    covariances_nested,
    different_data,
    fixed_nested,
    same_columns,
)
from mlteach.errors import ModelError
from mlteach.location_scale.design import LocationScaleDesign
from mlteach.location_scale.effects import free_pattern
from mlteach.mixed.result import MixedResult

if TYPE_CHECKING:
    from mlteach.location_scale.result import LocationScaleResult


def lr_test(big: LocationScaleResult, small) -> LikelihoodRatioTest:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.lr_test`."""
    if not isinstance(small, MixedResult) and not _has_two(small):
        raise ModelError(
            "lr_test needs a mixed or a location-scale model fitted by maximum likelihood, not "
            f"{type(small).__name__}."
        )
    _check_data(big, small)
    df = big.n_parameters - small.n_parameters
    if df <= 0:
        raise ModelError(
            f"The model to test against has {small.n_parameters} parameters, this one "
            f"{big.n_parameters}: the smaller one goes into the brackets, big.lr_test(small)."
        )
    problem = not_nested(small, big)
    if problem:
        raise ModelError(
            f"'{small.formula}' is not nested in '{big.formula}': {problem} A likelihood-ratio "
            "test needs a model that the other contains; compare AIC or BIC instead."
        )
    more = len(big.effects) - _mean(small).Z.shape[1] - _scale(small)[1].shape[1]
    weights = {0: (0.0,) * df + (1.0,), 1: (0.0,) * (df - 1) + (0.5, 0.5)}.get(more, ())
    return likelihood_ratio_test(small.deviance - big.deviance, df, weights)


def _has_two(fit) -> bool:
    """Whether a fit has a variance function; a mixed model has one function only."""
    return isinstance(getattr(fit, "design", None), LocationScaleDesign) and hasattr(
        fit, "deviance"
    )


def _check_data(big: LocationScaleResult, small) -> None:
    if small.reml != big.reml:
        raise ModelError(
            "One of the models is fitted by REML and the other by ML; fit both with reml=False."
        )
    problem = different_data(_mean(small), _mean(big))
    if problem:
        raise ModelError(problem)
    if big.reml and not same_columns(_mean(small), _mean(big)):
        raise ModelError(
            "These are REML fits with different fixed effects; fit both with reml=False."
        )


def not_nested(small, big: LocationScaleResult) -> str:
    """Say why a model is no special case of a location-scale model; empty if it is.

    Parameters
    ----------
    small : LocationScaleResult or MixedResult
    big : LocationScaleResult
        Fitted to the same rows.
    """
    if not fixed_nested(_mean(small), _mean(big)):
        return "it has predictors in the mean that are no combination of the other's."
    (W, S, _), (W_big, S_big, _) = _scale(small), _scale(big)
    if not columns_nested(W, W_big):
        return "it has predictors of the variance that are no combination of the other's."
    effects = _both(S, _mean(small).Z), _both(S_big, _mean(big).Z)
    if not covariances_nested(effects[0], _pattern(small), effects[1], _pattern(big)):
        return "it has random effects (or covariances) that the other cannot produce."
    if _power_of_u(small) > max(_power_of_u(big), int(_correlates(big))):
        return "the location effect enters its variance function in a way the other's does not."
    return _functions_not_nested(small, big)


def _mean(fit):
    return fit.design.mean if _has_two(fit) else fit.design


def _scale(fit) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Fixed part, random part and blocks of the variance function; one constant without."""
    d = fit.design
    return (d.W, d.S, d.s_blocks) if _has_two(fit) else (np.ones((fit.nobs, 1)), d.Z[:, :0], ())


def _both(S: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Predictors of all random effects, each function in rows of its own, scale effects first."""
    out = np.zeros((2 * len(S), S.shape[1] + Z.shape[1]))
    out[: len(S), : S.shape[1]], out[len(S) :, S.shape[1] :] = S, Z
    return out


def _pattern(fit) -> np.ndarray:
    return free_pattern(_scale(fit)[2], _mean(fit).blocks, _correlates(fit))


def _correlates(fit) -> bool:
    """Whether effects of the two functions go together in a way that a covariance can express."""
    return _has_two(fit) and fit.form != "none" and bool(fit.design.s_names)


def _power_of_u(fit) -> int:
    """Highest power of u in the variance function that no covariance with v expresses."""
    form = fit.form if _has_two(fit) else "none"
    return {"quadratic": 2, "linear": 0 if _correlates(fit) else 1}.get(form, 0)


def _functions_not_nested(small, big: LocationScaleResult) -> str:
    mine = getattr(small, "functions", None)
    if big.functions is None:
        return "" if mine is None else "it has level-2 functions and the other has none."
    names = [*_mean(small).z_names, *_scale_names(small)]
    if not set(names) <= set(big.effects):
        return "level-2 functions are of the effects as named, and it has others."
    theirs = dict(zip(big.functions.names, big.functions.designs, strict=True))
    for name, own in zip(mine.names, mine.designs, strict=True) if mine else ():
        if name not in theirs or not columns_nested(own.X, theirs[name].X):
            return f"its level-2 function of {name} has predictors that the other's has not."
    return ""


def _scale_names(fit) -> list[str]:
    return fit.effects[_mean(fit).Z.shape[1] :] if _has_two(fit) else []
