"""Tests of linear hypotheses on the coefficients, one or several at once.

A hypothesis is ``C beta = v``, C of shape (r, p). Each row has a t-test; all rows together have

    W = (C beta - v)' [C Cov(beta) C']^-1 (C beta - v)        Wald's chi-square with r df
    F = scale * W / r                                         with r and df_den df

W is exact in large samples only. ``df_den`` and ``scale`` make up for the estimated covariance
matrix, each method of the degrees of freedom in its own way; for one row F is the square of t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.distributions import chi2_sf, f_sf
from mlteach.core.notes import convergence_notes
from mlteach.core.result import Estimates, Shown
from mlteach.core.summary import Summary, coefficient_table, format_p
from mlteach.errors import ModelError
from mlteach.mixed.contrasts import combination, independent_rows, read_hypothesis
from mlteach.mixed.estimates import MixedEstimates

# Ratio of eigenvalues of a covariance matrix below which the smaller is rounding error.
SINGULAR = 1e-14
# Satterthwaite's approximation is not to be trusted with fewer degrees of freedom (Tipton 2015).
FEW_DF = 4.0


@dataclass(frozen=True, repr=False)
class HypothesisTest(Shown):
    """A test of linear combinations of coefficients; shows as text and as HTML.

    Attributes
    ----------
    table : DataFrame
        One row a combination; columns estimate, se, df, t, p, lower, upper, and p_holm if asked
        for. Estimate and limits are those of the combination; t and p test it against its null
        value.
    statistic : float
        F of all combinations at once.
    df_num, df_den : float
        Its degrees of freedom: as many as the combinations that do not follow from others, and
        those of the denominator; infinite ``df_den`` makes it a chi-square.
    p : float
    chi2, p_chi2 : float
        Wald's chi-square with ``df_num`` degrees of freedom, and its p-value.
    scale : float
        ``F = scale * chi2 / df_num``; differs from 1 for several combinations under
        Kenward-Roger and with robust standard errors.
    null : str
        The hypothesis, as ``"a - b = 0, c = 2"``.
    method : str
        What the standard errors and degrees of freedom are.
    contrasts : DataFrame, shape (r, p)
        Weights of the coefficients in each combination.
    notes : tuple of str
        What a reader should know.
    converged : bool
        Whether the fit is at its maximum.
    """

    table: pd.DataFrame
    statistic: float
    df_num: int
    df_den: float
    p: float
    chi2: float
    p_chi2: float
    scale: float
    null: str
    method: str
    contrasts: pd.DataFrame
    notes: tuple[str, ...]
    converged: bool

    def summary(self) -> Summary:
        """The joint test, and the table of combinations under it."""
        df_den = "∞" if np.isinf(self.df_den) else f"{self.df_den:.1f}"
        facts = {
            "Null hypothesis": self.null,
            "Method": self.method,
            "F": f"F({self.df_num}, {df_den}) = {self.statistic:.3f}, p {_p(self.p)}",
            "Wald": f"χ²({self.df_num}) = {self.chi2:.3f}, p {_p(self.p_chi2)}",
        }
        tables = {"Combinations, t against their null values": self.table}
        return Summary("Test of coefficients", facts, tables, self.notes, self.converged)


def _p(p: float) -> str:
    text = format_p(p) or "not available"
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


@checked
def wald_test(
    fit: MixedEstimates,
    hypothesis: str | Sequence[str] | np.ndarray | pd.DataFrame,
    ddf: str | None = None,
    robust: str | None = None,
    level: float = 0.95,
    *,
    adjust: str | None = None,
) -> HypothesisTest:
    """Test linear combinations of the coefficients, one or several at once.

    Parameters
    ----------
    hypothesis : str, sequence of str, or matrix of shape (r, p)
        An equation ("a - b = 0", "a = 2", "2*a + b"; without "=" it equals zero), a list of
        equations, a list of coefficients (all are zero), or weights of the coefficients.
        Names are written as in ``params``, with backticks around them where wanted.
    ddf : str, optional
        Method for the degrees of freedom; the fit's own by default. Under "between-within" a
        combination has the fewest degrees of freedom of the coefficients in it.
    robust : {"CR0", "CR2"}, optional
        Cluster-robust standard errors, with degrees of freedom of their own.
    level : float, default 0.95
        Confidence level of the combinations.
    adjust : {"holm"}, optional
        Adds p-values that are valid for all combinations at once, by Holm's method.

    Returns
    -------
    HypothesisTest
        A t-test for each combination, and F and Wald's chi-square for all of them, with as many
        degrees of freedom as there are combinations that do not follow from others. The F-test
        is that of Fai & Cornelius under Satterthwaite (whose ``df_den`` depends on the units
        of the combinations, as in lmerTest), of Kenward & Roger, or the HTZ test of Tipton &
        Pustejovsky with robust standard errors.

    Raises
    ------
    FormulaError
        If the hypothesis cannot be read, or names an unknown coefficient.
    ModelError
        If hypotheses contradict each other, or for an unknown method.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    >>> fit = mt.fit_mixed("math ~ ses_within + ses_between + (1 | school)", hsb)
    >>> test = fit.test("ses_between - ses_within = 0")
    >>> test.table[["estimate", "se"]].round(2)
                              estimate    se
    ses_between - ses_within      3.68  0.38

    References
    ----------
    Fai & Cornelius (1996), Journal of Statistical Computation and Simulation 54(4),
    doi:10.1080/00949659608811740. Kenward & Roger (1997), Biometrics 53(3),
    doi:10.2307/2533558. Tipton & Pustejovsky (2015), Journal of Educational and Behavioral
    Statistics 40(6), doi:10.3102/1076998615606099.
    """
    scaling, method = fit.problem.moments.scaling, None if robust else fit._ddf(ddf)
    to_users, cov = scaling.scale * scaling.A, fit._cov_scaled(ddf, robust)

    def degrees(C: np.ndarray) -> tuple[np.ndarray, float, float]:
        return fit._contrast_df(C, method, robust), *fit._joint_df(C, method, robust)

    return linear_test(fit, hypothesis, to_users, cov, degrees, method, level, adjust, robust)


def linear_test(
    fit: Estimates,
    hypothesis,
    to_users: np.ndarray,
    cov: np.ndarray,
    degrees: Callable[[np.ndarray], tuple[np.ndarray, float, float]],
    method: str | None,
    level: float,
    adjust: str | None = None,
    robust: str | None = None,
) -> HypothesisTest:
    """Test a linear hypothesis on the coefficients of any fit.

    Parameters
    ----------
    fit : Estimates
    hypothesis : str, sequence of str, or matrix of shape (r, p)
    to_users : ndarray, shape (p, p)
        Linear map from the scaled coefficients to ``fit.params``: in the user's units a sum such as
        a + 1e6*b would lose its digits.
    cov : ndarray, shape (p, p)
        Covariance matrix of the scaled coefficients.
    degrees : callable
        From C (r, p) to the degrees of freedom of its rows, those of the joint test, and its scale.
    method : str or None
        What the degrees of freedom are, in words, unless standard errors are robust.
    level : float
    adjust : {"holm"}, optional
    robust : {"CR0", "CR2"}, optional
        What the standard errors are.
    """
    if adjust not in (None, "holm"):
        raise ModelError(f"adjust={adjust!r} is not known; choose 'holm', or leave it out.")
    names = list(fit.params.index)
    C, null = read_hypothesis(hypothesis, names)
    free = independent_rows(C, null, names)
    rows, rank = C @ to_users, len(free)
    distance, se = C @ fit.params.to_numpy() - null, np.sqrt(np.diag(rows @ cov @ rows.T))
    labels = [combination(row, names) for row in C]
    df, df_den, scale = degrees(C)
    table = coefficient_table(distance, se, df, level, labels)
    table[["estimate", "lower", "upper"]] += null[:, None]  # t is that of the distance
    if adjust:
        table.insert(list(table).index("p") + 1, "p_holm", holm(table["p"].to_numpy()))
    chi2 = _wald(distance[free], rows[free], cov)
    F = scale * chi2 / rank
    return HypothesisTest(
        table=table,
        statistic=F,
        df_num=rank,
        df_den=df_den,
        p=f_sf(F, rank, df_den),
        chi2=chi2,
        p_chi2=float(chi2_sf(chi2, rank)),
        scale=scale,
        null=", ".join(f"{label} = {v:g}" for label, v in zip(labels, null, strict=True)),
        method=f"robust standard errors ({robust})" if robust else method,
        contrasts=pd.DataFrame(C, index=labels, columns=names),
        notes=_notes(fit, table, rank, df_den, robust),
        converged=fit.converged,
    )


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: valid for all of the tests at once, whatever their dependence.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    """
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(stepped, 1.0)[np.argsort(order)]


