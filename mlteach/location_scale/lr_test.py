"""Likelihood-ratio tests of location-scale models, against smaller ones and mixed models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.errors import ModelError
from mlteach.location_scale.design import LocationScaleDesign

if TYPE_CHECKING:
    from mlteach.location_scale.result import LocationScaleResult


def lr_test(big: LocationScaleResult, small) -> LikelihoodRatioTest:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.lr_test`."""
    # A mixed model has one function, a location-scale model two.
    both = isinstance(small.design, LocationScaleDesign)
    other = small.design.mean if both else small.design
    if small.reml != big.reml:
        raise ModelError(
            "One of the models is fitted by REML and the other by ML; fit both with reml=False."
        )
    if big.reml and not (other.x_names == big.design.mean.x_names):
        raise ModelError(
            "These are REML fits with different fixed effects; fit both with reml=False."
        )
    mine = big.design.mean
    if not (other.index.equals(mine.index) and np.array_equal(other.y, mine.y)):
        raise ModelError(
            "The two models use different rows or outcomes; fit both to one table without missing "
            "values in any of their columns."
        )
    df = big.n_parameters - small.n_parameters
    if df <= 0:
        raise ModelError(
            f"The model to test against has {small.n_parameters} parameters, this one "
            f"{big.n_parameters}: the smaller one goes into the brackets, big.lr_test(small)."
        )
    effects = len(small.effects) if both else other.Z.shape[1]
    more = len(big.effects) - effects
    weights = {0: (0.0,) * df + (1.0,), 1: (0.0,) * (df - 1) + (0.5, 0.5)}.get(more, ())
    return likelihood_ratio_test(small.deviance - big.deviance, df, weights)
