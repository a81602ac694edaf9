"""The fitted location-scale model: both functions, what joins them, and the clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.core.linalg import inverse_on_curved
from mlteach.core.lr_test import LikelihoodRatioTest
from mlteach.core.optim import OptRecord
from mlteach.core.sandwich import cluster_sandwich, robust_note
from mlteach.core.summary import Summary, coefficient_table
from mlteach.errors import ModelError
from mlteach.location_scale import clusters, components, ratios
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.level_two import LevelTwoFunctions
from mlteach.location_scale.lr_test import lr_test
from mlteach.location_scale.model import LocationScaleModel
from mlteach.location_scale.search import LocationScaleDeviance

pd = lazy_import("pandas")

# A standard deviation below this part of the scaled unit is zero: the boundary.
ZERO = 1e-5


@dataclass(frozen=True, repr=False)
class LocationScaleResult(LocationScaleModel):
    """A location-scale model fitted by maximum likelihood. Numbers are in the units of the data.

    Attributes
    ----------
    design : LocationScaleDesign
        Both functions, and the rows used.
    deviance_function : LocationScaleDeviance
        What was minimised, its quadrature nodes settled at the minimum.
    optimizer : OptRecord
        How the minimum was found.
    hessian : ndarray, shape (m, m)
        Second derivatives of the deviance there, scaled units.
    functions : LevelTwoFunctions or None
        Level-2 functions of the random effects.
    form : {"none", "correlated", "linear", "quadratic"}
        How the random effects of the two functions go together.
    robust : {"cluster"} or None
        Whether standard errors come from the scores of whole clusters.
    """

    deviance_function: LocationScaleDeviance = field(repr=False)
    optimizer: OptRecord = field(repr=False)
    hessian: np.ndarray = field(repr=False)
    functions: LevelTwoFunctions | None = field(default=None, repr=False)
    form: str = "correlated"
    robust: str | None = None

    # ---------------------------------------------------------------------------- what was fitted

    @property
    def converged(self) -> bool:
        """Whether no step lowers the deviance any more (measured, see ``optimizer.gain``)."""
        return self.optimizer.converged

    @property
    def n_parameters(self) -> int:
        """Coefficients of both functions plus free elements of Omega."""
        return len(self.optimizer.end)

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood (under REML: the REML criterion)."""
        scaling, p = self.design.scaling, len(self._parts[0])
        units = 2.0 * (self.nobs - (p if self.reml else 0)) * np.log(scaling.scale)
        if self.reml:
            units -= 2.0 * np.linalg.slogdet(scaling.A)[1]
        return float(self.optimizer.f_end + units)

    @property
    def reml(self) -> bool:
        """Whether the fit is by REML."""
        return self.deviance_function.reml

    @property
    def llf(self) -> float:
        """Log-likelihood."""
        return -0.5 * self.deviance

    @property
    def aic(self) -> float:
        """Deviance plus twice the number of parameters."""
        return self.deviance + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Deviance plus log(N) times the number of parameters."""
        return self.deviance + float(np.log(self.nobs)) * self.n_parameters

    # -------------------------------------------------------------------------- the two functions

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """beta_s, alpha_s and the clusters' factors L (J, d, d), scaled units."""
        return self.deviance_function.split(self.optimizer.end)

    @property
    def _effects_at(self) -> int:
        """Where the parameters of the random effects begin."""
        return len(self._parts[0]) + len(self._parts[1])

    @cached_property
    def _cov_scaled(self) -> np.ndarray:
        by_model = 2.0 * inverse_on_curved(self.hessian)
        if not self.robust:
            return by_model
        return cluster_sandwich(by_model, self.deviance_function.scores(self.optimizer.end)[1])

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Coefficients of the mean function: estimate, se, df (infinite), t (a z), p, limits."""
        p, scaling = len(self._parts[0]), self.design.scaling
        estimate = scaling.beta(self._parts[0])
        cov = scaling.cov_beta(self._cov_scaled[:p, :p])
        return z_table(estimate, cov, self.design.mean.x_names)

    @cached_property
    def log_variance(self) -> pd.DataFrame:
        """Coefficients of the log variance function; columns as in ``mean``."""
        p, k, d = len(self._parts[0]), len(self._parts[1]), self.design
        estimate = d.A_w @ self._parts[1] + 2.0 * np.log(d.scaling.scale) * d.ones
        cov = d.A_w @ self._cov_scaled[p : p + k, p : p + k] @ d.A_w.T
        return z_table(estimate, cov, d.w_names)

    @property
    def params(self) -> pd.Series:
        """Coefficients of both functions; those of the log variance with the prefix ``scale:``."""
        scale = self.log_variance["estimate"].rename(lambda name: SCALE + name)
        return pd.concat([self.mean["estimate"], scale])

    @property
    def bse(self) -> pd.Series:
        """Standard errors of ``params``."""
        scale = self.log_variance["se"].rename(lambda name: SCALE + name)
        return pd.concat([self.mean["se"], scale])

    # ------------------------------------------------------------------------- the random effects

    @cached_property
    def _units(self) -> np.ndarray:
        """From L in scaled units, scale effects first, to the user's units, mean effects first."""
        d = self.design
        r, q = len(d.s_names), len(d.mean.z_names)
        units = np.zeros((q + r, q + r))
        units[:q, r:] = d.scaling.scale * d.scaling.T
        units[q:, :r] = d.T_s
        return units

    @cached_property
    def random(self) -> pd.DataFrame:
        """Covariance matrix Omega of all random effects, mean effects first, shape (d, d).

        With level-2 functions it is that of a cluster with average level-2 predictors.
        """
        if self.functions is None:
            omega = self._omega[0]
        else:
            omega = self.functions.omega(self.optimizer.end[self._effects_at :])[0]
        return pd.DataFrame(omega, index=self.effects, columns=self.effects)

    @property
    def _omega(self) -> np.ndarray:
        """Covariance matrix of the random effects in each cluster, user's units, (J, d, d)."""
        root = self._units @ self._parts[2]
        return root @ root.transpose(0, 2, 1)

    def random_at(self, data: pd.DataFrame) -> list[pd.DataFrame]:
        """Covariance matrix Omega at each row of a table of level-2 predictors.

        Raises
        ------
        ModelError
            If the model has no level-2 functions: then Omega is the same everywhere.
        """
        if self.functions is None:
            raise ModelError(
                "This model has one Omega for all clusters, fit.random. For one that depends on "
                "level-2 predictors fit it with between='~ ...'."
            )
        omega = self.functions.omega(self.optimizer.end[self._effects_at :], data)
        return [pd.DataFrame(o, index=self.effects, columns=self.effects) for o in omega]

    @property
    def between(self) -> pd.DataFrame:
        """Level-2 functions: coefficients of log variances and of atanh correlations.

        Indexed by element of Omega and predictor; columns as in ``mean``. Empty without functions.
        """
        if self.functions is None:
            index = pd.MultiIndex.from_arrays([[], []], names=["element", "predictor"])
            return pd.DataFrame(columns=self.mean.columns, index=index, dtype=float)
        at = self._effects_at
        rows = self.functions.coefficients(self.optimizer.end[at:], self._cov_scaled[at:, at:])
        element, predictor, estimate, se = zip(*rows, strict=True)
        lost = self.functions.at_boundary(self.optimizer.end[at:])
        se = np.where(np.isin(element, lost), np.nan, se)
        index = pd.MultiIndex.from_arrays([element, predictor], names=["element", "predictor"])
        columns = (estimate, se, np.full(len(se), np.inf))
        return coefficient_table(*(pd.Series(c, index=index) for c in columns))

    @property
    def correlations(self) -> pd.DataFrame:
        """Correlation matrix of all random effects; NaN for an effect without variance."""
        omega = self.random.to_numpy()
        sd = np.sqrt(np.where(self._no_variance, np.nan, np.diag(omega)))
        values = np.clip(omega / np.outer(sd, sd), -1.0, 1.0)
        return pd.DataFrame(values, index=self.effects, columns=self.effects)

    @property
    def _no_variance(self) -> np.ndarray:
        return np.sqrt(np.diag(self.random)) <= ZERO * np.abs(self._units).max(axis=1)

    @property
    def _omega_scale(self) -> np.ndarray:
        q = len(self.design.mean.z_names)
        return self._omega[:, q:, q:]

    @cached_property
    def components(self) -> pd.DataFrame:
        """Variances, covariances and correlations of the random effects.

        Rows are named by effect (a variance) or by pair ``a:b`` (a covariance); columns estimate,
        se, sd, correlation, and 95% limits ``lower``, ``upper`` of the variance (found on the log
        scale) or of the correlation (on the scale of Fisher's z). NaN where the boundary leaves no
        standard error. With level-2 functions see ``between`` and ``random_at``.
        """
        if self.functions is not None:
            raise ModelError(
                "The variances and correlations of this model are level-2 functions: see "
                "fit.between for their coefficients and fit.random_at(data) for their values."
            )
        return components.components(self)

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
        return components.association(self)

    # ------------------------------------------------------------------------- the level-1 variance

    @property
    def average_variance(self) -> pd.Series:
        """Level-1 variance at the rows used: median cluster and population average.

        ``median`` is the mean over rows of exp(w'alpha), the variance in a cluster with v = 0;
        ``average`` of exp(w'alpha + s'Omega_v s / 2), the mean over clusters.
        """
        median, average = self.predicted_variance(), self.predicted_variance(average=True)
        return pd.Series({"median": median.mean(), "average": average.mean()})

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
        log_variance = W @ self.log_variance["estimate"].to_numpy()
        if average:
            omega_v = self._omega_scale_of_rows(data, len(S))
            log_variance = log_variance + 0.5 * np.einsum("ir,irs,is->i", S, omega_v, S)
            log_variance = log_variance + self._average_shift
        index = d.mean.index if data is None else data.index
        return pd.Series(np.exp(log_variance), index=index, name="variance")

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
        return ratios.ratios_by_delta(self, data, average, level)

    def _omega_scale_of_rows(self, data: pd.DataFrame | None, rows: int) -> np.ndarray:
        if data is None:
            return self._omega_scale[self.design.mean.codes]
        if self.functions is None:
            return np.broadcast_to(self._omega_scale[0], (rows, *self._omega_scale.shape[1:]))
        q = len(self.design.mean.z_names)
        return self.functions.omega(self.optimizer.end[self._effects_at :], data)[:, q:, q:]

    @property
    def _average_shift(self) -> float:
        """What u adds to the log of the average variance where it is in the variance function."""
        return 0.0

    # -------------------------------------------------------------------------------- the clusters

    @cached_property
    def _posterior(self):
        """Means (J, d) and covariances (J, d, d) of the random effects, user's units."""
        return clusters.posterior(self)

    def _scale_moments(self, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD, given the data, of all that is random in the log variance at S (J, r)."""
        mean, cov = self._posterior
        q = len(self.design.mean.z_names)
        variance = np.einsum("jr,jrs,js->j", S, cov[:, q:, q:], S)
        return np.einsum("jr,jr->j", S, mean[:, q:]), np.sqrt(variance)

    @property
    def _cluster_shift(self) -> np.ndarray:
        """What u adds to the log variance of each cluster, given the data, (J,)."""
        return np.zeros(self.n_clusters)

    def ranef(self) -> pd.DataFrame:
        """Empirical-Bayes predictions of all random effects, with their conditional SDs.

        Returns
        -------
        DataFrame, shape (J, 2d)
            Index: cluster ids. A column per effect and its SD in ``<name>_sd``, given the data
            and the estimated parameters.
        """
        mean, cov = self._posterior
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
        labels = self.design.mean.labels
        table = pd.DataFrame(mean, index=labels, columns=self.effects)
        return table.join(pd.DataFrame(sd, index=labels, columns=[f"{e}_sd" for e in self.effects]))

    @property
    def cov_ranef(self) -> np.ndarray:
        """Conditional covariance matrices of the random effects, (J, d, d), in order of effects."""
        return self._posterior[1]

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
        return clusters.cluster_variances(self, level)

    # --------------------------------------------------------------------------- comparisons, notes

    def lr_test(self, smaller) -> LikelihoodRatioTest:
        """Likelihood-ratio test against a smaller model, a mixed or a location-scale one.

        Parameters
        ----------
        smaller : LocationScaleResult or MixedResult
            Fitted by ML to the same rows; whatever it can say, this model can say too.

        Returns
        -------
        LikelihoodRatioTest
            With the 50:50 mixture where this model has one random effect more.

        Raises
        ------
        ModelError
            Other rows, a REML fit, or not fewer parameters.
        """
        return lr_test(self, smaller)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of this fit should know, in plain words."""
        notes = [] if self.converged else [f"NOT CONVERGED: {self.optimizer.status}."]
        notes += self._dropped_notes
        notes += [robust_note(self.n_clusters)] if self.robust else []
        for effect, none in zip(self.effects, self._no_variance, strict=True):
            if none:
                notes.append(f"The variance of {effect} is estimated as zero: {self._zero_means}")
        if self.functions is not None:
            return (*notes, *self._function_notes())
        matrix = self.correlations.to_numpy()
        rows, cols = np.nonzero(np.tril(np.abs(matrix) > 1.0 - 1e-6, -1))
        notes += [
            f"The correlation of {self.effects[c]} and {self.effects[r]} is estimated as "
            f"{matrix[r, c]:+.0f}: the data carry too little information to keep it off the "
            "boundary."
            for r, c in zip(rows, cols, strict=True)
        ]
        return tuple(notes)

    @property
    def _zero_means(self) -> str:
        return "the clusters differ no more than sampling within them explains."

    @property
    def _method(self) -> str:
        points = self.deviance_function.likelihood.points
        quadrature = f", {points} quadrature points" if self.deviance_function.map.r else ""
        return ("REML" if self.reml else "ML") + quadrature

    def _function_notes(self) -> list[str]:
        return [
            f"The level-2 function of {element} runs off to the boundary (a variance of zero, a "
            "correlation of one) in some clusters: read the values of random_at(data), not its "
            "coefficients. Give it fewer predictors."
            for element in self.functions.at_boundary(self.optimizer.end[self._effects_at :])
        ]

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
        return Summary("Two-level location-scale model", facts, tables, self.notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


# ------------------------------------------------------------------------------------- functions


def z_table(estimate: np.ndarray, cov: np.ndarray, names) -> pd.DataFrame:
    """Coefficients with their standard errors and normal tests, from a covariance matrix."""
    index = list(names)
    columns = (estimate, np.sqrt(np.diag(cov)), np.full(len(index), np.inf))
    return coefficient_table(*(pd.Series(c, index=index) for c in columns))
