"""The profiled deviance of the linear mixed model, with its first two derivatives.

Model, in units of the residual variance: ``Var(y_j) = sigma2 (I + Z_j Psi Z_j')``,
``Psi = Lambda(theta) Lambda(theta)'``. With the per-cluster statistics R_j, B_j, E of
:mod:`mlteach.moments` and ``H_j = I + R_j Psi R_j'``,

    S(theta) = E + sum_j B_j' H_j^-1 B_j            cross-products weighted by the inverse of V
    beta     = S_XX^-1 S_Xy
    rss      = S_yy - S_yX beta
    d(theta) = sum_j log|H_j| + nu (1 + log(2 pi rss / nu))  [ + log|S_XX| under REML ]

with nu = N (ML) or N - p (REML). Every term of S is a sum of squares, so nothing cancels. The
criterion is that of Bates, Maechler, Bolker & Walker (2015, eq. 33 and 39), reached by the QR
factorisation of Z_j in place of the Cholesky factorisation of Lambda'Z'Z Lambda + I.

Derivatives are taken by Psi first. With F_j = R_j' H_j^-1 B_X,j, P_j = R_j' H_j^-1 R_j and
t_j = R_j' H_j^-1 (B_y,j - B_X,j beta),

    d d / d Psi = sum_j [ P_j - (nu / rss) t_j t_j' - F_j S_XX^-1 F_j' ]     (last term: REML)

and the chain rule through Psi = Lambda Lambda' gives those by theta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlteach.linalg import ThetaMap, chol_logdet
from mlteach.moments import ClusterMoments


@dataclass(frozen=True)
class State:
    """Everything the deviance computes at one theta, in scaled units.

    Attributes
    ----------
    value : float
        Deviance, without the constant that turns scaled into original units.
    beta : ndarray, shape (p,)
    S_inv : ndarray, shape (p, p)
        Covariance matrix of beta divided by sigma2.
    rss : float
        Weighted residual sum of squares.
    P, F, t : ndarray, shapes (J, q, q), (J, q, p), (J, q)
        See the module's text.
    HB : ndarray, shape (J, q, p + 1)
        ``L_j^-1 B_j``, L_j the Cholesky factor of H_j.
    HR : ndarray, shape (J, q, q)
        ``L_j^-1 R_j``.
    L : ndarray, shape (J, q, q)
    by_psi : ndarray, shape (q, q)
        Derivative of the deviance by Psi.
    """

    value: float
    beta: np.ndarray
    S_inv: np.ndarray
    rss: float
    P: np.ndarray
    F: np.ndarray
    t: np.ndarray
    HB: np.ndarray
    HR: np.ndarray
    L: np.ndarray
    by_psi: np.ndarray


class ProfiledDeviance:
    """The deviance as a function of theta; an :class:`mlteach.optim.Objective`.

    Parameters
    ----------
    moments : ClusterMoments
    theta_map : ThetaMap
    reml : bool
    """

    def __init__(self, moments: ClusterMoments, theta_map: ThetaMap, reml: bool) -> None:
        self.moments, self.map, self.reml = moments, theta_map, reml
        self.nu = moments.N - moments.p if reml else moments.N
        self._RB = np.concatenate([moments.R, moments.B], axis=2)
        self._basis = theta_map.lambda_basis()
        self._last: tuple[bytes, State] | None = None

    # ------------------------------------------------------------------------------ the objective

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative by theta."""
        state = self.state(theta)
        by_lambda = 2.0 * state.by_psi @ self.map.Lambda(theta)
        return state.value, by_lambda[self.map.rows, self.map.cols]

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of the deviance by theta, shape (m, m)."""
        state = self.state(theta)
        d_rss, d2_log, d2_rss = self.second_derivatives(theta)
        ratio = self.nu / state.rss
        return d2_log + ratio * d2_rss - (ratio / state.rss) * np.outer(d_rss, d_rss)

    def state(self, theta: np.ndarray) -> State:
        """All quantities at theta; the last ones are remembered."""
        key = np.asarray(theta, float).tobytes()
        if self._last is None or self._last[0] != key:
            self._last = (key, self._evaluate(theta))
        return self._last[1]

    def _evaluate(self, theta: np.ndarray) -> State:
        m = self.moments
        q, p = m.q, m.p
        C = m.R @ self.map.Lambda(theta)
        H = C @ C.transpose(0, 2, 1)
        H[:, np.arange(q), np.arange(q)] += 1.0
        L = np.linalg.cholesky(H)
        half = np.linalg.solve(L, self._RB)
        HR, HB = half[:, :, :q], half[:, :, q:]
        stacked = HB.reshape(-1, p + 1)
        S = m.E + stacked.T @ stacked
        L_S = np.linalg.cholesky(S[:p, :p])
        S_inv = np.linalg.inv(S[:p, :p])
        half_y = np.linalg.solve(L_S, S[:p, p])
        beta = np.linalg.solve(L_S.T, half_y)
        rss = float(S[p, p] - half_y @ half_y)
        P = HR.transpose(0, 2, 1) @ HR
        RB = HR.transpose(0, 2, 1) @ HB
        F, t = RB[:, :, :p], RB[:, :, p] - RB[:, :, :p] @ beta
        by_psi = P.sum(axis=0) - (self.nu / rss) * (t.T @ t)
        value = chol_logdet(L) + self.nu * (1.0 + np.log(2.0 * np.pi * rss / self.nu))
        if self.reml:
            value += chol_logdet(L_S)
            by_psi = by_psi - np.tensordot(F @ S_inv, F, axes=([0, 2], [0, 2]))
        return State(value, beta, S_inv, rss, P, F, t, HB, HR, L, by_psi)

    def second_derivatives(self, theta: np.ndarray):
        """Derivatives by theta from which every information matrix is put together.

        Returns
        -------
        d_rss : ndarray, shape (m,)
            Derivative of rss.
        d2_log : ndarray, shape (m, m)
            Second derivatives of the log-determinants.
        d2_rss : ndarray, shape (m, m)
            Second derivatives of rss.
        """
        s = self.state(theta)
        D = self.psi_directions(theta)
        second = self.psi_curvature()
        PD = s.P[:, None] @ D[None]
        d2_log = -np.einsum("jaxy,jbyx->ab", PD, PD, optimize=True)
        by_log = s.P.sum(axis=0)
        Dt = np.einsum("axy,jy->jax", D, s.t)
        d2_rss = 2.0 * np.einsum("jax,jxy,jby->ab", Dt, s.P, Dt, optimize=True)
        FDt = np.einsum("jxp,jax->ap", s.F, Dt)
        d2_rss -= 2.0 * FDt @ s.S_inv @ FDt.T
        by_rss = -(s.t.T @ s.t)
        if self.reml:
            DF = np.einsum("axy,jyp->jaxp", D, s.F)
            M = np.einsum("jxp,jaxr->apr", s.F, DF)
            CM = s.S_inv @ M
            d2_log += 2.0 * np.einsum(
                "jaxp,jxy,jbyr,pr->ab", DF, s.P, DF, s.S_inv, optimize=True
            ) - np.einsum("apr,brp->ab", CM, CM)
            by_log = by_log - np.tensordot(s.F @ s.S_inv, s.F, axes=([0, 2], [0, 2]))
        d_rss = np.einsum("xy,ayx->a", by_rss, D)
        d2_log += np.einsum("xy,abyx->ab", by_log, second)
        d2_rss += np.einsum("xy,abyx->ab", by_rss, second)
        return d_rss, d2_log, d2_rss

    def psi_directions(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of Psi by each theta, shape (m, q, q)."""
        half = self._basis @ self.map.Lambda(theta).T
        return half + half.transpose(0, 2, 1)

    def psi_curvature(self) -> np.ndarray:
        """Second derivatives of Psi by theta, shape (m, m, q, q); constant."""
        half = self._basis[:, None] @ self._basis[None].transpose(0, 1, 3, 2)
        return half + half.transpose(0, 1, 3, 2)

    # -------------------------------------------------------------- from scaled to original units

    @property
    def constant(self) -> float:
        """What to add to a scaled deviance to have it in the user's units."""
        constant = 2.0 * self.nu * np.log(self.moments.scaling.scale)
        if self.reml:
            constant -= 2.0 * np.linalg.slogdet(self.moments.scaling.A)[1]
        return float(constant)
