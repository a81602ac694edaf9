"""The posterior of a location-scale model: the same tables as by maximum likelihood, from draws.

Point estimates are posterior means, as published tables have them; limits are quantiles. The draws
themselves are kept as ``idata`` for ArviZ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, refuse_others
from mlteach.core.columns import as_table, first_rows
from mlteach.core.result import Result, does_not_apply, effects_table
from mlteach.core.summary import Summary, pair_name
from mlteach.errors import ModelError
from mlteach.location_scale.association import log_mean_entered
from mlteach.location_scale.bayes.checks import DIC, diagnose, dic, drawn, with_log_likelihood
from mlteach.location_scale.bayes.draws import DIMS, chunks
from mlteach.location_scale.bayes.priors import Prior
from mlteach.location_scale.derived import RATIOS
from mlteach.location_scale.model import LocationScaleModel, quadratic_forms
from mlteach.location_scale.notes import design_notes, summary

if TYPE_CHECKING:
    import arviz


NO_TEST = "a posterior has no test statistics; conf_int() has the quantiles of its draws."
NO_MAXIMUM = (
    "these are of a maximum of the likelihood. See dic, or arviz.loo(fit.with_log_likelihood())."
)


@dataclass(frozen=True, repr=False)
class LocationScalePosterior(
    LocationScaleModel, Result, made_by="mt.fit_location_scale(..., method='bayes')"
):
    """A location-scale model fitted by Bayes. Numbers are in the units of the data.

    Attributes
    ----------
    design, functions, form
        As of any :class:`LocationScaleModel`.
    idata : arviz.InferenceData
        Draws of beta, alpha, Omega, correlations, u and v, with named coordinates.
    prior : WeakPrior, InverseWishart or FlatPrior
    """

    idata: arviz.InferenceData
    prior: Prior

    # ---------------------------------------------------------------------------- what was fitted

    df = does_not_apply("df", NO_TEST)
    tvalues = does_not_apply("tvalues", NO_TEST)
    pvalues = does_not_apply("pvalues", NO_TEST)
    optimizer = does_not_apply("optimizer", "nothing was maximised; see notes on the chains.")
    deviance = does_not_apply("deviance", NO_MAXIMUM)
    llf = does_not_apply("llf", NO_MAXIMUM)
    aic = does_not_apply("aic", NO_MAXIMUM)
    bic = does_not_apply("bic", NO_MAXIMUM)

    @property
    def n_parameters(self) -> int:
        """Coefficients of both functions, and what determines the random effects."""
        post, names = self.idata.posterior, ("beta", "alpha", "between", "association", "nu")
        own = sum(post[name][0, 0].size for name in names if name in post)
        return own + (len(self.component_draws()) if self.functions is None else 0)

    # -------------------------------------------------------------------------------- the draws

    def _draws(self, name: str) -> np.ndarray:
        """Draws of a quantity, chains and draws in one axis."""
        return drawn(self.idata, name)

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
        post, found = self.idata.posterior, self.component_draws()
        prefixes = {"beta": "mean:", "alpha": "variance:", "between": "", "association": ""}
        for name, prefix in prefixes.items():
            if name in post:
                labels = [f"{prefix}{label}" for label in post[DIMS[name][0]].to_numpy()]
                found |= zip(labels, np.moveaxis(post[name].to_numpy(), -1, 0), strict=True)
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

    # ------------------------------------------------------------------------------------- tables

    def table(self, level: float) -> pd.DataFrame:
        """Coefficients of both functions with limits at a level; names as in ``params``."""
        return self._described(("beta", "alpha"), self.names, level)

    def _described(self, arrays: Iterable[str], labels: Sequence, level: float) -> pd.DataFrame:
        post = self.idata.posterior
        values = np.concatenate([post[name].to_numpy() for name in arrays], axis=-1)
        return described(np.moveaxis(values, -1, 0), labels, level)

    @property
    def bse(self) -> pd.Series:
        """Posterior standard deviations of ``params``."""
        return self.both["sd"].rename("se")

    @property
    def _cov(self) -> np.ndarray:
        return np.cov(np.hstack([self._draws("beta"), self._draws("alpha")]).T)

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

    def _components(self, level: float) -> pd.DataFrame:
        parts = self.component_draws()
        return described(parts.values(), list(parts), level)

    def _parts_of_components(self, level: float) -> dict[str, pd.DataFrame]:
        table = self._components(level)
        is_variance = table.index.isin(self.effects)
        return {"variance": table.loc[is_variance], "correlation": table.loc[~is_variance]}

    def _functions_table(self, level: float) -> pd.DataFrame:
        return self._described(["between"], self.functions.labels, level)

    def _association(self, level: float) -> pd.DataFrame:
        if not self.has_association:
            raise ModelError(
                "This model has no effects of the mean function in its variance function. Fit it "
                "with association='linear' or 'quadratic'."
            )
        return self._described(["association"], self.idata.posterior["power"].to_numpy(), level)

    # ------------------------------------------------------------------------- level-2 functions

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
            if self.has_association:
                root = np.linalg.cholesky(omega[:, :q, :q])
                out += log_mean_entered(self._draws("association"), root)[:, None]
            return out + quadratic_forms(S, omega[:, None, q:, q:])
        for at in chunks(len(out), len(S) * len(self.effects) ** 2):
            omega = self.functions.omega(self._between_scaled[at], data)
            out[at] += quadratic_forms(S, omega[..., q:, q:])
        return out

    @property
    def average_variance(self) -> pd.Series:
        """Posterior means of the level-1 variance: in the median cluster, and averaged over all.

        Both are means over the rows used, of exp(w'alpha) and of
        exp(w'alpha + s'Omega_v s / 2).
        """
        d = self.design
        same = [d.W, d.S] if self.functions is None else [d.W, d.S, d.mean.codes[:, None]]
        _, first, count = np.unique(np.hstack(same), axis=0, return_index=True, return_counts=True)
        rows, share = d.data.iloc[first], count / count.sum()
        median, average = (
            np.exp(self.log_variance_draws(rows, average=over)) @ share for over in (False, True)
        )
        return pd.Series({"median": median.mean(), "average": average.mean()})

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
            Variances averaged over clusters, or of the cluster with no random effects.
        level : float, default 0.95

        Returns
        -------
        DataFrame, one row a group
            variance, lower, upper, ratio, ratio_lower, ratio_upper: posterior means and quantiles.
        """
        log_variance = self.log_variance_draws(data, average=average)
        parts = []
        for draws in (np.exp(log_variance), np.exp(log_variance - log_variance[:, :1])):
            parts += [draws.mean(axis=0), *np.quantile(draws, tails(level), axis=0)]
        return pd.DataFrame(dict(zip(RATIOS, parts, strict=True)), index=as_table(data).index)

    def ranef(self) -> pd.DataFrame:
        """Posterior means of all random effects, their SDs in ``<name>_sd``; one row a cluster."""
        draws = np.concatenate([self._draws("u"), self._draws("v")], axis=2)
        mean, sd = draws.mean(axis=0), draws.std(axis=0, ddof=1)
        return effects_table(mean, sd, self.design.mean.labels, self.effects)

    def _drawn_parameters(self, rng: np.random.Generator, n: int) -> tuple:
        chosen = rng.integers(len(self._draws("beta")), size=n)
        if self.functions is None:
            omega = self._draws("Omega")[chosen, None]
        else:
            rows = self.design.data.iloc[first_rows(self.design.mean.codes)]
            omega = self.functions.omega(self._between_scaled[chosen], rows)
        root, shape = np.linalg.cholesky(omega), (n, self.n_clusters)
        effects = (root @ rng.standard_normal((*shape, root.shape[-1], 1)))[..., 0]
        if "nu" in self.idata.posterior:
            half = 0.5 * self._draws("nu")[chosen][:, None]
            effects = effects / np.sqrt(rng.gamma(half, 1.0 / half, size=shape))[..., None]
        gamma = self._draws("association")[chosen] if self.has_association else None
        return self._draws("beta")[chosen], self._draws("alpha")[chosen], effects, gamma

    # ------------------------------------------------------------------------- fit and diagnostics

    @cached_property
    def dic(self) -> DIC:
        """Deviance information criterion given the random effects, as published."""
        return dic(self.idata, self.design)

    def with_log_likelihood(self) -> arviz.InferenceData:
        """``idata`` with the log-likelihood of each row, for ``arviz.loo`` and ``arviz.waic``."""
        return with_log_likelihood(self.idata, self.design)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Rows left out, and whether the chains can be trusted, in plain words."""
        return (*design_notes(self), *diagnose(self.idata))

    @property
    def converged(self) -> bool:
        """Whether the chains can be used."""
        return self.notes[-1] == "The chains can be used."

    def summary(self) -> Summary:
        """Both functions side by side, and the random effects that join them."""
        sizes = self.idata.posterior.sizes
        facts = {
            "Method": f"Bayes, {sizes['chain']} chains of {sizes['draw']} draws",
            "Prior": repr(self.prior),
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster})",
            "DIC": f"{self.dic.dic:.1f} (effective parameters {self.dic.p_d:.1f})",
        }
        tables = {"Random effects: variances and correlations": self.components}
        return summary(self, "Two-level location-scale model, posterior", facts, tables)


def tails(level: float) -> tuple[float, float]:
    """Shares below the two limits of an interval."""
    return 0.5 - 0.5 * level, 0.5 + 0.5 * level


def described(draws: Iterable[np.ndarray], labels: Sequence, level: float) -> pd.DataFrame:
    """Posterior mean, SD, limits, effective sample size and R-hat of draws (chains, draws)."""
    import arviz as az

    rows = []
    for values in draws:
        lower, upper = np.quantile(values, tails(level))
        rhat = float(az.rhat(values)) if len(values) > 1 else np.nan
        rows.append((values.mean(), values.std(ddof=1), lower, upper, float(az.ess(values)), rhat))
    return pd.DataFrame(rows, labels, ["estimate", "sd", "lower", "upper", "ess", "rhat"])
