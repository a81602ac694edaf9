"""The profiled deviance of the linear mixed model, with its first two derivatives.

Model, in units of the residual variance: ``Var(y_j) = sigma2 (I + Z_j Psi Z_j')``,
``Psi = Lambda(theta) Lambda(theta)'``. With the per-cluster statistics R_j, B_j, E of
:mod:`mlteach.core.moments` and ``H_j = I + R_j Psi R_j'``,

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

import numpy as np

from mlteach.core.linalg import ThetaMap, batched_cholesky, batched_solve_lower, chol_logdet
from mlteach.core.moments import ClusterMoments
from mlteach.core.optim import remembered

# Clusters worked on at a time along a ray, each at many points.
RAY_CLUSTERS = 65_536
# So many that it pays to look for equal ones.
MANY_EIGENVALUES = 10_000


class State:
    """Everything the deviance computes at one theta, in scaled units.

    Attributes
    ----------
    value : float
        Deviance, without the constant that turns scaled into original units.
    beta : ndarray, shape (p,)
    S_inv : ndarray, shape (p, p)
        Covariance matrix of beta divided by sigma2.
    rss, sigma2 : float
        Weighted residual sum of squares, and the residual variance.
    P, F, t : ndarray, shapes (J, q, q), (J, q, p), (J, q)
        See the module's text.
    HB : ndarray, shape (J, q, p + 1)
        ``L_j^-1 B_j``, L_j the Cholesky factor of H_j.
    HR : ndarray, shape (J, q, q)
        ``L_j^-1 R_j``.
    L : ndarray, shape (J, q, q)
    Lambda, Psi, by_psi : ndarray, shape (q, q)
        Psi is the covariance matrix of the random effects over sigma2, Lambda its factor; the
        last is the derivative of the deviance by Psi.
    """

    def __init__(self, deviance: ProfiledDeviance, theta: np.ndarray) -> None:
        m, nu, self.Lambda = deviance.moments, deviance.nu, deviance.map.Lambda(theta)
        q, p = m.q, m.p
        self.Psi = self.Lambda @ self.Lambda.T
        C = m.R @ self.Lambda
        self.L = batched_cholesky(C @ C.transpose(0, 2, 1) + np.eye(q))
        half = batched_solve_lower(self.L, deviance.RB)
        self.HR, self.HB = half[:, :, :q], half[:, :, q:]
        stacked = self.HB.reshape(-1, p + 1)
        S = m.E + stacked.T @ stacked
        L_S = np.linalg.cholesky(S[:p, :p])
        L_inv = np.linalg.inv(L_S)
        half_y = L_inv @ S[:p, p]
        self.beta, self.S_inv = L_inv.T @ half_y, L_inv.T @ L_inv
        self.rss = float(S[p, p] - half_y @ half_y)
        self.sigma2 = self.rss / nu
        by_R = self.HR.transpose(0, 2, 1) @ half
        self.P, self.F = by_R[:, :, :q], by_R[:, :, q : q + p]
        self.t = by_R[:, :, q + p] - self.F @ self.beta
        self.by_psi = self.P.sum(axis=0) - (nu / self.rss) * (self.t.T @ self.t)
        self.value = chol_logdet(self.L) + nu * (1.0 + np.log(2.0 * np.pi * self.rss / nu))
        if deviance.reml:
            FL = self.F @ L_inv.T
            self.value += chol_logdet(L_S)
            self.by_psi -= _gram(FL, FL)


class ProfiledDeviance:
    """The deviance as a function of theta; an :class:`mlteach.core.optim.Objective`.

    Parameters
    ----------
    moments : ClusterMoments
    theta_map : ThetaMap
    reml : bool
    """

    def __init__(self, moments: ClusterMoments, theta_map: ThetaMap, reml: bool) -> None:
        self.moments, self.map, self.reml = moments, theta_map, reml
        self.nu = moments.N - moments.p if reml else moments.N
        self.RB = np.concatenate([moments.R, moments.B], axis=2)
        self._basis = theta_map.lambda_basis()
        half = self._basis[:, None] @ self._basis[None].transpose(0, 1, 3, 2)
        # Second derivatives of Psi by theta, (m, m, q, q): constant.
        self._psi_curvature = half + half.transpose(0, 1, 3, 2)

    # ------------------------------------------------------------------------------ the objective

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance and its derivative by theta."""
        state = self.state(theta)
        by_lambda = 2.0 * state.by_psi @ state.Lambda
        return state.value, by_lambda[self.map.rows, self.map.cols]

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of the deviance by theta, shape (m, m)."""
        state = self.state(theta)
        d_rss, d2_log, d2_rss = self.second_derivatives(theta)
        ratio = self.nu / state.rss
        return d2_log + ratio * d2_rss - (ratio / state.rss) * np.outer(d_rss, d_rss)

    @remembered
    def state(self, theta: np.ndarray) -> State:
        """All quantities at theta."""
        return State(self, theta)

    def along_ray(self, psi_diagonal: np.ndarray, ratios: np.ndarray) -> np.ndarray:
        """Deviance at ``Psi = c diag(psi_diagonal)`` for many c at once.

        One eigendecomposition a cluster turns every H_j into a diagonal, so that each further
        point costs a row of a matrix product.
        """
        p, J = self.moments.p, self.moments.J
        log, S = np.zeros(len(ratios)), np.zeros((len(ratios), (p + 1) ** 2))
        for start in range(0, J, RAY_CLUSTERS):
            values, squares = self._rotated(psi_diagonal, slice(start, start + RAY_CLUSTERS))
            count = np.ones(len(values))
            if len(values) > MANY_EIGENVALUES:
                # Clusters of one size often share them.
                values, at, count = np.unique(values, return_inverse=True, return_counts=True)
                squares = np.stack([np.bincount(at, column) for column in squares.T], axis=1)
            H = 1.0 + np.multiply.outer(ratios, values)
            log += np.log(H) @ count
            S += (1.0 / H) @ squares
        S = self.moments.E + S.reshape(-1, p + 1, p + 1)
        diagonal = np.diagonal(np.linalg.cholesky(S), axis1=1, axis2=2)
        rss = diagonal[:, p] ** 2
        value = log + self.nu * (1.0 + np.log(2.0 * np.pi * rss / self.nu))
        return value + 2.0 * np.log(diagonal[:, :p]).sum(axis=1) if self.reml else value

    def _rotated(self, psi_diagonal: np.ndarray, own: slice) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues of ``R_j diag(psi) R_j'`` of some clusters, and squares of B_j along them."""
        R, B = self.moments.R[own], self.moments.B[own]
        values, U = np.linalg.eigh((R * psi_diagonal) @ R.transpose(0, 2, 1))
        UB = (U.transpose(0, 2, 1) @ B).reshape(-1, B.shape[2])
        return np.maximum(values.ravel(), 0.0), (UB[:, :, None] * UB[:, None]).reshape(len(UB), -1)

    @remembered
    def second_derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        # Arrays are (m, J, ...) and flattened, so that every sum over clusters is a matrix product.
        s, m, p = self.state(theta), self.map.m, self.moments.p
        D = self.psi_directions(theta)
        PD = s.P @ D[:, None]
        d2_log = -PD.reshape(m, -1) @ PD.transpose(0, 1, 3, 2).reshape(m, -1).T
        by_log = s.P.sum(axis=0)
        Dt = s.t @ D
        PDt = (s.P @ Dt[..., None]).reshape(m, -1)
        Dt = Dt.reshape(m, -1)
        FDt = Dt @ s.F.reshape(len(s.F) * self.map.q, p)
        d2_rss = 2.0 * (Dt @ PDt.T - FDt @ s.S_inv @ FDt.T)
        by_rss = -(s.t.T @ s.t)
        if self.reml:
            FS = s.F @ s.S_inv
            DF = D[:, None] @ s.F
            CM = FS.reshape(-1, p).T @ DF.reshape(m, -1, p)
            PDFS = (PD @ FS).reshape(m, -1)
            d2_log += 2.0 * DF.reshape(m, -1) @ PDFS.T
            d2_log -= CM.reshape(m, -1) @ CM.transpose(0, 2, 1).reshape(m, -1).T
            by_log = by_log - _gram(FS, s.F)
        flat = self._psi_curvature.reshape(m, m, -1)
        d_rss = D.reshape(m, -1) @ by_rss.ravel()
        d2_log += flat @ by_log.ravel()
        d2_rss += flat @ by_rss.ravel()
        return d_rss, d2_log, d2_rss

    def psi_directions(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of Psi by each theta, shape (m, q, q)."""
        half = self._basis @ self.map.Lambda(theta).T
        return half + half.transpose(0, 2, 1)

    # -------------------------------------------------------------- from scaled to original units

    @property
    def constant(self) -> float:
        """What to add to a scaled deviance to have it in the user's units."""
        constant = 2.0 * self.nu * np.log(self.moments.scaling.scale)
        if self.reml:
            constant -= 2.0 * np.linalg.slogdet(self.moments.scaling.A)[1]
        return float(constant)


def _gram(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Sum over clusters of A_j B_j'."""
    q = A.shape[1]
    return A.transpose(1, 0, 2).reshape(q, -1) @ B.transpose(1, 0, 2).reshape(q, -1).T
