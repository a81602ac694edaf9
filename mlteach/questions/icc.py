"""Intraclass correlations: of fitted models, and of a column as it stands.

    icc = between / (between + sigma2),     between = z' Tau z

With a random intercept only, ``between`` is tau2. With random slopes it depends on where one looks:
z holds 1 for the intercept and the values of the predictors, zero unless told otherwise. Without a
model there are two classical answers: the average product over pairs of rows of a cluster, and the
ratio of mean squares of the analysis of variance. Deviations are from the grand mean of all rows.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of, refuse_others
from mlteach.core.columns import anova_variances, cluster_codes, numbers, table_with
from mlteach.core.crossing import both_crossings
from mlteach.core.design import complete_in
from mlteach.core.notes import convergence_notes, said_values
from mlteach.core.summary import INTERCEPT, format_number
from mlteach.errors import DataError, DataWarning, ModelError, warn
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.mixed.variance_function import component_weights
from mlteach.questions.design_effects import as_numbers

NO_VARIANCE = (
    "No variance between clusters is estimated, so the correlation is zero, without limits."
)
# First stride, as an SD ratio, of a search for limits where there is no standard error.
FIRST_WIDTH = 0.05
# An effect on the boundary is moved off it by this (relative SD) before a search starts.
FIRST_STEP = 1e-2
# A singular value this much smaller than the largest is zero.
RANK_TOLERANCE = 1e-12


class ICC(float):
    """An intraclass correlation: a number, with its standard error and confidence limits.

    Attributes
    ----------
    se : float
        Standard error by the delta method; NaN where the variance is estimated as zero.
    lower, upper : float
        Confidence limits, computed when first asked for: a simulation that needs only the number
        does not wait for them. NaN where the fit has not converged.
    level : float
        Confidence level.
    notes : tuple of str
        What a reader should know.
    """

    se: float
    level: float
    notes: tuple[str, ...]
    _limits: Callable[[], tuple[float, float]]

    def __new__(
        cls,
        estimate: float,
        se: float,
        limits: Callable[[], tuple[float, float]],
        level: float = 0.95,
        notes: tuple[str, ...] = (),
    ) -> ICC:
        """Make the number and hang the rest on it."""
        self = super().__new__(cls, estimate)
        self.se, self.level, self.notes = float(se), level, tuple(notes)
        self._limits = cache(limits)
        return self

    def __reduce__(self) -> tuple:
        # A copy carries the limits themselves, not the fit they come from.
        limits = partial(tuple, self._limits())
        return ICC, (float(self), self.se, limits, self.level, self.notes)

    @property
    def lower(self) -> float:
        """Lower confidence limit."""
        return self._limits()[0]

    @property
    def upper(self) -> float:
        """Upper confidence limit."""
        return self._limits()[1]

    @property
    def estimate(self) -> float:
        """The correlation as a plain number."""
        return float(self)

    def __repr__(self) -> str:
        se = format_number(self.se) or "undetermined"
        low, high = (format_number(limit) or "undetermined" for limit in self._limits())
        text = f"ICC = {float(self):.4f} (SE {se}, {self.level:.0%} CI {low} to {high})"
        return "\n".join([text, *(f"Note: {note}" for note in self.notes)])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in repr(self).splitlines())
        return f'<div class="mlteach-value">{lines}</div>'


@checked(fit="for a column of a table use column_icc(data, column, cluster=...)")
def icc(
    fit: MixedResult | LocationScaleResult,
    *,
    at: Mapping[str, object] | None = None,
    level: float = 0.95,
) -> ICC | pd.DataFrame:
    """Intraclass correlation: the share of the (residual) variance that lies between clusters.

    Also the correlation of two rows of the same cluster, given the predictors in the model.

    Parameters
    ----------
    fit : MixedResult or LocationScaleResult
    at : mapping of str to float, optional
        For random slopes: the values of their predictors at which to look, by the names in
        ``fit.tau``; those not named are at zero. For a location-scale model: values of the columns
        in its variance function and random parts.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    ICC, or DataFrame
        A float with ``se`` (delta method), ``lower`` and ``upper``. The limits are those of the
        profile likelihood (restricted if the fit is REML): they stay inside [0, 1], exist on the
        boundary too, and cover as they should where Wald limits do not (few clusters, small ICC).
        Where the level-1 variance differs so does the ICC: of a location-scale model without ``at``
        a table, one row a cluster, with columns estimate, lower, upper (what is uncertain of the
        cluster's own variance); with ``at`` a number, for the variance averaged over clusters,
        with limits by the delta method on the logit scale.

    Raises
    ------
    ModelError
        If ``at`` names no random effect, or there is no random intercept and no ``at``.

    Examples
    --------
    >>> import mlteach as mt
    >>> mt.icc(mt.fit_empty("math", mt.load("hsb"), cluster="school"))
    ICC = 0.1804 (SE 0.0187, 95% CI 0.1472 to 0.2210)
    >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)", "~ catholic + (1 | school)",
    ...                             mt.load("hsb"))
    >>> mt.icc(fit, at={"catholic": 1})
    ICC = 0.1623 (SE 0.0180, 95% CI 0.1300 to 0.2007)

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, sections 3.3 to 3.5. Pawitan (2001), In
    All Likelihood, section 3.4, for profile likelihoods.
    """
    if isinstance(fit, LocationScaleResult):
        return _location_scale_icc(fit, at, level)
    z = _position(fit, at)
    weights = np.append(component_weights(fit, z[None]), 0.0)
    components = fit.variances["estimate"].to_numpy()
    between = max(float(weights @ components), 0.0)
    total = between + fit.sigma2
    gradient = weights * fit.sigma2
    gradient[-1] = -between
    share, se = between / total, np.nan
    if between > 0.0:
        se = float(fit.delta_se(gradient[None] / total**2)[0])
    limits = partial(_profile_limits, fit, z, share, se, level)
    return ICC(share, se, limits, level, _notes(fit, z, between))


def _location_scale_icc(
    fit: LocationScaleResult, at: Mapping[str, object] | None, level: float
) -> ICC | pd.DataFrame:
    if at is None:
        table = fit.cluster_variances(level)[["icc", "icc_lower", "icc_upper"]]
        return table.set_axis(["estimate", "lower", "upper"], axis=1)
    row = fit.icc_at(pd.DataFrame([dict(at)]), level=level).iloc[0]
    notes = (*convergence_notes(fit), *(() if row["estimate"] > 0.0 else (NO_VARIANCE,)))
    return ICC(row["estimate"], row["se"], lambda: (row["lower"], row["upper"]), level, notes)


def _position(fit: MixedResult, at: Mapping[str, float] | None) -> np.ndarray:
    """Values of the random-effects design at which the correlation is asked for, shape (q,)."""
    names = list(fit.tau.index)
    at = dict(at or {})
    slopes = [name for name in names if name != INTERCEPT]
    refuse_others(at, slopes, "in at= is no random slope", "The random slopes are")
    z = as_numbers("at", [1.0 if name == INTERCEPT else at.get(name, 0.0) for name in names])
    if not z.any():
        raise ModelError(
            "This model has no random intercept, so nothing varies between clusters where all "
            f"predictors are zero. Say where to look, as in at={{{names[0]!r}: 1}}."
        )
    return z


def _profile_limits(
    fit: MixedResult, z: np.ndarray, share: float, se: float, level: float
) -> tuple[float, float]:
    """Values of the ICC whose deviance is within the chi-square quantile of the minimum.

    Searched on the scale of the SD ratio ``s = sqrt(icc / (1 - icc))``.
    """
    if not fit.converged:
        return np.nan, np.nan
    best = float(np.sqrt(share / (1.0 - share)))
    width = 0.5 * se * (1.0 + best**2) ** 2 / best if best > 0.0 else np.nan
    if not np.isfinite(width) or width <= 0.0:
        width = max(0.25 * best, FIRST_WIDTH)
    ratio = np.array(both_crossings(_ratio_curve(fit, z), best, width, level, (0.0, np.inf)))
    low, high = 1.0 - 1.0 / (1.0 + ratio**2)
    return float(low), float(high)


def _ratio_curve(fit: MixedResult, z: np.ndarray) -> Callable[[float], float]:
    """Deviance above its minimum, as a function of ``s = sqrt(between / sigma2)``.

    In scaled units ``s = |Lambda' T' z| = |A theta|``. With the singular value decomposition of A,
    theta splits into a part of which only the direction w is free, and a part that is free.
    """
    from scipy import optimize

    problem = fit.problem
    A = np.einsum("mab,a->bm", problem.map.lambda_basis(), problem.moments.scaling.T.T @ z)
    _, size, V = np.linalg.svd(A)
    rank = int((size > RANK_TOLERANCE * size[0]).sum())
    to_theta, free = V[:rank].T / size[:rank], V[rank:].T

    def from_theta(theta: np.ndarray) -> np.ndarray:
        w = size[:rank] * (V[:rank] @ theta)
        return np.concatenate([w / np.linalg.norm(w), free.T @ theta])

    starts = [from_theta(theta) for theta in _starts(fit)]

    def curve(s: float) -> float:
        def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
            length = np.linalg.norm(x[:rank])
            w = x[:rank] / length
            theta = to_theta @ (s * w) + free @ x[rank:]
            value, gradient = problem.value_and_gradient(theta)
            along = to_theta.T @ gradient * (s / length)
            along -= w * (w @ along)
            return value, np.concatenate([along, free.T @ gradient])

        # The starts are always the same, never the solution next to this one: a root search needs a
        # curve that says the same each time it is asked.
        runs = (optimize.minimize(objective, x, jac=True, method="BFGS") for x in starts)
        return max(min(float(run.fun) for run in runs) - fit.optimizer.f_end, 0.0)

    return curve


def _starts(fit: MixedResult) -> list[np.ndarray]:
    """Where searches for limits start: the estimate, and the estimate without correlations.

    An effect on the boundary has no gradient there, so it is moved off it.
    """
    map_ = fit.problem.map
    theta = fit.theta + FIRST_STEP * (map_.diagonal & (fit.theta == 0.0))
    if map_.diagonal.all():
        return [theta]
    sd = np.linalg.norm(map_.Lambda(theta), axis=1)
    return [theta, map_.theta(np.diag(sd))]


def _notes(fit: MixedResult, z: np.ndarray, between: float) -> tuple[str, ...]:
    notes = list(convergence_notes(fit))
    held = {name: x for name, x in zip(fit.tau.index, z, strict=True) if name != INTERCEPT}
    if held:
        where = said_values(held)
        notes.append(f"With random slopes the ICC depends on the predictors; this is at {where}.")
    if between == 0.0:
        notes.append("The variance between clusters is estimated as zero, so it has no SE.")
    return tuple(notes)


# -------------------------------------------------------------------------------- without a model


@checked
def column_icc(data: pd.DataFrame, column: str, *, cluster: str, method: str = "pairs") -> float:
    """Intraclass correlation of a column as it stands, without a model.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit. Rows with a missing value are left out, with a ``DataWarning``.
    column : str
        A numeric or true/false column, an outcome or a predictor.
    cluster : str
        Column that says which cluster a row belongs to.
    method : {"pairs", "anova"}
        "pairs": the average product of deviations from the grand mean over all pairs of rows of
        the same cluster, divided by the variance; the correlation that makes
        :func:`moulton_factor` exact. "anova": from the mean squares between and within clusters,
        unbiased for the variances (McGraw & Wong's ICC(1)).

    Returns
    -------
    float
        From about -1/(n - 1) to 1: negative if rows of a cluster differ more than rows at random.
        "pairs" can pass 1 if the largest clusters lie farthest from the grand mean.

    Raises
    ------
    DataError
        Missing or non-numeric column, a constant column, or fewer than two clusters.
    ModelError
        Unknown method.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> round(column_icc(hsb, "ses", cluster="school"), 3)
    0.27
    >>> round(column_icc(hsb, "math", cluster="school", method="anova"), 3)
    0.174

    References
    ----------
    Angrist & Pischke (2009), Mostly Harmless Econometrics, p. 312, for "pairs". McGraw & Wong
    (1996), Psychological Methods 1(1), doi:10.1037/1082-989X.1.1.30, for "anova".
    """
    one_of("method", method, ("pairs", "anova"))
    x, codes = _column_and_codes(data, column, cluster)
    n = np.bincount(codes)
    deviation = x - x.mean()
    sums = np.bincount(codes, weights=deviation)
    total = float(deviation @ deviation)
    if total == 0.0:
        raise DataError(f"Column '{column}' has one value only: it has no variance to divide up.")
    if method == "pairs":
        pairs = float((n * (n - 1.0)).sum())
        return float(sums @ sums - total) / pairs / (total / len(x))
    within, between = anova_variances(x, codes)
    return between / (between + within)


def _column_and_codes(
    data: pd.DataFrame, column: str, cluster: str
) -> tuple[np.ndarray, np.ndarray]:
    data = table_with(data, [column, cluster], "column_icc")
    if column == cluster:
        raise DataError(f"column_icc needs a column beside the cluster; it got '{cluster}' twice.")
    used, note = complete_in(data, [column, cluster])
    if note:
        warn(note, DataWarning)
    x = numbers(used[column], column)
    codes, labels = cluster_codes(used[cluster], cluster)
    if not 2 <= len(labels) < len(x):
        raise DataError(
            f"'{cluster}' has {len(labels)} clusters for {len(x)} rows; an ICC needs at least two "
            "clusters, and one with more than one row."
        )
    return x, codes
