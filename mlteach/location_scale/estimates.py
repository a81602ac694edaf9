"""What a location-scale model estimates: numbers at the optimum, and in each cluster.

:class:`LocationScaleModel` is what every fit knows of itself, :class:`LocationScaleEstimates` adds
the maximum of a likelihood and what is a function of its parameters alone, in the units of the
data. What can be asked beyond that is in :mod:`mlteach.location_scale.derived`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mlteach.core.identification import null_directions, sets_of_components
from mlteach.core.linalg import central_differences, inverse_on_curved
from mlteach.core.optim import OptRecord
from mlteach.core.result import Estimates, z_table
from mlteach.core.sandwich import cluster_sandwich
from mlteach.core.summary import coefficient_table, pair_name
from mlteach.location_scale.association import log_mean_entered
from mlteach.location_scale.deviance import LocationScaleDeviance
from mlteach.location_scale.effects import free_pattern
from mlteach.location_scale.model import LocationScaleModel, quadratic_forms

# A standard deviation below this part of the scaled unit is zero: the boundary.
ZERO = 1e-5
STEP = 1e-5  # of numerical derivatives: parameters are of order one in scaled units


@dataclass(frozen=True, repr=False)
class LocationScaleEstimates(LocationScaleModel, Estimates):
    """The maximum of the likelihood, and what is a function of the parameters.

    Attributes
    ----------
    design, functions, form
        As of any :class:`LocationScaleModel`.
    deviance_function : LocationScaleDeviance
        What was minimised, its quadrature nodes settled at the minimum.
    optimizer : OptRecord
        How the minimum was found.
    hessian : ndarray, shape (m, m)
        Second derivatives of the deviance there, scaled units.
    robust : {"cluster"} or None
        Whether standard errors come from the scores of whole clusters.
    """

    deviance_function: LocationScaleDeviance
    optimizer: OptRecord
    hessian: np.ndarray
    robust: str | None

    # ---------------------------------------------------------------------------- what was fitted

    @property
    def n_parameters(self) -> int:
        """Coefficients of both functions plus free elements of Omega."""
        return len(self.optimizer.end)

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood (under REML: the REML criterion)."""
        scaling, p = self.design.scaling, len(self.parts[0])
        units = 2.0 * (self.nobs - (p if self.reml else 0)) * np.log(scaling.scale)
        if self.reml:
            units -= 2.0 * np.linalg.slogdet(scaling.A)[1]
        return float(self.optimizer.f_end + units)

    @property
    def reml(self) -> bool:
        """Whether the fit is by REML."""
        return self.deviance_function.reml

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """beta_s, alpha_s and the clusters' factors L (J, d, d), scaled units, scale first."""
        return self.deviance_function.split(self.optimizer.end)

    @property
    def effects_at(self) -> int:
        """Where the parameters of the random effects begin."""
        return len(self.parts[0]) + len(self.parts[1])

    @property
    def theta_effects(self) -> np.ndarray:
        """Parameters of the random effects, scaled units."""
        return self.optimizer.end[self.effects_at :]

    @cached_property
    def cov_scaled(self) -> np.ndarray:
        """Covariance matrix of all parameters, scaled units, shape (m, m)."""
        cov = 2.0 * inverse_on_curved(self.hessian)
        if self.robust:
            cov = cluster_sandwich(cov, self.deviance_function.scores(self.optimizer.end)[1])
        return self.if_converged(cov)

    def at(self, theta: np.ndarray) -> LocationScaleEstimates:
        """The same model at other values of its parameters, scaled units."""
        return replace(self, optimizer=replace(self.optimizer, end=theta))

    def slopes(self, function: Callable[[LocationScaleEstimates], np.ndarray]) -> np.ndarray:
        """Derivatives of a function of the estimates by each parameter, shape (m, ...)."""
        return central_differences(lambda at: function(self.at(at)), self.optimizer.end, STEP)

    # -------------------------------------------------------------------------- the two functions

    @cached_property
    def to_users(self) -> np.ndarray:
        """Linear map from scaled to user's coefficients of both functions, (p + k, p + k)."""
        d = self.design
        return block_diag(d.scaling.scale * d.scaling.A, d.A_w)

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Beta and alpha, shape (p + k,)."""
        d = self.design
        alpha = d.A_w @ self.parts[1] + 2.0 * np.log(d.scaling.scale) * d.ones
        return np.concatenate([d.scaling.beta(self.parts[0]), alpha])

    def table(self, level: float) -> pd.DataFrame:
        """Coefficients of both functions with limits at a level; names as in ``params``."""
        return z_table(self.coefficients, self._cov, self.names, level)

    @cached_property
    def _cov(self) -> np.ndarray:
        at = slice(self.effects_at)
        return self.to_users @ self.cov_scaled[at, at] @ self.to_users.T

    @property
    def bse(self) -> pd.Series:
        """Standard errors of ``params``."""
        return self.both["se"]

    @property
    def df(self) -> pd.Series:
        """Degrees of freedom of the tests: infinite, they are z-tests."""
        return self.both["df"]

    # ------------------------------------------------------------------------- the random effects

    @property
    def units(self) -> np.ndarray:
        """Linear map from scaled (scale first) to user's (location first) random effects."""
        d, r, q = self.design, len(self.design.s_names), len(self.design.mean.z_names)
        units = np.zeros((r + q, r + q))
        units[:q, r:], units[q:, :r] = d.scaling.scale * d.scaling.T, d.T_s
        return units

    @cached_property
    def random(self) -> pd.DataFrame:
        """Covariance matrix Omega of all random effects, mean effects first, shape (d, d).

        With level-2 functions it is that of a cluster with average level-2 predictors.
        """
        functions, theta = self.functions, self.theta_effects
        omega = self.omega[0] if functions is None else functions.omega(theta)[0]
        return pd.DataFrame(omega, index=self.effects, columns=self.effects)

    @property
    def omega(self) -> np.ndarray:
        """Covariance matrix of the random effects in each cluster, user's units, (J, d, d)."""
        root = self.units @ self.parts[2]
        return root @ root.transpose(0, 2, 1)

    def omega_of_rows(self, data: pd.DataFrame | None) -> np.ndarray:
        """Covariance matrix of the random effects at each row, (N, d, d); one if all are equal."""
        if self.functions is None:
            return self.omega[:1]
        return self.omega[self.design.mean.codes] if data is None else self._omega_at(data)

    def _omega_at(self, data: pd.DataFrame) -> np.ndarray:
        return self._level_two().omega(self.theta_effects, data)

    def _functions_table(self, level: float) -> pd.DataFrame:
        at = self.effects_at
        own = self.functions.coefficients(self.theta_effects, self.cov_scaled[at:, at:])
        return coefficient_table(*own, np.inf, level, self.functions.labels)

    @property
    def correlations(self) -> pd.DataFrame:
        """Correlation matrix of all random effects; NaN for an effect without variance."""
        omega = self.random.to_numpy()
        sd = np.sqrt(np.where(self.no_variance, np.nan, np.diag(omega)))
        values = np.clip(omega / np.outer(sd, sd), -1.0, 1.0)
        return pd.DataFrame(values, index=self.effects, columns=self.effects)

    @property
    def no_variance(self) -> np.ndarray:
        """Which random effects have a variance of zero, shape (d,)."""
        return np.sqrt(np.diag(self.random)) <= ZERO * np.abs(self.units).max(axis=1)

    @cached_property
    def undetermined(self) -> list[list[str]]:
        """Variance components that the data cannot tell apart, whatever the outcome.

        One set a direction in which they can change together unseen; names as in ``components``.
        """
        d, effects = self.design, self.effects
        # Linear in u is correlated, in other words.
        free = free_pattern(d.mean.blocks, d.s_blocks, self.form in ("correlated", "linear"))
        rows, cols = np.nonzero(np.tril(free))
        G = cross_products(d.mean.Z, d.S, d.mean.codes)
        sets = sets_of_components(null_directions(G, rows, cols))
        return [[pair_name(effects, cols[k], rows[k]) for k in own] for own in sets]

    # ------------------------------------------------------------------------- the level-1 variance

    def log_variance_of(
        self, W: np.ndarray, S: np.ndarray, omega: np.ndarray, average: bool
    ) -> np.ndarray:
        """Log of the level-1 variance of rows, in the median cluster or averaged over clusters.

        Parameters
        ----------
        W, S : ndarray, shapes (N, k), (N, r)
        omega : ndarray, shape (N, d, d) or (1, d, d)
        average : bool
        """
        fixed = W @ self.coefficients[len(self.parts[0]) :]
        if not average:
            return fixed
        q = omega.shape[1] - S.shape[1]
        return fixed + quadratic_forms(S, omega[:, q:, q:]) + self.average_shift

    @property
    def average_shift(self) -> float:
        """What u adds to the log of the average variance where it is in the variance function."""
        if self.gamma is None:
            return 0.0
        root = (self.units @ self.parts[2])[:1, : len(self.design.mean.z_names)]
        return float(log_mean_entered(self.gamma[None], root)[0])

    # -------------------------------------------------------------------------------- the clusters

    @cached_property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (J, d) and covariances (J, d, d) of the random effects given the data."""
        mean, cov = self.deviance_function.moments(self.optimizer.end)
        return mean @ self.units.T, self.units @ cov @ self.units.T

    def known_moments(
        self, Z: np.ndarray, S: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Moments, given the data, of z'u and of all that is random in the log variance.

        Parameters
        ----------
        Z, S : ndarray, shapes (N, q), (N, r)
        codes : ndarray of int, shape (N,)
            Which cluster of the fit a row belongs to.

        Returns
        -------
        means, covariances : ndarray, shapes (N, 2), (N, 2, 2)
        """
        mean, cov = self.posterior
        rows = side_by_side(Z, S)
        there = rows @ mean[codes][:, :, None]
        return there[:, :, 0], rows @ cov[codes] @ rows.transpose(0, 2, 1)

    def new_moments(
        self, Z: np.ndarray, S: np.ndarray, omega: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same in clusters of which nothing is known; Omega (N, d, d) or (1, d, d)."""
        rows = side_by_side(Z, S)
        return np.zeros((len(Z), 2)), rows @ omega @ rows.transpose(0, 2, 1)

    def _drawn_parameters(self, rng: np.random.Generator, n: int) -> tuple:
        beta, alpha = np.split(self.coefficients, [len(self.parts[0])])
        root = self.units @ self.parts[2]
        effects = np.einsum("jab,njb->nja", root, rng.standard_normal((n, *root.shape[::2])))
        return beta, alpha, effects, None if self.gamma is None else self.gamma[None]

    @property
    def gamma(self) -> np.ndarray | None:
        """Coefficients of u and u^2 where u itself stands in the log variance."""
        return None

    @property
    def cluster_shift(self) -> np.ndarray:
        """What u adds to the log variance of each cluster, given the data, (J,)."""
        return np.zeros(self.n_clusters)


def cross_products(Z: np.ndarray, S: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Z'Z and S'S of each cluster, in blocks, for columns of mean square one, (J, d, d)."""
    q, d = Z.shape[1], Z.shape[1] + S.shape[1]
    D = np.hstack([Z, S])
    D = D / np.sqrt(np.square(D).mean(axis=0))
    out = np.zeros((codes.max() + 1, d, d))
    for row in range(d):
        for col in range(0 if row < q else q, row + 1):
            products = np.bincount(codes, D[:, row] * D[:, col])
            out[:, row, col] = out[:, col, row] = products
    return out


def side_by_side(Z: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Rows [z 0] and [0 s] of each row of both functions, shape (N, 2, q + r)."""
    out = np.zeros((len(Z), 2, Z.shape[1] + S.shape[1]))
    out[:, 0, : Z.shape[1]], out[:, 1, Z.shape[1] :] = Z, S
    return out
