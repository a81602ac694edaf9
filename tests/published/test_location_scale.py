"""The printed tables by our names: every printed number finds its estimate, and once only."""

import numpy as np
import pytest

import mlteach as mt
from mlteach.published.location_scale import (
    estimates,
    printed_dic,
    printed_location_scale,
    separate_fits,
)
from tests.published.test_location_scale_tables import MODELS, fit


@pytest.mark.parametrize(("name", "count"), [("hsb", 57), ("london", 24)])
def test_every_printed_number_has_a_name_in_our_tables(name, count):
    table = printed_location_scale(name)
    assert len(table) == count and table.index.is_unique
    for model in table.index.unique("model"):
        ours = estimates(fit(name, model))
        assert set(table.loc[model].index) <= set(ours.index)


def test_names_are_those_of_the_estimates():
    """A correlation is a correlation, a variance a variance, a coefficient a coefficient."""
    f, ours = fit("hsb", 4), estimates(fit("hsb", 4))
    assert ours["scale:ses_within"] == f.random.loc["scale:ses_within", "scale:ses_within"]
    assert ours["ses_within:scale:Intercept"] == pytest.approx(
        f.correlations.loc["ses_within", "scale:Intercept"], abs=1e-12
    )
    assert ours["variance:catholic"] == f.log_variance.loc["catholic", "estimate"]


def test_dic():
    assert printed_dic("hsb").astype(int).to_dict() == {1: 46817, 2: 46373, 3: 46375, 4: 46361}


def test_separate_fits_of_an_intercept_and_a_slope():
    """The raw column is a regression in each school, by NumPy."""
    f = fit("hsb", 2)
    data = mt.center(mt.load("hsb"), ["ses"], cluster="school")
    # Slopes about the fixed part, which is a line in mean_ses and sector for each school.
    fixed = f.mean["estimate"]
    rows = []
    for _, d in data.groupby("school"):
        slope, level = np.polyfit(d["ses_within"], d["math"], 1)
        c, m = d["catholic"].iloc[0], d["mean_ses"].iloc[0]
        cross = fixed["catholic:ses_within"] * c + fixed["mean_ses:ses_within"] * m
        rows.append((level, slope - cross))
    table = separate_fits(f)
    assert list(table.index) == ["Intercept", "ses_within", "scale:Intercept"]
    assert table.loc["ses_within", "raw"] == pytest.approx(
        np.var(rows, axis=0, ddof=1)[1], rel=0.05
    )
    assert (table["guess"] > 0).all() and (table["chance"] > 0).all()


def test_another_data_set_is_refused():
    with pytest.raises(mt.ModelError, match="hsb, london, not of 'pisa'"):
        printed_location_scale("pisa")


def test_models_are_those_of_the_tables():
    assert {model for name, model in MODELS if name == "hsb"} == set(printed_dic("hsb").index)
