"""The intraclass correlation of a column as it stands, an outcome or a predictor, without a model.

Two classical answers: the average product over pairs of rows of a cluster, and the
ratio of mean squares of the analysis of variance. Deviations are from the grand mean of all rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of
from mlteach.core.columns import cluster_codes, numbers, table_with
from mlteach.errors import DataError, DataWarning, warn


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
    return _anova_icc(total, float((sums**2 / n).sum()), n)


def _anova_icc(total: float, between: float, n: np.ndarray) -> float:
    """ICC from sums of squares; n0 is the cluster size that unequal clusters count for."""
    N, J = n.sum(), len(n)
    ms_between, ms_within = between / (J - 1), (total - between) / (N - J)
    n0 = (N - (n**2).sum() / N) / (J - 1)
    return float((ms_between - ms_within) / (ms_between + (n0 - 1) * ms_within))


def _column_and_codes(
    data: pd.DataFrame, column: str, cluster: str
) -> tuple[np.ndarray, np.ndarray]:
    data = table_with(data, [column, cluster], "column_icc")
    used = data[[column, cluster]].dropna()
    if used.empty:
        raise DataError(f"No row has both a value of '{column}' and of '{cluster}'.")
    if len(used) < len(data):
        warn(
            f"{len(data) - len(used)} of {len(data)} rows are left out for missing values in "
            f"'{column}' or '{cluster}'.",
            DataWarning,
        )
    x = numbers(used[column], column)
    codes, labels = cluster_codes(used[cluster], cluster)
    if not 2 <= len(labels) < len(x):
        raise DataError(
            f"'{cluster}' has {len(labels)} clusters for {len(x)} rows; an ICC needs at least two "
            "clusters, and one with more than one row."
        )
    return x, codes
