"""The posterior of a location-scale model: the same tables as by maximum likelihood, from draws.

Point estimates are posterior means, as published tables have them; limits are quantiles. The draws
themselves are kept as ``idata`` for ArviZ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlteach.lazy import lazy_import
from mlteach.location_scale_design import SCALE
from mlteach.location_scale_model import LocationScaleModel
from mlteach.posterior_checks import DIC, diagnose, dic, with_log_likelihood
from mlteach.results import Summary

if TYPE_CHECKING:
    import arviz

pd = lazy_import("pandas")

QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, repr=False)
class LocationScalePosterior(LocationScaleModel):
    """A location-scale model fitted by Bayes. Numbers are in the units of the data.

    Attributes
    ----------
    design : LocationScaleDesign
        Both functions, and the rows used.
    idata : arviz.InferenceData
        Draws of beta, alpha, Omega, correlations, u and v, with named coordinates.
    """

    idata: arviz.InferenceData = field(repr=False)

    # ---------------------------------------------------------------------------- what was fitted

    @property
    def prior(self) -> str:
        """The prior, in words."""
        return self.idata.posterior.attrs["prior"]

    def _draws(self, name: str) -> np.ndarray:
        """Draws of a quantity, chains and draws in one axis."""
        values = self.idata.posterior[name].to_numpy()
        return values.reshape(-1, *values.shape[2:])

    # ------------------------------------------------------------------------------------- tables

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Mean function: posterior mean (estimate), sd, lower, upper (95%), ess, rhat."""
        return self._table("beta", self.design.mean.x_names)

    @cached_property
    def log_variance(self) -> pd.DataFrame:
        """Log variance function; columns as in ``mean``."""
        return self._table("alpha", self.design.w_names)

    @property
    def params(self) -> pd.Series:
        """Posterior means of both functions; the log variance's with the prefix ``scale:``."""
        scale = self.log_variance["estimate"].rename(lambda name: SCALE + name)
        return pd.concat([self.mean["estimate"], scale])

    @cached_property
    def random(self) -> pd.DataFrame:
        """Posterior mean of the covariance matrix Omega, mean effects first, shape (d, d)."""
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
        d, names = len(self.effects), self.effects
        omega, rho = self.idata.posterior["Omega"], self.idata.posterior["correlations"]
        rows, columns = np.tril_indices(d, -1)
        place = {(r, c): k for k, (r, c) in enumerate(zip(rows, columns, strict=True))}
        parts = {}
        for col in range(d):
            for row in range(col, d):
                pair = names[row] if row == col else f"{names[col]}:{names[row]}"
                values = omega[..., row, row] if row == col else rho[..., place[row, col]]
                parts[pair] = values.to_numpy()
        return _described(parts)

    def _table(self, name: str, labels) -> pd.DataFrame:
        values = self.idata.posterior[name].to_numpy()
        return _described({label: values[..., k] for k, label in enumerate(labels)})

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
        d, q = self.design, len(self.design.mean.z_names)
        rows, count = np.unique(np.hstack([d.W, d.S]), axis=0, return_counts=True)
        W, S = rows[:, : d.W.shape[1]], rows[:, d.W.shape[1] :]
        log_variance = self._draws("alpha") @ W.T
        omega_v = self._draws("Omega")[:, q:, q:]
        more = 0.5 * np.einsum("ir,mrs,is->mi", S, omega_v, S)
        share = count / count.sum()
        return {
            "median": np.exp(log_variance) @ share,
            "average": np.exp(log_variance + more) @ share,
        }

    def ranef(self) -> pd.DataFrame:
        """Posterior means of all random effects, their SDs in ``<name>_sd``; one row a cluster."""
        draws = np.concatenate([self._draws("u"), self._draws("v")], axis=2)
        labels = self.design.mean.labels
        mean = pd.DataFrame(draws.mean(axis=0), index=labels, columns=self.effects)
        sd = pd.DataFrame(draws.std(axis=0, ddof=1), index=labels, columns=self.effects)
        return mean.join(sd.add_suffix("_sd"))

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
        return (*self._dropped_notes, *diagnose(self.idata))

    @property
    def converged(self) -> bool:
        """Whether the chains can be used."""
        return self.notes[-1] == "The chains can be used."

    def summary(self) -> Summary:
        """Both functions side by side, and the random effects that join them."""
        d, post = self.design, self.idata.posterior
        average = self.average_variance
        facts = {
            "Mean function": d.mean.formula.text,
            "Log variance function": d.variance_text.strip(),
            "Method": f"Bayes, {post.sizes['chain']} chains of {post.sizes['draw']} draws",
            "Prior": self.prior,
            "Rows": f"{self.nobs}",
            "Clusters": f"{self.n_clusters} ({self.cluster})",
            "DIC": f"{self.dic.dic:.1f} (effective parameters {self.dic.p_d:.1f})",
            "Level-1 variance": f"{average['median']:.3f} in the median cluster, "
            f"{average['average']:.3f} on average",
        }
        tables = {
            "Mean function": self.mean,
            "Log variance function": self.log_variance,
            "Random effects: variances and correlations": self.components,
        }
        return Summary("Two-level location-scale model, posterior", facts, tables, self.notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _described(parts: dict[str, np.ndarray]) -> pd.DataFrame:
    """Posterior mean, SD, 95% limits, effective sample size and R-hat of draws (chains, draws)."""
    import arviz as az

    rows = {}
    for name, values in parts.items():
        lower, upper = np.quantile(values, QUANTILES)
        rows[name] = (
            values.mean(),
            values.std(ddof=1),
            lower,
            upper,
            float(az.ess(values)),
            float(az.rhat(values)) if len(values) > 1 else np.nan,
        )
    columns = ["estimate", "sd", "lower", "upper", "ess", "rhat"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
