"""Imputation: what stays as it was, R's imputations, FIML's estimates, coverage, and bad input."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlteach as mt
from tests.places import REFERENCE

MC = 4.0  # Monte Carlo standard errors; of some hundred comparisons none is this far by chance
VARIABLES = ["x1", "x2", "x3"]
SHORT = {"burn": 30, "thin": 10, "seed": 1}


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(REFERENCE / "data" / "incomplete.csv")


def impute(data, variables=("x1", "x2"), **options):
    """Impute quickly; what the chains are worth is not the question."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mt.ConvergenceWarning)
        return mt.impute(data, variables, **({"cluster": "cluster", "m": 2} | SHORT | options))


def two_level(rng, J=40, n=8, between=((0.3, 0.1), (0.1, 0.2)), within=((1.0, 0.5), (0.5, 1.0))):
    g = np.repeat(np.arange(J), n)
    u, e = (rng.normal(size=(k, 2)) @ np.linalg.cholesky(S).T for k, S in
            ((J, between), (J * n, within)))  # fmt: skip
    return pd.DataFrame(u[g] + e, columns=["x1", "x2"]).assign(cluster=g)


# -------------------------------------------------------------------------------- what comes back


def test_observed_values_index_and_other_columns_stay(data):
    table = data.assign(name="row", when=pd.Timestamp("2022-05-01")).set_index(
        pd.Index([f"r{k}" for k in range(len(data))], name="id")
    )
    table.attrs["codebook"] = {"x1": "first"}
    before = table.copy(deep=True)
    imputed = impute(table, VARIABLES)
    pd.testing.assert_frame_equal(table, before)
    for one in imputed:
        assert not one[VARIABLES].isna().any(axis=None)
        seen = table[VARIABLES].notna()
        left = one[VARIABLES].where(seen).to_numpy().tobytes()
        assert left == table[VARIABLES].where(seen).to_numpy().tobytes()
        pd.testing.assert_frame_equal(one.drop(columns=VARIABLES), table.drop(columns=VARIABLES))
        assert one.attrs == table.attrs
    assert len(imputed) == imputed.m == 2
    a, b = imputed.data
    assert not np.allclose(a["x2"], b["x2"])


def test_a_seed_repeats_and_more_data_sets_leave_the_first_as_they_are(data):
    first, again, more = (impute(data, m=m) for m in (2, 2, 9))
    for a, b, c in zip(first, again, more, strict=False):
        pd.testing.assert_frame_equal(a, b)
        pd.testing.assert_frame_equal(a, c)
    other = impute(data, seed=2)
    assert not np.allclose(first.data[0]["x2"], other.data[0]["x2"])


def test_groups_do_not_touch_each_other(data):
    table = data.assign(g=np.where(data["cluster"] > 30, "late", "early"))
    whole = impute(table, group="g")
    moved = table.assign(x1=table["x1"].where(table["g"] == "early", 100 + 7 * table["x1"]))
    changed = impute(moved, group="g")
    early = table["g"] == "early"
    pd.testing.assert_frame_equal(whole.data[1][early], changed.data[1][early])
    names = [name for name in whole.draws if name.endswith("[late]")]
    assert len(names) == whole.draws.shape[1] / 2 == 8


@settings(max_examples=5)
@given(st.floats(-4, 4), st.floats(-1e3, 1e3))
def test_units_do_not_matter(exponent, shift):
    table = two_level(np.random.default_rng(3), J=12, n=4)
    table.loc[::3, "x2"] = np.nan
    size = 10.0**exponent
    plain = impute(table).data[0]["x2"]
    scaled = impute(table.assign(x2=shift + size * table["x2"])).data[0]["x2"]
    np.testing.assert_allclose((scaled - shift) / size, plain, rtol=1e-6, atol=1e-6 + 1e-9 / size)


