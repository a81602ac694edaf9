"""What a multigroup model estimates: parameters, their covariances, and the matrices they make.

:class:`MultigroupEstimates` keeps the rows, the model and the end of the search; all else is a
function of these, in the units of the data. What can be asked beyond that is in
:mod:`mlteach.multigroup.derived`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, whole
from mlteach.core.linalg import inverse_on_curved, without_curvature
from mlteach.core.optim import OptRecord
from mlteach.core.result import Estimates
from mlteach.core.sandwich import cluster_sandwich
from mlteach.errors import ModelError
from mlteach.multigroup.design import MultigroupData
from mlteach.multigroup.model import MultigroupModel, elements
from mlteach.multigroup.sandwich import scores_by_cluster
from mlteach.multigroup.search import MultigroupFit

# In scaled units, where a variance is about 1: what the barrier leaves to a parameter that the
# bound holds, and far below what the data could leave to any other.
HELD_VARIANCE = 1e-6


@dataclass(frozen=True, repr=False)
class MultigroupEstimates(Estimates):
    """The estimates of a two-level multigroup model, in the units of the data.

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
        return sum(len(part.Y) for part in self.data.parts)

    @property
    def n_clusters(self) -> int:
        """Clusters in all groups."""
        return sum(len(part.labels) for part in self.data.parts)

    @property
    def n_parameters(self) -> int:
        """Free parameters."""
        return len(self.model.keys)

    @property
    def optimizer(self) -> OptRecord:
        """How the maximum was found."""
        return self.fit.record

    @cached_property
    def deviance(self) -> float:
        """Minus twice the log-likelihood."""
        values = sum((~np.isnan(Y)).sum(axis=0) for Y, *_ in self.data.parts)
        value, _ = self.fit.deviance.value_and_gradient(self.fit.theta)
        return float(value + 2.0 * values @ np.log(self.data.scale))

    # --------------------------------------------------------------------------------- parameters

    @cached_property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """What each scaled parameter is multiplied by, and what is then added."""
        keys, (offset, scale) = self.model.keys, (self.data.offset, self.data.scale)
        left, right = ([self.variables.index(key[side]) for key in keys] for side in (1, 2))
        mean = np.array([key[0] == "mean" for key in keys])
        return scale[left] * np.where(mean, 1.0, scale[right]), np.where(mean, offset[left], 0.0)

    @cached_property
    def params(self) -> pd.Series:
        """Free parameters by name."""
        times, plus = self.units
        return pd.Series(self.fit.theta * times + plus, index=self.model.names)

    @cached_property
    def cov(self) -> np.ndarray:
        """Covariance matrix of the estimates; NaN for what has no standard error."""
        inner = self._inverse_information.copy()
        if self.robust:
            inner = cluster_sandwich(inner, scores_by_cluster(self.data, self.model, self.fit))
        lost = self.held | self.undetermined
        inner[lost], inner[:, lost] = np.nan, np.nan
        return self.if_converged(inner * np.outer(self.units[0], self.units[0]))

    @cached_property
    def _inverse_information(self) -> np.ndarray:
        # The barrier is steep across the boundary: beside it all other directions look flat.
        invert = np.linalg.inv if self.fit.is_on_boundary else inverse_on_curved
        return 2.0 * invert(self.fit.hessian)

    @property
    def held(self) -> np.ndarray:
        """Parameters that a bound holds where they are: no variance is left to them, shape (m,)."""
        return self.fit.is_on_boundary & (np.diag(self._inverse_information) < HELD_VARIANCE)

    @property
    def undetermined(self) -> np.ndarray:
        """Parameters that can change together unseen by the likelihood, shape (m,) of bool."""
        return (not self.fit.is_on_boundary) & without_curvature(self.fit.hessian)

    @checked
    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the estimates: inverse observed information, or the sandwich."""
        names = self.model.names
        return pd.DataFrame(self.cov, index=names, columns=names)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors: from the observed information, or cluster-robust."""
        return pd.Series(np.sqrt(np.diag(self.cov)), self.params.index)

    @property
    def df(self) -> pd.Series:
        """Degrees of freedom of the tests: infinite, they are z-tests."""
        return pd.Series(np.inf, index=self.params.index, name="df")

    # ----------------------------------------------------------------------------------- matrices

    @cached_property
    def elements(self) -> dict:
        """From (level, left, right, position, group) to the estimate and its parameter's number."""
        out = {}
        for group, at in zip(self.groups, self.model.index, strict=True):
            for key, number in zip(elements(self.variables, self.model.positions), at, strict=True):
                out[(*key, group)] = (float(self.params.iloc[number]), int(number))
        return out

    @cached_property
    def by_group(self) -> tuple:
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
        return {
            (g, at) if self.model.positions else g: self._labelled(matrix)
            for g, (_, within, _) in zip(self.groups, self.by_group, strict=True)
            for at, matrix in zip(self.model.positions or (None,), within, strict=True)
        }

    @cached_property
    def between(self) -> dict:
        """Covariance matrix between clusters of each group."""
        return {g: self._labelled(b) for g, (*_, b) in zip(self.groups, self.by_group, strict=True)}

    @cached_property
    def means(self) -> pd.DataFrame:
        """Means: a row a group (with positions, a group and a position), a column a variable."""
        rows = np.concatenate([mu for mu, *_ in self.by_group])
        index = pd.Index(self.groups, name=self.data.group)
        if self.model.positions:
            names = [self.data.group, self.data.position]
            index = pd.MultiIndex.from_product([self.groups, self.model.positions], names=names)
        return pd.DataFrame(rows, index=index, columns=list(self.variables))

    @checked
    def implied(self, group: str | None = None, n: int = 2) -> pd.DataFrame:
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
        k = self.group_number(group)
        _, within, between = self.by_group[k]
        cells = self._cells(n)
        p, names = len(self.variables), self._wide_names(len(cells))
        V = np.kron(np.ones((len(cells),) * 2), between)
        for i, c in enumerate(cells):
            V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[c]
        return pd.DataFrame(V, index=names, columns=names)

    @checked
    def implied_mean(self, group: str | None = None, n: int = 2) -> pd.Series:
        """Means of the wide format: as :meth:`implied`, shape (p n,)."""
        mu = self.by_group[self.group_number(group)][0]
        cells = self._cells(n)
        return pd.Series(mu[cells].ravel(), index=self._wide_names(len(cells)))

    def _cells(self, n: int) -> list[int]:
        if self.model.positions:
            return list(range(len(self.model.positions)))
        return [0] * whole("n", n, 1)

    def _wide_names(self, n: int) -> list[str]:
        return [f"{name}_{i + 1}" for i in range(n) for name in self.variables]

    def group_number(self, group) -> int:
        """Place of a group; it need not be named if there is one."""
        if group is None and len(self.groups) == 1:
            return 0
        if group not in self.groups:
            raise ModelError(f"There is no group {group!r}; the groups are {list(self.groups)}.")
        return self.groups.index(group)
