"""Design matrices are named and complete, and rows are counted."""

import numpy as np
import pandas as pd
import pytest

from mlteach.core.columns import table_with
from mlteach.core.design import design, new_random_rows, new_rows
from mlteach.core.formula import parse
from mlteach.errors import DataError, FormulaError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "y": rng.normal(size=12),
            "x": rng.normal(size=12),
            "s": ["a", "b", "c"] * 4,
            "g": np.repeat([3, 1, 2], 4),
        }
    )


def matrices(text, data):
    return design(parse(text), data)


# ------------------------------------------------------------------------------------ matrices


def test_matrices_have_named_columns(data):
    d = matrices("y ~ x * s + (1 + x | g)", data)
    assert d.x_names == ("Intercept", "x", "s[T.b]", "s[T.c]", "x:s[T.b]", "x:s[T.c]") or set(
        d.x_names
    ) == {"Intercept", "x", "s[T.b]", "s[T.c]", "x:s[T.b]", "x:s[T.c]"}
    assert d.z_names == ("Intercept", "x")
    assert d.blocks == ((0, 1),)
    assert d.labels.tolist() == [1, 2, 3]
    assert d.codes.tolist() == [2] * 4 + [0] * 4 + [1] * 4


def test_reference_category_can_be_named(data):
    d = matrices("y ~ C(s, contr.treatment('b')) + (1 | g)", data)
    assert [n.split("[")[1] for n in d.x_names[1:]] == ["T.a]", "T.c]"]


def test_random_columns_share_memory_with_fixed_ones(data):
    d = matrices("y ~ x + s + (1 + x | g)", data)
    assert np.shares_memory(d.X, d.Z)


def test_double_bar_makes_blocks_of_one(data):
    assert matrices("y ~ x + (x || g)", data).blocks == ((0,), (1,))


def test_transformed_outcome(data):
    d = matrices("np.exp(y) ~ x + (1 | g)", data)
    assert np.allclose(d.y, np.exp(data.y))


def test_unused_categories_make_no_column(data):
    data["s"] = pd.Categorical(data["s"], categories=["a", "b", "c", "never"])
    assert len(matrices("y ~ s + (1 | g)", data).x_names) == 3


def test_the_table_is_left_alone(data):
    before = data.copy(deep=True)
    matrices("y ~ x * s + (1 + x | g)", data)
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize("kind", [str, float, object, "category", "string", "Int64"])
def test_the_type_of_ids_does_not_matter(data, kind):
    d = matrices("y ~ x + (1 | g)", data.assign(g=data.g.astype(kind)))
    assert d.codes.tolist() == [2] * 4 + [0] * 4 + [1] * 4


# ------------------------------------------------------------------------------------ bad input


def test_unknown_column_gets_a_suggestion(data):
    with pytest.raises(DataError, match="Column 'yy'.*Did you mean 'y'"):
        matrices("yy ~ x + (1 | g)", data)
    with pytest.raises(DataError, match="Column 'school'"):
        matrices("y ~ x + (1 | school)", data)


@pytest.mark.parametrize("cluster", [None, 3, ["g"]])
def test_a_cluster_that_is_no_name_is_a_missing_column(data, cluster):
    with pytest.raises(DataError, match=r"is not in the data\. (Did|The)"):
        table_with(data, ["y", cluster], "the test")


def test_missing_rows_are_counted_by_column(data):
    data.loc[[0, 1], "x"] = np.nan
    data.loc[1, "y"] = np.nan
    data["g"] = data["g"].where(data.index != 7)
    d = matrices("y ~ x + (1 | g)", data)
    assert d.dropped.to_dict() == {"y": 1, "x": 2, "g": 1}
    assert len(d.y) == 9
    assert d.n_rows == 12
    assert d.labels.tolist() == [1, 2, 3]
    assert d.index.tolist() == [2, 3, 4, 5, 6, 8, 9, 10, 11]


@pytest.mark.parametrize("kind", ["Int64", "Float64", "boolean"])
def test_nullable_types_are_counted_like_others(data, kind):
    z = pd.Series([1, 0] * 6).astype(kind).mask(data.index < 3)
    d = matrices("y ~ z + (1 | g)", data.assign(z=z))
    assert d.dropped.to_dict() == {"z": 3}
    assert len(d.y) == 9
    assert np.isfinite(d.X).all()


def test_nullable_floats_may_not_be_infinite(data):
    z = pd.Series([1.0, np.inf] * 6).astype("Float64")
    with pytest.raises(DataError, match="Column 'z' has 6 infinite"):
        matrices("y ~ z + (1 | g)", data.assign(z=z))


def test_dates_are_refused(data):
    with pytest.raises(DataError, match="Column 'z' holds datetime64"):
        matrices("y ~ z + (1 | g)", data.assign(z=pd.date_range("2020-01-01", periods=12)))


