"""The fitted two-level linear mixed model: everything a reader may ask of it.

A :class:`MixedResult` is the estimates and the questions that can be put to them. Most methods are
functions of the estimates that stand in other modules. Numbers are in the units of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.core.result import Result, effects_table, split_components
from mlteach.core.summary import RESIDUAL, Summary
from mlteach.mixed import bootstrap, hypotheses, information, intervals, prediction
from mlteach.mixed import notes as account
from mlteach.mixed import variance_function as by_predictor
from mlteach.mixed.equation import equation as equation_of
from mlteach.mixed.estimates import MixedEstimates


@dataclass(frozen=True, repr=False)
class MixedResult(MixedEstimates, Result, made_by="mt.fit_mixed(...)"):
    """A fitted two-level model; see :class:`MixedEstimates` too.

    Attributes
    ----------
    smushed_note : bool
        Whether ``notes`` tell of predictors that enter unsplit.
    """

    smushed_note: bool = True

    # -------------------------------------------------------------------------- tests and intervals

    @cached_property
    def lr_test_random(self) -> LikelihoodRatioTest:
        """Likelihood-ratio test against the model without random effects."""
        none = self.problem.along_ray(np.ones(self.problem.map.q), np.zeros(1))[0]
        weights = information.no_variance_weights(self.problem)
        m = self.problem.map.m
        return likelihood_ratio_test(none - self.optimizer.f_end, m, weights)

    test = hypotheses.wald_test
    confint = intervals.confint
    variance_function = by_predictor.variance_function
    implied_covariance = by_predictor.implied_covariance

    # ------------------------------------------------------------------- clusters and rows

    def ranef(self) -> pd.DataFrame:
        """Predicted random effects (BLUPs), with their conditional standard deviations.

        Returns
        -------
        DataFrame, shape (J, 2q)
            Index: cluster ids. A column per effect and, in ``<name>_sd``, the standard deviation
            of the effect given the data and the estimated parameters (lme4's ``condVar``).

        Examples
        --------
        >>> import mlteach as mt
        >>> effects = mt.fit_empty("math", mt.load("hsb"), cluster="school").ranef()
        >>> effects.loc[1224].round(3).to_dict()
        {'Intercept': -2.664, 'Intercept_sd': 0.871}
        """
        sd = np.sqrt(np.diagonal(self.cov_ranef, axis1=1, axis2=2).clip(min=0.0))
        return effects_table(self._blups, sd, self.design.labels, self.design.z_names)

    @property
    def fitted(self) -> pd.Series:
        """Predictions for the rows used, random effects included, shape (N,)."""
        return pd.Series(self.predict().to_numpy(), index=self.design.index, name="fitted")

    @property
    def resid(self) -> pd.Series:
        """Level-1 residuals: outcome minus ``fitted``, shape (N,)."""
        return pd.Series(self.design.y - self.fitted, index=self.design.index, name="resid")

    predict = prediction.predict
    prediction_interval = prediction.prediction_interval
    simulate = bootstrap.simulate

    # --------------------------------------------------------------------------------- telling

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader of this fit should know, in plain words."""
        return account.notes(self, self.smushed_note)

    @cached_property
    def singular(self) -> bool:
        """Whether the estimate lies on the boundary: a zero variance or a correlation of ±1."""
        return bool(account.boundary_notes(self))

    equation = equation_of

    @checked
    def summary(self, ddf: str | None = None) -> Summary:
        """Both sides of the model: coefficients, and variance components.

        Parameters
        ----------
        ddf : str, optional
            Method for the degrees of freedom; the fit's own by default.
        """
        sizes, ddf = self.cluster_sizes, self._ddf(ddf)
        facts = {
            "Model": self.formula,
            "Method": "REML" if self.reml else "ML",
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster}), of {sizes.min()} to {sizes.max()} "
            f"rows, {self.nobs / self.n_clusters:.1f} on average",
            "Log-likelihood": f"{self.llf:.4f}",
            "Deviance": f"{self.deviance:.4f}",
            "AIC, BIC": f"{self.aic:.2f}, {self.bic:.2f}",
            "Against no random effects": str(self.lr_test_random),
            "Degrees of freedom": ddf,
        }
        tables = {"Model for the means": self.tests(ddf), "Model for the variance": self.variances}
        return Summary("Two-level linear mixed model", facts, tables, self.notes, self.converged)

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, object, pd.DataFrame]]:
        yield "mean", "", self.tests(level=level)
        effects = [*self.design.z_names, RESIDUAL]
        for part, rows in split_components(self.variances, effects, level).items():
            yield part, ["" if name == RESIDUAL else self.cluster for name in rows.index], rows
