"""The posterior of a location-scale model: the same tables as by maximum likelihood, from draws.

Point estimates are posterior means, as published tables have them; limits are quantiles. The draws
themselves are kept as ``idata`` for ArviZ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.core.summary import Summary, check_level
from mlteach.errors import ModelError
from mlteach.location_scale.bayes.checks import CHUNK, DIC, diagnose, dic, with_log_likelihood
from mlteach.location_scale.bayes.priors import Prior
from mlteach.location_scale.derived import RATIOS
from mlteach.location_scale.estimates import LocationScaleModel
from mlteach.location_scale.level_two import LevelTwoFunctions

if TYPE_CHECKING:
    import arviz

pd = lazy_import("pandas")


@dataclass(frozen=True, repr=False)
class LocationScalePosterior(LocationScaleModel):
    """A location-scale model fitted by Bayes. Numbers are in the units of the data.

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

    # ---------------------------------------------------------------------------- what was fitted

    def _draws(self, name: str) -> np.ndarray:
        """Draws of a quantity, chains and draws in one axis."""
        values = self.idata.posterior[name].to_numpy()
        return values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])

    # ------------------------------------------------------------------------------------- tables

    @cached_property
    def mean(self) -> pd.DataFrame:
        """Mean function: posterior mean (estimate), sd, lower, upper (95%), ess, rhat."""
        return self._table("beta", self.design.mean.x_names)

    @cached_property
    def log_variance(self) -> pd.DataFrame:
        """Log variance function; columns as in ``mean``."""
        return self._table("alpha", self.design.w_names)

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
        return _described(self._component_draws())

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
        found = self._component_draws()
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
        if parameter not in found:
            raise ModelError(f"'{parameter}' is no parameter here. There are: {', '.join(found)}.")
        return found[parameter]

    def _component_draws(self) -> dict[str, np.ndarray]:
        d, names = len(self.effects), self.effects
        omega, rho = self.idata.posterior["Omega"], self.idata.posterior["correlations"]
        rows, columns = np.tril_indices(d, -1)
        place = {(r, c): k for k, (r, c) in enumerate(zip(rows, columns, strict=True))}
        parts = {}
        for col in range(d):
            for row in range(col, d):
                pair = names[row] if row == col else f"{names[col]}:{names[row]}"
                values = omega[..., row, row] if row == col else rho[..., place[row, col]]
                # What the model fixes at zero is no component.
                if np.ptp(values.to_numpy()) > 0.0:
                    parts[pair] = values.to_numpy()
        return parts

    @cached_property
    def between(self) -> pd.DataFrame:
        """Level-2 functions: log variances and atanh correlations; columns as in ``mean``.

        Indexed by element of Omega and predictor. Empty without functions.
        """
        labels = [] if self.functions is None else self.functions.labels
        index = pd.MultiIndex.from_tuples(labels, names=["element", "predictor"])
        if not labels:
            return pd.DataFrame(columns=self.mean.columns, index=index, dtype=float)
        return self._table("between", range(len(labels))).set_axis(index)

    def random_at(self, data: pd.DataFrame) -> list[pd.DataFrame]:
        """Posterior mean of Omega at each row of a table of level-2 predictors.

        Raises
        ------
        ModelError
            If the model has no level-2 functions: then Omega is the same everywhere.
        """
        mean = self.omega_draws(data).mean(axis=0)
        return [pd.DataFrame(o, index=self.effects, columns=self.effects) for o in mean]

    def omega_draws(self, data: pd.DataFrame) -> np.ndarray:
        """Draws of Omega at rows of level-2 predictors, shape (draws, rows, d, d).

        Raises
        ------
        ModelError
            As :meth:`random_at`.
        """
        if self.functions is None:
            raise ModelError(
                "This model has one Omega for all clusters, fit.random. For one that depends on "
                "level-2 predictors fit it with between='~ ...'."
            )
        return self.functions.omega(self._between_scaled, data)

    @property
    def _between_scaled(self) -> np.ndarray:
        """Coefficients of the level-2 functions in the units in which they are kept, (S, m)."""
        parts = np.split(self._draws("between"), np.cumsum(self.functions.map.widths)[:-1], axis=1)
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
        return self._table("association", self.idata.posterior["power"].to_numpy())

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
        """Variance of each draw, mean over the rows used."""
        d = self.design
        same = [d.W, d.S] if self.functions is None else [d.W, d.S, d.mean.codes[:, None]]
        _, first, count = np.unique(np.hstack(same), axis=0, return_index=True, return_counts=True)
        rows, share = d.data.iloc[first], count / count.sum()
        return {
            name: np.exp(self.log_variance_draws(rows, average=name == "average")) @ share
            for name in ("median", "average")
        }

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
        return pd.DataFrame(dict(zip(RATIOS, parts, strict=True)), index=data.index)

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
        return (*self.dropped_notes, *diagnose(self.idata))

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
            "Prior": repr(self.prior),
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
        if self.functions is not None:
            tables["Level-2 functions: log variances, atanh of correlations"] = self.between
        if "association" in self.idata.posterior:
            tables["Association: effects of the mean in the log variance"] = self.association
        return Summary("Two-level location-scale model, posterior", facts, tables, self.notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def tails(level: float) -> tuple[float, float]:
    """Shares below the two limits of an interval."""
    return 0.5 - 0.5 * level, 0.5 + 0.5 * level


def quadratic_forms(S: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Half of s'Omega s for each row s (rows, r), Omega (draws, rows or 1, r, r)."""
    return 0.5 * np.einsum(
        "ir,mirs,is->mi", S, np.broadcast_to(omega, (len(omega), len(S), *omega.shape[2:])), S
    )


def _described(parts: dict[str, np.ndarray]) -> pd.DataFrame:
    """Posterior mean, SD, 95% limits, effective sample size and R-hat of draws (chains, draws)."""
    import arviz as az

    rows = {}
    for name, values in parts.items():
        lower, upper = np.quantile(values, tails(0.95))
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
