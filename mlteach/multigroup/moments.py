"""What the likelihood of a group needs of its rows: sums by cluster and class.

Rows of a group come in classes r: same *cell* (the group, or one position in it, with a mean and a
Within of its own) and the same variables observed. Clusters with the same rows n_jr of each class
are of one *type*. The quadratic form needs only the second moments of their sums, so many clusters
of a type are replaced by a few *units* that have the same second moments: their mean, and the rows
of the triangular factor of the deviations from it. Most clusters have few of the classes; a *piece*
is a unit's share in one that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlteach.core.patterns import numbered, patterns_of

# Clusters for each unit that would take their place, from which on that saves time.
MANY = 4


@dataclass(frozen=True)
class GroupMoments:
    """Statistics of one group: R classes, T types, U units, K pieces, C cells.

    Attributes
    ----------
    cell : ndarray of int, shape (R,)
        Cell of each class.
    observed : ndarray of bool, shape (R, p)
    rows : ndarray, shape (R,)
    scatter : ndarray, shape (R, p, p)
        Cross-products of the deviations from the mean of the class in each cluster.
    count : ndarray, shape (T,)
        Clusters of the type.
    type, weight : ndarray, shape (U,)
        Type of each unit, in ascending order, and how often the unit counts.
    unit, klass : ndarray of int, shape (K,)
        Of each piece; sorted by class.
    n : ndarray, shape (K,)
        Rows that a cluster of the unit's type has in the class.
    coefficient : ndarray, shape (K, k)
        How many times mu is in the sums; with predictors of the means, sums of these, the first 1.
    sums : ndarray, shape (K, p)
        Sums of y over the rows of the class.
    """

    cell: np.ndarray
    observed: np.ndarray
    rows: np.ndarray
    scatter: np.ndarray
    count: np.ndarray
    type: np.ndarray
    weight: np.ndarray
    unit: np.ndarray
    klass: np.ndarray
    n: np.ndarray
    coefficient: np.ndarray
    sums: np.ndarray

    @property
    def p(self) -> int:
        """Number of variables."""
        return self.observed.shape[1]

    @property
    def k(self) -> int:
        """Number of predictors of the means, the constant included."""
        return self.coefficient.shape[1]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.cell.max()) + 1


def group_moments(
    Y: np.ndarray, codes: np.ndarray, cells: np.ndarray, predictors: np.ndarray | None = None
) -> GroupMoments:
    """Reduce the rows of one group to their statistics.

    Parameters
    ----------
    Y : ndarray, shape (N, p)
        NaN where missing; every row has a value. Best centred and scaled.
    codes : ndarray of int, shape (N,)
        Cluster of each row, 0 ... J - 1.
    cells : ndarray of int, shape (N,)
        Cell of each row, 0 ... C - 1.
    predictors : ndarray, shape (J, k - 1), optional
        What the means depend on beside a constant.
    """
    here = ~np.isnan(Y)
    cell, observed, klass = classes(here, cells)
    R = len(cell)
    pairs, at = numbered(codes * R + klass)
    n = np.bincount(at).astype(float)
    filled = np.where(here, Y, 0.0)
    sums = np.stack([np.bincount(at, y, len(n)) for y in filled.T], axis=1)
    deviation = np.where(here, filled - (sums / n[:, None])[at], 0.0)
    if predictors is not None:
        sums = np.hstack([sums, n[:, None] * predictors[pairs // R]])
    *units, times, sums = _units(pairs // R, pairs % R, n, sums)
    p, rows = Y.shape[1], np.bincount(klass, minlength=R).astype(float)
    units += [np.column_stack([times, sums[:, p:]]), sums[:, :p]]
    return GroupMoments(cell, observed, rows, scatters(deviation, klass, R), *units)


def classes(here: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell (R,) and observed variables (R, p) of each class, and the class of each row (N,)."""
    masks, pattern = patterns_of(here)
    kinds, klass = numbered(cells * len(masks) + pattern)
    return kinds // len(masks), masks[kinds % len(masks)], klass


def scatters(deviation: np.ndarray, klass: np.ndarray, R: int) -> np.ndarray:
    """Cross-products of the rows of each class, shape (R, p, p)."""
    if R == 1:
        return (deviation.T @ deviation)[None]
    order = np.argsort(klass, kind="stable")
    ends = np.searchsorted(klass[order], np.arange(R + 1))
    parts = (deviation[order[a:b]] for a, b in pairwise(ends))
    return np.stack([part.T @ part for part in parts])


def _units(cluster, klass, n, sums) -> tuple[np.ndarray, ...]:
    """From pieces of clusters, sorted by cluster, to types and units: the last 8 of the moments."""
    _, cluster = numbered(cluster)
    first = np.flatnonzero(np.diff(cluster, prepend=-1))
    width = np.diff(first, append=len(cluster))
    member, count = _types(klass, n, first, width)
    active = np.zeros(len(count), int)
    active[member] = width
    few = count <= MANY * (active * sums.shape[1] + 1)
    parts, units = [], 0
    if few.any():
        at = np.flatnonzero(few[member][cluster])
        alone, unit = numbered(cluster[at])
        units = len(alone)
        parts.append((member[alone], np.ones(units), unit, klass[at], n[at], n[at], sums[at]))
    for t in np.flatnonzero(~few):
        own = first[member == t][:, None] + np.arange(active[t])
        parts.append(_compressed(t, units, klass[own[0]], n[own[0]], sums[own]))
        units += len(parts[-1][0])
    return count.astype(float), *_joined(parts)


def _types(klass, n, first, width) -> tuple[np.ndarray, np.ndarray]:
    """Type of each cluster (J,), by comparing piece after piece; and how many have it (T,)."""
    member = np.zeros(len(first), int)
    for k in range(width.max()):
        has = np.flatnonzero(width > k)
        at = first[has] + k
        # A cluster that has no more pieces keeps a number that no other gets.
        # Numbered in between, where the numbers of triples would be too large.
        _, pair = numbered(member[has] * (klass.max() + 1) + klass[at])
        _, new = numbered(pair * (int(n.max()) + 1) + n[at].astype(int))
        member[has] = new + len(first) * (k + 1)
    _, member = numbered(member)
    return member, np.bincount(member)


def _compressed(t: int, before: int, klass: np.ndarray, n: np.ndarray, own: np.ndarray) -> tuple:
    """Few units, numbered on, with the second moments of many clusters (m, width, p) of a type."""
    m, width, p = own.shape
    centre = own.mean(axis=0)
    factor = np.linalg.qr((own - centre).reshape(m, -1), mode="r")
    U = 1 + len(factor)
    sums = np.concatenate([centre[None], factor.reshape(-1, width, p)]).reshape(-1, p)
    weight, coefficient = np.ones(U), np.zeros((U, width))
    weight[0], coefficient[0] = m, n
    unit = before + np.repeat(np.arange(U), width)
    tiled = np.tile(klass, U), np.tile(n, U)
    return np.full(U, t), weight, unit, *tiled, coefficient.ravel(), sums


def _joined(parts: list[tuple]) -> list[np.ndarray]:
    """Units one after another by type, pieces by class."""
    kind, weight, unit, klass, *rest = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(kind, kind="stable")
    place = np.argsort(order)
    by_class = np.lexsort((place[unit], klass))
    pieces = (part[by_class] for part in (place[unit], klass, *rest))
    return [kind[order], weight[order], *pieces]
