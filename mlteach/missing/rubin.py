"""Pooling the results of several imputed data sets by Rubin's rules.

With m estimates Q_k of a parameter and their squared standard errors U_k,

    Q = mean Q_k,   U = mean U_k,   B = variance of the Q_k,   T = U + (1 + 1/m) B:

the variance T is the sampling variance of complete data plus what imputation does not know
(Rubin 1987). Relative increase in variance r = (1 + 1/m) B / U. Degrees of freedom are those of
Barnard & Rubin (1999), which never exceed those of complete data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.summary import coefficient_table
from mlteach.errors import ConvergenceWarning, ModelError, warn


@checked
def pool(results: Sequence[object], *, level: float = 0.95) -> pd.DataFrame:
    """Pool the same model fitted to several imputed data sets.

    Parameters
    ----------
    results : sequence
        Two or more results with Series ``params`` and ``bse`` of the same parameters: fits of this
        package or of statsmodels, such as ``Imputations.fit`` returns.
    level : float, default 0.95
        Confidence level of ``lower`` and ``upper``.

    Returns
    -------
    DataFrame
        One row a parameter; columns estimate, se, df, t, p, lower, upper, riv (relative increase in
        variance due to missing values), fmi (fraction of missing information). ``attrs["m"]`` has
        the number of results used, ``attrs["notes"]`` what a reader should know.

    Raises
    ------
    ModelError
        If there are fewer than two results, one has no standard errors, or parameters differ.

    Warns
    -----
    ConvergenceWarning
        If fits have not converged; they are named by number and left out.

    Notes
    -----
    Degrees of freedom of complete data: the mean over the results of ``df`` (mixed models: those of
    the fit's own method), else of statsmodels' ``df_resid`` where that result uses the t
    distribution, else infinite. fmi is Rubin's, ``(r + 2 / (df + 3)) / (r + 1)``; it is itself an
    estimate, and a rough one with few data sets.

    Examples
    --------
    Three analyses of the same mean, with standard errors of 1:

    >>> from types import SimpleNamespace
    >>> results = [
    ...     SimpleNamespace(params=pd.Series({"mean": q}), bse=pd.Series({"mean": 1.0}))
    ...     for q in (4.0, 5.0, 6.0)
    ... ]
    >>> pool(results)[["estimate", "se", "df", "riv", "fmi"]].round(2)
          estimate    se   df   riv   fmi
    mean       5.0  1.53  6.1   1.3  0.67

    References
    ----------
    Rubin (1987), Multiple imputation for nonresponse in surveys, doi:10.1002/9780470316696. Barnard
    & Rubin (1999), Biometrika 86(4), doi:10.1093/biomet/86.4.948.
    """
    results, notes = _usable(results)
    Q, U = _stack(results, "params"), _stack(results, "bse") ** 2
    # What is missing in one result is missing in the pooled one.
    m, U = len(Q), U.mean(skipna=False)
    extra = (1.0 + 1.0 / m) * Q.var(ddof=1, skipna=False)
    total = U + extra
    riv = extra / U
    own_df = [pd.Series(_own_df(fit), index=Q.columns, dtype=float) for fit in results]
    df = _degrees_of_freedom(m, extra / total, pd.DataFrame(own_df).mean())
    table = coefficient_table(Q.mean(skipna=False), np.sqrt(total), df, level)
    table["riv"] = riv
    table["fmi"] = (riv + 2.0 / (df + 3.0)) / (riv + 1.0)
    without = list(table.index[table["se"].isna()])
    if without:
        notes.append(f"Without a standard error in some data set: {', '.join(map(str, without))}.")
    table.attrs |= {"m": m, "notes": tuple(notes)}
    return table


def _degrees_of_freedom(m: int, share: pd.Series, complete: pd.Series) -> pd.Series:
    """Barnard and Rubin's, from those of complete data.

    ``share`` is the part of the variance that is due to missing values.
    """
    with np.errstate(divide="ignore"):
        old = (m - 1.0) / share**2
        # (n + 1) / (n + 3) n, without the infinity over infinity of large samples.
        observed = (1.0 - 2.0 / (complete + 3.0)) * complete * (1.0 - share)
        return 1.0 / (1.0 / old + 1.0 / observed)


def _own_df(fit: object) -> object:
    """Degrees of freedom of complete data, by the result of one data set."""
    df = getattr(fit, "df", None)
    if isinstance(df, pd.Series) or np.isscalar(df):
        return df
    return fit.df_resid if getattr(fit, "use_t", False) else np.inf


# ------------------------------------------------------------------------------------------ checks


def _usable(results: Sequence[object]) -> tuple[list, list[str]]:
    """Results that have converged, and notes on the others."""
    if hasattr(results, "params") or not isinstance(results, Iterable):
        raise ModelError(
            "pool takes a list of results, one from each imputed data set; it got a single "
            f"{type(results).__name__}."
        )
    results = list(results)
    for k, fit in enumerate(results, start=1):
        if not (hasattr(fit, "params") and hasattr(fit, "bse")):
            raise ModelError(
                f"Result {k}, a {type(fit).__name__}, lacks params or bse: pool needs estimates "
                "with standard errors, such as the fits that Imputations.fit(...) returns."
            )
    failed = [k for k, fit in enumerate(results, start=1) if not _converged(fit)]
    notes = []
    if failed:
        verb = "fit has" if len(failed) == 1 else "fits have"
        notes.append(
            f"{len(failed)} of {len(results)} {verb} not converged and left out: "
            f"number {', '.join(map(str, failed))}."
        )
        warn(notes[0], ConvergenceWarning)
    used = [fit for k, fit in enumerate(results, start=1) if k not in failed]
    if len(used) < 2:
        raise ModelError(
            f"Pooling needs two results or more, for the variance between them; there are "
            f"{len(used)}{' that converged' if failed else ''}."
        )
    return used, notes


def _converged(fit: object) -> bool:
    """Whether a fit says that it converged; statsmodels keeps that in ``mle_retvals``."""
    if hasattr(fit, "converged"):
        return bool(fit.converged)
    return bool((getattr(fit, "mle_retvals", None) or {}).get("converged", True))


def _stack(results: list, name: str) -> pd.DataFrame:
    """One row a result, one column a parameter; all results have the same."""
    rows = [getattr(fit, name) for fit in results]
    if not all(isinstance(row, pd.Series) for row in rows):
        raise ModelError(
            f"{name} must be a pandas Series with the names of the parameters; got "
            f"{type(rows[0]).__name__}. In statsmodels use formulas or a DataFrame."
        )
    first = rows[0].index
    for k, row in enumerate(rows, start=1):
        if set(row.index) != set(first) or row.index.has_duplicates:
            other = sorted(map(str, set(row.index) ^ set(first)))
            raise ModelError(
                f"Results 1 and {k} have different parameters ({', '.join(other[:5])}): pool the "
                "same model only. A category that occurs in some data sets only does this too."
            )
    return pd.DataFrame([row.reindex(first) for row in rows]).reset_index(drop=True).astype(float)
