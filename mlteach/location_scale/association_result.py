"""A fit in which the location effect itself stands in the log variance function.

    log Var(e_ij) = w'alpha + gamma_1 u_j + gamma_2 u_j^2 + v_j,   v independent of u

The tables are those of any location-scale fit; ``random`` has u and the v that is left beside it,
which do not correlate, and :attr:`~AssociationResult.association` the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.result import z_table
from mlteach.errors import ModelError
from mlteach.location_scale.association import AssociationMap
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.result import LocationScaleResult


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
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """beta_s, alpha_s and the clusters' factors L (J, d, d) of u and v, scaled units."""
        beta, alpha, theta = self.deviance_function.split(self.optimizer.end)
        L = self._map.L(theta)
        return beta, alpha, np.broadcast_to(L, (self.n_clusters, *L.shape))

    @property
    def _map(self) -> AssociationMap:
        return self.deviance_function.map

    @property
    def _unit(self) -> float:
        """Size in the user's units of a u of one in scaled units."""
        return float(self.design.scaling.scale * self.design.scaling.T[0, 0])

    @property
    def gamma(self) -> np.ndarray:
        """gamma_1 and gamma_2, per unit of the outcome and of its square."""
        return self._map.gamma(self.theta_effects) / self._unit ** np.array([1, 2])

    def _association(self, level: float) -> pd.DataFrame:
        """Coefficients of u and u^2 in the log variance."""
        degree = self._map.degree
        units = self._unit ** -np.arange(1.0, degree + 1)
        cov = self.cov_scaled[-degree:, -degree:] * np.outer(units, units)
        names = ["Intercept", "Intercept^2"][:degree]
        return z_table(self.gamma[:degree], cov, [f"{SCALE}Intercept on {n}" for n in names], level)

    # ------------------------------------------------------------------------------- the clusters

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Moments of u, v and their sum in the log variance given the data, (J, 3), (J, 3, 3)."""
        mean, cov = self.deviance_function.moments(self.optimizer.end)
        unit = np.array([self._unit, 1.0, 1.0])
        return mean * unit, cov * np.outer(unit, unit)

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (J, d) and covariances (J, d, d) of u and v given the data."""
        mean, cov = self._moments
        r = self._map.r
        return mean[:, :r], cov[:, :r, :r]

    def known_moments(self, Z: np.ndarray, S: np.ndarray, codes: np.ndarray) -> tuple:
        """Moments of u and of all that is random in the log variance, given the data."""
        mean, cov = self._moments
        return mean[codes, ::2], cov[codes, ::2, ::2]

    def new_moments(self, Z: np.ndarray, S: np.ndarray, omega: np.ndarray) -> tuple:
        """The same in clusters of which nothing is known."""
        (g1, g2), tau2 = self.gamma, omega[:, 0, 0]
        left = omega[:, 1, 1] if self._map.scale else 0.0
        mean = np.stack([np.zeros_like(tau2), g2 * tau2], axis=1)
        random = g1**2 * tau2 + 2.0 * (g2 * tau2) ** 2 + left
        cov = np.stack([tau2, g1 * tau2, g1 * tau2, random], axis=1).reshape(-1, 2, 2)
        return np.broadcast_to(mean, (len(Z), 2)), np.broadcast_to(cov, (len(Z), 2, 2))

    @property
    def cluster_shift(self) -> np.ndarray:
        """What u adds to the log variance of each cluster, given the data, (J,)."""
        mean = self._moments[0]
        return mean[:, 2] - mean[:, 1]
