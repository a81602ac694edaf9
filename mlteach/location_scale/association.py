"""Location effects that enter the log variance: quadrature over u as well as over v.

    y_ij = x'beta + u_j + e_ij,    log Var(e_ij) = w'alpha + gamma_1 u_j + gamma_2 u_j^2 + v_j,

    u_j = tau t_1,   v_j = sigma t_2   (t standard normal and independent)

for a random intercept u and at most a random intercept v. With gamma_2 = 0 this is the model of
correlated effects in other parameters. With gamma_2 the log variance of a cluster is no longer
normal, u no longer Gaussian given v, and the closed form of
:mod:`mlteach.location_scale.likelihood` is lost; what is left of it is that rows enter through the
same weighted cross-products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlteach.location_scale.likelihood import Rows, planes, weigher
from mlteach.location_scale.quadrature import AdaptiveNodes, Evaluation, node_moments

# The likelihood is to be that of correlated effects to six decimals where gamma_2 is zero.
NEGLIGIBLE = 1e-13
# Highest power of u in the log variance.
DEGREES = {"linear": 1, "quadratic": 2}


@dataclass(frozen=True)
class AssociationMap:
    """The parameters of the effects: sigma if there is a v, tau, gamma_1, and gamma_2 if quadratic.

    Attributes
    ----------
    scale : int
        Scale effects, 0 or 1.
    degree : int
        1 (linear) or 2 (quadratic).
    """

    scale: int
    degree: int

    @property
    def r(self) -> int:
        """Dimensions of the quadrature."""
        return 1 + self.scale

    @property
    def m(self) -> int:
        """Number of parameters."""
        return self.r + self.degree

    @property
    def rows(self) -> np.ndarray:
        """Where sigma and tau stand in the factor of Omega: on its diagonal, sigma first."""
        return np.arange(self.r)

    cols = rows

    def L(self, theta: np.ndarray) -> np.ndarray:
        """Factor of Omega, shape (d, d), scale effect first."""
        return np.diag(theta[: self.r])

    def gamma(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients of u and u^2, shape (2,)."""
        return np.append(theta[self.r :], [0.0] * (2 - self.degree))

    def part(self, clusters: slice) -> AssociationMap:
        """The same for some of the clusters."""
        return self

    def factors(self, theta: np.ndarray, J: int) -> np.ndarray:
        """What :class:`AssociationLikelihood` takes: the parameters themselves."""
        return theta

    def score(self, theta: np.ndarray, L: np.ndarray, by_effects: np.ndarray) -> np.ndarray:
        """Scores of the clusters (J, m), as they come."""
        return by_effects


