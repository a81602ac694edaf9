"""Tables of a fitted multigroup model, and what can be asked of it."""

import pickle

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.errors import ModelError
from mlteach.multigroup.result import _negative_note


@pytest.fixture(scope="module")
def fit(hsb):
    return mt.fit_multigroup(["math", "ses"], hsb, cluster="school", group="sector")


def test_shapes_are_the_contract(fit) -> None:
    assert fit.groups == ("Catholic", "Public") and fit.variables == ("math", "ses")
    assert list(fit.within) == list(fit.between) == list(fit.groups)
    for table in (*fit.within.values(), *fit.between.values()):
        assert list(table.index) == list(table.columns) == ["math", "ses"]
        assert (table.to_numpy() == table.to_numpy().T).all()
    assert fit.means.shape == fit.icc.shape == (2, 2)
    assert fit.means.index.name == fit.icc.index.name == "sector"
    assert list(fit.parameters.columns) == [
        "level", "left", "right", "group", "estimate", "se", "z", "p", "lower", "upper", "flag",
    ]  # fmt: skip
    assert fit.n_parameters == len(fit.params) == len(fit.bse) == 13
    assert (fit.nobs, fit.n_clusters) == (7185, 160)
    assert fit.aic == pytest.approx(fit.deviance + 26)
    assert fit.bic == pytest.approx(fit.deviance + 13 * np.log(7185))


def test_matrices_and_parameters_agree(fit) -> None:
    assert fit.within["Public"].loc["math", "ses"] == fit.params["within.math~~ses[Public]"]
    assert fit.between["Public"].loc["ses", "math"] == fit.params["between.math~~ses"]
    assert fit.means.loc["Catholic", "ses"] == fit.params["mean.ses[Catholic]"]
    share = fit.between["Public"] / (fit.between["Public"] + fit.within["Public"])
    np.testing.assert_allclose(fit.icc.loc["Public"], np.diag(share))


def test_tables_keep_the_order_of_variables(hsb) -> None:
    other = mt.fit_multigroup(["ses", "math"], hsb, cluster="school")
    assert list(other.icc) == list(other.means) == list(other.between["all"]) == ["ses", "math"]


@pytest.mark.parametrize("names", [["between.x~~x"], ["within.x~~x@1"], "both"])
def test_a_negative_variance_is_explained_on_its_level(names) -> None:
    names = ["between.x~~x", "within.x~~x@1"] if names == "both" else names
    note = _negative_note(names)
    assert note.startswith(f"Negative variance: {', '.join(names)}.")
    assert ("zero is usually inside the interval" in note) == ("between.x~~x" in names)
    assert ("A position's variance" in note) == ("within.x~~x@1" in names)


def test_units_scale_as_they_should(hsb, fit) -> None:
    other = hsb.assign(math=1e3 * hsb["math"] + 1e6, ses=hsb["ses"] / 100)
    moved = mt.fit_multigroup(["math", "ses"], other, cluster="school", group="sector")
    change = len(hsb) * (np.log(1e3) - np.log(100))
    assert moved.llf == pytest.approx(fit.llf - change, abs=1e-6)
    for name, factor in {"math~~math": 1e6, "math~~ses": 10, "ses~~ses": 1e-4}.items():
        assert moved.params[f"between.{name}"] == pytest.approx(
            factor * fit.params[f"between.{name}"], rel=1e-7
        )
        assert moved.bse[f"between.{name}"] == pytest.approx(
            factor * fit.bse[f"between.{name}"], rel=1e-7
        )


def test_implied_matrix_has_the_two_levels(fit) -> None:
    wide = fit.implied("Public", 3)
    assert list(wide.index) == ["math_1", "ses_1", "math_2", "ses_2", "math_3", "ses_3"]
    np.testing.assert_allclose(wide.iloc[:2, 2:4], fit.between["Public"])
    np.testing.assert_allclose(wide.iloc[4:, 4:], fit.between["Public"] + fit.within["Public"])
    assert fit.implied_mean("Public", 3)["ses_3"] == fit.means.loc["Public", "ses"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda fit: fit.implied("Private", 2), "no group 'Private'"),
        (lambda fit: fit.implied(None, 2), "no group None"),
        (lambda fit: fit.implied("Public", 0), "n=0 is not a whole number"),
        (lambda fit: fit.ranef("Private"), "no group 'Private'"),
        (lambda fit: fit.conf_int(method="exact"), "not known"),
        (lambda fit: fit.conf_int(95), "between 0 and 1"),
    ],
)
def test_questions_without_an_answer(fit, ask, message) -> None:
    with pytest.raises(ModelError, match=message):
        ask(fit)


def test_shows_as_text_and_html(fit) -> None:
    text = repr(fit)
    for part in (
        "Catholic (70 clusters, 3543 rows)",
        "within.math~~math[Public]",
        "Variance ratios",
    ):
        assert part in text
    assert "<table" in fit._repr_html_()


def test_survives_pickling(fit) -> None:
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.parameters, fit.parameters)


def test_comparisons(fit, hsb_groups, hsb_empty, hsb) -> None:
    table = mt.compare(hsb_groups, fit, names=["free", "equal"])
    assert list(table.index) == ["equal", "free"]
    assert table.loc["free", "lr"] == pytest.approx(2 * (hsb_groups.llf - fit.llf))
    assert table.loc["free", "df"] == 3
    assert table.loc["free", "p"] == table.loc["free", "p_mixture"]
    other = mt.fit_multigroup(
        ["math", "ses"], hsb, cluster="school", group="sector", within="equal", between="free"
    )
    with pytest.raises(ModelError, match="not nested"):
        mt.compare(fit, other)
    assert np.isnan(mt.compare(fit, other, nested=False)["lr"]).all()
    with pytest.raises(ModelError, match="models of one kind"):
        mt.compare(fit, hsb_empty)
    with pytest.raises(ModelError, match="needs none"):
        mt.compare(fit, hsb_groups, bootstrap=9)


def test_latent_regression_is_that_of_the_centering_table(hsb) -> None:
    one = mt.fit_multigroup(["math", "ses"], hsb, cluster="school")
    ours = mt.latent_regression(one, "math").loc["all"]
    table = mt.fit_centering("math ~ ses", hsb, cluster="school").table
    for effect in ("within", "between", "contextual"):
        expected = table.loc[f"latent_{effect}", ["estimate", "se"]].to_numpy(float)
        got = ours.loc[(effect, "ses"), ["estimate", "se"]].to_numpy(float)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_latent_regression_refuses(fit) -> None:
    with pytest.raises(ModelError, match="'sex' is not in the model"):
        mt.latent_regression(fit, "math", ["sex"])
    with pytest.raises(ModelError, match="needs an outcome and other"):
        mt.latent_regression(fit, "math", ["math"])
