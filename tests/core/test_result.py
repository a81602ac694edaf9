"""What all results share: one vocabulary, one long table, one look."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.result import TIDY, Estimates, as_generator, split_components


@pytest.fixture(scope="module")
def some(hsb):
    return hsb[hsb["school"].isin(sorted(hsb["school"].unique())[:40])].reset_index(drop=True)


@pytest.fixture(scope="module")
def fits(some):
    mean = "math ~ ses + (1 | school)"
    return {
        "mixed": mt.fit_mixed(mean, some),
        "location_scale": mt.fit_location_scale(mean, "~ catholic + (1 | school)", some),
        "between": mt.fit_location_scale(
            mean, "~ catholic + (1 | school)", some, between={"Intercept": "~ catholic"}
        ),
        "association": mt.fit_location_scale(
            mean, "~ catholic + (1 | school)", some, association="quadratic"
        ),
        "multigroup": mt.fit_multigroup(["math", "ses"], some, cluster="school", group="sector"),
        "centering": mt.fit_centering("math ~ ses", some, cluster="school"),
    }


KINDS = ["mixed", "location_scale", "between", "association", "multigroup", "centering"]
MAXIMA = KINDS[:-1]


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_and_their_tests(fits, kind):
    fit = fits[kind]
    assert fit.params.index.equals(fit.bse.index)
    assert fit.params.index.equals(fit.df.index)
    assert np.allclose(fit.tvalues, fit.params / fit.bse)
    limits = fit.conf_int(0.9)
    assert np.allclose(limits.mean(axis=1), fit.params, equal_nan=True)
    assert (fit.conf_int()["upper"] > limits["upper"]).all()
    # The 95% interval leaves out zero where p is below .05.
    assert ((fit.conf_int().prod(axis=1) > 0) == (fit.pvalues < 0.05)).all()
    with pytest.raises(mt.ModelError, match="level"):
        fit.conf_int(95)


@pytest.mark.parametrize("kind", MAXIMA)
def test_likelihood_and_criteria(fits, kind):
    fit = fits[kind]
    assert fit.converged is fit.optimizer.converged
    assert fit.llf == -0.5 * fit.deviance
    assert fit.aic == pytest.approx(fit.deviance + 2 * fit.n_parameters)
    assert fit.bic == pytest.approx(fit.deviance + np.log(fit.nobs) * fit.n_parameters)
    assert np.allclose(np.sqrt(np.diag(fit.cov_params())), fit.bse)
    assert fit.cov_params().index.equals(fit.params.index)


@pytest.mark.parametrize("kind", KINDS)
def test_long_table(fits, kind):
    fit = fits[kind]
    table = fit.tidy()
    assert list(table.columns) == TIDY
    assert not table[["part", "term", "group"]].duplicated().any()
    tested = table.dropna(subset=["statistic"])
    assert np.allclose(tested["statistic"], tested["estimate"] / tested["se"])
    inside = table.dropna(subset=["lower", "upper"])
    assert (inside["lower"] <= inside["estimate"]).all()
    assert (inside["estimate"] <= inside["upper"]).all()
    assert (inside.loc[inside["part"] == "variance", "lower"] > 0).all()
    wider = fit.tidy(0.99).dropna(subset=["lower", "upper"])
    narrow = table.loc[wider.index]
    assert (wider["lower"] < narrow["lower"]).all()
    assert (wider["upper"] > narrow["upper"]).all()
    with pytest.raises(mt.ModelError, match="level"):
        fit.tidy(95)


def test_long_table_has_every_estimate(fits):
    mixed = fits["mixed"].tidy().set_index(["part", "term"])["estimate"]
    assert mixed["mean"].to_dict() == pytest.approx(fits["mixed"].params.to_dict())
    variances = fits["mixed"].variances["estimate"]
    assert mixed["variance"].to_dict() == pytest.approx(variances.to_dict())
    group = fits["mixed"].tidy().set_index(["part", "term"])["group"]
    assert group["variance"].to_dict() == {"Intercept": "school", "Residual": ""}
    multigroup = fits["multigroup"].tidy()
    assert len(multigroup) == fits["multigroup"].n_parameters
    row = multigroup.set_index(["term", "part", "group"]).loc[("math~~ses", "within", "Public")]
    assert row["estimate"] == fits["multigroup"].params["within.math~~ses[Public]"]
    centering = fits["centering"].tidy().set_index("term")
    assert centering["estimate"].to_dict() == fits["centering"].table["estimate"].to_dict()
    association = fits["association"].tidy()
    assert (association["part"] == "association").sum() == 2
    between = fits["between"].tidy().set_index("part").loc["between"]
    assert between["term"].tolist()[0] == "scale:Intercept:Intercept"


@pytest.mark.parametrize("kind", MAXIMA)
def test_errors_and_limits_are_known_at_a_maximum_only(fits, kind):
    fit = fits[kind]
    record = replace(fit.optimizer, converged=False)
    if kind == "multigroup":
        stopped = replace(fit, fit=replace(fit.fit, record=record))
    else:
        stopped = replace(fit, optimizer=record)
    tables = [lambda fit: fit.tidy()[["se", "p", "lower", "upper"]]]
    if kind == "mixed":
        tables.append(lambda fit: fit.prediction_interval()[["se", "lower", "upper"]])
    elif kind != "multigroup":
        tables.append(lambda fit: fit.predict().filter(regex="se|lower|upper"))
    for table in tables:
        assert table(fit).notna().any().all()
        assert table(stopped).isna().all(axis=None)


@pytest.mark.parametrize("kind", MAXIMA)
def test_simulation_takes_a_seed_or_a_generator(fits, kind):
    drawn = fits[kind].simulate(4)
    assert isinstance(drawn, pd.DataFrame)
    assert len(drawn) == fits[kind].nobs
    pd.testing.assert_frame_equal(drawn, fits[kind].simulate(np.random.default_rng(4)))
    with pytest.raises(mt.ModelError, match="seed"):
        fits[kind].simulate("one")


@pytest.mark.parametrize("kind", KINDS)
def test_notes_and_look(fits, kind):
    fit = fits[kind]
    assert isinstance(fit.notes, tuple)
    assert repr(fit) == str(fit.summary())
    assert fit._repr_html_() == fit.summary()._repr_html_()


@pytest.mark.parametrize(
    "name", ["llf", "deviance", "aic", "bic", "n_parameters", "optimizer", "simulate", "cov_params"]
)
def test_what_a_table_of_several_models_has_not_says_why(fits, name):
    with pytest.raises(mt.ModelError, match=f"CenteringResult has no {name}: "):
        getattr(fits["centering"], name)


def test_components_are_split_by_name():
    table = pd.DataFrame({"estimate": [2.0, -0.5], "se": [0.5, 0.1]}, index=["a", "a:b"])
    parts = split_components(table, ["a", "b"], 0.95)
    assert parts["variance"].loc["a", "lower"] == pytest.approx(2 * np.exp(-1.959964 / 4))
    assert parts["covariance"].loc["a:b", "upper"] == pytest.approx(-0.5 + 0.1959964)


def test_generators_go_on_where_they_are():
    rng = np.random.default_rng(1)
    assert as_generator(rng) is rng
    assert as_generator(1).random() == np.random.default_rng(1).random()


def test_estimates_need_few_things():
    class Two(Estimates):
        params, bse = pd.Series({"a": 2.0}), pd.Series({"a": 1.0})
        df, deviance, n_parameters, nobs = pd.Series({"a": np.inf}), 10.0, 1, 100

    assert Two().pvalues["a"] == pytest.approx(0.04550026)
    assert Two().bic == pytest.approx(10 + np.log(100))
