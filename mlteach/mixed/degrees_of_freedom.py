"""Degrees of freedom of t- and F-tests: Satterthwaite, Kenward-Roger, between-within.

Everything is put together from the q x q pieces of
:class:`mlteach.mixed.deviance.ProfiledDeviance`, cluster by cluster; no N x N matrix is formed.
Parameters of the variances are ``(theta, sigma2)`` for Satterthwaite (as in lmerTest) and ``(Tau,
sigma2)``, in which V is linear, for Kenward-Roger (as in pbkrtest). All quantities are in scaled
units, contrasts of coefficients included.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.arguments import one_of
from mlteach.errors import ModelError
from mlteach.mixed.deviance import ProfiledDeviance
from mlteach.mixed.information import VarianceInformation

DDF_METHODS = ("satterthwaite", "kenward-roger", "between-within", "residual", "z")


def check_ddf(ddf: str, reml: bool) -> None:
    """Refuse a method for the degrees of freedom that does not exist for this fit.

    Raises
    ------
    ModelError
    """
    one_of("ddf", ddf, DDF_METHODS)
    if ddf == "kenward-roger" and not reml:
        raise ModelError("Kenward-Roger degrees of freedom are for REML fits only: use reml=True.")


def satterthwaite(problem: ProfiledDeviance, theta: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom for each row of C (Fai & Cornelius 1996; lmerTest).

    ``df = 2 v^2 / (g' cov g)`` with ``v = c' Cov(beta) c`` and g its gradient by the variance
    parameters.

    Parameters
    ----------
    problem : ProfiledDeviance
    theta : ndarray, shape (m,)
    C : ndarray, shape (r, p)
        Contrasts in scaled units.

    Returns
    -------
    ndarray, shape (r,)
    """
    state = problem.state(theta)
    v = state.sigma2 * np.einsum("rp,ps,rs->r", C, state.S_inv, C)
    return satterthwaite_rule(problem, theta, v, by_theta(problem, theta, C))


