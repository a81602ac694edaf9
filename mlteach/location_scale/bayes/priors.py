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

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects

# Degrees of freedom of t-distributed effects: gamma with this shape and rate (Juarez & Steel 2010).
NU_PRIOR = (2.0, 0.1)


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
        return stats.gamma.pdf(at, 0.5, scale=2.0 * size**2)

    def correlation_density(self, effects: Effects, a: int, b: int, at: np.ndarray) -> np.ndarray:
        """Prior density of the correlation of effects a and b, at values within -1 and 1."""
        power = self.lkj - 2.0 + 0.5 * len(effects.block_of(a, b))
        return _normalised(lambda rho: (1.0 - rho**2) ** power, at)

    def log_density_functions(self, xp, functions, effects: Effects, free):
        """Log density of the coefficients of level-2 functions (m,), in natural units.

        With a log variance theta, sd = exp(theta / 2) is half-normal; with z = atanh(rho) of a
        block of b effects, rho has the density (1 - rho^2)^(lkj - 2 + b / 2).
        """
        size, out, map_ = self.sizes(effects), 0.0, functions.map
        parts = zip(map_.rows, map_.cols, functions.standards, map_.pieces(free), strict=True)
        for row, col, standard, part in parts:
            for c, level in enumerate(standard.constant):
                x = part[c]
                if not level:
                    out = out - 0.5 * (x / self.between) ** 2
                elif row == col:
                    out = out + 0.5 * x / level - 0.5 * xp.exp(x / level) / size[row] ** 2
                else:
                    block = len(effects.block_of(row, col))
                    # log(1 - rho^2) = -2 log cosh z
                    log_cosh = xp.logaddexp(x / level, -x / level) - np.log(2.0)
                    out = out - 2.0 * (self.lkj - 1.0 + 0.5 * block) * log_cosh
        return out


def _normalised(density, at: np.ndarray) -> np.ndarray:
    """A density of a correlation at some values, divided by its integral."""
    # With rho = sin(angle) densities that are infinite at one have a finite integrand.
    angle = 0.5 * np.pi * (2.0 * (np.arange(1000) + 0.5) / 1000 - 1.0)
    total = np.mean(density(np.sin(angle)) * np.cos(angle)) * np.pi
    return density(np.asarray(at, float)) / total


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
        return stats.invgamma.pdf(at, shape, scale=rate)

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
        block = effects.block_of(a, b)
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
            row = []
            for k in range(i + 1):
                before = sum(L[a, b] * solved[m][k] for m, b in enumerate(block[:i]) if m >= k)
                row.append((root[i, k] - before) / L[a, a])
            solved.append(row)
            out = out - 0.5 * sum(x * x for x in row) - (df + i + 1) * xp.log(L[a, a])
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
