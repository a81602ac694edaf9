"""The fitted location-scale model: its estimates, and the questions that can be put to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlteach.core.arguments import checked, one_of
from mlteach.core.columns import as_table
from mlteach.core.lazy import lazy_import
from mlteach.core.lr_test import LikelihoodRatioTest
from mlteach.core.result import Result, split_components
from mlteach.core.summary import Summary, check_level
from mlteach.errors import ModelError
from mlteach.location_scale import derived, nesting, prediction
from mlteach.location_scale.estimates import LocationScaleEstimates
from mlteach.location_scale.notes import notes
from mlteach.mixed.hypotheses import HypothesisTest

pd = lazy_import("pandas")

LEVEL = 0.95


@dataclass(frozen=True, repr=False)
class LocationScaleResult(LocationScaleEstimates, Result):
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
        check_level(level)
        tables = {
            "fixed": lambda: self.table(level),
            "random": lambda: self._components(level),
        }
        wanted = tables if which == "all" else [which]
        limits = {part: tables[part]()[["lower", "upper"]] for part in wanted}
        return pd.concat(limits) if which == "all" else limits[which]

    @checked
    def test(
        self,
        hypothesis: str | Sequence[str] | np.ndarray | pd.DataFrame,
        level: float = 0.95,
        *,
        adjust: str | None = None,
    ) -> HypothesisTest:
        """Test linear combinations of the coefficients of both functions, one or several at once.

        Parameters
        ----------
        hypothesis : str, sequence of str, or matrix of shape (r, p + k)
            As for :meth:`MixedResult.test <mlteach.mixed.result.MixedResult.test>`, with names as
            in ``params``: those of the log variance have the prefix ``scale:``.
        level : float, default 0.95
        adjust : {"holm"}, optional
            Adds p-values that are valid for all combinations at once, by Holm's method.

        Returns
        -------
        HypothesisTest
            z-tests of the combinations, and Wald's chi-square for all of them.

        Raises
        ------
        FormulaError, ModelError

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_location_scale("math ~ catholic + ses + (1 | school)",
        ...                             "~ catholic + ses", mt.load("hsb"))
        >>> round(fit.test(["scale:catholic", "scale:ses"]).chi2, 1)
        28.5
        """
        return derived.wald_test(self, hypothesis, level, adjust)

    @checked
    def lr_test(self, smaller: nesting.Fit) -> LikelihoodRatioTest:
        """Likelihood-ratio test against a smaller model, a mixed or a location-scale one.

        Parameters
        ----------
        smaller : LocationScaleResult or MixedResult
            Fitted by the same method to the same rows; a special case of this model.

        Returns
        -------
        LikelihoodRatioTest
            With the 50:50 mixture where this model has one random effect more.

        Raises
        ------
        ModelError
            Other rows, other methods, not fewer parameters, or not nested; the message says why.
        """
        return nesting.lr_test(self, smaller)

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

    @checked
    def variance_ratios(
        self, data: pd.DataFrame, *, average: bool = True, level: float = 0.95
    ) -> pd.DataFrame:
        """Level-1 variances of groups, and their ratios to that of the first.

        Parameters
        ----------
        data : DataFrame
            One row a group, with the predictors of the variance function (and of level-2
            functions).
        average : bool, default True
            Variances averaged over clusters, or of the median cluster; see
            :meth:`predicted_variance`.
        level : float, default 0.95

        Returns
        -------
        DataFrame, one row a group
            variance, lower, upper, ratio, ratio_lower, ratio_upper. Limits by the delta method, on
            the log scale.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
        ...                             "~ catholic + (1 | school)", mt.load("hsb"))
        >>> sectors = pd.DataFrame({"catholic": [0, 1]}, index=["public", "Catholic"])
        >>> fit.variance_ratios(sectors)[["variance", "ratio"]].round(2).loc["Catholic"].tolist()
        [33.96, 0.77]
        """
        return derived.variance_ratios(self, data, average, level)

    @checked
    def icc_at(
        self, data: pd.DataFrame, *, average: bool = True, level: float = 0.95
    ) -> pd.DataFrame:
        """Intraclass correlation at rows of predictors: it differs, since the variance does.

        Parameters
        ----------
        data : DataFrame
            Rows with the predictors of the variance function and those with random effects (and of
            level-2 functions).
        average : bool, default True
            Level-1 variance averaged over clusters, or of the median cluster.
        level : float, default 0.95

        Returns
        -------
        DataFrame
            Indexed like ``data``; columns estimate (z'Omega_u z over its sum with the level-1
            variance), se, lower, upper: by the delta method, limits on the logit scale.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
        ...                             "~ catholic + (1 | school)", mt.load("hsb"))
        >>> fit.icc_at(pd.DataFrame({"catholic": [0, 1]}))["estimate"].round(3).tolist()
        [0.129, 0.162]
        """
        return derived.icc_at(self, data, average, level)

    # ---------------------------------------------------------------------------- rows and clusters

    @checked
    def predict(
        self, data: pd.DataFrame | None = None, *, random: bool = True, level: float = 0.95
    ) -> pd.DataFrame:
        """Predict mean, standard deviation and outcome of rows, in known or in new clusters.

        Parameters
        ----------
        data : DataFrame, optional
            Rows with the predictors of both functions and, if ``random``, the cluster column; the
            rows of the fit by default.
        random : bool, default True
            Use the predicted effects of known clusters. With False every row is taken as one of a
            new cluster.
        level : float, default 0.95

        Returns
        -------
        DataFrame
            Indexed like ``data``. mean (x'beta + z'u), mean_se, mean_lower, mean_upper: the mean of
            such rows of the cluster. sd, sd_lower, sd_upper: their standard deviation,
            exp((w'alpha + s'v) / 2); that of the median cluster for a new one. lower, upper: limits
            of the outcome of one more row. All limits have the uncertainty of the random effects
            (in a new cluster as much as clusters differ) and of the parameters;
            ``attrs["new_clusters"]`` lists ids that the fit does not know.

        Raises
        ------
        DataError
            Missing column or value, or a category that the fit never saw.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_location_scale("math ~ catholic + (1 | school)",
        ...                             "~ catholic + (1 | school)", mt.load("hsb"))
        >>> rows = pd.DataFrame({"school": [1224, 9999], "catholic": 0}, index=["known", "new"])
        >>> fit.predict(rows)[["mean", "sd", "lower", "upper"]].round(1)
               mean   sd  lower  upper
        known   9.9  6.9   -3.9   23.6
        new    11.4  6.6   -2.7   25.3

        References
        ----------
        Booth & Hobert (1998), Journal of the American Statistical Association 93(441),
        doi:10.1080/01621459.1998.10474121.
        """
        return prediction.predict(self, data, random, level)

    @checked
    def simulate(self, seed: int | np.random.Generator | None, n: int = 1) -> pd.DataFrame:
        """Draw outcomes from the fitted model: new clusters, new residuals, the same predictors.

        Parameters
        ----------
        seed : int or numpy.random.Generator
        n : int, default 1
            Number of data sets.

        Returns
        -------
        DataFrame, shape (N, n)
            Indexed like the rows used; columns ``sim_1``, ``sim_2``, ...
        """
        return prediction.simulate(self, seed, n)

    def ranef(self) -> pd.DataFrame:
        """Empirical-Bayes predictions of all random effects, with their conditional SDs.

        Returns
        -------
        DataFrame, shape (J, 2d)
            Index: cluster ids. A column per effect and its SD in ``<name>_sd``, given the data
            and the estimated parameters.
        """
        return derived.ranef(self)

    @property
    def cov_ranef(self) -> np.ndarray:
        """Conditional covariance matrices of the random effects, (J, d, d), in order of effects."""
        return self.posterior[1]

    @checked
    def cluster_variances(self, level: float = 0.95) -> pd.DataFrame:
        """Level-1 variance and intraclass correlation of each cluster, with intervals.

        Parameters
        ----------
        level : float, default 0.95

        Returns
        -------
        DataFrame, one row a cluster
            n, variance (at the cluster's mean of w'alpha and of s, the median of its posterior),
            lower, upper, icc (variance between at those rows over the sum), icc_lower, icc_upper.
        """
        return derived.cluster_variances(self, level)

    # --------------------------------------------------------------------------------- telling

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of this fit should know, in plain words."""
        return notes(self)

    @property
    def _method(self) -> str:
        points = self.deviance_function.likelihood.points
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
        d, n = self.design, self.design.rows.n
        average = self.average_variance
        facts = {
            "Mean function": d.mean.formula.text,
            "Log variance function": d.variance_text.strip(),
            "Method": self._method,
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster}), of {n.min()} to {n.max()} rows",
            "Log-likelihood": f"{self.llf:.4f}",
            "AIC, BIC": f"{self.aic:.2f}, {self.bic:.2f}",
            "Level-1 variance": f"{average['median']:.3f} in the median cluster, "
            f"{average['average']:.3f} on average",
        }
        tables = {
            "Mean function": self.mean,
            "Log variance function": self.log_variance,
        }
        if self.functions is None:
            tables["Random effects"] = self.components
        else:
            tables["Level-2 functions: log variances, atanh of correlations"] = self.between
        if self.form in ("linear", "quadratic"):
            tables["Association: effects of the mean in the log variance"] = self.association
        title = "Two-level location-scale model"
        return Summary(title, facts, tables, self.notes, self.converged)
