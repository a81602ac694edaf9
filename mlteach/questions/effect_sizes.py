"""Effect sizes from a t statistic and its degrees of freedom.

    d = 2 t / sqrt(df),     r = t / sqrt(t^2 + df),     d = 2 r / sqrt(1 - r^2)

In ordinary regression r is exactly the partial correlation of outcome and predictor, and for two
groups of equal size d is their mean difference in units of the SD within groups (divisor n). In a
multilevel model they are approximations in the same spirit: t says how far the coefficient is from
zero in standard errors, df how much information there is at the level where it is tested.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mlteach.core.arguments import checked
from mlteach.core.notes import convergence_notes, listed
from mlteach.core.summary import INTERCEPT, noted
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult
from mlteach.questions.design_effects import scalar

# Degrees of freedom that say how well a standard error is known.
APPROXIMATE = ("satterthwaite", "kenward-roger")


@checked
def cohens_d(t: ArrayLike, df: ArrayLike) -> float | np.ndarray | pd.Series:
    """Standardised mean difference from a t statistic: ``2 t / sqrt(df)``.

    Meant for a 0/1 predictor with groups of about equal size. With unequal groups it is too small.

    Parameters
    ----------
    t : float or array
        Coefficient divided by its standard error.
    df : float or array
        Degrees of freedom, finite and above zero.

    Returns
    -------
    float or array
        In standard deviations; the sign is that of t.

    Raises
    ------
    ModelError
        If the degrees of freedom are not finite and positive.

    Examples
    --------
    >>> cohens_d(3.0, 36)
    1.0

    References
    ----------
    Rosenthal (1994), Parametric measures of effect size, in Cooper & Hedges (eds.), The Handbook
    of Research Synthesis, pp. 231-244.
    """
    t, df = _t_and_df(t, df)
    return scalar(2.0 * t / np.sqrt(df))


@checked
def partial_r(t: ArrayLike, df: ArrayLike) -> float | np.ndarray | pd.Series:
    """Partial correlation from a t statistic: ``t / sqrt(t**2 + df)``.

    Meant for a quantitative predictor; for a 0/1 predictor it is a point-biserial correlation.

    Parameters
    ----------
    t : float or array
        Coefficient divided by its standard error.
    df : float or array
        Degrees of freedom, finite and above zero.

    Returns
    -------
    float or array
        Between -1 and 1; the sign is that of t.

    Raises
    ------
    ModelError
        If the degrees of freedom are not finite and positive.

    Examples
    --------
    >>> partial_r(3.0, 16)
    0.6

    References
    ----------
    Rosenthal (1994), as for :func:`cohens_d`.
    """
    t, df = _t_and_df(t, df)
    return scalar(t / np.hypot(t, np.sqrt(df)))


@checked(fit="for a t statistic use cohens_d(t, df) or partial_r(t, df)")
def effect_sizes(fit: MixedResult, *, ddf: str | None = None) -> pd.DataFrame:
    """Effect sizes of all coefficients of a fit, the intercept left out.

    Parameters
    ----------
    fit : MixedResult
    ddf : str, optional
        Method for the degrees of freedom (see ``fit_mixed``) of all coefficients. By default the
        fit's own, but between-within for a predictor whose slope varies over clusters: d and r ask
        how much information its level has, while Satterthwaite's and Kenward-Roger's df of a
        varying slope count the clusters, and make any slope look near perfect. "z" has no degrees
        of freedom, so it gives no effect size.

    Returns
    -------
    DataFrame
        One row a coefficient; columns estimate, t, df, d, r. ``attrs["notes"]``, shown under the
        table, name the coefficients with other degrees of freedom.

    Raises
    ------
    ModelError
        If the degrees of freedom are infinite, or ``fit`` is not a fitted model.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_random_intercept("math ~ catholic", mt.load("hsb"), cluster="school")
    >>> mt.effect_sizes(fit).round(2)
              estimate     t     df     d     r
    catholic       2.8  6.39  153.5  1.03  0.46
    """
    table, notes = fit.tests(ddf), list(convergence_notes(fit))
    varying = [name for name in fit.design.z_names if name in table.index and name != INTERCEPT]
    if ddf is None and fit.ddf in APPROXIMATE and varying:
        # The t-values stay those of the fit: Kenward-Roger has standard errors of its own.
        table.loc[varying, "df"] = fit.tests("between-within").loc[varying, "df"]
        notes.append(
            f"The slope of {listed(varying)} varies over clusters: d and r are from between-within "
            "degrees of freedom, those of the predictor's level, not from the test's."
        )
    table = table.drop(index=INTERCEPT, errors="ignore")
    sizes = {"d": cohens_d(table["t"], table["df"]), "r": partial_r(table["t"], table["df"])}
    return noted(table[["estimate", "t", "df"]].assign(**sizes), notes)


def _t_and_df(t: ArrayLike, df: ArrayLike) -> tuple:
    try:
        t, df = (v if isinstance(v, pd.Series) else np.asarray(v, dtype=float) for v in (t, df))
        np.broadcast_shapes(t.shape, df.shape)
    except (TypeError, ValueError) as error:
        raise ModelError("t and df must be numbers, or arrays of numbers of one shape.") from error
    if not (np.isfinite(np.asarray(df)) & (np.asarray(df) > 0.0)).all():
        raise ModelError(
            "Effect sizes from t need finite, positive degrees of freedom; those of z are "
            "infinite. Use Satterthwaite, Kenward-Roger or between-within degrees of freedom."
        )
    return t, df
