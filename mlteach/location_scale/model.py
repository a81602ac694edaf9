"""What a location-scale fit is a fit of, and its tables, by maximum likelihood or by Bayes.

A class of fits provides ``table`` (the coefficients of both functions, at a level) and their
covariances ``_cov``; at a level ``_components``, ``_parts_of_components``, ``_functions_table`` and
``_association``; ``_omega_at`` rows of a table; and ``_drawn_parameters`` to simulate with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of, whole
from mlteach.core.design import Design
from mlteach.core.result import TwoLevel, as_generator, chosen_parts, drawn_table
from mlteach.errors import ModelError
from mlteach.location_scale.association import DEGREES, entered
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.level_two import LevelTwoFunctions

LEVEL = 0.95


def quadratic_forms(S: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Half of s'Omega s for each row s (rows, r); Omega (..., rows or 1, r, r)."""
    omega = np.broadcast_to(omega, (*omega.shape[:-3], len(S), *omega.shape[-2:]))
    return 0.5 * np.einsum("ir,...irs,is->...i", S, omega, S)


@dataclass(frozen=True, repr=False)
class LocationScaleModel(TwoLevel):
    """The model, its rows and its tables.

    Attributes
    ----------
    design : LocationScaleDesign
        Both functions, and the rows used.
    functions : LevelTwoFunctions or None
        Level-2 functions of the random effects.
    form : {"none", "correlated", "linear", "quadratic"}
        How the random effects of the two functions go together.
    """

    design: LocationScaleDesign
    functions: LevelTwoFunctions | None
    form: str

    @property
    def formula(self) -> str:
        """Both functions as given."""
        return f"{self.design.mean.formula.text}; log variance {self.design.variance_text.strip()}"

    @property
    def mean_design(self) -> Design:
        """The design of the mean function."""
        return self.design.mean

    @property
    def effects(self) -> list[str]:
        """Names of the random effects, those of the mean function first."""
        return [*self.design.mean.z_names, *(SCALE + name for name in self.design.s_names)]

    # -------------------------------------------------------------------------- the two functions

    @property
    def names(self) -> list[str]:
        """Names of the coefficients, as in ``params``."""
        return [*self.design.mean.x_names, *(SCALE + name for name in self.design.w_names)]

    @cached_property
    def both(self) -> pd.DataFrame:
        """Tables of both functions in one; names as in ``params``."""
        return self.table(LEVEL)

    def _by_function(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The rows of each function, by its own names."""
        x, w = list(self.design.mean.x_names), list(self.design.w_names)
        return table.iloc[: len(x)].set_axis(x), table.iloc[len(x) :].set_axis(w)

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Coefficients of the mean function: estimate, se, df (infinite), t (a z), p, limits.

        By Bayes: posterior mean (estimate), sd, lower, upper (95%), ess, rhat.
        """
        return self._by_function(self.both)[0]

    @cached_property
    def log_variance(self) -> pd.DataFrame:
        """Coefficients of the log variance function; columns as in ``mean``."""
        return self._by_function(self.both)[1]

    @property
    def params(self) -> pd.Series:
        """Coefficients of both functions; those of the log variance with the prefix ``scale:``."""
        return self.both["estimate"]

    @checked
    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of ``params``: by observed information, cluster-robust, or of draws."""
        return pd.DataFrame(self._cov, index=self.names, columns=self.names)

    # ------------------------------------------------------------------------- the random effects

    @cached_property
    def components(self) -> pd.DataFrame:
        """Variances, covariances and correlations of the random effects.

        Rows are named by effect (a variance) or by pair ``a:b`` (a covariance); columns estimate,
        se, sd, correlation, and 95% limits ``lower``, ``upper`` of the variance (found on the log
        scale) or of the correlation (on the scale of Fisher's z). NaN where the boundary leaves no
        standard error. With level-2 functions see ``between`` and ``random_at``. By Bayes a row
        ``a:b`` is the correlation, and columns are as in ``mean``.
        """
        return self._components(LEVEL)

    @cached_property
    def between(self) -> pd.DataFrame:
        """Level-2 functions: coefficients of log variances and of atanh correlations.

        Indexed by element of Omega and predictor; columns as in ``mean``. Empty without functions.
        """
        if self.functions is not None:
            return self._functions_table(LEVEL)
        index = pd.MultiIndex.from_arrays([[], []], names=["element", "predictor"])
        return pd.DataFrame(columns=self.both.columns, index=index, dtype=float)

    @cached_property
    def association(self) -> pd.DataFrame:
        """Coefficients of the mean function's effects u in the log variance function.

        Correlated effects can be written as ``log variance = w'alpha + s'(Gamma u + v)`` with v
        independent of u; a row ``scale:a on b`` is an element of Gamma = Omega_vu Omega_u^-1, by
        the delta method. Columns as in ``mean``; ``what is left`` is the variance of that v.

        Raises
        ------
        ModelError
            If the effects of the two functions do not correlate, or by level-2 functions; by Bayes
            if u does not enter the log variance function.
        """
        return self._association(LEVEL)

    @property
    def has_association(self) -> bool:
        """Whether u was to enter the log variance function."""
        return self.form in DEGREES

    @checked
    def random_at(self, data: pd.DataFrame) -> list[pd.DataFrame]:
        """Covariance matrix Omega at each row of a table of level-2 predictors.

        By Bayes it is the posterior mean.

        Raises
        ------
        ModelError
            If the model has no level-2 functions: then Omega is the same everywhere.
        """
        return [pd.DataFrame(omega, self.effects, self.effects) for omega in self._omega_at(data)]

    def _level_two(self) -> LevelTwoFunctions:
        if self.functions is None:
            raise ModelError(
                "This model has one Omega for all clusters, fit.random. For one that depends on "
                "level-2 predictors fit it with between='~ ...'."
            )
        return self.functions

    @checked
    def simulate(self, seed: int | np.random.Generator | None, n: int = 1) -> pd.DataFrame:
        """Draw outcomes from the fitted model: new clusters, new residuals, the same predictors.

        By Bayes these are posterior predictive data: each set has the parameters of a random draw.

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
        d, rng = self.design, as_generator(seed)
        beta, alpha, effects, gamma = self._drawn_parameters(rng, whole("n", n, 1))
        codes, q = d.mean.codes, d.mean.Z.shape[1]
        u, v = effects[:, :, :q], effects[:, codes, q:]
        mean = beta @ d.mean.X.T + np.einsum("iq,niq->ni", d.mean.Z, u[:, codes])
        log_variance = alpha @ d.W.T + np.einsum("ir,nir->ni", d.S, v)
        if gamma is not None:
            log_variance += entered(gamma, u)[:, codes]
        y = mean + np.exp(0.5 * log_variance) * rng.standard_normal(mean.shape)
        return drawn_table(y.T, d.mean.index)

    # ------------------------------------------------------------------------------------ telling

    @checked
    def conf_int(self, level: float = 0.95, which: str = "fixed") -> pd.DataFrame:
        """Limits of coefficients, and of variances and correlations.

        Parameters
        ----------
        level : float, default 0.95
        which : {"fixed", "random", "all"}
            The coefficients of both functions; the variances (limits found on the log scale) and
            correlations (on the scale of Fisher's z) of the random effects; or both. By Bayes all
            limits are quantiles.

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

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
        mean, log_variance = self._by_function(self.table(level))
        yield "mean", "", mean
        yield "log_variance", "", log_variance
        if self.functions is not None:
            between = self._functions_table(level)
            yield "between", self.cluster, between.set_axis([":".join(k) for k in between.index])
        else:
            for part, rows in self._parts_of_components(level).items():
                yield part, self.cluster, rows
        if self.has_association:
            yield "association", self.cluster, self._association(level)