def test_order_of_rows_does_not_matter_to_the_draws_of_parameters():
    """Up to rounding: sums over rows come in another order."""
    table = two_level(np.random.default_rng(3), J=12, n=4)
    table.loc[::3, ["x1", "x2"]] = np.nan
    turned = table.sort_values(["cluster", "x1"], kind="stable")
    a, b = (impute(d, "x1").draws for d in (table, turned))
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_draws_and_diagnostics(data):
    imputed = impute(data, m=5)
    assert imputed.draws.index.names == ["chain", "iteration"]
    assert imputed.draws.shape == (4 * 50, 8)
    expected = ["mean.x1", "mean.x2", "within.x1~~x1", "within.x1~~x2", "within.x2~~x2"]
    assert list(imputed.draws)[:5] == expected
    table = imputed.diagnostics
    assert list(table) == ["mean", "sd", "rhat", "ess", "autocorrelation"]
    np.testing.assert_allclose(table["mean"], imputed.draws.mean())
    assert imputed.prior.loc["all"].index.tolist() == ["x1", "x2"]
    assert "x2: 183 of 464 values imputed (39%)." in repr(imputed)


def test_the_prior_is_in_the_units_of_the_data(data):
    """Guesses of variances: a variable a hundred times as large has ten thousand times as much."""
    one, two = (impute(d).prior for d in (data, data.assign(x2=100.0 * data["x2"])))
    assert one.columns.tolist() == two.columns.tolist() == ["within", "between"]
    ratio = (two / one).loc["all"]
    np.testing.assert_allclose(ratio.loc["x1"], 1.0, rtol=1e-9)
    np.testing.assert_allclose(ratio.loc["x2"], 1e4, rtol=1e-9)


def test_too_few_rounds_are_told(data):
    with pytest.warns(mt.ConvergenceWarning, match=r"do not agree on .*R-hat.*burn and thin"):
        mt.impute(data, VARIABLES, cluster="cluster", m=2, burn=0, thin=1, seed=1)


def test_fit_applies_a_function_and_says_where_it_failed(data):
    imputed = impute(data, m=3)
    assert imputed.fit(len) == [len(data)] * 3

    def fails(one):
        if one is imputed.data[1]:
            raise ValueError("no")
        return 1

    with pytest.raises(ValueError, match="no") as caught:
        imputed.fit(fails)
    assert caught.value.__notes__ == ["This happened in data set 2 of 3 imputed ones."]


# ------------------------------------------------------------------------------ rows without values


def test_filled_clusters_look_like_the_others():
    """New rows share their cluster's effect: their variances and ICC are those of the model."""
    table = two_level(np.random.default_rng(4), J=150, n=6, between=((1.0, 0.0), (0.0, 0.5)))
    table = table[np.random.default_rng(5).random(len(table)) < 0.8]
    imputed = mt.impute(table, ["x1", "x2"], cluster="cluster", m=8, fill=20, **SHORT)
    observed = mt.fit_empty("x1", table, cluster="cluster")
    for one in imputed:
        assert (one.groupby("cluster").size() == 20).all()
        assert one["added"].sum() == 20 * 150 - len(table)
    fits = imputed.fit(lambda d: mt.fit_empty("x1", d[d["added"]], cluster="cluster"))
    sigma2 = np.array([fit.sigma2 for fit in fits])
    assert sigma2.mean() == pytest.approx(observed.sigma2, rel=0.1)
    whole = imputed.fit(lambda d: mt.icc(mt.fit_empty("x1", d, cluster="cluster")))
    assert np.mean(whole) == pytest.approx(float(mt.icc(observed)), abs=0.03)
    new = pd.concat(one[one["added"]] for one in imputed)
    means = pd.DataFrame(
        {"new": new.groupby("cluster")["x1"].mean(), "old": table.groupby("cluster")["x1"].mean()}
    )
    assert means.corr().loc["new", "old"] > 0.8
    assert np.corrcoef(new["x1"], new["x2"])[0, 1] == pytest.approx(0.5 / np.sqrt(3.0), abs=0.08)


def test_clusters_without_any_value_are_drawn_from_the_population():
    table = two_level(np.random.default_rng(6), J=60, n=5, between=((4.0, 0.0), (0.0, 4.0)))
    table.loc[table["cluster"] >= 30, ["x1", "x2"]] = np.nan
    imputed = impute(table, m=20)
    values = pd.concat(one[one["cluster"] >= 30].assign(k=k) for k, one in enumerate(imputed))
    grouped = values.groupby(["k", "cluster"])["x1"]
    expected = imputed.diagnostics.loc["between.x1~~x1", "mean"]
    between = grouped.mean().var() - grouped.var().mean() / 5
    assert between == pytest.approx(expected, rel=0.3)
    # Rows without values leave the draws of the parameters alone.
    alone = impute(table[table["cluster"] < 30].assign(x1=lambda d: d["x1"].where(d.index > 0)))
    full = impute(table.assign(x1=table["x1"].where(table.index > 0)))
    pd.testing.assert_frame_equal(alone.draws, full.draws)
    filled = impute(table.assign(x1=table["x1"].where(table.index > 0)), fill=7)
    pd.testing.assert_frame_equal(filled.draws, full.draws)
    partly = table.index[:1]
    assert filled.data[0].loc[partly, "x1"].equals(full.data[0].loc[partly, "x1"])