def by_theta(problem: ProfiledDeviance, theta: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Derivative of ``c' S^-1 c`` by each theta, for each row of C, shape (r, m)."""
    s, D = problem.state(theta), problem.psi_directions(theta)
    M = np.tensordot(D @ s.F[:, None], s.F, axes=([0, 2], [0, 1]))
    CS = C @ s.S_inv
    return np.einsum("rp,aps,rs->ra", CS, M, CS)


def satterthwaite_rule(
    problem: ProfiledDeviance, theta: np.ndarray, v: np.ndarray, slopes: np.ndarray
) -> np.ndarray:
    """Degrees of freedom ``2 v^2 / Var(v)`` of estimated variances v, shape (r,).

    ``slopes`` are the derivatives of ``v / sigma2`` by each theta, shape (r, m).
    """
    sigma2 = problem.state(theta).sigma2
    gradient = np.column_stack([sigma2 * slopes, v / sigma2])
    cov = VarianceInformation(problem, theta).cov
    return 2.0 * v**2 / np.einsum("ra,ab,rb->r", gradient, cov, gradient)


def satterthwaite_joint(problem: ProfiledDeviance, theta: np.ndarray, C: np.ndarray) -> float:
    """Denominator degrees of freedom of the F-test of all rows of C (Fai & Cornelius 1996).

    The combinations are rotated to uncorrelated ones. F is the mean of their r squared t-values,
    each with degrees of freedom nu_m of its own, and its denominator is chosen so that its
    expectation is right: ``E = sum nu_m / (nu_m - 2)``, ``df = 2 E / (E - r)``, as in lmerTest.
    The rotation, and so the result, depends on the units of the rows of C (F itself does not).
    Rows that follow from others leave directions without variance, which are left out.

    Parameters
    ----------
    problem, theta, C
        As for :func:`satterthwaite`.
    """
    _, rotation = np.linalg.eigh(C @ problem.state(theta).S_inv @ C.T)
    rank = np.linalg.matrix_rank(C)
    nu = satterthwaite(problem, theta, rotation.T[len(C) - rank :] @ C)
    if np.ptp(nu) < 1e-8 * nu.max():
        return float(nu.mean())
    if nu.min() <= 2.0:
        return 2.0
    expectation = np.sum(nu / (nu - 2.0))
    return float(2.0 * expectation / (expectation - len(nu)))


class KenwardRoger:
    """The pieces of Kenward and Roger's (1997) small-sample correction, in scaled units.

    For REML fits only.

    Attributes
    ----------
    Phi, Phi_adjusted : ndarray, shape (p, p)
        Covariance matrix of beta, before and after the adjustment.
    P : ndarray, shape (r, p, p)
        ``-X' V^-1 dV V^-1 X`` for each of the r parameters of V.
    W : ndarray, shape (r, r)
        Asymptotic covariance matrix of the parameters of V.
    """

    def __init__(self, problem: ProfiledDeviance, theta: np.ndarray) -> None:
        s, m = problem.state(theta), problem.moments
        sigma2 = s.sigma2
        E = problem.map.tau_basis()
        X_ = slice(0, m.p)
        H_inv_B = np.linalg.solve(s.L.transpose(0, 2, 1), s.HB)[:, :, X_]
        H_inv_R = np.linalg.solve(s.L.transpose(0, 2, 1), s.HR)
        RHHR = H_inv_R.transpose(0, 2, 1) @ H_inv_R
        RHHB = H_inv_R.transpose(0, 2, 1) @ H_inv_B
        L_inv = np.linalg.inv(s.L)
        half = L_inv @ H_inv_B
        H_inv = L_inv.transpose(0, 2, 1) @ L_inv

        EF = E @ s.F[:, None]
        P = np.empty((len(E) + 1, m.p, m.p))
        P[:-1] = np.tensordot(EF, s.F, axes=([0, 2], [0, 1]))
        P[-1] = m.E[X_, X_] + np.tensordot(H_inv_B, H_inv_B, axes=([0, 1], [0, 1]))
        Q = np.empty((len(E) + 1, len(E) + 1, m.p, m.p))
        PEF = s.P[:, None] @ EF
        Q[:-1, :-1] = np.tensordot(EF, PEF, axes=([0, 2], [0, 2])).transpose(0, 2, 1, 3)
        mixed = np.tensordot(EF, RHHB, axes=([0, 2], [0, 1]))
        Q[:-1, -1], Q[-1, :-1] = mixed, mixed.transpose(0, 2, 1)
        Q[-1, -1] = m.E[X_, X_] + np.tensordot(half, half, axes=([0, 1], [0, 1]))
        trace = np.empty((len(E) + 1,) * 2)
        PE = np.einsum("jxy,ayz->jaxz", s.P, E)
        trace[:-1, :-1] = np.einsum("jaxy,jbyx->ab", PE, PE)
        trace[:-1, -1] = trace[-1, :-1] = np.einsum("jxy,ayx->a", RHHR, E)
        trace[-1, -1] = np.einsum("jxy,jxy->", H_inv, H_inv) + m.N - m.q * m.J

        P, Q, trace = -P / sigma2**2, Q / sigma2**3, trace / sigma2**2
        Phi = sigma2 * s.S_inv
        PhiP = Phi @ P
        information = (
            trace - 2.0 * np.einsum("pr,abrp->ab", Phi, Q) + np.einsum("apr,brp->ab", PhiP, PhiP)
        )
        W = 2.0 * _inverse_or_pseudo(information)
        inner = np.einsum("ab,abpr->pr", W, Q - np.einsum("apr,brs->abps", P, PhiP))
        self.Phi_adjusted = Phi + 2.0 * Phi @ (0.5 * (inner + inner.T)) @ Phi
        self.Phi, self.P, self.W = Phi, P, W

    def df(self, C: np.ndarray) -> np.ndarray:
        """Denominator degrees of freedom of each row of C (r, p), shape (r,)."""
        return np.array([self.joint(c[None])[0] for c in C])

    def joint(self, C: np.ndarray) -> tuple[float, float]:
        """Denominator df, and factor on Wald / r, of the F-test of the r rows of C at once.

        The Wald statistic is to be taken with ``Phi_adjusted``. For one row the factor is 1.
        """
        Phi, P, W = self.Phi, self.P, self.W
        Theta = C.T @ np.linalg.solve(C @ Phi @ C.T, C)
        u = Theta @ Phi @ P @ Phi
        traces = np.einsum("aii->a", u)
        A1 = float(traces @ W @ traces)
        A2 = float(np.einsum("ab,aij,bji->", W, u, u))
        return _kenward_roger_f(A1, A2, len(C))


def _kenward_roger_f(A1: float, A2: float, q: int) -> tuple[float, float]:
    """Degrees of freedom and factor that match the first two moments of F.

    Kenward & Roger (1997), section 3, with the notation there and the guards of pbkrtest.
    """
    B = (A1 + 6.0 * A2) / (2.0 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    denominator = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / denominator, (q - g) / denominator, (q + 2 - g) / denominator
    V0, V1, V2 = 1 + c1 * B, 1 - c2 * B, 1 - c3 * B
    V0 = 0.0 if abs(V0) < 1e-10 else V0
    expectation = 1 - A2 / q
    both_vanish = abs(expectation) < 1e-14 and abs(V1) < 1e-14
    ratio = 1.0 if both_vanish else expectation / V1
    # With rho = ratio² V0 / (q V2) this is 4 + (q + 2) / (q rho - 1), also where V2 is zero.
    df = 4.0 + (q + 2) * V2 / (ratio**2 * V0 - V2)
    return df, 1.0 if abs(df - 2.0) < 0.01 else df * expectation / (df - 2.0)


def _inverse_or_pseudo(information: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    scaled = information / np.outer(size, size)
    return np.linalg.pinv(scaled, 1e-12, hermitian=True) / np.outer(size, size)


def between_within(varies_within: np.ndarray, N: int, J: int) -> np.ndarray:
    """Between-within degrees of freedom (the containment rule of SAS's DDFM=BW).

    Parameters
    ----------
    varies_within : ndarray of bool, shape (p,)
        Whether a column of X varies inside any cluster.
    N, J : int
        Rows and clusters.

    Returns
    -------
    ndarray, shape (p,)
        ``N - J - (within columns)`` for those that vary, ``J - (other columns)`` for the rest.
    """
    within = int(varies_within.sum())
    between = len(varies_within) - within
    return np.where(varies_within, float(N - J - within), float(J - between))
