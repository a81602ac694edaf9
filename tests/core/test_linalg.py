"""Maps between theta, Lambda and covariance matrices; batched small factorisations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlteach.core.linalg import (
    ThetaMap,
    batched_cholesky,
    batched_solve_lower,
    chol_logdet,
    first_dependent,
    psd_cholesky,
)


def test_theta_is_ordered_by_block_and_column():
    map_ = ThetaMap.from_blocks([(0, 1), (2,)])
    assert list(zip(map_.rows, map_.cols, strict=True)) == [(0, 0), (1, 0), (1, 1), (2, 2)]
    Lambda = map_.Lambda(np.array([1.0, 2.0, 3.0, 4.0]))
    assert Lambda.tolist() == [[1, 0, 0], [2, 3, 0], [0, 0, 4]]
    assert map_.theta(Lambda).tolist() == [1, 2, 3, 4]


def test_bases_are_derivatives():
    map_ = ThetaMap.from_blocks([(0, 1)])
    a, b = np.array([1.0, 2.0, 3.0]), np.array([0.1, -0.2, 0.3])
    change = np.einsum("a,axy->xy", b, map_.lambda_basis())
    assert np.allclose(map_.Lambda(a + b) - map_.Lambda(a), change)
    assert np.array_equal(map_.tau_basis()[1], [[0, 1], [1, 0]])


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 10_000))
def test_psd_cholesky_reproduces_any_rank(q, rank, seed):
    half = np.random.default_rng(seed).normal(size=(q, min(rank, q)))
    A = half @ half.T
    L = psd_cholesky(A)
    assert np.allclose(L @ L.T, A, atol=1e-12 * max(1.0, np.abs(A).max()))
    assert (np.diag(L) >= 0).all()
    assert np.array_equal(L, np.tril(L))


@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_batched_factor_and_solve_agree_with_lapack(q):
    rng = np.random.default_rng(q)
    half = rng.normal(size=(7, q, q))
    H = np.eye(q) + half @ half.transpose(0, 2, 1)
    B = rng.normal(size=(7, q, 3))
    L = batched_cholesky(H)
    assert np.allclose(L, np.linalg.cholesky(H), atol=1e-13)
    assert np.allclose(batched_solve_lower(L, B), np.linalg.solve(L, B), atol=1e-13)
    assert np.isclose(chol_logdet(L), np.linalg.slogdet(H)[1].sum())


def test_first_dependent_names_the_later_of_two():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    x = np.column_stack([x, x[:, 0] - 2 * x[:, 2]])
    x /= np.linalg.norm(x, axis=0)
    assert first_dependent(x.T @ x) == 3
    assert first_dependent(x[:, :3].T @ x[:, :3]) is None