def test_fill_alone_is_something_to_impute():
    table = two_level(np.random.default_rng(7), J=10, n=4).iloc[:-2]
    full = impute(table, fill="largest").data[0]
    assert len(full) == 40 and full["added"].sum() == 2
    with pytest.raises(mt.DataError, match="Nothing is missing in x1, x2, and no row is added"):
        impute(table.iloc[:-2], fill="largest")


# ------------------------------------------------------------------------------------ against R


@pytest.fixture(scope="module")
def reference():
    return json.loads((REFERENCE / "imputation.json").read_text())["cases"]


@pytest.fixture(scope="module")
def summaries(data):
    """Of each of 60 data sets what the R script computes, and standard errors of the model."""
    imputed = mt.impute(data, VARIABLES, cluster="cluster", m=60, burn=50, thin=15, seed=8)
    rows, se = [], []
    for one in imputed:
        fit = mt.fit_mixed("x2 ~ x1 + x3 + (1 | cluster)", one, reml=False)
        row = {f"mean.{v}": one[v].mean() for v in VARIABLES}
        row |= {f"sd.{v}": one[v].std() for v in VARIABLES}
        for v in VARIABLES:
            row[f"icc.{v}"] = float(mt.icc(mt.fit_empty(v, one, cluster="cluster", reml=False)))
        rows.append(row | fit.params.to_dict())
        se.append(fit.bse)
    return pd.DataFrame(rows), pd.DataFrame(se)


@pytest.mark.parametrize("program", ["pan", "mice"])
def test_imputations_of_r(summaries, reference, program):
    """Joint model (pan) and chained equations (2l.pan): means and spread over data sets."""
    ours, se = summaries
    theirs = reference[program]
    for name, values in ours.items():
        spread = theirs["sd"][name]
        error = np.sqrt(values.var() / len(values) + spread**2 / theirs["m"])
        assert abs(values.mean() - theirs["mean"][name]) < MC * error, name
        # An SD of 50 draws is known to 10%, so is the other.
        assert 0.6 < values.std() / spread < 1.6, name
    m = len(ours)
    between = ours[list(se)].var()
    total = np.sqrt((se**2).mean() + (1 + 1 / m) * between)
    for name, value in total.items():
        assert value == pytest.approx(theirs["pooled_se"][name], rel=0.15), name


# ------------------------------------------------------------------ against FIML, and the truth


def missing_at_random(table, rng, slope=1.5):
    """x2 missing more often where x1 is large; half of it or so."""
    gone = rng.random(len(table)) < 1 / (1 + np.exp(-slope * table["x1"]))
    return table.assign(x2=table["x2"].mask(gone))


def test_pooled_estimates_are_those_of_full_information():
    rng = np.random.default_rng(9)
    table = missing_at_random(two_level(rng, J=120, n=10), rng)
    assert 0.4 < table["x2"].isna().mean() < 0.6
    fiml = mt.fit_multigroup(["x1", "x2"], table, cluster="cluster")
    imputed = mt.impute(table, ["x1", "x2"], cluster="cluster", m=60, burn=50, thin=15, seed=1)
    pooled = mt.pool(imputed.fit(lambda d: mt.fit_multigroup(["x1", "x2"], d, cluster="cluster")))
    error = np.sqrt(pooled["riv"] / (1 + pooled["riv"]) / 60) * pooled["se"]
    away = (pooled["estimate"] - fiml.params).abs()
    # Beside Monte Carlo error the prior and the skewness of the likelihood: a quarter of an SE.
    assert (away < MC * error + 0.25 * fiml.bse).all()
    np.testing.assert_allclose(pooled["se"], fiml.bse, rtol=0.25)
    # Rows with x2 alone would have told another story.
    complete = mt.fit_multigroup(["x1", "x2"], table.dropna(), cluster="cluster")
    assert abs(complete.params["mean.x2"] - fiml.params["mean.x2"]) > 3 * fiml.bse["mean.x2"]


