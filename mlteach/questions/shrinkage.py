"""Three answers to what a cluster is like: complete, no and partial pooling.

For cluster j, with the random-effects design Z_j and the cluster's effects b_j = c_j + u_j:

    complete    c_j                      what the coefficients say, as if clusters were all alike
    none        c_j + (Z_j'Z_j)^-1 Z_j' (y_j - X_j beta)       what its own rows say
    partial     c_j + u_j                with the predicted random effect (BLUP)

    partial = W_j none + (I - W_j) complete,     W_j = Tau (Tau + sigma2 (Z_j'Z_j)^-1)^-1

For the random intercept alone W_j is the number ``tau2 / (tau2 + sigma2 / n_j)``: the share of the
variance of a cluster mean that is not chance, its reliability. With several effects W_j is a
matrix: an effect is pulled by what the others show. The reliability of one effect on its own,
``tau_kk / (tau_kk + sigma2 [(Z_j'Z_j)^-1]_kk)``, stays a number between 0 and 1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import first_rows
from mlteach.core.design import varies_within
from mlteach.core.moments import ClusterMoments, solve_within
from mlteach.core.notes import convergence_notes
from mlteach.core.summary import INTERCEPT
from mlteach.mixed.result import MixedResult

# A column lies in the span of Z_j if less than this part of its size is left outside.
SPAN_TOLERANCE = 1e-8


@checked
def shrinkage(fit: MixedResult) -> pd.DataFrame:
    """Complete, no and partial pooling of every cluster, with the weight of its own data.

    Parameters
    ----------
    fit : MixedResult

    Returns
    -------
    DataFrame, a row a cluster
        Columns n (rows), complete, none, partial and weight. With several random effects the last
        four stand under the name of each: ``table["Intercept"]["partial"]``.

        complete
            The fixed part: its intercept and slopes at the cluster's values of level-2 predictors.
            Level-1 predictors without a random effect are held at their mean over all rows.
        none
            The same with what the cluster's own rows add, by least squares; NaN where they cannot
            tell (fewer rows than effects, or a predictor that does not vary in the cluster).
        partial
            The same with the predicted random effect, ``fit.ranef()``.
        weight
            Reliability, ``tau_kk / (tau_kk + sigma2 [(Z'Z)^-1]_kk)``; with one random effect
            ``partial = weight * none + (1 - weight) * complete``. With several the weight is a
            matrix, ``Tau (Tau + sigma2 (Z'Z)^-1)^-1``.

        ``attrs["reliability"]`` has the mean weight of each effect over clusters that have one (the
        reliability that HLM prints), ``attrs["notes"]`` which clusters have none.

    Raises
    ------
    ModelError
        If this is no fit.

    Examples
    --------
    >>> import mlteach as mt
    >>> table = shrinkage(mt.fit_empty("math", mt.load("hsb"), cluster="school"))
    >>> table.loc[[1224, 2305]].round(3)
             n  complete    none  partial  weight
    school
    1224    47    12.637   9.715    9.973   0.912
    2305    67    12.637  11.138   11.233   0.936
    >>> round(table.attrs["reliability"]["Intercept"], 3)
    0.901

    References
    ----------
    Raudenbush & Bryk (2002), Hierarchical Linear Models, chapter 3 (estimation of random level-1
    coefficients, reliability). Efron & Morris (1975), Journal of the American Statistical
    Association 70(350), doi:10.1080/01621459.1975.10479864.
    """
    names, labels = list(fit.tau.index), fit.design.labels
    m = fit.problem.moments
    complete, own = fixed_lines(fit), own_effects(m, fit.problem.state(fit.theta).beta)
    parts = {
        "complete": complete,
        "none": complete + own,
        "partial": complete + fit.ranef()[names].to_numpy(),
        "weight": reliabilities(fit),
    }
    tables = {
        name: pd.DataFrame({part: values[:, k] for part, values in parts.items()}, index=labels)
        for k, name in enumerate(names)
    }
    table = _joined(fit.cluster_sizes, tables)
    means = {name: tables[name]["weight"].mean() for name in names}
    table.attrs = {"reliability": pd.Series(means).to_dict(), "notes": _notes(fit, tables)}
    return table


def _joined(n: pd.Series, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    if len(tables) == 1:
        (only,) = tables.values()
        return n.to_frame().join(only)
    joined = pd.concat(tables, axis=1)
    joined.insert(0, ("n", ""), n)
    return joined


# ----------------------------------------------------------------------------- the three estimates


def own_effects(m: ClusterMoments, beta: np.ndarray) -> np.ndarray:
    """What each cluster's own residuals say of its effects, shape (J, q): least squares.

    ``(Z_j'Z_j)^-1 Z_j' (y_j - X_j beta)`` from scaled coefficients, in the user's units; NaN in
    clusters whose rows do not determine it.
    """
    right = m.B[:, :, -1] - m.B[:, :, :-1] @ beta
    u = solve_within(m, right[:, :, None])[:, :, 0]
    return m.scaling.scale * u @ m.scaling.T.T


def reliabilities(fit: MixedResult) -> np.ndarray:
    """Reliability of each cluster's own estimate of each effect, shape (J, q)."""
    m, tau = fit.problem.moments, np.diag(fit.tau)
    root = m.scaling.T @ solve_within(m, np.broadcast_to(np.eye(m.q), m.R.shape))
    return tau / (tau + fit.sigma2 * np.square(root).sum(axis=2))


def fixed_lines(fit: MixedResult) -> np.ndarray:
    """Effects of each cluster that the fixed part alone implies, shape (J, q)."""
    d, m, beta = fit.design, fit.problem.moments, fit.params.to_numpy()
    out = np.zeros((m.J, m.q))
    level_two = ~varies_within(d)
    spanned, projected = _in_terms_of_Z(m)
    here = d.z_names.index(INTERCEPT) if INTERCEPT in d.z_names else None
    for k, name in enumerate(d.x_names):
        if name in d.z_names:
            out[:, d.z_names.index(name)] += beta[k]
        elif level_two[k] and here is not None:
            out[:, here] += beta[k] * d.X[first_rows(d.codes), k]
        elif spanned[k]:
            out += beta[k] * projected[:, :, k]
        elif here is not None:
            out[:, here] += beta[k] * d.X[:, k].mean()
    return out


def _in_terms_of_Z(m: ClusterMoments) -> tuple[np.ndarray, np.ndarray]:
    """Which columns of X are, in every cluster, a combination of Z_j, and which one.

    Returns
    -------
    spanned : ndarray of bool, shape (p,)
    projected : ndarray, shape (J, q, p)
        Least-squares coefficients of X_j on Z_j; NaN where Z_j does not determine them.
    """
    back = np.linalg.inv(m.scaling.A)
    left = np.diag(back.T @ m.E[:-1, :-1] @ back)
    size = left + np.square(m.B[:, :, :-1] @ back).sum(axis=(0, 1))
    return left <= SPAN_TOLERANCE**2 * size, m.scaling.T @ solve_within(m, m.B[:, :, :-1] @ back)


def _notes(fit: MixedResult, tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    first = next(iter(tables.values()))
    unknown = first.index[first["weight"].isna()]
    notes = list(convergence_notes(fit))
    if len(unknown):
        which = ", ".join(str(label) for label in unknown[:5])
        notes.append(
            f"{len(unknown)} of {len(first)} clusters cannot determine their own estimates (too "
            f"few rows, or a predictor that does not vary there), first: {which}. They have "
            "partial pooling only, and do not count in the reliability."
        )
    if not fit.tau.to_numpy().any():
        notes.append("The variances between clusters are estimated as zero: every weight is 0.")
    return tuple(notes)
