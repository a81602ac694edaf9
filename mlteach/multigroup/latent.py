"""Latent centering: within and between regressions with error-free cluster means.

The observed mean of a cluster is its true mean plus the average of n_j deviations, so a regression
on observed means mixes the between effect with the within effect. In the two-level normal model the
true means are a latent variable, and the effects are read off its covariance matrices:

    beta_within  = Within_xx^-1  Within_xy
    beta_between = Between_xx^-1 Between_xy
    contextual   = beta_between - beta_within

(Ludtke et al. 2008). Standard errors are by the delta method from the observed information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import names_of
from mlteach.core.linalg import symmetric_basis
from mlteach.core.result import z_table
from mlteach.errors import ModelError
from mlteach.multigroup.result import MultigroupResult
from mlteach.multigroup.two_level_normal import TwoLevelNormal

EFFECTS = ("within", "between", "contextual")


@dataclass(frozen=True, repr=False)
class LatentRegression:
    """Regressions of the first variable of a two-level normal model on the k others.

    Attributes
    ----------
    model : TwoLevelNormal
        With the (co)variances on both levels.
    within, between : ndarray, shape (k,)
        ``between`` is NaN for predictors without variance between clusters, which have no latent
        means to regress on, and for all where those of the others are collinear. Both are if the
        model did not converge.
    cov : ndarray, shape (3 k, 3 k)
        Covariance matrix of ``within``, then ``between``, then ``contextual``.
    reliability : ndarray, shape (k,)
        Share of the true variance in the variance of the observed cluster means,
        ``b / (b + w / n_j)``, averaged over clusters; NaN where b is not positive.
    """

    model: TwoLevelNormal
    within: np.ndarray
    between: np.ndarray
    cov: np.ndarray
    reliability: np.ndarray

    def __repr__(self) -> str:
        columns = {
            f"{level}{end}": values
            for level in EFFECTS
            for end, values in (("", getattr(self, level)), ("_se", self.se[level]))
        }
        outcome, *names = self.model.names
        table = pd.DataFrame({**columns, "reliability": self.reliability}, index=names)
        return f"Regression of {outcome} on latent cluster means\n{table.round(4).to_string()}"

    @property
    def contextual(self) -> np.ndarray:
        """Between minus within, shape (k,)."""
        return self.between - self.within

    @property
    def se(self) -> dict[str, np.ndarray]:
        """Standard errors of within, between and contextual, each of shape (k,)."""
        return dict(zip(EFFECTS, np.sqrt(np.diag(self.cov)).reshape(3, -1), strict=True))


def regress_first(model: TwoLevelNormal) -> LatentRegression:
    """Regress the first variable on the others, within and between clusters.

    Parameters
    ----------
    model : TwoLevelNormal
        From :func:`mlteach.multigroup.two_level_normal.fit_two_level_normal`; p = 1 + k variables.

    Returns
    -------
    LatentRegression

    References
    ----------
    Ludtke, Marsh, Robitzsch, Trautwein, Asparouhov & Muthen (2008), Psychological Methods 13(3),
    doi:10.1037/a0012869.
    """
    effects, cov = _effects(model.within, model.between, model.cov_within_between)
    # Where the search stopped short there is no estimate: the likelihood may have no maximum.
    known = 1.0 if model.optimizer.converged else np.nan
    return LatentRegression(
        model=model,
        within=known * effects[0],
        between=known * effects[1],
        cov=known * cov,
        reliability=known * _reliability(model),
    )


@checked
def latent_regression(
    fit: MultigroupResult,
    outcome: str,
    predictors: str | Sequence[str] | None = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Regress one variable of a multigroup model on others, within and between clusters.

    The between coefficients are those on the true cluster means, free of the error with which a
    small cluster shows its mean.

    Parameters
    ----------
    fit : MultigroupResult
        Without positions.
    outcome : str
    predictors : sequence of str, optional
        All other variables of the model by default.
    level : float, default 0.95

    Returns
    -------
    DataFrame
        Indexed by group, effect (within, between, contextual) and predictor; columns estimate, se
        (delta method), z, p, lower, upper. Between and contextual are NaN for predictors without
        variance between clusters, which are left out, and for all where the Between matrix of the
        others is not positive definite.

    Raises
    ------
    ModelError
        If a variable is not in the model, or the model has positions.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> fit = mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector",
    ...                         between="free")
    >>> table = mt.latent_regression(fit, "math", ["ses"])
    >>> table["estimate"].round(2).loc["Catholic"].to_dict()
    {('within', 'ses'): 1.43, ('between', 'ses'): 4.93, ('contextual', 'ses'): 3.49}

    References
    ----------
    Ludtke, Marsh, Robitzsch, Trautwein, Asparouhov & Muthen (2008), Psychological Methods 13(3),
    doi:10.1037/a0012869.
    """
    names = _chosen(fit, outcome, predictors)
    tables = {group: _group_regression(fit, group, names, level) for group in fit.groups}
    return pd.concat(tables, names=[fit.data.group or "group", "effect", "predictor"])


