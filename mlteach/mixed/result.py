"""The fitted two-level linear mixed model: everything a reader may ask of it.

A :class:`MixedResult` is the estimates and the questions that can be put to them; each answer is
computed when asked for, by a function of another module. Numbers are in the units of the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlteach.core import notes as words
from mlteach.core.arguments import checked, whole
from mlteach.core.columns import as_table
from mlteach.core.design import varies_within
from mlteach.core.lazy import lazy_import
from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.core.result import Result, as_generator, split_components
from mlteach.core.summary import RESIDUAL, Summary
from mlteach.mixed import inference, smushing
from mlteach.mixed import notes as account
from mlteach.mixed import ranef as effects
from mlteach.mixed.equation import Equation, equation
from mlteach.mixed.estimates import MixedEstimates

pd = lazy_import("pandas")

if TYPE_CHECKING:
    from mlteach.mixed.hypotheses import HypothesisTest


@dataclass(frozen=True, repr=False)
class MixedResult(MixedEstimates, Result):
    """A fitted two-level model: its estimates, and the questions that can be put to them.

    Attributes
    ----------
    design : Design
        Formula, matrices and cluster labels of the rows used.
    problem : ProfiledDeviance
        The deviance that was minimised.
    optimizer : OptRecord
        How the minimum was found.
    ddf : str
        Method for the degrees of freedom of ``df``, ``pvalues`` and ``summary()``.
    smushed_note : bool
        Whether ``notes`` tell of predictors that enter unsplit.
    """

    smushed_note: bool = True

    # -------------------------------------------------------------------------- tests and intervals

    @cached_property
    def lr_test_random(self) -> LikelihoodRatioTest:
        """Likelihood-ratio test against the model without random effects."""
        none = self.problem.without_effects()
        weights = inference.no_variance_weights(self.problem)
        m = self.problem.map.m
        return likelihood_ratio_test(none - self.optimizer.f_end, m, weights)

    @checked
    def test(
        self,
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
        from mlteach.mixed import hypotheses

        return hypotheses.wald_test(self, hypothesis, ddf, robust, level, adjust)

    @checked
    def confint(
        self,
        method: str = "wald",
        which: str = "fixed",
        level: float = 0.95,
        *,
        n: int = 1000,
        seed: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Confidence intervals of coefficients and variance components.

        Parameters
        ----------
        method : {"wald", "profile", "bootstrap"}
            Wald limits use the standard errors; profile limits the deviance itself; bootstrap
            limits are percentiles of the estimates from data sets drawn from the fit. Variance
            components get their intervals on the scale of SD and correlation.
        which : {"fixed", "random", "all"}
            Coefficients, variance components (as SDs and correlations), or both.
        level : float, default 0.95
        n, seed, progress : int, int or numpy.random.Generator, bool
            Of the bootstrap only: number of data sets, seed (None draws fresh ones), and whether
            to show a progress bar.

        Returns
        -------
        DataFrame
            Columns estimate, lower, upper; with "all", the first level of the index says which
            part a row belongs to. ``attrs["notes"]``, shown under the table, tell how the bootstrap
            went, and that the profile of coefficients is that of ML under REML too.

        Raises
        ------
        ModelError
            For an unknown method or part, or an ``n`` too small for the level.
        """
        # Imported here: root finding is the one part of the package that needs scipy.optimize.
        from mlteach.mixed import intervals

        return intervals.confint(self, method, which, level, n, seed, progress)

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
        names = list(self.design.z_names)
        table = pd.DataFrame(self._blups, index=self.design.labels, columns=names)
        sd = np.sqrt(np.clip(np.diagonal(self.cov_ranef, axis1=1, axis2=2), 0.0, None))
        return table.join(
            pd.DataFrame(sd, index=self.design.labels, columns=[f"{n}_sd" for n in names])
        )

    @property
    def fitted(self) -> pd.Series:
        """Predictions for the rows used, random effects included, shape (N,)."""
        random = np.einsum("iq,iq->i", self.design.Z, self._blups[self.design.codes])
        return pd.Series(self._fixed_part + random, index=self.design.index, name="fitted")

    @property
    def resid(self) -> pd.Series:
        """Level-1 residuals: outcome minus ``fitted``, shape (N,)."""
        return pd.Series(self.design.y - self.fitted, index=self.design.index, name="resid")

    @property
    def marginal_resid(self) -> pd.Series:
        """Outcome minus the fixed part of the prediction, shape (N,)."""
        return pd.Series(
            self.design.y - self._fixed_part, index=self.design.index, name="marginal_resid"
        )

    @checked
    def predict(self, data: pd.DataFrame | None = None, *, random: bool = True) -> pd.Series:
        """Predict the outcome of rows, in known or in new clusters.

        Parameters
        ----------
        data : DataFrame, optional
            Rows with the predictors and, if ``random``, the cluster column; the rows of the fit
            by default.
        random : bool, default True
            Add the predicted random effects of known clusters. New clusters get the fixed part,
            which is their expectation; their ids are listed in ``attrs["new_clusters"]``.

        Returns
        -------
        Series
            Indexed like ``data``.

        Raises
        ------
        DataError
            Missing column or value, or a category that the fit never saw.
        """
        if data is None:
            fixed = pd.Series(self._fixed_part, index=self.design.index, name=self.outcome)
            return self.fitted.rename(self.outcome) if random else fixed
        values, new = effects.predict(
            self.design, self.params.to_numpy(), self._blups if random else None, data
        )
        out = pd.Series(values, index=as_table(data).index, name=self.outcome)
        out.attrs["new_clusters"] = new
        return out

    @checked
    def prediction_interval(
        self,
        data: pd.DataFrame | None = None,
        level: float = 0.95,
        *,
        of: str = "outcome",
        random: bool = True,
    ) -> pd.DataFrame:
        """Predict rows, in known or in new clusters, with limits for what is predicted.

        Parameters
        ----------
        data : DataFrame, optional
            As in :meth:`predict`; the rows of the fit by default.
        level : float, default 0.95
        of : {"outcome", "mean"}
            The outcome of one more row like this, ``x'beta + z'u + e``, or the mean of such rows of
            its cluster, ``x'beta + z'u``.
        random : bool, default True
            Use the predicted random effects of known clusters. With False every row is taken as one
            of a new cluster.

        Returns
        -------
        DataFrame
            Indexed like ``data``; columns estimate, se, df, lower, upper. ``se`` is the standard
            deviation of the prediction error: it has the uncertainty of the coefficients, of the
            random effects (for a new cluster that is Tau) and of the residual, if the outcome is
            predicted. It takes the variances as known; the limits allow for their estimation by
            the t distribution with Satterthwaite's df. With fewer than some 10 clusters limits for
            new clusters are rather too wide. ``attrs["new_clusters"]`` lists ids that the fit does
            not know.

        Raises
        ------
        DataError
            Missing column or value, or a category that the fit never saw.
        ModelError
            If ``of`` is not known.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_empty("math", mt.load("hsb"), cluster="school")
        >>> rows = pd.DataFrame({"school": [1224, 9999]}, index=["known", "new"])
        >>> fit.prediction_interval(rows, of="mean").round(2)
               estimate    se       df  lower  upper
        known      9.97  0.87  5686.62   8.26  11.68
        new       12.64  2.95   127.69   6.81  18.46

        References
        ----------
        Henderson (1975), Biometrics 31(2), doi:10.2307/2529430. Robinson (1991), Statistical
        Science 6(1), doi:10.1214/ss/1177011926.
        """
        from mlteach.mixed import prediction

        return prediction.prediction_interval(self, data, level, of, random)

    @checked
    def simulate(self, seed: int | np.random.Generator | None, n: int = 1) -> pd.DataFrame:
        """Draw outcomes from the fitted model: new clusters, new residuals, the same predictors.

        Parameters
        ----------
        seed : int or numpy.random.Generator
            A generator goes on where it is; None draws fresh numbers.
        n : int, default 1
            Number of data sets.

        Returns
        -------
        DataFrame, shape (N, n)
            Indexed like the rows used; columns ``sim_1``, ``sim_2``, ...

        Raises
        ------
        ModelError
            If seed or n is of another kind.
        """
        from mlteach.mixed import bootstrap

        y = bootstrap.outcomes(self, as_generator(seed), whole("n", n, least=1))
        names = [f"sim_{k + 1}" for k in range(y.shape[1])]
        return pd.DataFrame(y, index=self.design.index, columns=names)

    # ------------------------------------------------------------------- variance by predictors

    @checked
    def variance_function(
        self,
        x: str,
        at: float | Sequence[float] | Sequence[str] | None = None,
        *,
        others: Mapping[str, object] | None = None,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Variance of the outcome that a random slope implies, along its predictor.

        ``Var(y | x) = tau00 + 2 x tau01 + x^2 tau11 + sigma2``, with further terms where other
        slopes vary too.

        Parameters
        ----------
        x : str
            A random slope, by its name in ``tau``.
        at : float or sequence of float, optional
            Values of x; by default 41 from the smallest to the largest in the rows used, or all
            values if there are at most eight.
        others : mapping of str to float, optional
            Values of the other predictors with random slopes; those not named are held at 0.
        level : float, default 0.95
            Confidence level; limits by the delta method for the log variance.

        Returns
        -------
        DataFrame
            Indexed by x; columns between (z'Tau z), variance (with sigma2), se, lower, upper, sd,
            icc (between / variance). The standard errors of a singular fit are NaN. ``attrs`` hold
            sigma2, held, notes, and where the variance is lowest (lowest_at, lowest).

        Raises
        ------
        ModelError
            If x has no random slope, or another random slope is a function of x.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
        >>> table = fit.variance_function("score11", at=[-2, 0, 2])
        >>> table["variance"].round(3).to_list(), round(table.attrs["lowest_at"], 2)
        ([0.632, 0.646, 0.779], -1.23)

        References
        ----------
        Snijders & Bosker (2012), Multilevel Analysis, sections 5.1 and 8.1.
        """
        from mlteach.mixed import variance_function

        return variance_function.variance_function(self, x, at, others, level)

    @checked
    def implied_covariance(self, data: pd.DataFrame, *, correlation: bool = False) -> pd.DataFrame:
        """Covariance matrix of the outcomes of chosen rows that the model implies.

        Parameters
        ----------
        data : DataFrame
            Rows with the predictors that have random effects, and the cluster column, in which any
            ids may stand: rows with the same id share a cluster, rows of different ones have
            covariance 0.
        correlation : bool, default False
            Give correlations instead.

        Returns
        -------
        DataFrame
            Rows and columns are labelled by the index of ``data``.

        Raises
        ------
        DataError
            Missing column, value or cluster id, or a category that the fit never saw.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", mt.load("london"))
        >>> rows = pd.DataFrame({"school": 1, "score11": [-2.0, 2.0]}, index=["low", "high"])
        >>> fit.implied_covariance(rows, correlation=True).round(3).loc["low", "high"].item()
        0.046
        """
        from mlteach.mixed import variance_function

        return variance_function.implied_covariance(self, data, correlation)

    # --------------------------------------------------------------------------------- telling

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of this fit should know, in plain words."""
        smushed = [self._smushed_note] if self.smushed_note and self._smushed_note else []
        undetermined = words.undetermined_notes(self.undetermined)
        return (
            *words.convergence_notes(self),
            *self._design_notes,
            *smushed,
            *self._boundary_notes,
            *undetermined,
        )

    @cached_property
    def _design_notes(self) -> list[str]:
        return account.design_notes(self.design)

    @cached_property
    def _smushed_note(self) -> str:
        return smushing.smushed_note(self.design)

    @property
    def singular(self) -> bool:
        """Whether the estimate lies on the boundary: a zero variance or a correlation of ±1."""
        return bool(self._boundary_notes)

    @cached_property
    def _boundary_notes(self) -> list[str]:
        return account.boundary_notes(self)

    @checked
    def equation(self, notation: str = "levels") -> Equation:
        """The model in LaTeX.

        Parameters
        ----------
        notation : {"levels", "combined"}
            One equation a level, or all in one line.
        """
        d = self.design
        return equation(
            self.outcome, d.x_factors, varies_within(d), d.z_factors, d.blocks, notation
        )

    @checked
    def summary(self, ddf: str | None = None) -> Summary:
        """Both sides of the model: coefficients, and variance components.

        Parameters
        ----------
        ddf : str, optional
            Method for the degrees of freedom; the fit's own by default.
        """
        return account.summary(self, self._ddf(ddf), self.lr_test_random, self.notes)

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, object, pd.DataFrame]]:
        yield "mean", "", self.tests(level=level)
        effects = [*self.design.z_names, RESIDUAL]
        for part, rows in split_components(self.variances, effects, level).items():
            yield part, ["" if name == RESIDUAL else self.cluster for name in rows.index], rows
