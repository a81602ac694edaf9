"""The fitted location-scale model: its estimates, and the questions that can be put to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of
from mlteach.core.columns import as_table
from mlteach.core.result import Result, chosen_parts, split_components
from mlteach.core.summary import Summary
from mlteach.errors import ModelError
from mlteach.location_scale import derived, nesting, prediction
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.location_scale.notes import notes, summary

LEVEL = 0.95


@dataclass(frozen=True, repr=False)
class LocationScaleResult(LocationScaleEstimates, Result, made_by="mt.fit_location_scale(...)"):
    """A location-scale model fitted by maximum likelihood; see :class:`LocationScaleEstimates`."""

    # ------------------------------------------------------------------------- tests and intervals

    @checked
    def conf_int(self, level: float = 0.95, which: str = "fixed") -> pd.DataFrame:
        """Confidence limits of coefficients, and of variances and correlations.

        Parameters
        ----------
        level : float, default 0.95
        which : {"fixed", "random", "all"}
            The coefficients of both functions; the variances (limits found on the log scale) and
            correlations (on the scale of Fisher's z) of the random effects; or both.

        Returns
        -------
        DataFrame
            Columns lower, upper; with "all" the first level of the index says which part a row
            belongs to.

        Raises
        ------
        ModelError
            For an unknown part, or "random" of a model with level-2 functions.
        """
        one_of("which", which, ("fixed", "random", "all"))
        tables = (lambda: self.table(level), lambda: self._components(level))
        return chosen_parts(which, *tables)[["lower", "upper"]]

    test = derived.wald_test

    lr_test = nesting.lr_test

    @cached_property
    def components(self) -> pd.DataFrame:
        """Variances, covariances and correlations of the random effects.

        Rows are named by effect (a variance) or by pair ``a:b`` (a covariance); columns estimate,
        se, sd, correlation, and 95% limits ``lower``, ``upper`` of the variance (found on the log
        scale) or of the correlation (on the scale of Fisher's z). NaN where the boundary leaves no
        standard error. With level-2 functions see ``between`` and ``random_at``.
        """
        return self._components(LEVEL)

    def _components(self, level: float) -> pd.DataFrame:
        if self.functions is not None:
            raise ModelError(
                "The variances and correlations of this model are level-2 functions: see "
                "fit.between for their coefficients and fit.random_at(data) for their values."
            )
        return derived.components(self, level)

    @property
    def association(self) -> pd.DataFrame:
        """Coefficients of the mean function's effects u in the log variance function.

        Correlated effects can be written as ``log variance = w'alpha + s'(Gamma u + v)`` with v
        independent of u; a row ``scale:a on b`` is an element of Gamma = Omega_vu Omega_u^-1, by
        the delta method. Columns as in ``mean``; ``what is left`` is the variance of that v.

        Raises
        ------
        ModelError
            If the effects of the two functions do not correlate, or by level-2 functions.
        """
        return self._association(LEVEL)

    def _association(self, level: float) -> pd.DataFrame:
        return derived.association(self, level)

    # ------------------------------------------------------------------------- the level-1 variance

    @property
    def average_variance(self) -> pd.Series:
        """Level-1 variance at the rows used: median cluster and population average.

        ``median`` is the mean over rows of exp(w'alpha), the variance in a cluster with v = 0;
        ``average`` of exp(w'alpha + s'Omega_v s / 2), the mean over clusters.
        """
        median, average = self.predicted_variance(), self.predicted_variance(average=True)
        return pd.Series({"median": median.mean(), "average": average.mean()})

    @checked
    def predicted_variance(
        self, data: pd.DataFrame | None = None, *, average: bool = False
    ) -> pd.Series:
        """Level-1 variance of rows by the fixed part of the variance function.

        Parameters
        ----------
        data : DataFrame, optional
            Rows with the predictors of the variance function; the rows of the fit by default.
        average : bool, default False
            False: in the median cluster, exp(w'alpha). True: averaged over clusters,
            exp(w'alpha + s'Omega_v s / 2) (Leckie et al. 2014).
        """
        d = self.design
        W, S = (d.W, d.S) if data is None else d.new_variance_rows(data)
        omega = self.omega_of_rows(data) if average else self.omega[:1]
        index = d.mean.index if data is None else as_table(data).index
        values = np.exp(self.log_variance_of(W, S, omega, average))
        return pd.Series(values, index=index, name="variance")

    variance_ratios = derived.variance_ratios

    icc_at = derived.icc_at

    # ---------------------------------------------------------------------------- rows and clusters

    predict = prediction.predict

    simulate = prediction.simulate

    ranef = derived.ranef

    @property
    def cov_ranef(self) -> np.ndarray:
        """Conditional covariance matrices of the random effects, (J, d, d), in order of effects."""
        return self.posterior[1]

    cluster_variances = derived.cluster_variances

    # --------------------------------------------------------------------------------- telling

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of this fit should know, in plain words."""
        return notes(self)

    @property
    def _method(self) -> str:
        points = self.deviance_function.points
        quadrature = f", {points} quadrature points" if self.deviance_function.map.r else ""
        return ("REML" if self.reml else "ML") + quadrature

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
        p, table = len(self.mean), self.table(level)
        yield "mean", "", table.iloc[:p].set_axis(self.mean.index)
        yield "log_variance", "", table.iloc[p:].set_axis(self.log_variance.index)
        if self.functions is not None:
            between = self._between(level)
            yield "between", self.cluster, between.set_axis([":".join(k) for k in between.index])
            return
        for part, rows in split_components(self._components(level), self.effects, level).items():
            yield part, self.cluster, rows
        if self.form in ("linear", "quadratic"):
            yield "association", self.cluster, self._association(level)

    @checked
    def summary(self) -> Summary:
        """Both functions side by side, and the random effects that join them."""
        n = self.design.rows.n
        facts = {
            "Method": self._method,
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster}), of {n.min()} to {n.max()} rows",
            "Log-likelihood": f"{self.llf:.4f}",
            "AIC, BIC": f"{self.aic:.2f}, {self.bic:.2f}",
        }
        tables = {} if self.functions else {"Random effects": self.components}
        has_association = self.form in ("linear", "quadratic")
        return summary(self, "Two-level location-scale model", facts, tables, has_association)
