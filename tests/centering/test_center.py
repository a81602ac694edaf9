"""Centring: the parts add up, nothing is lost, and bad columns are named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlteach as mt
from mlteach.centering.center import cluster_means

# Deviations from means carry the rounding of one subtraction.
ROUNDING = 1e-12


def small(**columns):
    """Return three clusters: two rows, three rows, one row."""
    return pd.DataFrame({"g": ["a", "a", "b", "b", "b", "c"], "x": [1.0, 3, 2, 4, 9, 7], **columns})


def test_by_hand():
    out = mt.center(small(), ["x"], cluster="g")
    assert out["x_within"].tolist() == [-1, 1, -3, -1, 4, 0]
    mean = 26 / 6
    assert np.allclose(out["x_between"], np.array([2, 2, 5, 5, 5, 7]) - mean, atol=ROUNDING)


def test_parts_add_up_and_the_input_is_left_alone(hsb):
    before = hsb.copy()
    out = mt.center(hsb, ["ses", "female"], cluster="school")
    pd.testing.assert_frame_equal(hsb, before)
    for x in ("ses", "female"):
        assert np.allclose(out[f"{x}_within"] + out[f"{x}_between"] + hsb[x].mean(), hsb[x])
        assert np.abs(out.groupby("school")[f"{x}_within"].mean()).max() < ROUNDING
        assert (out.groupby("school")[f"{x}_between"].nunique() == 1).all()
    assert np.allclose(out["ses_between"] + hsb["ses"].mean(), hsb["mean_ses"], atol=1e-9)


@pytest.mark.parametrize(("how", "constant"), [("grand", 26 / 6), (5, 5.0), (np.float64(0.5), 0.5)])
def test_constant(how, constant):
    out = mt.center(small(), "x", cluster="g", how=how, between_at=2)
    assert np.allclose(out["x_centered"], small()["x"] - constant)
    assert out["x_between"].tolist() == [0, 0, 3, 3, 3, 5]
    assert "x_within" not in out


def test_codebook_says_what_the_columns_are(hsb):
    out = mt.center(hsb, ["ses"], cluster="school")
    book = out.attrs["codebook"]
    assert book["ses_within"] == "ses, deviation from the mean of its school (within part)"
    assert "mean of ses in the school, minus the mean of all rows" in book["ses_between"]
    assert book["math"] == hsb.attrs["codebook"]["math"]
    assert "ses_within" not in hsb.attrs["codebook"]


def test_missing_values_are_counted_and_means_are_of_the_others():
    data = small(x=[1.0, np.nan, 2, 4, 9, np.nan])
    with pytest.warns(mt.DataWarning, match="2 of 6 rows have no value of x"):
        out = mt.center(data, ["x"], cluster="g")
    assert np.isnan(out["x_within"][[1, 5]]).all()
    assert out["x_within"].iloc[[0, 2]].tolist() == [0, -3]
    # A row without x is still in a cluster whose mean is known; cluster c has none.
    assert out["x_between"][0] == out["x_between"][1] == 1 - 4
    assert np.isnan(out["x_between"][5])


def test_missing_cluster_is_counted():
    data = small(g=["a", "a", None, "b", "b", "b"])
    with pytest.warns(mt.DataWarning, match="1 row.* have no g"):
        out = mt.center(data, ["x"], cluster="g")
    assert np.isnan(out.loc[2, ["x_within", "x_between"]].astype(float)).all()


def test_binary_predictor_gets_a_note(hsb):
    out = mt.center(hsb, ["female"], cluster="school")
    assert any("values that no one has, such as -0.53 and 0.47" in n for n in out.attrs["notes"])
    assert not mt.center(hsb, ["ses"], cluster="school").attrs["notes"]


@pytest.mark.parametrize("kind", [bool, "boolean", "Int64", "int8", "float32"])
def test_types(kind):
    data = small(x=pd.Series([1, 0, 1, 1, 0, 1]).astype(kind))
    out = mt.center(data, ["x"], cluster="g")
    assert np.allclose(out["x_within"], [0.5, -0.5, 1 / 3, 1 / 3, -2 / 3, 0], atol=1e-7)


def test_nullable_missing():
    data = small(x=pd.array([1, None, 2, 4, 9, 7], dtype="Int64"))
    with pytest.warns(mt.DataWarning, match="1 of 6 rows"):
        out = mt.center(data, ["x"], cluster="g")
    assert out["x_within"].isna().tolist() == [False, True, False, False, False, False]


def test_one_member_clusters_are_noted():
    out = mt.center(small(), ["x"], cluster="g")
    assert out["x_within"].iloc[-1] == 0
    assert "1 g(s) have one value of x: x_within is 0 there." in out.attrs["notes"]


def test_no_variation_between_is_noted():
    data = pd.DataFrame({"g": [1, 1, 2, 2], "x": [-1.0, 1, -2, 2]})
    assert "same mean in every g" in " ".join(mt.center(data, "x", "g").attrs["notes"])


def test_running_a_cell_again_changes_nothing(hsb):
    once = mt.center(hsb, ["ses"], cluster="school")
    pd.testing.assert_frame_equal(mt.center(once, ["ses"], cluster="school"), once)


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        ({}, {"columns": "y"}, mt.DataError, "Column 'y', needed by center"),
        ({}, {"columns": []}, mt.DataError, "columns is empty"),
        ({}, {"columns": ["x", "x"]}, mt.DataError, "names a column twice"),
        ({}, {"columns": "g"}, mt.DataError, "'g' is the cluster"),
        ({}, {"how": "mean"}, mt.ModelError, "how='mean' is not known; use 'cluster' or 'grand'"),
        ({}, {"how": np.nan}, mt.ModelError, "how=nan"),
        ({}, {"how": True}, mt.ModelError, "how=True"),
        ({}, {"between_at": "cluster"}, mt.ModelError, "between_at='cluster'"),
        ({"x": list("abcabc")}, {}, mt.DataError, r"not numeric.*data\['x_01'\]"),
        (
            {"x": pd.Series([1, 2, 3, 4, 5, 6], dtype=object)},
            {},
            mt.DataError,
            "Convert it with pd.to_numeric",
        ),
        (
            {"x": pd.date_range("2026-01-01", periods=6)},
            {},
            mt.DataError,
            "days since a start date",
        ),
        ({"g": [np.nan] * 6}, {}, mt.DataError, "No row has both a value of 'x' and a g"),
        (
            {},
            {"columns": None},
            mt.ModelError,
            "center: columns=None is not a name or a list of names",
        ),
        ({}, {"cluster": None}, mt.DataError, "Column 'None', needed by center"),
        ({"x": [1, 2, np.inf, 3, 4, 5]}, {}, mt.DataError, r"1 infinite value.* row\(s\) 2"),
        ({"x": [np.nan] * 6}, {}, mt.DataError, "no value at all"),
        ({"x": [1.0, 1, 2, 2, 2, 5]}, {}, mt.ModelError, "constant in every g: it is a level-2"),
        ({"g": list(range(6))}, {}, mt.ModelError, "Every g has one row only"),
        ({"x_within": [0.0] * 6}, {}, mt.DataError, "already have a column 'x_within'"),
        ({"x_between": list("abcabc")}, {}, mt.DataError, "already have a column 'x_between'"),
    ],
)
def test_bad_input_is_named(change, arguments, error, message):
    with pytest.raises(error, match=message):
        mt.center(small(**change), **{"columns": "x", "cluster": "g", **arguments})


def test_level2_predictor_may_be_centered_at_a_constant(hsb):
    out = mt.center(hsb, "size", cluster="school", how="grand")
    assert np.allclose(out["size_centered"], hsb["size"] - hsb["size"].mean())


@given(st.integers(0, 10_000), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_shift_and_scale(seed, shift, scale):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": rng.integers(0, 5, 40), "x": rng.normal(size=40)})
    moved = data.assign(x=shift + scale * data["x"])
    one, two = (mt.center(d, ["x"], cluster="g") for d in (data, moved))
    for part in ("x_within", "x_between"):
        assert np.allclose(scale * one[part], two[part], atol=1e-9 * (1 + abs(shift)) + 1e-9)


def test_offset_costs_no_digits_of_the_deviations():
    x = np.array([0.1, 0.3, 0.2, 0.4])
    codes = np.array([0, 0, 1, 1])
    big = x + 1e6
    assert np.allclose(big - cluster_means(big, codes, 2), [-0.1, 0.1, -0.1, 0.1], atol=2e-10)
