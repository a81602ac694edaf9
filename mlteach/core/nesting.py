"""Whether two models can be compared: the same rows, and one a special case of the other.

The fixed part of a model is nested in that of another if its columns lie in the span of the
other's. Its random part is nested if every covariance matrix ``Z Tau Z'`` it can produce is one the
other can produce: with ``Z_small = Z_big C`` the matrix ``C Tau C'`` must fit the other's blocks.
"""

from __future__ import annotations

import numpy as np

from mlteach.core.design import Design
from mlteach.core.linalg import symmetric_basis

# A column is a combination of others if this part of its length, or less, is left over.
SPAN_TOLERANCE = 1e-9


def different_data(a: Design, b: Design) -> str:
    """Say in what way two models were not fitted to the same rows; empty if they were.

    Parameters
    ----------
    a, b : Design

    Returns
    -------
    str
        One sentence on what differs.
    """
    if a.formula.outcome != b.formula.outcome:
        return (
            f"The outcomes differ ('{a.formula.outcome}' and '{b.formula.outcome}'): a "
            "deviance, or a variance, of one outcome says nothing about another."
        )
    if a.formula.cluster != b.formula.cluster:
        return (
            f"The clusters differ ('{a.formula.cluster}' and '{b.formula.cluster}'): the models "
            "split the variance in two different ways."
        )
    if len(a.y) != len(b.y):
        return (
            f"The models use {len(a.y)} and {len(b.y)} rows, probably because a predictor has "
            "missing values: numbers from different rows cannot be compared. Drop the rows with "
            "missing values in any of the predictors first, and fit all models to that table."
        )
    if not a.index.equals(b.index):
        return (
            "The models use different rows (their row labels differ). Fit all of them to one "
            "table, without rows that have missing values in any of the predictors."
        )
    same_clusters = a.labels.equals(b.labels) and np.array_equal(a.codes, b.codes)
    if not (same_clusters and np.array_equal(a.y, b.y)):
        return (
            "The rows have the same labels but other values or clusters in the two models. Fit all "
            "of them to one table."
        )
    return ""


def same_columns(a: Design, b: Design) -> bool:
    """Whether two models have the same fixed effects, coded the same way, in any order."""
    return {x.tobytes() for x in a.X.T} == {x.tobytes() for x in b.X.T}


def different_methods(reml: tuple[bool, bool], a: Design, b: Design) -> str:
    """Say why likelihoods by these methods (REML or not) cannot be compared; empty if they can."""
    if reml[0] != reml[1]:
        return (
            "One model is fitted by REML and the other by ML. Their likelihoods are of different "
            "things (REML's is that of the residuals from the fixed effects): fit both the same "
            "way, with reml=False if the fixed effects differ."
        )
    if reml[0] and not same_columns(a, b):
        return (
            "These are REML fits with different fixed effects. REML's likelihood is that of "
            "what the fixed effects leave over, so each model's is of other data (of other units, "
            "if only the coding differs). Fit both with reml=False to compare them."
        )
    return ""


def covariances_nested(
    small: np.ndarray, small_free: np.ndarray, big: np.ndarray, big_free: np.ndarray
) -> bool:
    """Whether every ``D Omega D'`` of one random part is one that the other can produce.

    Parameters
    ----------
    small, big : ndarray, shape (N, q)
        Predictors of the random effects.
    small_free, big_free : ndarray of bool, shape (q, q)
        Which elements of Omega may differ from zero.
    """
    C = _combination(small, big)
    if C is None:
        return False
    basis = symmetric_basis(len(small_free), np.nonzero(np.tril(small_free)))
    # C is in units of the columns; it is made free of them before anything counts as zero.
    size = np.linalg.norm(big, axis=0)
    reached = np.abs(C @ basis @ C.T) * np.outer(size, size)
    return bool((reached[:, ~big_free] <= SPAN_TOLERANCE * reached.max(initial=0.0)).all())


def columns_nested(small: np.ndarray, big: np.ndarray) -> bool:
    """Whether the columns of one matrix lie in the span of the other's."""
    return _combination(small, big) is not None


def _combination(small: np.ndarray, big: np.ndarray) -> np.ndarray | None:
    """Matrix C with ``small = big C``; None if there is none."""
    size = np.linalg.norm(big, axis=0)
    C = np.linalg.lstsq(big / size, small, rcond=None)[0]
    left = np.linalg.norm(small - (big / size) @ C, axis=0)
    if (left > SPAN_TOLERANCE * np.linalg.norm(small, axis=0)).any():
        return None
    return C / size[:, None]