def _wald(distance: np.ndarray, rows: np.ndarray, cov: np.ndarray) -> float:
    """Wald's chi-square, with the rows turned into an orthonormal basis of their space."""
    if np.isnan(cov).any():
        return np.nan
    basis, R = np.linalg.qr(rows.T)
    values, vectors = np.linalg.eigh(basis.T @ cov @ basis)
    if values[0] <= SINGULAR * values[-1]:
        raise ModelError(
            f"The covariance matrix of these {len(rows)} combinations is singular: robust standard "
            "errors rest on as many clusters as carry information, which are too few here. Test "
            "fewer combinations at once, or leave robust= out."
        )
    return float(np.sum((vectors.T @ np.linalg.solve(R.T, distance)) ** 2 / values))


def _notes(
    fit: Estimates, table: pd.DataFrame, rank: int, df_den: float, robust: str | None
) -> tuple[str, ...]:
    notes = list(convergence_notes(fit))
    unknown = list(table.index[table["df"].isna()])
    if unknown:
        notes.append(
            f"One cluster alone determines {', '.join(unknown)}: the data cannot tell a robust "
            "standard error, and the one shown is far too small. Leave robust= out."
        )
    elif np.isnan(df_den):
        notes.append(
            "There are too few clusters for an F-test of all combinations at once with robust "
            "standard errors."
        )
    if robust and (table["df"] < FEW_DF).any():
        notes.append(
            f"With fewer than {FEW_DF:g} degrees of freedom robust p-values are not to be "
            "trusted: too few clusters carry the information."
        )
    if rank < len(table):
        notes.append(
            f"{len(table) - rank} of the {len(table)} combinations follow(s) from the others: the "
            f"joint test is of the {rank} that do not, each combination has its own t-test."
        )
    return tuple(notes)
