"""The posterior of a location-scale model: the same tables as by maximum likelihood, from draws.

Point estimates are posterior means, as published tables have them; limits are quantiles. The draws
themselves are kept as ``idata`` for ArviZ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlteach.core.arguments import check_level, whole
from mlteach.core.columns import as_table, first_rows
from mlteach.core.result import Result, as_generator, does_not_apply
from mlteach.core.summary import Summary
from mlteach.location_scale.bayes.checks import DIC, diagnose, dic, entered, with_log_likelihood
from mlteach.location_scale.bayes.estimates import PosteriorEstimates, described, tails
from mlteach.location_scale.derived import RATIOS
from mlteach.location_scale.notes import design_notes, summary
from mlteach.location_scale.prediction import outcomes

if TYPE_CHECKING:
    import arviz


NO_TEST = "a posterior has no test statistics; conf_int() has the quantiles of its draws."
NO_MAXIMUM = (
    "these are of a maximum of the likelihood. See dic, or arviz.loo(fit.with_log_likelihood())."
)


@dataclass(frozen=True, repr=False)
class LocationScalePosterior(
    PosteriorEstimates, Result, made_by="mt.fit_location_scale(..., method='bayes')"
):
    """A location-scale model fitted by Bayes; see :class:`PosteriorEstimates`."""

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

    # ------------------------------------------------------------------------------------- tables

    @property
    def bse(self) -> pd.Series:
        """Posterior standard deviations of ``params``."""
        return self.both["sd"].rename("se")

    def cov_params(self) -> pd.DataFrame:
        """Posterior covariance matrix of ``params``."""
        names = self.params.index
        return pd.DataFrame(np.cov(self._both_draws.T), index=names, columns=names)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Quantiles of the posterior of ``params``; columns lower, upper."""
        check_level(level)
        limits = np.quantile(self._both_draws, tails(level), axis=0).T
        return pd.DataFrame(limits, index=self.params.index, columns=["lower", "upper"])

    # --------------------------------------------------------------------- variances and clusters

    @property
    def average_variance(self) -> pd.Series:
        """Posterior means of the level-1 variance: in the median cluster, and averaged over all.

        Both are means over the rows used, of exp(w'alpha) and of
        exp(w'alpha + s'Omega_v s / 2).
        """
        parts = self._variance_draws()
        return pd.Series({name: values.mean() for name, values in parts.items()})

    def _variance_draws(self) -> dict[str, np.ndarray]:
        """Variance of each draw, mean over the rows used."""
        d = self.design
        same = [d.W, d.S] if self.functions is None else [d.W, d.S, d.mean.codes[:, None]]
        _, first, count = np.unique(np.hstack(same), axis=0, return_index=True, return_counts=True)
        rows, share = d.data.iloc[first], count / count.sum()
        return {
            name: np.exp(self.log_variance_draws(rows, average=name == "average")) @ share
            for name in ("median", "average")
        }

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
        check_level(level)
        log_variance = self.log_variance_draws(data, average=average)
        parts = []
        for draws in (np.exp(log_variance), np.exp(log_variance - log_variance[:, :1])):
            parts += [draws.mean(axis=0), *np.quantile(draws, tails(level), axis=0)]
        return pd.DataFrame(dict(zip(RATIOS, parts, strict=True)), index=as_table(data).index)

    def simulate(self, seed: int | np.random.Generator | None, n: int = 1) -> pd.DataFrame:
        """Posterior predictive data: parameters from random draws, new clusters, new residuals.

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
        rng, d = as_generator(seed), self.design
        chosen = rng.integers(len(self._draws("beta")), size=whole("n", n, 1))
        effects = self._new_effects(chosen, rng)
        more = np.zeros(effects.shape[:2])
        if "association" in self.idata.posterior:
            u = effects[:, :, : len(d.mean.z_names)]
            more = entered(self._draws("association")[chosen], u)
        beta, alpha = (self._draws(name)[chosen] for name in ("beta", "alpha"))
        return outcomes(d, beta, alpha, effects, more, rng)

    def _new_effects(self, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random effects of as many new clusters, one set a chosen draw: shape (n, J, d)."""
        if self.functions is None:
            omega = self._draws("Omega")[chosen, None]
        else:
            rows = self.design.data.iloc[first_rows(self.design.mean.codes)]
            omega = self.functions.omega(self._between_scaled[chosen], rows)
        root, shape = np.linalg.cholesky(omega), (len(chosen), self.n_clusters)
        effects = (root @ rng.standard_normal((*shape, root.shape[-1], 1)))[..., 0]
        if "nu" not in self.idata.posterior:
            return effects
        half = 0.5 * self._draws("nu")[chosen][:, None]
        return effects / np.sqrt(rng.gamma(half, 1.0 / half, size=shape))[..., None]

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

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
        d, post = self.design, self.idata.posterior
        yield "mean", "", self.table("beta", d.mean.x_names, level)
        yield "log_variance", "", self.table("alpha", d.w_names, level)
        if self.functions is not None:
            names = list(map(":".join, self.functions.labels))
            yield "between", self.cluster, self.table("between", names, level)
        else:
            components = described(self.component_draws(), level)
            is_variance = components.index.isin(self.effects)
            yield "variance", self.cluster, components.loc[is_variance]
            yield "correlation", self.cluster, components.loc[~is_variance]
        if "association" in post:
            powers = post["power"].to_numpy()
            yield "association", self.cluster, self.table("association", powers, level)

    def summary(self) -> Summary:
        """Both functions side by side, and the random effects that join them."""
        post = self.idata.posterior
        facts = {
            "Method": f"Bayes, {post.sizes['chain']} chains of {post.sizes['draw']} draws",
            "Prior": repr(self.prior),
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster})",
            "DIC": f"{self.dic.dic:.1f} (effective parameters {self.dic.p_d:.1f})",
        }
        tables = {"Random effects: variances and correlations": self.components}
        title = "Two-level location-scale model, posterior"
        return summary(self, title, facts, tables, "association" in post)
