"""The fitted location-scale model: its estimates, and the questions that can be put to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.columns import as_table
from mlteach.core.result import Result, split_components
from mlteach.core.summary import Summary
from mlteach.location_scale import derived, nesting, prediction
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.location_scale.notes import notes, summary


@dataclass(frozen=True, repr=False)
class LocationScaleResult(LocationScaleEstimates, Result, made_by="mt.fit_location_scale(...)"):
    """A location-scale model fitted by maximum likelihood; see :class:`LocationScaleEstimates`."""

    # ------------------------------------------------------------------------- tests and intervals

    test = derived.wald_test

    lr_test = nesting.lr_test

    _components = derived.components

    def _parts_of_components(self, level: float) -> dict[str, pd.DataFrame]:
        return split_components(self._components(level), self.effects, level)

    _association = derived.association

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

    @checked
    def summary(self) -> Summary:
        """Both functions side by side, and the random effects that join them."""
        n, objective = self.design.rows.n, self.deviance_function
        quadrature = f", {objective.points} quadrature points" if objective.map.r else ""
        facts = {
            "Method": ("REML" if self.reml else "ML") + quadrature,
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster}), of {n.min()} to {n.max()} rows",
            "Log-likelihood": f"{self.llf:.4f}",
            "AIC, BIC": f"{self.aic:.2f}, {self.bic:.2f}",
        }
        tables = {} if self.functions else {"Random effects": self.components}
        return summary(self, "Two-level location-scale model", facts, tables)
