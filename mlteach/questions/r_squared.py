"""How much a model explains: reduction of variance components, total R², and where variance goes.

Model-implied variance of the outcome around its mean, for rows in the proportions of the data
(Rights & Sterba 2019), split into five parts:

    f1     x'beta inside clusters            v   random slopes: the part of z'u inside clusters
    f2     x'beta between clusters           m   random intercepts: the part of z'u between clusters
    sigma2 residual

"Inside" is the deviation from the cluster mean of the rows used, "between" the cluster mean. With
cluster-mean-centred level-1 predictors this is Rights and Sterba's decomposition exactly; with
predictors in any other coding the same five parts still add up to the same total. Variances of
predictors have the divisor N - 1, as in the authors' R package r2mlm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import cluster_means
from mlteach.core.nesting import columns_nested, different_data
from mlteach.core.notes import convergence_notes
from mlteach.core.result import Shown
from mlteach.core.summary import RESIDUAL, Summary
from mlteach.errors import ModelError
from mlteach.mixed.result import MixedResult

PARTS = ("fixed_within", "fixed_between", "slope_variation", "mean_variation", "residual")
LEVELS = {
    "total": PARTS,
    "within": ("fixed_within", "slope_variation", "residual"),
    "between": ("fixed_between", "mean_variation"),
}
# The sources of Rights and Sterba's measures: which parts count as explained.
SOURCES = {
    "f1": ("fixed_within",),
    "f2": ("fixed_between",),
    "v": ("slope_variation",),
    "m": ("mean_variation",),
    "f": ("fixed_within", "fixed_between"),
    "f1v": ("fixed_within", "slope_variation"),
    "fv": ("fixed_within", "fixed_between", "slope_variation"),
    "fvm": ("fixed_within", "fixed_between", "slope_variation", "mean_variation"),
}


@dataclass(frozen=True, repr=False)
class RSquared(Shown):
    """What a model explains; shows as text in a terminal and as HTML in a notebook.

    Attributes
    ----------
    total : float
        Total R²: squared correlation of the outcome with the fixed part of the prediction.
    total_baseline : float
        The same for the baseline; NaN without one.
    pseudo : DataFrame
        One row a variance; columns baseline, model, r2 = (baseline - model) / baseline. Empty
        without a baseline.
    decomposition : DataFrame, shape (5, 4)
        Rows fixed_within (f1), fixed_between (f2), slope_variation (v), mean_variation (m),
        residual; columns variance, and the share of the total, within and between variance.
    measures : DataFrame, shape (8, 3)
        Rights and Sterba's R²: rows f1, f2, v, m, f, f1v, fv, fvm (what counts as explained),
        columns total, within, between (of what). NaN where a measure is not defined; 12 are.
    formula, baseline : str
        The models.
    notes : tuple of str
        What a reader should know.
    converged : bool
        Whether the models are at their maxima.
    """

    total: float
    total_baseline: float
    pseudo: pd.DataFrame
    decomposition: pd.DataFrame
    measures: pd.DataFrame
    formula: str
    baseline: str
    notes: tuple[str, ...]
    converged: bool = True

    def summary(self) -> Summary:
        """Put the tables under each other."""
        facts = {"Model": self.formula, "Total R²": f"{self.total:.4f}"}
        tables = {
            "Where the variance of the outcome goes (Rights & Sterba)": self.decomposition,
            "R²: what counts as explained (rows), of which variance (columns)": self.measures,
        }
        if len(self.pseudo):
            facts |= {
                "Baseline": self.baseline,
                "Total R² of the baseline": f"{self.total_baseline:.4f}",
            }
            tables = {"Proportional reduction of each variance": self.pseudo, **tables}
        return Summary("Explained variance", facts, tables, self.notes, self.converged)


@checked
def r_squared(m1: MixedResult, m0: MixedResult | None = None) -> RSquared:
    """Explained variance of a model, alone and against a baseline.

    Parameters
    ----------
    m1 : MixedResult
        The model.
    m0 : MixedResult, optional
        A baseline with fewer predictors, fitted to the same rows by the same method; without it
        there is no pseudo-R².

    Returns
    -------
    RSquared

    Raises
    ------
    ModelError
        If the two models have other rows, outcomes, clusters or methods, or the baseline's fixed
        part is not a special case of the model's.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> empty = mt.fit_empty("math", hsb, cluster="school")
    >>> sector = mt.fit_random_intercept("math ~ sector", hsb, cluster="school")
    >>> r2 = mt.r_squared(sector, empty)
    >>> print(f'{r2.pseudo.loc["Intercept", "r2"]:.3f}, {r2.total:.3f}')
    0.225, 0.042

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, chapter 4, for the proportional reduction.
    Rights & Sterba (2019), Psychological Methods 24(3), doi:10.1037/met0000184, for the
    decomposition and its 12 measures.
    """
    if m0 is not None:
        _check_baseline(m1, m0)
    decomposition = _decomposition(m1)
    pseudo = _pseudo(m1, m0)
    return RSquared(
        total=_total(m1),
        total_baseline=np.nan if m0 is None else _total(m0),
        pseudo=pseudo,
        decomposition=decomposition,
        measures=_measures(decomposition),
        formula=m1.formula,
        baseline="" if m0 is None else m0.formula,
        notes=(*convergence_notes(m1), *_notes(pseudo, m1, m0)),
        converged=m1.converged and (m0 is None or m0.converged),
    )


def _check_baseline(m1: MixedResult, m0: MixedResult) -> None:
    problem = different_data(m0.design, m1.design)
    if problem:
        raise ModelError(problem)
    if m0.reml != m1.reml:
        raise ModelError(
            "One model is fitted by REML and the other by ML: their variances differ for that "
            "reason alone. Fit both the same way."
        )
    if not columns_nested(m0.design.X, m1.design.X):
        raise ModelError(
            f"'{m0.formula}' has fixed effects that '{m1.formula}' has not, so it is no baseline "
            "for it. The order is r_squared(model, baseline)."
        )


# ------------------------------------------------------------------------------ total and pseudo-R²


def _total(fit: MixedResult) -> float:
    """Squared correlation of y and x'beta; zero if the fixed part predicts one number for all."""
    y, fixed = fit.design.y, fit.predict(random=False).to_numpy()
    y, fixed = y - y.mean(), fixed - fixed.mean()
    spread = fixed @ fixed
    # A constant prediction leaves rounding of its mean, which correlates with anything.
    if spread <= 1e-20 * (y @ y):
        return 0.0
    return float((y @ fixed) ** 2 / (y @ y) / spread)


