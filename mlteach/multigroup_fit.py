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
    start = start_values(data, model, groups)
    record = minimize(objective, start)
    at_bound = np.zeros(objective.size, bool)
    if bounded and _smallest(objective, record.end) < 0:
        record = _within_bound(objective, start)
        at_bound = _held(objective, record.end)
    return MultigroupFit(record.end, objective.hessian(record.end), record, objective, at_bound)


def start_values(
    data: MultigroupData, model: MultigroupModel, groups: Sequence[GroupDeviance]
) -> np.ndarray:
    """Means, and mean squares within and between clusters, averaged where they are equal."""
    size = 1 + max(int(at.max()) for at in model.index)
    total, weight = np.zeros(size), np.zeros(size)
    parts = zip(groups, model.index, data.Y, data.codes, data.cells, strict=True)
    for group, at, Y, codes, cells in parts:
        np.add.at(total, at, len(Y) * _own_start(group, Y, codes, cells))
        np.add.at(weight, at, len(Y))
    return total / weight


def _own_start(group: GroupDeviance, Y, codes, cells) -> np.ndarray:
    C, J = group.moments.cells, int(codes.max()) + 1
    here = ~np.isnan(Y)
    mu = np.zeros((C, Y.shape[1]))
    for c in range(C):
        own = here[cells == c]
        mu[c] = np.where(own, Y[cells == c], 0.0).sum(axis=0) / np.maximum(own.sum(axis=0), 1)
    left = np.where(here, Y - mu[cells], 0.0)
    n = np.stack([np.bincount(codes, column, J) for column in here.T], axis=1)
    means = np.stack([np.bincount(codes, column, J) for column in left.T], axis=1)
    means = np.divide(means, n, out=np.zeros_like(means), where=n > 0)
    inside = np.where(here, left - means[codes], 0.0)
    pairs = here.astype(float).T @ here - (n > 0).astype(float).T @ (n > 0)
    within = _positive(inside.T @ inside / np.maximum(pairs, 1.0))
    between = means.T @ means / np.maximum((n > 0).astype(float).T @ (n > 0), 1.0)
    typical = np.divide(
        (n > 0).sum(axis=0), np.divide(1.0, n, where=n > 0, out=0.0 * n).sum(axis=0)
    )
    between = _positive(between - within / np.sqrt(np.outer(typical, typical)))
    at = (group.rows, group.cols)
    return np.concatenate([mu.ravel(), np.tile(within[at], C), between[at]])


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
