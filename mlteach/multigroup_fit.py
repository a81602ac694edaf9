"""The search for the maximum of the multigroup likelihood, with or without a bound on Between.

Without a bound Between may get negative eigenvalues: an estimate like another, which says that
cluster means differ less than sampling within clusters makes them differ. With the bound it stays
positive semidefinite: the deviance gets a barrier, ``-kappa log|Between|`` for each matrix, which
is lowered until it changes nothing that can be seen. That works for every pattern of equal
elements, where a Cholesky factor would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlteach.multigroup_data import MultigroupData
from mlteach.multigroup_deviance import GroupDeviance, MultigroupDeviance
from mlteach.multigroup_model import MultigroupModel
from mlteach.optim import OptRecord, minimize

# Weights of the barrier in turn. At the last one the deviance is above that of the bound itself by
# less than 1e-7 for each dimension of Between.
BARRIERS = (1.0, 1e-2, 1e-4, 1e-6, 1e-8)
# An eigenvalue of Between below this part of the scaled variance lies on the boundary.
ZERO = 1e-5


@dataclass(frozen=True)
class MultigroupFit:
    """The end of the search, in scaled units.

    Attributes
    ----------
    theta : ndarray, shape (m,)
    hessian : ndarray, shape (m, m)
        Of the deviance without the barrier.
    record : OptRecord
    deviance : MultigroupDeviance
    at_bound : ndarray of bool, shape (m,)
        Parameters of a Between matrix that the bound holds.
    """

    theta: np.ndarray
    hessian: np.ndarray
    record: OptRecord
    deviance: MultigroupDeviance
    at_bound: np.ndarray


def fit_scaled(data: MultigroupData, model: MultigroupModel, bounded: bool) -> MultigroupFit:
    """Find the maximum.

    Parameters
    ----------
    data : MultigroupData
    model : MultigroupModel
    bounded : bool
        Keep every Between matrix positive semidefinite.

    Returns
    -------
    MultigroupFit
    """
    groups = [GroupDeviance(moments) for moments in data.moments()]
    objective = MultigroupDeviance(groups, model.index)
    start = start_values(model, groups)
    record = minimize(objective, start)
    at_bound = np.zeros(objective.size, bool)
    if bounded and _smallest(objective, record.end) < 0:
        record = _within_bound(objective, start)
        at_bound = _held(objective, record.end)
    return MultigroupFit(record.end, objective.hessian(record.end), record, objective, at_bound)


def start_values(model: MultigroupModel, groups: Sequence[GroupDeviance]) -> np.ndarray:
    """Means, and mean squares within and between clusters, averaged where they are equal."""
    size = 1 + max(int(at.max()) for at in model.index)
    total, weight = np.zeros(size), np.zeros(size)
    for group, at in zip(groups, model.index, strict=True):
        rows = group.moments.rows.sum()
        np.add.at(total, at, rows * _own_start(group))
        np.add.at(weight, at, rows)
    return total / weight


def _own_start(group: GroupDeviance) -> np.ndarray:
    """Mean squares from the sums of rows and of clusters; exact where nothing is missing."""
    mom = group.moments
    seen = mom.rows[:, None] * mom.observed
    mu = np.zeros((mom.cells, mom.p))
    for c in range(mom.cells):
        own = mom.cell == c
        mu[c] = (seen[own] * mom.mean[own]).sum(axis=0) / np.maximum(seen[own].sum(axis=0), 1.0)
    n = mom.n @ mom.observed
    gap = mom.sums - mom.coefficient[..., None] * mu[mom.cell]
    gap = np.where(mom.observed, gap, 0.0).sum(axis=1)
    gap /= np.sqrt(np.maximum(n, 1.0))[mom.type]
    between = gap.T @ (mom.weight[:, None] * gap)
    inside = group.scatter(mu).sum(axis=0) - between
    J = (mom.count[:, None] * (n > 0)).sum(axis=0)
    N = seen.sum(axis=0)
    within = _positive(inside / np.sqrt(np.outer(*(np.maximum(N - J, 1.0),) * 2)))
    size = np.sqrt(np.outer(N / J, N / J))
    between = _positive((between / np.sqrt(np.outer(J, J)) - within) / size)
    at = (group.rows, group.cols)
    return np.concatenate([mu.ravel(), np.tile(within[at], mom.cells), between[at]])


def _positive(S: np.ndarray) -> np.ndarray:
    """The nearest matrix whose eigenvalues are not below a hundredth of the mean variance."""
    values, vectors = np.linalg.eigh(S)
    floor = 0.01 * max(float(np.trace(S)) / len(S), 0.1)
    return (vectors * np.maximum(values, floor)) @ vectors.T


# -------------------------------------------------------------------------------------------- bound


class _Barrier:
    """The deviance plus ``-kappa log|Between|`` for each group's matrix."""

    def __init__(self, deviance: MultigroupDeviance, kappa: float) -> None:
        self.deviance, self.kappa = deviance, kappa
        group = deviance.groups[0]
        p = group.moments.p
        self.rows, self.cols = group.rows, group.cols
        self.basis = np.zeros((group.m, p, p))
        self.basis[np.arange(group.m), group.rows, group.cols] = 1.0
        self.basis[np.arange(group.m), group.cols, group.rows] = 1.0

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.deviance.value_and_gradient(theta)
        for at, between in _betweens(self.deviance, theta):
            if np.linalg.eigvalsh(between)[0] <= 0:
                return np.inf, np.zeros_like(theta)
            value -= self.kappa * np.linalg.slogdet(between)[1]
            by = np.tensordot(self.basis, np.linalg.inv(between))
            np.add.at(gradient, at, -self.kappa * by)
        return value, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        out = self.deviance.hessian(theta)
        for at, between in _betweens(self.deviance, theta):
            moved = np.linalg.solve(between, self.basis)
            by = self.kappa * np.einsum("mab,lba->ml", moved, moved)
            np.add.at(out, (at[:, None], at), by)
        return out


def _betweens(deviance: MultigroupDeviance, theta: np.ndarray):
    """Where each Between matrix stands among the parameters, and the matrix."""
    for group, at in zip(deviance.groups, deviance.index, strict=True):
        yield at[-group.m :], group.unpack(theta[at])[2]


def _smallest(deviance: MultigroupDeviance, theta: np.ndarray) -> float:
    return min(float(np.linalg.eigvalsh(between)[0]) for _, between in _betweens(deviance, theta))


def _within_bound(deviance: MultigroupDeviance, start: np.ndarray) -> OptRecord:
    for kappa in BARRIERS:
        record = minimize(_Barrier(deviance, kappa), start)
        start = record.end
    return record


def _held(deviance: MultigroupDeviance, theta: np.ndarray) -> np.ndarray:
    held = np.zeros(deviance.size, bool)
    for at, between in _betweens(deviance, theta):
        if np.linalg.eigvalsh(between)[0] < ZERO:
            held[at] = True
    return held