def _pseudo(m1: MixedResult, m0: MixedResult | None) -> pd.DataFrame:
    """Proportional reduction of the variances that both models have."""
    columns = ["baseline", "model", "r2"]
    if m0 is None:
        return pd.DataFrame(columns=columns, dtype=float)
    shared = [name for name in (*m0.tau.index, RESIDUAL) if name in (*m1.tau.index, RESIDUAL)]
    fits = {"baseline": m0, "model": m1}
    table = pd.DataFrame({name: m.variances.loc[shared, "estimate"] for name, m in fits.items()})
    # Nothing can be explained of a variance of zero.
    some = table["baseline"].where(table["baseline"] > 0.0)
    return table.assign(r2=(some - table["model"]) / some)[columns]


def _notes(pseudo: pd.DataFrame, m1: MixedResult, m0: MixedResult | None) -> tuple[str, ...]:
    notes = [_on_negative(name) for name in pseudo.index[pseudo["r2"] < 0.0]]
    for name in pseudo.index[pseudo["baseline"] == 0.0]:
        notes.append(f"The variance of {name} is zero in the baseline: nothing to explain.")
    if m0 is not None and list(m0.tau.index) != list(m1.tau.index):
        notes.append(
            "The models have different random effects. An intercept variance is the variance where "
            "the predictors with random slopes are zero; compare it only if that is the same place."
        )
    return tuple(notes)


def _on_negative(name: str) -> str:
    """What it means that a variance is larger than in the baseline."""
    if name == RESIDUAL:
        return (
            "The residual variance is larger than in the baseline, so its R² is negative: the "
            "predictors added explain nothing inside clusters, and the two fits divide the "
            "variance between the levels a little differently."
        )
    return (
        f"The variance of {name} is larger than in the baseline, so its R² is negative. That is no "
        "mistake: a variance component is what the other parts of the model leave over. A level-1 "
        "predictor that lowers the residual variance raises the estimate of the variance between "
        "clusters, because cluster means then owe less of their spread to sampling within clusters."
    )


# ------------------------------------------------------------------------------------ decomposition


def _decomposition(fit: MixedResult) -> pd.DataFrame:
    """Five parts of the model-implied variance and their shares, shape (5, 4)."""
    d = fit.design
    fixed = fit.predict(random=False).to_numpy()[:, None]
    f1, f2 = _split(fixed - fixed.mean(), d.codes)
    Z_within, Z_between = _split(d.Z, d.codes)
    tau = fit.tau.to_numpy()
    n_less = fit.nobs - 1
    # z'u has mean zero whatever z is, so between clusters its square counts, not its deviation;
    # the divisor is N there, as for the 1 of a random intercept.
    variance = pd.Series(
        [
            (f1**2).sum() / n_less,
            (f2**2).sum() / n_less,
            np.einsum("ia,ab,ib->", Z_within, tau, Z_within) / n_less,
            np.einsum("ia,ab,ib->", Z_between, tau, Z_between) / fit.nobs,
            fit.sigma2,
        ],
        index=list(PARTS),
    )
    # What is zero but for the rounding of cluster means is shown as zero.
    variance = variance.where(variance > 1e-20 * variance.sum(), 0.0)
    # No share where the sum is zero: no variance between clusters at all.
    parts = {of: variance[list(names)] for of, names in LEVELS.items()}
    shares = {of: part / part.sum() for of, part in parts.items()}
    return pd.DataFrame({"variance": variance, **shares}).loc[list(PARTS)]


def _split(columns: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from cluster means, and the cluster means of each row; both shape (N, k)."""
    means = cluster_means(columns, codes)[codes]
    return columns - means, means


def _measures(decomposition: pd.DataFrame) -> pd.DataFrame:
    """Rights and Sterba's R²: the explained parts' shares of a level; NaN if one lies elsewhere."""
    shares = decomposition[list(LEVELS)]
    table = pd.DataFrame(
        {name: shares.loc[list(of)].sum(skipna=False) for name, of in SOURCES.items()}
    ).T
    # f1 and v are the two sources inside clusters; of the total, they go with f2.
    table.loc["f1v", "total"] = np.nan
    return table
