"""What a two-level linear mixed model estimates: coefficients, variance components, deviance.

:class:`MixedEstimates` keeps design, deviance and optimum; all else is computed when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mlteach.core.arguments import checked
from mlteach.core.design import Design, varies_within
from mlteach.core.identification import ROUNDING, null_directions, sets_of_components
from mlteach.core.optim import OptRecord
from mlteach.core.result import Estimates, TwoLevel
from mlteach.core.summary import RESIDUAL, coefficient_table, pair_name
from mlteach.mixed import degrees_of_freedom as ddf_methods
from mlteach.mixed import ranef, sandwich
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.information import VarianceInformation


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
        return pd.Series(self._beta, index=list(self.design.x_names), name="estimate")

    @property
    def _beta(self) -> np.ndarray:
        return self.problem.moments.scaling.beta(self._state.beta)

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
        df = self._contrast_df(np.eye(len(self.params)), self.ddf, None)
        return pd.Series(df, index=self.params.index, name="df")

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
        As in :class:`mlteach.mixed.sandwich.Sandwich`.
        """
        if robust is not None or ddf != "all":
            se, method = self._se(ddf, robust), None if robust else self._ddf(ddf)
            df = self._contrast_df(np.eye(len(self.params)), method, robust)
            return coefficient_table(self.params, se, df, level)
        methods = [m for m in ddf_methods.DDF_METHODS if self.reml or m != "kenward-roger"]
        tables = {method: self.tests(method, level) for method in methods}
        stacked = pd.concat(tables, names=["ddf", "coefficient"]).swaplevel()
        return stacked.reindex(self.params.index, level=0)

    def _ddf(self, ddf: str | None) -> str:
        ddf = self.ddf if ddf is None else ddf
        ddf_methods.check_ddf(ddf, self.reml)
        return ddf

    def _contrast_df(self, C: np.ndarray, ddf: str | None, robust: str | None) -> np.ndarray:
        """Degrees of freedom of the t-test of each row of C (r, p), user's units, shape (r,)."""
        if ddf == "between-within":
            df = ddf_methods.between_within(varies_within(self.design), self.nobs, self.n_clusters)
            return np.array([df[c != 0].min() for c in C])
        if robust is None and ddf in ("residual", "z"):
            return np.full(len(C), np.inf if ddf == "z" else float(self.nobs - C.shape[1]))
        scaled = self._contrasts_scaled(C)
        if ddf == "satterthwaite":
            return ddf_methods.satterthwaite(self.problem, self.theta, scaled)
        return self._corrected(robust).df(scaled)

    def _joint_df(self, C: np.ndarray, ddf: str | None, robust: str | None) -> tuple[float, float]:
        """Denominator df of the F-test of all rows of C, and factor on Wald / r."""
        scaled = self._contrasts_scaled(C)
        if ddf == "satterthwaite":
            return ddf_methods.satterthwaite_joint(self.problem, self.theta, scaled), 1.0
        if robust is not None or ddf == "kenward-roger":
            # Both depend on the space of the rows only: an orthonormal basis is easiest to invert.
            basis = np.linalg.svd(scaled)[2][: np.linalg.matrix_rank(C)]
            return self._corrected(robust).joint(basis)
        return float(self._contrast_df(C, ddf, None).min()), 1.0

    def _corrected(self, robust: str | None) -> sandwich.Sandwich | ddf_methods.KenwardRoger:
        """The correction for few clusters that brings degrees of freedom of its own."""
        return self._kenward_roger if robust is None else self._sandwich(robust)

    def _contrasts_scaled(self, C: np.ndarray) -> np.ndarray:
        return C @ self.problem.moments.scaling.A

    @cached_property
    def _sandwiches(self) -> dict[str, sandwich.Sandwich]:
        return {}

    def _sandwich(self, kind: str) -> sandwich.Sandwich:
        if kind not in self._sandwiches:
            self._sandwiches[kind] = sandwich.Sandwich(self.design, self.problem, self.theta, kind)
        return self._sandwiches[kind]

    @cached_property
    def _kenward_roger(self) -> ddf_methods.KenwardRoger:
        return ddf_methods.KenwardRoger(self.problem, self.theta)

    # ------------------------------------------------------------------ model for the variance

    @property
    def sigma2(self) -> float:
        """Residual (within-cluster) variance."""
        return float(self.problem.moments.scaling.scale**2 * self._state.sigma2)

    @cached_property
    def tau(self) -> pd.DataFrame:
        """Covariance matrix of the random effects, shape (q, q)."""
        names = list(self.design.z_names)
        return pd.DataFrame(self._tau, index=names, columns=names)

    @property
    def _tau(self) -> np.ndarray:
        return self.problem.moments.scaling.tau(self._state.sigma2 * self._state.Psi)

    @cached_property
    def variances(self) -> pd.DataFrame:
        """Variance components.

        One row a variance (named like its effect), covariance (``a:b``, or ``cov(a, b)`` where an
        interaction has that name) and ``Residual``; columns
        estimate, se (observed information; NaN on the boundary, and for what the data cannot
        tell apart), sd, correlation.
        """
        map_, sds = self.problem.map, self._sds
        at_boundary = VarianceInformation(self.problem, self.theta).at_boundary
        is_variance = np.append(map_.diagonal, True)
        columns = {
            "estimate": np.append(self._tau[map_.rows, map_.cols], self.sigma2),
            "se": np.where(np.append(at_boundary, False), np.nan, self.delta_se(np.eye(len(sds)))),
            "sd": np.where(is_variance, sds, np.nan),
            "correlation": np.where(is_variance, np.nan, sds),
        }
        return pd.DataFrame(columns, index=self._components)

    @property
    def _sds(self) -> np.ndarray:
        """SDs, in the place of a covariance its correlation: NaN if an effect does not vary."""
        return np.append(self.problem.map.sds(self._tau), np.sqrt(self.sigma2))

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
        found = VarianceInformation(self.problem, self.theta)
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
        moved = scaling.tau(map_.tau_basis())[:, map_.rows, map_.cols]
        return block_diag(moved.T, scaling.scale**2)

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
