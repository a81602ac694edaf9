"""Per-cluster statistics against a plain QR of every cluster."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlteach.core import moments
from mlteach.core.design import design
from mlteach.core.formula import parse
from mlteach.core.moments import OutcomeMoments, cluster_moments, solve_within
from mlteach.errors import DataError, ModelError
from tests.dense import small_data

FORMULA = parse("y ~ x + w + (1 + x | g)")


def table(seed, **options):
    y, X, _, codes = small_data(seed, **options)
    return pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})


def same(a, b, tol=1e-10):
    return all(np.allclose(getattr(a, k), getattr(b, k), atol=tol) for k in ("n", "R", "B", "E"))


@given(st.integers(0, 1000))
def test_statistics_carry_the_cross_products_of_every_cluster(seed):
    d = design(FORMULA, table(seed, x_cluster_constant=(2,)))
    m = cluster_moments(d)
    s = m.scaling
    Z = d.Z @ s.T
    W = np.column_stack([d.X @ s.A, (d.y - d.X @ s.b0) / s.scale])
    total = np.zeros_like(m.E)
    for j in range(m.J):
        at = d.codes == j
        assert np.allclose(m.R[j].T @ m.R[j], Z[at].T @ Z[at], atol=1e-10)
        assert np.allclose(m.R[j].T @ m.B[j], Z[at].T @ W[at], atol=1e-9)
        total += W[at].T @ W[at] - m.B[j].T @ m.B[j]
    assert np.allclose(m.E, total, atol=1e-9)


def test_solve_within_is_least_squares_in_every_cluster_that_allows_it():
    d = design(FORMULA, table(3, sizes=(2, 8), x_cluster_constant=(2,)))
    m = cluster_moments(d)
    Z = d.Z @ m.scaling.T
    y = (d.y - d.X @ m.scaling.b0) / m.scaling.scale
    got = solve_within(m, m.B[:, :, -1:])[:, :, 0]
    for j in range(m.J):
        at = d.codes == j
        if j == 2:
            assert np.isnan(got[j]).all()
        else:
            assert np.allclose(got[j], np.linalg.lstsq(Z[at], y[at], rcond=None)[0], atol=1e-10)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_chunks_do_not_matter(seed, chunk_rows):
    d = design(FORMULA, table(seed))
    with patch.object(moments, "CHUNK_ROWS", chunk_rows):
        in_chunks = cluster_moments(d)
    assert same(cluster_moments(d), in_chunks)


@given(st.integers(0, 1000), st.floats(-50, 50))
def test_another_outcome_changes_its_column_only(seed, shift):
    data = table(seed, x_cluster_constant=(2,)).sample(frac=1.0, random_state=seed)
    d = design(FORMULA, data)
    m = cluster_moments(d)
    same_again = OutcomeMoments(d, m)(d.y)
    assert same(same_again, m)
    y = shift + np.random.default_rng(seed).normal(size=len(data))
    other = OutcomeMoments(d, m)(y)
    assert np.array_equal(other.B[:, :, :-1], m.B[:, :, :-1])
    assert np.array_equal(other.E[:-1, :-1], m.E[:-1, :-1])
    # The scaling is that of d.y; total cross-products with the scaled y must still be right.
    scaled = (y - d.X @ m.scaling.b0) / m.scaling.scale
    W = np.column_stack([d.X @ m.scaling.A, scaled])
    total = other.E + np.einsum("jqa,jqb->ab", other.B, other.B)
    assert np.allclose(total, W.T @ W, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 1000))
def test_order_of_rows_does_not_matter(seed):
    data = table(seed)
    shuffled = data.sample(frac=1.0, random_state=seed)
    assert same(cluster_moments(design(FORMULA, data)), cluster_moments(design(FORMULA, shuffled)))


def test_an_offset_of_the_outcome_costs_no_digit():
    data = table(1)
    moved = data.assign(y=(data.y.round(6) + 2.0**40))
    back = moved.assign(y=moved.y - 2.0**40)
    far, near = (cluster_moments(design(FORMULA, t)) for t in (moved, back))
    assert same(far, near, tol=1e-9)


def test_columns_are_centred_and_of_size_one():
    d = design(FORMULA, table(3).assign(x=lambda t: t.x * 1e-6 + 1e6))
    Xs = d.X @ cluster_moments(d).scaling.A
    # Data at 1e6 with spread 1e-6 keep about four digits of their spread.
    assert np.allclose((Xs**2).mean(axis=0), 1.0, atol=1e-3)


def test_constant_predictor_is_named():
    with pytest.raises(ModelError, match="predictor 'w' is constant"):
        cluster_moments(design(FORMULA, table(1).assign(w=4.2)))


def test_collinear_predictors_are_named():
    data = table(1).assign(v=lambda t: 2 * t.x - t.w)
    formula = parse("y ~ x + w + v + (1 | g)")
    with pytest.raises(ModelError, match="'v' is an exact linear combination of 'x', 'w'"):
        cluster_moments(design(formula, data))


def test_outcome_without_residual_variance_is_refused():
    with pytest.raises(DataError, match="reproduced exactly"):
        cluster_moments(design(FORMULA, table(1).assign(y=lambda t: 1 + 2 * t.x)))


def test_more_coefficients_than_rows_is_refused():
    data = pd.DataFrame({"y": [1.0, 2, 4], "a": [1.0, 0, 0], "b": [0.0, 1, 0], "g": [1, 1, 2]})
    with pytest.raises(ModelError, match="3 row"):
        cluster_moments(design(parse("y ~ a + b + (1 | g)"), data))
