"""Coefficient tables and summaries."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlteach.core.summary import Summary, coefficient_table, format_number, format_p, format_table
from mlteach.errors import ModelError


def test_coefficient_table_is_the_t_test():
    one = pd.Series([1.5, -0.2], index=["a", "b"])
    table = coefficient_table(one, one.abs() / one.abs(), pd.Series([10.0, np.inf], one.index), 0.9)
    assert table.loc["a", "p"] == pytest.approx(2 * stats.t.sf(1.5, 10))
    assert table.loc["b", "p"] == pytest.approx(2 * stats.norm.sf(0.2))
    assert table.loc["a", "upper"] == pytest.approx(1.5 + stats.t.ppf(0.95, 10))
    assert table.loc["b", "lower"] == pytest.approx(-0.2 - stats.norm.ppf(0.95))


@pytest.mark.parametrize("level", [0, 1, 95, np.nan, "0.95", None])
def test_levels_lie_between_0_and_1(level):
    one = pd.Series([1.0])
    with pytest.raises(ModelError, match="between 0 and 1"):
        coefficient_table(one, one, one, level)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.63697, "12.6370"), (0.0, "0.0000"), (1.2e-7, "1.2e-07"), (np.nan, ""), (np.inf, "∞"),
        # From half of a thousandth to a million decimals show a number.
        (-5e-4, "-0.0005"), (4.9e-4, "0.00049"), (999_999.0, "999999.0000"), (1e6, "1e+06"),
    ],
)  # fmt: skip
def test_numbers_are_readable(value, text):
    assert format_number(value) == text


def test_p_values_have_a_floor():
    assert [format_p(p) for p in (0.5, 0.0005, 0.0001, np.nan)] == ["0.500", "0.001", "<0.001", ""]


def test_tables_keep_their_index():
    table = pd.DataFrame({"estimate": [1.0], "df": [12.34], "p": [1e-9], "n": [3]}, index=["x"])
    assert format_table(table).loc["x"].tolist() == ["1.0000", "12.3", "<0.001", "3"]


def test_html_is_escaped():
    summary = Summary("A < B", {"f": "y ~ x & z"}, {"T": pd.DataFrame({"e": [1.0]})}, ("a < b",))
    html = summary._repr_html_()
    assert "A &lt; B" in html
    assert "y ~ x &amp; z" in html
    assert "a &lt; b" in html
    assert "Note: a < b" in str(summary)
