"""What all fitted models share: the vocabulary of estimates, one long table, one look.

A class of estimates provides ``params``, ``bse``, ``df``, ``cov_params()``, ``deviance``, ``nobs``,
``n_clusters``, ``n_parameters`` and ``optimizer``; :class:`Estimates` computes what follows from
these. A result adds ``notes``, ``summary()`` and ``simulate(seed)``; :class:`Result` shows it and
makes :meth:`~Result.tidy`. What does not apply to a model raises an error that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from mlteach.core.arguments import KINDS, checked
from mlteach.core.distributions import log_limits, normal_quantile
from mlteach.core.summary import coefficient_table
from mlteach.errors import ModelError

TIDY = ["term", "part", "group", "estimate", "se", "df", "statistic", "p", "lower", "upper"]
SAME_THING = {"t": "statistic", "z": "statistic", "sd": "se"}


class Estimates:
    """What follows from the numbers at an optimum."""

    @property
    def converged(self) -> bool:
        """Whether no step lowers the deviance any more (measured, see ``optimizer.gain``)."""
        return self.optimizer.converged

    def if_converged(self, spread: np.ndarray) -> np.ndarray:
        """Variances of estimates; NaN off the maximum, where the curvature says nothing of them."""
        return spread if self.converged else np.full_like(spread, np.nan)

    @property
    def llf(self) -> float:
        """Log-likelihood (under REML: restricted log-likelihood)."""
        return -0.5 * self.deviance

    @property
    def aic(self) -> float:
        """Deviance plus twice the number of parameters (as lme4 counts, under REML too)."""
        return self.deviance + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Deviance plus log(rows) times the number of parameters, as lme4 counts.

        Programs count differently: lavaan takes rows here, and clusters (the rows of the wide
        table) when a multigroup model is written in the wide format.
        """
        return self.deviance + float(np.log(self.nobs)) * self.n_parameters

    @property
    def tvalues(self) -> pd.Series:
        """Estimates divided by their standard errors; z-values where ``df`` is infinite."""
        return (self.params / self.bse).rename("t")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values."""
        return coefficient_table(self.params, self.bse, self.df)["p"]

    @checked
    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Wald confidence limits of ``params``; columns lower, upper."""
        return coefficient_table(self.params, self.bse, self.df, level)[["lower", "upper"]]


class TwoLevel:
    """Whose rows these are; ``mean_design`` is the design of the model for the means."""

    @property
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.mean_design.formula.outcome

    @property
    def cluster(self) -> str:
        """Name of the cluster column."""
        return self.mean_design.formula.cluster

    @property
    def nobs(self) -> int:
        """Rows used, N."""
        return len(self.mean_design.y)

    @property
    def n_clusters(self) -> int:
        """Clusters, J."""
        return len(self.mean_design.labels)


class Shown:
    """Shows its ``summary()``: as text in a terminal, as HTML in a notebook."""

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


class Result(Estimates, Shown):
    """A fitted model as the reader holds it; functions that are annotated with it take no other."""

    def __init_subclass__(cls, made_by: str = "", **options: object) -> None:
        super().__init_subclass__(**options)
        if made_by:
            KINDS[cls.__name__] = (f"a fit of {made_by}", lambda value: isinstance(value, cls))

    @checked
    def tidy(self, level: float = 0.95) -> pd.DataFrame:
        """All estimates in one long table, the same for every kind of model.

        Parameters
        ----------
        level : float, default 0.95

        Returns
        -------
        DataFrame
            One row an estimate; columns term, part (of the model: "mean", "variance", ...), group
            (of clusters, or the column of the clusters in which something varies), estimate, se,
            df, statistic (t, or z where df is infinite), p, lower, upper. NaN where there is no
            such thing: variances have no test here.
        """
        tables = [
            table.rename(columns=SAME_THING).assign(term=list(table.index), part=part, group=group)
            for part, group, table in self._parts_of_tidy(level)
            if len(table)
        ]
        return pd.concat([table.reindex(columns=TIDY) for table in tables], ignore_index=True)

    def _parts_of_tidy(self, level: float) -> Iterable[tuple[str, str, pd.DataFrame]]:
        """Part of the model, group, and a table with any of the columns of ``tidy``."""
        raise NotImplementedError


def split_components(
    table: pd.DataFrame, effects: Iterable[str], level: float
) -> dict[str, pd.DataFrame]:
    """Variances and covariances as tables with limits: on the log scale, and as they are.

    Parameters
    ----------
    table : DataFrame
        Columns estimate, se; a row that is named like an effect is a variance.
    effects : iterable of str
    level : float
    """
    own = table[["estimate", "se"]]
    is_variance = own.index.isin(list(effects))
    variances, covariances = own[is_variance], own[~is_variance]
    lower, upper = log_limits(variances["estimate"], variances["se"], level)
    centre, half = covariances["estimate"], normal_quantile(level) * covariances["se"]
    return {
        "variance": variances.assign(lower=lower, upper=upper),
        "covariance": covariances.assign(lower=centre - half, upper=centre + half),
    }


def effects_table(
    effects: np.ndarray, sd: np.ndarray, labels: pd.Index, names: Iterable[str]
) -> pd.DataFrame:
    """Random effects of the clusters and, in ``<name>_sd``, their conditional SDs, (J, 2q)."""
    parts = (pd.DataFrame(part, index=labels, columns=list(names)) for part in (effects, sd))
    return next(parts).join(next(parts).add_suffix("_sd"))


def drawn_table(y: np.ndarray, index: pd.Index) -> pd.DataFrame:
    """Outcomes drawn from a model, shape (N, n), with columns ``sim_1``, ``sim_2``, ..."""
    return pd.DataFrame(y, index=index, columns=[f"sim_{k + 1}" for k in range(y.shape[1])])


def z_table(
    estimate: np.ndarray, cov: np.ndarray, names: Sequence, level: float = 0.95
) -> pd.DataFrame:
    """Coefficients with their standard errors and normal tests, from a covariance matrix."""
    return coefficient_table(estimate, np.sqrt(np.diag(cov)), np.inf, level, names)


def chosen_parts(
    which: str, fixed: Callable[[], pd.DataFrame], random: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """The table of one part of a model, or those of both ("all"); no other is made."""
    if which == "all":
        # A slope is a coefficient and, where it varies, an SD too: two rows of one name.
        return pd.concat({"fixed": fixed(), "random": random()})
    return fixed() if which == "fixed" else random()


def does_not_apply(name: str, why: str) -> property:
    """An attribute of the shared vocabulary that a model cannot have."""

    def refuse(self) -> None:
        raise ModelError(f"{type(self).__name__} has no {name}: {why}")

    return property(refuse, doc=f"Does not apply: {why}")


def as_generator(seed: int | np.random.Generator | None) -> np.random.Generator:
    """Turn a seed into a generator; a generator goes on where it is.

    Raises
    ------
    ModelError
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"seed must be a whole number that is not negative, a numpy Generator or None; "
            f"got {seed!r}."
        ) from error
