"""Priors of the location-scale model, and the units in which they are stated.

The effects of a cluster, scale effects first, have Omega = L L' with L lower triangular. All kinds
of prior are densities of L, so that one sampler serves all:

* :class:`WeakPrior`: half-normal standard deviations, correlations after Lewandowski, Kurowicka and
  Joe (LKJ);
* :class:`InverseWishart`: p(Omega) ~ |Omega|^-(df + d + 1)/2 exp(-tr(S Omega^-1) / 2);
* :class:`FlatPrior`: p(Omega) ~ 1.

Effects are measured in natural units: a location effect in standard deviations of the outcome (a
standard deviation of its predictor), a scale effect on the log scale (a standard deviation of its).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE, LocationScaleDesign

# Degrees of freedom of t-distributed effects: gamma with this shape and rate (Juarez & Steel 2010).
NU_PRIOR = (2.0, 0.1)


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
        to_user = np.zeros((r + q, r + q))
        to_user[:r, :r], to_user[r:, r:] = d.T_s, d.scaling.scale * d.scaling.T
        names = (*(SCALE + name for name in d.s_names), *d.mean.z_names)
        return cls(
            r,
            q,
            names,
            tuple(b for b in blocks if b),
            unit,
            np.linalg.solve(to_user, np.diag(unit)),
        )

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
        L = np.zeros((len(free), self.d, self.d))
        for (a, b), values in self.entries(np, free).items():
            L[:, a, b] = values
        return L

    def entries_in_rows(self, L: dict[tuple[int, int], Any]) -> list[list[Any]]:
        """Entries of ``to_rows L``, for L given by its free entries."""
        every = range(self.d)
        return [
            [
                sum(
                    self.to_rows[a, k] * L[k, b]
                    for k in every
                    if self.to_rows[a, k] and (k, b) in L
                )
                for b in every
            ]
            for a in every
        ]


def _size(columns: np.ndarray) -> np.ndarray:
    """Standard deviations of columns; the size of the value where a column is constant."""
    sd, level = columns.std(axis=0), np.abs(columns).max(axis=0, initial=0.0)
    return np.where(sd > 1e-12 * level, sd, level)


@dataclass(frozen=True)
class WeakPrior:
    """Half-normal standard deviations and LKJ correlations, on the scale of the data.

    Parameters
    ----------
    mean_sd : float, default 1
        Scale of the half-normal for location effects: standard deviations of the outcome, for a
        slope by a standard deviation of its predictor.
    log_variance_sd : float, default 1
        The same for scale effects, on the log scale.
    lkj : float, default 2
        1 is uniform over correlation matrices, larger values favour small correlations.
    beta, alpha : float, default 10
        Standard deviation of the normal priors of the coefficients of standardised predictors, in
        residual standard deviations about least squares (beta), on the log scale (alpha): flat for
        all purposes. With the mean function's effects in the variance function, ``alpha`` is that
        of their coefficients too, per standard deviation of the outcome.
    between : float, default 1
        Standard deviation of the normal priors of level-2 functions, of a log variance or an atanh
        correlation per standard deviation of the predictor. At the mean of the predictors a
        standard deviation is half-normal, a correlation has the marginal LKJ distribution.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
    """

    mean_sd: float = 1.0
    log_variance_sd: float = 1.0
    lkj: float = 2.0
    beta: float = 10.0
    alpha: float = 10.0
    between: float = 1.0

    def sizes(self, effects: Effects) -> np.ndarray:
        """Scales of the half-normals in natural units, shape (d,)."""
        return np.repeat([self.log_variance_sd, self.mean_sd], [effects.r, effects.q])

    def log_density(self, xp, L, effects: Effects, block: tuple[int, ...]):
        """Log density of the elements of L (d, d), in natural units, of one block of effects.

        Row i of L is sd_i times row i of the factor of the correlation matrix: polar coordinates,
        with the Jacobian sd_i^-(i - 1) and the corner of the half sphere.
        """
        size, d, out = self.sizes(effects), len(block), 0.0
        for i, a in enumerate(block):
            sd2 = sum(L[a, b] ** 2 for b in block[: i + 1])
            out = out - 0.5 * sd2 / size[a] ** 2 - 0.5 * i * xp.log(sd2)
            if i:
                power = d - i - 1 + 2.0 * self.lkj - 1.0
                out = out + power * (xp.log(L[a, a]) - 0.5 * xp.log(sd2))
        return out

    def variance_density(self, effects: Effects, k: int, at: np.ndarray) -> np.ndarray:
        """Prior density of the variance of effect k, user's units, at values above zero."""
        size = self.sizes(effects)[k] * effects.unit[k]
        return np.exp(-0.5 * at / size**2) / np.sqrt(2.0 * np.pi * at) / size

    def correlation_density(self, effects: Effects, a: int, b: int, at: np.ndarray) -> np.ndarray:
        """Prior density of the correlation of effects a and b, at values within -1 and 1."""
        power = self.lkj - 2.0 + 0.5 * _block_of(effects, a, b)
        return _normalised(lambda rho: (1.0 - rho**2) ** power, at)

    def log_density_functions(self, xp, functions, effects: Effects, free):
        """Log density of the coefficients of level-2 functions (m,), in natural units.

        With a log variance theta, sd = exp(theta / 2) is half-normal; with z = atanh(rho) of a
        block of b effects, rho has the density (1 - rho^2)^(lkj - 2 + b / 2).
        """
        size, out, start = self.sizes(effects), 0.0, 0
        for k, (row, col) in enumerate(zip(functions.map.rows, functions.map.cols, strict=True)):
            constant = functions.standards[k].constant
            for c, level in enumerate(constant):
                x = free[start + c]
                if not level:
                    out = out - 0.5 * (x / self.between) ** 2
                elif row == col:
                    out = out + 0.5 * x / level - 0.5 * xp.exp(x / level) / size[row] ** 2
                else:
                    block = _block_of(effects, row, col)
                    # log(1 - rho^2) = -2 log cosh z
                    log_cosh = xp.logaddexp(x / level, -x / level) - np.log(2.0)
                    out = out - 2.0 * (self.lkj - 1.0 + 0.5 * block) * log_cosh
            start += len(constant)
        return out

    def draw(self, rng: np.random.Generator, effects: Effects, draws: int) -> np.ndarray:
        """Draws of Omega in natural units, scale effects first, shape (draws, d, d)."""
        out = np.zeros((draws, effects.d, effects.d))
        for block in effects.blocks:
            C = _lkj_factors(rng, len(block), self.lkj, draws)
            sd = np.abs(rng.standard_normal((draws, len(block)))) * self.sizes(effects)[list(block)]
            L = sd[:, :, None] * C
            out[np.ix_(range(draws), block, block)] = L @ L.transpose(0, 2, 1)
        return out


