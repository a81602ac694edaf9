"""Published numbers of the mixed model, at the precision they are printed with.

The numbers are data: ``reference/published_mixed.csv``, one printed number a row, with its source.
A value agrees if it rounds to what is printed.

The design of the book also quotes 46503.67 for the cross-level REML deviance on hsb. The minimum is
46503.66287 (lme4 polished by Newton steps agrees, see ``reference/lme4.json``), which rounds to
46503.66; that number is therefore tested at the precision of the minimum only.
"""

import functools
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import mlteach as mt

TABLE = pd.read_csv(Path(__file__).parent / "reference" / "published_mixed.csv", dtype=str)
TABLE["name"] = TABLE["name"].fillna("")
ROUNDING = 1e-9  # of the last printed digit: a value that lies exactly on the edge still agrees


@functools.cache
def data(name):
    """Return a shipped data set, with the within-school deviation of ses for hsb."""
    frame = mt.load(name)
    return frame.assign(ses_within=frame["ses"] - frame["mean_ses"]) if name == "hsb" else frame


@functools.cache
def fit(name, formula, method):
    """Fit each published model once."""
    return mt.fit_mixed(formula, data(name), reml=method == "reml")


def ours(row):
    """Return our value of a published quantity."""
    result = fit(row.data, row.formula, row.method)
    look_up = {
        "estimate": lambda: result.params[row.name_],
        "se": lambda: result.bse[row.name_],
        "variance": lambda: result.variances.loc[row.name_, "estimate"],
        "lr": lambda: result.lr_test_random.statistic,
        "llf": lambda: result.llf,
        "deviance": lambda: result.deviance,
    }
    return look_up[row.quantity]()


ROWS = list(TABLE.rename(columns={"name": "name_"}).itertuples(index=False))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.model}-{r.quantity}-{r.name_}".strip("-"))
def test_rounds_to_the_printed_number(row):
    printed = Decimal(row.printed)
    last_digit = float(Decimal(1).scaleb(printed.as_tuple().exponent))
    assert abs(ours(row) - float(printed)) <= (0.5 + ROUNDING) * last_digit


def test_every_number_has_a_source():
    assert TABLE["source"].str.len().gt(10).all()
    assert not TABLE.duplicated(["model", "quantity", "name", "printed"]).any()
