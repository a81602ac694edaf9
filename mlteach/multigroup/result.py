"""The fitted two-level multigroup model: matrices, parameters, and the questions put to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mlteach.core.distributions import normal_quantile, two_sided_t
from mlteach.core.lazy import lazy_import
from mlteach.core.linalg import inverse_on_curved
from mlteach.core.optim import OptRecord
from mlteach.core.sandwich import cluster_sandwich, robust_note
from mlteach.core.summary import Summary, check_level
from mlteach.errors import ModelError
from mlteach.multigroup import derived
from mlteach.multigroup.design import MultigroupData
from mlteach.multigroup.model import MultigroupModel, elements
from mlteach.multigroup.sandwich import scores_by_cluster
from mlteach.multigroup.search import MultigroupFit

pd = lazy_import("pandas")

NEGATIVE = "negative variance"
HELD = "on the boundary"
# In scaled units, where a variance is about 1: what the barrier leaves to a parameter that the
# bound holds, and far below what the data could leave to any other.
HELD_VARIANCE = 1e-6


@dataclass(frozen=True, repr=False)
class MultigroupResult:
    """A two-level multigroup model of means and (co)variances, in the units of the data.

    Attributes
    ----------
    data : MultigroupData
        The rows that count.
    model : MultigroupModel
        Which parameters are free, and which are equal across groups.
    fit : MultigroupFit
        The end of the search, in scaled units.
    bounded : bool
        Whether every Between matrix was kept positive semidefinite.
    robust : {"cluster"} or None
        Whether standard errors come from the scores of whole clusters.
    """

    data: MultigroupData = field(repr=False)
    model: MultigroupModel = field(repr=False)
    fit: MultigroupFit = field(repr=False)
    bounded: bool
    robust: str | None = None

    # --------------------------------------------------------------------------- what was fitted

    @property
    def variables(self) -> tuple:
        """Names of the p variables."""
        return self.model.variables

    @property
    def groups(self) -> tuple:
        """Names of the K groups; ``("all",)`` without."""
        return self.model.groups

    @property
    def nobs(self) -> int:
        """Rows that have a value of any variable."""
        return self.data.N

    @property
    def n_clusters(self) -> int:
        """Clusters in all groups."""
        return self.data.J

    @property
    def n_parameters(self) -> int:
        """Free parameters."""
        return len(self.model.keys)

    @property
    def optimizer(self) -> OptRecord:
        """How the maximum was found."""
        return self.fit.record

    @property
    def converged(self) -> bool:
        """Whether no step lowers the deviance any more (measured, see ``optimizer.gain``)."""
        return self.fit.record.converged

    @cached_property
    def deviance(self) -> float:
        """Minus twice the log-likelihood."""
        values = sum((~np.isnan(Y)).sum(axis=0) for Y in self.data.Y)
        value, _ = self.fit.deviance.value_and_gradient(self.fit.theta)
        return float(value + 2.0 * values @ np.log(self.data.scale))

    @property
    def llf(self) -> float:
        """Log-likelihood of the values that are there."""
        return -0.5 * self.deviance

    @property
    def aic(self) -> float:
        """Deviance plus twice the number of parameters."""
        return self.deviance + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Deviance plus log(rows) times the number of parameters.

        Programs count differently: lavaan takes rows here, and clusters (the rows of the wide
        table) when the model is written in the wide format.
        """
        return self.deviance + np.log(self.nobs) * self.n_parameters

    # --------------------------------------------------------------------------------- parameters

    @cached_property
    def _units(self) -> tuple[np.ndarray, np.ndarray]:
        """What each scaled parameter is multiplied by, and what is then added."""
        of = dict(
            zip(self.variables, zip(self.data.offset, self.data.scale, strict=True), strict=True)
        )
        times, plus = [], []
        for level, left, right, *_ in self.model.keys:
            mean = level == "mean"
            times.append(of[left][1] * (1.0 if mean else of[right][1]))
            plus.append(of[left][0] if mean else 0.0)
        return np.array(times), np.array(plus)

    @cached_property
    def params(self) -> pd.Series:
        """Free parameters by name."""
        times, plus = self._units
        return pd.Series(self.fit.theta * times + plus, index=self.model.names)

    @cached_property
    def _cov(self) -> np.ndarray:
        """Covariance matrix of the estimates; NaN for what a bound holds where it is."""
        # The barrier is steep across the boundary: beside it all other directions look flat.
        invert = np.linalg.inv if self.fit.is_on_boundary else inverse_on_curved
        inner = 2.0 * invert(self.fit.hessian)
        held = self._is_held(inner)
        if self.robust:
            inner = cluster_sandwich(inner, scores_by_cluster(self.data, self.model, self.fit))
        inner[held], inner[:, held] = np.nan, np.nan
        return inner * np.outer(self._units[0], self._units[0])

    def _is_held(self, scaled_cov: np.ndarray) -> np.ndarray:
        """Parameters that the boundary does not let move: no variance is left to them."""
        if not self.fit.is_on_boundary:
            return np.zeros(len(scaled_cov), bool)
        return np.diag(scaled_cov) < HELD_VARIANCE

    @property
    def _held(self) -> np.ndarray:
        return np.isnan(np.diag(self._cov))

    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the estimates: inverse observed information, or the sandwich."""
        names = self.model.names
        return pd.DataFrame(self._cov, index=names, columns=names)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors: from the observed information, or cluster-robust."""
        variance = np.diag(self._cov)
        return pd.Series(np.sqrt(np.where(variance > 0, variance, np.nan)), self.params.index)

    def conf_int(self, level: float = 0.95, *, method: str = "wald") -> pd.DataFrame:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float, default 0.95
        method : {"wald", "profile"}, default "wald"
            Estimate plus and minus a multiple of the standard error, or all values that a
            likelihood-ratio test does not reject.

        Returns
        -------
        DataFrame
            Columns lower, upper.
        """
        check_level(level)
        if method == "profile":
            if self.bounded:
                raise ModelError(
                    'A profile crosses the bound. Use method="wald", or profile the fit without '
                    "bounded=True."
                )
            from mlteach.multigroup.profile import profile_limits

            return profile_limits(self, level)
        if method != "wald":
            raise ModelError(f'method={method!r} is neither "wald" nor "profile".')
        half = normal_quantile(level) * self.bse
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """One row a free parameter: what it is, estimate, se, z, p, lower, upper, and a flag.

        ``flag`` says "negative variance" of a variance below zero, and "on the boundary" of what
        ``bounded=True`` holds.
        """
        z = self.params / self.bse
        table = self.model.table.assign(estimate=self.params, se=self.bse, z=z)
        table["p"] = two_sided_t(z, np.inf)
        table[["lower", "upper"]] = self.conf_int()
        variance = (table["left"] == table["right"]).to_numpy()
        flag = np.where(variance & (self.params < 0).to_numpy(), NEGATIVE, "")
        table["flag"] = np.where(self._held, HELD, flag)
        return table

    # ----------------------------------------------------------------------------------- matrices

    @cached_property
    def _by_group(self) -> tuple:
        """Means (C, p), Within (C, p, p) and Between (p, p) of each group, in units of the data."""
        out, unit = [], np.outer(self.data.scale, self.data.scale)
        for deviance, at in zip(self.fit.deviance.groups, self.model.index, strict=True):
            mu, within, between = deviance.unpack(self.fit.theta[at])
            out.append((mu * self.data.scale + self.data.offset, within * unit, between * unit))
        return tuple(out)

    def _labelled(self, matrix: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(matrix, index=list(self.variables), columns=list(self.variables))

    @cached_property
    def within(self) -> dict:
        """Covariance matrix within clusters by group; with positions, by (group, position)."""
        if not self.model.positions:
            return {
                g: self._labelled(w[0])
                for g, (_, w, _) in zip(self.groups, self._by_group, strict=True)
            }
        return {
            (g, at): self._labelled(w[c])
            for g, (_, w, _) in zip(self.groups, self._by_group, strict=True)
            for c, at in enumerate(self.model.positions)
        }

    @cached_property
    def between(self) -> dict:
        """Covariance matrix between clusters of each group."""
        return {
            g: self._labelled(b) for g, (*_, b) in zip(self.groups, self._by_group, strict=True)
        }

    @cached_property
    def means(self) -> pd.DataFrame:
        """Means: a row a group (with positions, a group and a position), a column a variable."""
        rows = np.concatenate([mu for mu, *_ in self._by_group])
        index = pd.Index(self.groups, name=self.data.group)
        if self.model.positions:
            names = [self.data.group, self.data.position]
            index = pd.MultiIndex.from_product([self.groups, self.model.positions], names=names)
        return pd.DataFrame(rows, index=index, columns=list(self.variables))

    # -------------------------------------------------------------------------------- derived ones

    @cached_property
    def _elements(self) -> dict:
        """From (level, left, right, position, group) to the estimate and its parameter's number."""
        out = {}
        for group, at in zip(self.groups, self.model.index, strict=True):
            for key, number in zip(elements(self.variables, self.model.positions), at, strict=True):
                out[(*key, group)] = (float(self.params.iloc[number]), int(number))
        return out

    @cached_property
    def icc_table(self) -> pd.DataFrame:
        """ICC of each variable and group with standard error and 95% interval (delta method)."""
        return derived.icc_table(self._elements, self._cov, 0.95)

    @cached_property
    def icc(self) -> pd.DataFrame:
        """ICC: a row a group, a column a variable."""
        table = self.icc_table["estimate"].unstack("variable", sort=False)
        return table.rename_axis(index=self.data.group, columns=None)

    @cached_property
    def variance_ratios(self) -> pd.DataFrame:
        """Variances of one group over those of another where the model lets them differ."""
        return derived.variance_ratios(self._elements, self._cov, 0.95)

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Correlations within and between clusters, group by group."""
        return derived.correlations(self._elements, self._cov, 0.95)

    def wide_fit(self) -> pd.Series:
        """Fit as a wide-format CFA: :func:`mlteach.multigroup.wide_fit.wide_fit`."""
        from mlteach.multigroup.wide_fit import wide_fit

        return wide_fit(self)

    def implied(self, group=None, n: int = 2) -> pd.DataFrame:
        """Covariance matrix of the wide format that the model implies.

        Parameters
        ----------
        group : optional
            One of ``groups``; may be left out if there is one.
        n : int, default 2
            Members of a cluster; with positions there are as many as positions.

        Returns
        -------
        DataFrame, shape (p n, p n)
            Labelled ``x1_1, x2_1, x1_2, ...``, member by member.
        """
        k = self._group(group)
        _, within, between = self._by_group[k]
        cells = self._cells(n)
        p, names = len(self.variables), self._wide_names(len(cells))
        V = np.kron(np.ones((len(cells),) * 2), between)
        for i, c in enumerate(cells):
            V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[c]
        return pd.DataFrame(V, index=names, columns=names)

    def implied_mean(self, group=None, n: int = 2) -> pd.Series:
        """Means of the wide format: as :meth:`implied`, shape (p n,)."""
        mu = self._by_group[self._group(group)][0]
        cells = self._cells(n)
        return pd.Series(mu[cells].ravel(), index=self._wide_names(len(cells)))

    def _cells(self, n: int) -> list[int]:
        if self.model.positions:
            return list(range(len(self.model.positions)))
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
            raise ModelError(f"n={n!r} members: it must be a whole number of 1 or more.")
        return [0] * int(n)

    def _wide_names(self, n: int) -> list[str]:
        return [f"{name}_{i + 1}" for i in range(n) for name in self.variables]

    def _group(self, group) -> int:
        if group is None and len(self.groups) == 1:
            return 0
        if group not in self.groups:
            raise ModelError(f"There is no group {group!r}; the groups are {list(self.groups)}.")
        return self.groups.index(group)

    # ------------------------------------------------------------------------------------ clusters

    def ranef(self, group=None) -> pd.DataFrame:
        """What the data say of each cluster's u: conditional means and standard deviations.

        Parameters
        ----------
        group : optional
            One of ``groups``; all by default.

        Returns
        -------
        DataFrame
            One row a cluster; a column a variable, its conditional SD in ``<name>_sd`` (NaN where a
            negative variance leaves none).
        """
        from mlteach.multigroup.clusters import cluster_effects

        chosen = self.groups if group is None else (self.groups[self._group(group)],)
        return pd.concat([cluster_effects(self, self.groups.index(g)) for g in chosen])

    def simulate(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw new values for the same rows; what was missing stays missing.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        DataFrame
            The variables with the cluster, group and position columns; the rows group by group,
            under the row labels of the data.

        Raises
        ------
        ModelError
            If a Between matrix is not positive semidefinite: then there are no such u.
        """
        from mlteach.multigroup.clusters import simulated

        return simulated(self, rng)

    # ------------------------------------------------------------------------------------- account

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        notes = []
        if not self.converged:
            notes.append(
                f"The search {self.fit.record.status}. Do not use the numbers: there may be too "
                "few clusters for so many free parameters; set some equal, or try bounded=True."
            )
        notes += self.data.notes
        notes += [robust_note(self.n_clusters)] if self.robust else []
        negative = self.parameters.index[self.parameters["flag"] == NEGATIVE]
        if len(negative):
            notes.append(_negative_note(list(negative)))
        for name, matrices in (("Between", self.between), ("Within", self.within)):
            notes += [
                f"{name} matrix of {g!r}: a correlation beyond 1, a negative eigenvalue."
                for g, matrix in matrices.items()
                if (np.diag(matrix) > 0).all()
                and np.linalg.eigvalsh(matrix)[0] < -1e-9 * np.trace(matrix)
            ]
        if self.fit.is_on_boundary:
            held = ", ".join(self.parameters.index[self._held])
            notes.append(
                "A Between matrix is on the boundary: "
                + (f"{held} cannot move." if held else "a correlation is 1 or -1.")
                + " Standard errors take the boundary as known."
            )
        return tuple(notes)

    def summary(self) -> Summary:
        """Facts, the parameters, the derived quantities and notes; prints and shows as HTML."""
        facts = {
            "Variables": ", ".join(map(str, self.variables)),
            "Groups": ", ".join(
                f"{g} ({len(ids)} clusters, {len(Y)} rows)"
                for g, ids, Y in zip(self.groups, self.data.labels, self.data.Y, strict=True)
            ),
            "Log-likelihood": f"{self.llf:.4f} with {self.n_parameters} parameters",
            "AIC, BIC": f"{self.aic:.1f}, {self.bic:.1f}",
            "Search": self.fit.record.status,
        }
        keep = ["estimate", "se", "z", "p", "lower", "upper"]
        tables = {"Parameters": self.parameters[keep], "Intraclass correlations": self.icc_table}
        if len(self.variance_ratios):
            tables["Variance ratios"] = self.variance_ratios
        return Summary("Two-level multigroup model", facts, tables, self.notes)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _negative_note(names: list[str]) -> str:
    """What a negative variance means, on each level."""
    text = f"Negative variance: {', '.join(names)}."
    if any(name.startswith("between") for name in names):
        text += (
            " The cluster means differ less than sampling within clusters would make them; zero is "
            "usually inside the interval. bounded=True keeps the matrix possible."
        )
    if any(name.startswith("within") for name in names):
        text += (
            " A position's variance is smaller than its covariance with other positions, which is "
            "the variance between: one effect of the cluster, the same at all positions, does not "
            "describe these data."
        )
    return text
