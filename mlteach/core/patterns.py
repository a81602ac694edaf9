"""Rows that lack the same values, and the algebra of all their patterns at once.

A pattern is the set of the p variables that a row has. With R patterns, everything that depends on
a covariance matrix and on the pattern is an array of shape (R, p, p), padded with zeros where a
variable is missing.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.columns import first_rows

# Numbers in an array of matrices that is made for a moment.
CHUNK = 4_000_000
IN_CACHE = 100_000


def patterns_of(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of a mask (R, p), sorted from all missing to complete; and each row's (N,).

    Parameters
    ----------
    observed : ndarray of bool, shape (N, p)
    """
    p = observed.shape[1]
    number = np.zeros(len(observed), int)
    # Whole numbers of 64 bits hold the number of a pattern, below 2^31, and 32 columns more.
    for start in range(0, p, 32):
        bits = observed[:, start : start + 32]
        for column in bits.T:
            number = 2 * number + column
        number = numbered(number)[1]
    return observed[first_rows(number)], number


def numbered(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct whole numbers of 0 or more, ascending, and which of them each element is."""
    top = int(values.max())
    if top > 4 * len(values) + 1024:
        return np.unique(values, return_inverse=True)
    here = np.zeros(top + 1, bool)
    here[values] = True
    return np.flatnonzero(here), (np.cumsum(here) - 1)[values]


def padded(matrix: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """A symmetric matrix for each pattern, that of the identity where a variable is missing.

    Its inverse and its determinant are those of the observed block.

    Parameters
    ----------
    matrix : ndarray, shape (p, p) or (R, p, p)
    observed : ndarray of bool, shape (R, p)

    Returns
    -------
    ndarray, shape (R, p, p)
    """
    both = observed[:, :, None] & observed[:, None]
    return np.where(both, matrix, np.eye(observed.shape[1]))


def block_inverses(matrix: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Inverse of the observed block of each pattern, zero elsewhere, shape (R, p, p)."""
    return clipped(np.linalg.inv(padded(matrix, observed)), observed)


def each_times(P: np.ndarray, number: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Rows of d (K, p), each times the matrix of its pattern ``number``; shape (K, p)."""
    if len(P) == 1:
        return d @ P[0]
    step = max(1, IN_CACHE // P[0].size)
    starts = range(0, len(d), step)
    parts = [(d[a : a + step, None] @ P[number[a : a + step]])[:, 0] for a in starts]
    return np.concatenate(parts) if parts else d


def clipped(matrices: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Zero where a variable is missing, in place; shape (R, p, p)."""
    matrices *= observed[:, :, None] & observed[:, None]
    return matrices
