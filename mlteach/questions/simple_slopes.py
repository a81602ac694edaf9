"""What a predictor's slope is where its moderator stands: simple slopes, and Johnson-Neyman bounds.

With an interaction the slope of x is a line in the moderator m: ``c(m)'beta``, with
``c(m) = c0 + m c1`` and variance ``c' Cov(beta) c``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.distributions import t_quantile
from mlteach.core.notes import convergence_notes
from mlteach.core.result import Shown
from mlteach.core.summary import Summary, coefficient_table, format_number
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.questions.slope_line import SlopeLine

# Directions (intercept and slope of the line) in which the test is looked at: two bounds between
# neighbours would go unseen.
DIRECTIONS = 2000


@checked
def simple_slopes(
    fit: MixedResult,
    x: str,
    by: str,
    *,
    at: Sequence | None = None,
    hold: Mapping[str, object] | None = None,
    ddf: str | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Slope of a predictor at chosen values of its moderator.

    Parameters
    ----------
    fit : MixedResult
        A model in which x and the moderator interact.
    x : str
        Predictor, a numeric column of the data.
    by : str
        Moderator, at either level, numeric or categorical.
    at : sequence, optional
        Values of the moderator. By default the mean and one standard deviation to both sides (over
        clusters if the moderator is constant in each, else over rows); each value of a moderator
        with two; each category.
    hold : mapping of str to value, optional
        Values of other moderators of x; by default the mean (over clusters or rows as above) and
        the reference category. ``attrs["held"]`` and ``attrs["notes"]`` say which.
    ddf : str, optional
        Method for the degrees of freedom; the fit's own by default.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    DataFrame
        Indexed by the moderator; columns estimate, se, df, t, p, lower, upper.

    Raises
    ------
    ModelError
        If x is not in the model, does not interact with the moderator, or has a curved effect.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    >>> fit = mt.fit_mixed("math ~ ses_within * sector + (1 + ses_within | school)", hsb)
    >>> mt.simple_slopes(fit, "ses_within", by="sector")["estimate"].round(2).to_dict()
    {'Catholic': 1.46, 'Public': 2.8}

    References
    ----------
    Bauer & Curran (2005), Multivariate Behavioral Research 40(3),
    doi:10.1207/s15327906mbr4003_5.
    """
    line = SlopeLine(fit, x, by, dict(hold or {}))
    values = line.default_values() if at is None else np.atleast_1d(np.asarray(at)).tolist()
    table = contrast_table(fit, line.contrasts(values), ddf, level)
    table.index = pd.Index(values, name=by)
    table.attrs = {"held": line.held, "notes": (*convergence_notes(fit), *line.notes)}
    return table


@dataclass(frozen=True, repr=False)
class JohnsonNeyman(Shown):
    """Where along a moderator the slope of a predictor differs from zero.

    Attributes
    ----------
    x, by : str
        Predictor and moderator.
    level : float
        Confidence level of the (pointwise) intervals.
    bounds : tuple of float
        Values of the moderator where an interval just touches zero, in order; none if it never
        does.
    table : DataFrame
        One row a region between bounds: columns from, to, slope ("positive", "negative", or
        "undecided" where the interval contains 0), count and share of the clusters (of the rows,
        if the moderator varies within clusters) in it.
    observed : tuple of float
        Smallest and largest value of the moderator in the rows used.
    held : dict
        Values of other moderators of x.
    notes : tuple of str
        What a reader should know.
    """

    x: str
    by: str
    level: float
    bounds: tuple[float, ...]
    table: pd.DataFrame
    observed: tuple[float, float]
    held: dict[str, object]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def inside(self) -> tuple[bool, ...]:
        """Whether each bound lies within the observed values of the moderator."""
        low, high = self.observed
        return tuple(low <= bound <= high for bound in self.bounds)

    @property
    def region(self) -> str:
        """The regions in words, those without an observed value left out."""
        parts = [
            f"{_where(self.by, row['from'], row['to'])} {_sign(self.x, row['slope'])} "
            f"({row['share']:.0%} of the {self.table.attrs['unit']})"
            for _, row in self.table.iterrows()
            if row["count"]
        ]
        text = "; ".join(parts) + "."
        return text[0].upper() + text[1:]

    def summary(self) -> Summary:
        """Put the facts and the table under each other."""
        bounds = ", ".join(
            format_number(bound) + ("" if inside else " (outside the data)")
            for bound, inside in zip(self.bounds, self.inside, strict=True)
        )
        facts = {
            "Slope of": f"{self.x}, by {self.by}",
            f"{self.level:.0%} interval touches zero at": bounds or "no value",
            "Observed values": " to ".join(map(format_number, self.observed)),
        }
        return Summary("Johnson-Neyman bounds", facts, {"Regions": self.table}, self.notes)


