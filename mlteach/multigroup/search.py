"""The search for the maximum of the multigroup likelihood, with or without a bound on Between.

Without a bound Between may get negative eigenvalues: an estimate like another, which says that
cluster means differ less than sampling within clusters makes them differ. With the bound it stays
positive semidefinite: the deviance gets a barrier, ``-kappa log|Between|`` for each matrix, which
is lowered until it changes nothing that can be seen. That works for every pattern of equal
elements, where a Cholesky factor would not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlteach.core.optim import Along, Objective, OptRecord, minimize
from mlteach.core.progress import Progress
from mlteach.multigroup.design import MultigroupData
from mlteach.multigroup.deviance import GroupDeviance, MultigroupDeviance
from mlteach.multigroup.model import MultigroupModel
from mlteach.multigroup.moments import group_moments

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
        Of the deviance; on the boundary with the barrier, whose curvature there is that of the
        boundary itself.
    record : OptRecord
    deviance : MultigroupDeviance
    is_on_boundary : bool
        Whether a Between matrix is singular because the bound holds it.
    """

    theta: np.ndarray
    hessian: np.ndarray
    record: OptRecord
    deviance: MultigroupDeviance
    is_on_boundary: bool


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
    groups = [GroupDeviance(group_moments(*part[:3])) for part in data.parts]
    objective = deviance = MultigroupDeviance(groups, model.index)
    start = start_values(deviance, model)
    patterns = max(len(group.moments.rows) for group in groups)
    with Progress(f"multigroup, {patterns:,} patterns") as bar:
        record = _minimum(deviance, start, bar)
        if bounded and _smallest(deviance, record.end) < 0:
            for kappa in BARRIERS:
                objective = Barrier(deviance, kappa)
                record = _minimum(objective, start, bar)
                start = record.end
        on_boundary = objective is not deviance and _smallest(deviance, record.end) < ZERO
        hessian = objective.hessian(record.end)
    return MultigroupFit(record.end, hessian, record, deviance, on_boundary)


def _minimum(objective: Objective, start: np.ndarray, bar: Progress) -> OptRecord:
    """Search with each parameter in units of its own curvature.

    Where almost all variance lies on one level the parameters of the levels differ by orders of
    magnitude.
    """
    diagonal = np.abs(np.diag(objective.hessian(start)))
    unit = 1.0 / np.sqrt(np.maximum(diagonal, 1e-12 * diagonal.max()))
    record = minimize(Along(objective, np.diag(unit), bar=bar), start / unit)
    trace = [(theta * unit, value) for theta, value in record.trace]
    return replace(record, start=start, end=record.end * unit, trace=trace)


def start_values(deviance: MultigroupDeviance, model: MultigroupModel) -> np.ndarray:
    """Means, and mean squares within and between clusters, averaged where they are equal."""
    total, weight = np.zeros(deviance.size), np.zeros(deviance.size)
    for group, at in zip(deviance.groups, deviance.index, strict=True):
        rows = group.moments.rows.sum()
        np.add.at(total, at, rows * own_start(group))
        np.add.at(weight, at, rows)
    start = total / weight
    covariance = np.array([key[0] != "mean" and key[1] != key[2] for key in model.keys])
    # Single equal elements of different groups need not fit together: then without covariances.
    for share in (1.0, 0.5, 0.0):
        candidate = np.where(covariance, share * start, start)
        if np.isfinite(deviance.value_and_gradient(candidate)[0]):
            return candidate
    return candidate


def own_start(group: GroupDeviance) -> np.ndarray:
    """Mean squares from the sums of rows and of clusters; exact where nothing is missing.

    Predictors of the means start at no effect.
    """
    mom = group.moments
    times = mom.coefficient[:, :1]
    seen, here = mom.rows[:, None] * mom.observed, mom.observed[mom.klass]
    weight, of_cell = mom.weight[mom.unit], mom.cell[mom.klass]
    sums, known = np.zeros((mom.cells, mom.p)), np.zeros((mom.cells, mom.p))
    np.add.at(sums, of_cell, weight[:, None] * (times > 0) * mom.sums)
    np.add.at(known, mom.cell, seen)
    mu = sums / np.maximum(known, 1.0)
    gap = here * (mom.sums - times * mu[of_cell])
    n = group.by_type @ mom.observed.astype(float)
    total = (group.by_unit @ gap) / np.maximum(n, 1.0)[mom.type]
    # Rows of a class around the mean of their cluster: around that of the class, and its own.
    apart = here * (gap / mom.n[:, None] - total[mom.unit])
    weighted = np.sqrt(weight * mom.n)[:, None] * apart
    inside = mom.scatter.sum(axis=0) + weighted.T @ weighted
    J = (mom.count[:, None] * (n > 0)).sum(axis=0)
    spare = np.maximum(seen.sum(axis=0) - J, 1.0)
    within = _positive(inside / np.sqrt(np.outer(spare, spare)), np.eye(mom.p) * 1e-6)
    weighted = np.sqrt(mom.weight[:, None]) * total
    typical = np.sqrt(np.outer(*(J / seen.sum(axis=0),) * 2))
    between = weighted.T @ weighted / np.sqrt(np.outer(J, J)) - within * typical
    between = _positive(between, 0.02 * typical * within)
    at = (group.rows, group.cols)
    means = np.zeros((mom.cells, mom.k, mom.p))
    means[:, 0] = mu
    return np.concatenate([means.ravel(), np.tile(within[at], mom.cells), between[at]])


def _positive(S: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """The nearest matrix, in the metric of the floor, that is not below it in any direction."""
    root = np.linalg.cholesky(floor)
    inner = np.linalg.solve(root, np.linalg.solve(root, S).T)
    values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
    if values[0] >= 1.0:
        return S
    half = root @ vectors * np.sqrt(np.maximum(values, 1.0))
    return half @ half.T


# -------------------------------------------------------------------------------------------- bound


class Barrier:
    """The deviance plus ``-kappa log|Between|`` for each group's matrix."""

    def __init__(self, deviance: MultigroupDeviance, kappa: float) -> None:
        self.deviance, self.kappa, self.basis = deviance, kappa, deviance.groups[0].basis

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Both; infinite outside of the cone too."""
        value, gradient = self.deviance.value_and_gradient(theta)
        for at, between in _betweens(self.deviance, theta):
            if np.linalg.eigvalsh(between)[0] <= 0:
                return np.inf, np.zeros_like(theta)
            value -= self.kappa * np.linalg.slogdet(between)[1]
            by = np.tensordot(self.basis, np.linalg.inv(between))
            np.add.at(gradient, at, -self.kappa * by)
        return value, gradient

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives, shape (size, size)."""
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
