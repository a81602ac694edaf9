"""From two formulas and a table to the rows of a location-scale model, in scaled units.

The mean function is a mixed model's formula, the variance function the right-hand side of another
with the same clusters; both are evaluated on the rows that are complete in all columns of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from mlteach.core.columns import as_table
from mlteach.core.design import Design, columns_of, complete_in, design, new_rows
from mlteach.core.formula import ModelFormula, parse, with_random
from mlteach.core.long_table import first_few
from mlteach.core.moments import scaling_of
from mlteach.core.scaling import Scaling, standardise
from mlteach.errors import DataError, DataWarning, FormulaError, ModelError, shown, warn
from mlteach.location_scale.likelihood import Rows

MOST_SCALE_EFFECTS = 2
# Effects of the variance function carry this prefix wherever both functions share a table.
SCALE = "scale:"


@dataclass(frozen=True)
class LocationScaleDesign:
    """Both functions of a location-scale model.

    Attributes
    ----------
    mean : Design
        Mean function: y, X, Z, codes, labels.
    W : ndarray, shape (N, k)
        Fixed part of the variance function, user's units.
    S : ndarray, shape (N, r)
        Its random part.
    w_names, s_names : tuple of str
    s_blocks : tuple of tuple of int
        Columns of S that vary together.
    variance : Design
        Of the variance function, for the rows of other tables.
    variance_text : str
        The variance function as given.
    rows : Rows
        Everything in scaled units, sorted by cluster.
    scaling : Scaling
        Of the mean function: ``beta = b0 + scale A beta_s``, ``u = scale T u_s``.
    A_w : ndarray, shape (k, k)
        ``alpha = A_w alpha_s + 2 log(scale) ones``.
    ones : ndarray, shape (k,)
        Coefficients that reproduce 1 in the variance function.
    T_s : ndarray, shape (r, r)
        ``v = T_s v_s``.
    data : DataFrame
        The rows used.
    dropped_note : str
        How many rows were left out, and why; empty if none was.
    smushed_note : bool
        Whether notes tell of predictors that enter unsplit.
    """

    mean: Design
    W: np.ndarray
    S: np.ndarray
    w_names: tuple[str, ...]
    s_names: tuple[str, ...]
    s_blocks: tuple[tuple[int, ...], ...]
    variance: Design
    variance_text: str
    rows: Rows
    scaling: Scaling
    A_w: np.ndarray
    ones: np.ndarray
    T_s: np.ndarray
    data: pd.DataFrame = field(repr=False)
    dropped_note: str
    smushed_note: bool = True

    @property
    def order(self) -> np.ndarray:
        """Positions in the table of the sorted rows, shape (N,)."""
        return np.argsort(self.mean.codes, kind="stable")

    def new_variance_rows(self, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate the variance function's W and S on other rows.

        Raises
        ------
        DataError
        """
        W, S = new_rows(self.variance, data)
        return W, S[:, : self.S.shape[1]]


def location_scale_design(
    formula: str,
    variance: str,
    data: pd.DataFrame,
    *,
    centre: bool = True,
    by_quadrature: bool = True,
    smushed_note: bool = True,
) -> LocationScaleDesign:
    """Evaluate both formulas on the rows that both can use.

    ``centre`` moves the zeros of the random effects' predictors where that is only a
    reparametrisation; ``by_quadrature`` there may be ``MOST_SCALE_EFFECTS``.

    Raises
    ------
    FormulaError, DataError, ModelError
    """
    mean_formula = parse(formula)
    if not mean_formula.random:
        raise FormulaError(
            f"The mean function '{formula}' has no random part; add one, such as '(1 | school)'."
        )
    variance_formula, is_random = _variance_formula(variance, mean_formula)
    data, cluster = as_table(data), mean_formula.cluster
    columns = {*columns_of(mean_formula, data), *columns_of(variance_formula, data)} - {cluster}
    data, note = complete_in(data, [*sorted(columns), cluster])
    if note:
        warn(note, DataWarning)
    mean, var = design(mean_formula, data), design(variance_formula, data)
    W = _once(var.X, mean.X)
    var = replace(var, y=mean.y, codes=mean.codes, labels=mean.labels, X=W, Z=_once(var.Z, W))
    S, s_names, s_blocks = var.Z[:, :0], (), ()
    if is_random:
        S, s_names, s_blocks = var.Z, var.z_names, var.blocks
    _check(mean, S, s_names, by_quadrature)
    scaling = scaling_of(mean, centre)
    W_standard = standardise(var.X, var.x_names, "predictor of the variance")
    if not W_standard.constant.any():
        raise FormulaError(f"The variance function '{variance}' needs its intercept.")
    T_s = standardise(S, s_names, "random effect of the variance", centre).matrix
    n = np.bincount(mean.codes)
    together = (mean.codes[1:] >= mean.codes[:-1]).all()
    order = slice(None) if together else np.argsort(mean.codes, kind="stable")

    def scaled(columns: np.ndarray, matrix: np.ndarray, like: np.ndarray | None = None):
        # By column, which their sums feel.
        values = np.asfortranarray((columns @ matrix)[order])
        return values if like is None else _once(values, like)

    X = scaled(mean.X, scaling.A)
    W = scaled(var.X, W_standard.matrix, X)
    rows = Rows(
        y=((mean.y - mean.X @ scaling.b0) / scaling.scale)[order],
        X=X,
        Z=scaled(mean.Z, scaling.T, X),
        W=W,
        S=scaled(S, T_s, W),
        starts=np.cumsum(n) - n,
        n=n,
    )
    return LocationScaleDesign(
        mean, var.X, S, var.x_names, s_names, s_blocks, var,
        variance, rows, scaling,
        W_standard.matrix, W_standard.constant, T_s, data, note, smushed_note,
    )  # fmt: skip


