"""Draws of a location-scale model's posterior, and the tables that describe them.

Point estimates are posterior means, as published tables have them; limits are quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlteach.core.arguments import refuse_others
from mlteach.core.result import effects_table
from mlteach.core.summary import pair_name
from mlteach.errors import ModelError
from mlteach.location_scale.bayes.checks import drawn
from mlteach.location_scale.bayes.draws import CHUNK
from mlteach.location_scale.bayes.priors import Prior
from mlteach.location_scale.level_two import LevelTwoFunctions
from mlteach.location_scale.model import LocationScaleModel, quadratic_forms

if TYPE_CHECKING:
    import arviz


@dataclass(frozen=True, repr=False)
class PosteriorEstimates(LocationScaleModel):
    """The posterior of a location-scale model. Numbers are in the units of the data.

    Attributes
    ----------
    design : LocationScaleDesign
        Both functions, and the rows used.
    idata : arviz.InferenceData
        Draws of beta, alpha, Omega, correlations, u and v, with named coordinates.
    functions : LevelTwoFunctions or None
        Level-2 functions of the random effects.
    prior : WeakPrior, InverseWishart or FlatPrior
    form : {"none", "correlated", "linear", "quadratic"}
        How the random effects of the two functions go together.
    """

    idata: arviz.InferenceData = field(repr=False)
    functions: LevelTwoFunctions | None = field(repr=False)
    prior: Prior = field(repr=False)
    form: str = "correlated"

    def _draws(self, name: str) -> np.ndarray:
        """Draws of a quantity, chains and draws in one axis."""
        return drawn(self.idata, name)

    @property
    def _both_draws(self) -> np.ndarray:
        return np.hstack([self._draws("beta"), self._draws("alpha")])

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Mean function: posterior mean (estimate), sd, lower, upper (95%), ess, rhat."""
        return self.table("beta", self.design.mean.x_names)

    @cached_property
    def log_variance(self) -> pd.DataFrame:
        """Log variance function; columns as in ``mean``."""
        return self.table("alpha", self.design.w_names)

    @cached_property
    def random(self) -> pd.DataFrame:
        """Posterior mean of the covariance matrix Omega, mean effects first, shape (d, d).

        With level-2 functions it is that of a cluster with average level-2 predictors; with the
        mean's effects in the variance function, scale effects are what is left beside them.
        """
        omega = self._draws("Omega").mean(axis=0)
        return pd.DataFrame(omega, index=self.effects, columns=self.effects)

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Posterior means of the correlations of all random effects, shape (d, d)."""
        d = len(self.effects)
        matrix = np.eye(d)
        below = np.tril_indices(d, -1)
        matrix[below] = self._draws("correlations").mean(axis=0)
        matrix[below[::-1]] = matrix[below]
        return pd.DataFrame(matrix, index=self.effects, columns=self.effects)

    @cached_property
    def components(self) -> pd.DataFrame:
        """Variances (rows named by effect) and correlations (rows ``a:b``); columns as ``mean``."""
        return described(self.component_draws())

    def draws_of(self, parameter: str) -> np.ndarray:
        """Draws of one parameter, shape (chains, draws).

        Parameters
        ----------
        parameter : str
            A row of ``components``; ``"mean:x"`` or ``"variance:x"`` for a coefficient; a row of
            ``association``; ``"element | predictor"`` for a level-2 function; ``"nu"``, the
            degrees of freedom of t-distributed effects.

        Raises
        ------
        ModelError
        """
        post = self.idata.posterior
        found = self.component_draws()
        for name, prefix, dim in (
            ("beta", "mean:", "coefficient"),
            ("alpha", "variance:", "variance_coefficient"),
            ("between", "", "function"),
            ("association", "", "power"),
        ):
            if name in post:
                labels = [f"{prefix}{x}" for x in post[dim].to_numpy()]
                found |= {x: post[name].to_numpy()[..., k] for k, x in enumerate(labels)}
        if "nu" in post:
            found["nu"] = post["nu"].to_numpy()
        refuse_others([parameter], found, "is no parameter here", "There are")
        return found[parameter]

    def component_draws(self) -> dict[str, np.ndarray]:
        """Draws (chains, draws) of each row of ``components``."""
        post, d = self.idata.posterior, len(self.effects)
        values = post["Omega"].to_numpy().copy()
        values[..., *np.tril_indices(d, -1)] = post["correlations"].to_numpy()
        parts = {
            pair_name(self.effects, col, row): values[..., row, col]
            for col, row in zip(*np.triu_indices(d), strict=True)
        }
        # What the model fixes at zero is no component.
        return {name: draws for name, draws in parts.items() if np.ptp(draws) > 0.0}

    @cached_property
    def between(self) -> pd.DataFrame:
        """Level-2 functions: log variances and atanh correlations; columns as in ``mean``.

        Indexed by element of Omega and predictor. Empty without functions.
        """
        labels = [] if self.functions is None else self.functions.labels
        index = pd.MultiIndex.from_tuples(labels, names=["element", "predictor"])
        if not labels:
            return pd.DataFrame(columns=self.mean.columns, index=index, dtype=float)
        return self.table("between", range(len(labels))).set_axis(index)

    def omega_draws(self, data: pd.DataFrame) -> np.ndarray:
        """Draws of Omega at rows of level-2 predictors, shape (draws, rows, d, d).

        Raises
        ------
        ModelError
            As :meth:`random_at`.
        """
        return self._level_two().omega(self._between_scaled, data)

    def _omega_at(self, data: pd.DataFrame) -> np.ndarray:
        return self.omega_draws(data).mean(axis=0)

    @property
    def _between_scaled(self) -> np.ndarray:
        """Coefficients of the level-2 functions in the units in which they are kept, (S, m)."""
        parts = self.functions.map.pieces(self._draws("between"))
        back = [
            (part - self.functions.shift(k)) @ np.linalg.inv(standard.matrix).T
            for k, (part, standard) in enumerate(zip(parts, self.functions.standards, strict=True))
        ]
        return np.hstack(back)

    @cached_property
    def association(self) -> pd.DataFrame:
        """Coefficients of the mean function's effects in the log variance; columns as ``mean``.

        Raises
        ------
        ModelError
            If the model has none.
        """
        if "association" not in self.idata.posterior:
            raise ModelError(
                "This model has no effects of the mean function in its variance function. Fit it "
                "with association='linear' or 'quadratic'."
            )
        return self.table("association", self.idata.posterior["power"].to_numpy())

    def table(self, name: str, labels, level: float = 0.95) -> pd.DataFrame:
        """Describe the draws of one array of parameters; columns as in ``mean``."""
        values = self.idata.posterior[name].to_numpy()
        return described({label: values[..., k] for k, label in enumerate(labels)}, level)

    # --------------------------------------------------------------------- variances and clusters

    def log_variance_draws(self, data: pd.DataFrame, *, average: bool) -> np.ndarray:
        """Draws of the log variance at rows of predictors, shape (draws, rows).

        Parameters
        ----------
        data : DataFrame
            Rows with the predictors of the variance function (and of level-2 functions).
        average : bool
            Log of the variance averaged over clusters, or of the one with no random effects.
        """
        W, S = self.design.new_variance_rows(data)
        out = self._draws("alpha") @ W.T
        if not average:
            return out
        q = len(self.design.mean.z_names)
        if self.functions is None:
            omega = self._draws("Omega")
            return out + self._entered()[:, None] + quadratic_forms(S, omega[:, None, q:, q:])
        step = max(1, CHUNK // (len(S) * len(self.effects) ** 2))
        for k in range(0, len(out), step):
            omega = self.functions.omega(self._between_scaled[k : k + step], data)
            out[k : k + step] += quadratic_forms(S, omega[..., q:, q:])
        return out

    def _entered(self) -> np.ndarray:
        """Log of the mean of exp(gamma_1'u + gamma_2'u^2) over clusters, of each draw (S,)."""
        if "association" not in self.idata.posterior:
            return np.zeros(len(self._draws("alpha")))
        q = len(self.design.mean.z_names)
        gamma = self._draws("association")
        g1, g2 = gamma[:, :q], gamma[:, q:]
        omega = self._draws("Omega")[:, :q, :q]
        twice = 2.0 * g2[:, None] * np.eye(q) if g2.shape[1] else np.zeros((len(g1), q, q))
        left = np.linalg.inv(omega) - twice
        exists = np.linalg.eigvalsh(left)[:, 0] > 0.0
        left[~exists] = np.eye(q)
        size = -0.5 * np.linalg.slogdet(left @ omega)[1]
        value = size + 0.5 * np.einsum("sa,sab,sb->s", g1, np.linalg.inv(left), g1)
        return np.where(exists, value, np.inf)

    def ranef(self) -> pd.DataFrame:
        """Posterior means of all random effects, their SDs in ``<name>_sd``; one row a cluster."""
        draws = np.concatenate([self._draws("u"), self._draws("v")], axis=2)
        mean, sd = draws.mean(axis=0), draws.std(axis=0, ddof=1)
        return effects_table(mean, sd, self.design.mean.labels, self.effects)


def tails(level: float) -> tuple[float, float]:
    """Shares below the two limits of an interval."""
    return 0.5 - 0.5 * level, 0.5 + 0.5 * level


def described(parts: dict[str, np.ndarray], level: float = 0.95) -> pd.DataFrame:
    """Posterior mean, SD, limits, effective sample size and R-hat of draws (chains, draws)."""
    import arviz as az

    rows = {}
    for name, values in parts.items():
        lower, upper = np.quantile(values, tails(level))
        rhat = float(az.rhat(values)) if len(values) > 1 else np.nan
        mean, sd, ess = values.mean(), values.std(ddof=1), float(az.ess(values))
        rows[name] = (mean, sd, lower, upper, ess, rhat)
    columns = ["estimate", "sd", "lower", "upper", "ess", "rhat"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
