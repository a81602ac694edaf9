"""Columns in the fitter's units: centred and scaled, with the way back.

An offset of a million would otherwise use up half of the digits of float64, and a covariate in
thousands would hide one in thousandths from the search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlteach.core.design import Design
from mlteach.core.linalg import block_pattern, first_dependent
from mlteach.errors import DataError, ModelError

# Rows worked on at a time: small enough that temporaries stay far below the size of big data.
CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class Scaling:
    """The linear maps between the user's units and the fitter's.

    Scaled quantities carry a subscript s: ``X_s = X A``, ``Z_s = Z T`` and
    ``y_s = (y - X b0) / scale``; so ``beta = b0 + scale * A beta_s`` and
    ``u = scale * T u_s``.

    Attributes
    ----------
    A : ndarray, shape (p, p)
    T : ndarray, shape (q, q)
    b0 : ndarray, shape (p,)
        Ordinary least squares, in the user's units.
    scale : float
        Residual standard deviation of ordinary least squares.
    """

    A: np.ndarray
    T: np.ndarray
    b0: np.ndarray
    scale: float

    def beta(self, beta_s: np.ndarray) -> np.ndarray:
        """Coefficients in the user's units."""
        return self.b0 + self.scale * (self.A @ beta_s)

    def cov_beta(self, cov_s: np.ndarray) -> np.ndarray:
        """Covariance matrix of the coefficients in the user's units."""
        return self.scale**2 * self.A @ cov_s @ self.A.T

    def tau(self, tau_s: np.ndarray) -> np.ndarray:
        """Covariance matrix of the random effects in the user's units."""
        return self.scale**2 * self.T @ tau_s @ self.T.T


@dataclass(frozen=True)
class Standard:
    """Centring and scaling of columns, applied to rows at a time.

    Attributes
    ----------
    means, size : ndarray, shape (p,)
        What is subtracted from a column, and what it is then divided by.
    constant : ndarray, shape (p,)
        Coefficients that reproduce a column of ones (zero if there is no intercept).
    pattern : ndarray of bool, shape (p, p), or True
        Which columns take each other's means up.
    """

    means: np.ndarray
    size: np.ndarray
    constant: np.ndarray
    pattern: np.ndarray | bool = True

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Standardised columns of some rows, as a contiguous (p, rows) array."""
        return (X.T - self.means[:, None]) / self.size[:, None]

    @property
    def matrix(self) -> np.ndarray:
        """The same as a matrix A: standardised rows are ``X A``, shape (p, p)."""
        whole = (np.eye(len(self.size)) - np.outer(self.constant, self.means)) / self.size
        return np.where(self.pattern, whole, 0.0)


def _row_chunks(N: int) -> Iterator[slice]:
    return (slice(k, k + CHUNK_ROWS) for k in range(0, N, CHUNK_ROWS))


def standardise(X: np.ndarray, names, kind: str, centre: bool = True) -> Standard:
    """Find means and sizes, and refuse constant or collinear columns by name."""
    p, N = X.shape[1], len(X)
    intercept, constant, means = _constant(X), np.zeros(p), np.zeros(p)
    if intercept is not None:
        constant[intercept] = 1.0 / X[0, intercept]
        if centre:
            means = np.array([X[:, k].mean() for k in range(p)])
            means[intercept] = 0.0
    shift = Standard(means, np.ones(p), constant)
    gram = sum(W @ W.T for W in (shift(X[rows]) for rows in _row_chunks(N)))
    size = np.sqrt(np.diag(gram) / N)
    largest = np.maximum(X.max(axis=0), -X.min(axis=0))
    flat = size <= 1e-14 * largest
    if flat.any():
        raise ModelError(
            f"The {kind} '{names[int(np.argmax(flat))]}' is constant in the rows used, so its "
            "effect cannot be told from the intercept. Leave it out."
        )
    correlations = gram / np.outer(size, size) / N
    dependent = first_dependent(correlations)
    if dependent is not None:
        raise ModelError(_collinear(names, dependent, correlations, kind))
    return Standard(means, size, constant)


def standardise_blocks(design: Design, centre: bool) -> Standard:
    """Standardise Z; a column is centred only where its block has an intercept to take it up."""
    q = design.Z.shape[1]
    whole = Standard(np.zeros(q), np.ones(q), np.zeros(q), block_pattern(design.blocks))
    for block in design.blocks:
        at = slice(block[0], block[-1] + 1)
        part = standardise(design.Z[:, at], design.z_names[at], "random effect", centre)
        whole.means[at], whole.size[at], whole.constant[at] = part.means, part.size, part.constant
    return whole


def least_squares(design: Design, standard: Standard) -> tuple[float, np.ndarray, float]:
    """Offset, standardised coefficients and residual SD of ordinary least squares.

    The offset is taken off by plain subtraction, which is exact where least squares would round;
    a second round on the residuals gives the coefficients their last digits.
    """
    X, y = design.X, design.y
    N, p = X.shape
    if p >= N:
        raise ModelError(
            f"{N} row(s) cannot determine {p} coefficients; fewer predictors or more data are "
            "needed."
        )
    offset = float(y[0]) if standard.constant.any() else 0.0
    b = np.zeros(p)
    for _ in range(2):
        gram, cross = np.zeros((p, p)), np.zeros(p)
        for rows in _row_chunks(N):
            W = standard(X[rows])
            gram += W @ W.T
            cross += W @ (y[rows] - offset - b @ W)
        b = b + np.linalg.solve(gram, cross)
    rss = sum(
        float(np.sum((y[rows] - offset - b @ standard(X[rows])) ** 2)) for rows in _row_chunks(N)
    )
    scale = float(np.sqrt(rss / (N - p)))
    if not scale > 1e-15 * float(np.abs(y).max()):
        raise DataError(
            f"The outcome '{design.formula.outcome}' is reproduced exactly by the fixed effects: "
            "there is no residual variance to divide between the levels."
        )
    return offset, b, scale


def _constant(X: np.ndarray) -> int | None:
    """Position of the intercept: the first column that is constant and not zero."""
    constant = (k for k, first in enumerate(X[0]) if first != 0 and (X[:, k] == first).all())
    return next(constant, None)


def _collinear(names, bad: int, correlations: np.ndarray, kind: str) -> str:
    """Say which column is determined by which others."""
    before = correlations[:bad, :bad]
    weights = np.linalg.lstsq(before, correlations[:bad, bad], rcond=None)[0]
    partners = [name for name, w in zip(names, weights, strict=False) if abs(w) > 1e-6]
    of = ", ".join(f"'{name}'" for name in partners) or "other columns"
    return (
        f"The {kind} '{names[bad]}' is an exact linear combination of {of}: collinear columns "
        "have no separate effects. Leave one of them out."
    )
