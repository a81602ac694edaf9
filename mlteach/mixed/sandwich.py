"""Cluster-robust (sandwich) standard errors of the coefficients, with degrees of freedom.

They hold whatever the covariance matrix of the outcome in a cluster is, as long as clusters are
independent; the fitted V_j is only a working model. With ``M = (sum X_j' V_j^-1 X_j)^-1`` and
residuals ``r_j = y_j - X_j beta``,

    Cov(beta) = M [ sum_j s_j s_j' ] M,     s_j = X_j' V_j^-1 A_j r_j

CR0 has ``A_j = I`` and is too small with few clusters. CR2 (Bell & McCaffrey 2002) has

    A_j = D_j' G_j^{-1/2} D_j,     V_j = D_j' D_j,     G_j = D_j (V_j - X_j M X_j') D_j'

which makes it unbiased if the working model is right (Pustejovsky & Tipton 2018, as computed by
their R package clubSandwich). G_j is singular, and its pseudo-inverse is meant, where the data of
one cluster alone determine a combination of coefficients: a dummy of one school does. The cluster
then has no residual that could tell how variable that combination is, and no sandwich can know it.

V_j - I, X_j and r_j enter only through the span of the columns of ``[Z_j X_j r_j]``. A QR
factorisation of these rows therefore reduces every cluster to matrices of its few columns, however
many rows it has. All quantities are in scaled units and relative to sigma2.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.arguments import one_of
from mlteach.core.design import Design
from mlteach.errors import ModelError
from mlteach.mixed.deviance import ProfiledDeviance

KINDS = ("CR0", "CR2")
# Part of V_j that is left in a direction after fitting X: below this, the cluster has no residual
# in that direction.
NOTHING_LEFT = 1e-10
# Share of the variance of a combination that may come from such directions: none, but for rounding.
BLIND_SHARE = 1e-6


def check_robust(robust: str, ddf: str | None) -> None:
    """Refuse a sandwich that does not exist, or one beside another method for the df.

    Raises
    ------
    ModelError
    """
    one_of("robust", robust, KINDS, ", or leave it out")
    if ddf is not None:
        raise ModelError(
            f"ddf={ddf!r} and robust={robust!r} exclude each other: robust standard errors come "
            "with degrees of freedom of their own. Leave ddf= out."
        )


class Sandwich:
    """Sandwich covariance matrix of the coefficients, and what its degrees of freedom need.

    If the working model is right, the covariance of ``c' beta`` estimated here is a quadratic form
    in normal variables whose (J, J) matrix is ``diag(|g_j' c|^2) - (h_j' c)' (h_k' c)``.

    Parameters
    ----------
    design : Design
    problem : ProfiledDeviance
        Of this design.
    theta : ndarray, shape (m,)
        The estimate.
    kind : {"CR0", "CR2"}

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        Covariance matrix of beta.
    g : ndarray, shape (J, p, k)
        ``M X_j' V_j^-1 A_j V_j^{1/2}``.
    h : ndarray, shape (J, p, p)
        ``M X_j' V_j^-1 A_j X_j M^{1/2}``.
    working, blind : ndarray, shape (p, p)
        M, and the part of it that comes from directions in which a cluster has no residual.

    References
    ----------
    Bell & McCaffrey (2002), Survey Methodology 28(2). Pustejovsky & Tipton (2018), Journal of
    Business & Economic Statistics 36(4), doi:10.1080/07350015.2016.1247004. Tipton & Pustejovsky
    (2015), Journal of Educational and Behavioral Statistics 40(6), doi:10.3102/1076998615606099.
    """

    def __init__(
        self, design: Design, problem: ProfiledDeviance, theta: np.ndarray, kind: str
    ) -> None:
        state, q, p = problem.state(theta), problem.moments.q, problem.moments.p
        R = _cluster_factors(_scaled_rows(design, problem, state.beta), design.codes)
        Z, X, r = R[:, :, :q], R[:, :, q : q + p], R[:, :, -1]
        root, inverse_root = _roots(Z @ problem.map.Lambda(theta))
        M, M_root = state.S_inv, np.linalg.cholesky(state.S_inv)
        white = inverse_root @ X
        left, axes = _left_by_fit(white @ M_root)
        # E_j = M X_j' V_j^-1 A_j, with V_j^{1/2} taken out in the middle.
        half = M @ white.transpose(0, 2, 1)
        E = half @ (_bell_mccaffrey(root, left, axes) @ root if kind == "CR2" else inverse_root)
        scores = (E @ r[:, :, None])[:, :, 0]
        blind = half @ (axes * (left == 0.0)[:, None])
        self.cov, self.g, self.h = scores.T @ scores, E @ root, E @ X @ M_root
        self.working, self.blind = M, np.tensordot(blind, blind, axes=([0, 2], [0, 2]))

    def unknown(self, C: np.ndarray) -> np.ndarray:
        """Whether the variance of each row of C (r, p) is out of reach, shape (r,) of bool."""
        blind, all_ = (np.einsum("rp,ps,rs->r", C, M, C) for M in (self.blind, self.working))
        return blind > BLIND_SHARE * all_

    def df(self, C: np.ndarray) -> np.ndarray:
        """Satterthwaite's degrees of freedom of each row of C (r, p), shape (r,).

        NaN where one cluster alone determines the combination.
        """
        return np.array([self._hotelling(c[None]) for c in C])

    def joint(self, C: np.ndarray) -> tuple[float, float]:
        """Denominator df, and factor on Wald / r, of the HTZ test of r combinations at once.

        The Wald statistic is taken as Hotelling's T² with the degrees of freedom of
        :meth:`_hotelling` (Tipton & Pustejovsky 2015). Both are NaN where these are too few for
        an F distribution, or unknown.
        """
        r, nu = len(C), self._hotelling(C)
        df = nu - r + 1.0
        return (df, df / nu) if df > 0.0 else (np.nan, np.nan)

    def _hotelling(self, C: np.ndarray) -> float:
        """Degrees of freedom of the Wishart distribution nearest to the covariance of C beta.

        They match the total variance of the elements, in the metric in which their expectation is
        the identity; for one row that is Satterthwaite's ``2 E^2 / Var``.
        """
        if self.unknown(C).any():
            return np.nan
        g, h = C @ self.g, C @ self.h
        expected = np.einsum("jsk,jtk->st", g, g) - np.einsum("jsa,jta->st", h, h)
        values, vectors = np.linalg.eigh(expected)
        root = (vectors / np.sqrt(values)) @ vectors.T
        g, h = root @ g, root @ h
        G, H = g @ g.transpose(0, 2, 1), h @ h.transpose(0, 2, 1)
        K = np.einsum("jsa,jtb->stab", h, h)
        variance = (G * G - 2.0 * G * H).sum() + np.einsum("stab,stba->", K, K)
        size, used = (np.diagonal(x, axis1=1, axis2=2).sum(axis=1) for x in (G, H))
        variance += size @ size - 2.0 * (size @ used) + (K * K).sum()
        return float(len(C) * (len(C) + 1) / variance)


def _scaled_rows(design: Design, problem: ProfiledDeviance, beta: np.ndarray) -> np.ndarray:
    """Rows of [Z X r] in scaled units, r the residual from the fixed part."""
    scaling = problem.moments.scaling
    Z, X = _mapped(design.Z, scaling.T), _mapped(design.X, scaling.A)
    r = (design.y - design.X @ scaling.b0) / scaling.scale - X @ beta
    return np.column_stack([Z, X, r])


def _mapped(X: np.ndarray, A: np.ndarray) -> np.ndarray:
    """``X A``, with the means taken off first: an offset of X costs no digits then."""
    means = X.mean(axis=0)
    return (X - means) @ A + means @ A


def _cluster_factors(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Triangular factor of the rows of each cluster, shape (J, k, k), k columns of ``rows``."""
    n = np.bincount(codes)
    ends = np.cumsum(n)
    rows = rows[np.argsort(codes, kind="stable")]
    R = np.zeros((len(n), rows.shape[1], rows.shape[1]))
    for j, (size, end) in enumerate(zip(n, ends, strict=True)):
        factor = np.linalg.qr(rows[end - size : end], mode="r")
        R[j, : len(factor)] = factor
    return R


