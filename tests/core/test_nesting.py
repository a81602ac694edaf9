"""Which designs contain which, on matrices small enough to see."""

import numpy as np
import pandas as pd
import pytest

from mlteach.core.design import design
from mlteach.core.formula import parse
from mlteach.core.linalg import block_pattern
from mlteach.core.nesting import (
    columns_nested,
    covariances_nested,
    different_data,
    same_columns,
)

RNG = np.random.default_rng(9)
TABLE = pd.DataFrame(
    {
        "y": RNG.normal(size=24),
        "x": RNG.normal(size=24),
        "w": RNG.normal(size=24),
        "k": np.tile(["a", "b", "c"], 8),
        "g": np.repeat(np.arange(6), 4),
    }
)


def made(right, table=TABLE):
    """Return the design of a model for y."""
    return design(parse(f"y ~ {right}"), table)


@pytest.mark.parametrize(
    ("small", "big", "nested"),
    [
        ("1", "x", True),
        ("x", "1", False),
        ("I(3 * x - 1)", "x", True),
        ("0 + k", "k", True),
        ("k", "0 + k", True),
        ("0 + x", "x", True),
        ("x", "0 + x", False),
        ("x + I(x ** 2)", "x", False),
        ("I(1e-9 * x)", "w", False),
    ],
)
def test_fixed(small, big, nested):
    X = [made(f"{fixed} + (1 | g)").X for fixed in (small, big)]
    assert columns_nested(*X) is nested


@pytest.mark.parametrize(
    ("small", "big", "nested"),
    [
        ("1 | g", "1 + x | g", True),
        ("1 | g", "1 + x || g", True),
        ("1 + x || g", "1 + x | g", True),
        ("1 + x | g", "1 + x || g", False),
        ("1 + x | g", "1 | g", False),
        ("0 + x | g", "1 + x | g", True),
        ("1 | g", "0 + x | g", False),
        ("1 + I(x - 2) | g", "1 + x | g", True),
        ("1 + I(x - 2) || g", "1 + x || g", False),
        ("1 + I(5 * x) || g", "1 + x || g", True),
        ("1 + I(1e-6 * x) | g", "1 + I(1e6 * x) || g", False),
        ("1 | g", "0 + k | g", True),
        ("1 | g", "1 + x + w || g", True),
        ("1 + x + w || g", "1 + x | g", False),
    ],
)
def test_random(small, big, nested):
    a, b = made(f"x + ({small})"), made(f"x + ({big})")
    free = block_pattern(a.blocks), block_pattern(b.blocks)
    assert covariances_nested(a.Z, free[0], b.Z, free[1]) is nested


def test_same_columns_in_any_order_but_not_in_any_coding():
    one = made("x + w + (1 | g)")
    assert same_columns(one, made("w + x + (1 + x | g)"))
    assert same_columns(one, made("x + w + (1 | g)"))
    assert not same_columns(one, made("x + I(2 * w) + (1 | g)"))
    assert not same_columns(one, made("x + (1 | g)"))


def test_same_data():
    one = made("x + (1 | g)")
    assert different_data(one, made("w + (1 + w | g)")) == ""
    renamed = TABLE.assign(g=TABLE["g"] + 1)
    assert "other values or clusters" in different_data(one, made("x + (1 | g)", renamed))
    assert "row labels" in different_data(one, made("x + (1 | g)", TABLE.set_index("w")))