def _block_of(effects: Effects, a: int, b: int) -> int:
    """Number of effects that vary together with these two."""
    return next(len(block) for block in effects.blocks if a in block and b in block)


def _normalised(density, at: np.ndarray) -> np.ndarray:
    """A density of a correlation at some values, divided by its integral."""
    # With rho = sin(angle) densities that are infinite at one have a finite integrand.
    angle = 0.5 * np.pi * (2.0 * (np.arange(1000) + 0.5) / 1000 - 1.0)
    total = np.mean(density(np.sin(angle)) * np.cos(angle)) * np.pi
    return density(np.asarray(at, float)) / total


def _lkj_factors(rng: np.random.Generator, d: int, eta: float, draws: int) -> np.ndarray:
    """Cholesky factors of LKJ correlation matrices: rows of an onion (draws, d, d)."""
    C = np.zeros((draws, d, d))
    C[:, 0, 0] = 1.0
    for i in range(1, d):
        # Squared length of the part of row i off the diagonal, and its direction.
        radius2 = rng.beta(0.5 * i, eta + 0.5 * (d - 1 - i), draws)
        z = rng.standard_normal((draws, i))
        C[:, i, :i] = np.sqrt(radius2)[:, None] * z / np.linalg.norm(z, axis=1, keepdims=True)
        C[:, i, i] = np.sqrt(1.0 - radius2)
    return C


