"""Fit a two-level multigroup model of means and (co)variances: the wide-format multigroup CFA."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.sandwich import check_robust
from mlteach.errors import ConvergenceWarning, warn
from mlteach.multigroup.design import multigroup_data
from mlteach.multigroup.model import multigroup_model
from mlteach.multigroup.result import MultigroupResult
from mlteach.multigroup.search import fit_scaled


@checked
def fit_multigroup(
    variables: str | Sequence[str],
    data: pd.DataFrame,
    *,
    cluster: str,
    group: str | None = None,
    within: str = "free",
    between: str = "equal",
    means: str = "free",
    equal: Sequence[str] = (),
    position: str | None = None,
    bounded: bool = False,
    robust: str | None = None,
) -> MultigroupResult:
    """Estimate means and (co)variances within and between clusters, in groups of clusters.

    Each row is y = mu + u + e with u ~ N(0, Between) for its cluster and e ~ N(0, Within) for
    itself. This is the wide-format multigroup model, in which each member of a cluster is a
    variable, fitted to the long table as it is: clusters of any size, values missing at random.

    Parameters
    ----------
    variables : str or sequence of str
        The p columns; numbers, NaN where missing.
    data : DataFrame
        One row a member.
    cluster : str
        Column with the cluster of each row.
    group : str, optional
        Column with the group of each cluster, a country for instance; without it there is one.
    within, between, means : {"free", "equal"}
        Whether the (co)variances within clusters, those between, and the means differ between
        groups or are equal. Defaults "free", "equal", "free": heterogeneous within.
    equal : sequence of str, default ()
        Single parameters equal across groups: ``["between.x1~~x2", "within.x1~~x1", "mean.x1"]``.
    position : str, optional
        Column with a member's position (pre, post): each has its own means and Within matrix.
    bounded : bool, default False
        Keep every Between matrix positive semidefinite. By default a variance between clusters may
        be estimated as negative; it is reported and flagged.
    robust : {"cluster"}, optional
        Standard errors from the scores of whole clusters (a sandwich) in place of those of the
        model. They hold where clusters differ in spread, or y is not normal. With nothing missing
        and clusters of one size they are those of lavaan's ``estimator="MLR"`` in the wide format.

    Returns
    -------
    MultigroupResult

    Raises
    ------
    DataError
        If a column is missing or not numeric, a cluster is in two groups, a group has one cluster,
        or a variable does not vary where it must.
    ModelError
        If a setting is unknown.

    Warns
    -----
    ConvergenceWarning
        If the search did not end at a maximum.

    Notes
    -----
    With a negative Between allowed, the likelihood of unbalanced data has no global maximum where
    the largest cluster is the only one of its size: it grows without limit as the variance of that
    cluster's mean goes to zero. The estimate is the local maximum that lies inside, as in lavaan.
    Where there is none, with very few clusters, the search does not converge and says so;
    ``bounded=True`` then has an answer.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> fit = mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector")
    >>> fit.within["Catholic"].round(2)
           math   ses
    math  34.20  0.56
    ses    0.56  0.40
    >>> fit.icc.round(2)
              math   ses
    sector
    Catholic  0.16  0.26
    Public    0.13  0.22

    References
    ----------
    Walther, Hecht, Nagengast & Zitzmann (2024), Multilevel multigroup structural equation modeling
    in a single-level framework. Mehta & Neale (2005), Psychological Methods 10(3),
    doi:10.1037/1082-989X.10.3.259.
    """
    check_robust(robust)
    rows = multigroup_data(variables, data, cluster, group, position)
    settings = {"within": within, "between": between, "means": means, "equal": equal}
    model = multigroup_model(rows.variables, rows.groups, rows.positions, **settings)
    fit = fit_scaled(rows, model, bounded)
    result = MultigroupResult(rows, model, fit, bounded, robust)
    if not result.converged:
        warn(f"The multigroup model {fit.record.status}.", ConvergenceWarning)
    return result
