"""Which pooling predicts best the rows that it has not seen: cross-validation of the three.

    complete    one least-squares regression for all clusters
    none        a regression with dummies for the clusters (and, for random slopes, a slope each)
    partial     the mixed model

Rows are left out in folds, each method is fitted to the others, and its errors on those left out
are kept. Leaving out rows asks how well known clusters are predicted; leaving out whole clusters
asks it of new ones, for which the dummies say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of, whole
from mlteach.core.columns import as_table
from mlteach.core.design import Design, design
from mlteach.core.formula import effects_of, parse, with_random
from mlteach.core.moments import ClusterMoments
from mlteach.core.result import Shown, as_generator
from mlteach.core.summary import Summary
from mlteach.errors import DataError, DataWarning, ModelError, warn
from mlteach.mixed.fit import deviance_of, fit_arrays
from mlteach.mixed.notes import design_notes, dropped_note
from mlteach.mixed.ranef import at_rows, blups
from mlteach.questions.shrinkage import own_effects

LEAVE = ("rows", "clusters")
POOLINGS = ("complete", "none", "partial")
# A direction of X that keeps less than this part of its size inside clusters is a level-2 one.
RANK_TOLERANCE = 1e-8


@dataclass(frozen=True, repr=False)
class PoolingComparison(Shown):
    """Out-of-sample errors of complete, no and partial pooling.

    Attributes
    ----------
    table : DataFrame
        A row a pooling; columns rmse and mae (root mean square and mean absolute error of the rows
        left out, units of the outcome), difference (rmse minus that of partial pooling) and se (of
        the difference, over clusters).
    errors : DataFrame, shape (N, 5)
        Indexed like the rows used; columns cluster, fold, and the error (outcome minus prediction)
        of each pooling, NaN where it cannot predict.
    formula : str
        Of the mixed model.
    leave : str
    folds : int
    notes : tuple of str
    """

    table: pd.DataFrame
    errors: pd.DataFrame = field(repr=False)
    formula: str
    leave: str
    folds: int
    notes: tuple[str, ...]

    def summary(self) -> Summary:
        """How the rows were left out, and the errors."""
        J = self.errors["cluster"].nunique()
        facts = {
            "partial pooling": self.formula,
            "left out": f"{self.leave}, in {self.folds} folds",
            "rows": f"{len(self.errors):,} in {J:,} clusters",
        }
        caption = "Errors of the rows left out"
        return Summary("Three poolings, out of sample", facts, {caption: self.table}, self.notes)


@checked
def compare_pooling(
    formula: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    slopes: str | Sequence[str] | None = (),
    leave: str = "rows",
    folds: int = 10,
    seed: int | np.random.Generator = 0,
    reml: bool = True,
) -> PoolingComparison:
    """Compare complete, no and partial pooling on rows that were left out.

    Parameters
    ----------
    formula : str
        Fixed part, for example ``"math ~ ses"``.
    data : DataFrame
        One row a level-1 unit.
    cluster : str
        Column that says which cluster a row belongs to.
    slopes : sequence of str, optional
        Predictors whose slope varies over clusters under no and under partial pooling.
    leave : {"rows", "clusters"}
        Leave out a share of the rows of every cluster, or whole clusters.
    folds : int, default 10
        Number of shares; each is left out once.
    seed : int, default 0
        Which rows or clusters go together.
    reml : bool, default True
        Whether the mixed model is fitted by REML.

    Returns
    -------
    PoolingComparison
        With ``table`` and ``errors``. The three are compared on the rows that all can predict; with
        ``leave="clusters"`` no pooling predicts none, and its row is NaN.

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`; also if folds are fewer than 2 or more than there is to leave out.

    Examples
    --------
    >>> import mlteach as mt
    >>> result = compare_pooling("math ~ 1", mt.load("hsb"), cluster="school", folds=5)
    >>> result.table.round(3)
               rmse    mae  difference     se
    complete  6.879  5.822       0.545  0.073
    none      6.344  5.256       0.010  0.002
    partial   6.334  5.274       0.000    NaN

    References
    ----------
    Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models,
    chapter 12, doi:10.1017/CBO9780511790942.
    """
    data = as_table(data)
    text = with_random(formula, cluster, effects_of(slopes, data.columns))
    full = design(parse(text), data)
    deviance_of(full, reml)
    fold = _folds(full, leave, folds, seed)
    predictions = np.full((len(full.y), len(POOLINGS)), np.nan)
    for k in range(folds):
        out = fold == k
        predictions[out] = _predict(_subset(full, ~out), full, out, reml, k)
    errors = pd.DataFrame(full.y[:, None] - predictions, index=full.index, columns=POOLINGS)
    table, notes = _table(errors.to_numpy(), full.codes, leave)
    errors.insert(0, "cluster", full.labels[full.codes])
    errors.insert(1, "fold", fold)
    if len(full.dropped):
        warn(dropped_note(full), DataWarning)
    notes = (*design_notes(full), *notes)
    return PoolingComparison(table, errors, full.formula.text, leave, folds, notes)


def _folds(d: Design, leave: str, folds: int, seed: int) -> np.ndarray:
    """Fold of every row, shape (N,)."""
    one_of("leave", leave, LEAVE)
    most = len(d.y) if leave == "rows" else len(d.labels)
    whole("folds", folds, 2, most)
    rng = as_generator(seed)
    if leave == "clusters":
        return (rng.permutation(len(d.labels)) % folds)[d.codes]
    # Dealt out in shuffled order, cluster by cluster: every cluster is spread over the folds.
    order = np.lexsort([rng.permutation(len(d.y)), d.codes])
    fold = np.empty(len(d.y), int)
    fold[order] = np.arange(len(d.y)) % folds
    return fold


def _subset(d: Design, rows: np.ndarray) -> Design:
    """The design of some of the rows; clusters without rows are left out."""
    present, codes = np.unique(d.codes[rows], return_inverse=True)
    return replace(
        d, y=d.y[rows], X=d.X[rows], Z=d.Z[rows], codes=codes, labels=d.labels[present],
        index=d.index[rows], inside={name: x[rows] for name, x in d.inside.items()},
    )  # fmt: skip


# --------------------------------------------------------------------------------- the predictions


def _predict(train: Design, full: Design, out: np.ndarray, reml: bool, k: int) -> np.ndarray:
    """Predict the rows left out by each of the poolings, shape (rows, 3)."""
    try:
        fit = fit_arrays(train, reml)
    except (DataError, ModelError) as error:
        raise type(error)(f"Without fold {k} the model cannot be fitted: {error}") from error
    X, Z = full.X[out], full.Z[out]
    position = train.labels.get_indexer(full.labels[full.codes[out]])
    moments, scaling = fit.problem.moments, fit.problem.moments.scaling
    beta, u = fit.params.to_numpy(), blups(fit.problem, fit.theta)
    none, own = _no_pooling(moments)
    return np.column_stack(
        [
            X @ scaling.b0,
            X @ none + at_rows(Z, own, position, new=np.nan),
            X @ beta + at_rows(Z, u, position),
        ]
    )


def _no_pooling(m: ClusterMoments) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with effects of their own for every cluster: coefficients (p,), effects (J, q).

    By the theorem of Frisch, Waugh and Lovell the coefficients come from what the effects leave of
    X and y, which is E; those that the effects take up (level-2 predictors) are set to zero, in
    scaled units. Effects are NaN in clusters whose rows do not determine them.
    """
    values, vectors = np.linalg.eigh(m.E[:-1, :-1])
    inside = values > RANK_TOLERANCE * m.N
    basis = vectors[:, inside]
    b = basis @ ((basis.T @ m.E[:-1, -1]) / values[inside])
    return m.scaling.beta(b), own_effects(m, b)


# ----------------------------------------------------------------------------------- the comparison


def _table(errors: np.ndarray, codes: np.ndarray, leave: str) -> tuple[pd.DataFrame, tuple]:
    """Sizes of the errors, and their differences from partial pooling."""
    predicted = ~np.isnan(errors)
    used = predicted.all(axis=1) if leave == "rows" else predicted[:, [0, 2]].all(axis=1)
    if not used.any():
        raise ModelError(
            "No cluster has enough rows for a regression of its own, so that no pooling predicts "
            "nothing. Ask for fewer slopes, or leave out clusters."
        )
    e, codes = errors[used], codes[used]
    rmse = np.sqrt(np.square(e).mean(axis=0))
    columns = {
        "rmse": rmse,
        "mae": np.abs(e).mean(axis=0),
        "difference": rmse - rmse[2],
        "se": [_se(e[:, k], e[:, 2], codes) for k in range(2)] + [np.nan],
    }
    return pd.DataFrame(columns, index=pd.Index(POOLINGS)), _notes(used, leave)


def _se(a: np.ndarray, b: np.ndarray, codes: np.ndarray) -> float:
    """Standard error of the difference of two root mean squares, paired by rows, over clusters.

    The difference is linear in the mean squares to first order (delta method); sums over clusters
    are independent where rows are not.
    """
    mean_a, mean_b = np.square(a).mean(), np.square(b).mean()
    linear = (a**2 - mean_a) / (2 * np.sqrt(mean_a)) - (b**2 - mean_b) / (2 * np.sqrt(mean_b))
    sums = np.bincount(codes, weights=linear)[np.unique(codes)]
    J = len(sums)
    return float(np.sqrt(J / (J - 1) * np.square(sums).sum()) / len(a))


def _notes(used: np.ndarray, leave: str) -> tuple[str, ...]:
    if leave == "clusters":
        return (
            "No pooling has no coefficients for a cluster that was left out, so it predicts "
            "nothing there; partial pooling predicts by its fixed part.",
        )
    if used.all():
        return ()
    return (
        f"{int((~used).sum())} of {len(used)} rows are not compared: without them their "
        "cluster has too few rows for a regression of its own.",
    )
