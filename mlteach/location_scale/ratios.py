"""Level-1 variances of groups and their ratios, with intervals: by the delta method or from draws.

A group is a row of predictors. Ratios are to the first row, and intervals are found where they are
nearest to symmetric, on the log scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.distributions import normal_quantile
from mlteach.core.lazy import lazy_import
from mlteach.core.summary import check_level

if TYPE_CHECKING:
    from mlteach.location_scale.bayes.posterior import LocationScalePosterior
    from mlteach.location_scale.result import LocationScaleResult

pd = lazy_import("pandas")

# Parameters are of order one in scaled units.
STEP = 1e-5
COLUMNS = ["variance", "lower", "upper", "ratio", "ratio_lower", "ratio_upper"]


def ratios_by_delta(
    fit: LocationScaleResult, data: pd.DataFrame, average: bool, level: float
) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.result.LocationScaleResult.variance_ratios`."""
    check_level(level)
    end = fit.optimizer.end

    def log_variance(theta: np.ndarray) -> np.ndarray:
        moved = replace(fit, optimizer=replace(fit.optimizer, end=theta))
        return np.log(moved.predicted_variance(data, average=average).to_numpy())

    steps = STEP * np.eye(len(end))
    by_theta = np.array([log_variance(end + s) - log_variance(end - s) for s in steps]) / (2 * STEP)
    value, half = log_variance(end), normal_quantile(level)
    parts = []
    for estimate, change in ((value, by_theta), (value - value[0], by_theta - by_theta[:, :1])):
        variance = np.einsum("mr,mn,nr->r", change, fit._cov_scaled, change)
        spread = half * np.sqrt(np.maximum(variance, 0.0))
        parts += [np.exp(estimate), np.exp(estimate - spread), np.exp(estimate + spread)]
    return pd.DataFrame(dict(zip(COLUMNS, parts, strict=True)), index=data.index)


def ratios_from_draws(
    fit: LocationScalePosterior, data: pd.DataFrame, average: bool, level: float
) -> pd.DataFrame:
    """See :meth:`mlteach.location_scale.bayes.posterior.LocationScalePosterior.variance_ratios`."""
    check_level(level)
    log_variance = fit.log_variance_draws(data, average=average)
    tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
    parts = []
    for draws in (np.exp(log_variance), np.exp(log_variance - log_variance[:, :1])):
        parts += [draws.mean(axis=0), *np.quantile(draws, tails, axis=0)]
    return pd.DataFrame(dict(zip(COLUMNS, parts, strict=True)), index=data.index)