def test_pooled_intervals_cover():
    """60 samples, MAR: the 95% intervals of means and within covariances hold the truth."""
    rng = np.random.default_rng(10)
    truth = pd.Series({"mean.x1": 0.0, "mean.x2": 0.0, "within.x1~~x2": 0.5, "within.x2~~x2": 1.0})
    covered, listwise = [], []
    for k in range(60):
        table = missing_at_random(two_level(rng, J=40, n=6), rng)
        imputed = impute(table, m=6, seed=k)
        pooled = mt.pool(
            imputed.fit(lambda d: mt.fit_multigroup(["x1", "x2"], d, cluster="cluster"))
        ).loc[truth.index]
        covered.append((pooled["lower"] < truth) & (truth < pooled["upper"]))
        fit = mt.fit_multigroup(["x1", "x2"], table.dropna(), cluster="cluster")
        low, high = (
            (fit.params - 1.96 * fit.bse)["mean.x2"],
            (fit.params + 1.96 * fit.bse)["mean.x2"],
        )
        listwise.append(low < 0.0 < high)
    rate = pd.DataFrame(covered).mean()
    assert (rate > 0.95 - 3.3 * np.sqrt(0.95 * 0.05 / 60)).all(), rate
    assert np.mean(listwise) < 0.7


# ---------------------------------------------------------------------------------- shapes of data


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "float32", "Int16"])
def test_nullable_and_short_types(data, dtype):
    values = (10 * data["x2"]).round()
    imputed = impute(data.assign(x2=values.astype(dtype))).data[0]["x2"]
    assert imputed.dtype == np.float64
    seen = values.notna()
    assert (imputed[seen] == values[seen]).all() and imputed.notna().all()


@pytest.mark.parametrize("kind", ["text", "category", "float", "Int64", "mixed"])
def test_clusters_and_groups_of_any_type(data, kind):
    table = data.assign(g=data["cluster"] % 2)
    plain = impute(table, group="g").data[0]
    change = {
        "text": lambda s: "c" + s.astype(str).str.zfill(2),
        "category": lambda s: pd.Categorical(s, categories=range(-1, 70)),
        "float": lambda s: s.astype(float),
        "Int64": lambda s: s.astype("Int64"),
        "mixed": lambda s: [f"c{v:02}" if v > 100 else v for v in s],
    }[kind]
    other = impute(table.assign(cluster=change(table["cluster"]), g=change(table["g"])), group="g")
    np.testing.assert_array_equal(other.data[0]["x2"], plain["x2"])


@pytest.mark.parametrize("p", [1, 2, 4])
def test_one_to_four_variables(p):
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(15), 6)
    y = rng.normal(size=(15, p))[g] + rng.normal(size=(90, p))
    y[rng.random(y.shape) < 0.3] = np.nan
    names = [f"y{k}" for k in range(p)]
    imputed = impute(pd.DataFrame(y, columns=names).assign(cluster=g), names)
    assert imputed.draws.shape[1] == p + p * (p + 1)
    assert not imputed.data[0][names].isna().any(axis=None)


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_fewer_clusters_than_variables(clusters):
    """The prior carries what so few clusters cannot tell."""
    rng = np.random.default_rng(13)
    g = np.repeat(np.arange(clusters), 8)
    table = pd.DataFrame(rng.normal(size=(len(g), 4)), columns=list("abcd")).assign(cluster=g)
    imputed = impute(table.mask(rng.random(table.shape) < 0.2).assign(cluster=g), list("abcd"))
    assert np.isfinite(imputed.draws).all(axis=None)


def test_names_of_columns_and_groups_that_are_no_text(data):
    table = data.rename(columns={"x1": 0, "x2": ("a", 1)})
    table["g"] = table["cluster"] > 30
    imputed = impute(table, [0, ("a", 1)], group="g", fill=15)
    plain = impute(data.assign(g=data["cluster"] > 30), group="g", fill=15)
    np.testing.assert_array_equal(imputed.data[0][("a", 1)], plain.data[0]["x2"])


def test_two_variables_that_never_meet_are_named():
    table = two_level(np.random.default_rng(12), J=20, n=6)
    first = table.index % 2 == 0
    table = table.assign(x1=table["x1"].where(first), x2=table["x2"].where(~first))
    assert "x1 and x2 are never observed in the same row" in impute(table).notes[-1]


