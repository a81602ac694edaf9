"""The global minimum of the mixed model's deviance, on the boundary too.

Parametrised by Lambda the deviance is smooth, but a Lambda of deficient rank is always a stationary
point: a search can stop there although a larger rank would be better. Whether it is a true minimum
shows in the derivative by Psi, which must have no negative eigenvalue there (the Karush-Kuhn-Tucker
condition on the cone of covariance matrices). Where it has one, its eigenvector says in which
direction to leave the boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mlteach.core.optim import OptRecord, minimize
from mlteach.mixed.deviance import ProfiledDeviance

# Relative variances tried before the search: the fit starts in the best valley, not the nearest.
START_RATIOS = 10.0 ** np.arange(-4.0, 10.0, 0.5)
VALLEY = 10.0 ** np.linspace(-0.5, 0.5, 21)


def global_minimum(problem: ProfiledDeviance) -> OptRecord:
    """Minimise the deviance over all covariance matrices, singular ones included.

    Returns
    -------
    OptRecord
        Of the best run; ``n_eval`` counts the evaluations of all runs.
    """
    runs = [_settle(problem, minimize(problem, start)) for start in _starts(problem)]
    best = min(runs, key=lambda run: run.f_end)
    return replace(best, n_eval=sum(run.n_eval for run in runs))


def _starts(problem: ProfiledDeviance) -> list[np.ndarray]:
    """Valleys of the deviance along Psi proportional to the size of the data's own Z'Z."""
    per_row = np.einsum("jab,jab->b", problem.moments.R, problem.moments.R) / problem.moments.N
    psi = 1.0 / np.maximum(per_row, 1e-300)
    values = problem.along_ray(psi, START_RATIOS)
    padded = np.concatenate([[np.inf], values, [np.inf]])
    valleys = START_RATIOS[(padded[1:-1] <= padded[:-2]) & (padded[1:-1] < padded[2:])]
    direction = problem.map.theta(np.diag(np.sqrt(psi)))
    # A closer look at each: a start that is near saves Newton steps, which cost more.
    close = np.multiply.outer(valleys, VALLEY)
    bottoms = [ratios[np.argmin(problem.along_ray(psi, ratios))] for ratios in close]
    return [np.sqrt(bottom) * direction for bottom in bottoms]


def _settle(problem: ProfiledDeviance, record: OptRecord) -> OptRecord:
    """Leave false optima on the boundary, then snap what is zero to exactly zero."""
    for _ in range(10):
        record = _snap(problem, record)
        better = _escape(problem, record)
        if better is None:
            return record
        run = minimize(problem, better)
        if run.f_end > record.f_end - 1e-10:
            return record
        record = replace(run, n_eval=run.n_eval + record.n_eval)
    return record


def _escape(problem: ProfiledDeviance, record: OptRecord) -> np.ndarray | None:
    """A better theta off the boundary, or None if the boundary is where the minimum is."""
    state, map_ = problem.state(record.end), problem.map
    found = off_boundary(
        lambda psi: problem.value_and_gradient(map_.theta_from_psi(psi))[0],
        state.Psi, state.by_psi, state.P.sum(axis=0), map_.blocks, record.f_end,
    )  # fmt: skip
    return None if found is None else map_.theta_from_psi(found)


def off_boundary(
    deviance: Callable[[np.ndarray], float],
    psi: np.ndarray,
    by_psi: np.ndarray,
    size: np.ndarray,
    blocks: Sequence[Sequence[int]],
    value: float,
) -> np.ndarray | None:
    """A covariance matrix with a lower deviance than one at which a search stands still.

    Parameters
    ----------
    deviance : callable
        Of a covariance matrix, in the units of ``psi``.
    psi, by_psi : ndarray, shape (q, q)
        Where the search stands, and the derivative of the deviance there.
    size : ndarray, shape (q, q)
        What ``by_psi`` is a small difference of: it says what is rounding.
    blocks : sequence of sequences of int
        Effects among which a direction of more variance may be looked for.
    value : float
        The deviance at ``psi``.

    Returns
    -------
    ndarray, shape (q, q), or None
    """
    best, found = value - 1e-9, None
    for block in blocks:
        at = np.ix_(block, block)
        values, vectors = np.linalg.eigh(by_psi[at])
        if values[0] >= -1e-8 * np.abs(size[at]).max():
            continue
        w = np.zeros(len(psi))
        w[list(block)] = vectors[:, 0]
        for step in 10.0 ** np.arange(-10.0, 3.0):
            candidate = psi + step * np.outer(w, w)
            new = deviance(candidate)
            if new < best:
                best, found = new, candidate
    return found


def _snap(problem: ProfiledDeviance, record: OptRecord) -> OptRecord:
    """Set directions of almost no variance to exactly none, if the deviance does not mind."""
    Lambda = problem.map.Lambda(record.end)
    Lambda *= np.where(np.diag(Lambda) < 0, -1.0, 1.0)  # the same Psi
    Psi = Lambda @ Lambda.T
    snapped, zeroed = Psi.copy(), False
    for block in problem.map.blocks:
        at = np.ix_(block, block)
        values, vectors = np.linalg.eigh(Psi[at])
        tiny = values < max(1e-7, 1e-10 * values[-1])
        zeroed |= bool(tiny.any())
        snapped[at] = (vectors * np.where(tiny, 0.0, values)) @ vectors.T
    if zeroed:
        candidate = problem.map.theta_from_psi(snapped)
        candidate[np.abs(candidate) < 1e-12] = 0.0
        if problem.value_and_gradient(candidate)[0] <= record.f_end + 1e-9:
            run = minimize(problem, candidate, max_iter=20)
            return replace(run, n_eval=run.n_eval + record.n_eval)
    return replace(record, end=problem.map.theta(Lambda))
