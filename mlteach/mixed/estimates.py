"""What a two-level linear mixed model estimates: coefficients, variance components, deviance.

:class:`MixedEstimates` keeps design, deviance and optimum; all else is computed when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.design import Design, varies_within
from mlteach.core.identification import ROUNDING, null_directions, sets_of_components
from mlteach.core.optim import OptRecord
from mlteach.core.result import Estimates, TwoLevel
from mlteach.core.summary import RESIDUAL, coefficient_table, pair_name
from mlteach.mixed import degrees_of_freedom as ddf_methods
from mlteach.mixed import ranef, sandwich
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.information import variance_information


@dataclass(frozen=True, repr=False)
class MixedEstimates(TwoLevel, Estimates):
    """The estimates of a two-level model. Numbers are in the units of the data.

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
    """

    design: Design
    problem: ProfiledDeviance = field(repr=False)
    optimizer: OptRecord = field(repr=False)
    ddf: str

    # ------------------------------------------------------------------------- what was fitted

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self.design.formula.text

    @property
    def mean_design(self) -> Design:
        """The design, as of all models of one outcome."""
        return self.design

    @property
    def reml(self) -> bool:
        """Whether the fit is by REML."""
        return self.problem.reml

    @property
    def cluster_sizes(self) -> pd.Series:
        """Rows per cluster, n_j, indexed by cluster id."""
        return pd.Series(self.problem.moments.n, index=self.design.labels, name="n")

    @property
    def dropped(self) -> pd.Series:
        """Rows left out because of a missing value, per column that has any."""
        return self.design.dropped

    @property
    def theta(self) -> np.ndarray:
        """Free elements of the relative Cholesky factor, scaled units, shape (m,)."""
        return self.optimizer.end

    @property
    def _state(self):
        return self.problem.state(self.theta)

    # -------------------------------------------------------------------- model for the means

    @cached_property
    def params(self) -> pd.Series:
        """Coefficients, shape (p,)."""
        beta = self.problem.moments.scaling.beta(self._state.beta)
        return pd.Series(beta, index=list(self.design.x_names), name="estimate")

    @checked
    def cov_params(self, ddf: str | None = None, robust: str | None = None) -> pd.DataFrame:
        """Covariance matrix of the coefficients.

        Parameters
        ----------
        ddf : str, optional
            A method of :func:`fit_mixed`; the matrix is adjusted under Kenward-Roger.
        robust : {"CR0", "CR2"}, optional
            Cluster-robust (sandwich) matrix instead, see :meth:`tests`.

        Returns
        -------
        DataFrame, shape (p, p)
        """
        cov = self.problem.moments.scaling.cov_beta(self._cov_scaled(ddf, robust))
        return pd.DataFrame(cov, index=self.params.index, columns=self.params.index)

    def _cov_scaled(self, ddf: str | None, robust: str | None) -> np.ndarray:
        if robust is not None:
            sandwich.check_robust(robust, ddf)
            cov = self._sandwich(robust).cov
        elif self._ddf(ddf) == "kenward-roger":
            cov = self._kenward_roger.Phi_adjusted
        else:
            cov = self._state.sigma2 * self._state.S_inv
        return self.if_converged(cov)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the coefficients, shape (p,)."""
        return self._se(self.ddf)

    def _se(self, ddf: str | None, robust: str | None = None) -> pd.Series:
        se = np.sqrt(np.diag(self.cov_params(ddf, robust)))
        return pd.Series(se, index=self.params.index, name="se")

    @cached_property
    def df(self) -> pd.Series:
        """Degrees of freedom of the t-tests, shape (p,)."""
        return self._coefficient_df(self.ddf)

    @property
    def coefficients(self) -> pd.DataFrame:
        """Coefficient table: estimate, se, df, t, p, lower, upper (95%)."""
        return self.tests()

    @checked
    def tests(
        self, ddf: str | None = None, level: float = 0.95, robust: str | None = None
    ) -> pd.DataFrame:
        """t-tests of the coefficients under a chosen method, or under all of them side by side.

        Robust standard errors are right whatever the variances and covariances within clusters
        are, if clusters are independent and many enough: the degrees of freedom say how many.

        Parameters
        ----------
        ddf : str, optional
            A method of :func:`fit_mixed`, or "all"; the fit's own by default.
        level : float, default 0.95
            Confidence level.
        robust : {"CR0", "CR2"}, optional
            Cluster-robust (sandwich) standard errors, with Satterthwaite degrees of freedom of
            their own. CR2 corrects the bias that CR0 has with few clusters; prefer it. NaN df
            mean that one cluster alone determines a coefficient: no sandwich knows its SE.

        Returns
        -------
        DataFrame
            As ``coefficients``; with "all", one row per coefficient and method.

        Raises
        ------
        ModelError
            For an unknown method, or ddf and robust at once.

        Examples
        --------
        >>> import mlteach as mt
        >>> fit = mt.fit_random_intercept("math ~ catholic", mt.load("hsb"), cluster="school")
        >>> print(fit.tests(ddf="all").loc["catholic", "df"].round(1).to_string(header=False))
        satterthwaite      153.5
        kenward-roger      156.7
        between-within     158.0
        residual          7183.0
        z                    inf
        >>> print(fit.tests(robust="CR2").loc["catholic", ["se", "df"]].round(2).to_string())
        se      0.44
        df    149.28

        References
        ----------
        As in :func:`mlteach.mixed.sandwich.sandwich`.
        """
        if robust is not None or ddf != "all":
            se, method = self._se(ddf, robust), None if robust else self._ddf(ddf)
            return coefficient_table(self.params, se, self._coefficient_df(method, robust), level)
        methods = [m for m in ddf_methods.DDF_METHODS if self.reml or m != "kenward-roger"]
        tables = {method: self.tests(method, level) for method in methods}
        stacked = pd.concat(tables, names=["ddf", "coefficient"]).swaplevel()
        order = pd.MultiIndex.from_product([self.params.index, methods], names=stacked.index.names)
        return stacked.loc[order]

    def _ddf(self, ddf: str | None) -> str:
        ddf = self.ddf if ddf is None else ddf
        ddf_methods.check_ddf(ddf, self.reml)
        return ddf

    def _coefficient_df(self, ddf: str | None, robust: str | None = None) -> pd.Series:
        df = self._contrast_df(np.eye(len(self.params)), ddf, robust)
        return pd.Series(df, index=self.params.index, name="df")

    def _contrast_df(self, C: np.ndarray, ddf: str | None, robust: str | None) -> np.ndarray:
        """Degrees of freedom of the t-test of each row of C (r, p), user's units, shape (r,)."""
        scaled = self._contrasts_scaled(C)
        if robust is not None:
            return self._sandwich(robust).df(scaled)
        if ddf == "satterthwaite":
            return ddf_methods.satterthwaite(self.problem, self.theta, scaled)
        if ddf == "kenward-roger":
            return np.array([self._kenward_roger.df(c) for c in scaled])
        if ddf == "between-within":
            df = ddf_methods.between_within(varies_within(self.design), self.nobs, self.n_clusters)
            return np.array([df[c != 0].min() for c in C])
        return np.full(len(C), np.inf if ddf == "z" else float(self.nobs - C.shape[1]))

    def _joint_df(self, C: np.ndarray, ddf: str | None, robust: str | None) -> tuple[float, float]:
        """Denominator df of the F-test of all rows of C, and factor on Wald / r."""
        scaled = self._contrasts_scaled(C)
        if ddf == "satterthwaite":
            return ddf_methods.satterthwaite_joint(self.problem, self.theta, scaled), 1.0
        if robust is not None or ddf == "kenward-roger":
            # Both depend on the space of the rows only: an orthonormal basis is easiest to invert.
            basis = np.linalg.svd(scaled)[2][: np.linalg.matrix_rank(C)]
            return (self._sandwich(robust) if robust else self._kenward_roger).joint(basis)
        return float(self._contrast_df(C, ddf, None).min()), 1.0

    def _contrasts_scaled(self, C: np.ndarray) -> np.ndarray:
        return C @ self.problem.moments.scaling.A

    @cached_property
    def _sandwiches(self) -> dict[str, sandwich.Sandwich]:
        return {}

    def _sandwich(self, kind: str) -> sandwich.Sandwich:
        if kind not in self._sandwiches:
            made = sandwich.sandwich(self.design, self.problem, self.theta, kind)
            self._sandwiches[kind] = made
        return self._sandwiches[kind]

    @cached_property
    def _kenward_roger(self) -> ddf_methods.KenwardRoger:
        return ddf_methods.kenward_roger(self.problem, self.theta)

    # ------------------------------------------------------------------ model for the variance

    @property
    def sigma2(self) -> float:
        """Residual (within-cluster) variance."""
        return float(self.problem.moments.scaling.scale**2 * self._state.sigma2)

    @cached_property
    def tau(self) -> pd.DataFrame:
        """Covariance matrix of the random effects, shape (q, q)."""
        tau = self.problem.moments.scaling.tau(self._state.sigma2 * self._state.Psi)
        names = list(self.design.z_names)
        return pd.DataFrame(tau, index=names, columns=names)

    @cached_property
    def variances(self) -> pd.DataFrame:
        """Variance components.

        One row a variance (named like its effect), covariance (``a:b``, or ``cov(a, b)`` where an
        interaction has that name) and ``Residual``; columns
        estimate, se (observed information; NaN on the boundary, and for what the data cannot
        tell apart), sd, correlation.
        """
        tau, map_ = self.tau.to_numpy(), self.problem.map
        at_boundary = variance_information(self.problem, self.theta).at_boundary
        sds = np.append(map_.sds(tau), np.sqrt(self.sigma2))
        is_variance = np.append(map_.diagonal, True)
        columns = {
            "estimate": np.append(tau[map_.rows, map_.cols], self.sigma2),
            "se": np.where(np.append(at_boundary, False), np.nan, self.delta_se(np.eye(len(sds)))),
            "sd": np.where(is_variance, sds, np.nan),
            "correlation": np.where(is_variance, np.nan, sds),
        }
        return pd.DataFrame(columns, index=self._components)

    @cached_property
    def cov_variances(self) -> pd.DataFrame:
        """Covariance matrix of the variance components, in the order of ``variances``.

        NaN for components that the data cannot tell apart, see ``undetermined``.
        """
        cov, lost = self._cov_variances.copy(), self._null.any(axis=1)
        cov[lost], cov[:, lost] = np.nan, np.nan
        return pd.DataFrame(cov, index=self._components, columns=self._components)

    @cached_property
    def _cov_variances(self) -> np.ndarray:
        found = variance_information(self.problem, self.theta)
        J = self._tau_to_user @ found.jacobian
        return self.if_converged(J @ found.cov @ J.T)

    @property
    def undetermined(self) -> list[list[str]]:
        """Variance components that the data cannot tell apart, whatever the outcome.

        One set a direction in which they can change together unseen. Empty for most models.
        """
        return [[self._components[k] for k in own] for own in sets_of_components(self._null)]

    @cached_property
    def _null(self) -> np.ndarray:
        m, map_ = self.problem.moments, self.problem.map
        G = m.R.transpose(0, 2, 1) @ m.R
        return null_directions(G, map_.rows, map_.cols, self._tau_to_user, m.N)

    def delta_se(self, weights: np.ndarray) -> np.ndarray:
        """Standard errors of functions of the variance components (delta method).

        Parameters
        ----------
        weights : ndarray, shape (k, m + 1)
            Derivatives of each function by the components, in the order of ``variances``.

        Returns
        -------
        ndarray, shape (k,)
            NaN where the data do not determine the function.
        """
        square = np.einsum("ka,ab,kb->k", weights, self._cov_variances, weights)
        size = np.abs(weights) @ np.abs(self._null)
        unseen = (np.abs(weights @ self._null) > ROUNDING * size).any(axis=1)
        return np.where(unseen, np.nan, np.sqrt(square.clip(min=0.0)))

    @property
    def _tau_to_user(self) -> np.ndarray:
        """Linear map from scaled to user's variance components, shape (m + 1, m + 1)."""
        map_, scaling = self.problem.map, self.problem.moments.scaling
        out = np.zeros((map_.m + 1,) * 2)
        for k, E in enumerate(map_.tau_basis()):
            out[:-1, k] = scaling.tau(E)[map_.rows, map_.cols]
        out[-1, -1] = scaling.scale**2
        return out

    @property
    def _components(self) -> list[str]:
        pairs = zip(self.problem.map.rows, self.problem.map.cols, strict=True)
        return [*(pair_name(self.design.z_names, col, row) for row, col in pairs), RESIDUAL]

    # --------------------------------------------------------------------------- deviance

    @cached_property
    def deviance(self) -> float:
        """Minus twice the log-likelihood (under REML: the REML criterion)."""
        return float(self.optimizer.f_end + self.problem.constant)

    @property
    def n_parameters(self) -> int:
        """Coefficients plus variance components."""
        return len(self.params) + self.problem.map.m + 1

    # --------------------------------------------------------------------------- clusters

    @cached_property
    def _blups(self) -> np.ndarray:
        """Conditional means of the random effects, user's units, shape (J, q)."""
        return ranef.blups(self.problem, self.theta)

    @cached_property
    def cov_ranef(self) -> np.ndarray:
        """Conditional covariance matrices of the random effects, shape (J, q, q)."""
        return ranef.conditional_covariance(self.problem, self.theta)
