"""Figure of missing values: tiles and bars are the table of patterns, and no words overlap."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import plots
from mlteach.errors import DataError
from tests.plots.texts import overlapping

EXACT = {"rtol": 1e-12}  # the same numbers, only drawn


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    n = 2000
    country = rng.choice(["ALB", "IRL"], n)
    table = pd.DataFrame({"country": country, "CREATAS": rng.normal(size=n), "GROSAGR": "a"})
    table.loc[rng.random(n) < np.where(country == "ALB", 0.4, 0.2), "CREATAS"] = np.nan
    table.loc[rng.random(n) < 0.02, "GROSAGR"] = None
    return table


VARIABLES = ["CREATAS", "GROSAGR"]


def tiles(ax):
    """Return the table of tiles, True where observed, patterns by variables."""
    found = {
        (round(t.get_y() + 0.42), round(t.get_x() - 0.04)): t.get_gid() == "observed"
        for t in ax.patches
        if t.get_gid()
    }
    shape = np.array(list(found)).max(axis=0) + 1
    return np.array([[found[y, x] for x in range(shape[1])] for y in range(shape[0])])


def bars(ax):
    return np.array([[bar.get_width() for bar in column] for column in ax.containers])


def test_tiles_and_bars_are_the_table(data):
    table = mt.missing_patterns(data, VARIABLES, group="country")
    ax = plots.missing_patterns(data, VARIABLES, group="country")
    np.testing.assert_array_equal(tiles(ax), table[VARIABLES])
    shares = table[["share[ALB]", "share[IRL]"]].to_numpy().T
    np.testing.assert_allclose(bars(ax) / bars(ax).max(), shares / shares.max(), **EXACT)
    words = [text.get_text() for text in ax.texts]
    assert f"{table.loc[1, 'rows[IRL]']:,} ({table.loc[1, 'share[IRL]']:.0%})" in words
    assert {"ALB", "IRL"} <= set(words)
    assert [t.get_text() for t in ax.get_xticklabels()] == VARIABLES


def test_without_groups_there_is_one_column_of_bars(data):
    ax = plots.missing_patterns(data, VARIABLES)
    share = mt.missing_patterns(data, VARIABLES)["share"]
    assert len(ax.containers) == 1
    np.testing.assert_allclose(bars(ax)[0] / bars(ax).max(), share / share.max(), **EXACT)


def test_description_counts_every_row(data):
    table = mt.missing_patterns(data, VARIABLES, group="country")
    text = plots.describe(plots.missing_patterns(data, VARIABLES, group="country"))
    assert text.startswith("Patterns of missing values of CREATAS and GROSAGR in 2,000 rows.")
    for rows in table["rows"]:
        assert f"({rows:,} rows;" in text
    assert "Nothing missing:" in text and "CREATAS and GROSAGR missing:" in text


def test_many_patterns_are_cut_and_the_rest_is_counted():
    rng = np.random.default_rng(2)
    names = [f"x{k}" for k in range(7)]
    data = pd.DataFrame(rng.normal(size=(3000, 7)), columns=names)
    data = data.mask(rng.random(data.shape) < 0.3)
    table = mt.missing_patterns(data, names)
    assert len(table) > 20
    ax = plots.missing_patterns(data, names)
    assert tiles(ax).shape == (20, 7)
    rest = table["rows"].sum() - table["rows"].nlargest(8).sum()
    assert f"{len(table) - 8} other patterns" in plots.describe(ax)
    assert f"({rest:,} rows)" in plots.describe(ax)


@pytest.mark.parametrize("group", [None, "country", "many"])
@pytest.mark.parametrize("long", [False, True])
def test_no_text_overlaps_any_other(data, group, long):
    data = data.assign(many=np.arange(len(data)) % 6)
    labels = {"CREATAS": "creative activities at school, as students see it"} if long else None
    with plots.style():
        ax = plots.missing_patterns(data, VARIABLES, group=group, labels=labels)
        assert not overlapping(ax)


def test_draws_into_the_given_axes(data):
    with mpl.rc_context({"figure.constrained_layout.use": True}):
        ax = plt.subplots(1, 2, figsize=(11, 4))[1][1]
        assert plots.missing_patterns(data, VARIABLES, group="country", ax=ax) is ax
        assert not overlapping(ax)
    with pytest.raises(DataError, match=r"ax=axes\[0\]"):
        plots.missing_patterns(data, VARIABLES, ax=plt.subplots(1, 2)[1])