def entered(gamma: np.ndarray, u: np.ndarray) -> np.ndarray:
    """What powers of u (n, J, q) add to the log variance by gamma (n or 1, degree q), (n, J)."""
    powers = range(1, gamma.shape[1] // u.shape[2] + 1)
    return (np.concatenate([u**k for k in powers], axis=2) @ gamma[:, :, None])[..., 0]


def log_mean_entered(gamma: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Log of the mean of exp(gamma_1'u + gamma_2'u^2) over clusters, (n,); infinite without one.

    Parameters
    ----------
    gamma : ndarray, shape (n, q) or (n, 2 q)
    root : ndarray, shape (n, q, k)
        u = root z with z standard normal.
    """
    q, k = root.shape[1:]
    g1, g2 = gamma[:, :q], gamma[:, q:] if gamma.shape[1] > q else np.zeros((len(gamma), q))
    # Along these axes of standard normal variables the integral is a product.
    bend = root.transpose(0, 2, 1) @ (g2[:, :, None] * root)
    narrower, axes = np.linalg.eigh(np.eye(k) - 2.0 * bend)
    along = (g1[:, None] @ root @ axes)[:, 0]
    narrower = np.where(narrower > 0.0, narrower, np.nan)
    value = 0.5 * (along**2 / narrower - np.log(narrower)).sum(axis=1)
    return np.where(np.isnan(value), np.inf, value)


class AssociationLikelihood(AdaptiveNodes):
    """Log-likelihood and scores, nodes in (t_2, t_1) or, without v, in t_1.

    Parameters
    ----------
    rows : Rows
        With Z and S columns of ones, or no S.
    map_ : AssociationMap
    points : int
        Quadrature points a dimension.
    ways : optional
        How to weigh the rows, if another likelihood of the same rows has found out already.
    """

    def __init__(self, rows: Rows, map_: AssociationMap, points: int, ways=None) -> None:
        super().__init__(points, map_.r, len(rows.n), NEGLIGIBLE)
        self.rows, self.map = rows, map_
        # All that is random in the log variance is one number a cluster.
        shared = replace(rows, S=np.ones((len(rows.y), 1)))
        self.ways = weigher(shared) if ways is None else ways

    def effects(self, theta: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values of u and of gamma_1 u + gamma_2 u^2 + v at the nodes, both (J, K)."""
        g1, g2 = self.map.gamma(theta)
        spread = T * theta[: self.r]
        u = spread[:, :, -1]
        v = spread[:, :, 0] if self.map.scale else 0.0
        return u, g1 * u + g2 * u**2 + v

    def evaluate(
        self, beta: np.ndarray, alpha: np.ndarray, theta: np.ndarray, together: bool = False
    ) -> Evaluation:
        """Likelihood and scores; the latter by Fisher's identity.

        Parameters
        ----------
        beta : ndarray, shape (p,)
        alpha : ndarray, shape (k,)
        theta : ndarray, shape (m,)
        together : bool, default False
            Whether the scores by beta and alpha are summed over the clusters.
        """
        T = self.T
        u, eta = self.effects(theta, T)
        w, loglik, weight = self._at(T, beta, alpha, u, eta)
        A, c = w.G[..., 0, 0], w.G[..., 0, 1]
        moment = planes(*u.shape, 2, 2)
        moment[..., 0, 0], moment[..., 1, 1] = u * u, 1.0
        moment[..., 0, 1] = moment[..., 1, 0] = -u
        score = self.ways.score(weight, w, moment, together)
        g1, g2 = self.map.gamma(theta)
        by_eta = score.by_v[:, :, 0]
        by_u = c - A * u + by_eta * (g1 + 2.0 * g2 * u)
        parts = [by_eta * T[:, :, 0]] if self.map.scale else []
        parts += [by_u * T[:, :, -1], by_eta * u, by_eta * u**2][: 1 + self.map.degree]
        by_effects = np.stack([np.sum(weight * part, axis=1) for part in parts], axis=1)
        return Evaluation(loglik, score.by_beta, score.by_alpha, by_effects)

    def _at(self, T: np.ndarray, beta, alpha, u: np.ndarray, eta: np.ndarray) -> tuple:
        """What the rows give at the nodes, the likelihood, and the weights."""
        w = self.ways.weigh(beta, alpha, eta[..., None])
        squares = w.G[..., 1, 1] - 2.0 * u * w.G[..., 0, 1] + u**2 * w.G[..., 0, 0]
        return w, *self.integrate(-0.5 * (w.log_variance + squares), T)

    def weights(self, beta: np.ndarray, alpha: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Posterior probabilities of the nodes, shape (J, K)."""
        T = self.T
        return self._at(T, beta, alpha, *self.effects(theta, T))[-1]

    def moments(
        self, beta: np.ndarray, alpha: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means (J, 3) and covariances (J, 3, 3), given the data, of u, v and what is random.

        The last is ``gamma_1 u + gamma_2 u^2 + v``, all that is random in the log variance; v is
        zero without a scale effect.
        """
        weight = self.weights(beta, alpha, theta)
        u, eta = self.effects(theta, self.T)
        g1, g2 = self.map.gamma(theta)
        values = np.stack([u, eta - g1 * u - g2 * u**2, eta], axis=2)
        return node_moments(weight, values)


def start_association(map_: AssociationMap, L: np.ndarray) -> np.ndarray:
    """Start from a model of correlated effects (or, without v, of none): its factor, scale first.

    gamma_1 = Omega_vu / Omega_u, and sigma^2 is what is left of the variance of v.
    """
    omega = L @ L.T
    # Neither may start at zero, where its score is zero too.
    floor = 1e-2
    tau2 = max(omega[-1, -1], floor**2)
    if not map_.scale:
        return np.array([np.sqrt(tau2), *[0.0] * map_.degree])
    g1 = omega[0, -1] / tau2
    rest = max(omega[0, 0] - g1 * omega[0, -1], floor**2)
    return np.array([np.sqrt(rest), np.sqrt(tau2), g1, 0.0][: map_.m])
