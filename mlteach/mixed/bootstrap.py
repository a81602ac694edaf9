"""The parametric bootstrap: data sets drawn from a fitted model, and models refitted to each.

The fit is taken as the truth for once: new clusters and new residuals are drawn from it while the
predictors stay as they are. How much the estimates of such data sets differ is the sampling
distribution an interval needs; how far the deviance falls between two models fitted to data from
the smaller one is the null distribution a test needs. Nothing of it uses large samples, or a
formula for the boundary; it does assume the model, normality included.

Only y changes from one data set to the next. So the moments of the design are kept, and a refit
costs the moments of one column and the search for the minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, whole
from mlteach.core.moments import OutcomeMoments
from mlteach.core.progress import Progress
from mlteach.core.result import as_generator, drawn_table
from mlteach.errors import ModelError
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.estimates import MixedEstimates
from mlteach.mixed.ranef import tau_root
from mlteach.mixed.search import global_minimum

# A drop in deviance this much smaller than the observed one counts as equal: both are differences
# of rounded minima, and where a variance is estimated as zero both are zero.
SAME_DROP = 1e-6


class Refitter:
    """Fits the model of a fit to other outcomes of the same rows.

    Parameters
    ----------
    fit : MixedEstimates
        Gives formula, design and criterion (REML or ML); its outcome plays no part.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach.mixed.bootstrap import Refitter
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> round(Refitter(fit)(fit.design.y).deviance, 2)
    47116.79
    """

    def __init__(self, fit: MixedEstimates) -> None:
        self._fit, self._moments = fit, OutcomeMoments(fit.design, fit.problem.moments)

    def __call__(self, y: np.ndarray) -> MixedEstimates:
        """Fit the model to the outcome ``y``, shape (N,), in the order of ``fit.design``."""
        fit = self._fit
        problem = ProfiledDeviance(self._moments(y), fit.problem.map, fit.reml)
        own = replace(fit.design, y=y)
        return replace(fit, design=own, problem=problem, optimizer=global_minimum(problem))


@dataclass(frozen=True)
class Bootstrap:
    """Estimates from data sets that were drawn from a fit.

    Attributes
    ----------
    params : ndarray, shape (n, p)
        Coefficients of the refits that converged.
    sds : ndarray, shape (n, m + 1)
        SDs and correlations in the order of ``fit.variances``, the residual SD last; a correlation
        with an effect that does not vary is NaN.
    n_failed : int
        Refits that did not converge; they are left out.
    n_singular : int
        Refits on the boundary; they are kept.
    """

    params: np.ndarray
    sds: np.ndarray
    n_failed: int
    n_singular: int


def bootstrap(
    fit: MixedEstimates,
    n: int = 1000,
    seed: int | np.random.Generator | None = None,
    progress: bool = True,
) -> Bootstrap:
    """Draw data sets from a fit and refit its model to each.

    Parameters
    ----------
    fit : MixedEstimates
    n : int, default 1000
        Data sets.
    seed : int or numpy.random.Generator, optional
        For the same draws again; fresh ones by default.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ModelError
        If ``n`` or ``seed`` cannot be used, or if no refit converged.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach.mixed.bootstrap import bootstrap
    >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
    >>> replicates = bootstrap(fit, n=20, seed=1, progress=False)
    >>> replicates.params.shape, replicates.sds.shape
    ((20, 1), (20, 2))

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, doi:10.1017/CBO9780511802843.
    """
    refit = Refitter(fit)
    refits = (refit(y) for y in _outcomes(fit, n, seed, progress))
    good = [(r._beta, r._sds, r.singular) for r in refits if r.converged]
    _check_any(good)
    params, sds, singular = map(np.array, zip(*good, strict=True))
    return Bootstrap(params, sds, n_failed=n - len(good), n_singular=int(singular.sum()))


def null_drops(
    small: MixedEstimates,
    big: MixedEstimates,
    n: int = 1000,
    seed: int | np.random.Generator | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Likelihood-ratio statistics of data sets in which the smaller model is true.

    Parameters
    ----------
    small, big : MixedEstimates
        Nested models fitted to the same rows by the same method (:func:`mlteach.questions.compare`
        checks that). Data sets are drawn from ``small``; both are refitted to each.
    n, seed, progress
        As in :func:`bootstrap`.

    Returns
    -------
    ndarray, shape (n,)
        Drops in deviance; NaN where a refit did not converge.

    Raises
    ------
    ModelError
        As in :func:`bootstrap`.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach.mixed.bootstrap import null_drops, p_value
    >>> hsb = mt.load("hsb")
    >>> m0 = mt.fit_mixed("math ~ ses + (1 | school)", hsb)
    >>> m1 = mt.fit_mixed("math ~ ses + (1 + ses | school)", hsb)
    >>> drops = null_drops(m0, m1, n=20, seed=1, progress=False)
    >>> p_value(m0.deviance - m1.deviance, drops)
    0.095
    """
    refit_small, refit_big = Refitter(small), Refitter(big)
    drops = []
    for y in _outcomes(small, n, seed, progress):
        a, b = refit_small(y), refit_big(y)
        drops.append(a.deviance - b.deviance if a.converged and b.converged else np.nan)
    drops = np.array(drops)
    _check_any(drops[np.isfinite(drops)])
    return drops


def p_value(drop: float, drops: np.ndarray) -> float:
    """Bootstrap p-value ``(1 + #{drops >= drop}) / (n + 1)``; failed refits are left out.

    The observed drop counts as one of the n + 1: a p-value of zero would claim more than n draws
    can show.
    """
    good = drops[np.isfinite(drops)]
    return float((1 + (good >= drop - SAME_DROP).sum()) / (1 + len(good)))


def _outcomes(fit, n, seed, progress) -> Iterator[np.ndarray]:
    """Simulated outcomes, one at a time: the first ones do not depend on how many follow."""
    rng = as_generator(seed)
    with Progress("bootstrap", total=whole("n", n, least=1), show=progress) as bar:
        for _ in range(n):
            yield outcomes(fit, rng, 1)[:, 0]
            bar.update()


@checked
def simulate(
    fit: MixedEstimates, seed: int | np.random.Generator | None, n: int = 1
) -> pd.DataFrame:
    """Draw outcomes from the fitted model: new clusters, new residuals, the same predictors.

    Parameters
    ----------
    seed : int or numpy.random.Generator
        A generator goes on where it is; None draws fresh numbers.
    n : int, default 1
        Number of data sets.

    Returns
    -------
    DataFrame, shape (N, n)
        Indexed like the rows used; columns ``sim_1``, ``sim_2``, ...

    Raises
    ------
    ModelError
        If seed or n is of another kind.
    """
    return drawn_table(outcomes(fit, as_generator(seed), whole("n", n, least=1)), fit.design.index)


def outcomes(fit: MixedEstimates, rng: np.random.Generator, n: int) -> np.ndarray:
    """Outcomes from new clusters and new residuals at the same predictors, shape (N, n)."""
    d, root = fit.design, tau_root(fit.problem, fit.theta)
    u = rng.standard_normal((n, fit.n_clusters, root.shape[1])) @ root.T
    between = np.einsum("iq,niq->in", d.Z, u[:, d.codes])
    within = np.sqrt(fit.sigma2) * rng.standard_normal((fit.nobs, n))
    return (d.X @ fit.params.to_numpy())[:, None] + between + within


def _check_any(good) -> None:
    if not len(good):
        raise ModelError(
            "No refit of the bootstrap converged. Look at the fit itself: print its summary, and "
            "simplify its random part."
        )