@dataclass(frozen=True)
class InverseWishart:
    """Inverse-Wishart prior of the covariance matrix of all effects.

    Parameters
    ----------
    scale : ndarray, shape (d, d)
        S, in the user's units, location effects first as in the tables. The prior mode of Omega is
        S / (df + d + 1).
    df : float, optional
        At least d; default d, the least informative proper prior.
    beta, alpha : float, default 10
        As in :class:`WeakPrior`.
    """

    scale: np.ndarray
    df: float | None = None
    beta: float = 10.0
    alpha: float = 10.0

    def natural(self, effects: Effects, block: tuple[int, ...]) -> tuple[np.ndarray, float]:
        """Scale matrix in natural units, scale effects first, and degrees of freedom of a block."""
        scale = np.asarray(self.scale, dtype=float)
        if scale.shape != (effects.d,) * 2:
            shown = ", ".join(effects.names[k] for k in effects.mean_first)
            raise ModelError(
                f"The inverse-Wishart prior has a scale matrix of shape {scale.shape}; the model "
                f"has {effects.d} random effects: {shown}."
            )
        if not np.allclose(scale, scale.T) or np.linalg.eigvalsh(scale)[0] <= 0:
            raise ModelError(
                "The scale matrix of the inverse-Wishart prior must be symmetric and positive "
                "definite."
            )
        df = len(block) if self.df is None else self.df
        if df < len(block):
            raise ModelError(
                f"The inverse-Wishart prior has {df} degrees of freedom for {len(block)} effects; "
                "at least as many are needed for a proper prior."
            )
        back = np.argsort(effects.mean_first)
        scale = scale[np.ix_(back, back)] / np.outer(effects.unit, effects.unit)
        return scale[np.ix_(block, block)], df

    def variance_density(self, effects: Effects, k: int, at: np.ndarray) -> np.ndarray:
        """See :meth:`WeakPrior.variance_density`: an inverse gamma density."""
        scale, df = self._marginal(effects, k, k)
        shape, rate = 0.5 * (df - 1.0), 0.5 * scale[0, 0] * effects.unit[k] ** 2
        log = shape * np.log(rate) - math.lgamma(shape) - (shape + 1.0) * np.log(at) - rate / at
        return np.exp(log)

    def correlation_density(self, effects: Effects, a: int, b: int, at: np.ndarray) -> np.ndarray:
        """See :meth:`WeakPrior.correlation_density`; the variances are integrated out.

        In polar coordinates of their inverse roots one angle is left, for a numerical integral.
        """
        scale, df = self._marginal(effects, a, b)
        r = scale[0, 1] / np.sqrt(scale[0, 0] * scale[1, 1])
        angle = np.sin(np.pi * (np.arange(500) + 0.5) / 500)

        def density(rho: np.ndarray) -> np.ndarray:
            inner = (angle / (1.0 - r * rho[:, None] * angle)) ** df / angle
            return (1.0 - rho**2) ** (0.5 * (df - 3.0)) * inner.mean(axis=1)

        return _normalised(density, at)

    def _marginal(self, effects: Effects, a: int, b: int) -> tuple[np.ndarray, float]:
        """Scale matrix and degrees of freedom of two effects of one block, natural units."""
        block = next(block for block in effects.blocks if a in block and b in block)
        scale, df = self.natural(effects, block)
        at = [block.index(a), block.index(b)]
        return scale[np.ix_(at, at)], df - len(block) + 2.0

    def log_density(self, xp, L, effects: Effects, block: tuple[int, ...]):
        """See :meth:`WeakPrior.log_density`; the Jacobian from Omega is 2^d prod L_ii^(d - i + 1).

        The trace of S Omega^-1 is the squared length of L^-1 B, with S = B B'.
        """
        scale, df = self.natural(effects, block)
        root = np.linalg.cholesky(scale)
        out, solved = 0.0, []
        for i, a in enumerate(block):
            row = [
                (
                    root[i, k]
                    - sum(L[a, b] * solved[m][k] for m, b in enumerate(block[:i]) if m >= k)
                )
                / L[a, a]
                for k in range(i + 1)
            ]
            solved.append(row)
            out = out - 0.5 * sum(x * x for x in row) - (df + i + 1) * xp.log(L[a, a])
        return out

    def draw(self, rng: np.random.Generator, effects: Effects, draws: int) -> np.ndarray:
        """See :meth:`WeakPrior.draw`."""
        from scipy import stats

        out = np.zeros((draws, effects.d, effects.d))
        for block in effects.blocks:
            scale, df = self.natural(effects, block)
            sample = stats.invwishart(df, scale).rvs(draws, random_state=rng)
            out[np.ix_(range(draws), block, block)] = sample.reshape(draws, len(block), len(block))
        return out


@dataclass(frozen=True)
class FlatPrior:
    """Every covariance matrix of the effects as likely as any other: p(Omega) ~ 1.

    No distribution, since its integral is infinite; the posterior is one. It seems to say nothing,
    but holds that a variance is larger than any that one can name: with few clusters, or where they
    say little about a variance, its posterior mean is far above other estimates.

    Parameters
    ----------
    beta, alpha : float, default 10
        As in :class:`WeakPrior`.

    References
    ----------
    Browne (2006), Computational Statistics & Data Analysis 50(7), 1655-1677.
    """

    beta: float = 10.0
    alpha: float = 10.0

    def log_density(self, xp, L, effects: Effects, block: tuple[int, ...]):
        """See :meth:`InverseWishart.log_density`; what is left is the Jacobian."""
        return sum((len(block) - i) * xp.log(L[a, a]) for i, a in enumerate(block))

    @staticmethod
    def check(effects: Effects, clusters: int) -> None:
        """Raise ModelError if the clusters are too few for posterior means to exist.

        Given the effects Omega is inverse-Wishart with J - d - 1 degrees of freedom, which has a
        mean if they are more than d + 1.
        """
        d = max(map(len, effects.blocks), default=0)
        if clusters <= 2 * d + 2:
            raise ModelError(
                f"prior='flat' needs more than {2 * d + 2} clusters for {d} random effects; there "
                f"are {clusters}. Use prior='weak'."
            )


Prior = WeakPrior | InverseWishart | FlatPrior