def _roots(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric roots of ``V_j = I + C_j C_j'`` and of its inverse, shapes (J, k, k)."""
    values, vectors = np.linalg.eigh(C @ C.transpose(0, 2, 1))
    size = np.sqrt(1.0 + np.maximum(values, 0.0))[:, None]
    transposed = vectors.transpose(0, 2, 1)
    return (vectors * size) @ transposed, (vectors / size) @ transposed


def _left_by_fit(fitted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What fitting X leaves of the identity, the V_j of whitened rows: eigenvalues and -vectors.

    Parameters
    ----------
    fitted : ndarray, shape (J, k, p)
        ``V_j^{-1/2} X_j M^{1/2}``.

    Returns
    -------
    left : ndarray, shape (J, k)
        Between 0 and 1; exactly 0 where nothing is left.
    axes : ndarray, shape (J, k, k)
    """
    values, axes = np.linalg.eigh(np.eye(fitted.shape[1]) - fitted @ fitted.transpose(0, 2, 1))
    return np.where(values > NOTHING_LEFT, values, 0.0), axes


def _bell_mccaffrey(root: np.ndarray, left: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """``G_j^{-1/2}``, with the symmetric root of V_j as D_j, shape (J, k, k).

    ``G_j = K_j K_j'`` with ``K_j = V_j axes_j left_j^{1/2}``; the singular values of K_j keep twice
    the digits that the eigenvalues of G_j would.
    """
    U, size, _ = np.linalg.svd(root @ root @ (axes * np.sqrt(left)[:, None]))
    # Singular values descend: the last ones are the zeros.
    keep = np.arange(left.shape[1]) < (left > 0.0).sum(axis=1, keepdims=True)
    inverse = np.where(keep, 1.0 / np.where(keep, size, 1.0), 0.0)
    return (U * inverse[:, None]) @ U.transpose(0, 2, 1)