def _once(columns: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The leading columns of others where these are the same numbers: many rows fill memory."""
    leading = others[:, : columns.shape[1]]
    return leading if np.array_equal(columns, leading) else columns


def _variance_formula(variance: str, mean: ModelFormula) -> tuple[ModelFormula, bool]:
    """The variance function as a formula of a mixed model, and whether it has a random part."""
    if not isinstance(variance, str) or not variance.strip().startswith("~"):
        raise FormulaError(
            f"The variance function is the right-hand side of a formula, such as '~ sector + "
            f"(1 | {mean.cluster})', not {variance!r}."
        )
    formula = parse(f"{mean.left} {variance.strip()}")
    if not formula.random:
        return parse(with_random(formula.text, mean.cluster)), False
    if formula.cluster != mean.cluster:
        raise FormulaError(
            f"The mean function has the clusters '{mean.cluster}', the variance function "
            f"'{formula.cluster}'; both must have the same."
        )
    return formula, True


def _check(mean: Design, S: np.ndarray, s_names: tuple[str, ...], by_quadrature: bool) -> None:
    if by_quadrature and S.shape[1] > MOST_SCALE_EFFECTS:
        raise ModelError(
            f"The variance function has {S.shape[1]} random effects ({', '.join(s_names)}); by "
            f"maximum likelihood there may be {MOST_SCALE_EFFECTS}. Use method='bayes', or fewer."
        )
    n = np.bincount(mean.codes)
    J = len(n)
    if J < 2 or len(mean.y) == J:
        raise ModelError(
            f"'{mean.formula.cluster}' has {J} clusters for {len(mean.y)} rows: variances between "
            "and within clusters need at least two clusters, and some with several rows."
        )
    if not S.shape[1]:
        return
    if (n == 1).mean() > 0.5:
        first = mean.labels[int(np.argmax(n == 1))]
        raise ModelError(
            f"{int((n == 1).sum())} of {J} clusters have one row (first {shown(first)}), and one "
            "row has no variance of its own: a random variance cannot be told from them. Leave "
            "the random part out of the variance function."
        )
    # Where the mean function fits a cluster without error, whatever the coefficients, its variance
    # goes to zero and the likelihood, in its random effect, beyond all bounds: with the logarithm
    # normal, faster the more rows there are. Of two rows it is so slow that a maximum is left where
    # the other clusters have theirs; a note tells of it.
    check_changes(mean, 2)


def check_changes(mean: Design, least: int) -> None:
    """Refuse clusters without any variance: what they do to a random effect, and what can be done.

    Raises
    ------
    DataError
    """
    names = unchanging(mean, least)
    if not names:
        return
    column, outcome = mean.formula.cluster, mean.formula.outcome
    raise DataError(
        f"The outcome '{outcome}' never changes in {len(names)} cluster(s) of '{column}' "
        f"({first_few(names)}): their variance is zero and has no logarithm, so a random effect in "
        "the variance function has no estimate. Leave these clusters out, "
        f"data[data.groupby('{column}')['{outcome}'].transform('nunique') > 1], or the random "
        "part of the variance function."
    )


def unchanging(mean: Design, least: int) -> list:
    """Clusters without residual, though so many rows more than random effects could have one."""
    order = np.argsort(mean.codes, kind="stable")
    n = np.bincount(mean.codes)
    starts = np.cumsum(n) - n
    y = mean.y[order]
    still = np.maximum.reduceat(y, starts) == np.minimum.reduceat(y, starts)
    return [
        mean.labels[j]
        for j in np.flatnonzero(still & (n > least))
        if _is_fitted(mean, order[starts[j] : starts[j] + n[j]], least)
    ]


def _is_fitted(mean: Design, rows: np.ndarray, least: int) -> bool:
    """Whether outcome and predictors of a cluster are combinations of its random effects."""
    Z, others = mean.Z[rows], np.column_stack([mean.y[rows], mean.X[rows]])
    left = others - Z @ np.linalg.lstsq(Z, others, rcond=None)[0]
    size = np.maximum(np.linalg.norm(others, axis=0), 1e-300)
    free = len(rows) - np.linalg.matrix_rank(Z)
    return bool(free >= least and (np.linalg.norm(left, axis=0) < 1e-9 * size).all())