def _chosen(fit: MultigroupResult, outcome: str, predictors: Sequence[str] | None) -> list[str]:
    if fit.model.positions:
        raise ModelError("A latent regression needs a model without position=.")
    others = [name for name in fit.variables if name != outcome]
    names = [outcome, *(others if predictors is None else names_of(predictors, "predictors"))]
    unknown = [name for name in names if name not in fit.variables]
    if unknown or len(names) < 2 or len(set(names)) < len(names):
        what = f"{unknown[0]!r} is not in the model" if unknown else f"got {names}"
        raise ModelError(
            f"A latent regression needs an outcome and other variables of the model "
            f"({', '.join(map(str, fit.variables))}); {what}."
        )
    return names


def _group_regression(fit: MultigroupResult, group, names: list[str], level: float) -> pd.DataFrame:
    pairs = [(a, b) for k, a in enumerate(names) for b in names[: k + 1]]
    at = [
        fit.elements[kind, *sorted(pair, key=fit.variables.index), None, group][1]
        for kind in EFFECTS[:2]
        for pair in pairs
    ]
    within, between = (
        part[group].loc[names, names].to_numpy() for part in (fit.within, fit.between)
    )
    effects, cov = _effects(within, between, fit.cov[np.ix_(at, at)])
    index = pd.MultiIndex.from_product([EFFECTS, names[1:]])
    table = z_table(effects.ravel(), cov, index, level)
    return table.drop(columns="df").rename(columns={"t": "z"})


def _effects(
    within: np.ndarray, between: np.ndarray, cov: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Within, between and contextual coefficients (3, k) and their covariance matrix (3 k, 3 k).

    ``cov`` is that of the lower triangles of both matrices, shape (2 m, 2 m).
    """
    (w, by_w), (b, by_b) = _regression(within), _regression(between)
    jacobian = np.block([[by_w, np.zeros_like(by_w)], [np.zeros_like(by_b), by_b], [-by_w, by_b]])
    return np.stack([w, b, b - w]), jacobian @ cov @ jacobian.T


def _reliability(model: TwoLevelNormal) -> np.ndarray:
    """Mean reliability of the cluster means of each predictor, shape (k,)."""
    w, b = np.diag(model.within)[1:], np.diag(model.between)[1:]
    b = np.where(b > 0.0, b, np.nan)
    return (b / (b + w / model.n[:, None])).mean(axis=0)


def _regression(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (k,) and their derivative by the lower triangle of S, shape (k, m).

    Predictors without variance are left out: NaN. All are if those that stay are collinear.
    """
    p = len(S)
    beta, by_S = np.full(p - 1, np.nan), np.full((p - 1, p * (p + 1) // 2), np.nan)
    some = np.flatnonzero(np.diag(S)[1:] > 0)
    X = S[1:, 1:][np.ix_(some, some)]
    if not len(some) or np.linalg.eigvalsh(X)[0] <= 0:
        return beta, by_S
    beta[some] = np.linalg.solve(X, S[1:, 0][some])
    change = symmetric_basis(p)[:, 1 + some] @ np.append(1.0, -np.nan_to_num(beta))
    by_S[some] = np.linalg.solve(X, change.T)
    return beta, by_S