def test_numbers_kept_as_objects_are_not_taken_for_categories(data):
    with pytest.raises(DataError, match="Column 'x' holds numbers, but as Python objects"):
        matrices("y ~ x + (1 | g)", data.assign(x=data.x.astype(object)))


def test_a_column_in_the_index_is_found_there(data):
    with pytest.raises(DataError, match="It is in the index: use reset_index"):
        matrices("y ~ x + (1 | g)", data.set_index("g"))


def test_all_rows_missing(data):
    with pytest.raises(DataError, match=r"No row is complete.*x \(12\)"):
        matrices("y ~ x + (1 | g)", data.assign(x=np.nan))


def test_infinite_values_are_named_with_their_rows(data):
    data.loc[4, "x"] = np.inf
    with pytest.raises(DataError, match="Column 'x' has 1 infinite.*row.s. 4"):
        matrices("y ~ x + (1 | g)", data)


def test_a_transformation_outside_its_domain(data):
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match="outside its domain"):
        matrices("y ~ np.log(x) + (1 | g)", data)


def test_fractional_cluster_ids_look_like_a_measurement(data):
    with pytest.raises(DataError, match="looks like a measurement"):
        matrices("y ~ 1 + (1 | x)", data)


def test_non_numeric_outcome(data):
    with pytest.raises(DataError, match="outcome 's' is not numeric"):
        matrices("s ~ x + (1 | g)", data)


def test_empty_data(data):
    with pytest.raises(DataError, match="no rows"):
        matrices("y ~ x + (1 | g)", data.iloc[:0])


def test_duplicated_columns(data):
    with pytest.raises(DataError, match="more than one column named 'x'"):
        matrices("y ~ x + (1 | g)", pd.concat([data, data[["x"]]], axis=1))


def test_the_cluster_cannot_be_a_predictor(data):
    with pytest.raises(FormulaError, match="'g' is the cluster"):
        matrices("y ~ g + (1 | g)", data)


def test_a_random_effect_asked_for_twice(data):
    with pytest.raises(FormulaError, match="'Intercept' is asked for more than once"):
        matrices("y ~ x + (1 | g) + (x | g)", data)


# ------------------------------------------------------------------------------------- new rows


def test_new_rows_use_the_constants_of_the_fit(data):
    d = matrices("y ~ center(x) + s + (1 | g)", data)
    X, Z = new_rows(d, pd.DataFrame({"x": [5.0], "s": ["c"]}))
    assert X[0].tolist() == pytest.approx([1, 5 - data.x.mean(), 0, 1]) or X[
        0
    ].tolist() == pytest.approx([1, 0, 1, 5 - data.x.mean()])
    assert Z.tolist() == [[1.0]]


@pytest.mark.parametrize("formula", ["y ~ x + s + (1 | g)", "y ~ x + C(s) + (1 | g)"])
def test_new_rows_refuse_an_unseen_level(data, formula):
    with pytest.raises(DataError, match="Column 's' holds 'z'"):
        new_rows(matrices(formula, data), pd.DataFrame({"x": [0.0], "s": ["z"]}))


def test_new_rows_refuse_what_a_transformation_cannot_take(data):
    d = matrices("y ~ np.log(x) + (1 | g)", data.assign(x=np.exp(data["x"])))
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(DataError, match=r"np.log\(x\)' .* row\(s\) 1"),
    ):
        new_rows(d, pd.DataFrame({"x": [1.0, -1.0]}))


def test_new_rows_refuse_missing_values(data):
    d = matrices("y ~ x + (1 | g)", data)
    with pytest.raises(DataError, match="Column 'x' has 1 missing"):
        new_rows(d, pd.DataFrame({"x": [np.nan]}))
    with pytest.raises(DataError, match="Column 'x'"):
        new_rows(d, pd.DataFrame({"z": [1.0]}))


@pytest.mark.parametrize(
    "random",
    ["1", "x", "0 + x", "1 + x:z", "z + x", "1 + f", "0 + f", "f:x", "poly(x, 2)", "I(x**2)"],
)
def test_random_columns_are_the_same_wherever_they_are_taken_from(random):
    """From X where it has them, on their own otherwise, and again for other rows."""
    rng = np.random.default_rng(6)
    table = pd.DataFrame({"g": np.repeat(range(6), 5), "f": list("abcab") * 6})
    table = table.assign(y=rng.normal(size=30), x=rng.normal(size=30), z=rng.normal(size=30))
    fixed = "z * x + f + f:x + poly(x, 2) + I(x**2)"
    both = design(parse(f"y ~ {fixed} + ({random} | g)"), table)
    alone = design(parse(f"y ~ 0 + I(2 * z) + ({random} | g)"), table)
    assert both.z_names == alone.z_names
    np.testing.assert_array_equal(both.Z, alone.Z)
    assert both.z_factors == alone.z_factors
    for d in (both, alone):
        np.testing.assert_array_equal(new_rows(d, table[7:12])[1], both.Z[7:12])
        np.testing.assert_array_equal(new_random_rows(d, table[7:12]), both.Z[7:12])
