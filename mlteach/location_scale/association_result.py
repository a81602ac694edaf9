"""A fit in which the location effect itself stands in the log variance function.

    log Var(e_ij) = w'alpha + gamma_1 u_j + gamma_2 u_j^2 + v_j,   v independent of u

The tables are those of any location-scale fit; ``random`` has u and the v that is left beside it,
which do not correlate, and :attr:`~AssociationResult.association` the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.errors import ModelError
from mlteach.location_scale.association import AssociationMap
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.result import LocationScaleResult, z_table

pd = lazy_import("pandas")


def association_map(d: LocationScaleDesign, degree: int) -> AssociationMap:
    """Parameters of a model with u in the variance function.

    Raises
    ------
    ModelError
        Where the integral over u and v would have more than two dimensions, or u is no intercept.
    """
    mean, scale = d.mean.z_names, d.s_names
    if mean != ("Intercept",) or scale not in ((), ("Intercept",)):
        effects = ", ".join([*mean, *(SCALE + name for name in scale)])
        raise ModelError(
            "u enters the variance function where the mean function has a random intercept alone "
            "and the variance function at most one: u then has no closed form and is integrated "
            "numerically, and three dimensions cost too much. This model has the random effects "
            f"{effects}. Use fewer, or association=True; with a random effect in the variance "
            "function association='linear' has no such limit."
        )
    return AssociationMap(len(scale), degree)


@dataclass(frozen=True, repr=False)
class AssociationResult(LocationScaleResult):
    """A location-scale model with u in the variance function; see :class:`LocationScaleResult`."""

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        beta, alpha, theta = self.deviance_function.split(self.optimizer.end)
        L = self._map.L(theta)
        return beta, alpha, np.broadcast_to(L, (self.n_clusters, *L.shape))

    @property
    def _map(self) -> AssociationMap:
        return self.deviance_function.map

    @property
    def _gamma(self) -> np.ndarray:
        """gamma_1 and gamma_2, per unit of the outcome and of its square."""
        unit = self.design.scaling.scale * self.design.scaling.T[0, 0]
        return self._map.gamma(self.optimizer.end[self._effects_at :]) / unit ** np.array([1, 2])

    @property
    def association(self) -> pd.DataFrame:
        """Coefficients of u and u^2 in the log variance; columns as in ``mean``."""
        degree = self._map.degree
        unit = self.design.scaling.scale * self.design.scaling.T[0, 0]
        units = unit ** -np.arange(1.0, degree + 1)
        cov = self._cov_scaled[-degree:, -degree:] * np.outer(units, units)
        names = ["Intercept", "Intercept^2"][:degree]
        return z_table(self._gamma[:degree], cov, [f"{SCALE}Intercept on {n}" for n in names])

    @property
    def _zero_means(self) -> str:
        return (
            "beyond what the association with the mean's effect explains, the clusters differ no "
            "more than sampling within them does."
        )

    @property
    def _average_shift(self) -> float:
        """Log of the mean of exp(gamma_1 u + gamma_2 u^2) over clusters, if there is one."""
        tau2 = self.random.loc["Intercept", "Intercept"]
        g1, g2 = self._gamma
        narrower = 1.0 - 2.0 * g2 * tau2
        if narrower <= 0:
            return np.inf
        return float(0.5 * (g1**2 * tau2 / narrower - np.log(narrower)))

    # ------------------------------------------------------------------------------- the clusters

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior weights, u and all that is random in the log variance at the nodes, (J, K)."""
        likelihood = self.deviance_function.likelihood
        parts = self.deviance_function.split(self.optimizer.end)
        u, eta = likelihood.effects(parts[2])
        return likelihood.evaluate(*parts).weight, u, eta

    @cached_property
    def _posterior(self):
        weight, u, eta = self._nodes
        g1, g2 = self._map.gamma(self.optimizer.end[self._effects_at :])
        values = np.stack([u, eta - g1 * u - g2 * u**2][: self._map.r], axis=2)
        mean = np.einsum("jk,jka->ja", weight, values)
        away = values - mean[:, None]
        cov = np.einsum("jk,jka,jkb->jab", weight, away, away)
        unit = np.array([self.design.scaling.scale * self.design.scaling.T[0, 0], 1.0])
        unit = unit[: self._map.r]
        return mean * unit, cov * np.outer(unit, unit)

    def _scale_moments(self, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, _, eta = self._nodes
        mean = (weight * eta).sum(axis=1)
        return mean, np.sqrt((weight * (eta - mean[:, None]) ** 2).sum(axis=1))

    @property
    def _cluster_shift(self) -> np.ndarray:
        weight, _, eta = self._nodes
        mean = self._posterior[0]
        return (weight * eta).sum(axis=1) - (mean[:, 1] if self._map.scale else 0.0)
