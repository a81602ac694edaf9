"""A drop in deviance referred to chi-square, and to the mixture that holds at a boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.core.distributions import chi2_sf


@dataclass(frozen=True, repr=False)
class LikelihoodRatioTest:
    """A likelihood-ratio test, with the naive and the boundary-aware p-value.

    Attributes
    ----------
    statistic : float
        Drop in deviance.
    df : int
        Parameters by which the models differ.
    p : float
        From chi-square with ``df`` degrees of freedom: too large when variances are tested at 0.
    p_mixture : float
        From the chi-bar-square mixture; equals ``p`` where no variance is tested, NaN where the
        weights are not known in closed form.
    weights : tuple of float
        Weights of chi-square with 0, 1, 2, … degrees of freedom in the mixture.
    """

    statistic: float
    df: int
    p: float
    p_mixture: float
    weights: tuple[float, ...]

    def __str__(self) -> str:
        mixture = " + ".join(f"{w:.3g} χ²({k})" for k, w in enumerate(self.weights) if w)
        if not self.weights:
            return f"χ²({self.df}) = {self.statistic:.2f}, p ≤ {self.p:.3g}"
        return f"LR = {self.statistic:.2f}, p = {self.p_mixture:.3g} by {mixture}"

    __repr__ = __str__


def likelihood_ratio_test(statistic: float, df: int, weights=()) -> LikelihoodRatioTest:
    """Refer a drop in deviance to chi-square and to a chi-bar-square mixture.

    Parameters
    ----------
    statistic : float
        Drop in deviance; a negative rounding residue counts as zero.
    df : int
        Difference in the number of parameters.
    weights : sequence of float
        Mixture weights for 0, 1, 2, … degrees of freedom; empty if they are not known.

    Examples
    --------
    >>> test = likelihood_ratio_test(2.706, 1, weights=(0.5, 0.5))
    >>> round(test.p, 3), round(test.p_mixture, 3)
    (0.1, 0.05)
    """
    statistic = max(float(statistic), 0.0)
    p = float(chi2_sf(statistic, df))
    tails = [float(statistic <= 0.0), *chi2_sf(statistic, np.arange(1, len(weights)))]
    mixture = float(np.dot(weights, tails)) if len(weights) else float("nan")
    return LikelihoodRatioTest(statistic, df, p, mixture, tuple(float(w) for w in weights))


def orthant_weights(information: np.ndarray) -> tuple[float, ...]:
    """Chi-bar-square weights of {t >= 0} in two or three dimensions under a metric.

    The outer weights are the probabilities that a normal draw, or its image under the information,
    has no negative (no positive) element; the weights of even and of odd dimensions sum to a half
    each (Shapiro 1988, section 3).
    """
    inside = _all_positive(np.linalg.inv(information))
    outside = _all_positive(information)
    if len(information) == 2:
        return (outside, 0.5, inside)
    return (outside, 0.5 - inside, 0.5 - outside, inside)


def _all_positive(cov: np.ndarray) -> float:
    """Probability that two or three centred normals are all positive (Sheppard's formula)."""
    size = np.sqrt(np.diag(cov))
    angles = np.arcsin((cov / np.outer(size, size))[np.triu_indices(len(cov), 1)])
    whole = np.pi * 2.0 ** (len(cov) - 1)
    return float(0.5 ** len(cov) + angles.sum() / whole)


def covariance_cone_weights(information: np.ndarray) -> tuple[float, ...]:
    """Chi-bar-square weights of {(a, b, c): [[a, b], [b, c]] >= 0} under a metric.

    The boundary of the cone is the curve of rank-one matrices; its image on the unit sphere is a
    closed convex curve, and weights 3 and 0 are the areas inside it and inside its polar.
    """
    phi = np.linspace(0.0, np.pi, 4000, endpoint=False)
    rank_one = np.stack([np.cos(phi) ** 2, np.cos(phi) * np.sin(phi), np.sin(phi) ** 2], axis=1)
    root = np.linalg.cholesky(information)
    curve = rank_one @ root
    normals = np.cross(curve, np.roll(curve, -1, axis=0))
    inside, polar = _spherical_area(curve), _spherical_area(normals)
    w3, w0 = inside / (4 * np.pi), polar / (4 * np.pi)
    return (w0, 0.5 - w3, 0.5 - w0, w3)


def _spherical_area(points: np.ndarray) -> float:
    """Area of the spherical polygon with these corners, as a fan of triangles."""
    v = points / np.linalg.norm(points, axis=1, keepdims=True)
    centre = v.sum(axis=0) / np.linalg.norm(v.sum(axis=0))
    a, b = v, np.roll(v, -1, axis=0)
    triple = np.einsum("i,ki->k", centre, np.cross(a, b))
    denominator = 1.0 + a @ centre + b @ centre + np.einsum("ki,ki->k", a, b)
    return float(abs(2.0 * np.arctan2(triple, denominator).sum()))