@checked
def johnson_neyman(
    fit: MixedResult,
    x: str,
    by: str,
    *,
    hold: Mapping[str, object] | None = None,
    ddf: str | None = None,
    level: float = 0.95,
) -> JohnsonNeyman:
    """Regions of a moderator in which the slope of a predictor differs from zero.

    The bounds solve ``(c'beta)^2 = t^2 c' Cov(beta) c``; t depends on the moderator too where the
    degrees of freedom do (Satterthwaite, Kenward-Roger), so they are found by root finding over
    the whole line of real numbers.

    Parameters
    ----------
    fit, x, hold, ddf
        As in :func:`simple_slopes`.
    by : str
        Moderator, a numeric column of the data.
    level : float, default 0.95
        Confidence level of the intervals, which hold for one value of the moderator at a time.

    Returns
    -------
    JohnsonNeyman

    Raises
    ------
    ModelError
        As :func:`simple_slopes`, and if the moderator is a category or acts along a curve.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    >>> formula = "math ~ ses_within * (mean_ses + sector) + (1 + ses_within | school)"
    >>> regions = mt.johnson_neyman(mt.fit_mixed(formula, hsb), "ses_within", by="mean_ses")
    >>> [round(bound, 2) for bound in regions.bounds], regions.held
    ([-3.14, -0.69], {'sector': 'Catholic'})

    References
    ----------
    Johnson & Neyman (1936), Statistical Research Memoirs 1. Bauer & Curran (2005), Multivariate
    Behavioral Research 40(3), doi:10.1207/s15327906mbr4003_5.
    """
    line = SlopeLine(fit, x, by, dict(hold or {}))
    c0, c1 = line.straight()
    seen = line.observed(by)
    centre, scale = float(seen.mean()), float(seen.std()) or 1.0
    a, b = c0 + centre * c1, scale * c1
    angles = _crossings(fit, a, b, ddf, level)
    bounds = tuple(float(centre + scale * np.tan(angle)) for angle in angles)
    # Between two neighbouring bounds the answer is the same everywhere, so one place decides.
    edges = np.array([-0.5 * np.pi, *angles, 0.5 * np.pi])
    between = _along(a, b, 0.5 * (edges[1:] + edges[:-1]))
    table = _regions(contrast_table(fit, between, ddf, level), bounds, seen)
    table.attrs["unit"] = line.unit(by)
    observed = (float(seen.min()), float(seen.max()))
    return JohnsonNeyman(x, by, level, bounds, table, observed, line.held, line.notes)


# ------------------------------------------------------------------------------ tests of contrasts


def contrast_table(
    fit: MixedResult, C: np.ndarray, ddf: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """t-tests of linear combinations of the coefficients, one a row of C, shape (r, p)."""
    method = fit._ddf(ddf)
    # In scaled units, because a moderator far from zero would cost digits in the user's.
    rows = fit.problem.moments.scaling.scale * fit._contrasts_scaled(C)
    se = np.sqrt(np.einsum("ra,ab,rb->r", rows, fit._cov_scaled(method, None), rows))
    df = fit._contrast_df(C, method, None)
    return coefficient_table(C @ fit.params.to_numpy(), se, df, level)


# ------------------------------------------------------------------------------- bounds and regions


def _crossings(
    fit: MixedResult, a: np.ndarray, b: np.ndarray, ddf: str | None, level: float
) -> np.ndarray:
    """Angles between -pi/2 and pi/2 at which the interval of ``(cos a + sin b)'beta`` touches zero.

    The t statistic and its degrees of freedom depend on the direction of a contrast only, so the
    circle stands for the whole line: the moderator is the tangent of the angle.
    """
    if not fit.converged:
        raise ModelError(
            f"'{fit.formula}' did not converge, so its slopes have no standard errors to bound a "
            "region with."
        )
    from scipy import optimize

    def excess(angles: np.ndarray) -> np.ndarray:
        table = contrast_table(fit, _along(a, b, angles), ddf)
        return (table["t"].abs() - t_quantile(level, table["df"])).to_numpy()

    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, DIRECTIONS + 1)
    values = excess(angles)
    change = np.flatnonzero(np.sign(values[:-1]) != np.sign(values[1:]))
    roots = [
        optimize.brentq(lambda angle: excess(angle)[0], angles[k], angles[k + 1], xtol=1e-14)
        for k in change
    ]
    return np.array(roots)


def _along(a: np.ndarray, b: np.ndarray, angles: np.ndarray | float) -> np.ndarray:
    """Contrasts ``cos a + sin b`` at some angles, shape (r, p)."""
    return np.outer(np.cos(angles), a) + np.outer(np.sin(angles), b)


def _regions(tests: pd.DataFrame, bounds: tuple[float, ...], seen: np.ndarray) -> pd.DataFrame:
    """One row a region between bounds: what the slope is there, and how many values lie in it."""
    edges = np.array([-np.inf, *bounds, np.inf])
    sign = np.where(tests["estimate"] > 0.0, "positive", "negative")
    differs = tests["lower"] * tests["upper"] > 0.0
    count = np.array([np.sum((seen >= a) & (seen < b)) for a, b in pairwise(edges)])
    return pd.DataFrame(
        {
            "from": edges[:-1],
            "to": edges[1:],
            "slope": np.where(differs, sign, "undecided"),
            "count": count,
            "share": count / len(seen),
        }
    )


def _sign(x: str, slope: str) -> str:
    if slope == "undecided":
        return f"the interval of the slope of {x} contains 0"
    return f"the slope of {x} is {slope}"


def _where(by: str, low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return f"at every value of {by}"
    if np.isinf(low):
        return f"where {by} is below {format_number(high)}"
    if np.isinf(high):
        return f"where {by} is above {format_number(low)}"
    return f"where {by} is between {format_number(low)} and {format_number(high)}"
