"""The random effects of both functions as the sampler has them: order, blocks, natural units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE, LocationScaleDesign


@dataclass(frozen=True)
class Effects:
    """The random effects of both functions, scale effects first, and their units.

    Attributes
    ----------
    r, q : int
        Scale and location effects; d = r + q.
    names : tuple of str
        Scale effects first, as the tables name them.
    blocks : tuple of tuple of int
        Effects that vary together.
    unit : ndarray, shape (d,)
        Natural units, in the user's.
    to_rows : ndarray, shape (d, d)
        Block-diagonal: effects in the units of ``d.rows`` from effects in natural units.
    """

    r: int
    q: int
    names: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]
    unit: np.ndarray
    to_rows: np.ndarray

    @property
    def d(self) -> int:
        """Number of effects."""
        return self.r + self.q

    @property
    def mean_first(self) -> np.ndarray:
        """Positions of the effects in the order that is shown: location effects first."""
        return np.r_[self.r : self.d, 0 : self.r]

    @classmethod
    def of(cls, d: LocationScaleDesign, correlated: bool) -> Effects:
        """Effects of a design.

        Raises
        ------
        ModelError
            If effects are correlated across the functions but not within the mean function.
        """
        r, q = d.S.shape[1], d.mean.Z.shape[1]
        own = [*d.s_blocks, *(tuple(r + k for k in block) for block in d.mean.blocks)]
        joint = correlated and r > 0
        if joint and len(own) > 2:
            raise ModelError(
                "One function has uncorrelated random effects; effects that correlate with those "
                "of the other function must correlate with each other. Put them in one term, such "
                "as (1 + x | school), or use association=False."
            )
        blocks = (tuple(range(r + q)),) if joint else tuple(b for b in own if b)
        unit = np.concatenate([1.0 / _size(d.S), d.mean.y.std() / _size(d.mean.Z)])
        to_user = block_diag(d.T_s, d.scaling.scale * d.scaling.T)
        names = (*(SCALE + name for name in d.s_names), *d.mean.z_names)
        return cls(r, q, names, blocks, unit, np.linalg.solve(to_user, np.diag(unit)))

    def block_of(self, a: int, b: int) -> tuple[int, ...]:
        """The effects with which a and b vary together."""
        return next(block for block in self.blocks if a in block and b in block)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Free elements of L, row by row within blocks."""
        return [
            (a, b) for block in self.blocks for i, a in enumerate(block) for b in block[: i + 1]
        ]

    def entries(self, xp, free) -> dict[tuple[int, int], Any]:
        """Entries of L from free numbers (..., m), one for each of :attr:`places`.

        Row i of L is sd_i (y, 1) / sqrt(1 + |y|^2) with y = sinh z: log sd_i takes the place of the
        diagonal, z of what is left of it. Where sd_i is near zero z is free, as the correlations
        are. Of two effects tanh z is the correlation; y itself would have tails as heavy as a t
        distribution's, in which a sampler gets stuck.
        """
        L, k = {}, 0
        for block in self.blocks:
            for i, a in enumerate(block):
                y, sd = [xp.sinh(free[..., k + m]) for m in range(i)], xp.exp(free[..., k + i])
                corner = sd * (1.0 + sum(x * x for x in y)) ** -0.5
                L |= {(a, b): x * corner for b, x in zip(block[:i], y, strict=True)}
                L[a, a] = corner
                k += i + 1
        return L

    def log_jacobian(self, xp, L) -> Any:
        """Log determinant of the derivative of L by its free numbers.

        It is the sum of i log L_ii, and of log cosh z for what is left of the diagonal.
        """
        out = 0.0
        for block in self.blocks:
            for i, a in enumerate(block):
                out = out + (i + 1.0) * xp.log(L[a, a])
                out = out + 0.5 * sum(xp.log1p((L[a, b] / L[a, a]) ** 2) for b in block[:i])
        return out

    def factors(self, free: np.ndarray) -> np.ndarray:
        """L (S, d, d) from its free numbers (S, m)."""
        return self.filled(self.entries(np, free))

    def filled(self, entries: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
        """L (..., d, d) from its entries (...)."""
        L = np.zeros((*entries[0, 0].shape, self.d, self.d))
        for place, values in entries.items():
            L[..., *place] = values
        return L

    def entries_in_rows(self, L: dict[tuple[int, int], Any]) -> list[list[Any]]:
        """Entries of ``to_rows L``, for L given by its free entries."""

        def entry(row: np.ndarray, b: int) -> Any:
            return sum(x * L[k, b] for k, x in enumerate(row) if x and (k, b) in L)

        return [[entry(row, b) for b in range(self.d)] for row in self.to_rows]


def _size(columns: np.ndarray) -> np.ndarray:
    """Standard deviations of columns; the size of the value where a column is constant."""
    sd, level = columns.std(axis=0), np.abs(columns).max(axis=0, initial=0.0)
    return np.where(sd > 1e-12 * level, sd, level)