def test_a_single_data_set_can_be_drawn_and_not_be_pooled(data):
    imputed = impute(data, m=1)
    assert imputed.m == 1
    with pytest.raises(mt.ModelError, match="two results or more"):
        mt.pool(imputed.fit(lambda d: mt.fit_empty("x2", d, cluster="cluster")))


def test_index_with_repeated_labels(data):
    twice = data.set_index(np.zeros(len(data), dtype=int))
    np.testing.assert_array_equal(impute(twice).data[0]["x2"], impute(data).data[0]["x2"])


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"x2": "a"}, {}, "'x2' is not numeric"),
        ({"x2": lambda d: d["x2"].where(d["x2"] < 4, np.inf)}, {}, "infinite value"),
        ({"x2": np.nan}, {}, "'x2' has no observed value"),
        ({"x2": lambda d: d["x2"].where(d["cluster"] % 2 == 0)}, {"group": "odd"}, "group 1"),
        ({"x2": lambda d: d["x2"].mask(d["x2"].notna(), 3.0)}, {}, "single value 3"),
        (
            {"x2": lambda d: d["cluster"].where(d["x2"].notna())},
            {},
            "constant within every cluster",
        ),
        ({"x2": lambda d: d["x2"].where(d["cluster"] == 1)}, {}, "in 1 clusters"),
        (
            {"x2": lambda d: d["x2"].mask(d.groupby("cluster").cumcount() > 0)},
            {},
            "at most 1 times in one",
        ),
        ({"x1": 1.5, "x2": lambda d: d["x3"]}, {}, "'x1' has the single value"),
        ({"cluster": lambda d: d["cluster"].where(d["cluster"] != 3)}, {}, "'cluster' is missing"),
        (
            {"odd": lambda d: d["odd"].where(d["cluster"] != 3)},
            {"group": "odd"},
            "'odd' is missing",
        ),
        ({"x2": lambda d: 1e-200 * d["x2"]}, {}, "Change the unit"),
        ({"x2": lambda d: 1e200 * d["x2"]}, {}, "Change the unit"),
        ({"cluster": 1}, {}, "There is a single cluster:"),
        (
            {"odd": lambda d: d["cluster"] == 1},
            {"group": "odd"},
            "single cluster in the group True",
        ),
        (
            {"odd": lambda d: d.index % 2},
            {"group": "odd"},
            r"60 cluster\(s\) of .* are in more than one group",
        ),
        ({}, {"cluster": "school"}, "'school'"),
        ({}, {"cluster": None}, "Column 'None'"),
        ({}, {"variables": ["x1", "cluster"]}, "'cluster' more than once"),
        ({}, {"group": "cluster"}, "'cluster' more than once"),
        ({}, {"variables": []}, "no variables"),
        ({"x2": lambda d: d["x2"].fillna(0.0), "x1": lambda d: d["x1"].fillna(0.0)}, {}, "Nothing"),
    ],
)
def test_refuses_data(data, change, options, said):
    table = data.assign(odd=data["cluster"] % 2).assign(**change)
    with pytest.raises(mt.DataError, match=said):
        impute(table, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"m": 0}, "m=0"),
        ({"m": 2.0}, "m=2.0"),
        ({"m": True}, "m=True"),
        ({"burn": -1}, "burn=-1"),
        ({"thin": 0}, "thin=0"),
        ({"seed": None}, "seed=None"),
        ({"seed": -1}, "seed=-1"),
        ({"fill": "all"}, "fill='all'"),
        ({"fill": 1}, "fill=1"),
    ],
)
def test_refuses_settings(data, options, said):
    with pytest.raises(mt.ModelError, match=said):
        impute(data, **options)


def test_two_values_are_imputed_as_numbers_and_categories_refused(data):
    binary = data.assign(x2=(data["x2"] > 0).astype(float).where(data["x2"].notna()))
    imputed = impute(binary, seed=1)
    assert any("x2 has two values, 0.0 and 1.0" in note for note in imputed.notes)
    assert not any("x1 has two values" in note for note in imputed.notes)
    assert imputed.data[0]["x2"].nunique() > 2
    with pytest.raises(mt.DataError, match="'x2' is of type category.*one column of 0 and 1"):
        impute(data.assign(x2=data["x2"].round().astype("category")), seed=1)
